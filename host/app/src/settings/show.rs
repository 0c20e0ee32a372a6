//! The resolved configuration as TOML that can be given back as `--config`, secrets hidden. Shown, never parsed here.

use std::fmt::Write as _;

use super::HIDDEN;
use super::table::{Kind, SETTINGS, Setting};
use super::typed::{Origin, Typed};

/// Words in the name of a librdkafka property whose value is not shown.
const SECRET_WORDS: [&str; 5] = ["password", "secret", "pem", "jaas", "oauthbearer.config"];

/// One line a setting, under the headings of the help text; what is not set is a comment.
pub(super) fn show(typed: &Typed) -> String {
    let mut text = String::new();
    let mut group = None;
    for setting in SETTINGS {
        if group.replace(setting.group) != Some(setting.group) {
            let before = if text.is_empty() { "" } else { "\n" };
            // Writing to a String does not fail.
            let _ = writeln!(text, "{before}# {}", setting.group.title());
        }
        let line = match typed.all(setting.flag) {
            [] => match typed.origin(setting.flag) {
                Origin::Derived(reason) => format!("# {} is not set: {reason}", setting.key()),
                Origin::Flag | Origin::Variable(_) | Origin::File(_) | Origin::Default => {
                    format!("# {} is not set", setting.key())
                }
            },
            values => format!("{} = {}  # {}", setting.key(), value(setting, values), typed.origin(setting.flag)),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn value(setting: &Setting, values: &[String]) -> String {
    let last = values.last().map(String::as_str).unwrap_or_default();
    let value = match setting.kind {
        Kind::Secret => toml::Value::from(HIDDEN),
        Kind::Switch => super::units::switch(last).map_or_else(|_| last.into(), toml::Value::from),
        Kind::Many(_) => toml::Value::Array(values.iter().map(|text| without_secret(text).into()).collect()),
        Kind::One => last.parse::<i64>().map_or_else(|_| last.into(), toml::Value::from),
    };
    value.to_string()
}

/// `sasl.oauthbearer.client.secret=x` without the x.
fn without_secret(text: &str) -> String {
    match text.split_once('=') {
        Some((name, _)) if SECRET_WORDS.iter().any(|word| name.contains(word)) => format!("{name}={HIDDEN}"),
        _ => text.to_owned(),
    }
}
