//! Puts faults into the answers of the extractor.

use dedup_plugin::bindings::types::{Batch, Column, Extraction, Failure, Note};
use serde_json::Value;

use crate::config::{Config, Fault};
use crate::honest::key_of_ids;
use crate::memory::Memory;
use crate::{collide, waste};

/// The numbers of the contract.
const NUMBER: u8 = 3;
const STRING: u8 = 4;
const JSON: u8 = 5;
const INVALID: u8 = 2;

/// Does what the fault does before there is an answer.
///
/// # Errors
/// The fault is to fail.
///
/// # Panics
/// The fault is to trap.
pub fn before(config: &Config, memory: &Memory, events: &Batch) -> Result<(), Failure> {
    memory.calls.set(memory.calls.get() + 1);
    let count = events.kinds.len() / events.width.max(1) as usize;
    let fails = |message: &str| Err(Failure { message: message.to_owned() });
    match config.fault {
        Some(Fault::GivesUp) if count > 0 => return fails("no"),
        Some(Fault::EmptyBatch) if count == 0 => return fails("there is nothing to do"),
        Some(Fault::LargeBatch) => assert!(count <= 4096, "a batch of {count} events"),
        Some(Fault::Hoard) => (0..count).for_each(|_| waste::memory(256)),
        Some(Fault::Leak) => (0..count).for_each(|_| waste::memory(32)),
        Some(Fault::Dear) if count == 1000 => waste::instructions(2_000_000_000),
        Some(Fault::Arena) => memory.bytes.set(memory.bytes.get() + events.values.data.len()),
        Some(Fault::QuadraticSame) => {
            let width = events.width.max(1) as usize;
            let values: Vec<&[u8]> = texts(&events.values).collect();
            let mut all = values.chunks(width);
            let first = all.next().unwrap_or_default();
            let same = 1 + all.filter(|values| *values == first).count() as u64;
            waste::instructions(8 * same * same);
        }
        Some(Fault::QuadraticEvents) => waste::instructions(8 * (count * count) as u64),
        Some(Fault::Chatty) => {
            (0..count)
                .for_each(|event| dedup_plugin::log(dedup_plugin::Level::Debug, &format!("event {event} is keyed")));
        }
        _ => {}
    }
    for (kind, value) in values(events) {
        before_value(config, kind, value);
    }
    Ok(())
}

fn before_value(config: &Config, kind: u8, value: &[u8]) {
    match config.fault {
        Some(Fault::Nul) => assert!(!value.contains(&0), "a NUL"),
        Some(Fault::NotUtf8) => assert!(std::str::from_utf8(value).is_ok(), "no UTF-8"),
        Some(Fault::Infinite) if kind == NUMBER => {
            let number: f64 = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
            assert!(number.is_finite(), "infinite");
        }
        Some(Fault::Recursion) if kind == JSON => {
            std::hint::black_box(depth(value));
        }
        Some(Fault::Buffer) if kind == STRING => assert!(value.len() <= 512 << 10, "{} bytes", value.len()),
        Some(Fault::EmptyObject) => assert!(value != b"{}", "an empty object"),
        Some(Fault::QuadraticBytes) if kind == STRING => {
            let length = value.len().min(64 << 10) as u64;
            waste::instructions(length * length / 64);
        }
        Some(Fault::QuadraticZeros) if kind == STRING => squared(longest_row(value, b'0')),
        Some(Fault::QuadraticSpaces) if kind == STRING => squared(longest_row(value, b' ')),
        Some(Fault::QuadraticInner) if kind == STRING => squared(longest_row(value.trim_ascii_end(), b' ')),
        Some(Fault::QuadraticLetters) if kind == STRING => squared(longest_row(value, b'a')),
        Some(Fault::QuadraticNumbers) if kind == NUMBER => squared(longest_row(value, b'0')),
        Some(Fault::Hangs) if longest_row(value, b'0') > 200_000 => waste::instructions(u64::MAX),
        Some(Fault::DearNesting) if kind == JSON && value.starts_with(&[b'['; 20_000]) => {
            waste::instructions(2_200_000_000)
        }
        _ => {}
    }
}

/// How often a byte stands in a row, at most.
fn longest_row(value: &[u8], byte: u8) -> u64 {
    value.split(|other| *other != byte).map(<[u8]>::len).max().unwrap_or_default() as u64
}

fn squared(length: u64) {
    waste::instructions(length * length / 16);
}

