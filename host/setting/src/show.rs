//! The resolved configuration as TOML that can be passed back as `--config`, secrets hidden. Shown, never parsed here.

use std::fmt::Write as _;

use plain_text::secrets::HIDDEN;
use plain_text::{Line, is_unseen};

use crate::origin::Origin;
use crate::row::{Kind, Row};
use crate::table::Table;
use crate::typed::Typed;
use crate::units;

/// One line a setting, under the headings of the help text; what is not set is a comment.
#[must_use]
pub fn show(table: Table, typed: &Typed) -> String {
    let mut text = String::new();
    let mut group = None;
    for setting in table.iter() {
        if group.replace(setting.group) != Some(setting.group) {
            let before = if text.is_empty() { "" } else { "\n" };
            // Writing to a String does not fail.
            let _ = writeln!(text, "{before}# {}", setting.group.title);
        }
        let line = match typed.texts(setting) {
            [] => match typed.origin(setting) {
                Origin::Derived(reason) => format!("# {} is not set: {}", setting.key(), Line(reason)),
                Origin::Flag | Origin::Variable(_) | Origin::File(_) | Origin::Default => {
                    format!("# {} is not set", setting.key())
                }
            },
            values => {
                format!("{} = {}  # {}", setting.key(), value(setting, values), Line(typed.origin(setting)))
            }
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn value(setting: &Row, values: &[String]) -> String {
    let last = values.last().map(String::as_str).unwrap_or_default();
    match setting.kind {
        Kind::Secret => quoted(HIDDEN),
        Kind::Switch => units::switch(last).map_or_else(|_| quoted(last), |on| on.to_string()),
        Kind::Many(_) => {
            let entries: Vec<String> = values.iter().map(|text| quoted(&(setting.shown)(text))).collect();
            format!("[{}]", entries.join(", "))
        }
        // A topic may be called 007, and one called 7 is another.
        Kind::One if last.parse::<i64>().is_ok_and(|number| number.to_string() == last) => last.to_owned(),
        Kind::One => quoted(&(setting.shown)(last)),
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
