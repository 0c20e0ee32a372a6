//! Small random streams against a model that is naive on purpose: lists, and loops over all of them.

use std::fmt::Write;

use dedup_host_tests::Test;
use dedup_host_tests::program;

use super::desk::{Counts, Desk, Random, end, first_seed};

pub(crate) const TESTS: &[Test] = &[
    ("random_streams_are_decided_as_the_model_decides", random_streams_are_decided_as_the_model_decides),
    ("random_streams_cut_into_files_are_decided_the_same", random_streams_cut_into_files_are_decided_the_same),
];

const NOON: i64 = 1_767_268_800_000;

/// One event: two keys, either of which may be missing, and a time.
#[derive(Debug, Clone)]
struct Event {
    keys: [Option<u64>; 2],
    time: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    window: Option<i64>,
    lateness: i64,
    out_of_orderness: i64,
    jump: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Unique,
    Duplicate(usize),
    Late,
    Keyless,
}

/// The rule as the documentation tells it.
fn model(events: &[Event], rules: Rules) -> Vec<Outcome> {
    let mut remembered: Vec<((usize, u64), usize, Option<i64>)> = Vec::new();
    let mut times: Vec<i64> = Vec::new();
    let mut clock: Option<i64> = None;
    let mut outcomes = Vec::new();
    for (offset, event) in events.iter().enumerate() {
        let time = event.time.or(clock);
        let late_before =
            clock.filter(|_| rules.window.is_some()).map(|clock| clock - rules.out_of_orderness - rules.lateness);
        let keys: Vec<_> = event.keys.iter().enumerate().filter_map(|(list, key)| Some((list, (*key)?))).collect();
        let outcome = if keys.is_empty() {
            Outcome::Keyless
        } else if late_before.zip(time).is_some_and(|(before, time)| time < before) {
            Outcome::Late
        } else {
            let mut outcome = Outcome::Unique;
            for key in keys {
                let in_window = |first: Option<i64>| match (rules.window, first, time) {
                    (Some(window), Some(first), Some(time)) => first >= time - window,
                    (None, _, _) | (_, None, _) | (_, _, None) => true,
                };
                let live = |entry: &&((usize, u64), usize, Option<i64>)| entry.0 == key && in_window(entry.2);
                match (remembered.iter().filter(live).max_by_key(|entry| entry.1).map(|entry| entry.1), outcome) {
                    (Some(original), Outcome::Unique) => outcome = Outcome::Duplicate(original),
                    (Some(_), _) => {}
                    (None, _) => remembered.push((key, offset, time)),
                }
            }
            outcome
        };
        outcomes.push(outcome);
        let Some(time) = event.time else { continue };
        times.push(time);
        if times.len().is_multiple_of(BLOCK) {
            clock = median_of_medians(&times);
        }
    }
    outcomes
}

/// Records of a block, and blocks, as the documentation of the clock says.
const BLOCK: usize = 32;
const BLOCKS: usize = 128;

/// Records without a key before the others, so that a clock says something: half of their times lie before the others'.
const WARM: i64 = (BLOCK * BLOCKS) as i64;

/// The clock after these times; `None` before there are enough.
fn median_of_medians(times: &[i64]) -> Option<i64> {
    let median = |times: &[i64]| {
        let mut times = times.to_vec();
        times.sort_unstable();
        times[times.len() / 2 - 1]
    };
    let first = times.len().checked_sub(BLOCK * BLOCKS)?;
    Some(median(&times[first..].chunks(BLOCK).map(median).collect::<Vec<_>>()))
}

fn random_event(random: &mut Random, keys: u64, now: i64) -> Event {
    let mut key = || (random.below(8) > 0).then(|| random.below(keys));
    let keys = [key(), key()];
    let time = match random.below(20) {
        0 => None,
        1 => Some(now - i64::try_from(random.below(100_000)).unwrap()),
        2 => Some(now + i64::try_from(random.below(200_000)).unwrap()),
        _ => Some(now + i64::try_from(random.below(2_000)).unwrap()),
    };
    Event { keys, time }
}

fn random_stream(random: &mut Random) -> (Vec<Event>, Rules) {
    let keys = 1 + random.below(400);
    let step = i64::try_from(random.below(500)).unwrap();
    let count = 100 + i64::try_from(random.below(3_000)).unwrap();
    let warm = |number: i64| Event { keys: [None, None], time: Some(NOON + (number - WARM / 2).max(0) * step) };
    let events = (0..WARM).map(warm).chain((0..count).map(|number| random_event(random, keys, NOON + number * step)));
    let events = events.collect();
    let mut millis = |end: u64| i64::try_from(1 + random.below(end)).unwrap();
    let rules = Rules {
        window: Some(millis(100_000)),
        lateness: millis(50_000),
        out_of_orderness: millis(5_000),
        jump: millis(100_000),
    };
    let window = if random.below(5) == 0 { None } else { rules.window };
    let lateness = window.map_or(rules.lateness, |window| rules.lateness.min(window));
    (events, Rules { window, lateness, ..rules })
}

