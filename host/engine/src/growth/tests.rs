//! The steps of a partition, and how producers find partitions. Whether the rule loses nothing is `tests/growing.rs`'s.

use super::*;

const WINDOW: Millis = 1_000;

fn finding(partition: i32, partitions: i32) -> Finding {
    Finding { partition, partitions, committed: 50, log_end: 70, watermark: Some(5_000), retention: Some(WINDOW) }
}

fn growth(before: i32, after: i32) -> Growth {
    Growth { before, after, from: 50, to: 70, time: Some(5_000) }
}

fn layout(partitions: i32, growth: Option<Growth>) -> Layout {
    Layout { partitions, growth }
}

#[test]
fn a_partition_draws_its_lines_where_its_commit_knew_of_fewer() {
    let known = layout(4, None);
    assert_eq!(Layout::next(Some(&known), &[], &finding(1, 4)), (known, Step::Same));
    assert_eq!(Layout::next(Some(&known), &[], &finding(1, 6)), (layout(6, Some(growth(4, 6))), Step::Grow));
    let behind = Finding { log_end: 20, ..finding(1, 6) };
    let (drawn, _) = Layout::next(Some(&known), &[], &behind);
    assert_eq!(drawn.growth.map(|growth| (growth.from, growth.to)), Some((50, 50)), "never before what is committed");
}

#[test]
fn a_new_partition_learns_from_the_others_and_begins_after_both_lines() {
    for others in [layout(4, None), layout(6, Some(growth(4, 6)))] {
        let (drawn, step) = Layout::next(None, &[others], &finding(5, 6));
        assert_eq!(
            (drawn.growth.map(|growth| (growth.before, growth.from, growth.to)), step),
            (Some((4, 50, 50)), Step::Grow)
        );
        let (drawn, _) = Layout::next(None, &[others], &finding(3, 6));
        assert_eq!(
            drawn.growth.map(|growth| growth.to),
            Some(70),
            "it was there, and nobody had committed anything of it"
        );
    }
    assert_eq!(Layout::next(None, &[], &finding(0, 6)), (layout(6, None), Step::Begin));
    assert_eq!(Layout::next(None, &[layout(6, None)], &finding(1, 6)), (layout(6, None), Step::Begin));
}

#[test]
fn a_second_growth_is_declined_until_the_first_is_over() {
    let known = layout(6, Some(growth(4, 6)));
    let at = |watermark| Finding { watermark: Some(watermark), ..finding(1, 8) };
    assert_eq!(Layout::next(Some(&known), &[], &at(6_999)), (layout(8, known.growth), Step::Decline));
    let (drawn, step) = Layout::next(Some(&known), &[], &at(7_000));
    assert_eq!((drawn.growth.map(|growth| (growth.before, growth.after)), step), (Some((6, 8)), Step::Grow));
    let again = layout(8, known.growth);
    assert_eq!(Layout::next(Some(&again), &[], &at(6_999)), (again, Step::Same));
    assert_eq!(Layout::next(Some(&again), &[], &at(7_000)), (layout(8, None), Step::Forget));
    assert_eq!((again.lines(8), known.lines(8), known.lines(6)), (Some(None), None, Some(known.growth)));
    let declined = Layout::next(None, &[again], &finding(7, 8));
    assert_eq!(declined, (layout(8, None), Step::Begin), "there is nobody to ask");
}

#[test]
fn without_a_window_a_growth_is_never_over() {
    let known = layout(6, Some(growth(4, 6)));
    let forever = Finding { retention: None, watermark: Some(Millis::MAX), ..finding(1, 8) };
    assert_eq!(Layout::next(Some(&known), &[], &forever).1, Step::Decline);
}

#[test]
fn partitioners_find_what_the_clients_that_they_are_named_for_find() {
    // From the tests of Kafka's own clients.
    let murmur = [("21", -973_932_308_i32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)];
    for (key, hash) in murmur {
        assert_eq!(murmur2(key.as_bytes()), hash.cast_unsigned(), "{key}");
    }
    assert_eq!((crc32(b"123456789"), crc32(b""), fnv1a(b"foobar")), (0xcbf4_3926, 0, 0xbf9c_f968));
    assert_eq!(Partitioner::Murmur2.partition(b"21", 4), 0);
}

#[test]
fn who_sent_it_is_found_from_what_they_sent() {
    for sent_by in Partitioner::ALL {
        let mut suspects = Suspects::new();
        for key in 0..SEEN_MIN {
            assert_eq!(suspects.found(), None);
            let key = format!("key-{key}");
            suspects.see(key.as_bytes(), sent_by.partition(key.as_bytes(), 4), 4);
        }
        assert_eq!(suspects.found(), Some(sent_by));
        suspects.see(b"x", sent_by.partition(b"x", 4) + 1, 4);
        assert_eq!(suspects.found(), None);
    }
}

#[test]
fn what_was_sent_by_the_layout_of_before_is_told_from_what_stays() {
    let growth = growth(4, 6);
    let by = Partitioner::Crc32;
    let mut counts = (0, 0);
    for key in 0..1_000 {
        let key = format!("key-{key}");
        let (old, new) = (by.partition(key.as_bytes(), 4), by.partition(key.as_bytes(), 6));
        assert!(!by.is_of_before(key.as_bytes(), new, &growth));
        assert_eq!(by.is_of_before(key.as_bytes(), old, &growth), old != new);
        counts = if old == new { (counts.0 + 1, counts.1) } else { (counts.0, counts.1 + 1) };
    }
    assert!(counts.0 > 200 && counts.1 > 500, "{counts:?}");
}
