//! Where the text of a setting comes from.

use std::fmt;

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
