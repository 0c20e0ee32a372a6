//! Whatever fails and wherever a process dies: a reader gets a whole snapshot that somebody published, never a mixed one, and
//! the pointer never goes back.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::faulty::{Faulty, Plan};
use super::*;
use plain_text::hex;

fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let count = std::env::var("SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(count);
    first.map_or(0..count, |first: u64| first..first + 1)
}

fn through(faulty: &Faulty) -> Depot {
    over(Arc::new(faulty.clone()), limits())
}

/// How far the pointer has come: epochs first.
fn reached(depot: &Depot) -> Option<(u64, Option<u64>)> {
    let manifests = depot.candidates(&place(), &control()).unwrap().manifests;
    let newest = manifests.into_iter().find(Manifest::is_newest)?;
    Some((newest.about().epoch, newest.about().next_offset))
}

#[test]
fn a_publication_that_dies_anywhere_leaves_the_old_or_the_new_and_the_next_goes_on() {
    let mut requests = 200;
    for dies_after in [false, true] {
        let mut lives_for = 1;
        while lives_for <= requests {
            let (memory, sound) = in_memory();
            publish(&sound, 100, 1, Full::Every(3)).unwrap();
            let old = sound.candidates(&place(), &control()).unwrap().manifests.remove(0);
            let faulty = Faulty::new(&memory, Plan { lives_for: Some(lives_for), dies_after, ..Plan::sound() });
            let published = publish(&through(&faulty), 120, 1, Full::Every(3));
            if published.is_ok() {
                requests = faulty.requests();
            }
            let found = reached(&sound).unwrap();
            assert!([(1, Some(100)), (1, Some(120))].contains(&found), "{lives_for}: {found:?}");
            let (manifest, files) = restored(&sound).unwrap();
            assert_eq!(files, state(manifest.about().next_offset.unwrap(), "w"), "{lives_for}");
            assert_eq!(fetched(&sound, &old).unwrap(), state(100, "w"), "{lives_for}: the one before stays whole");

            let again = Faulty::new(&memory, Plan::sound());
            publish(&through(&again), 120, 1, Full::Every(3)).unwrap();
            assert_eq!(restored(&sound).unwrap().1, state(120, "w"));
            let objects = |faulty: &Faulty| {
                faulty.written().into_iter().filter(|name| name.contains("/objects/")).collect::<Vec<_>>()
            };
            let (first, second) = (objects(&faulty), objects(&again));
            assert!(second.iter().all(|name| !first.contains(name)), "{lives_for}: sent twice: {first:?} {second:?}");
            lives_for += 1;
        }
    }
    assert!((8..100).contains(&requests), "{requests} requests for a publication: has anything died at all?");
}

#[test]
fn a_first_publication_that_dies_anywhere_leaves_nothing_or_a_whole_one() {
    for lives_for in 1..40 {
        let (memory, sound) = in_memory();
        let faulty =
            Faulty::new(&memory, Plan { lives_for: Some(lives_for), dies_after: lives_for % 2 == 0, ..Plan::sound() });
        let _ = publish(&through(&faulty), 100, 1, Full::Always);
        if let Some((_, files)) = restored(&sound) {
            assert_eq!(files, state(100, "w"));
        }
        publish(&sound, 110, 1, Full::Always).unwrap();
        assert_eq!(restored(&sound).unwrap().1, state(110, "w"));
    }
}

/// One writer of several.
struct Writer {
    name: String,
    epoch: u64,
    next_offset: u64,
}

