//! The configuration file: TOML in which each key is the name of a setting. It opens no file: it is given the text.

use std::collections::BTreeMap;

use crate::error::SettingsError;
use crate::row::{AnySetting, Kind, Row};
use crate::table::Table;

/// A configuration file: each key is the name of a setting.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: String,
    values: BTreeMap<String, Vec<String>>,
}

impl ConfigFile {
    /// Reads `text` as the file called `path`.
    ///
    /// # Errors
    /// If it is not TOML, or has a key that is no setting of the table.
    pub fn parse(path: String, text: &str, table: Table) -> Result<Self, SettingsError> {
        let members: toml::Table = match toml::from_str(text) {
            Ok(members) => members,
            Err(error) => return Err(SettingsError::File { path, reason: no_toml(text, &error, table) }),
        };
        let mut values = BTreeMap::new();
        for (key, value) in members {
            let texts = known(&key, table).and_then(|setting| texts_of(setting, &value));
            match texts {
                Ok(texts) => values.insert(key, texts),
                Err(reason) => return Err(SettingsError::File { path, reason: format!("`{key}` {reason}") }),
            };
        }
        Ok(Self { path, values })
    }

    /// What it is called.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it says of a setting.
    #[must_use]
    pub fn texts(&self, setting: &Row) -> Option<&[String]> {
        self.values.get(&setting.key()).map(Vec::as_slice)
    }
}

/// Where a text is no TOML, and what is wrong there, without what it says there: that may be a password.
fn no_toml(text: &str, error: &toml::de::Error, table: Table) -> String {
    let Some(start) = error.span().map(|span| span.start) else { return error.message().to_owned() };
    let before = text.get(..text.floor_char_boundary(start)).unwrap_or_default();
    let (line, column) =
        before.rsplit_once('\n').map_or((1, before), |(lines, last)| (lines.matches('\n').count() + 2, last));
    let column = column.chars().count() + 1;
    let key = key_of_line(text.lines().nth(line - 1).unwrap_or_default(), table);
    let of_key = key.map_or_else(String::new, |key| format!(", at `{key}`"));
    format!("is not TOML: line {line}, column {column}{of_key}: {}", error.message())
}

/// The setting that a line of a file starts with. Any other word may be part of a value that goes over several lines.
fn key_of_line(line: &str, table: Table) -> Option<String> {
    let name = line.split('=').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    table.iter().map(|setting| setting.key()).find(|key| key == name)
}

fn known(key: &str, table: Table) -> Result<&'static dyn AnySetting, String> {
    if let Some(setting) = table.iter().find(|setting| setting.key() == key) {
        return Ok(setting);
    }
    let same = |setting: &&'static dyn AnySetting| setting.variables().contains(&key.to_owned()) || setting.flag == key;
    Err(match table.iter().find(same) {
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
