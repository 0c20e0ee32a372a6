//! Every file of real checkpoints, damaged in every way a disk or an operator knows: what is brought back is a state that was
//! published, with exactly its keys, or none; and where it is not the newest, that is counted. How the crate below notices
//! single bytes is tested there, more densely.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::world::{NEVER, World, applied, files, known, quick_leave, write};

/// How far the checkpoints reach.
const REACH: [i64; 3] = [300, 400, 500];

/// Where a byte is changed: at both ends and between, a different place in each file.
fn positions(file: usize, length: usize) -> BTreeSet<usize> {
    let places = [0, 1, length / 4, length / 2, length * 3 / 4, (file * 7_919) % length.max(1)];
    let tail = [2, 1].map(|back| length.saturating_sub(back));
    places.into_iter().chain(tail).filter(|place| *place < length).collect()
}

/// A place with three checkpoints, of which the middle one begins anew.
struct Scene {
    world: World,
    files: Vec<PathBuf>,
    /// The pointer as it was after each checkpoint.
    pointers: Vec<Vec<u8>>,
    tries: usize,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let mut scene = Self { world, files: Vec::new(), pointers: Vec::new(), tries: 0 };
        let host = scene.world.host_of("a", NEVER, 2);
        let mut committed = None;
        for reach in REACH {
            let mut store = host.open(committed, 0).unwrap();
            host.write(&mut store, committed.unwrap_or(0)..reach);
            quick_leave(&host, store);
            committed = Some(reach);
            scene.pointers.push(fs::read(scene.pointer()).unwrap());
        }
        let names = |path: &PathBuf| !path.ends_with(".lock");
        scene.files = files(&scene.world.shelf()).into_iter().filter(names).collect();
        assert_eq!(scene.world.offsets(), [500, 400, 300]);
        scene
    }

    fn pointer(&self) -> PathBuf {
        self.world.shelf().join("group").join("events").join("0").join("newest")
    }

    /// A host with an empty disk takes the partition over; how far its state reaches.
    fn check(&mut self, what: &str) -> Option<i64> {
        self.tries += 1;
        let name = format!("heir-{}", self.tries);
        let host = self.world.host(&name, NEVER);
        let mut store = host.open(Some(500), 0).unwrap_or_else(|_| panic!("{what}: it is refused"));
        let reach = applied(&store);
        assert!(reach.is_none_or(|reach| REACH.contains(&reach)), "{what}: {reach:?} was never published");
        let keys = i64::try_from(known(&mut store)).unwrap();
        assert_eq!(keys, reach.unwrap_or(0), "{what}: a wrong state");
        let is_counted = !host.says("dedup_host_checkpoints_damaged_total 0");
        assert!(reach == Some(500) || is_counted, "{what}: {reach:?}, and nobody said why");
        drop((store, host));
        fs::remove_dir_all(self.world.dir.path().join(name)).unwrap();
        reach
    }

    /// As [`Scene::check`], with something in the place of a file.
    fn check_with(&mut self, file: &Path, bytes: Option<&[u8]>, what: &str) {
        let whole = fs::read(file).unwrap();
        put(file, bytes);
        let name = file.strip_prefix(self.world.shelf()).unwrap().display().to_string();
        self.check(&format!("{name}: {what}"));
        put(file, Some(&whole));
    }

    /// Nothing of all this has changed what is there.
    fn end(mut self) {
        assert_eq!(self.check("nothing"), Some(500));
    }
}

/// Not through a link that the store may share.
fn put(file: &Path, bytes: Option<&[u8]>) {
    let _gone_already = fs::remove_file(file);
    if let Some(bytes) = bytes {
        fs::write(file, bytes).unwrap();
    }
}

#[test]
fn a_byte_of_any_file_is_another() {
    let mut scene = Scene::new();
    for (number, file) in scene.files.clone().iter().enumerate() {
        let whole = fs::read(file).unwrap();
        for at in positions(number, whole.len()) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            scene.check_with(file, Some(&bytes), &format!("byte {at} of {}", whole.len()));
        }
    }
    scene.end();
}

#[test]
fn any_file_is_cut_lengthened_emptied_or_gone() {
    let mut scene = Scene::new();
    for file in &scene.files.clone() {
        let whole = fs::read(file).unwrap();
        for length in BTreeSet::from([0, whole.len() / 2, whole.len().saturating_sub(1)]) {
            scene.check_with(file, whole.get(..length), &format!("cut at {length} of {}", whole.len()));
        }
        scene.check_with(file, Some(&[&whole[..], b"\0"].concat()), "lengthened");
        scene.check_with(file, None, "gone");
    }
    scene.end();
}

#[test]
fn two_files_have_changed_places() {
    let mut scene = Scene::new();
    let files = scene.files.clone();
    let pairs = |distance: usize| files.iter().zip(files.iter().skip(distance));
    for (one, other) in [1, 2, 5, files.len() / 2].into_iter().flat_map(pairs) {
        let [first, second] = [one, other].map(|file| fs::read(file).unwrap());
        put(one, Some(&second));
        scene.check_with(other, Some(&first), &format!("changed places with {}", one.display()));
        put(one, Some(&first));
    }
    scene.end();
}

#[test]
fn the_pointer_is_an_earlier_one() {
    let mut scene = Scene::new();
    let pointers = scene.pointers.clone();
    for (pointer, reach) in pointers.iter().zip(REACH) {
        put(&scene.pointer(), Some(pointer));
        assert_eq!(scene.check(&format!("the pointer of {reach}")), Some(500), "the newest is not hidden");
    }
    // Whoever goes on with it hides nothing either, and is not hidden.
    put(&scene.pointer(), Some(&pointers[0]));
    let host = scene.world.host("next", NEVER);
    let mut store = host.open(Some(500), 0).unwrap();
    host.write(&mut store, 500..600);
    quick_leave(&host, store);
    assert_eq!(scene.world.offsets().first(), Some(&600));
}

/// As from a backup: an earlier whole is a true state that is old.
#[test]
fn all_of_it_is_an_earlier_copy() {
    let world = World::new();
    let host = world.host("a", NEVER);
    let mut store = host.open(None, 0).unwrap();
    host.write(&mut store, 0..300);
    quick_leave(&host, store);
    let earlier: Vec<_> = files(&world.shelf()).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let mut store = host.open(Some(300), 0).unwrap();
    host.write(&mut store, 300..500);
    quick_leave(&host, store);
    fs::remove_dir_all(world.shelf()).unwrap();
    for (bytes, path) in earlier {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let heir = world.host("b", NEVER);
    let mut store = heir.open(Some(500), 0).unwrap();
    assert_eq!((applied(&store), known(&mut store)), (Some(300), 300));
    // As the replay does.
    write(&mut store, 300..500);
    quick_leave(&heir, store);
    assert_eq!(world.offsets(), [500, 300]);
}