/// What happened in a run, and what must be true after each step.
struct World {
    memory: Arc<InMemory>,
    sound: Depot,
    dice: Dice,
    published: HashMap<(u64, u64, String), Files>,
    reached: Option<(u64, Option<u64>)>,
    went_well: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let (memory, sound) = in_memory();
        Self { memory, sound, dice: Dice::new(seed), published: HashMap::new(), reached: None, went_well: 0 }
    }

    fn depot(&mut self) -> Depot {
        let lives_for = (self.dice.below(3) == 0).then(|| 1 + self.dice.below(40));
        let plan = Plan {
            dice: Dice::new(self.dice.next()),
            failing: [0, 5, 20, 45][usize::try_from(self.dice.below(4)).unwrap()],
            lives_for,
            dies_after: self.dice.below(2) == 0,
            delay: Duration::ZERO,
        };
        let impatient = Limits { timeout: Duration::from_millis(3), attempts: 4, ..limits() };
        over(Arc::new(Faulty::new(&self.memory, plan)), impatient)
    }

    fn step(&mut self, writers: &mut [Writer]) {
        let depot = self.depot();
        let at = usize::try_from(self.dice.below(u64::try_from(writers.len()).unwrap())).unwrap();
        let writer = &mut writers[at];
        match self.dice.below(10) {
            0 | 1 => {
                if let Ok(epoch) = depot.claim(&place(), 0, &control()) {
                    assert!(epoch > writer.epoch, "an epoch was given twice");
                    writer.epoch = epoch;
                }
            }
            2 => drop(depot.prune(&place(), 2, &control())),
            _ => {
                writer.next_offset += self.dice.below(25);
                let files = state(writer.next_offset, &writer.name);
                let key = (writer.epoch, writer.next_offset, writer.name.clone());
                self.published.insert(key, files.clone());
                let dir = snapshot(&files);
                let mut about = about(writer.next_offset, writer.epoch);
                about.notes.insert("writer".into(), writer.name.clone());
                let full = if self.dice.below(6) == 0 { Full::Always } else { Full::Every(4) };
                let published = depot.publish(&place(), dir.path(), &about, full, &control());
                self.went_well += u64::from(published.is_ok());
            }
        }
    }

    /// All that can be read is whole and is what somebody published; the pointer has not gone back.
    fn check(&mut self) {
        let candidates = self.sound.candidates(&place(), &control()).unwrap();
        assert!(candidates.damaged.is_empty() && candidates.pointer_damage.is_none(), "{candidates:?}");
        for manifest in &candidates.manifests {
            let about = manifest.about();
            let key = (about.epoch, about.next_offset.unwrap(), about.notes["writer"].clone());
            let digests = |files: &Files| {
                files.iter().map(|(name, bytes)| (name.clone(), hex(&Sha256::digest(bytes)))).collect::<Vec<_>>()
            };
            let found: Vec<_> =
                manifest.body.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect();
            assert_eq!(Some(found), self.published.get(&key).map(digests), "{key:?} is not what was published");
        }
        for checked in self.sound.verify(&place(), &control()).unwrap() {
            assert!(checked.result.is_ok(), "{checked:?}");
        }
        let reached = reached(&self.sound);
        assert!(reached >= self.reached, "the pointer went back from {:?} to {reached:?}", self.reached);
        self.reached = reached;
    }
}

#[test]
fn after_any_sequence_of_faults_deaths_and_writers_every_checkpoint_is_whole() {
    let mut went_well = 0;
    for seed in seeds(40) {
        let ran = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            let mut writers: Vec<_> =
                ["a", "b", "c"].map(|name| Writer { name: name.into(), epoch: 0, next_offset: 10 }).into();
            for _ in 0..25 {
                world.step(&mut writers);
                world.check();
            }
            world.went_well
        });
        went_well += ran.unwrap_or_else(|_| panic!("to run it again: SEED={seed}"));
    }
    assert!(went_well > 0, "nothing was ever published");
}

#[test]
fn a_lying_way_is_read_again_and_a_cut_answer_is_none() {
    let (memory, sound) = in_memory();
    publish(&sound, 100, 1, Full::Every(3)).unwrap();
    let (mut whole, mut refused) = (0, 0);
    for seed in 0..200 {
        let faulty = Faulty::new(&memory, Plan { dice: Dice::new(seed), failing: 20, ..Plan::sound() });
        let depot = over(Arc::new(faulty), Limits { timeout: Duration::from_millis(10), ..limits() });
        let Ok(mut candidates) = depot.candidates(&place(), &control()) else { continue };
        if candidates.manifests.is_empty() {
            assert!(!candidates.damaged.is_empty(), "a checkpoint was overlooked");
            continue;
        }
        match fetched(&depot, &candidates.manifests.remove(0)) {
            Ok(files) => {
                assert_eq!(files, state(100, "w"), "seed {seed}");
                whole += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(whole > 50, "{whole} whole, {refused} refused");
}
