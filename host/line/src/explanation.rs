//! Records that the host writes itself: the explanation of a duplicate, version 1 of `schema/duplicate-v1.json`. Not the
//! events, which are never rewritten.

use std::borrow::Cow;

use engine::fields::Kind;
use engine::findings::{Likeness, Rows};
use engine::projection::{BYTE_ORDER_MARK, one_line, quote};
use engine::properties::{Form, Kept, PairBatch, Score, Verdict, fields_text};
use engine::record::{Millis, Offset, Record, TopicPartition};

use plain_text::hex;
use plugin::{Input, Plugin};
use sha2::{Digest, Sha256};

use crate::plugins::Plugins;
use crate::redaction::Redaction;

/// What is left out of a record so that a topic takes it, each step with all that the steps before it leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    Nothing,
    /// The original, or the fields of it that are kept.
    Original,
    /// The duplicate too: neither event is in it.
    Events,
    /// The values of what changed.
    Values,
    /// What changed, and what did not.
    Lists,
    /// Keys and uuids, in whose place digests stand.
    Texts,
}

impl Cut {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nothing, Self::Original, Self::Events, Self::Values, Self::Lists, Self::Texts];

    /// The members that are not what they would be.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Original => &["original"],
            Self::Events => &["original", "duplicate"],
            Self::Values => &["original", "duplicate", "values"],
            Self::Lists => &["original", "duplicate", "values", "changed", "same"],
            Self::Texts => &["original", "duplicate", "values", "changed", "same", "key", "uuid"],
        }
    }
}

/// Bytes of a key or a uuid in a record that had to be cut that far.
const TEXT_BYTES_MAX: usize = 256;

/// Writes them; holds what never changes between records of a run.
pub(crate) struct Explanations {
    /// `"extractor":{...},"scorer":{...}`.
    plugins: String,
    /// What the scorer reads; empty where there is none or it reads the payload.
    roots: Vec<String>,
    /// Values are hidden where this is there, and keys shown as what it makes of them.
    redaction: Option<Redaction>,
    /// Payloads need not be JSON.
    opaque: bool,
}

/// One duplicate, and all that is known of it.
pub(crate) struct Explanation<'a> {
    pub(crate) source: &'a TopicPartition,
    pub(crate) record: Record<'a>,
    pub(crate) time: Option<Millis>,
    pub(crate) uuid: Option<&'a [u8]>,
    /// As [`Explanations::key`] gives it.
    pub(crate) key: &'a str,
    pub(crate) original_offset: Offset,
    /// The partition that it was in, if that is another one.
    pub(crate) elder: Option<i32>,
    pub(crate) original_time: Option<Millis>,
    pub(crate) original: Option<&'a Kept<'a>>,
    pub(crate) likeness: Likeness,
    /// Duplicates of the original so far, this one included.
    pub(crate) count: Option<u64>,
    /// Distinct uuids of the key, and whether that is exact.
    pub(crate) uuids: Option<(u64, bool)>,
    pub(crate) uuid_similarity: Option<f64>,
    /// Why there is no score, where there is none.
    pub(crate) comparison: Result<Compared<'a>, &'a str>,
}

/// What the scorer said of a pair.
#[derive(Clone, Copy)]
pub(crate) struct Compared<'a> {
    pub(crate) score: Score,
    pub(crate) pairs: &'a PairBatch,
    pub(crate) pair: usize,
    pub(crate) verdicts: &'a [Verdict],
}

impl Explanations {
    /// `scorer` scores, and reads these fields.
    pub(crate) fn new(
        plugins: &Plugins,
        scorer: Option<&Plugin>,
        roots: Vec<String>,
        redaction: Option<Redaction>,
    ) -> Self {
        let mut text = Vec::from(*b"\"extractor\":");
        push_plugin(&mut text, Some(&plugins.extractor));
        text.extend_from_slice(b",\"scorer\":");
        push_plugin(&mut text, scorer);
        let opaque = plugins.extractor.input() == &Input::Payload;
        Self { plugins: String::from_utf8_lossy(&text).into_owned(), roots, redaction, opaque }
    }

