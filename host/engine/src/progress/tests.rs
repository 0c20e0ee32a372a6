//! The progress record: its text, its bounds, and what strangers may have written in its place.

use proptest::prelude::*;

use super::ranges::Run;
use super::*;
use crate::growth::{Growth, Layout};

fn ranges(offsets: &[Offset]) -> Ranges {
    offsets.iter().copied().collect()
}

/// A ledger that has noted these, and the text of its commit up to `next`.
fn offered(ledger: &mut Ledger, offsets: &[Offset], next: Offset, chars_max: usize) -> String {
    offsets.iter().for_each(|offset| ledger.note(*offset));
    let text = ledger.offer(next, 0, chars_max).unwrap();
    ledger.settle();
    text
}

fn read(text: &str, committed: Offset) -> Progress {
    Progress::read(text, committed).unwrap().unwrap()
}

#[test]
fn what_is_committed_comes_back() {
    let mut ledger = Ledger::new(Progress::starting_at(100), 100);
    let text = offered(&mut ledger, &[103, 104, 105, 900], 1_000, TEXT_CHARS_MAX);
    let back = read(&text, 1_000);
    assert_eq!(&back, ledger.settled());
    assert_eq!((back.exceptions().count(), back.complete_from()), (4, 100));
    assert!(back.missing(100).is_nothing());
    assert_eq!(back.missing(99), Missing { dropped: Vec::new(), unknown_below: Some(100) });
}

#[test]
fn a_layout_comes_back_and_one_with_a_growth_must_be_known() {
    let layout = |growth| Some(Layout { partitions: 6, growth });
    let lines = |time| Growth { before: 4, after: 6, from: 500, to: 7_000_000_000_000, time };
    for growth in [None, Some(lines(None)), Some(lines(Some(-7))), Some(lines(Some(1_700_000_000_000)))] {
        let progress = Progress::starting_at(100).with_seed(Seed([7; 16])).with_layout(layout(growth));
        let text = progress.text(1_000);
        assert_eq!(read(&text, 1_000), progress, "{growth:?}");
        assert_eq!(read(&text, 400).layout(), layout(growth), "wherever the offset is moved to");
        let mut ledger = Ledger::new(progress, 0);
        let many: Vec<Offset> = (0..4_000).map(|index| index * 100).collect();
        let text = offered(&mut ledger, &many, 9_000_000_000_000, TEXT_CHARS_MIN + LAYOUT_CHARS_MAX);
        assert_eq!(read(&text, 9_000_000_000_000).layout(), layout(growth));
    }
}

#[test]
fn a_batch_that_is_rolled_back_leaves_no_exception() {
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    ledger.note(5);
    let _lost = ledger.offer(10, 0, TEXT_CHARS_MAX).unwrap();
    ledger.rollback();
    assert_eq!(offered(&mut ledger, &[], 10, TEXT_CHARS_MAX), Progress::starting_at(0).text(10));
}

#[test]
fn five_thousand_in_a_row_take_one_run_and_five_thousand_apart_are_summed_up() {
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    let row: Vec<Offset> = (1_000..6_000).collect();
    assert!(offered(&mut ledger, &row, 6_000, TEXT_CHARS_MAX).len() < 60);
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    let apart: Vec<Offset> = (0..5_000).map(|index| index * 150).collect();
    for some in apart.chunks(100) {
        let text = offered(&mut ledger, some, some.last().unwrap() + 1, TEXT_CHARS_MAX);
        assert!(text.len() <= TEXT_CHARS_MAX, "{}", text.len());
    }
    let settled = ledger.settled();
    let missing = settled.missing(0);
    assert_eq!(missing.unknown_below, None);
    let all = ranges(&apart);
    assert!(missing.dropped.iter().all(|dropped| dropped.compare(&all) == Proof::Exact), "{missing:?}");
    let dropped: u64 = missing.dropped.iter().map(|dropped| dropped.count).sum();
    assert_eq!(dropped + settled.exceptions().count(), 5_000);
    assert_eq!(missing.span(0), 0..settled.complete_from());
}

#[test]
fn a_set_that_lacks_one_is_no_proof_and_one_too_many_is_told_apart() {
    let mut progress = Progress { exceptions: ranges(&[3, 9, 12]), ..Progress::default() };
    while progress.exceptions.runs() > 0 {
        assert!(progress.shrink());
    }
    while progress.merge_dropped() {}
    let [dropped] = progress.dropped.as_slice() else { panic!("{progress:?}") };
    assert_eq!(dropped.compare(&ranges(&[3, 9, 12, 50])), Proof::Exact, "what is outside does not count");
    assert_eq!(dropped.compare(&ranges(&[3, 9])), Proof::None);
    assert_eq!(dropped.compare(&ranges(&[3, 8, 12])), Proof::None);
    assert_eq!(dropped.compare(&ranges(&[3, 8, 9, 12])), Proof::More);
}

