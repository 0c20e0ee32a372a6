//! Exit codes: what the process tells the shell, the unit file and the script. Not the errors themselves.

/// Why the process ended, whatever it was asked to do but `plugin conformance`, see [`ConformanceExit`]. The numbers
/// are a contract with scripts: they are never given a second meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// The work is done, or a stop was asked for and everything in flight was committed.
    Ok = 0,
    /// A defect of the host, or a cause that has no code of its own.
    Internal = 1,
    /// The command line, the environment or the configuration file is not usable; nothing was started.
    Usage = 2,
    /// A plugin cannot be loaded, configured, or given its roles.
    Plugin = 3,
    /// The input, its topic or the broker is missing, cannot be reached, or refuses us.
    Input = 4,
    /// The state belongs to something else, is in use by another process, or is damaged.
    State = 5,
    /// The output cannot be written: disk full, no permission, closed pipe.
    Output = 6,
    /// A plugin failed on a record: in a run with `--on-plugin-failure stop`, in `plugin test` or in `plugin replay`.
    PluginFailure = 7,
    /// The HTTP address is in use or cannot be bound.
    Address = 8,
    /// An earlier run was interrupted: it must be resumed, or its outputs removed.
    Interrupted = 9,
    /// Another host uses the same transactional id, and the two end each other's transactions.
    Fenced = 10,
    /// `verify` found something that is not as it should be.
    Violated = 11,
    /// `verify` could not judge everything, and found nothing wrong.
    Unverified = 12,
    /// A second interrupt ended the process before it had drained (128 + SIGINT).
    Killed = 130,
}

impl ExitCode {
    /// All codes, for documentation and tests.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Internal,
        Self::Usage,
        Self::Plugin,
        Self::Input,
        Self::State,
        Self::Output,
        Self::PluginFailure,
        Self::Address,
        Self::Interrupted,
        Self::Fenced,
        Self::Violated,
        Self::Unverified,
        Self::Killed,
    ];

    /// The number the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// A few words for `--help`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Internal => "internal error",
            Self::Usage => "command line or configuration not usable",
            Self::Plugin => "plugin cannot be loaded",
            Self::Input => "input, topic or broker missing or unreachable",
            Self::State => "state belongs to something else, is in use, or is damaged",
            Self::Output => "output cannot be written",
            Self::PluginFailure => "plugin failed on a record, and the policy is stop",
            Self::Address => "HTTP address in use",
            Self::Interrupted => "an interrupted run must be resumed first",
            Self::Fenced => "another host uses the same transactional id",
            Self::Violated => "verify found a violation",
            Self::Unverified => "verify could not check",
            Self::Killed => "second interrupt, not drained",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

/// How `plugin conformance` ended. It has codes of its own, so that a script tells a plugin that breaks a rule from one
/// that cannot be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConformanceExit {
    /// Every rule that has to hold does.
    Passed = 0,
    /// A rule that has to hold does not.
    Failed = 1,
    /// The component cannot be loaded, or the command line not be used, as with every command.
    CannotLoad = 2,
    /// The suite itself failed, so that nothing is known of the plugin.
    Suite = 3,
}

impl ConformanceExit {
    /// All codes, for documentation and tests.
    pub const ALL: [Self; 4] = [Self::Passed, Self::Failed, Self::CannotLoad, Self::Suite];

    /// The number the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// A few words for `--help`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "a rule failed: a required one, a named one, or any with --level strict",
            Self::CannotLoad => "the component cannot be loaded, or the command line is not usable",
            Self::Suite => "the suite itself failed: an input cannot be read, or an output cannot be written",
        }
    }
}

impl From<ConformanceExit> for std::process::ExitCode {
    fn from(code: ConformanceExit) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_stays_what_it_was() {
        assert_eq!(ExitCode::ALL.map(ExitCode::code), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 130]);
        assert_eq!(ConformanceExit::ALL.map(ConformanceExit::code), [0, 1, 2, 3]);
    }
}