    /// A key as it is shown: as text, or only a digest of it where values are hidden.
    pub(crate) fn key<'a>(&self, key: &'a [u8]) -> Cow<'a, str> {
        match &self.redaction {
            // Where it is text, as nearly always, that is found out many bytes at once.
            None => str::from_utf8(key).map_or_else(|_| String::from_utf8_lossy(key), Cow::Borrowed),
            Some(redaction) => Cow::Owned(redaction.of(key)),
        }
    }

    fn redacts(&self) -> bool {
        self.redaction.is_some()
    }

    /// Appends the record of a duplicate: one JSON object, and one line to every reader of lines.
    pub(crate) fn write(&self, about: &Explanation<'_>, cut: Cut, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(b"{\"version\":1,\"key\":");
        quote(&shown(about.key.as_bytes(), cut), out);
        out.extend_from_slice(b",\"outcome\":\"");
        out.extend_from_slice(about.likeness.as_str().as_bytes());
        out.push(b'"');
        push_cut(out, cut);
        push_number(out, "count", about.count);
        push_number(out, "distinct_uuids", about.uuids.map(|(distinct, _)| distinct));
        if let Some((_, exact)) = about.uuids {
            push_member(out, "distinct_uuids_exact", if exact { "true" } else { "false" });
        }
        push_number(out, "uuid_similarity", about.uuid_similarity);
        self.push_comparison(about, cut, out);
        out.push(b',');
        out.extend_from_slice(self.plugins.as_bytes());
        self.push_original(about, cut, out);
        self.push_duplicate(about, cut, out);
        out.push(b'}');
        one_line(out, start);
    }

    fn push_comparison(&self, about: &Explanation<'_>, cut: Cut, out: &mut Vec<u8>) {
        let compared = match about.comparison {
            Ok(compared) => compared,
            Err(reason) => {
                out.extend_from_slice(b",\"unscored\":");
                push_text(out, reason);
                return;
            }
        };
        push_number(out, "similarity", Some(compared.score.similarity));
        push_number(out, "property_similarity", Some(compared.score.property_similarity));
        out.extend_from_slice(b",\"changed\":[");
        let mut separator: &[u8] = b"";
        let is_listed = |_: &usize| cut < Cut::Lists;
        for row in compared.rows(Verdict::Changed).filter(is_listed) {
            out.extend_from_slice(separator);
            separator = b",";
            self.push_change(compared.pairs, row, cut, out);
        }
        out.extend_from_slice(b"],\"same\":[");
        separator = b"";
        for row in compared.rows(Verdict::Same).filter(is_listed) {
            out.extend_from_slice(separator);
            separator = b",";
            quote(compared.pairs.paths.get(row).unwrap_or_default(), out);
        }
        out.push(b']');
    }

    fn push_change(&self, pairs: &PairBatch, row: usize, cut: Cut, out: &mut Vec<u8>) {
        let kind = |kinds: &[u8]| kinds.get(row).copied().unwrap_or(Kind::Absent as u8);
        let (original, duplicate) = (kind(&pairs.original_kinds), kind(&pairs.duplicate_kinds));
        let absent = Kind::Absent as u8;
        out.extend_from_slice(b"{\"path\":");
        quote(pairs.paths.get(row).unwrap_or_default(), out);
        out.extend_from_slice(b",\"change\":");
        out.extend_from_slice(match (original == absent, duplicate == absent) {
            (true, _) => b"\"added\"",
            (false, true) => b"\"removed\"",
            (false, false) => b"\"changed\"",
        });
        if !self.redacts() && cut < Cut::Values {
            out.extend_from_slice(b",\"original\":");
            push_value(out, original, pairs.originals.get(row).unwrap_or_default());
            out.extend_from_slice(b",\"duplicate\":");
            push_value(out, duplicate, pairs.duplicates.get(row).unwrap_or_default());
        }
        out.push(b'}');
    }

    fn push_original(&self, about: &Explanation<'_>, cut: Cut, out: &mut Vec<u8>) {
        let uuid = about.original.and_then(Kept::uuid).map(|uuid| shown(uuid, cut));
        // Where events have no time the state counts by its clock, which is nothing to tell of an event.
        let time = about.time.and(about.original_time);
        let (source, elder) = (about.source, about.elder.unwrap_or(about.source.partition));
        push_coordinates(out, "original", (&source.topic, elder), about.original_offset, time, uuid.as_deref());
        if let Some(kept) = about.original.filter(|_| !self.redacts() && cut < Cut::Original) {
            let whole = match kept.form() {
                Form::Payload => true,
                Form::Values => self.roots.iter().any(String::is_empty),
                Form::PayloadCut | Form::Properties => false,
            };
            let start = out.len();
            out.extend_from_slice(if whole { b",\"event\":" } else { b",\"fields\":" });
            if !fields_text(kept, &self.roots, out) {
                out.truncate(start);
            }
        }
        out.push(b'}');
    }

    fn push_duplicate(&self, about: &Explanation<'_>, cut: Cut, out: &mut Vec<u8>) {
        let uuid = about.uuid.map(|uuid| shown(uuid, cut));
        push_coordinates(
            out,
            "duplicate",
            (&about.source.topic, about.source.partition),
            about.record.offset(),
            about.time,
            uuid.as_deref(),
        );
        if !self.redacts() && cut < Cut::Events {
            out.extend_from_slice(b",\"event\":");
            let payload = about.record.payload().unwrap_or_default();
            if self.opaque {
                push_opaque(out, payload);
            } else {
                // What stands around the event is no part of its value.
                let event = payload.strip_prefix(BYTE_ORDER_MARK).unwrap_or(payload);
                out.extend_from_slice(event.trim_ascii());
            }
        }
        out.push(b'}');
    }
}

