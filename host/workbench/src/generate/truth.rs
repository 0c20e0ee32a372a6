//! The truth about generated events, one line of JSON per event, and the files of a whole run. Does not check anybody's
//! answer.

use std::io::{self, Write};

use super::generator::{Event, Generator, Kind};
use super::spec::{Spec, SpecError};
use super::text::decimal;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Truth {
    /// All events.
    pub events: u64,
    /// Events that are the first of their composite.
    pub unique: u64,
    /// The others.
    pub duplicates: u64,
    /// Duplicates with the uuid of their original.
    pub same_uuid: u64,
    /// Duplicates whose properties differ from those of their original.
    pub altered: u64,
}

/// Why files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The spec cannot be met.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An output cannot be written.
    #[error("cannot write the events or their truth: {0}; check the path and the space left on its disk")]
    Write(#[from] io::Error),
}

impl Truth {
    /// Counts one event.
    pub fn count(&mut self, event: &Event) {
        self.events += 1;
        self.unique += u64::from(event.duplicate_of.is_none());
        self.duplicates += u64::from(event.duplicate_of.is_some());
        self.same_uuid += u64::from(event.same_uuid);
        self.altered += u64::from(matches!(event.kind, Kind::Altered(_)));
    }

    /// Appends the last line of a truth file: `{"summary":{"events":..,"unique":..,...}}`.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let members = [
            ("{\"summary\":{\"events\":", self.events),
            (",\"unique\":", self.unique),
            (",\"duplicates\":", self.duplicates),
            (",\"same_uuid\":", self.same_uuid),
            (",\"altered\":", self.altered),
        ];
        for (name, count) in members {
            out.extend_from_slice(name.as_bytes());
            decimal(out, count);
        }
        out.extend_from_slice(b"}}\n");
    }
}

impl Event {
    /// Appends a line of a truth file:
    /// `{"i":7,"partition":0,"duplicate_of":3,"same_uuid":true,"changed":["$timezone"]}`; `duplicate_of` is null for a
    /// unique event.
    pub fn write_truth(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"i\":");
        decimal(out, self.index);
        out.extend_from_slice(b",\"partition\":");
        decimal(out, u64::from(self.partition));
        out.extend_from_slice(b",\"duplicate_of\":");
        match self.duplicate_of {
            Some(original) => decimal(out, original),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(if self.same_uuid { b",\"same_uuid\":true" } else { b",\"same_uuid\":false" });
        out.extend_from_slice(b",\"changed\":[");
        if let Kind::Altered(changed) = self.kind {
            for (nth, name) in changed.names().enumerate() {
                out.extend_from_slice(if nth == 0 { b"\"" } else { b",\"" });
                out.extend_from_slice(name.as_bytes());
                out.push(b'"');
            }
        }
        out.extend_from_slice(b"]}\n");
    }
}

/// Writes all events of `spec` to `out`, one a line, and their truth to `truth`: a line an event and one of
/// [`Truth::write_line`]. Both are flushed.
///
/// # Errors
/// The spec cannot be met, or an output cannot be written.
pub fn write_files(spec: Spec, out: &mut dyn Write, mut truth: Option<&mut dyn Write>) -> Result<Truth, GenerateError> {
    let mut generator = Generator::new(spec)?;
    let (mut lines, mut truth_lines, mut counts) = (Vec::new(), Vec::new(), Truth::default());
    while let Some(event) = generator.next(&mut lines) {
        lines.push(b'\n');
        counts.count(&event);
        drain_full(&mut lines, out)?;
        if let Some(truth) = &mut truth {
            event.write_truth(&mut truth_lines);
            drain_full(&mut truth_lines, truth)?;
        }
    }
    out.write_all(&lines)?;
    out.flush()?;
    if let Some(truth) = &mut truth {
        counts.write_line(&mut truth_lines);
        truth.write_all(&truth_lines)?;
        truth.flush()?;
    }
    Ok(counts)
}

fn drain_full(lines: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    if lines.len() >= BUFFER_BYTES {
        out.write_all(lines)?;
        lines.clear();
    }
    Ok(())
}
