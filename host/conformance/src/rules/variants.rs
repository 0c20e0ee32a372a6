//! Events that differ at one place, and what a plugin says of them. Not a rule: those of the group `keys` ask.

use crate::feed::{Items, Text};
use crate::samples::Json;
use crate::session::{Answer, Session};
use crate::verdict::Stop;

/// Why a rule about keys could not be tried.
pub(super) const NO_KEY: &str = "none of the events tried has a key: pass some that have one with --input or --expect";

/// What a plugin says of these events, one call for all of them.
pub(super) fn ask(
    session: &mut Session,
    events: impl IntoIterator<Item = Vec<u8>>,
) -> Result<(Items, Vec<Answer>), Stop> {
    let items = session.items(events.into_iter().map(Text::Event));
    let answers = session.answers(&items)?;
    Ok((items, answers))
}

/// The event with another value at a place, or without any if there is no value.
pub(super) fn with(event: &Json, place: &str, value: Option<&Json>) -> Vec<u8> {
    let mut event = event.clone();
    match value {
        Some(value) => event.set(place, value.clone()),
        None => _ = event.remove(place),
    }
    event.text()
}

/// The keys of an event that depend on what stands at a place: those that `other`, which differs from it there, has not.
pub(super) fn own<'a>(answer: &'a Answer, other: &Answer) -> Vec<&'a [u8]> {
    answer.keys().iter().filter(|key| !other.keys().contains(key)).map(Vec::as_slice).collect()
}
