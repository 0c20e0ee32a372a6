//! The alerts and the configuration, as Prometheus' own tool judges them.

use std::process::Command;

use dedup_host_tests::Test;

use crate::dashboard::path;

pub(crate) const TESTS: &[Test] = &[
    ("promtool_accepts_the_configuration_and_the_alerts", promtool_accepts_the_configuration_and_the_alerts),
    ("alerts_fire_when_they_should_and_only_then", alerts_fire_when_they_should_and_only_then),
];

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(path("")).output().expect("promtool starts");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
}

fn promtool_accepts_the_configuration_and_the_alerts() {
    promtool(&["check", "config", "prometheus.yaml"]);
    promtool(&["check", "rules", "alerts.yaml"]);
}

fn alerts_fire_when_they_should_and_only_then() {
    promtool(&["test", "rules", "alerts.test.yaml"]);
}
