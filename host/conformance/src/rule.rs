//! What a rule is: its number, who it is for, what it says and why. Not the rules themselves: see [`crate::rules`].

use plugin::{Role, Roles};

use crate::context::Context;
use crate::verdict::Stop;

/// How binding a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// A plugin that breaks it gives wrong results or is stopped by the host.
    #[default]
    Required,
    /// A plugin should keep to it: what it costs otherwise is said in the rule's reason.
    Strict,
}

/// What a rule is about; a name that chooses all rules of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The component, its imports, who it says it is, its configuration.
    Loading,
    /// Answers that are answers, and do not depend on batches.
    Contract,
    /// The same question, the same answer.
    Determinism,
    /// Odd events are answered, never a trap.
    Totality,
    /// What keys may and may not depend on.
    Keys,
    /// What the plugin says it takes for the same.
    Equalities,
    /// What scores may and may not say.
    Scores,
    /// Memory and work.
    Resources,
    /// Answers written down before.
    Golden,
}

/// What a rule is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// The component as a whole: once.
    Component,
    /// Each role that the plugin has.
    EachRole,
    /// Plugins that extract keys.
    Extractor,
    /// Plugins that score.
    Scorer,
}

/// One rule. Its id keeps its meaning for ever: a rule that is dropped leaves a gap.
#[derive(Debug)]
pub struct Rule {
    /// A letter for the group and a number: `C2`.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// How binding it is.
    pub level: Level,
    /// What it is run for.
    pub concerns: Concerns,
    /// Whether it needs no fuel and little time, so that it is tried before a hot swap.
    pub quick: bool,
    /// Rules that have to hold for this one to make sense: where one of them failed, it is not tried.
    pub follows: &'static [&'static str],
    /// What a plugin has to do.
    pub sentence: &'static str,
    /// What goes wrong otherwise.
    pub reason: &'static str,
    /// Tries it, for a role.
    pub(crate) run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
}

impl Level {
    /// `required` or `strict`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Strict => "strict",
        }
    }
}

impl Group {
    /// All, in the order in which their rules are tried.
    pub const ALL: [Self; 9] = [
        Self::Loading,
        Self::Contract,
        Self::Determinism,
        Self::Totality,
        Self::Keys,
        Self::Equalities,
        Self::Scores,
        Self::Resources,
        Self::Golden,
    ];

    /// The name by which the group is chosen: `contract`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Contract => "contract",
            Self::Determinism => "determinism",
            Self::Totality => "totality",
            Self::Keys => "keys",
            Self::Equalities => "equalities",
            Self::Scores => "scores",
            Self::Resources => "resources",
            Self::Golden => "golden",
        }
    }
}

impl Concerns {
    /// The roles of a plugin that a rule is run for, or why it is run for none.
    pub(crate) fn roles(self, has: Roles) -> Result<Vec<Role>, &'static str> {
        let extractor = has.extracts_keys.then_some(Role::KeyExtractor);
        let scorer = has.scores.then_some(Role::SimilarityScorer);
        match self {
            Self::Component => Ok(extractor.or(scorer).into_iter().collect()),
            Self::EachRole => Ok(extractor.into_iter().chain(scorer).collect()),
            Self::Extractor => extractor.map(|role| vec![role]).ok_or("the plugin extracts no keys"),
            Self::Scorer => scorer.map(|role| vec![role]).ok_or("the plugin scores nothing"),
        }
    }

    /// In words, for lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Component => "all plugins",
            Self::EachRole => "each role",
            Self::Extractor => "key extractors",
            Self::Scorer => "similarity scorers",
        }
    }
}
