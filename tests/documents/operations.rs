//! `docs/operations.md` says of every alert and of every exit code what it means and what to do.

use dedup_host::exit::{ConformanceExit, ExitCode};
use dedup_host_tests::Test;

use crate::text;

pub(crate) const TESTS: &[Test] = &[
    ("every_alert_is_explained", every_alert_is_explained),
    ("every_exit_code_is_explained", every_exit_code_is_explained),
];

/// The rows of the tables below a heading: cells without white space around them.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let document = text("docs/operations.md");
    let start = document.split(&format!("\n## {heading}\n")).nth(1).expect("the heading");
    let section = start.split("\n## ").next().expect("its text");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.skip(1).map(|row| row.split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// That a row says what it means and what to do.
fn assert_explained(row: &[String]) {
    assert!(row[1..].iter().all(|cell| !cell.is_empty()), "{row:?}");
    assert!(row[row.len() - 2].len() > 20 && !row[row.len() - 1].is_empty(), "says too little: {row:?}");
}

fn every_alert_is_explained() {
    let file = text("examples/monitoring/alerts.yaml");
    let mut alerts = Vec::new();
    for line in file.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alerts.push((format!("`{name}`"), String::new()));
        } else if let Some(severity) = line.strip_prefix("severity: ") {
            alerts.last_mut().expect("an alert before its severity").1 = severity.to_owned();
        }
    }
    let rows = rows("Alerts");
    assert_eq!(rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect::<Vec<_>>(), alerts);
    rows.iter().for_each(|row| assert_explained(row));
}

fn every_exit_code_is_explained() {
    let rows = rows("Exit codes");
    let codes = rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(codes, ExitCode::ALL.map(|code| code.code().to_string()));
    rows.iter().for_each(|row| assert_explained(row));
    let document = text("docs/operations.md");
    let own = document.split("`dedup-host plugin conformance` has").nth(1).expect("the codes of conformance");
    for code in ConformanceExit::ALL {
        assert!(own.contains(&format!(" {}, ", code.code())), "conformance's {} is not explained", code.code());
    }
}
