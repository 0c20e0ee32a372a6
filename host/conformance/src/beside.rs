//! What stands beside a component and says what its plugin makes sense of: `conformance.toml`, and golden cases. Not what
//! the caller gives.

use std::path::{Path, PathBuf};

use crate::declared::{Declared, DeclaredError};
use crate::golden::Golden;

/// The name of a file of golden cases, as `plugin new` makes one.
const GOLDEN: &str = "golden.json";

/// What stands beside a component.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// What it takes for the same.
    pub(crate) declared: Declared,
    /// Cases whose events are like the author's. Their answers may be of another version: they are not held against it.
    pub(crate) cases: Vec<Golden>,
}

impl Beside {
    /// Beside a component; declarations are those of another file where one is given.
    ///
    /// # Errors
    /// The declarations cannot be used. A file that happens to be called as golden cases are is not an error.
    pub(crate) fn of(component: &Path, declarations: Option<&PathBuf>) -> Result<Self, DeclaredError> {
        let path = declarations.cloned().or_else(|| Declared::beside(component));
        let declared = path.map(|path| Declared::read(&path)).transpose()?.unwrap_or_default();
        let golden = [component.with_extension(GOLDEN), component.with_file_name(GOLDEN)];
        let golden = golden.iter().find(|path| path.is_file());
        Ok(Self { declared, cases: golden.and_then(|path| Golden::read(path).ok()).into_iter().collect() })
    }
}
