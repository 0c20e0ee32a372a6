//! What can be wrong with a pointer or with an event. Small and copied freely; not a log line.

use std::sync::Arc;

use thiserror::Error;

use super::{EVENT_BYTES_MAX, SEGMENTS_MAX};
use crate::looks::Looks;

/// A pointer that cannot be looked for. It is a mistake of the configuration, never of an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PointerError {
    /// RFC 6901, section 3: a pointer is empty or begins with `/`.
    #[error("pointer {pointer:?} does not begin with '/': write \"/name\", or \"\" for the whole event")]
    NoSlash {
        /// The pointer as given.
        pointer: String,
    },
    /// RFC 6901, section 3: `~` stands only in `~0` (for `~`) and `~1` (for `/`).
    #[error("pointer {pointer:?} has a '~' that is neither ~0 (for '~') nor ~1 (for '/')")]
    BadEscape {
        /// The pointer as given.
        pointer: String,
    },
    /// Longer than [`SEGMENTS_MAX`].
    #[error("pointer {pointer:?} goes deeper than {SEGMENTS_MAX} levels: ask for a member nearer the top")]
    TooDeep {
        /// The pointer as given.
        pointer: String,
    },
}

/// Why an event is not JSON text. Positions are bytes from the start of the event, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// No bytes, or only whitespace.
    #[error("not JSON: the event is empty")]
    Empty,
    /// The bytes are not UTF-8.
    #[error("not JSON at byte {at}: not UTF-8")]
    NotUtf8 {
        /// The first byte that is not part of a character.
        at: u32,
    },
    /// The grammar of RFC 8259 is broken.
    #[error("not JSON at byte {at}: expected {expected}")]
    Syntax {
        /// Where the text stops being JSON; the length of the event where it ends too early.
        at: u32,
        /// What could have stood there.
        expected: Expected,
    },
    /// Longer than [`EVENT_BYTES_MAX`].
    #[error("the event is longer than {EVENT_BYTES_MAX} bytes")]
    TooLong,
}

impl DecodeError {
    /// The reason in full: what the event looks like, where it looks like something else than broken JSON. It costs a look
    /// at the event, and is for those that were refused.
    #[must_use]
    pub fn reason(self, event: &[u8]) -> String {
        match (self, Looks::of(event)) {
            (Self::Empty | Self::TooLong, _) | (_, None) => self.to_string(),
            (error, Some(looks @ Looks::Binary)) => {
                format!("{error}; it looks like binary data: {}", looks.advice_to_senders())
            }
            (_, Some(looks)) => format!("not JSON: it looks like {looks}; {}", looks.advice_to_senders()),
        }
    }

    /// The same error in a text that begins `by` bytes later.
    #[cold]
    pub(super) fn moved(self, by: u32) -> Self {
        match self {
            Self::NotUtf8 { at } => Self::NotUtf8 { at: at + by },
            Self::Syntax { at, expected } => Self::Syntax { at: at + by, expected },
            Self::Empty | Self::TooLong => self,
        }
    }
}

/// Why an event was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// It is not JSON text.
    #[error(transparent)]
    Event(#[from] DecodeError),
    /// The string of a member that [`super::JsonIn`] names is not JSON text. Positions are bytes of that text, escapes
    /// resolved.
    #[error("json-in {}: the string is {}", if member.is_empty() { "\"\"" } else { &**member }, inside(cause))]
    Inside {
        /// The member's pointer.
        member: Arc<str>,
        /// What is wrong with the text.
        cause: DecodeError,
    },
}

impl Refused {
    /// As [`DecodeError::reason`].
    #[must_use]
    pub fn reason(&self, event: &[u8]) -> String {
        match self {
            Self::Event(error) => error.reason(event),
            Self::Inside { .. } => self.to_string(),
        }
    }

    /// The same error in a text that begins `by` bytes later. What is inside a string has positions of its own.
    #[cold]
    pub(super) fn moved(self, by: u32) -> Self {
        match self {
            Self::Event(error) => Self::Event(error.moved(by)),
            Self::Inside { .. } => self,
        }
    }
}

/// What is said of a string is not said of the event.
fn inside(cause: &DecodeError) -> String {
    if *cause == DecodeError::Empty {
        return "not JSON: it is empty".to_owned();
    }
    if let DecodeError::Syntax { at, expected: Expected::End } = cause {
        return format!("not JSON at byte {at}: expected its end");
    }
    cause.to_string()
}

/// What the grammar asks for where the text broke it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Expected {
    /// Any value.
    #[error("a value")]
    Value,
    /// A member's name.
    #[error("a member name in quotes")]
    Name,
    /// The colon after a name.
    #[error("':'")]
    Colon,
    /// What may follow a member.
    #[error("',' or '}}'")]
    CommaOrBrace,
    /// What may follow an element.
    #[error("',' or ']'")]
    CommaOrBracket,
    /// Nothing but whitespace may follow the value.
    #[error("the end of the event")]
    End,
    /// A string was not closed.
    #[error("a closing quote")]
    Quote,
    /// A control character stands in a string.
    #[error("no control character in a string: write it as an escape")]
    NoControl,
    /// A backslash is followed by something else.
    #[error("an escape of RFC 8259")]
    Escape,
    /// A `\u` without four hexadecimal digits.
    #[error("four hexadecimal digits")]
    Hex,
    /// A digit is missing, or a number is followed by something else.
    #[error("a number of RFC 8259")]
    Number,
    /// A word that is none of the three.
    #[error("true, false or null")]
    Literal,
}

/// A [`DecodeError::Syntax`]; out of line because events are nearly always JSON.
#[cold]
pub(super) fn syntax(at: usize, expected: Expected) -> DecodeError {
    DecodeError::Syntax { at: position(at), expected }
}

/// Positions fit, because longer events are refused first.
pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
