//! What a plugin says of itself, and whether that can be repeated. Not what its file is: see `candidate`.

use crate::bindings::types;

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Keys of different key versions cannot be compared.
    pub key_version: u32,
}

/// Bytes of a name or a version.
const NAME_BYTES_MAX: usize = 64;

impl Info {
    pub(crate) fn of(info: types::Info) -> Self {
        Self { name: info.name, version: info.version, key_version: info.key_version }
    }

    /// Whether its words can stand in logs, labels of metrics and names of files.
    ///
    /// # Errors
    /// Says what it is called and what would be right.
    pub fn check(&self) -> Result<(), String> {
        for (what, said, more, characters) in [
            ("name", &self.name, "_-.", "ASCII letters, digits, `_`, `-` and `.`"),
            ("version", &self.version, "_-.+", "ASCII letters, digits, `_`, `-`, `.` and `+`"),
        ] {
            let is_plain = said.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(char));
            if said.is_empty() || said.len() > NAME_BYTES_MAX || !is_plain {
                return Err(format!("its {what} is \"{said}\", and must be 1 to {NAME_BYTES_MAX} of {characters}"));
            }
        }
        Ok(())
    }
}
