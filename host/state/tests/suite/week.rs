//! What a store takes, on the disk and in memory: the same on each day of a week with a window of a day, and never more than its
//! options say. Not what it forgets: see `situations` and `model`.

use std::fs;
use std::path::Path;

use crate::common::{applied, event, identity, keeping, kept, lookup, write};
use engine::history::History;
use state::{PartitionStore, StoreIdentity, StoreOptions};

const HOUR_MS: i64 = 3_600_000;
const DAYS: usize = 7;
const HOURS: usize = 24;

/// Events of an hour: each has a key, an original, and so has every eighth a duplicate.
const EVENTS: i64 = 3_000;

/// From the third day on, no day takes more than another but for so many thousandths: tables are merged when they are.
const FLAT: u64 = 50;

/// What a store takes, summed up over a day.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    disk: u64,
    tables: u64,
    filters: u64,
    originals: u64,
    memory: u64,
}

impl Taken {
    fn add(&mut self, store: &PartitionStore, dir: &Path) {
        let sizes = store.sizes();
        self.disk += bytes_below(dir);
        self.tables += sizes.bytes_on_disk + sizes.histories_bytes;
        self.originals += sizes.originals_bytes;
        self.filters += sizes.filter_bytes;
        self.memory += (sizes.front_entries + sizes.originals_memory_bytes + sizes.histories_in_memory) as u64;
    }

    fn parts(&self) -> [(&'static str, u64); 5] {
        let Self { disk, tables, filters, originals, memory } = *self;
        [("disk", disk), ("tables", tables), ("filters", filters), ("originals", originals), ("memory", memory)]
    }
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map_while(Result::ok);
    // A file may go while it is looked at.
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}

fn open(dir: &Path) -> PartitionStore {
    let day = Some(HOUR_MS * 24);
    let identity = StoreIdentity { window_ms: day, ..identity() };
    let originals = keeping(1 << 18, 1 << 20).originals;
    let options = StoreOptions { originals, ..StoreOptions::for_window(day, 0) };
    PartitionStore::open(dir, &identity, options).unwrap()
}

/// The events of an hour, from `first` on.
fn hour(store: &mut PartitionStore, first: i64, time: i64) {
    let offsets = first..first + EVENTS;
    for offset in offsets.clone() {
        store.keep(offset, &event(offset)).unwrap();
        if offset % 8 == 0
            && let Some(history) = store.history(offset, || History::of(None)).unwrap()
        {
            history.count(offset, None);
        }
    }
    let of = |offset: i64| write(offset.unsigned_abs(), offset, time + offset % HOUR_MS);
    store.stage(&offsets.clone().map(of).collect::<Vec<_>>());
    store.commit(applied(offsets.end, Some(time)));
    store.persist().unwrap();
}

#[test]
fn a_week_with_a_window_of_a_day_holds_disk_and_memory_flat() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (mut days, mut next) = ([Taken::default(); DAYS], 0);
    for (day, taken) in days.iter_mut().enumerate() {
        for hour_of_day in 0..HOURS {
            hour(&mut store, next, ((day * HOURS + hour_of_day) as i64) * HOUR_MS);
            next += EVENTS;
            taken.add(&store, dir.path());
        }
    }
    for (at, (name, first)) in days[2].parts().into_iter().enumerate() {
        let all: Vec<u64> = days[2..].iter().map(|day| day.parts()[at].1 / HOURS as u64).collect();
        println!("{name}: {all:?} bytes on the days from the third on");
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(first == 0 || most - least <= most * FLAT / 1_000, "{name}: {all:?}");
    }
    // And it is not flat because nothing is there: the last day is known, and the first is gone.
    let day = EVENTS * HOURS as i64;
    let keys = |from: i64| (from..from + 100).map(i64::unsigned_abs).collect::<Vec<_>>();
    assert_eq!(lookup(&mut store, &keys(next - day + 4 * EVENTS), i64::MAX).len(), 100);
    assert_eq!(lookup(&mut store, &keys(0), i64::MAX).len(), 0);
    assert_eq!((kept(&mut store, next - 100..next).len(), kept(&mut store, 0..100).len()), (100, 0));
}

#[test]
fn a_store_takes_no_more_than_its_options_say() {
    let dir = tempfile::tempdir().unwrap();
    let kept = keeping(1 << 18, 1 << 20).originals;
    for (originals, capacity) in [(None, 8 << 20), (kept, 24 << 20)] {
        let dir = dir.path().join(capacity.to_string());
        let options =
            StoreOptions { capacity_bytes_max: Some(capacity), originals, ..StoreOptions::for_window(None, 0) };
        let bounds = options.bounds();
        let identity = StoreIdentity { window_ms: None, ..identity() };
        let mut store = PartitionStore::open(&dir, &identity, options).unwrap();
        let (mut most_disk, mut most_filters) = (0, 0);
        for round in 0..120 {
            hour(&mut store, round * EVENTS, 0);
            let sizes = store.sizes();
            most_disk = most_disk.max(bytes_below(&dir));
            most_filters = most_filters.max(sizes.filter_bytes);
            assert!(sizes.originals_memory_bytes as u64 <= bounds.originals, "{sizes:?}");
        }
        let sizes = store.sizes();
        assert!(sizes.buckets_dropped_early + sizes.originals_dropped_early > 0, "it was never full");
        let of = |taken: u64, bound: Option<u64>| (taken, bound.unwrap());
        for (taken, bound) in [of(most_disk, bounds.disk), of(most_filters, bounds.filters)] {
            println!("{taken} bytes of {bound}");
            assert!(taken <= bound, "{taken} bytes are more than {bound}: {bounds:?}");
        }
    }
}
