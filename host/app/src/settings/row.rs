//! One setting: a row that says all there is to know about it, with the type of its value. Not the list of them, which
//! is `table`, and not what the user typed, which is `typed`.
//!
//! To add a setting, add a row to the part that it configures, where it is to stand in the help text:
//!
//! ```text
//! static MAX_MEMORY_BYTES: Setting<u64> =
//!     one(GROUP, "max-memory-bytes", "BYTES", units::bytes, "Maximum memory for the records in flight").or("512MiB");
//! ```
//!
//! and read it where that part is built: `typed.need(&MAX_MEMORY_BYTES)?`. The flag, its variable, the key in a file, the
//! help text, `dedup-host config`, `docs/settings.md` and the refusal of a wrong value follow from the row.

use std::ops::Deref;

use plain_text::secrets;

use super::units;

/// A heading of the help text, of `dedup-host config` and of the document, and what its settings have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// The heading.
    pub(super) title: &'static str,
    /// Which runs they are for.
    pub(super) runs: Runs,
    /// Commands that take them besides `run` and `config`.
    pub(super) also: &'static [Taker],
}

/// Which runs a setting is for. The others refuse it where it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    /// All.
    All,
    /// Over topics.
    Kafka,
    /// Over files.
    Files,
}

/// A command besides `run` and `config` that takes settings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taker {
    /// `generate`
    Generate,
    /// `plugin inspect`
    Inspect,
    /// `plugin test`
    Test,
    /// `plugin conformance`
    Conformance,
    /// `plugin bench`
    Bench,
    /// `plugin replay`
    Replay,
    /// `checkpoint`
    Checkpoint,
}

/// How many values a setting takes, and whether they may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One value.
    One,
    /// One value that is never shown.
    Secret,
    /// A flag that needs no value: `--resume` is `--resume=true`.
    Switch,
    /// The flag may be repeated; in a variable this character separates the values; in a file it is an array.
    Many(char),
}

/// What there is to know about a setting, except for the type of its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The flag without its dashes. The key in a file is the same with `_` for `-`.
    pub(super) flag: &'static str,
    /// A second name of the flag.
    pub(super) alias: Option<&'static str>,
    /// Environment variables, the first one set wins; empty: the key in upper case.
    pub(super) env: &'static [&'static str],
    /// What holds when nobody says anything.
    pub(super) default: Option<&'static str>,
    /// Its heading.
    pub(super) group: Group,
    /// Which runs it is for.
    pub(super) runs: Runs,
    /// Commands that take it besides `run` and `config`.
    pub(super) also: &'static [Taker],
    /// Number of values and secrecy.
    pub(super) kind: Kind,
    /// A value as it may be shown: without the secrets that it may contain.
    pub(super) shown: fn(&str) -> String,
    /// The first paragraph is the short help.
    pub(super) help: &'static str,
}

impl Row {
    const fn new(group: Group, flag: &'static str, kind: Kind, help: &'static str) -> Self {
        let Group { runs, also, .. } = group;
        Self { flag, alias: None, env: &[], default: None, group, runs, also, kind, shown: hidden, help }
    }

    /// The key in a configuration file.
    pub(super) fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// Its environment variables, the strongest first.
    pub(super) fn variables(&self) -> Vec<String> {
        match self.env {
            [] => vec![self.key().to_ascii_uppercase()],
            names => names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// Whether a command takes it, besides `run` and `config`.
    pub(super) fn is_for(&self, taker: Taker) -> bool {
        self.also.contains(&taker)
    }
}

/// A text without the credentials of addresses in it.
fn hidden(text: &str) -> String {
    secrets::hidden(text).into_owned()
}

/// A setting with values of type `T`.
pub(super) struct Setting<T: 'static> {
    row: Row,
    values: Values<T>,
}

enum Values<T: 'static> {
    /// A text that is parsed, and what stands for it in the help text.
    Text(&'static str, fn(&str) -> Result<T, String>),
    /// One of these words.
    Words(&'static [(&'static str, T)]),
}

impl<T> Deref for Setting<T> {
    type Target = Row;

    fn deref(&self) -> &Row {
        &self.row
    }
}

impl<T: Clone> Setting<T> {
    /// The value that a text stands for.
    pub(super) fn parse(&self, text: &str) -> Result<T, String> {
        match self.values {
            Values::Text(_, parse) => parse(text),
            Values::Words(words) => units::one_of(text, words),
        }
    }
}

