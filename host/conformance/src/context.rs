//! What a rule is given: the component, how it is configured, a seed, events, and as many fresh instances as it wants.
//! Not the rules.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use plugin::{Candidate, Input, Probe, Role};

use crate::Options;
use crate::beside::Beside;
use crate::deadline::Deadline;
use crate::declared::Declared;
use crate::feed::{Feed, Items, Text};
use crate::golden::Expected;
use crate::learned::learn;
use crate::long_run::LongRuns;
use crate::samples::{Draw, Events, Json, Known};
use crate::session::{Session, Used};
use crate::verdict::Stop;

/// Time to learn what the plugin makes sense of.
const LEARNING_TIME_MAX: Duration = Duration::from_secs(20);
/// Events that the examples of declared equalities are put into: the author's, and made-up ones.
const BASES: usize = 4;

/// What all rules are given.
#[derive(Clone)]
pub(crate) struct Setting<'a> {
    pub(crate) candidate: &'a Candidate,
    pub(crate) options: &'a Options,
    /// How the component was opened; `None` where it was handed over.
    pub(crate) sandbox: Option<&'a plugin::Options>,
    pub(crate) deadline: Deadline,
    pub(crate) beside: &'a Beside,
    pub(crate) known: &'a KnownOfRoles,
}

/// What is found out once, whichever rule asks first: what is known of the events that the plugin makes sense of, and how
/// an instance does that is asked for long.
#[derive(Debug, Default)]
pub(crate) struct KnownOfRoles {
    long_runs: LongRuns,
    extractor: OnceCell<Rc<Known>>,
    scorer: OnceCell<Rc<Known>>,
}

/// What a rule is given.
pub(crate) struct Context<'a> {
    setting: Setting<'a>,
    /// Names the sequences that are drawn: a rule gets the same events whether others ran before it or not.
    rule: &'static str,
    /// What it is run for.
    role: Role,
    used: Rc<RefCell<Used>>,
    remarks: Vec<String>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(setting: &Setting<'a>, rule: &'static str) -> Self {
        Self { setting: setting.clone(), rule, role: Role::KeyExtractor, used: Rc::default(), remarks: Vec::new() }
    }

    /// From here on it is about this role.
    pub(crate) fn play(&mut self, role: Role) {
        self.role = role;
    }

    /// The component.
    pub(crate) fn candidate(&self) -> &'a Candidate {
        self.setting.candidate
    }

    /// What the plugin takes for the same on purpose.
    pub(crate) fn declared(&self) -> &'a Declared {
        &self.setting.beside.declared
    }

    /// What the caller asked for.
    pub(crate) fn options(&self) -> &'a Options {
        self.setting.options
    }

    /// How the component was opened; nothing where it was handed over.
    pub(crate) fn sandbox(&self) -> Option<&'a plugin::Options> {
        self.setting.sandbox
    }

    /// The text that the plugin is configured with in this role; empty where none was given.
    pub(crate) fn config(&self, role: Role) -> &'a str {
        let config = match role {
            Role::KeyExtractor => &self.setting.options.extractor_config,
            Role::SimilarityScorer => &self.setting.options.scorer_config,
        };
        config.as_deref().unwrap_or_default()
    }

    /// A fresh instance that has not been configured.
    ///
    /// # Errors
    /// The rule is blocked where it does not start.
    pub(crate) fn probe(&self) -> Result<Probe, Stop> {
        self.start(self.setting.candidate)
    }

    fn start(&self, candidate: &Candidate) -> Result<Probe, Stop> {
        self.setting.deadline.allows_instance()?;
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
        self.started(self.setting.candidate, role, config)
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
        Ok(Session::new(probe, role, input, feed, Rc::clone(&self.used), self.setting.deadline.clone()))
    }

    /// A sequence of draws of this rule's own.
    pub(crate) fn draw(&self, purpose: &str) -> Draw {
        Draw::new(self.setting.options.seed, &format!("{} {purpose}", self.rule))
    }

    /// Makes events for the plugin, which asked for `input`, in a sequence of this rule's own.
    pub(crate) fn events(&self, input: &Input) -> Events {
        Events::new(input, self.known(), self.setting.options.seed, self.rule)
    }

    /// As [`Context::events`], in a sequence that is the same for all rules.
    pub(crate) fn events_named(&self, input: &Input, purpose: &str) -> Events {
        Events::new(input, self.known(), self.setting.options.seed, purpose)
    }

    /// A sequence of draws that is the same for all rules.
    pub(crate) fn draw_named(&self, purpose: &str) -> Draw {
        Draw::new(self.setting.options.seed, purpose)
    }

    /// How instances did that were asked for long.
    pub(crate) fn long_runs(&self) -> &'a LongRuns {
        &self.setting.known.long_runs
    }

    /// What is known of the events that the plugin makes sense of. As a key extractor it is asked for that once, but not in
    /// a quick run.
    pub(crate) fn known(&self) -> Rc<Known> {
        let cell = match self.role {
            Role::KeyExtractor => &self.setting.known.extractor,
            Role::SimilarityScorer => &self.setting.known.scorer,
        };
        // Neither what it takes nor what it draws is this rule's.
        let deadline = self.setting.deadline.of_one(Some(LEARNING_TIME_MAX));
        let setting = Setting { deadline, ..self.setting.clone() };
        let learning = || Context { role: self.role, ..Context::new(&setting, "learning") }.learned();
        Rc::clone(cell.get_or_init(|| Rc::new(learning())))
    }

    fn learned(&self) -> Known {
        let mut own = self.events_of_the_author();
        if self.role == Role::SimilarityScorer || self.setting.options.quick {
            return Known { own, ..Known::default() };
        }
        let Ok(session) = self.session(self.role) else { return Known { own, ..Known::default() } };
        let mut events = Events::new(session.input(), Rc::default(), self.setting.options.seed, self.rule);
        let mut bases = vec![Json::Object(Vec::new())];
        bases.extend(own.iter().filter_map(|text| Json::parse(text)).take(BASES));
        bases.extend((0..BASES).map(|_| events.full_tree()));
        own.extend(self.declared().events(&bases));
        learn(&mut || self.session(self.role).ok(), &own, &mut events)
    }

    /// Events that the author gives, or that golden vectors for the configuration of this run are about.
    fn events_of_the_author(&self) -> Vec<Vec<u8>> {
        let options = self.setting.options;
        let config = match self.role {
            Role::KeyExtractor => &options.extractor_config,
            Role::SimilarityScorer => &options.scorer_config,
        };
        let cases = options.golden.iter().chain(&self.setting.beside.cases).flat_map(|golden| &golden.cases);
        let cases = cases.filter(|case| case.config.is_none() || case.config == *config);
        let of_cases = cases.flat_map(|case| match &case.expected {
            Expected::Keys { event, .. } => vec![event.clone()],
            Expected::Score { original, duplicate, .. } => vec![original.clone(), duplicate.clone()],
        });
        options.samples.iter().cloned().chain(of_cases).collect()
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
        (self.used.take(), self.remarks)
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
