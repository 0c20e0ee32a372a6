//! What the user typed: for every setting its text, and where that came from. Nothing here is parsed or checked yet.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use clap::ArgMatches;
use plain_text::secrets;

use super::SettingsError;
use super::table::{Kind, SETTINGS, Setting, find};

/// Where the text of a setting comes from, the strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment variable of this name.
    Variable(String),
    /// The configuration file at this path.
    File(String),
    /// Nobody said anything, and the host chose by other settings; says which.
    Derived(String),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "command line"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Derived(reason) => write!(f, "default: {reason}"),
            Self::Default => write!(f, "default"),
        }
    }
}

/// The environment as an argument, so that tests need no process of their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Bytes of a configuration file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A configuration file: each key is the name of a setting.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: String,
    values: BTreeMap<String, Vec<String>>,
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or has a key that is no setting.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = plugin::read_text(path, FILE_BYTES_MAX)
            .map_err(|error| SettingsError::File { path: name.clone(), reason: error.to_string() })?;
        Self::parse(name, &text)
    }

    /// Reads `text` as the file called `path`.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub fn parse(path: String, text: &str) -> Result<Self, SettingsError> {
        let table: toml::Table = match toml::from_str(text) {
            Ok(table) => table,
            Err(error) => return Err(SettingsError::File { path, reason: no_toml(text, &error) }),
        };
        let mut values = BTreeMap::new();
        for (key, value) in table {
            let texts = known(&key).and_then(|setting| texts_of(setting, &value));
            match texts {
                Ok(texts) => values.insert(key, texts),
                Err(reason) => return Err(SettingsError::File { path, reason: format!("`{key}` {reason}") }),
            };
        }
        Ok(Self { path, values })
    }
}

/// Where a text is no TOML, and what is wrong there, without what it says there: that may be a password.
fn no_toml(text: &str, error: &toml::de::Error) -> String {
    let Some(start) = error.span().map(|span| span.start) else { return error.message().to_owned() };
    let before = text.get(..text.floor_char_boundary(start)).unwrap_or_default();
    let (line, column) =
        before.rsplit_once('\n').map_or((1, before), |(lines, last)| (lines.matches('\n').count() + 2, last));
    let column = column.chars().count() + 1;
    let key = key_of_line(text.lines().nth(line - 1).unwrap_or_default());
    let of_key = key.map_or_else(String::new, |key| format!(", at `{key}`"));
    format!("is not TOML: line {line}, column {column}{of_key}: {}", error.message())
}

/// The setting that a line of a file starts with. Any other word may be part of a value that goes over several lines.
fn key_of_line(line: &str) -> Option<String> {
    let name = line.split('=').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    SETTINGS.iter().map(Setting::key).find(|key| key == name)
}

fn known(key: &str) -> Result<&'static Setting, String> {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key() == key) {
        return Ok(setting);
    }
    let same = |setting: &&Setting| setting.variables().contains(&key.to_owned()) || setting.flag == key;
    Err(match SETTINGS.iter().find(same) {
        Some(setting) => format!("is not a setting: in a file it is written `{}`", setting.key()),
        None => "is not a setting; `dedup-host config` prints all names".into(),
    })
}

fn texts_of(setting: &Setting, value: &toml::Value) -> Result<Vec<String>, String> {
    match (value, setting.kind) {
        (toml::Value::Array(items), Kind::Many(_)) => items.iter().map(scalar).collect(),
        _ => Ok(vec![scalar(value)?]),
    }
}

fn scalar(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(switch.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
            Err(format!("is of type {}: write a string or a number", value.type_str()))
        }
    }
}

#[derive(Debug, Clone)]
struct Text {
    values: Vec<String>,
    origin: Origin,
}

/// Every setting as text, with its origin.
#[derive(Debug, Clone)]
pub struct Typed {
    texts: BTreeMap<&'static str, Text>,
}

impl Typed {
    /// A flag wins over a variable, a variable over the file, the file over the default. A variable that is set but
    /// empty counts as not set, which is what orchestrators mean by it. `takes` says which settings the subcommand has.
    ///
    /// # Errors
    /// A variable that would count is no text.
    pub fn resolve(
        takes: impl Fn(&Setting) -> bool,
        flags: &ArgMatches,
        environment: Environment<'_>,
        file: Option<&ConfigFile>,
    ) -> Result<Self, SettingsError> {
        let default = |setting: &Setting| {
            setting.default.map(|text| Text { values: vec![text.to_owned()], origin: Origin::Default })
        };
        let mut texts = BTreeMap::new();
        for setting in SETTINGS.iter().filter(|setting| takes(setting)) {
            let typed = match flag(flags, setting) {
                Some(typed) => Some(typed),
                None => variable(environment, setting)?,
            };
            if let Some(text) = typed.or_else(|| in_file(file, setting)).or_else(|| default(setting)) {
                texts.insert(setting.flag, text);
            }
        }
        Ok(Self { texts })
    }