/// How deep arrays are nested, by a call for each level.
fn depth(value: &[u8]) -> usize {
    match value.split_first() {
        Some((b'[' | b'{', rest)) => 1 + std::hint::black_box(depth(std::hint::black_box(rest))),
        Some((_, rest)) => rest
            .iter()
            .position(|byte| matches!(byte, b'[' | b'{'))
            .map_or(0, |at| depth(rest.get(at..).unwrap_or_default())),
        None => 0,
    }
}

/// A batch as it is read by a plugin that has this fault.
#[must_use]
pub fn read(config: &Config, memory: &Memory, mut events: Batch) -> Batch {
    let Some(fault) = config.fault else { return events };
    if fault == Fault::NullIsEmpty {
        events.kinds.iter_mut().filter(|kind| **kind < 2).for_each(|kind| *kind = STRING);
    }
    let width = events.width.max(1) as usize;
    let mut read = Column { data: Vec::with_capacity(events.values.data.len()), ends: Vec::new() };
    for (place, (kind, value)) in values(&events).enumerate() {
        match collide::value(fault, kind, value).or_else(|| memory.value(fault, place % width, kind, value)) {
            Some(other) => read.data.extend(other),
            None => read.data.extend(value),
        }
        read.ends.push(read.data.len() as u32);
    }
    events.values = read;
    events
}

/// Strings as they are, other values after their kind.
fn joined(values: &[(u8, &[u8])]) -> Vec<u8> {
    let mut key = Vec::new();
    for (kind, value) in values {
        if *kind != STRING {
            key.extend([0xff, *kind]);
        }
        key.extend(*value);
        key.push(b'|');
    }
    key
}

/// The kind and the bytes of each value.
fn values(events: &Batch) -> impl Iterator<Item = (u8, &[u8])> {
    events.kinds.iter().copied().zip(texts(&events.values))
}

fn texts(column: &Column) -> impl Iterator<Item = &[u8]> {
    let starts = std::iter::once(0).chain(column.ends.iter().copied());
    starts.zip(&column.ends).map(|(start, end)| column.data.get(start as usize..*end as usize).unwrap_or_default())
}

/// Puts the fault into the answer.
#[expect(clippy::wildcard_enum_match_arm, reason = "most faults show elsewhere")]
pub fn after(config: &Config, memory: &Memory, events: &Batch, answer: &mut Extraction) {
    let Some(fault) = config.fault else { return };
    let count = answer.status.len();
    match fault {
        Fault::Position => rewrite(answer, |event, key| key.extend(event.to_le_bytes())),
        Fault::OddBatches if count % 2 == 1 && (3..48).contains(&count) => rewrite(answer, |_, key| key.push(b'?')),
        Fault::Neighbours => unlike_neighbours(answer),
        Fault::LongNote => refuse(events, answer, is_long_text, true),
        Fault::CountsCalls if count > 0 && answer.notes.first().is_none_or(|note| note.index > 0) => {
            answer.notes.insert(0, Note { index: 0, message: format!("call {}", memory.calls.get()) });
        }
        Fault::ManyCalls if memory.calls.get() > 5000 => rewrite(answer, |_, key| key.push(b'?')),
        Fault::AfterRefusal => {
            if memory.refused.get() {
                rewrite(answer, |_, key| key.push(b'?'));
            }
            if values(events).any(|(_, value)| value == b"[]") {
                refuse(events, answer, |value| value == b"[]", false);
                memory.refused.set(true);
            }
        }
        Fault::Longer => by_ids(events, answer, ids_of_the_longer),
        Fault::Textual => by_ids(events, answer, ids_by_their_text),
        Fault::Joined => {
            let width = events.width.max(1) as usize;
            let values: Vec<(u8, &[u8])> = values(events).collect();
            let events: Vec<&[(u8, &[u8])]> = values.chunks(width).collect();
            rewrite(answer, |event, key| *key = joined(events.get(event as usize).copied().unwrap_or_default()));
        }
        Fault::Digits => {
            refuse(events, answer, |value| value.is_empty() || !value.iter().all(u8::is_ascii_digit), false);
            let width = events.width.max(1) as usize;
            let values: Vec<&[u8]> = texts(&events.values).collect();
            let events: Vec<&[&[u8]]> = values.chunks(width).collect();
            rewrite(answer, |event, key| *key = events.get(event as usize).copied().unwrap_or_default().concat());
        }
        Fault::Pool => rewrite(answer, |_, key| {
            if memory.is_late(key) {
                key.push(b'?')
            }
        }),
        Fault::Arena if memory.is_full() => rewrite(answer, |_, key| key.push(b'?')),
        Fault::Counter => rewrite(answer, |_, key| {
            if memory.comes_round() {
                key.push(b'?')
            }
        }),
        Fault::Digest32 | Fault::Digest48 | Fault::Widened | Fault::Fnv32 => {
            rewrite(answer, |_, key| *key = collide::digest(fault, key));
        }
        Fault::AnyDepth => by_ids(events, answer, |payload| ids_at_any_depth(&members(payload)?)),
        Fault::LastDepth => by_ids(events, answer, |payload| {
            let mut members = members(payload)?;
            members.reverse();
            ids_at_any_depth(&members)
        }),
        Fault::LongKeys => {
            let long: Vec<bool> = texts(&events.values).map(|value| value.starts_with(&[b'x'; 60_000])).collect();
            let width = events.width.max(1) as usize;
            let is_long =
                |event: u32| long.chunks(width).nth(event as usize).is_some_and(|event| event.contains(&true));
            rewrite(answer, |event, key| *key = if is_long(event) { key.repeat(6) } else { std::mem::take(key) });
        }
        Fault::LongAnswers => {
            rewrite(answer, |_, key| key.resize(key.len() + 800, b' '));
            let note = |event: usize| Note { index: event as u32, message: " ".repeat(1000) };
            answer.notes = (0..count).map(note).collect();
        }
        _ => lie(fault, answer),
    }
}

