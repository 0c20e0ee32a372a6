//! Settings of what is read of a record, and of what becomes of those that cannot be decided or sent. Not the reading.

use engine::projection::JsonIn;
use line::{OnMissingKey, OnUnsendable};
use setting::{Setting, SettingsError, Taker, Typed, many, one, one_of, rows, units};

use super::kafka::output::ON_UNSENDABLE;
use super::window::GROUP;

/// What is read of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsConfig {
    /// JSON pointer of the event time; `None`: the record's timestamp.
    pub event_time: Option<String>,
    /// JSON pointer of the uuid.
    pub uuid_field: String,
    /// Whether numbers reach a plugin by value.
    pub canonical_numbers: bool,
    /// Members whose strings are JSON text.
    pub json_in: JsonIn,
    /// What becomes of a record without a key.
    pub on_missing_key: OnMissingKey,
    /// What becomes of a record that can leave neither by its lane nor as a dead letter.
    pub on_unsendable: OnUnsendable,
}

rows!(pub(super),
    static EVENT_TIME: Setting<String> = one(
        GROUP,
        "event-time",
        "POINTER",
        units::pointer,
        "Where the payload contains the event time; unset: the record's timestamp\n\nAccepts RFC 3339, ISO 8601, RFC \
         2822, the default formats of databases, loggers and languages, or a number since the epoch, whose size \
         tells whether it counts seconds, milliseconds, microseconds or nanoseconds. Times without an offset are \
         UTC. If the time is unusable, the record's timestamp is used, then the partition's clock; this is counted \
         by reason.",
    );
    static UUID_FIELD: Setting<String> = one(
        GROUP,
        "uuid-field",
        "POINTER",
        units::pointer,
        "Where an event contains its uuid, which becomes the key of the output record\n\nAny number, boolean or \
         non-empty string is a uuid. Spellings of one uuid (capitals, hyphens, braces, urn:uuid:) are compared as \
         the same; the key is the text as written.",
    )
    .or("/uuid");
    static JSON_IN: Setting<String> = many(
        GROUP,
        "json-in",
        "POINTER",
        ',',
        |member| Ok(member.to_owned()),
        "A member whose string value is JSON text, such as PostHog's `data`; repeat the flag for several\n\nPointers \
         then continue inside the string as if it were the value it encodes: with --json-in /data, the plugin, \
         --uuid-field, --event-time and the scorer find /data/event. Events are still forwarded unchanged. A member \
         that is not a string is used as it is; an event whose string is not JSON becomes a dead letter. Name \
         strings inside such a string one by one: --json-in /data --json-in /data/properties. A plugin that reads \
         the whole payload gets it unchanged.",
    )
    .also(&[Taker::Test, Taker::Conformance, Taker::Bench]);
    static NUMBERS: Setting<bool> = one_of(
        GROUP,
        "numbers",
        &[("as-written", false), ("canonical", true)],
        "Whether 1 and 1.0 give the same key\n\nas-written passes a plugin the digits as they are, canonical the \
         number that they mean.",
    )
    .or("as-written")
    .also(&[Taker::Test, Taker::Bench]);
    static ON_MISSING_KEY: Setting<OnMissingKey> = one_of(
        GROUP,
        "on-missing-key",
        &[("pass", OnMissingKey::Pass), ("dead-letter", OnMissingKey::DeadLetter), ("drop", OnMissingKey::Drop)],
        "What to do with a record that has no key",
    )
    .or("pass");
);

/// What the user said of records.
pub(super) fn config(typed: &Typed) -> Result<RecordsConfig, SettingsError> {
    Ok(RecordsConfig {
        event_time: typed.get(&EVENT_TIME)?,
        uuid_field: typed.need(&UUID_FIELD)?,
        canonical_numbers: typed.need(&NUMBERS)?,
        json_in: json_in(typed)?,
        on_missing_key: typed.need(&ON_MISSING_KEY)?,
        on_unsendable: typed.need(&ON_UNSENDABLE)?,
    })
}

/// Members whose strings are JSON text.
pub(super) fn json_in(typed: &Typed) -> Result<JsonIn, SettingsError> {
    JsonIn::new(typed.texts(&JSON_IN)).map_err(|error| typed.wrong(&JSON_IN, error.to_string()))
}