/// A setting of any type, for those who go through all of them.
pub(super) trait AnySetting: Deref<Target = Row> + Sync {
    /// What stands for the value in the help text.
    fn value(&self) -> String;

    /// Why a text is not a value.
    #[cfg(test)]
    fn check(&self, text: &str) -> Result<(), String>;
}

impl<T: Clone + Sync> AnySetting for Setting<T> {
    fn value(&self) -> String {
        match self.values {
            Values::Text(value, _) => value.to_owned(),
            Values::Words(words) => words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("|"),
        }
    }

    #[cfg(test)]
    fn check(&self, text: &str) -> Result<(), String> {
        self.parse(text).map(|_| ())
    }
}

/// The settings of a part, in the order of the help text.
pub(super) type Rows = &'static [&'static dyn AnySetting];

/// Settings as statics, and `ROWS`, which lists them.
macro_rules! rows {
    ($(static $name:ident: $type:ty = $setting:expr;)+) => {
        $(pub(in crate::settings) static $name: $type = $setting;)+

        /// All of them, in the order of the help text.
        pub(in crate::settings) static ROWS: $crate::settings::row::Rows = &[$(&$name),+];
    };
}
pub(super) use rows;

/// The words of what is switched on unless the user says otherwise.
pub(super) const ON_OFF: &[(&str, bool)] = &[("on", true), ("off", false)];

/// One value, which `parse` reads; `value` stands for it in the help text.
pub(super) const fn one<T>(
    group: Group,
    flag: &'static str,
    value: &'static str,
    parse: fn(&str) -> Result<T, String>,
    help: &'static str,
) -> Setting<T> {
    Setting { row: Row::new(group, flag, Kind::One, help), values: Values::Text(value, parse) }
}

/// One of some words.
pub(super) const fn one_of<T>(
    group: Group,
    flag: &'static str,
    words: &'static [(&'static str, T)],
    help: &'static str,
) -> Setting<T> {
    Setting { row: Row::new(group, flag, Kind::One, help), values: Values::Words(words) }
}

/// One value that is never shown.
pub(super) const fn secret<T>(
    group: Group,
    flag: &'static str,
    value: &'static str,
    parse: fn(&str) -> Result<T, String>,
    help: &'static str,
) -> Setting<T> {
    Setting { row: Row::new(group, flag, Kind::Secret, help), values: Values::Text(value, parse) }
}

/// What is off unless the user says otherwise.
pub(super) const fn switch(group: Group, flag: &'static str, help: &'static str) -> Setting<bool> {
    let row = Row::new(group, flag, Kind::Switch, help);
    Setting { row, values: Values::Text("true|false", units::switch) }.or("false")
}

/// Any number of values, each of which `parse` reads; in a variable, `separator` is between them.
pub(super) const fn many<T>(
    group: Group,
    flag: &'static str,
    value: &'static str,
    separator: char,
    parse: fn(&str) -> Result<T, String>,
    help: &'static str,
) -> Setting<T> {
    Setting { row: Row::new(group, flag, Kind::Many(separator), help), values: Values::Text(value, parse) }
}

impl<T> Setting<T> {
    /// What holds when nobody says anything.
    pub(super) const fn or(mut self, default: &'static str) -> Self {
        self.row.default = Some(default);
        self
    }

    /// Environment variables in the place of the one that has its name, the strongest first.
    pub(super) const fn env(mut self, names: &'static [&'static str]) -> Self {
        self.row.env = names;
        self
    }

    /// A second name of the flag.
    pub(super) const fn alias(mut self, name: &'static str) -> Self {
        self.row.alias = Some(name);
        self
    }

    /// Only these runs use it, whatever its group.
    pub(super) const fn only(mut self, runs: Runs) -> Self {
        self.row.runs = runs;
        self
    }

    /// These commands take it besides `run` and `config`.
    pub(super) const fn also(mut self, takers: &'static [Taker]) -> Self {
        self.row.also = takers;
        self
    }

    /// How a value is shown, if secrets may stand in more places than addresses.
    pub(super) const fn shown(mut self, shown: fn(&str) -> String) -> Self {
        self.row.shown = shown;
        self
    }
}
