//! Insights from the outside: random duplicates compared with a plain recount, undone work, and the answers. What metrics
//! show of them is tested with the metrics.

use std::collections::{BTreeMap, HashMap};

use engine::fields::Kind;
use engine::findings::{Explained, Findings, Likeness, PropertyCounts, Rows};
use engine::properties::{PairBatch, Score, Verdict};
use engine::record::TopicPartition;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::*;

pub(crate) fn source(partition: i32) -> TopicPartition {
    TopicPartition { topic: "events".into(), partition }
}

/// A duplicate that owns what [`Explained`] borrows.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    key: String,
    offset: i64,
    pub(crate) original_offset: i64,
    count: u64,
    distinct: u64,
    previous_distinct: u64,
    likeness: Likeness,
    pub(crate) score: Option<Score>,
    gap_ms: i64,
    pub(crate) rows: Vec<(String, u8, u8, Verdict)>,
}

/// Random duplicates of one partition, with a few frequent keys and many rare ones, and their expected counts.
pub(crate) fn duplicates(seed: u64, number: usize) -> Vec<Told> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut counts: HashMap<i64, (u64, u64)> = HashMap::new();
    let mut told = Vec::new();
    for offset in 0..number {
        let mut below = |bound: u64| random.next_u64() % bound;
        let bits = below(10);
        let original_offset = -1 - i64::try_from(below(1 << bits)).unwrap();
        let (count, distinct) = counts.entry(original_offset).or_insert((0, 1));
        let previous_distinct = *distinct;
        *count += 1;
        *distinct += u64::from(below(3) == 0);
        let rows = (0..30).filter(|_| below(8) != 0).collect::<Vec<_>>().into_iter().map(|property| {
            let kinds = [(4, 4), (4, 4), (0, 4), (4, 0)][usize::try_from(below(4)).unwrap()];
            let verdict = [Verdict::Same, Verdict::Changed, Verdict::Ignored][usize::try_from(below(3)).unwrap()];
            (format!("/p/{property:02}"), kinds.0, kinds.1, verdict)
        });
        let rows = rows.collect();
        let gap_bits = below(40);
        told.push(Told {
            key: format!("key{original_offset}"),
            offset: i64::try_from(offset).unwrap(),
            original_offset,
            count: *count,
            distinct: *distinct,
            previous_distinct,
            likeness: Likeness::ALL[usize::try_from(below(5)).unwrap()],
            score: (below(5) > 0)
                .then(|| Score { similarity: below(101) as f64 / 100.0, property_similarity: below(2) as f64 }),
            gap_ms: i64::try_from(below(1 << gap_bits)).unwrap() - 1000,
            rows,
        });
    }
    told
}

fn record(findings: &mut Findings, told: &[Told]) {
    let (mut pairs, mut verdicts) = (PairBatch::default(), Vec::new());
    for row in told.iter().flat_map(|told| &told.rows) {
        pairs.paths.push(row.0.as_bytes());
        pairs.original_kinds.push(row.1);
        pairs.originals.push(if row.1 == Kind::Absent as u8 { b"" } else { b"before" });
        pairs.duplicate_kinds.push(row.2);
        pairs.duplicates.push(if row.2 == Kind::Absent as u8 { b"" } else { b"after" });
        verdicts.push(row.3);
    }
    let mut end = 0;
    for (at, is) in told.iter().enumerate() {
        let range = end..end + is.rows.len();
        end = range.end;
        findings.record(&Explained {
            key: is.key.as_bytes(),
            offset: is.offset,
            original_offset: is.original_offset,
            time_ms: Some(5_000 + is.gap_ms),
            original_time_ms: Some(5_000),
            count: Some(is.count),
            distinct_uuids: Some((is.distinct, true)),
            previous_distinct_uuids: Some(is.previous_distinct),
            uuid_similarity: Some(if is.distinct == is.previous_distinct { 1.0 } else { 0.25 }),
            likeness: is.likeness,
            forwarded: is.score.is_some_and(|score| score.similarity < 0.3),
            score: is.score,
            rows: is.score.map(|_| Rows { pairs: &pairs, range, verdicts: &verdicts }),
            remaining: told.len() - at - 1,
        });
    }
}