    /// The text of a setting, if it has one.
    #[must_use]
    pub fn text(&self, flag: &str) -> Option<&str> {
        self.all(flag).last().map(String::as_str)
    }

    /// All texts of a setting that may be repeated.
    #[must_use]
    pub fn all(&self, flag: &str) -> &[String] {
        self.texts.get(flag).map(|text| text.values.as_slice()).unwrap_or_default()
    }

    /// Where the text comes from.
    #[must_use]
    pub fn origin(&self, flag: &str) -> &Origin {
        self.texts.get(flag).map_or(&Origin::Default, |text| &text.origin)
    }

    /// Whether the user said it, anywhere.
    #[must_use]
    pub fn given(&self, flag: &str) -> bool {
        !matches!(self.origin(flag), Origin::Default | Origin::Derived(_))
    }

    /// Whether the user said it on the command line.
    #[must_use]
    pub fn on_command_line(&self, flag: &str) -> bool {
        *self.origin(flag) == Origin::Flag
    }

    /// Replaces what nobody said by what follows from other settings.
    pub fn derive(&mut self, flag: &'static str, value: String, reason: String) {
        self.texts.insert(flag, Text { values: vec![value], origin: Origin::Derived(reason) });
    }

    /// Says what takes the place of what nobody said, where that is not known before a run.
    pub fn explain(&mut self, flag: &'static str, reason: String) {
        self.texts.insert(flag, Text { values: Vec::new(), origin: Origin::Derived(reason) });
    }

    /// The value of a setting that may be absent.
    ///
    /// # Errors
    /// Names the setting and where its text comes from.
    pub fn get<T>(
        &self,
        flag: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SettingsError> {
        self.text(flag).map(|text| parse(text).map_err(|reason| self.wrong(flag, reason))).transpose()
    }

    /// The value of a setting that must be there.
    ///
    /// # Errors
    /// As [`Typed::get`], and when it is not set.
    pub fn need<T>(&self, flag: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, SettingsError> {
        self.get(flag, parse)?.ok_or_else(|| self.wrong(flag, "is needed and not set".into()))
    }

    /// The error that names the setting and where it comes from. A reason may repeat a text: secrets in it are hidden.
    #[must_use]
    pub fn wrong(&self, flag: &'static str, reason: String) -> SettingsError {
        let secret = find(flag).is_some_and(|setting| setting.kind == Kind::Secret);
        let texts = self.all(flag).iter().filter(|text| secret && !text.trim().is_empty());
        let reason = texts.fold(reason, |reason, text| reason.replace(text, secrets::HIDDEN));
        let reason = secrets::hidden(&reason).into_owned();
        SettingsError::Setting { flag, origin: self.origin(flag).clone(), reason }
    }
}

fn flag(flags: &ArgMatches, setting: &Setting) -> Option<Text> {
    let values = flags.get_many::<String>(setting.flag)?.cloned().collect();
    Some(Text { values, origin: Origin::Flag })
}

/// What a variable says; `None` where it is not set, or empty.
pub(super) fn variable_text(environment: Environment<'_>, name: &str) -> Result<Option<String>, SettingsError> {
    let Some(text) = environment(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let not_text = |_| SettingsError::NotText { what: format!("environment variable {name}") };
    text.into_string().map(Some).map_err(not_text)
}

fn variable(environment: Environment<'_>, setting: &Setting) -> Result<Option<Text>, SettingsError> {
    for name in setting.variables() {
        if let Some(text) = variable_text(environment, &name)? {
            return Ok(Some(said_by(setting, name, text)));
        }
    }
    Ok(None)
}

fn said_by(setting: &Setting, name: String, text: String) -> Text {
    let values = match setting.kind {
        Kind::Many(separator) => {
            text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        Kind::One | Kind::Secret | Kind::Switch => vec![text],
    };
    Text { values, origin: Origin::Variable(name) }
}

fn in_file(file: Option<&ConfigFile>, setting: &Setting) -> Option<Text> {
    let file = file?;
    let values = file.values.get(&setting.key())?.clone();
    Some(Text { values, origin: Origin::File(file.path.clone()) })
}
