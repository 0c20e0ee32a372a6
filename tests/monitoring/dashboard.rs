//! The dashboard as Grafana would read it: its panels and what they ask. Not whether the questions have answers.

use std::path::PathBuf;

use serde_json::Value;

/// A file of the example.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/monitoring").join(name)
}

/// The text of a file of the example.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The dashboard.
pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&text("dashboard.json")).expect("the dashboard is JSON")
}

/// The items of a list.
pub(crate) fn items<'a>(value: &'a Value, list: &str) -> &'a [Value] {
    value[list].as_array().unwrap_or_else(|| panic!("{list} is no list in {value}"))
}

/// A text that must be there.
pub(crate) fn words<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("there is no {name} in {value}"))
}

/// Panels that are no headings.
pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    items(dashboard, "panels").iter().filter(|panel| panel["type"] != "row").collect()
}

/// Every question of every panel, with the panel's title, in terms that Prometheus knows.
pub(crate) fn questions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of_panel = |panel: &&Value| {
        let title = words(panel, "title").to_owned();
        let ask = |target: &Value| (title.clone(), filled_in(words(target, "expr")));
        items(panel, "targets").iter().map(ask).collect::<Vec<_>>()
    };
    panels(&dashboard).iter().flat_map(of_panel).collect()
}

/// What Grafana does: all hosts, topics and partitions, and a time range.
pub(crate) fn filled_in(expression: &str) -> String {
    let mut filled = expression.to_owned();
    for (variable, value) in [
        ("$__rate_interval", "20s"),
        ("$__range", "60s"),
        ("$job", ".*"),
        ("$instance", ".*"),
        ("$topic", ".*"),
        ("$partition", ".*"),
    ] {
        filled = filled.replace(variable, value);
    }
    assert!(!filled.contains('$'), "a variable that the dashboard does not have: {filled}");
    filled
}