/// What a topic of letters, or a record, claims may be billions of offsets; nobody counts them one by one.
#[test]
fn runs_of_any_length_cost_what_one_offset_does() {
    const LONG: Offset = 1 << 40;
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    let runs = || (0..600).map(|index| (index * 2 * LONG, index * 2 * LONG + LONG));
    runs().for_each(|(from, to)| ledger.note_range(from, to));
    let next = 1_200 * LONG;
    let text = ledger.offer(next, 0, TEXT_CHARS_MIN).unwrap();
    let missing = read(&text, next).missing(0);
    let claimed = |runs: &mut dyn Iterator<Item = (Offset, Offset)>| {
        let mut all = Ranges::default();
        runs.for_each(|(from, to)| all.insert_range(from, to));
        all
    };
    let (exact, all) = (claimed(&mut runs()), claimed(&mut [(9, 50), (0, next), (LONG, next)].into_iter()));
    assert_eq!((exact.runs(), all.runs(), all.count()), (600, 1, next.unsigned_abs()));
    assert!(!missing.dropped.is_empty());
    for dropped in missing.dropped {
        assert_eq!((dropped.compare(&exact), dropped.compare(&all)), (Proof::Exact, Proof::More));
        let mut moved = exact.clone();
        moved.truncate_from(dropped.to - 1);
        moved.insert(dropped.from + LONG + 5);
        assert_eq!(dropped.compare(&moved), Proof::None);
    }
}

#[test]
fn an_offset_that_an_operator_moved_forgets_what_is_decided_anew_and_knows_nothing_of_what_was_skipped() {
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    let text = offered(&mut ledger, &[3, 50, 51, 52], 100, TEXT_CHARS_MAX);
    let back = read(&text, 52);
    assert_eq!((back.exceptions(), back.missing(0)), (&ranges(&[3, 50, 51]), Missing::default()));
    let forth = read(&text, 200);
    assert_eq!(forth.missing(150).unknown_below, Some(200));
    assert!(forth.exceptions().contains(50), "what is known stays known");
    assert!(forth.missing(200).is_nothing());
}

#[test]
fn a_rewind_into_a_sum_makes_all_below_unknown_and_one_between_sums_keeps_them() {
    let sum = |from, to| Dropped { from, to, count: 1, digest: digest(from) };
    let progress = Progress { dropped: vec![sum(0, 10), sum(10, 20)], complete_from: 20, ..Progress::default() };
    let mut cut = progress.clone();
    cut.forget_from(15);
    assert_eq!((cut.missing(0).unknown_below, cut.dropped.len(), cut.complete_from), (Some(15), 0, 15));
    let mut between = progress;
    between.forget_from(10);
    assert_eq!((between.missing(0).unknown_below, between.dropped.len(), between.complete_from), (None, 1, 10));
}

#[test]
fn deciding_again_from_an_offset_forgets_its_exceptions() {
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    offered(&mut ledger, &[3, 50], 100, TEXT_CHARS_MAX);
    ledger.decide_from(100);
    assert_eq!(ledger.settled().exceptions().count(), 2);
    ledger.decide_from(50);
    assert_eq!(ledger.settled().exceptions(), &ranges(&[3]));
}

#[test]
fn what_the_log_has_lost_needs_no_room() {
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    offered(&mut ledger, &[3, 50], 100, TEXT_CHARS_MAX);
    let text = ledger.offer(100, 4, TEXT_CHARS_MAX).unwrap();
    assert_eq!(read(&text, 100).exceptions(), &ranges(&[50]));
}

#[test]
fn a_commit_is_due_before_another_batch_would_not_fit_and_a_persisted_state_makes_room() {
    let mut ledger = Ledger::new(Progress::starting_at(0), 0);
    let mut offset = 0;
    while !ledger.is_commit_due(TEXT_CHARS_MAX) {
        ledger.note(offset);
        offset += 2;
    }
    // Another batch in which every second record is an exception, which is the worst that there is.
    (0..512).for_each(|index| ledger.note(offset + index * 2));
    let next = offset + 1_024;
    let text = ledger.offer(next, 0, TEXT_CHARS_MAX).unwrap();
    assert_eq!(read(&text, next).complete_from(), 0, "nothing had to go");
    ledger.settle();
    assert!(ledger.is_persist_due(TEXT_CHARS_MAX));
    ledger.persisted(next);
    assert!(!ledger.is_persist_due(TEXT_CHARS_MAX));
}

#[test]
fn texts_of_others_are_none_and_those_of_later_versions_are_refused_by_name() {
    for text in ["", "hello", "{\"host\":1}", "dedup-host", "dedup-host/1", "\u{fffd}"] {
        assert_eq!(Progress::read(text, 5), Ok(None), "{text:?}");
    }
    assert_eq!(Progress::read("dedup-host/2:AAAA", 5), Err(ProgressError::Version("2".into())));
    let text = Progress::starting_at(1).text(5);
    for damaged in [&text[..text.len() - 2], &text.replace("dedup-host/1:A", "dedup-host/1:B"), "dedup-host/1:!"] {
        assert!(matches!(Progress::read(damaged, 5), Err(ProgressError::Damaged(_))), "{damaged}");
    }
    let chars = Progress::starting_at(0).text(5).len();
    let no_room = Ledger::new(Progress::starting_at(0), 0).offer(5, 0, 10);
    assert_eq!(no_room, Err(ProgressError::NoRoom { chars, chars_max: 10 }));
}

