//! Why settings are refused. Not how a process ends then.

use crate::origin::Origin;

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// What was typed is no text.
    #[error("{what} is not UTF-8 text, as every setting must be: encode it as UTF-8, or leave it out")]
    NotText {
        /// The variable or the argument, without its value.
        what: String,
    },
    /// The configuration file cannot be used.
    #[error("configuration file {path}: {reason}")]
    File {
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// One setting does not hold.
    #[error("--{flag} ({origin}) {reason}")]
    Setting {
        /// Its flag, without dashes.
        flag: &'static str,
        /// Where its text comes from.
        origin: Origin,
        /// What is wrong and the way out.
        reason: String,
    },
    /// The settings do not go together.
    #[error("{0}")]
    Conflict(String),
}
