//! What the records of the input are by themselves: events or not, with which keys, at which time, and what must come of
//! their bytes. JSON is read and the plugin is asked as in a run; nothing is decided.

use std::borrow::Cow;

use connectors::SeenRecord;
use engine::fields::{Extraction, FieldBatch, KeyStatus, Kind};
use engine::projection::Projection;
use engine::time::{ClockRules, event_time, record_time};
use plugin::{Extractor, Input, Plugin};
use sha2::{Digest, Sha256};

use crate::config::Rules;
use crate::digest::Digester;
use crate::error::AuditError;
use crate::facts::{Certainty, Class, Facts, Parts, Place, Time};

/// Events of one call into the plugin.
const EVENTS_MAX: usize = 1_000;
const BYTES_MAX: usize = 1 << 20;

/// Bytes of a key that leaves as it is.
const KEY_BYTES_MAX: usize = 256;

/// Reads events, a batch at a time.
pub(crate) struct Events {
    projection: Projection,
    extractor: Extractor,
    /// The plugin reads payloads, which need not be JSON.
    is_opaque: bool,
    has_event_time: bool,
    clock_rules: ClockRules,
    /// Records are lines: they have a payload and nothing else.
    is_lines: bool,
    digester: Digester,
    /// What the plugin asked for, and what the host reads.
    fields: [FieldBatch; 2],
    payloads: FieldBatch,
    pending: Vec<Pending>,
    bytes: usize,
    extraction: Extraction,
}

struct Pending {
    place: Place,
    facts: Facts,
    time: Option<i64>,
    is_event: bool,
}

/// A record of the input that is understood. Of its facts, lateness and the time that it is decided by depend on the records
/// before it, and are not known here.
pub(crate) struct Understood<'a> {
    pub(crate) place: Place,
    pub(crate) facts: Facts,
    /// Its own time.
    pub(crate) time: Option<i64>,
    pub(crate) keys: Vec<&'a [u8]>,
}

impl Events {
    pub(crate) fn new(rules: &Rules, plugin: &Plugin, is_lines: bool, digester: Digester) -> Result<Self, AuditError> {
        let (is_opaque, wanted) = match plugin.input() {
            Input::Payload => (true, Vec::new()),
            Input::Fields(fields) => (false, fields.clone()),
        };
        let own: Vec<String> =
            [Some(rules.uuid_field.clone()), rules.event_time.clone()].into_iter().flatten().collect();
        let groups: [&[String]; 2] = [&wanted, &own];
        let projection = Projection::compile_inside::<String, String>(&groups, &[], &rules.json_in, rules.numbers);
        let projection = projection.map_err(|error| AuditError::Impossible(error.to_string()))?;
        let [wanted, own] = groups.map(|group| FieldBatch::new(u32::try_from(group.len()).unwrap_or(u32::MAX)));
        Ok(Self {
            projection: projection.with_numbers_as_written(1),
            extractor: plugin.extractor()?,
            is_opaque,
            has_event_time: rules.event_time.is_some(),
            clock_rules: ClockRules { out_of_orderness_max: 0, jump_max: rules.time_jump_max },
            is_lines,
            digester,
            fields: [wanted, own],
            payloads: FieldBatch::new(1),
            pending: Vec::new(),
            bytes: 0,
            extraction: Extraction::default(),
        })
    }

    /// Takes in a record; answers whether it is time to [`Events::understand`].
    pub(crate) fn push(&mut self, record: &SeenRecord<'_>, judged: bool) -> bool {
        let [_, own] = &mut self.fields;
        own.clear();
        let own_time = record_time(record.timestamp);
        let (mut uuid, mut time, is_event) = (None, own_time, self.decode(record.payload));
        if is_event {
            let [_, own] = &self.fields;
            let value = |index: usize| Some((kind_of(*own.kinds.get(index)?), own.values.get(index)?));
            uuid = value(0).and_then(|(kind, value)| uuid_of(kind, value)).map(<[u8]>::to_vec);
            if self.has_event_time {
                let (kind, value) = value(1).unwrap_or((Kind::Absent, b""));
                time = event_time(kind, value, record.timestamp, &self.clock_rules).time;
            }
        }
        let facts =
            self.facts(record, uuid.as_deref(), judged, if is_event { Class::Keyed } else { Class::Undecodable });
        let place = Place { partition: record.partition, offset: record.offset };
        self.pending.push(Pending { place, facts, time, is_event });
        self.bytes += record.payload.map_or(0, <[u8]>::len);
        self.pending.len() >= EVENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// Lays out what the plugin asks for of an event; `false`: it is none.
    fn decode(&mut self, payload: Option<&[u8]>) -> bool {
        let Some(payload) = payload else { return false };
        let is_json = self.projection.project(payload, &mut self.fields).is_ok();
        if self.is_opaque {
            self.payloads.push(Kind::Bytes, payload);
        }
        is_json || self.is_opaque
    }

    fn facts(&self, record: &SeenRecord<'_>, uuid: Option<&[u8]>, judged: bool, class: Class) -> Facts {
        let key = uuid.map(bounded).or(record.key.map(Cow::Borrowed)).filter(|_| !self.is_lines);
        let headers = record.headers.iter().map(|(name, value)| (renamed(name), *value)).collect::<Vec<_>>();
        let parts = Parts {
            payload: record.payload.map_or(0, |payload| self.digester.of(payload)),
            headers: self.digester.headers(headers.iter().map(|(name, value)| (&**name, *value))),
            key: self.digester.optional(key.as_deref()),
            timestamp: record.timestamp,
        };
        Facts {
            class,
            late: Certainty::No,
            judged,
            time: Time::Unknown,
            parts,
            own_key: self.digester.optional(record.key),
            told_key: self.digester.optional(key.as_deref().map(bounded).as_deref()),
            event: self.event(record.payload.unwrap_or_default()),
        }
    }

    /// As a record about a duplicate repeats it.
    fn event(&self, payload: &[u8]) -> u64 {
        if self.is_opaque {
            return self.digester.short(payload);
        }
        let text = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload).trim_ascii();
        self.digester.short(&one_line(text))
    }

