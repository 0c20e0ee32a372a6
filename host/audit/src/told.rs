//! What a record that the host wrote itself says: of a duplicate, or of a dead letter. Read without a tree of values, since
//! an event in it may be nested to any depth. Not whether it is true.

use connectors::SeenRecord;
use serde_json::Value;

use crate::digest::Digester;
use crate::facts::{Parts, Place};

/// What the record of a duplicate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldDuplicate {
    pub(crate) place: Place,
    pub(crate) original: i64,
    /// The key that the two share; `None`: it is hidden or cut.
    pub(crate) key: Option<u128>,
    /// The event; `None`: it is hidden or cut.
    pub(crate) event: Option<u64>,
}

/// What made a dead letter of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Decode,
    Key,
    Plugin,
    Output,
    Duplicates,
    Late,
    Read,
}

impl Stage {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Decode, "decode"),
        (Self::Key, "key"),
        (Self::Plugin, "plugin"),
        (Self::Output, "output"),
        (Self::Duplicates, "duplicates"),
        (Self::Late, "late"),
        (Self::Read, "read"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(stage, _)| *stage == self).map_or("", |(_, name)| name)
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == name).map(|(stage, _)| *stage)
    }

    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).map(|(stage, _)| *stage)
    }

    pub(crate) fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// What a dead letter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldDead {
    pub(crate) place: Place,
    pub(crate) stage: Stage,
    /// It stands in for a record that was not accepted, and has no payload.
    pub(crate) is_stub: bool,
    pub(crate) parts: Parts,
}

/// Reads records of one run.
pub(crate) struct Teller<'a> {
    pub(crate) digester: &'a Digester,
    /// What records call the input.
    pub(crate) source: &'a str,
    /// Payloads need not be JSON.
    pub(crate) is_opaque: bool,
    /// Records are lines.
    pub(crate) is_lines: bool,
}

impl Teller<'_> {
    /// The record of a duplicate, or what is wrong with it.
    pub(crate) fn duplicate(&self, record: &SeenRecord<'_>) -> Result<ToldDuplicate, String> {
        let text = record.payload.ok_or("it has no payload")?;
        if value_length(text) != Some(text.len()) {
            return Err("it is not one whole JSON value".to_owned());
        }
        let version = member(text, "version").ok_or("it is no JSON object with a version")?;
        if version != b"1" {
            return Err(format!("its version is {}", String::from_utf8_lossy(version)));
        }
        let (original, duplicate) = (object(text, "original")?, object(text, "duplicate")?);
        let (place, first) = (self.coordinates(duplicate)?, self.coordinates(original)?);
        if place.partition != first.partition {
            return Err("original and duplicate are in different partitions".to_owned());
        }
        let cut = member(text, "cut").unwrap_or_default();
        let is_cut = |name: &str| cut.windows(name.len()).any(|window| window == name.as_bytes());
        let key = member(text, "key").and_then(string).ok_or("it names no key")?;
        let is_hidden = key.starts_with("hmac-sha256:") || is_cut("\"key\"");
        let event = member(duplicate, "event").map(|event| self.event(event)).transpose()?;
        Ok(ToldDuplicate {
            place,
            original: first.offset,
            key: (!is_hidden).then(|| self.digester.of(key.as_bytes())),
            event,
        })
    }

    fn event(&self, event: &[u8]) -> Result<u64, String> {
        if !self.is_opaque {
            return Ok(self.digester.short(event));
        }
        let hex = member(event, "hex").and_then(string).map(|hex| unhex(&hex));
        let text = string(event).map(String::into_bytes).or(hex.flatten());
        Ok(self.digester.short(&text.ok_or("its event is neither text nor hexadecimal")?))
    }

    fn coordinates(&self, object: &[u8]) -> Result<Place, String> {
        let topic = member(object, "topic").and_then(string).ok_or("it names no topic")?;
        let number = |name| member(object, name).map(String::from_utf8_lossy);
        self.place(&topic, number("partition").as_deref(), number("offset").as_deref())
    }

    fn place(&self, topic: &str, partition: Option<&str>, offset: Option<&str>) -> Result<Place, String> {
        if topic != self.source {
            return Err(format!("it is about a record of {topic}, and the input is {}", self.source));
        }
        let partition = partition.and_then(|text| text.parse().ok()).filter(|number| *number >= 0);
        let offset = offset.and_then(|text| text.parse().ok()).filter(|number| *number >= 0);
        match (partition, offset) {
            (Some(partition), Some(offset)) => Ok(Place { partition, offset }),
            _ => Err("it does not say of which partition and offset it is".to_owned()),
        }
    }

    /// A dead letter, or what is wrong with it.
    pub(crate) fn dead(&self, record: &SeenRecord<'_>) -> Result<ToldDead, String> {
        if self.is_lines { self.dead_line(record.payload.unwrap_or_default()) } else { self.dead_record(record) }
    }

    fn dead_record(&self, record: &SeenRecord<'_>) -> Result<ToldDead, String> {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (name, value) in &record.headers {
            match name.strip_prefix("dedup-host-") {
                Some(name) => own.push((name, String::from_utf8_lossy(value.unwrap_or_default()))),
                None => others.push((*name, *value)),
            }
        }
        let said = |name: &str| own.iter().find(|(other, _)| *other == name).map(|(_, value)| &**value);
        let parts = Parts {
            payload: record.payload.map_or(0, |payload| self.digester.of(payload)),
            headers: self.digester.headers(others.into_iter()),
            key: self.digester.optional(record.key),
            timestamp: record.timestamp.filter(|_| !record.has_append_time),
        };
        self.dead_of(said, parts)
    }

    fn dead_line(&self, line: &[u8]) -> Result<ToldDead, String> {
        let said: Value = serde_json::from_slice(line).map_err(|error| format!("it is not JSON: {error}"))?;
        let said = |name: &str| said.get(name).and_then(Value::as_str);
        let hex = match said("payload_hex") {
            Some(hex) => Some(unhex(hex).ok_or("its payload_hex is not hexadecimal")?),
            None => None,
        };
        let payload = said("payload").map(str::as_bytes).or(hex.as_deref());
        let payload = payload.map_or(0, |payload| self.digester.of(payload));
        self.dead_of(said, Parts { payload, headers: 0, key: 0, timestamp: None })
    }

    fn dead_of<'b>(&self, said: impl Fn(&str) -> Option<&'b str>, parts: Parts) -> Result<ToldDead, String> {
        let place = self.place(said("topic").unwrap_or_default(), said("partition"), said("offset"))?;
        let stage = said("stage").unwrap_or_default();
        let stage =
            Stage::of(stage).ok_or_else(|| format!("no record becomes a dead letter in the stage \"{stage}\""))?;
        if said("reason").is_none_or(|reason| reason.trim().is_empty()) {
            return Err("it has no reason".to_owned());
        }
        Ok(ToldDead { place, stage, is_stub: said("unsendable").is_some(), parts })
    }
}