fn line(number: usize, event: &Event) -> String {
    let mut text = format!("{{\"n\":{number}");
    for (name, key) in ["a", "b"].iter().zip(event.keys) {
        if let Some(key) = key {
            let _infallible = write!(text, ",\"{name}\":\"{key}\"");
        }
    }
    if let Some(time) = event.time {
        let _infallible = write!(text, ",\"t\":{time}");
    }
    text + "}\n"
}

/// Runs over the stream in as many files as there are cuts and one, and checks every decision.
fn check(events: &[Event], rules: Rules, cuts: &[usize], seed: u64) {
    let desk = Desk::new();
    let expected = model(events, rules);
    let window = rules.window.map_or_else(|| "none".to_owned(), |window| format!("{window}ms"));
    let words = format!(
        "--store-path store --input in --output out --duplicates duplicates --late late --report report --overwrite --event-time /t \
         --window {window} --allowed-lateness {}ms --max-out-of-orderness {}ms --max-time-jump {}ms --plugin-config",
        rules.lateness, rules.out_of_orderness, rules.jump
    );
    let mut from = 0;
    for to in cuts.iter().copied().chain([events.len()]) {
        desk.write(
            "in",
            events[from..to].iter().enumerate().map(|(at, event)| line(from + at, event)).collect::<String>(),
        );
        let mut command = desk.command(&words);
        command.arg("[[\"/a\"],[\"/b\"]]").arg("--plugin").arg(program::plugin("multi_key"));
        let _ok = end(command).ok();
        check_part(&desk, &expected, from, to, &format!("seed {seed}, {rules:?}, {cuts:?}"));
        if cuts.is_empty() {
            check_verified(&desk, &words, seed);
        }
        from = to;
    }
}

/// The run's own verifier, which knows neither this model nor the host's rule, agrees.
fn check_verified(desk: &Desk, words: &str, seed: u64) {
    let mut command = desk.command(&format!("verify {words}"));
    command.arg("[[\"/a\"],[\"/b\"]]").arg("--plugin").arg(program::plugin("multi_key"));
    let ended = end(command);
    assert_eq!(ended.code, Some(0), "seed {seed}:\n{}{}", ended.stdout, ended.stderr);
}

fn check_part(desk: &Desk, expected: &[Outcome], from: usize, to: usize, scene: &str) {
    let numbers = |name: &str| -> Vec<usize> {
        desk.json_lines(name).iter().map(|event| usize::try_from(event["n"].as_u64().unwrap()).unwrap()).collect()
    };
    let of =
        |wanted: &dyn Fn(Outcome) -> bool| -> Vec<usize> { (from..to).filter(|at| wanted(expected[*at])).collect() };
    assert_eq!(numbers("out"), of(&|outcome| matches!(outcome, Outcome::Unique | Outcome::Keyless)), "{scene}");
    assert_eq!(numbers("late"), of(&|outcome| outcome == Outcome::Late), "{scene}");
    let duplicates: Vec<(u64, u64)> = desk
        .json_lines("duplicates")
        .iter()
        .map(|letter| {
            (letter["duplicate"]["event"]["n"].as_u64().unwrap(), letter["original"]["offset"].as_u64().unwrap())
        })
        .collect();
    let wanted = (from..to).filter_map(|at| match expected[at] {
        Outcome::Duplicate(original) => Some((at as u64, original as u64)),
        Outcome::Unique | Outcome::Late | Outcome::Keyless => None,
    });
    assert_eq!(duplicates, wanted.collect::<Vec<_>>(), "{scene}");
    let count = |wanted: &dyn Fn(Outcome) -> bool| of(wanted).len() as u64;
    let counts = Counts {
        consumed: (to - from) as u64,
        unique: count(&|outcome| outcome == Outcome::Unique),
        duplicate: count(&|outcome| matches!(outcome, Outcome::Duplicate(_))),
        late: count(&|outcome| outcome == Outcome::Late),
        keyless: count(&|outcome| outcome == Outcome::Keyless),
        dead_letter: 0,
    };
    assert_eq!(desk.report(), counts, "{scene}");
}

fn random_streams_are_decided_as_the_model_decides() {
    for seed in (first_seed(0)..).take(30) {
        let mut random = Random::new(seed);
        let (events, rules) = random_stream(&mut random);
        check(&events, rules, &[], seed);
    }
}

fn random_streams_cut_into_files_are_decided_the_same() {
    for seed in (first_seed(100)..).take(10) {
        let mut random = Random::new(seed);
        let (events, rules) = random_stream(&mut random);
        let mut cuts: Vec<usize> =
            (0..3).map(|_| usize::try_from(random.below(events.len() as u64)).unwrap()).collect();
        cuts.sort_unstable();
        check(&events, rules, &cuts, seed);
    }
}
