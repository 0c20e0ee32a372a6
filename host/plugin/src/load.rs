//! A plugin: a component that accepted its configuration, and what its extractors and scorers share. Not where events
//! go: see [`crate::Extractor`] and [`crate::Scorer`].

use std::sync::Arc;
use std::time::Instant;

use crate::allowance::Allowance;
use crate::candidate::{Candidate, checked_input};
use crate::error::LoadError;
use crate::fault::Fault;
use crate::info::Info;
use crate::instance::{Cause, Instance};
use crate::limits::Limits;
use crate::log::Log;
use crate::role::{Input, Role, Roles, Texts};

/// A component that keeps to the contract and accepts its configuration. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Loaded>);

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

impl Candidate {
    /// Makes a plugin of it: starts an instance, asks who it is, and sees that it accepts its configuration.
    ///
    /// # Errors
    /// It fails, refuses its configuration, or asks for input that cannot be had.
    pub fn configured(&self, texts: Texts<'_>) -> Result<Plugin, LoadError> {
        let trapped = |step| move |cause| LoadError::Trapped { path: self.path().to_owned(), step, cause };
        let log = Log::new(&self.stem(), self.log_bytes_max(), Allowance::new(Instant::now()));
        let mut instance = self.start(log).map_err(trapped("instantiate"))?;
        let describing = self.roles().iter().next().unwrap_or(Role::KeyExtractor);
        let info = Info::of(instance.describe(describing).map_err(trapped("describe"))?);
        info.check().map_err(|cause| LoadError::BadName { path: self.path().to_owned(), cause })?;
        let mut inputs = [None, None];
        for role in self.roles().iter() {
            let answer = instance.configure(role, texts.of(role)).map_err(trapped("configure"))?;
            let named = |name: &str| name.to_owned();
            let input = answer.map_err(|message| LoadError::Refused { name: named(&info.name), message }).and_then(
                |input| checked_input(input).map_err(|cause| LoadError::BadInput { name: named(&info.name), cause }),
            )?;
            let [extractor, scorer] = &mut inputs;
            *(if role == Role::KeyExtractor { extractor } else { scorer }) = Some(input);
        }
        Ok(Plugin::new(self.clone(), info, texts, inputs))
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

    pub(crate) fn require(&self, role: Role, has_role: bool) -> Result<(), LoadError> {
        if has_role { Ok(()) } else { Err(LoadError::NoRole { name: self.name().to_owned(), role: role.name() }) }
    }

    pub(crate) fn cannot_start(&self, cause: Cause) -> LoadError {
        LoadError::Start { name: self.name().to_owned(), cause }
    }
}
