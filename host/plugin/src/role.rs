//! What a plugin can be asked for: its roles, the text each gets, and what each reads. Not how it is asked: see
//! [`crate::Extractor`], [`crate::Scorer`] and [`crate::Probe`].

/// What an instance is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// To say what makes two events the same.
    KeyExtractor,
    /// To say how alike two events are.
    SimilarityScorer,
}

impl Role {
    /// The name of its interface in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyExtractor => "key-extractor",
            Self::SimilarityScorer => "similarity-scorer",
        }
    }
}

/// What a plugin can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// It says what makes two events the same.
    pub extracts_keys: bool,
    /// It says how alike two events are.
    pub scores: bool,
}

impl Roles {
    /// The roles, the key extractor first.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        let roles = [(self.extracts_keys, Role::KeyExtractor), (self.scores, Role::SimilarityScorer)];
        roles.into_iter().filter(|(plays, _)| *plays).map(|(_, role)| role)
    }

    /// The roles by the names of the interfaces they are exported as.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Role::name).collect()
    }
}

/// The operator's texts by role; `None` is an empty text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// For extracting keys.
    pub extractor: Option<&'a str>,
    /// For scoring.
    pub scorer: Option<&'a str>,
}

impl<'a> Texts<'a> {
    pub(crate) fn of(self, role: Role) -> &'a str {
        let text = match role {
            Role::KeyExtractor => self.extractor,
            Role::SimilarityScorer => self.scorer,
        };
        text.unwrap_or_default()
    }
}

/// What a plugin reads of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The payload as it came, as one value.
    Payload,
    /// These fields, JSON pointers: their values in this order to extract keys, all properties at and below them to
    /// score.
    Fields(Vec<String>),
}
