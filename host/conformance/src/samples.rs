//! Events to ask plugins about: ordinary ones and nasty ones, made from a seed for what a plugin asked for. Not how
//! they are handed over, which is [`crate::feed`]'s business, and not what a plugin has to say of them: see `rules`.

mod draw;
pub(crate) mod edits;
mod events;
pub(crate) mod fill;
mod formats;
mod json;
pub(crate) mod like;
pub(crate) mod nasty;
mod slot;

pub(crate) use draw::Draw;
pub(crate) use events::{Event, Events};
pub(crate) use json::{Json, Spelling};
pub(crate) use slot::{Known, Slot, Takes};
