//! How an answer leaves: whole, as text or as one JSON object. Not what it says.

use super::ending::{Cause, CommandError};

/// Writes an answer whole. A reader that stops reading, as `head` does, is not an error.
pub(super) fn answer(text: &str) -> Result<(), CommandError> {
    let unwritten = |error| CommandError::new(Cause::Output, format!("cannot write to standard output: {error}"));
    terminal::answer(text).map_err(unwritten)
}

/// One JSON object, over several lines for people to read it too.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    // Only maps without text keys, and numbers that JSON lacks, are refused; answers have neither.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{}\n", plain_text::json(&text))
}
