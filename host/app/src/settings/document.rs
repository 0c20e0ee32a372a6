//! `docs/settings.md`, made from the rows of the settings, so that the two cannot disagree. Only tests make it.

use setting::{AnySetting, Kind};
use std::fmt::Write as _;

use super::table::settings;

const HEAD: &str = include_str!("document_head.md");

/// The document as it has to be.
fn document() -> String {
    let mut out = HEAD.to_owned();
    let mut group = None;
    for setting in settings() {
        if group.replace(setting.group) != Some(setting.group) {
            // Writing to a String does not fail.
            let _ = writeln!(out, "\n## {}", setting.group.title);
        }
        entry(setting, &mut out);
    }
    out
}

fn entry(setting: &dyn AnySetting, out: &mut String) {
    let (first, more) = setting.help.split_once("\n\n").unwrap_or((setting.help, ""));
    // Writing to a String does not fail.
    let _ = writeln!(out, "\n### `--{}`\n\n{}\n\n{first}.", setting.flag, facts(setting).join(" · "));
    if !more.is_empty() {
        let _ = writeln!(out, "{more}");
    }
}

/// How it is written, where it may be given, and what holds where it is not.
fn facts(setting: &dyn AnySetting) -> Vec<String> {
    let flags = [Some(setting.flag), setting.alias].into_iter().flatten();
    let flags = flags.map(|flag| format!("`--{flag} {}`", setting.value())).collect::<Vec<_>>().join(" or ");
    let variables = setting.variables().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
    let mut facts = vec![flags, format!("variable {variables}")];
    facts.extend(setting.default.map(|default| format!("default `{default}`")));
    facts.extend(match setting.kind {
        Kind::One => None,
        Kind::Secret => Some("secret".to_owned()),
        Kind::Switch => Some("switch".to_owned()),
        Kind::Many(separator) => Some(format!("repeatable; `{separator}` separates values in the variable")),
    });
    facts
}

/// `SETTINGS_DOCUMENT=write cargo test --release --workspace --lib settings::document` writes it again.
#[test]
fn the_document_is_that_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    if std::env::var_os("SETTINGS_DOCUMENT").is_some_and(|value| value == "write") {
        std::fs::write(path, document()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == document(),
        "docs/settings.md is not that of the settings: run \
         `SETTINGS_DOCUMENT=write cargo test --release --workspace --lib settings::document` and look at the difference"
    );
}

#[test]
fn every_setting_is_in_the_document_once_with_its_variable_and_default() {
    let document = document();
    for setting in settings() {
        let heading = format!("\n### `--{}`\n", setting.flag);
        let entries: Vec<&str> = document.split(&heading).skip(1).collect();
        let [entry] = entries.as_slice() else { panic!("--{} is there {} times", setting.flag, entries.len()) };
        let entry = entry.split("\n##").next().unwrap();
        for variable in setting.variables() {
            assert!(entry.contains(&format!("`{variable}`")), "{variable}: {entry}");
        }
        if let Some(default) = setting.default {
            assert!(entry.contains(&format!("default `{default}`")), "{default}: {entry}");
        }
        assert!(!setting.help.ends_with('.') || setting.help.contains("\n\n"), "two full stops: {entry}");
    }
}