fn object<'a>(text: &'a [u8], name: &str) -> Result<&'a [u8], String> {
    member(text, name).ok_or_else(|| format!("it says nothing of the {name}"))
}

fn string(text: &[u8]) -> Option<String> {
    serde_json::from_slice(text).ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

/// The value of a member of an object, as it is written; `None` where there is none or the text is no object.
fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = object.strip_prefix(b"{")?;
    loop {
        rest = rest.trim_ascii_start();
        let (found, behind) = rest.split_at_checked(value_length(rest)?)?;
        let behind = behind.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (value, behind) = behind.split_at_checked(value_length(behind)?)?;
        if found.strip_prefix(b"\"")?.strip_suffix(b"\"")? == name.as_bytes() {
            return Some(value);
        }
        rest = behind.trim_ascii_start().strip_prefix(b",")?;
    }
}

/// Bytes of the value that a text begins with.
fn value_length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match (is_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (true, b'"') => {
                is_string = false;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (true, _) => {}
            (false, b'"') => is_string = true,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') if depth == 0 => return Some(at).filter(|at| *at > 0),
            (false, b'}' | b']') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (false, b',' | b' ' | b'\n' | b'\r' | b'\t') if depth == 0 => return Some(at).filter(|at| *at > 0),
            (false, _) => {}
        }
    }
    (depth == 0 && !is_string && !text.is_empty()).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_as_they_are_written_at_any_depth_of_others() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"a":"}}\"{{","b":{deep},"c":{{"d":1}} ,"e":-5}}"#);
        for (name, value) in [("a", r#""}\"{""#), ("b", deep.as_str()), ("c", r#"{"d":1}"#), ("e", "-5")] {
            assert_eq!(member(text.as_bytes(), name).map(String::from_utf8_lossy).as_deref(), Some(value));
        }
        for text in [text.as_str(), "", "{", "{}", "[1]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":[", "nonsense"] {
            assert_eq!(member(text.as_bytes(), "none"), None, "{text:.20}");
        }
    }

    #[test]
    fn hexadecimal_is_read_or_refused() {
        assert_eq!(unhex("00ffA0"), Some(vec![0, 255, 160]));
        assert_eq!((unhex("0"), unhex("zz")), (None, None));
    }
}
