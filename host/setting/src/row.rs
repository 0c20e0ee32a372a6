//! One setting: a row that says all there is to know about it, with the type of its value. Not the list of them, which
//! is `table`, and not what the user typed, which is `typed`.

use std::ops::Deref;

use plain_text::secrets;

use crate::units;

/// A heading of the help text, of `dedup-host config` and of the document, and what its settings have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// Which runs they are for.
    pub runs: Runs,
    /// Commands that take them besides `run` and `config`.
    pub also: &'static [Taker],
}

/// Which runs a setting is for. The others refuse it where it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// All.
    All,
    /// Over topics.
    Kafka,
    /// Over files.
    Files,
}

/// A command besides `run` and `config` that takes settings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
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
pub enum Kind {
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
pub struct Row {
    /// The flag without its dashes. The key in a file is the same with `_` for `-`.
    pub flag: &'static str,
    /// A second name of the flag.
    pub alias: Option<&'static str>,
    /// Environment variables, the first one set wins; empty: the key in upper case.
    pub env: &'static [&'static str],
    /// What holds when nobody says anything.
    pub default: Option<&'static str>,
    /// Its heading.
    pub group: Group,
    /// Which runs it is for.
    pub runs: Runs,
    /// Commands that take it besides `run` and `config`.
    pub also: &'static [Taker],
    /// Number of values and secrecy.
    pub kind: Kind,
    /// A value as it may be shown: without the secrets that it may contain.
    pub shown: fn(&str) -> String,
    /// The first paragraph is the short help.
    pub help: &'static str,
}

impl Row {
    const fn new(group: Group, flag: &'static str, kind: Kind, help: &'static str) -> Self {
        let Group { runs, also, .. } = group;
        Self { flag, alias: None, env: &[], default: None, group, runs, also, kind, shown: hidden, help }
    }

    /// The key in a configuration file.
    #[must_use]
    pub fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// Its environment variables, the strongest first.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        match self.env {
            [] => vec![self.key().to_ascii_uppercase()],
            names => names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// Whether a command takes it, besides `run` and `config`.
    #[must_use]
    pub fn is_for(&self, taker: Taker) -> bool {
        self.also.contains(&taker)
    }
}

/// A text without the credentials of addresses in it.
fn hidden(text: &str) -> String {
    secrets::hidden(text).into_owned()
}

/// A setting with values of type `T`.
pub struct Setting<T: 'static> {
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
    ///
    /// # Errors
    /// Says why it stands for none.
    pub fn parse(&self, text: &str) -> Result<T, String> {
        match self.values {
            Values::Text(_, parse) => parse(text),
            Values::Words(words) => units::one_of(text, words),
        }
    }
}

/// A setting of any type, for those who go through all of them.
pub trait AnySetting: Deref<Target = Row> + Sync {
    /// What stands for the value in the help text.
    fn value(&self) -> String;

    /// Refuses a text that is not a value.
    ///
    /// # Errors
    /// Says what is wrong with it.
    fn check(&self, text: &str) -> Result<(), String>;
}

impl<T: Clone + Sync> AnySetting for Setting<T> {
    fn value(&self) -> String {
        match self.values {
            Values::Text(value, _) => value.to_owned(),
            Values::Words(words) => words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("|"),
        }
    }

    fn check(&self, text: &str) -> Result<(), String> {
        self.parse(text).map(|_| ())
    }
}

/// The settings of a part, in the order of the help text.
pub type Rows = &'static [&'static dyn AnySetting];

/// Settings as statics, and `ROWS`, which lists them in the order of the help text; all seen by whom the first words say.
#[macro_export]
macro_rules! rows {
    ($seen_by:vis, $(static $name:ident: $type:ty = $setting:expr;)+) => {
        $($seen_by static $name: $type = $setting;)+

        /// All of them, in the order of the help text.
        $seen_by static ROWS: $crate::Rows = &[$(&$name),+];
    };
}

/// The words of what is switched on unless the user says otherwise.
pub const ON_OFF: &[(&str, bool)] = &[("on", true), ("off", false)];

/// One value, which `parse` reads; `value` stands for it in the help text.
#[must_use]
pub const fn one<T>(
    group: Group,
    flag: &'static str,
    value: &'static str,
    parse: fn(&str) -> Result<T, String>,
    help: &'static str,
) -> Setting<T> {
    Setting { row: Row::new(group, flag, Kind::One, help), values: Values::Text(value, parse) }
}

/// One of some words.
#[must_use]
pub const fn one_of<T>(
    group: Group,
    flag: &'static str,
    words: &'static [(&'static str, T)],
    help: &'static str,
) -> Setting<T> {
    Setting { row: Row::new(group, flag, Kind::One, help), values: Values::Words(words) }
}

/// One value that is never shown.
#[must_use]
pub const fn secret<T>(
    group: Group,
    flag: &'static str,
    value: &'static str,
    parse: fn(&str) -> Result<T, String>,
    help: &'static str,
) -> Setting<T> {
    Setting { row: Row::new(group, flag, Kind::Secret, help), values: Values::Text(value, parse) }
}

/// What is off unless the user says otherwise.
#[must_use]
pub const fn switch(group: Group, flag: &'static str, help: &'static str) -> Setting<bool> {
    let row = Row::new(group, flag, Kind::Switch, help);
    Setting { row, values: Values::Text("true|false", units::switch) }.or("false")
}

/// Any number of values, each of which `parse` reads; in a variable, `separator` is between them.
#[must_use]
pub const fn many<T>(
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
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.row.default = Some(default);
        self
    }

    /// Environment variables in the place of the one that has its name, the strongest first.
    #[must_use]
    pub const fn env(mut self, names: &'static [&'static str]) -> Self {
        self.row.env = names;
        self
    }

    /// A second name of the flag.
    #[must_use]
    pub const fn alias(mut self, name: &'static str) -> Self {
        self.row.alias = Some(name);
        self
    }

    /// Only these runs use it, whatever its group.
    #[must_use]
    pub const fn only(mut self, runs: Runs) -> Self {
        self.row.runs = runs;
        self
    }

    /// These commands take it besides `run` and `config`.
    #[must_use]
    pub const fn also(mut self, takers: &'static [Taker]) -> Self {
        self.row.also = takers;
        self
    }

    /// How a value is shown, if secrets may stand in more places than addresses.
    #[must_use]
    pub const fn shown(mut self, shown: fn(&str) -> String) -> Self {
        self.row.shown = shown;
        self
    }
}
