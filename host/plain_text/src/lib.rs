//! What people may be shown of a text that others wrote: nothing in it moves a cursor, starts a line, changes an order of
//! reading or cannot be seen, and no secret is in it; and amounts as people read them. Not for texts that are read back, and not
//! where they go.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod amount;
mod escape;
mod secret;
pub mod secrets;

pub use amount::{scaled, size};
pub use escape::{Line, bytes, hex, is_unseen, json, line, lines, styled, styled_line};
pub use secret::Secret;