impl<'a> Compared<'a> {
    /// The same for those who sum up.
    pub(crate) fn to_rows(self) -> Rows<'a> {
        Rows { pairs: self.pairs, range: self.pairs.rows(self.pair), verdicts: self.verdicts }
    }

    /// The rows of the pair with this verdict.
    pub(crate) fn rows(self, wanted: Verdict) -> impl Iterator<Item = usize> + use<'a> {
        let rows = self.pairs.rows(self.pair);
        let verdicts = self.verdicts.get(rows.clone()).unwrap_or_default();
        rows.zip(verdicts).filter(move |(_, verdict)| **verdict == wanted).map(|(row, _)| row)
    }
}

fn push_coordinates(
    out: &mut Vec<u8>,
    name: &str,
    (topic, partition): (&str, i32),
    offset: Offset,
    time: Option<Millis>,
    uuid: Option<&[u8]>,
) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":{\"topic\":");
    push_text(out, topic);
    push_number(out, "partition", Some(partition));
    push_number(out, "offset", Some(offset));
    push_number(out, "time", time);
    out.extend_from_slice(b",\"uuid\":");
    match uuid {
        Some(uuid) => quote(uuid, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// A key or a uuid, or its digest where it is long and the record has to be short.
fn shown(text: &[u8], cut: Cut) -> Cow<'_, [u8]> {
    if cut < Cut::Texts || text.len() <= TEXT_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    Cow::Owned(digest(text).into_bytes())
}

fn digest(text: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(text))
}

/// Names what was left out or stands in another form.
fn push_cut(out: &mut Vec<u8>, cut: Cut) {
    if cut == Cut::Nothing {
        return;
    }
    push_member(out, "cut", "");
    // Names are always JSON, and a vector takes every byte.
    let _infallible = serde_json::to_writer(out, cut.members());
}

/// What need not be JSON: a string, or hexadecimal where it is not UTF-8.
fn push_opaque(out: &mut Vec<u8>, payload: &[u8]) {
    match std::str::from_utf8(payload) {
        Ok(text) => push_text(out, text),
        Err(_) => {
            out.extend_from_slice(b"{\"hex\":\"");
            out.extend_from_slice(hex(payload).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

fn push_value(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    const STRING: u8 = Kind::String as u8;
    const BYTES: u8 = Kind::Bytes as u8;
    match (kind, value.last()) {
        (STRING, _) => quote(value, out),
        (BYTES, _) => push_opaque(out, value),
        (_, None) => out.extend_from_slice(b"null"),
        // A number or an array that was cut to its beginning ends with the mark.
        (_, Some(b')')) => quote(value, out),
        _ => out.extend_from_slice(value),
    }
}

fn push_plugin(out: &mut Vec<u8>, plugin: Option<&Plugin>) {
    let Some(plugin) = plugin else { return out.extend_from_slice(b"null") };
    out.extend_from_slice(b"{\"name\":");
    push_text(out, plugin.name());
    out.extend_from_slice(b",\"version\":");
    push_text(out, plugin.version());
    out.extend_from_slice(b",\"sha256\":");
    push_text(out, plugin.sha256());
    out.push(b'}');
}

/// `,"name":12`; null where there is no number.
fn push_number(out: &mut Vec<u8>, name: &str, number: Option<impl serde::Serialize>) {
    push_member(out, name, "");
    // A number and null are always JSON, and a vector takes every byte.
    let _infallible = serde_json::to_writer(out, &number);
}

fn push_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value.as_bytes());
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    quote(text.as_bytes(), out);
}
