//! What operators are given in `examples/monitoring`, held against a real Prometheus that scrapes the real program.
//! Not whether the host counts right: that is in `files` and `broker`. Nothing here opens Grafana.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

#[path = "monitoring/dashboard.rs"]
mod dashboard;
#[path = "monitoring/documents.rs"]
mod documents;
#[path = "monitoring/example.rs"]
mod example;
#[path = "monitoring/expressions.rs"]
mod expressions;
#[path = "monitoring/feed.rs"]
mod feed;
#[path = "monitoring/live.rs"]
mod live;
#[path = "monitoring/prometheus.rs"]
mod prometheus;
#[path = "monitoring/rules.rs"]
mod rules;

use std::process::ExitCode;

use dedup_host_tests::{broker, run_needing};

fn main() -> ExitCode {
    let documents = documents::TESTS.to_vec();
    let served = [rules::TESTS, live::TESTS, example::TESTS].concat();
    let of_kafka = live::TESTS_OF_KAFKA.to_vec();
    let conclusion = if !prometheus::is_installed() {
        let missing = "prometheus and promtool are not installed (on Debian: the package prometheus)";
        run_needing(&documents, &[served, of_kafka].concat(), Some(missing))
    } else if broker::hosts().is_none() {
        run_needing(&[documents, served].concat(), &of_kafka, Some("KAFKA_HOSTS is not set"))
    } else {
        run_needing(&[documents, served].concat(), &of_kafka, None)
    };
    conclusion.exit_code()
}
