//! One file per lane. Outputs are lines as they came; dead letters are JSON, so that they contain the reason. On a terminal, what
//! the host says of duplicates and dead letters is escaped: it means the same, and steers nothing.

use std::borrow::Cow;

use connectors::{ByLane, Lane, Outgoing, Sink, SinkFailure};
use engine::projection::one_line;
use plain_text::hex;
use serde_json::{Map, Value};

use crate::error::FileError;
use crate::sink::FileSink;

/// The files that were asked for.
#[derive(Default)]
pub struct FileLanes(ByLane<Option<FileSink>>);

impl FileLanes {
    /// Of these files.
    #[must_use]
    pub fn new(files: ByLane<Option<FileSink>>) -> Self {
        Self(files)
    }

    /// Makes all lines durable. Returns the length of each lane's file in bytes; `None` where there is no file.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn commit(&mut self) -> Result<ByLane<Option<u64>>, FileError> {
        let mut lengths = ByLane::default();
        for lane in Lane::ALL {
            lengths[lane] = self.0[lane].as_mut().map(FileSink::commit).transpose()?;
        }
        Ok(lengths)
    }

    /// Forgets what was written since a commit that returned these lengths.
    ///
    /// # Errors
    /// A file cannot be cut back to its length.
    pub(crate) fn cut_back(&mut self, lengths: ByLane<Option<u64>>) -> Result<(), FileError> {
        for lane in Lane::ALL {
            if let (Some(file), Some(length)) = (&mut self.0[lane], lengths[lane]) {
                file.cut_back(length)?;
            }
        }
        Ok(())
    }
}

impl Sink for FileLanes {
    fn has(&self, lane: Lane) -> bool {
        self.0[lane].is_some()
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        let Some(file) = &mut self.0[lane] else { return Ok(()) };
        let payload = record.payload.unwrap_or_default();
        let (line, is_own) = match lane {
            Lane::Output | Lane::Late => (Cow::Borrowed(payload), false),
            Lane::Duplicates => (Cow::Borrowed(payload), true),
            Lane::DeadLetter => (Cow::Owned(dead_letter(record)), true),
        };
        if is_own && file.is_terminal() {
            file.write_line(plain_text::json(&String::from_utf8_lossy(&line)).as_bytes())?;
        } else {
            file.write_line(&line)?;
        }
        Ok(())
    }
}

/// `{"reason": …, …, "payload": "…"}`, one line to every reader of lines; a payload that is not UTF-8 is given as
/// `payload_hex`, and of one that was not read there is neither.
fn dead_letter(record: &Outgoing<'_>) -> Vec<u8> {
    let mut object = Map::new();
    for (name, value) in record.extra_headers {
        object.insert(name.trim_start_matches("dedup-host-").to_owned(), Value::from(*value));
    }
    match record.payload.map(|payload| std::str::from_utf8(payload).map_err(|_| hex(payload))) {
        Some(Ok(text)) => drop(object.insert("payload".to_owned(), Value::from(text))),
        Some(Err(hex)) => drop(object.insert("payload_hex".to_owned(), Value::from(hex))),
        // It was not read.
        None => {}
    }
    let mut line = Value::Object(object).to_string().into_bytes();
    one_line(&mut line, 0);
    line
}
