//! Where a plugin puts the keys of a batch, in the layout in which they cross to the host. Not a set: keys of one event
//! may repeat.

use crate::Value;
use crate::bindings::types::{Batch, Column, Extraction, Note};
use crate::tuple::write_values;

const KEYED: u8 = 0;
const NO_KEY: u8 = 1;
const INVALID: u8 = 2;

/// Takes the keys of one event after the other. Memory is taken once a batch, not once an event.
#[derive(Debug)]
pub struct Keys {
    data: Vec<u8>,
    ends: Vec<u32>,
    owners: Vec<u32>,
    status: Vec<u8>,
    notes: Vec<Note>,
    /// What the current event has: the number of its first key, where its bytes start, and what was said of it.
    first_key: usize,
    first_byte: usize,
    refused: Option<u8>,
}

impl Keys {
    /// Room for a key an event, each about as long as the event's values and what separates them.
    pub(crate) fn for_batch(batch: &Batch) -> Self {
        let events = batch.kinds.len() / (batch.width as usize).max(1);
        Self {
            data: Vec::with_capacity(batch.values.data.len() + 2 * batch.kinds.len()),
            ends: Vec::with_capacity(events),
            owners: Vec::with_capacity(events),
            status: Vec::with_capacity(events),
            notes: Vec::new(),
            first_key: 0,
            first_byte: 0,
            refused: None,
        }
    }

    /// Gives the event a key.
    #[inline]
    pub fn push(&mut self, key: &[u8]) {
        self.write(|out| out.extend_from_slice(key));
    }

    /// Gives the event a key, which `write` appends to the buffer it gets; it must leave alone what stands there.
    #[inline]
    pub fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.data);
        self.end_key();
    }

    /// Gives the event a key made of several values, such as those that were worked out: no two different lists of values
    /// have one key. As [`crate::tuple`] writes it.
    pub fn push_tuple(&mut self, values: &[Value<'_>]) {
        self.write(|out| write_values(values, out));
    }

    /// As [`Keys::write`], but if `write` fails there is no such key, and the error is given back.
    ///
    /// # Errors
    /// The error of `write`.
    #[inline]
    pub fn try_write<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.data.len();
        let written = write(&mut self.data);
        match written {
            Ok(()) => self.end_key(),
            Err(_) => self.data.truncate(start),
        }
        written
    }

    /// Says that the event has no identity, and why. Keys it was given are taken back.
    pub fn no_key(&mut self, reason: impl Into<String>) {
        self.refuse(NO_KEY, reason.into());
    }

    /// Says that the plugin cannot make sense of the event, and why. Keys it was given are taken back.
    pub fn invalid(&mut self, reason: impl Into<String>) {
        self.refuse(INVALID, reason.into());
    }

    #[inline]
    fn end_key(&mut self) {
        // A batch is far below 4 GiB: the memory of a 32-bit plugin ends there.
        self.ends.push(self.data.len() as u32);
        self.owners.push(self.status.len() as u32);
    }

    fn refuse(&mut self, status: u8, message: String) {
        let index = self.status.len() as u32;
        if self.refused.is_some() {
            self.notes.pop();
        }
        self.notes.push(Note { index, message });
        self.refused = Some(status);
    }

    /// Closes the current event.
    #[inline]
    pub(crate) fn end_event(&mut self) {
        if let Some(status) = self.refused.take() {
            self.data.truncate(self.first_byte);
            self.ends.truncate(self.first_key);
            self.owners.truncate(self.first_key);
            self.status.push(status);
        } else {
            self.status.push(if self.ends.len() == self.first_key { NO_KEY } else { KEYED });
        }
        self.first_key = self.ends.len();
        self.first_byte = self.data.len();
    }

    pub(crate) fn into_extraction(mut self) -> Extraction {
        if self.owners.is_empty() {
            // No owners would mean one key an event; so be it, all of them empty and none of them counted.
            self.ends = vec![0; self.status.len()];
        }
        let keys = Column { data: self.data, ends: self.ends };
        Extraction { keys, owners: self.owners, status: self.status, notes: self.notes }
    }
}
