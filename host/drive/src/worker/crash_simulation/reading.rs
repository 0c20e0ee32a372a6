//! A plain reading of the log: what is forwarded, and what is said of the others, where nothing ever fails.

use std::collections::{BTreeMap, BTreeSet};

use engine::decide::Window;
use engine::time::{CLOCK_RECORDS, Clock, ClockRules};

/// An event of the log.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) key: u8,
    pub(super) time: i64,
    pub(super) uuid: u8,
    pub(super) property: u8,
    /// The output takes it only where its limit is high.
    pub(super) large: bool,
}

/// What is said of a duplicate: its offset, its original's, how many there were, how many uuids, and the outcome.
pub(super) type Said = (i64, i64, u64, u64, &'static str);

pub(super) const WINDOW: Window = Window {
    length: Some(20_000),
    allowed_lateness: 5_000,
    clock: ClockRules { out_of_orderness_max: 500, jump_max: 1_000_000 },
};

/// Originals of one key at once.
const ORIGINALS_MAX: usize = 16;

/// Records before the log's, so that the clock runs when it begins, and goes on with it: of the times that it has seen,
/// half lie before, and half come to be looked at in turn.
pub(super) const WARM: usize = CLOCK_RECORDS;

pub(super) fn warm_time(offset: usize) -> i64 {
    1_000_000 + offset.saturating_sub(WARM / 2) as i64 * 300
}

/// How alike two events of a key are, as `property_similarity` has it: the key and the uuid weigh 0.7, the property 0.3.
fn similarity(one: &Event, other: &Event) -> f64 {
    let fields = if one.uuid == other.uuid { 1.0 } else { 0.5 };
    let properties = if one.property == other.property { 1.0 } else { 0.0 };
    0.7 * fields + 0.3 * properties
}

/// What a plain reading forwards, first events of their window, those that are less alike to all originals than `bound`,
/// and late ones, which pass undecided; and what it says of the others. Dead letters move the clock, and are nothing else.
pub(super) fn expected(log: &[Event], bound: f64, dead: &BTreeSet<i64>) -> (Vec<i64>, Vec<Said>) {
    // For each key the places of its originals, each with those that were there.
    let (mut keys, mut clock) = (BTreeMap::<u8, Vec<Vec<usize>>>::new(), Clock::default());
    let (mut forwarded, mut said) = ((0..WARM as i64).collect::<Vec<_>>(), Vec::new());
    (0..WARM).for_each(|offset| clock.observe(offset as i64, Some(warm_time(offset)), &WINDOW.clock));
    let mut repeats = BTreeMap::<usize, (u64, BTreeSet<u8>)>::new();
    for (offset, event) in (WARM..).zip(log) {
        let oldest = clock.watermark(&WINDOW.clock).map(|watermark| watermark - WINDOW.allowed_lateness);
        let late = oldest.is_some_and(|oldest| event.time < oldest);
        clock.observe(offset as i64, Some(event.time), &WINDOW.clock);
        if dead.contains(&(offset as i64)) {
            continue;
        }
        if late {
            forwarded.push(offset as i64);
            continue;
        }
        let live = |original: &&usize| log[**original - WARM].time >= event.time - 20_000;
        let places = keys.entry(event.key).or_default();
        let latest = places.iter().filter_map(|place| place.iter().rev().find(live));
        let latest: BTreeMap<usize, f64> = latest.map(|at| (*at, similarity(&log[*at - WARM], event))).collect();
        let closest = latest.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
        if let Some((at, _)) = closest.filter(|(_, similarity)| *similarity >= bound) {
            let original = &log[at - WARM];
            let (count, uuids) = repeats.entry(at).or_default();
            *count += 1;
            uuids.extend([original.uuid, event.uuid]);
            let outcome = match (event.uuid == original.uuid, event.property == original.property) {
                (true, true) => "same_event",
                (true, false) => "same_uuid",
                (false, true) => "only_uuid_different",
                (false, false) => "content_differs",
            };
            said.push((offset as i64, at as i64, *count, uuids.len() as u64, outcome));
            continue;
        }
        forwarded.push(offset as i64);
        match places.iter().position(|place| !place.iter().any(|original| live(&original))) {
            Some(free) => places[free].push(offset),
            None if places.len() < ORIGINALS_MAX => places.push(vec![offset]),
            None => {}
        }
    }
    (forwarded, said)
}
