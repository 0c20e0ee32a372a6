//! The resolved configuration as TOML that can be passed back as `--config`, secrets hidden. Shown, never parsed here.

use std::fmt::Write as _;

use plain_text::secrets::{HIDDEN, hidden, is_secret};
use plain_text::{Line, is_unseen};
use serde_json::Value;

use super::table::{Kind, SETTINGS, Setting};
use super::typed::{Origin, Typed};

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
                Origin::Derived(reason) => format!("# {} is not set: {}", setting.key(), Line(reason)),
                Origin::Flag | Origin::Variable(_) | Origin::File(_) | Origin::Default => {
                    format!("# {} is not set", setting.key())
                }
            },
            values => {
                format!("{} = {}  # {}", setting.key(), value(setting, values), Line(typed.origin(setting.flag)))
            }
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn value(setting: &Setting, values: &[String]) -> String {
    let last = values.last().map(String::as_str).unwrap_or_default();
    match setting.kind {
        Kind::Secret => quoted(HIDDEN),
        Kind::Switch => super::units::switch(last).map_or_else(|_| quoted(last), |on| on.to_string()),
        Kind::Many(_) => {
            let entries: Vec<String> = values.iter().map(|text| quoted(&without_secrets(setting, text))).collect();
            format!("[{}]", entries.join(", "))
        }
        // A topic may be called 007, and one called 7 is another.
        Kind::One if last.parse::<i64>().is_ok_and(|number| number.to_string() == last) => last.to_owned(),
        Kind::One => quoted(&without_secrets(setting, last)),
    }
}

/// A string of TOML in which all can be seen.
fn quoted(text: &str) -> String {
    if !text.chars().any(is_unseen) {
        return toml::Value::from(text).to_string();
    }
    let mut out = String::from('"');
    for char in text.chars() {
        // Writing to a String does not fail.
        let _ = match char {
            '"' | '\\' => write!(out, "\\{char}"),
            '\n' => write!(out, "\\n"),
            unseen if is_unseen(unseen) => write!(out, "\\U{:08X}", u32::from(unseen)),
            plain => write!(out, "{plain}"),
        };
    }
    out.push('"');
    out
}

fn without_secrets(setting: &Setting, text: &str) -> String {
    match setting.flag {
        "kafka-property" => property(text),
        "plugin-config" | "scorer-config" => configuration(text),
        _ => hidden(text).into_owned(),
    }
}

/// `sasl.oauthbearer.client.secret=x` without the x.
fn property(text: &str) -> String {
    match text.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        Some((name, value)) => format!("{name}={}", hidden(value)),
        None => HIDDEN.to_owned(),
    }
}

/// A plugin's configuration as it was typed, but where it is JSON with a secret in it.
fn configuration(text: &str) -> String {
    let json = serde_json::from_str(text).ok().and_then(|mut json| hide(&mut json).then_some(json));
    json.map_or_else(|| hidden(text).into_owned(), |json| json.to_string())
}

/// Hides what members with the name of a secret have, and says whether there was any.
fn hide(json: &mut Value) -> bool {
    match json {
        Value::Object(members) => members.iter_mut().fold(false, |any, (name, value)| {
            let secret = is_secret(name);
            if secret {
                *value = HIDDEN.into();
            }
            any | secret | hide(value)
        }),
        Value::Array(items) => items.iter_mut().fold(false, |any, item| any | hide(item)),
        Value::String(text) => {
            let shown = hidden(text).into_owned();
            let changed = shown != *text;
            *text = shown;
            changed
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