/// Hands duplicates over in commits of different sizes.
pub(crate) fn feed(insights: &Insights, partition: i32, told: &[Told]) {
    let mut findings = Findings::new(source(partition), Some("scorer 1".into()), false);
    let mut rest = told;
    for size in (1..).map(|commit| commit * 37 % 400 + 1) {
        let (now, later) = rest.split_at(rest.len().min(size));
        record(&mut findings, now);
        insights.merge(findings.take(), 1_000_000 + now.last().map_or(0, |told| told.offset));
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

fn recount(bounds: &[f64], values: impl Iterator<Item = f64>) -> Vec<u64> {
    let mut counts = vec![0; bounds.len() + 1];
    values.for_each(|value| counts[bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len())] += 1);
    counts
}

#[test]
fn sums_are_those_of_a_recount() {
    let told = duplicates(11, 20_000);
    let insights = Insights::new(false);
    feed(&insights, 0, &told);
    let answer = insights.duplicates(9);
    let scores = || told.iter().filter_map(|told| told.score);
    let check = |bars: &Bars, values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<_> = values.collect();
        assert_eq!(bars.counts, recount(&bars.bounds, values.iter().copied()));
        assert!((bars.sum - values.iter().sum::<f64>()).abs() < 1e-3 * bars.sum.max(1.0));
    };
    check(&answer.similarity, &mut scores().map(|score| score.similarity));
    check(&answer.property_similarity, &mut scores().map(|score| score.property_similarity));
    check(&answer.gap_seconds, &mut told.iter().map(|told| told.gap_ms.abs() as f64 / 1e3));
    let same_uuid = |told: &Told| if told.distinct == told.previous_distinct { 1.0 } else { 0.25 };
    check(&answer.uuid_similarity, &mut told.iter().map(same_uuid));
    let last: HashMap<i64, &Told> = told.iter().map(|told| (told.original_offset, told)).collect();
    check(&answer.duplicates_per_key, &mut last.values().map(|told| told.count as f64));
    check(&answer.distinct_uuids_per_key, &mut last.values().map(|told| told.distinct as f64));
    let of = |likeness| told.iter().filter(|told| told.likeness == likeness).count() as u64;
    let Outcomes { same_event, same_uuid, only_uuid_different, content_differs, unscored } = answer.outcomes;
    let outcomes = [same_event, same_uuid, only_uuid_different, content_differs, unscored];
    assert_eq!(outcomes, Likeness::ALL.map(of));

    let forwarded = scores().filter(|score| score.similarity < 0.3).count() as u64;
    assert_eq!(insights.scrape().shape.forwarded, forwarded);

    let mut properties: BTreeMap<&str, PropertyCounts> = BTreeMap::new();
    for (path, original, duplicate, verdict) in
        told.iter().filter(|told| told.score.is_some()).flat_map(|told| &told.rows)
    {
        let counts = properties.entry(path).or_default();
        match (verdict, original, duplicate) {
            (Verdict::Ignored, _, _) => {}
            (Verdict::Same, _, _) => counts.same += 1,
            (Verdict::Changed, 0, _) => counts.added += 1,
            (Verdict::Changed, _, 0) => counts.removed += 1,
            (Verdict::Changed, _, _) => counts.changed += 1,
        }
    }
    assert_eq!(answer.other_properties, PropertyCounts::default());
    let by_name: BTreeMap<_, _> = answer.properties.iter().map(|is| (is.path.as_str(), is.counts)).collect();
    assert_eq!(by_name, properties);
    let changes: Vec<_> = answer.properties.iter().map(|is| is.counts.changes()).collect();
    assert!(changes.is_sorted_by(|a, b| a >= b), "{changes:?}");
}

