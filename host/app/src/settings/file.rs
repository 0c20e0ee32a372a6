//! The configuration file: TOML in which each key is the name of a setting. Not the files that a run reads and writes:
//! these are `files`.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::SettingsError;
use super::row::{AnySetting, Kind, Row};
use super::table::settings;

/// Bytes of a configuration file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A configuration file: each key is the name of a setting.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    path: String,
    values: BTreeMap<String, Vec<String>>,
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or has a key that is no setting.
    pub(super) fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = plugin::read_text(path, FILE_BYTES_MAX)
            .map_err(|error| SettingsError::File { path: name.clone(), reason: error.to_string() })?;
        Self::parse(name, &text)
    }

    /// Reads `text` as the file called `path`.
    ///
    /// # Errors
    /// As [`ConfigFile::read`].
    pub(super) fn parse(path: String, text: &str) -> Result<Self, SettingsError> {
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

    /// What it is called.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What it says of a setting.
    pub(super) fn texts(&self, setting: &Row) -> Option<&[String]> {
        self.values.get(&setting.key()).map(Vec::as_slice)
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
    settings().map(|setting| setting.key()).find(|key| key == name)
}

fn known(key: &str) -> Result<&'static dyn AnySetting, String> {
    if let Some(setting) = settings().find(|setting| setting.key() == key) {
        return Ok(setting);
    }
    let same = |setting: &&'static dyn AnySetting| setting.variables().contains(&key.to_owned()) || setting.flag == key;
    Err(match settings().find(same) {
        Some(setting) => format!("is not a setting: in a file it is written `{}`", setting.key()),
        None => "is not a setting; `dedup-host config` prints all names".into(),
    })
}

fn texts_of(setting: &Row, value: &toml::Value) -> Result<Vec<String>, String> {
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
