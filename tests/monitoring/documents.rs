//! What can be said of the dashboard, the alerts and what documents say of them, by reading them alone.

use std::collections::BTreeSet;

use dedup_host_tests::Test;
use serde_json::Value;

use crate::dashboard::{dashboard, filled_in, items, panels, text, words};
use crate::expressions::{known, metrics};

pub(crate) const TESTS: &[Test] = &[
    ("every_metric_of_the_host_has_a_panel", every_metric_of_the_host_has_a_panel),
    ("every_panel_says_what_it_answers", every_panel_says_what_it_answers),
    ("panels_do_not_cover_each_other", panels_do_not_cover_each_other),
    ("the_dashboard_belongs_to_no_machine", the_dashboard_belongs_to_no_machine),
    ("the_readme_has_every_panel_and_no_other", the_readme_has_every_panel_and_no_other),
    ("operations_have_every_alert_and_no_other", operations_have_every_alert_and_no_other),
    ("every_alert_has_a_test", every_alert_has_a_test),
];

fn every_metric_of_the_host_has_a_panel() {
    let known = known();
    let on_panels = metrics(&text("dashboard.json"), &known);
    let in_alerts = metrics(&text("alerts.yaml"), &known);
    let unknown: Vec<_> = on_panels.union(&in_alerts).filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "the host has no {unknown:#?}");
    let unseen: Vec<_> = known.difference(&on_panels).collect();
    assert!(unseen.is_empty(), "no panel of examples/monitoring/dashboard.json shows {unseen:#?}");
}

fn every_panel_says_what_it_answers() {
    let dashboard = dashboard();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = words(panel, "title");
        assert!(titles.insert(title), "two panels are called {title:?}");
        assert!(words(panel, "description").len() > 40, "{title}: the description says nothing");
        assert!(!items(panel, "targets").is_empty(), "{title} asks nothing");
        for target in items(panel, "targets") {
            let _known_variables = filled_in(words(target, "expr"));
        }
    }
}

/// Left, top, right and bottom of each panel, headings too.
fn places(dashboard: &Value) -> Vec<(&str, [i64; 4])> {
    let place = |panel: &'_ Value| {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_i64().expect("a place"));
        [x, y, x + w, y + h]
    };
    items(dashboard, "panels").iter().map(|panel| (words(panel, "title"), place(panel))).collect()
}

fn panels_do_not_cover_each_other() {
    let dashboard = dashboard();
    let places = places(&dashboard);
    for (at, (title, [left, top, right, bottom])) in places.iter().enumerate() {
        assert!(*left >= 0 && *right <= 24, "{title} is wider than the page");
        for (other, place) in &places[at + 1..] {
            let apart = *right <= place[0] || place[2] <= *left || *bottom <= place[1] || place[3] <= *top;
            assert!(apart, "{title} covers {other}");
        }
    }
    let ids = items(&dashboard, "panels").iter().map(|panel| panel["id"].as_i64().expect("a number"));
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), places.len(), "numbers of panels are not distinct");
}

fn the_dashboard_belongs_to_no_machine() {
    let dashboard = dashboard();
    assert!(dashboard.get("id").is_none(), "the number is given by the Grafana that imports it");
    for panel in panels(&dashboard) {
        for holder in items(panel, "targets").iter().chain([panel]) {
            assert_eq!(words(&holder["datasource"], "uid"), "${datasource}", "{}", words(panel, "title"));
        }
    }
    let variables = items(&dashboard["templating"], "list").iter().map(|variable| words(variable, "name"));
    assert_eq!(variables.collect::<Vec<_>>(), ["datasource", "job", "instance", "topic", "partition"]);
}

/// The first cells of the rows of tables under a heading of a document.
fn first_cells(document: &str, heading: &str) -> Vec<String> {
    let document = text(document);
    let section = document.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |").map(|(cell, _)| cell));
    rows.filter(|cell| !["panel", "alert", "---"].contains(cell)).map(|cell| cell.replace('`', "")).collect()
}

fn the_readme_has_every_panel_and_no_other() {
    let dashboard = dashboard();
    let titles = panels(&dashboard).into_iter().map(|panel| words(panel, "title").to_owned());
    assert_eq!(first_cells("README.md", "What each panel answers"), titles.collect::<Vec<_>>());
}

/// Alerts by their names, in the order of the file.
fn alerts() -> Vec<String> {
    let rules = text("alerts.yaml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

fn operations_have_every_alert_and_no_other() {
    assert_eq!(first_cells("../../docs/operations.md", "Alerts"), alerts());
}

fn every_alert_has_a_test() {
    let cases = text("alerts.test.yaml");
    for alert in alerts() {
        let fires = format!("labels: ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"");
        assert!(cases.contains(&fires), "{alert}: no case in alerts.test.yaml in which it fires");
    }
}
