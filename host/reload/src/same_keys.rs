//! Whether two plugins give the same events the same keys, as far as a few events can show. Not a proof: any other
//! event may still get a different key.

use engine::fields::{Extraction, FieldBatch, Kind};
use engine::projection::{JsonIn, Numbers, Projection};
use plugin::{Input, Plugin};

/// The keys of one event, sorted.
type Keys = Vec<Vec<u8>>;

/// How events are read for a plugin that asks for fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) numbers: Numbers,
    pub(crate) json_in: &'a JsonIn,
}

/// Events that have keys by both plugins, and how many of them had their keys compared.
pub(crate) fn same_keys(old: &Plugin, new: &Plugin, reading: Reading<'_>, events: &[Vec<u8>]) -> Result<usize, String> {
    // Where the old one fails there is nothing to compare with.
    let Ok(before) = keys_of(old, reading, events) else { return Ok(0) };
    let after = keys_of(new, reading, events)?;
    let keyed = before.iter().zip(&after).filter(|(before, _)| !before.is_empty());
    let (compared, other) =
        keyed.fold((0, 0), |(all, other), (before, after)| (all + 1, other + usize::from(before != after)));
    if other == 0 {
        return Ok(compared);
    }
    Err(format!(
        "it gives {other} of {compared} recent events different keys than {} {} did, under the same key-version: fix \
         it, or raise its key-version if the keys are meant to change",
        old.name(),
        old.version()
    ))
}

/// The keys of each event; none where it has none, cannot be decoded, or the plugin fails on it.
fn keys_of(plugin: &Plugin, reading: Reading<'_>, events: &[Vec<u8>]) -> Result<Vec<Keys>, String> {
    let (fields, decoded) = match plugin.input() {
        Input::Payload => {
            let mut whole = FieldBatch::new(1);
            events.iter().for_each(|event| whole.push(Kind::Bytes, event));
            (whole, (0..events.len()).collect())
        }
        Input::Fields(fields) => projected(fields, reading, events)?,
    };
    let mut extraction = Extraction::default();
    let mut extractor = plugin.extractor().map_err(|error| error.to_string())?;
    extractor.extract(&fields, &mut extraction).map_err(|failure| failure.to_string())?;
    let mut keys = vec![Keys::new(); events.len()];
    for (key, owner) in extraction.owners.iter().enumerate() {
        let event = decoded.get(*owner as usize).and_then(|event: &usize| keys.get_mut(*event));
        if let (Some(event), Some(key)) = (event, extraction.keys.get(key)) {
            event.push(key.to_vec());
        }
    }
    keys.iter_mut().for_each(|keys| keys.sort_unstable());
    Ok(keys)
}

/// The fields of the events that are JSON, and which events these are.
fn projected(fields: &[String], reading: Reading<'_>, events: &[Vec<u8>]) -> Result<(FieldBatch, Vec<usize>), String> {
    let no_spans: &[&str] = &[];
    let projection = Projection::compile_inside(&[fields], no_spans, reading.json_in, reading.numbers);
    let mut projection = projection.map_err(|error| error.to_string())?;
    let mut batches: Vec<FieldBatch> = projection.widths().into_iter().map(FieldBatch::new).collect();
    let mut decoded = Vec::new();
    for (event, payload) in events.iter().enumerate() {
        if projection.project(payload, &mut batches).is_ok() {
            decoded.push(event);
        }
    }
    Ok((batches.pop().unwrap_or_else(|| FieldBatch::new(1)), decoded))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use plugin::{Limits, Runtime};

    use super::*;

    /// What the keys of `composite_key` by one configuration and by another come to, as if they were two builds.
    fn compared(before: &str, after: &str, events: &[&str]) -> Result<usize, String> {
        let dist = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugins");
        let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or(dist, PathBuf::from);
        let runtime = Runtime::new(Limits::default()).unwrap();
        let load = |config| runtime.load(&dir.join("composite_key.wasm"), Some(config)).unwrap();
        let events: Vec<Vec<u8>> = events.iter().map(|event| event.as_bytes().to_vec()).collect();
        let json_in = JsonIn::new(&["/data"]).unwrap();
        let reading = Reading { numbers: Numbers::AsWritten, json_in: &json_in };
        same_keys(&load(before), &load(after), reading, &events)
    }

    #[test]
    fn keys_of_fields_inside_a_string_are_compared() {
        let event = r#"{"data":"{\"a\":1,\"b\":2}"}"#;
        assert_eq!(compared("/data/a", "/data/a", &[event, r#"{"data":"{"}"#]), Ok(1));
        assert!(compared("/data/a", "/data/b", &[event]).is_err());
    }

    #[test]
    fn equal_keys_are_counted_and_events_without_any_are_not() {
        assert_eq!(compared("/a", "/a", &[r#"{"a":1}"#, "no JSON", r#"{"b":1}"#, r#"{"a":2}"#]), Ok(2));
        assert_eq!(compared("/a", "/a", &[]), Ok(0));
    }

    #[test]
    fn other_keys_are_refused_with_their_number() {
        let error = compared("/a", "/b", &[r#"{"a":1,"b":1}"#, r#"{"a":1,"b":2}"#, "no JSON"]).unwrap_err();
        assert!(error.contains("gives 1 of 2 recent events different keys"), "{error}");
        assert!(error.contains("key-version"), "{error}");
    }

    #[test]
    fn a_key_that_is_lost_is_another_and_one_that_is_won_is_not() {
        assert!(compared("/a", "/b", &[r#"{"a":1}"#]).is_err());
        assert_eq!(compared("/b", "/a", &[r#"{"a":1}"#]), Ok(0));
    }
}
