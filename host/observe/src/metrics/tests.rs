//! Metrics as a scraper sees them. That none disappears is tested in `contract`.

use std::collections::HashSet;
use std::sync::Arc;

use engine::properties::{Score, Verdict};
use engine::record::TopicPartition;

use super::*;
use crate::insights::Insights;
use crate::insights::tests::{duplicates, feed, source};

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: "events".into(), partition: number }
}

#[test]
fn a_decided_batch_is_counted_and_leaves_nothing_undecided() {
    let metrics = Metrics::new().unwrap();
    let events = metrics.partition(&partition(3));
    events.consumed(10, 1000);
    assert_eq!(events.undecided(), 10);
    events.decided(Outcome::Unique, 6);
    events.decided(Outcome::Duplicate, 3);
    events.given_back(1);
    let text = metrics.render().unwrap();
    for line in [
        "dedup_host_consumed_total{partition=\"3\",topic=\"events\"} 10",
        "dedup_host_consumed_bytes_total{partition=\"3\",topic=\"events\"} 1000",
        "dedup_host_decisions_total{outcome=\"unique\",partition=\"3\",topic=\"events\"} 6",
        "dedup_host_decisions_total{outcome=\"duplicate\",partition=\"3\",topic=\"events\"} 3",
        "dedup_host_decisions_total{outcome=\"late\",partition=\"3\",topic=\"events\"} 0",
        "dedup_host_undecided_records{partition=\"3\",topic=\"events\"} 0",
    ] {
        assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_revoked_partition_takes_its_series_along_and_no_others() {
    let metrics = Metrics::new().unwrap();
    let _kept = metrics.partition(&partition(0));
    let with_one = metrics.render().unwrap();
    let held = metrics.partition(&partition(1));
    assert!(metrics.render().unwrap().contains("partition=\"1\""));
    metrics.forget(&partition(1));
    held.consumed(1, 1);
    assert_eq!(metrics.render().unwrap(), with_one);
    metrics.forget(&partition(1));
}

/// The crate prometheus finds a series by a hash of its concatenated values.
#[test]
fn values_that_are_the_same_once_joined_are_series_of_their_own() {
    let metrics = Metrics::new().unwrap();
    let of = |topic: &str, number| TopicPartition { topic: topic.into(), partition: number };
    let [one, other] = [of("events1", 0), of("events", 10)];
    metrics.partition(&one).consumed(3, 0);
    metrics.partition(&other).consumed(4, 0);
    let [a, b] = ["3:a", "\u{e9}"].map(|name| metrics.plugin(name));
    a.failures.with(["b"]).inc();
    b.failures.with([""]).inc_by(2);
    let text = metrics.render().unwrap();
    for line in [
        "dedup_host_consumed_total{partition=\"0\",topic=\"events1\"} 3",
        "dedup_host_consumed_total{partition=\"10\",topic=\"events\"} 4",
        "dedup_host_plugin_failures_total{kind=\"b\",plugin=\"3:a\"} 1",
        "dedup_host_plugin_failures_total{kind=\"\",plugin=\"\u{e9}\"} 2",
    ] {
        assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
    }
    metrics.forget(&one);
    let text = metrics.render().unwrap();
    assert!(!text.contains("events1") && text.contains("partition=\"10\",topic=\"events\""), "{text}");
}

#[test]
fn every_row_has_the_prefix_a_name_of_its_own_and_something_to_say() {
    let names: HashSet<_> = rows().map(|row| row.name).collect();
    assert_eq!(names.len(), rows().count());
    for row in rows() {
        assert!(row.name.starts_with("dedup_host_") && row.help.len() > 5, "{row:?}");
        assert_eq!(row.kind == Kind::Counter, row.name.ends_with("_total"), "{row:?}");
    }
}

#[test]
fn series_of_closed_sets_are_there_before_anything_happens() {
    let text = Metrics::new().unwrap().render().unwrap();
    for line in [
        "dedup_host_forwarded_total{destination=\"metrics_only\"} 0",
        "dedup_host_plugin_swaps_total{result=\"refused\"} 0",
        "dedup_host_transactions_total{result=\"aborted\"} 0",
        "dedup_host_opening_partitions{reason=\"state_in_use\"} 0",
        concat!("dedup_host_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("dedup_host_stage_seconds"), "there is no line yet whose stages could be measured");
}

#[test]
fn a_handle_writes_the_series_of_its_value_and_no_other() {
    let metrics = Metrics::new().unwrap();
    let events = metrics.partition(&partition(0));
    let of = |name: &str| {
        let text = metrics.render().unwrap();
        text.lines()
            .filter(|line| line.starts_with(name) && !line.ends_with(" 0"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for reason in UnreadableReason::ALL {
        events.unreadable.set_only(Some(*reason));
        let labels = format!("partition=\"0\",reason=\"{}\",topic=\"events\"", reason.as_str());
        assert_eq!(of("dedup_host_unreadable{"), [format!("dedup_host_unreadable{{{labels}}} 1")]);
    }
    events.unreadable.set_only(None);
    assert!(of("dedup_host_unreadable{").is_empty());
    metrics.process.rebalances.inc_by(Rebalance::Lost, 3);
    metrics.process.rebalances.inc(Rebalance::Lost);
    assert_eq!(of("dedup_host_rebalances_total"), ["dedup_host_rebalances_total{kind=\"lost\"} 4"]);
    metrics.process.opening_partitions.set(OpeningReason::Worker, 2);
    assert_eq!(of("dedup_host_opening_partitions"), ["dedup_host_opening_partitions{reason=\"worker\"} 2"]);
    metrics.process.stage_seconds.with([]).observe(Stage::Apply, 0.5);
    assert_eq!(of("dedup_host_stage_seconds_sum"), ["dedup_host_stage_seconds_sum{stage=\"apply\"} 0.5"]);
    let failures = metrics.plugin("composite_key").failures;
    failures.with(["trap"]).inc();
    let shown = "dedup_host_plugin_failures_total{kind=\"trap\",plugin=\"composite_key\"} 1";
    assert_eq!(of("dedup_host_plugin_failures_total"), [shown]);
}

/// Checks the text format as a scraper would: no series occurs twice, families are contiguous, buckets never decrease.
fn valid(text: &str) -> HashSet<&str> {
    let mut series = HashSet::new();
    let mut families = HashSet::new();
    let (mut family, mut bucket) = ("", (String::new(), 0.0));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} twice");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(family) && series.insert(name), "{line}");
            let value: f64 = value.parse().unwrap();
            if let Some((of, _)) = name.split_once("le=\"") {
                assert!(of != bucket.0 || value >= bucket.1 || !of.contains("_bucket"), "{line}");
                bucket = (of.to_owned(), value);
            }
        }
    }
    series
}

#[test]
fn metrics_exist_from_the_start_and_stay_few_whatever_properties_are_called() {
    let (metrics, insights) = (Metrics::new().unwrap(), Arc::new(Insights::new(false)));
    metrics.show(&insights).unwrap();
    let text = metrics.render().unwrap();
    valid(&text);
    for line in [
        "dedup_host_duplicates_total{outcome=\"same_event\"} 0",
        "dedup_host_duplicates_forwarded_total 0",
        "dedup_host_duplicate_similarity_bucket{le=\"0.999999\"} 0",
        "dedup_host_duplicate_gap_seconds_count 0",
        "dedup_host_keys_by_duplicates{le=\"+Inf\"} 0",
        "dedup_host_keys_by_distinct_uuids{le=\"10000000\"} 0",
        "dedup_host_property_comparisons_total{path=\"other\",result=\"same\"} 0",
    ] {
        assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
    }
    let mut told = duplicates(3, 200);
    for (number, told) in told.iter_mut().enumerate() {
        let long = "/long".repeat(30);
        let names =
            [format!("{long}{number}"), "other".into(), String::new(), "/a\n\"\\\u{7}".into(), format!("/{number}")];
        told.rows = names.into_iter().map(|name| (name, 4, 4, Verdict::Changed)).collect();
        told.score = Some(Score { similarity: 1.0, property_similarity: 1.0 });
    }
    feed(&insights, 0, &told);
    let text = metrics.render().unwrap();
    let series = valid(&text);
    let properties = series.iter().filter(|name| name.starts_with("dedup_host_property_comparisons_total")).count();
    assert_eq!(properties, 101 * 4);
    let changed = text.lines().filter(|line| line.contains("result=\"changed\""));
    let sum: f64 = changed.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
    assert!((sum - 1000.0).abs() < 0.5, "{sum}");
    let label = format!("path=\"{}…\"", &"/long".repeat(30)[..125]);
    assert!(text.contains(&label) && text.contains("(the whole event)"), "{label}\n{text}");
    assert!(text.contains("dedup_host_duplicate_similarity_bucket{le=\"0.999999\"} 0"));
    assert!(text.contains("dedup_host_duplicate_similarity_bucket{le=\"1\"} 200"));
    let keys: HashSet<_> = told.iter().map(|told| told.original_offset).collect();
    assert!(text.contains(&format!("dedup_host_keys_by_duplicates{{le=\"+Inf\"}} {}\n", keys.len())));
    insights.forget(&source(0));
    assert!(metrics.render().unwrap().contains("dedup_host_keys_by_duplicates{le=\"+Inf\"} 0\n"));
    assert!(metrics.show(&insights).is_err());
}