#[test]
fn the_heaviest_keys_are_exactly_those() {
    let insights = Insights::new(false);
    let mut last = BTreeMap::new();
    for partition in 0..3 {
        let told = duplicates(20 + partition as u64, 20_000);
        feed(&insights, partition, &told);
        last.extend(told.into_iter().map(|told| ((partition, told.original_offset), told)));
    }
    let mut wanted: Vec<_> = last.values().map(|told| told.count).collect();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    let keys = insights.keys().keys;
    assert_eq!(keys.iter().map(|key| key.duplicates).collect::<Vec<_>>(), wanted[..100]);
    for key in &keys {
        let told = &last[&(key.partition, key.original_offset)];
        assert_eq!((key.duplicates, &key.key, key.last_offset), (told.count, &told.key, told.offset));
        assert_eq!((key.distinct_uuids, key.distinct_uuids_exact), (Some(told.distinct), true));
        assert!(key.last_seen_ms > 1_000_000 && key.topic == "events");
    }
    insights.forget(&source(1));
    assert!(insights.keys().keys.iter().all(|key| key.partition != 1));
}

#[test]
fn work_that_is_undone_leaves_no_trace() {
    let told = duplicates(5, 3_000);
    let (undone, straight) = (Insights::new(false), Insights::new(false));
    let mut findings = Findings::new(source(0), None, false);
    let mut other = Findings::new(source(0), None, false);
    for part in told.chunks(500) {
        record(&mut findings, part);
        findings.clear();
        assert!(findings.is_empty());
        record(&mut findings, part);
        undone.merge(findings.take(), 7);
        record(&mut other, part);
        straight.merge(other.take(), 7);
        undone.merge(findings.take(), 8);
    }
    assert_eq!(undone.duplicates(9), straight.duplicates(9));
    assert_eq!(undone.keys(), straight.keys());
    assert_eq!(undone.latest(), straight.latest());
}

#[test]
fn partitions_may_commit_in_any_order() {
    let parts: Vec<_> = (0..6).map(|partition| (partition, duplicates(30 + partition as u64, 2_000))).collect();
    let (forth, back) = (Insights::new(false), Insights::new(false));
    parts.iter().for_each(|(partition, told)| feed(&forth, *partition, told));
    parts.iter().rev().for_each(|(partition, told)| feed(&back, *partition, told));
    let (one, other) = (forth.duplicates(0), back.duplicates(0));
    assert_eq!(one.properties, other.properties);
    assert_eq!((one.outcomes, one.similarity.counts), (other.outcomes, other.similarity.counts));
    assert_eq!((one.gap_seconds.counts, one.duplicates_per_key), (other.gap_seconds.counts, other.duplicates_per_key));
    assert_eq!(forth.keys(), back.keys());
}

#[test]
fn the_latest_are_the_last_of_a_batch_newest_first_and_differences_first() {
    let insights = Insights::new(false);
    let told = duplicates(8, 92);
    let mut findings = Findings::new(source(2), Some("scorer 1".into()), false);
    for part in told.chunks(3) {
        record(&mut findings, part);
    }
    insights.merge(findings.take(), 77);
    let latest = insights.latest().duplicates;
    let wanted: Vec<_> = told.iter().rev().take(5).collect();
    assert_eq!(latest.len(), 5);
    for (is, told) in latest.iter().zip(wanted) {
        assert_eq!(
            (is.at_ms, is.offset, is.original_offset, is.count),
            (77, told.offset, told.original_offset, Some(told.count))
        );
        assert_eq!((is.outcome, is.similarity), (told.likeness.as_str(), told.score.map(|score| score.similarity)));
        assert_eq!(is.scorer.as_deref(), told.score.map(|_| "scorer 1"));
        assert_eq!(is.rows.len(), if told.score.is_some() { told.rows.len() } else { 0 });
        assert!(is.rows.is_sorted_by_key(|row| row.verdict != "changed"));
    }
    let row = latest.iter().flat_map(|is| &is.rows).find(|row| row.change == Some("added")).unwrap();
    assert_eq!((row.original.as_deref(), row.duplicate.as_deref()), (None, Some("after")));
    for _ in 0..20 {
        record(&mut findings, &told);
        insights.merge(findings.take(), 78);
    }
    assert_eq!(insights.latest().duplicates.len(), 50);
}