/// Longer than a note may be, and no array or object.
fn is_long_text(value: &[u8]) -> bool {
    value.len() >= 10_000 && !value.starts_with(b"[") && !value.starts_with(b"{")
}

/// Answers that are none.
#[expect(clippy::wildcard_enum_match_arm, reason = "most faults show elsewhere")]
fn lie(fault: Fault, answer: &mut Extraction) {
    match fault {
        Fault::EndsFall => {
            if let [.., before, last] = answer.keys.ends.as_mut_slice() {
                *before = *last + 1;
            }
        }
        Fault::LooseBytes => answer.keys.data.push(0),
        Fault::StatusMissing => _ = answer.status.pop(),
        Fault::StatusUnknown => answer.status.last_mut().into_iter().for_each(|status| *status = 3),
        Fault::OwnerMissing => _ = answer.owners.pop(),
        Fault::OwnerUnknown => answer.owners.last_mut().into_iter().for_each(|owner| *owner = u32::MAX),
        Fault::NoteUnknown => answer.notes.push(Note { index: answer.status.len() as u32, message: "none".to_owned() }),
        Fault::InvalidWithKey => answer.status.first_mut().into_iter().for_each(|status| *status = INVALID),
        _ => {}
    }
}

/// Changes each key; `change` gets the event it belongs to.
fn rewrite(answer: &mut Extraction, mut change: impl FnMut(u32, &mut Vec<u8>)) {
    if answer.owners.is_empty() {
        return;
    }
    let mut changed = Column { data: Vec::new(), ends: Vec::new() };
    for (owner, text) in answer.owners.iter().zip(texts(&answer.keys)) {
        let mut key = text.to_vec();
        change(*owner, &mut key);
        changed.data.extend(key);
        changed.ends.push(changed.data.len() as u32);
    }
    answer.keys = changed;
}

/// Gives an event another key whose key is that of the two before. There is one key an event.
fn unlike_neighbours(answer: &mut Extraction) {
    let keys: Vec<Vec<u8>> = texts(&answer.keys).map(<[u8]>::to_vec).collect();
    let mut at = 0_usize;
    rewrite(answer, |_, key| {
        let before = at.checked_sub(2).and_then(|first| keys.get(first..at));
        if before.is_some_and(|before| before.iter().all(|other| other == key)) {
            key.push(b'?');
        }
        at += 1;
    });
}

