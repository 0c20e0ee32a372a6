//! What the operator chose about events: plain values, the same for every partition. Not the settings that they come from.

use std::sync::Arc;

use engine::decide::Window;
use engine::projection::{JsonIn, Numbers};
use engine::record::Millis;
use engine::time::ClockRules;

use crate::dump::Dumps;
use crate::redaction::Redaction;

/// What becomes of a record that a plugin fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPluginFailure {
    /// End the run.
    Stop,
    /// To the dead letters; without such a place, pass.
    DeadLetter,
    /// Forward it, counted.
    Pass,
}

/// What becomes of late events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatePolicy {
    /// Forwarded as unique.
    Pass,
    /// Counted only.
    Drop,
    /// To the late topic or file of the mode.
    Divert,
}

/// What becomes of a record without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissingKey {
    /// Forwarded as unique.
    Pass,
    /// To the dead letters.
    DeadLetter,
    /// Counted only.
    Drop,
}

/// What becomes of a record that can leave neither by its lane nor as a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnsendable {
    /// The run ends.
    Stop,
    /// Counted only.
    Skip,
}

/// How duplicates are explained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExplanationConfig {
    /// Whether originals and counts are kept beside the keys.
    pub keep_originals: bool,
    /// Duplicates less alike than this are forwarded; 0 to 1.
    pub forward_below: Option<f64>,
    /// Whether values are hidden.
    pub redact: bool,
}

impl Default for ExplanationConfig {
    fn default() -> Self {
        Self { keep_originals: true, forward_below: None, redact: false }
    }
}

/// What the operator chose about events; the same for every partition.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long keys are remembered.
    pub window: Window,
    /// Pointer to the event's uuid, which becomes the key of the outgoing record.
    pub uuid_field: String,
    /// Pointer to the event's time; `None` is the record's own timestamp.
    pub event_time: Option<String>,
    /// Whether numbers reach the plugin by value or as written.
    pub numbers: Numbers,
    /// Members whose strings are JSON text.
    pub json_in: JsonIn,
    /// What becomes of events without a key.
    pub on_missing_key: OnMissingKey,
    /// What becomes of late events.
    pub late: LatePolicy,
    /// What becomes of a record that the plugin fails on.
    pub on_plugin_failure: OnPluginFailure,
    /// What becomes of a record that can leave neither by its lane nor as a dead letter.
    pub on_unsendable: OnUnsendable,
    /// Share of the latest events, 0 to 1, on which the extractor may fail; `None`: all.
    pub breaker: Option<f64>,
    /// Where records are written down that a plugin fails on.
    pub dumps: Option<Arc<Dumps>>,
    /// How duplicates are explained.
    pub explain: ExplanationConfig,
    /// What keys are shown as where values of events are hidden; `None`: they are not hidden.
    pub redaction: Option<Redaction>,
}

impl Default for Rules {
    /// The default of every setting, except that keys are remembered for ever, every time in a payload is believed, and no
    /// plugin is ever called broken.
    fn default() -> Self {
        let clock = ClockRules { out_of_orderness_max: 0, jump_max: Millis::MAX };
        Self {
            window: Window { length: None, allowed_lateness: 0, clock },
            uuid_field: "/uuid".to_owned(),
            event_time: None,
            numbers: Numbers::default(),
            json_in: JsonIn::default(),
            on_missing_key: OnMissingKey::Pass,
            late: LatePolicy::Pass,
            on_plugin_failure: OnPluginFailure::DeadLetter,
            on_unsendable: OnUnsendable::Stop,
            breaker: None,
            dumps: None,
            explain: ExplanationConfig::default(),
            redaction: None,
        }
    }
}

impl Rules {
    /// How long before an event the keys may be that its decision needs; `None`: every key there ever was.
    #[must_use]
    pub fn memory(&self) -> Option<Millis> {
        let Window { length, allowed_lateness, clock } = &self.window;
        length.map(|length| length.saturating_add(*allowed_lateness).saturating_add(clock.out_of_orderness_max))
    }
}
