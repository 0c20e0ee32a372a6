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

use dedup_host_tests::{Group, Need, run_groups};

fn main() -> ExitCode {
    let missing = "prometheus and promtool are not installed (on Debian: the package prometheus)";
    let prometheus = Need { part: "prometheus", missing: (!prometheus::is_installed()).then_some(missing) };
    let served = [rules::TESTS, live::TESTS, example::TESTS].concat();
    let groups = [
        Group { tests: documents::TESTS.to_vec(), needs: Vec::new() },
        Group { tests: served, needs: vec![prometheus] },
        Group { tests: live::TESTS_OF_KAFKA.to_vec(), needs: vec![prometheus, Need::kafka()] },
    ];
    run_groups(&groups).exit_code()
}
