//! Every kind of damage to every file of a depot: it is noticed, or it does no harm.

use std::fs;

use super::*;

/// A depot with two checkpoints, the second of which relies on the first, and one that sent everything anew before.
struct Scene {
    _dir: TempDir,
    root: PathBuf,
    depot: Depot,
}

const OFFSETS: [u64; 3] = [90, 100, 120];

impl Scene {
    fn new() -> Self {
        let dir = scratch();
        let root = dir.path().join("checkpoints");
        let depot = in_directory(&root);
        publish(&depot, OFFSETS[0], 1, Full::Every(9)).unwrap();
        publish(&depot, OFFSETS[1], 1, Full::Always).unwrap();
        publish(&depot, OFFSETS[2], 1, Full::Every(9)).unwrap();
        Self { _dir: dir, root, depot }
    }

    /// Files of the depot, but those that say nothing.
    fn files(&self) -> Vec<PathBuf> {
        let files = crate::local::scan(&self.root).unwrap();
        files.into_iter().map(|file| file.path).filter(|path| !path.ends_with(".lock")).collect()
    }

    /// What is found is a snapshot that was published. Where the newest is not whole, that is said.
    fn check(&self, what: &str) {
        let candidates = self.depot.candidates(&place(), &control()).unwrap();
        let mut is_noticed = !candidates.damaged.is_empty() || candidates.pointer_damage.is_some();
        let mut found = Vec::new();
        for manifest in &candidates.manifests {
            let next_offset = manifest.about().next_offset.unwrap();
            match fetched(&self.depot, manifest) {
                Ok(files) => {
                    assert_eq!(files, state(next_offset, "w"), "{what}: a wrong state at {next_offset}");
                    assert!(OFFSETS.contains(&next_offset));
                    found.push(next_offset);
                }
                Err(DepotError::Damaged { .. } | DepotError::Missing { .. }) => is_noticed = true,
                Err(error) => panic!("{what}: {error}"),
            }
        }
        assert!(!found.is_empty(), "{what}: nothing is left, and one file was damaged");
        assert!(is_noticed || found.first() == Some(&120), "{what}: {found:?}, and nobody said why");
        let checked = self.depot.verify(&place(), &control()).unwrap();
        let mut whole: Vec<_> = checked
            .iter()
            .filter(|checked| checked.result.is_ok())
            .map(|checked| checked.about.as_ref().unwrap().next_offset.unwrap())
            .collect();
        whole.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(whole, found, "{what}: verification finds something else than fetching: {checked:?}");
    }

    /// Whatever was damaged, the next publication of everything is whole again.
    fn mend(&self, what: &str) {
        publish(&self.depot, 130, 1, Full::Always).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (manifest, files) = restored(&self.depot).unwrap();
        assert_eq!((manifest.about().next_offset, files), (Some(130), state(130, "w")), "{what}");
    }
}

/// Tries a damage on a copy of each file, as a new scene takes long.
fn with_each_file(damage: impl Fn(&Path, &[u8]) -> Vec<(String, Option<Vec<u8>>)>) {
    let scene = Scene::new();
    for path in scene.files() {
        let bytes = fs::read(&path).unwrap();
        for (what, damaged) in damage(&path, &bytes) {
            let what = format!("{}: {what}", path.strip_prefix(&scene.root).unwrap().display());
            replace(&path, damaged.as_deref());
            scene.check(&what);
            replace(&path, Some(&bytes));
        }
    }
    scene.check("nothing");
    scene.mend("nothing");
}

/// Not through a link that two share.
fn replace(path: &Path, bytes: Option<&[u8]>) {
    let _ = fs::remove_file(path);
    if let Some(bytes) = bytes {
        fs::write(path, bytes).unwrap();
    }
}

/// Positions of every class: both ends, the middle, every byte of the first line, and some between.
fn positions(bytes: &[u8]) -> Vec<usize> {
    let head = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0).min(160);
    let mut positions: Vec<_> = (0..head.min(bytes.len())).step_by(3).collect();
    positions.extend((0..bytes.len()).step_by((bytes.len() / 12).max(1)));
    positions.extend(bytes.len().checked_sub(1));
    positions.sort_unstable();
    positions.dedup();
    positions
}

