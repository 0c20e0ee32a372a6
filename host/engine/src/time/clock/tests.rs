//! What a clock must do, whatever its records are.

use super::*;
use proptest::prelude::*;

const RULES: ClockRules = ClockRules { out_of_orderness_max: 10, jump_max: 1_000 };
const DAY: Millis = 86_400_000;
const NOW: Millis = 1_767_268_800_000;
const RECORDS: i64 = CLOCK_RECORDS as i64;

fn feed(clock: &mut Clock, times: impl IntoIterator<Item = Millis>) {
    for time in times {
        clock.observe(clock.next_offset, Some(time), &RULES);
    }
}

fn clock_after(times: impl IntoIterator<Item = Millis>) -> Clock {
    let mut clock = Clock::default();
    feed(&mut clock, times);
    clock
}

/// Honest times, a second a record, from the nth on.
fn honest(from: i64, records: i64) -> impl Iterator<Item = Millis> {
    (from..from + records).map(|n| NOW + n * 1_000)
}

/// Where the clock stands after honest records up to the nth: at most this far behind, and never ahead.
fn assert_honest(clock: &Clock, last: i64, behind_records: i64) {
    let now = clock.now().expect("it has seen enough");
    let newest = NOW + last * 1_000;
    assert!(now <= newest, "{} records ahead", (now - newest) / 1_000);
    assert!(now >= newest - behind_records * 1_000, "{} records behind", (newest - now) / 1_000);
}

#[test]
fn it_says_nothing_before_it_has_seen_enough() {
    let mut clock = clock_after(honest(0, RECORDS - 1));
    assert_eq!((clock.now(), clock.watermark(&RULES)), (None, None));
    feed(&mut clock, honest(RECORDS - 1, 1));
    assert_honest(&clock, RECORDS, RECORDS / 2 + 64);
    assert_eq!(clock.watermark(&RULES), clock.now().map(|now| now - 10));
}

#[test]
fn records_without_a_time_do_not_move_it() {
    let mut clock = clock_after(honest(0, RECORDS));
    let before = clock.now();
    for _ in 0..10_000 {
        clock.observe(clock.next_offset, None, &RULES);
    }
    assert_eq!((clock.now(), clock.records()), (before, CLOCK_RECORDS as u64));
}

#[test]
fn a_thousand_records_of_one_producer_move_it_nowhere() {
    for off in [-3_650 * DAY, -DAY, DAY, 3_650 * DAY, Millis::MAX / 2] {
        for start in [RECORDS, RECORDS + 7, RECORDS + 100] {
            let mut clock = clock_after(honest(0, start));
            for n in 0..1_000 {
                feed(&mut clock, [NOW + start * 1_000 + off + n]);
                assert_honest(&clock, start, RECORDS);
            }
            for n in 0..2 * RECORDS {
                feed(&mut clock, honest(start + n, 1));
                assert_honest(&clock, start + n, RECORDS);
            }
            assert_eq!(clock.went_back(), 0, "{off}");
        }
    }
}

#[test]
fn the_first_records_may_be_one_producers() {
    let mut clock = clock_after((0..1_000).map(|n| NOW + 3_650 * DAY + n));
    for n in 0..2 * RECORDS {
        feed(&mut clock, honest(n, 1));
        if clock.now().is_some() {
            assert_honest(&clock, n, RECORDS);
        }
    }
}

#[test]
fn it_follows_silence_within_its_records() {
    for silence in [3_600_000, DAY, 365 * DAY] {
        let mut clock = clock_after(honest(0, 2 * RECORDS));
        feed(&mut clock, honest(2 * RECORDS, RECORDS).map(|time| time + silence));
        assert!(clock.now() >= Some(NOW + silence + 2 * RECORDS * 1_000), "{silence}");
    }
}

#[test]
fn it_heals_whatever_happened() {
    for off in [-3_650 * DAY, 3_650 * DAY] {
        let mut clock = clock_after(honest(0, RECORDS));
        feed(&mut clock, honest(RECORDS, 3 * RECORDS).map(|time| time + off));
        assert!((clock.now().unwrap() - NOW - off).abs() < 4 * RECORDS * 1_000, "a majority decides");
        feed(&mut clock, honest(4 * RECORDS, RECORDS));
        assert_honest(&clock, 5 * RECORDS, RECORDS);
        assert_eq!(clock.went_back(), 1, "{off}");
    }
}

