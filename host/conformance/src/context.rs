//! What a rule is given: the component, how it is configured, a seed, events, and as many fresh instances as it wants.
//! Not the rules.

use std::cell::Cell;
use std::rc::Rc;

use plugin::{Candidate, Input, Probe, Role};

use crate::Options;
use crate::deadline::Deadline;
use crate::feed::{Feed, Items, Text};
use crate::samples::{Draw, Events};
use crate::session::{Session, Used};
use crate::verdict::Stop;

/// What all rules are given.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) candidate: &'a Candidate,
    pub(crate) options: &'a Options,
    /// How the component was opened; `None` where it was handed over.
    pub(crate) sandbox: Option<&'a plugin::Options>,
    pub(crate) deadline: Deadline,
}

/// What a rule is given.
pub(crate) struct Context<'a> {
    candidate: &'a Candidate,
    options: &'a Options,
    /// How the component was opened; `None` where it was handed over.
    sandbox: Option<&'a plugin::Options>,
    deadline: Deadline,
    /// Names the sequences that are drawn: a rule gets the same events whether others ran before it or not.
    rule: &'static str,
    used: Rc<Cell<Used>>,
    remarks: Vec<String>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(setting: &Setting<'a>, rule: &'static str) -> Self {
        let Setting { candidate, options, sandbox, deadline } = *setting;
        Self { candidate, options, sandbox, deadline, rule, used: Rc::default(), remarks: Vec::new() }
    }

    /// The component.
    pub(crate) fn candidate(&self) -> &'a Candidate {
        self.candidate
    }

    /// What the caller asked for.
    pub(crate) fn options(&self) -> &'a Options {
        self.options
    }

    /// How the component was opened; nothing where it was handed over.
    pub(crate) fn sandbox(&self) -> Option<&'a plugin::Options> {
        self.sandbox
    }

    /// The text that the plugin is configured with in this role; empty where none was given.
    pub(crate) fn config(&self, role: Role) -> &'a str {
        let config = match role {
            Role::KeyExtractor => &self.options.extractor_config,
            Role::SimilarityScorer => &self.options.scorer_config,
        };
        config.as_deref().unwrap_or_default()
    }

    /// A fresh instance that has not been configured.
    ///
    /// # Errors
    /// The rule is blocked where it does not start.
    pub(crate) fn probe(&self) -> Result<Probe, Stop> {
        self.start(self.candidate)
    }

    fn start(&self, candidate: &Candidate) -> Result<Probe, Stop> {
        self.deadline.allows_instance()?;
        candidate.probe().map_err(|fault| Stop::blocked("L4", format_args!("it does not start: {fault}")))
    }

    /// A fresh instance, configured as the caller wants.
    ///
    /// # Errors
    /// The rule is blocked where it does not start or refuses its configuration.
    pub(crate) fn session(&self, role: Role) -> Result<Session, Stop> {
        self.session_with(role, self.config(role))
    }

    /// A fresh instance, configured with a text.
    ///
    /// # Errors
    /// As [`Context::session`].
    pub(crate) fn session_with(&self, role: Role, config: &str) -> Result<Session, Stop> {
        self.started(self.candidate, role, config)
    }

    /// A fresh instance of the component opened once more, configured as the caller wants.
    ///
    /// # Errors
    /// As [`Context::session`].
    pub(crate) fn session_of(&self, candidate: &Candidate, role: Role) -> Result<Session, Stop> {
        self.started(candidate, role, self.config(role))
    }

    fn started(&self, candidate: &Candidate, role: Role, config: &str) -> Result<Session, Stop> {
        let mut probe = self.start(candidate)?;
        let input = configured(&mut probe, role, config).map_err(|why| Stop::blocked("L5", why))?;
        let feed = Feed::new(role, &input).map_err(|why| Stop::blocked("L5", why))?;
        Ok(Session::new(probe, role, input, feed, Rc::clone(&self.used), self.deadline))
    }

    /// A sequence of draws of this rule's own.
    pub(crate) fn draw(&self, purpose: &str) -> Draw {
        Draw::new(self.options.seed, &format!("{} {purpose}", self.rule))
    }

    /// Makes events for a plugin that asked for `input`, in a sequence of this rule's own.
    pub(crate) fn events(&self, input: &Input) -> Events {
        Events::new(input, &self.options.samples, self.options.seed, self.rule)
    }

    /// Ordinary events or pairs for a session: what every plugin has to answer. Of pairs a quarter are an event and
    /// itself.
    pub(crate) fn ordinary(&self, session: &mut Session, count: usize) -> Items {
        let texts = self.ordinary_texts(session.role(), session.input(), count);
        session.items(texts)
    }

    /// The texts of [`Context::ordinary`].
    pub(crate) fn ordinary_texts(&self, role: Role, input: &Input, count: usize) -> Vec<Text> {
        let mut events = self.events(input);
        let one = |number: usize| match role {
            Role::KeyExtractor => Text::Event(events.text()),
            Role::SimilarityScorer => {
                let original = events.text();
                let duplicate = if number.is_multiple_of(4) { original.clone() } else { events.text() };
                Text::Pair(original, duplicate)
            }
        };
        (0..count).map(one).collect()
    }

    /// Tells something that was measured, or left out.
    pub(crate) fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }

    /// What the rule has used, and what it told.
    pub(crate) fn finish(self) -> (Used, Vec<String>) {
        (self.used.get(), self.remarks)
    }
}

/// Configures an instance; the error is why it cannot be, in words.
pub(crate) fn configured(probe: &mut Probe, role: Role, config: &str) -> Result<Input, String> {
    match probe.configure(role, config) {
        Ok(Ok(input)) => Ok(input),
        Ok(Err(refusal)) => Err(format!("it refuses its configuration: {refusal}")),
        Err(fault) => Err(format!("it fails on its configuration: {fault}")),
    }
}