/// Refuses the events of which a value is such, with the value as the note or a word.
fn refuse(events: &Batch, answer: &mut Extraction, is_such: impl Fn(&[u8]) -> bool, at_length: bool) {
    let width = events.width.max(1) as usize;
    let all: Vec<&[u8]> = texts(&events.values).collect();
    let (mut keys, mut owners) = (Column { data: Vec::new(), ends: Vec::new() }, Vec::new());
    let before: Vec<(u32, Vec<u8>)> =
        std::iter::zip(&answer.owners, texts(&answer.keys)).map(|(owner, key)| (*owner, key.to_vec())).collect();
    let mut kept = before.into_iter().peekable();
    let mut notes: Vec<Note> = Vec::new();
    for (event, values) in (0_u32..).zip(all.chunks(width)) {
        let refused = values.iter().find(|value| is_such(value));
        if let Some(value) = refused {
            answer.status.get_mut(event as usize).into_iter().for_each(|status| *status = INVALID);
            let message = if at_length { String::from_utf8_lossy(value).into_owned() } else { "refused".to_owned() };
            notes.push(Note { index: event, message });
        }
        while let Some((owner, key)) = kept.next_if(|(owner, _)| *owner == event) {
            if refused.is_none() {
                keys.data.extend(key);
                keys.ends.push(keys.data.len() as u32);
                owners.push(owner);
            }
        }
    }
    // Of two of one event the one that says why it is refused: the sort keeps their order.
    notes.append(&mut answer.notes);
    notes.sort_by_key(|note| note.index);
    notes.dedup_by_key(|note| note.index);
    answer.notes = notes;
    if owners.is_empty() {
        keys.ends = vec![0; answer.status.len()];
    }
    (answer.keys, answer.owners) = (keys, owners);
}

/// Makes the keys anew of what `ids` finds in the payloads.
fn by_ids(events: &Batch, answer: &mut Extraction, ids: impl Fn(&[u8]) -> Option<(String, String)>) {
    let (mut keys, mut owners, mut status, mut notes) =
        (Column { data: Vec::new(), ends: Vec::new() }, Vec::new(), Vec::new(), Vec::new());
    for (event, payload) in (0_u32..).zip(texts(&events.values)) {
        match ids(payload) {
            Some((name, user)) => {
                keys.data.extend(key_of_ids(&name, &user));
                keys.ends.push(keys.data.len() as u32);
                owners.push(event);
                status.push(0);
            }
            None => {
                status.push(INVALID);
                notes.push(Note { index: event, message: "it lacks event or distinct_id".to_owned() });
            }
        }
    }
    if owners.is_empty() {
        keys.ends = vec![0; status.len()];
    }
    *answer = Extraction { keys, owners, status, notes };
}

/// Of repeated members the longer.
fn ids_of_the_longer(payload: &[u8]) -> Option<(String, String)> {
    let members = members(payload)?;
    let longest = |wanted: &str| {
        let all = members.iter().filter(|(name, _)| name == wanted).filter_map(|(_, value)| value.as_str());
        all.max_by_key(|text| text.len()).map(str::to_owned)
    };
    Some((longest("event")?, longest("distinct_id")?))
}

/// What stands between quotes after the name, escapes and all.
fn ids_by_their_text(payload: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(payload);
    let quoted = |name: &str| {
        let (_, after) = text.split_once(&format!("\"{name}\":\""))?;
        let is_end = |(at, _): &(usize, &str)| !after.get(..*at).is_some_and(|before| before.ends_with('\\'));
        let (end, _) = after.match_indices('"').find(is_end)?;
        after.get(..end).map(str::to_owned)
    };
    Some((quoted("event")?, quoted("distinct_id")?))
}

/// The first members with these names, in the order given, objects before what stands in them.
fn ids_at_any_depth(members: &[(String, Value)]) -> Option<(String, String)> {
    fn first(members: &[(String, Value)], wanted: &str) -> Option<String> {
        members.iter().find_map(|(name, value)| {
            if let Value::Object(below) = value {
                let below: Vec<_> = below.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                return first(&below, wanted);
            }
            value.as_str().filter(|_| name == wanted).map(str::to_owned)
        })
    }
    Some((first(members, "event")?, first(members, "distinct_id")?))
}

/// The members of an object, repeated ones too; `None` of anything else.
fn members(payload: &[u8]) -> Option<Vec<(String, Value)>> {
    struct Members(Vec<(String, Value)>);
    impl<'de> serde::Deserialize<'de> for Members {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Members;
                fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    out.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                    let mut members = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        members.push(member);
                    }
                    Ok(Members(members))
                }
            }
            from.deserialize_map(Visitor)
        }
    }
    serde_json::from_slice::<Members>(payload).ok().map(|members| members.0)
}
