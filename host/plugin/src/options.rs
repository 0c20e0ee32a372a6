//! What plugins run under, as a program chooses it. Not how it is enforced.

use std::path::PathBuf;

use crate::compile::Settings;
use crate::limits::Limits;
use crate::wasi::Wasi;

/// What plugins run under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// What an instance may use.
    pub limits: Limits,
    /// What a component gets that was built with WASI.
    pub wasi: Wasi,
    /// Where compiled components are kept; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Whether what plugins execute is counted; a third slower.
    pub fuel: bool,
    /// SHA-256 of the files that may be opened, in lower-case hexadecimal; empty: all.
    pub sha256: Vec<String>,
}

impl Options {
    pub(crate) fn settings(&self) -> Settings {
        Settings { fuel: self.fuel, stack_bytes_max: self.limits.stack_bytes_max }
    }
}