#[test]
fn a_flipped_bit() {
    with_each_file(|_, bytes| {
        let flip = |at: usize| {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << (at % 8);
            (format!("byte {at} flipped"), Some(damaged))
        };
        positions(bytes).into_iter().map(flip).collect()
    });
}

#[test]
fn a_file_cut_short_emptied_lengthened_or_removed() {
    with_each_file(|_, bytes| {
        let cut = |at: usize| (format!("cut at {at}"), Some(bytes[..at].to_vec()));
        let mut all: Vec<_> = [0, bytes.len() / 2, bytes.len().saturating_sub(1)].map(cut).into();
        all.push(("lengthened".into(), Some([bytes, b"\0"].concat())));
        all.push(("removed".into(), None));
        all
    });
}

#[test]
fn any_two_files_swapped() {
    let scene = Scene::new();
    let files = scene.files();
    for (at, one) in files.iter().enumerate() {
        for other in &files[at + 1..] {
            let contents = [fs::read(one).unwrap(), fs::read(other).unwrap()];
            replace(one, Some(&contents[1]));
            replace(other, Some(&contents[0]));
            let candidates = scene.depot.candidates(&place(), &control()).unwrap();
            for manifest in &candidates.manifests {
                if let Ok(files) = fetched(&scene.depot, manifest) {
                    assert_eq!(files, state(manifest.about().next_offset.unwrap(), "w"), "{one:?} and {other:?}");
                }
            }
            replace(one, Some(&contents[0]));
            replace(other, Some(&contents[1]));
        }
    }
    scene.check("nothing");
}

#[test]
fn an_older_pointer_put_back_hides_no_checkpoint() {
    let scene = Scene::new();
    let pointer = scene.root.join(place().prefix()).join("newest");
    let old = fs::read(&pointer).unwrap();
    publish(&scene.depot, 140, 1, Full::Every(9)).unwrap();
    replace(&pointer, Some(&old));
    let (manifest, files) = restored(&scene.depot).unwrap();
    assert_eq!((manifest.about().next_offset, files), (Some(140), state(140, "w")));
    publish(&scene.depot, 150, 1, Full::Every(9)).unwrap();
    assert_eq!(restored(&scene.depot).unwrap().1, state(150, "w"));
}

#[test]
fn a_pointer_of_another_partition_or_none_at_all_is_made_good() {
    let scene = Scene::new();
    let elsewhere = Place { partition: 9, ..place() };
    scene.depot.claim(&elsewhere, 50, &control()).unwrap();
    let pointer = |place: &Place| scene.root.join(place.prefix()).join("newest");
    let foreign = fs::read(pointer(&elsewhere)).unwrap();
    for bytes in [Some(&foreign[..]), None, Some(b"junk")] {
        replace(&pointer(&place()), bytes);
        assert_eq!(restored(&scene.depot).unwrap().1, state(120, "w"));
        refused(publish(&scene.depot, 300, 0, Full::Every(9)), &["epoch 1", "epoch 0"]);
        refused(publish(&scene.depot, 30, 1, Full::Every(9)), &["reaches offset 120"]);
        publish(&scene.depot, 120, 1, Full::Every(9)).unwrap();
        assert!(scene.depot.candidates(&place(), &control()).unwrap().pointer_damage.is_none());
    }
    assert_eq!(scene.depot.claim(&place(), 0, &control()).unwrap(), 2);
}

#[test]
fn a_damaged_object_is_left_behind_by_the_next_full_checkpoint() {
    let scene = Scene::new();
    let objects = crate::local::scan(&scene.root.join(place().prefix()).join("objects")).unwrap();
    for object in &objects {
        replace(&object.path, Some(b"junk"));
    }
    assert!(restored(&scene.depot).is_none());
    scene.mend("every object");
}
