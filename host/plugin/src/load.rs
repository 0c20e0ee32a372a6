//! A plugin: a component that accepted its configuration, and what its extractors and scorers share. Not where events
//! go: see [`Extractor`] and [`Scorer`].

use std::sync::Arc;
use std::time::Instant;

use crate::allowance::Allowance;
use crate::candidate::Candidate;
use crate::error::LoadError;
use crate::extractor::Extractor;
use crate::fault::Fault;
use crate::instance::{Cause, Instance};
use crate::limits::Limits;
use crate::log::Log;
use crate::probe::Info;
use crate::role::{Input, Role, Roles, Texts};
use crate::scorer::Scorer;

/// A component that keeps to the contract and accepts its configuration. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

/// What a plugin, its extractors and its scorers share.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    version: String,
    key_version: u32,
    extractor_config: String,
    scorer_config: String,
    extractor_input: Option<Input>,
    scorer_input: Option<Input>,
    log_allowance: Allowance,
    candidate: Candidate,
}

impl Loaded {
    /// Makes an instance that is ready to be called in this role.
    pub(crate) fn start(&self, role: Role) -> Result<Instance, Cause> {
        let log = Log::new(&self.name, self.limits.log_bytes_per_call_max, self.log_allowance.clone());
        let words = |fault: Fault| fault.words;
        let mut instance = self.candidate.start(log).map_err(words)?;
        match instance.configure(role, self.config(role)).map_err(words)? {
            Ok(_) => Ok(instance),
            Err(refusal) => Err(format!("it now refuses the configuration it took before: {refusal}")),
        }
    }

    fn config(&self, role: Role) -> &str {
        match role {
            Role::KeyExtractor => &self.extractor_config,
            Role::SimilarityScorer => &self.scorer_config,
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.0.name).field("sha256", &self.sha256()).finish_non_exhaustive()
    }
}

impl Plugin {
    /// `inputs` are the extractor's and the scorer's, each if it has the role.
    pub(crate) fn new(candidate: Candidate, info: Info, texts: Texts<'_>, inputs: [Option<Input>; 2]) -> Self {
        let [extractor_input, scorer_input] = inputs;
        Self(Arc::new(Loaded {
            name: info.name,
            version: info.version,
            key_version: info.key_version,
            extractor_config: texts.of(Role::KeyExtractor).to_owned(),
            scorer_config: texts.of(Role::SimilarityScorer).to_owned(),
            extractor_input,
            scorer_input,
            limits: *candidate.limits(),
            log_allowance: Allowance::new(Instant::now()),
            candidate,
        }))
    }

    /// What the plugin calls itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The plugin's version, for people.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Keys of different key versions cannot be compared.
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.0.key_version
    }

    /// Digest of the component's file, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        self.0.candidate.sha256()
    }

    /// The component that the plugin was made of.
    #[must_use]
    pub fn candidate(&self) -> &Candidate {
        &self.0.candidate
    }

    /// The text that the plugin was configured with to extract keys; empty where there was none.
    #[must_use]
    pub fn extractor_config(&self) -> &str {
        &self.0.extractor_config
    }

    /// The text that the plugin was configured with in this role; empty where there was none.
    #[must_use]
    pub fn config(&self, role: Role) -> &str {
        self.0.config(role)
    }

    /// What the plugin can do.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.0.candidate.roles()
    }

    /// What the plugin reads: for its keys, or to score if it has no keys to give.
    #[must_use]
    pub fn input(&self) -> &Input {
        self.0.extractor_input.as_ref().or(self.scorer_input()).unwrap_or(&Input::Payload)
    }

    /// What the plugin reads to score, if it scores.
    #[must_use]
    pub fn scorer_input(&self) -> Option<&Input> {
        self.0.scorer_input.as_ref()
    }

    /// An extractor for one partition, with an instance of its own.
    ///
    /// # Errors
    /// The plugin extracts no keys, or an instance cannot be made.
    pub fn extractor(&self) -> Result<Extractor, LoadError> {
        self.require(Role::KeyExtractor, self.roles().extracts_keys)?;
        Extractor::new(Arc::clone(&self.0)).map_err(|cause| self.cannot_start(cause))
    }

    /// A scorer for one partition, with an instance of its own.
    ///
    /// # Errors
    /// The plugin scores nothing, or an instance cannot be made.
    pub fn scorer(&self) -> Result<Scorer, LoadError> {
        self.require(Role::SimilarityScorer, self.roles().scores)?;
        Scorer::new(Arc::clone(&self.0)).map_err(|cause| self.cannot_start(cause))
    }

    fn require(&self, role: Role, has_role: bool) -> Result<(), LoadError> {
        if has_role { Ok(()) } else { Err(LoadError::NoRole { name: self.name().to_owned(), role: role.name() }) }
    }

    fn cannot_start(&self, cause: Cause) -> LoadError {
        LoadError::Start { name: self.name().to_owned(), cause }
    }
}