#[test]
fn records_read_again_do_not_count_twice() {
    let mut clock = clock_after(honest(0, RECORDS));
    let before = clock.clone();
    clock.observe(3, Some(5_900), &RULES);
    assert_eq!(clock, before);
}

#[test]
fn its_bytes_are_few() {
    let sizes = [
        clock_after(honest(0, 100_000)).encode().len(),
        clock_after((0..100_000).map(|n| if n % 3 == 0 { -n * DAY } else { n * DAY })).encode().len(),
        clock_after((0..100_031).map(|n| if n % 64 < 32 { Millis::MIN } else { Millis::MAX })).encode().len(),
    ];
    assert!(sizes[0] < 500 && sizes.iter().all(|size| *size < 1_700), "{sizes:?}");
}

#[test]
fn damaged_bytes_are_no_clock() {
    let bytes = clock_after(honest(0, 5_000)).encode();
    assert_eq!(Clock::decode(&[]), None);
    assert_eq!(Clock::decode(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Clock::decode(&[bytes.as_slice(), &[0]].concat()), None);
    let whole = Clock::decode(&bytes).unwrap();
    let damaged: [fn(&mut Clock); 6] = [
        |clock| clock.next_offset = -1,
        |clock| clock.records += BLOCK_RECORDS as u64,
        |clock| clock.peak = NOW,
        |clock| clock.medians[7] = NEVER,
        |clock| clock.block[0] = NEVER,
        |clock| clock.went_back = u64::MAX,
    ];
    for damage in damaged {
        let mut clock = whole.clone();
        damage(&mut clock);
        assert_eq!(Clock::decode(&clock.encode()), None, "no records have made it");
    }
    let mut early = clock_after(honest(0, 40));
    early.peak = NOW;
    assert_eq!(Clock::decode(&early.encode()), None, "it has never stood anywhere");
}

/// A record that is wrong, by how much.
fn minority() -> impl Strategy<Value = (Vec<bool>, Vec<i64>)> {
    let wrong = prop_oneof![-3_650 * DAY..-DAY, DAY..3_650 * DAY, Just(3_650 * DAY), Just(-3_650 * DAY)];
    let bad = prop::collection::vec(prop::bool::weighted(0.4), 3 * CLOCK_RECORDS);
    (bad, prop::collection::vec(wrong, 1..50))
}

proptest! {
    #![proptest_config(cases::cases(24))]

    /// Old, new or both, at random among the others.
    #[test]
    fn forty_in_a_hundred_bad_clocks_move_it_nowhere((bad, wrong) in minority()) {
        let mut clock = Clock::default();
        for (n, bad) in (0..).zip(bad) {
            let honest = NOW + n * 1_000;
            let off = wrong.get(n as usize % wrong.len()).copied().unwrap_or(0);
            feed(&mut clock, [if bad { honest + off } else { honest }]);
            if let Some(now) = clock.now() {
                prop_assert!(now <= honest && now >= honest - RECORDS * 1_000, "{} s off", (now - honest) / 1_000);
            }
        }
        prop_assert_eq!(clock.went_back(), 0);
    }

    /// A run, and as many bad clocks as there may be beside it.
    #[test]
    fn a_run_and_a_minority_together_move_it_nowhere(start in 0_i64..RECORDS, off in -3_650 * DAY..3_650 * DAY, seed: u64) {
        let mut clock = clock_after(honest(0, RECORDS));
        let mut state = seed;
        for n in RECORDS..4 * RECORDS {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bad = (RECORDS + start..RECORDS + start + 1_000).contains(&n) || (state >> 33) % 5 == 0;
            feed(&mut clock, [NOW + n * 1_000 + if bad { off } else { 0 }]);
            assert_honest(&clock, n, RECORDS);
        }
    }

    #[test]
    fn it_survives_its_encoding_at_any_point(times in prop::collection::vec(any::<Millis>(), 0..200), before in 0_i64..3 * RECORDS, gap in 1_i64..5) {
        let mut clock = clock_after(honest(0, before));
        for time in times {
            clock.observe(clock.next_offset + gap, Some(time), &RULES);
            let mut decoded = Clock::decode(&clock.encode()).expect("its own bytes");
            prop_assert_eq!(decoded.now(), clock.now());
            decoded.observe(clock.next_offset, Some(NOW), &RULES);
            let mut direct = clock.clone();
            direct.observe(clock.next_offset, Some(NOW), &RULES);
            prop_assert_eq!(decoded.encode(), direct.encode());
            prop_assert_eq!(decoded.now(), direct.now());
        }
    }
}
