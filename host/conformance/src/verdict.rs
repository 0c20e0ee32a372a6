//! What became of a rule that was tried. Not how it is told: see [`crate::Report`].

use plugin::Fault;

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The plugin keeps to it, as far as was tried.
    Passed,
    /// The plugin breaks it.
    Failed(Failure),
    /// It could not be tried, because the plugin breaks another rule; says which. As bad as failed.
    Blocked(String),
    /// It says nothing about this plugin; says why. Neither passed nor failed.
    NotApplicable(String),
    /// It is about such plugins, but nothing was there to try it with; says what would help. Neither passed nor failed.
    Untried(String),
}

/// How a plugin breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was put to the plugin: escaped, and cut where it is long.
    pub input: String,
    /// What it did.
    pub got: String,
    /// What would be right.
    pub wanted: String,
}

/// Ends a rule before it has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// As [`Verdict::Failed`].
    Failed(Box<Failure>),
    /// As [`Verdict::Blocked`].
    Blocked(String),
    /// As [`Verdict::NotApplicable`].
    NotApplicable(String),
    /// As [`Verdict::Untried`].
    Untried(String),
}

impl Stop {
    /// The plugin breaks the rule.
    pub(crate) fn failed(input: impl Into<String>, got: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure { input: input.into(), got: got.into(), wanted: wanted.into() }))
    }

    /// The rule cannot be tried because the plugin breaks the rule with this id.
    pub(crate) fn blocked(id: &str, why: impl std::fmt::Display) -> Self {
        Self::Blocked(format!("{why}; see {id}"))
    }

    /// The rule cannot be tried because an ordinary batch got no answer, which is the business of rule C1.
    pub(crate) fn no_answer(fault: &Fault) -> Self {
        Self::blocked("C1", format_args!("ordinary events got no answer: {fault}"))
    }

    /// The rule says nothing about this plugin.
    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }

    /// The rule is about this plugin, and could not be tried.
    pub(crate) fn untried(why: impl Into<String>) -> Self {
        Self::Untried(why.into())
    }
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(failure) => Self::Failed(*failure),
            Stop::Blocked(why) => Self::Blocked(why),
            Stop::NotApplicable(why) => Self::NotApplicable(why),
            Stop::Untried(why) => Self::Untried(why),
        }
    }
}

impl Verdict {
    /// One word: `passed`, `failed`, `blocked`, `not-applicable`, `untried`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Blocked(_) => "blocked",
            Self::NotApplicable(_) => "not-applicable",
            Self::Untried(_) => "untried",
        }
    }

    /// Whether the plugin does not conform because of it.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Blocked(_))
    }
}