#[test]
fn unknown_sections_are_refused_where_they_are_required_and_passed_over_where_not() {
    let progress = Progress::starting_at(1);
    // Sections 3 and 5, with two bytes each, behind the one that every record has: next 5, 1 and 1.
    let with = |tag: u8| super::text::seal(vec![3, 3, 5, 1, 1, tag, 2, 7, 7]);
    assert_eq!(Progress::read(&with(3 << 1), 5), Ok(Some(progress)));
    assert_eq!(Progress::read(&with(5 << 1 | 1), 5), Err(ProgressError::Section(5)));
    assert!(matches!(Progress::read(&with(4 << 1 | 1), 5), Err(ProgressError::Damaged(_))), "a seed of two bytes");
}

#[test]
fn the_seed_of_the_group_travels_with_every_commit_and_survives_a_moved_offset() {
    let seed = Seed([7; 16]);
    let mut ledger = Ledger::new(Progress::starting_at(0).with_seed(seed), 0);
    let mut text = offered(&mut ledger, &[3, 50], 100, TEXT_CHARS_MAX);
    for next in [200, 300] {
        text = offered(&mut ledger, &[next - 1], next, TEXT_CHARS_MAX);
    }
    for committed in [300, 40, 900] {
        assert_eq!(read(&text, committed).seed(), Some(seed), "C at {committed}");
    }
    let many: Vec<Offset> = (0..2_000).map(|index| 1_000 + index * 150).collect();
    assert_eq!(read(&offered(&mut ledger, &many, 400_000, TEXT_CHARS_MIN), 400_000).seed(), Some(seed));
    assert_eq!(Progress::starting_at(0).seed(), None, "and none is made up");
    assert!(!format!("{seed:?}").contains('7'), "no log shows it");
}

/// Offsets a to b apart, so many.
fn spread() -> impl Strategy<Value = Vec<Offset>> {
    (0_i64..1 << 40, prop::collection::vec((1_i64..5_000, 1_i64..40), 0..1_500)).prop_map(|(start, steps)| {
        let mut offset = start;
        let mut offsets = Vec::new();
        for (gap, run) in steps {
            offset += gap;
            offsets.extend(offset..offset + run % 4);
            offset += run;
        }
        offsets
    })
}

proptest! {
    #![proptest_config(cases::cases(256))]

    #[test]
    fn any_record_comes_back_within_its_bound_and_accounts_for_every_exception(
        offsets in spread(), cuts in 1_usize..9, chars_max in TEXT_CHARS_MIN..TEXT_CHARS_MAX,
    ) {
        let first = offsets.first().copied().unwrap_or(0);
        let mut ledger = Ledger::new(Progress::starting_at(first).with_seed(Seed([0xff; 16])), first);
        let mut next = first;
        for some in offsets.chunks(offsets.len() / cuts + 1) {
            next = some.last().copied().unwrap_or(next) + 1;
            let text = offered(&mut ledger, some, next, chars_max);
            prop_assert!(text.len() <= chars_max && text.is_ascii());
            prop_assert_eq!(&read(&text, next), ledger.settled());
        }
        let (settled, all) = (ledger.settled(), ranges(&offsets));
        let missing = settled.missing(first);
        prop_assert!(missing.dropped.iter().all(|dropped| dropped.compare(&all) == Proof::Exact));
        let dropped: u64 = missing.dropped.iter().map(|dropped| dropped.count).sum();
        prop_assert_eq!(dropped + settled.exceptions().count(), offsets.len() as u64);
        prop_assert!(settled.exceptions().iter_runs().all(|run| (run.first..=run.last).all(|o| all.contains(o))));
    }

    #[test]
    fn a_set_is_what_was_put_into_it(offsets in prop::collection::vec(0_i64..200, 0..200), cut in 0_i64..200) {
        let model: std::collections::BTreeSet<Offset> = offsets.iter().copied().collect();
        let mut set = ranges(&offsets);
        prop_assert!((0..200).all(|offset| set.contains(offset) == model.contains(&offset)));
        prop_assert_eq!(set.count(), model.len() as u64);
        let runs: Vec<Run> = set.iter_runs().collect();
        prop_assert!(runs.windows(2).all(|pair| pair[0].last + 1 < pair[1].first));
        prop_assert_eq!(set.count_in(cut, 200), model.range(cut..).count() as u64);
        prop_assert_eq!(set.meets(cut, cut + 3), model.range(cut..cut + 3).next().is_some());
        let mut more = set.clone();
        more.insert_range(cut, cut + 5);
        let with_more = model.iter().copied().chain(cut..cut + 5).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(more, with_more.into_iter().collect::<Ranges>());
        let sum = |offsets: &mut dyn Iterator<Item = &Offset>| offsets.fold(0, |sum: u64, o| sum.wrapping_add(digest(*o)));
        prop_assert_eq!(set.sums(cut, 190).1, sum(&mut model.range(cut..190.max(cut))));
        set.truncate_from(cut);
        prop_assert_eq!(set, model.range(..cut).copied().collect::<Ranges>());
    }
}