fn one_row(original: (Kind, &str), duplicate: (Kind, &str), redact: bool) -> LatestRow {
    let mut pairs = PairBatch::default();
    pairs.paths.push(b"/a");
    pairs.original_kinds.push(original.0 as u8);
    pairs.originals.push(original.1.as_bytes());
    pairs.duplicate_kinds.push(duplicate.0 as u8);
    pairs.duplicates.push(duplicate.1.as_bytes());
    pairs.ends.push(1);
    let told = duplicates(1, 1).remove(0);
    let mut findings = Findings::new(source(0), None, redact);
    findings.record(&Explained {
        key: b"k",
        offset: 2,
        original_offset: 1,
        time_ms: None,
        original_time_ms: Some(0),
        count: None,
        distinct_uuids: None,
        previous_distinct_uuids: None,
        uuid_similarity: None,
        likeness: told.likeness,
        forwarded: false,
        score: None,
        rows: Some(Rows { pairs: &pairs, range: 0..1, verdicts: &[Verdict::Changed] }),
        remaining: 0,
    });
    let insights = Insights::new(redact);
    insights.merge(findings, 0);
    assert_eq!(insights.latest().redacted, redact);
    insights.latest().duplicates.remove(0).rows.remove(0)
}

#[test]
fn values_are_shown_so_that_what_differs_looks_different() {
    let check = |one: (Kind, &str), other: (Kind, &str), wanted: (Option<&str>, Option<&str>)| {
        let row = one_row(one, other, false);
        assert_eq!((row.original.as_deref(), row.duplicate.as_deref()), wanted);
    };
    check((Kind::String, "a"), (Kind::String, "b"), (Some("a"), Some("b")));
    check((Kind::String, "1"), (Kind::Number, "1"), (Some("\"1\""), Some("1")));
    check((Kind::Null, ""), (Kind::String, "null"), (Some("null"), Some("\"null\"")));
    check((Kind::Absent, ""), (Kind::String, ""), (None, Some("")));
    check((Kind::Json, "[1]"), (Kind::Absent, ""), (Some("[1]"), None));
    let long = "ä".repeat(300);
    let row = one_row((Kind::String, &long), (Kind::String, &long[..512]), false);
    assert_eq!(row.original, Some(format!("{}…", "ä".repeat(255))));
    assert_eq!(row.duplicate, Some("ä".repeat(256)));
    let hidden = one_row((Kind::String, "a"), (Kind::Absent, ""), true);
    assert_eq!((hidden.original, hidden.duplicate, hidden.change), (None, None, Some("removed")));
}

#[test]
fn answers_have_the_members_that_the_page_reads() {
    let insights = Insights::new(true);
    insights.add_totals(&Totals { consumed: 5, unique: 3, duplicate: 2, bytes: 99, ..Totals::default() });
    insights.add_totals(&Totals { consumed: 1, late: 1, ..Totals::default() });
    feed(&insights, 4, &duplicates(2, 10));
    let members = |json: &serde_json::Value| {
        let mut members: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        members.sort_unstable();
        members.join(" ")
    };
    let json = serde_json::to_value(insights.duplicates(123)).unwrap();
    assert_eq!(json["at_ms"], 123);
    assert_eq!(
        members(&json),
        "at_ms distinct_uuids_per_key duplicates_per_key gap_seconds other_properties outcomes properties \
         property_similarity redacted similarity totals uuid_similarity"
    );
    assert_eq!(
        json["totals"],
        serde_json::json!({"consumed": 6, "unique": 3, "duplicate": 2, "dissimilar": 0, "late": 1, "keyless": 0,
            "dead_letter": 0, "bytes": 99})
    );
    assert_eq!(members(&json["outcomes"]), "content_differs only_uuid_different same_event same_uuid unscored");
    assert_eq!(members(&json["similarity"]), "bounds counts sum");
    assert_eq!(members(&json["properties"][0]), "added changed path removed same");
    let json = serde_json::to_value(insights.keys()).unwrap();
    assert_eq!(
        members(&json["keys"][0]),
        "distinct_uuids distinct_uuids_exact duplicates key last_offset last_seen_ms original_offset partition topic"
    );
    let json = serde_json::to_value(insights.latest()).unwrap();
    assert_eq!((members(&json), &json["redacted"]), ("duplicates redacted".to_owned(), &true.into()));
    assert_eq!(
        members(&json["duplicates"][0]),
        "at_ms count distinct_uuids key offset original_offset outcome partition property_similarity rows scorer \
         similarity topic"
    );
}