    /// Has the plugin give the keys of what was pushed, and hands all of it over in order.
    pub(crate) fn understand(
        &mut self,
        mut each: impl FnMut(Understood<'_>) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let [wanted, _] = &self.fields;
        let events = if self.is_opaque { &self.payloads } else { wanted };
        let calls = self.extractor.extract(events, &mut self.extraction)?;
        let (mut failed, mut event, mut key) = (calls.failed.iter().map(|(event, _)| *event).peekable(), 0_u32, 0);
        for Pending { place, mut facts, time, is_event } in self.pending.drain(..) {
            let mut keys = Vec::new();
            if is_event {
                let status = self.extraction.status.get(event as usize).copied().unwrap_or(KeyStatus::Invalid);
                let has_failed = failed.next_if_eq(&event).is_some();
                facts.class = match (status, has_failed) {
                    (_, true) => Class::Failed,
                    (KeyStatus::Keyed, _) => Class::Keyed,
                    (KeyStatus::NoKey, _) => Class::Keyless,
                    (KeyStatus::Invalid, _) => Class::Invalid,
                };
                while self.extraction.owners.get(key) == Some(&event) {
                    keys.extend(self.extraction.keys.get(key));
                    key += 1;
                }
                event += 1;
            }
            each(Understood { place, facts, time, keys })?;
        }
        let [wanted, _] = &mut self.fields;
        wanted.clear();
        self.payloads.clear();
        self.bytes = 0;
        Ok(())
    }
}

fn kind_of(number: u8) -> Kind {
    match number {
        1 => Kind::Null,
        2 => Kind::Bool,
        3 => Kind::Number,
        4 => Kind::String,
        5 => Kind::Json,
        6 => Kind::Bytes,
        _ => Kind::Absent,
    }
}

/// Any number, boolean or non-empty string is a uuid, also a string that UTF-8 cannot hold.
fn uuid_of(kind: Kind, value: &[u8]) -> Option<&[u8]> {
    let is_scalar = match kind {
        Kind::Bool | Kind::Number | Kind::String => true,
        Kind::Json => value.starts_with(b"\""),
        Kind::Absent | Kind::Null | Kind::Bytes => false,
    };
    Some(value).filter(|value| is_scalar && !value.is_empty())
}

fn bounded(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() <= KEY_BYTES_MAX {
        return Cow::Borrowed(key);
    }
    Cow::Owned(format!("sha256:{:x}", Sha256::digest(key)).into_bytes())
}

/// The name under which a header of the input leaves.
fn renamed(name: &str) -> Cow<'_, str> {
    let looks_like_ours = name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("dedup-host-"));
    if looks_like_ours { Cow::Owned(format!("input-{name}")) } else { Cow::Borrowed(name) }
}

/// JSON text as it stands in a record that is one line.
fn one_line(text: &[u8]) -> Cow<'_, [u8]> {
    let is_special = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0xc2 | 0xe2);
    if !text.iter().any(is_special) {
        return Cow::Borrowed(text);
    }
    let (mut line, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, behind)) = rest.split_first() {
        let (written, length): (&[u8], usize) = match rest {
            [b'\n' | b'\r', ..] => (b" ", 1),
            [0xc2, 0x85, ..] => (br"\u0085", 2),
            [0xe2, 0x80, 0xa8, ..] => (br"\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (br"\u2029", 3),
            _ => (std::slice::from_ref(first), 1),
        };
        line.extend_from_slice(written);
        rest = behind.get(length - 1..).unwrap_or_default();
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_in_one_line_is_as_the_host_writes_it() {
        for text in ["{\"a\":\n\r\n1}", "{\"a\":\"\u{85}\u{2028}\u{2029}\u{c0}\u{2020}\"}", "plain", ""] {
            let mut expected = text.as_bytes().to_vec();
            engine::projection::one_line(&mut expected, 0);
            assert_eq!(one_line(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn only_headers_that_pose_as_the_hosts_get_another_name() {
        assert_eq!(renamed("Dedup-HOST-reason"), "input-Dedup-HOST-reason");
        for name in ["dedup-host", "x-dedup-host-reason", "d\u{e9}dup-host-x", ""] {
            assert_eq!(renamed(name), name);
        }
    }
}
