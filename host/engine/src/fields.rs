//! Values of events laid out flat, as they cross to a plugin: the host side of the contract's `column` and `batch`.
//! Not JSON, and not the decision.

/// Variable-length values, as in Arrow: value i is `data[ends[i-1]..ends[i]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// All values, side by side.
    pub data: Vec<u8>,
    /// End of each value in `data`; never falls.
    pub ends: Vec<u32>,
}

impl Column {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets all values and keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.ends.clear();
    }

    /// Appends one value.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.end_value();
    }

    /// Closes a value whose bytes were written to `data` directly.
    #[inline]
    pub fn end_value(&mut self) {
        self.ends.push(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
    }

    /// Puts another value in the place of value i, if there is one, and moves those after it.
    pub(crate) fn replace(&mut self, index: usize, value: &[u8]) {
        let (Some(old), Some(end)) = (self.get(index).map(<[u8]>::len), self.ends.get(index)) else { return };
        let end = *end as usize;
        self.data.splice(end - old..end, value.iter().copied());
        for end in self.ends.iter_mut().skip(index) {
            *end = u32::try_from((*end as usize + value.len()).saturating_sub(old)).unwrap_or(u32::MAX);
        }
    }

    /// Value i, or `None` where there is no such value or its ends are not in order.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.data.get(start..end)
    }
}

/// What a projected value is. The numbers are those of the WIT contract (`batch.kinds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The event has no such member; the value is empty.
    Absent = 0,
    /// JSON null; the value is empty.
    Null = 1,
    /// `true` or `false`.
    Bool = 2,
    /// A number, as written or canonical, as the projection was told.
    Number = 3,
    /// A string, its escapes resolved, as UTF-8.
    String = 4,
    /// An object or array as canonical JSON text.
    Json = 5,
    /// The whole payload, for plugins that ask for it.
    Bytes = 6,
}

/// `width` values an event, in the order of the fields asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldBatch {
    /// Values an event; 1 where the whole payload is asked for.
    pub width: u32,
    /// `events * width` values, event by event.
    pub values: Column,
    /// A [`Kind`] for each value.
    pub kinds: Vec<u8>,
}

impl FieldBatch {
    /// An empty batch of `width` values an event.
    #[must_use]
    pub fn new(width: u32) -> Self {
        Self { width, ..Self::default() }
    }

    /// Number of events.
    #[must_use]
    pub fn events(&self) -> usize {
        self.kinds.len() / (self.width.max(1) as usize)
    }

    /// Forgets all values and keeps the memory and the width.
    pub fn clear(&mut self) {
        self.values.clear();
        self.kinds.clear();
    }

    /// Appends one value.
    #[inline]
    pub fn push(&mut self, kind: Kind, value: &[u8]) {
        self.values.push(value);
        self.kinds.push(kind as u8);
    }

    /// Keeps the values of some events only; `keep` is asked with each event's index. It copies what it keeps.
    pub fn retain_events(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let width = self.width.max(1) as usize;
        let (mut values, mut kinds) = (Column::default(), Vec::new());
        for event in (0..self.events()).filter(|event| keep(*event)) {
            for value in event * width..(event + 1) * width {
                values.push(self.values.get(value).unwrap_or_default());
                kinds.extend(self.kinds.get(value));
            }
        }
        (self.values, self.kinds) = (values, kinds);
    }
}

/// What a plugin says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum KeyStatus {
    /// The event has its key or keys.
    Keyed = 0,
    /// The event has no key; the policy for missing keys applies.
    #[default]
    NoKey = 1,
    /// The plugin cannot make sense of the event; it is a dead letter.
    Invalid = 2,
}

/// What came back from key extraction for a whole batch, already checked: every count agrees, every end is in range,
/// every owner is an event, owners ascend, and only keyed events own keys (each at least one).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extraction {
    /// The keys.
    pub keys: Column,
    /// The event that owns each key; ascending.
    pub owners: Vec<u32>,
    /// One status an event.
    pub status: Vec<KeyStatus>,
    /// Reasons for events without keys: event index and text. Sparse, ascending.
    pub notes: Vec<(u32, String)>,
}
