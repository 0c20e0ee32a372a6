//! What is found out about a record of the input, and how that stands in a row. Not where it is found out.

use crate::row::{Eye, Pen};

/// Where a record stands in its topic or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// What a record is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The plugin has keys for it.
    Keyed,
    /// The plugin has none.
    Keyless,
    /// The plugin calls it invalid.
    Invalid,
    /// The plugin fails on it now.
    Failed,
    /// It is no event.
    Undecodable,
}

impl Class {
    const ALL: [Self; 5] = [Self::Keyed, Self::Keyless, Self::Invalid, Self::Failed, Self::Undecodable];
}

/// How sure something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    No,
    Unsure,
    Yes,
}

impl Certainty {
    const ALL: [Self; 3] = [Self::No, Self::Unsure, Self::Yes];

    pub(crate) fn write(self, pen: &mut Pen) {
        pen.u8(self as u8);
    }

    pub(crate) fn read(eye: &mut Eye<'_>) -> Self {
        pick(eye.u8(), &Self::ALL, Self::Unsure)
    }
}

fn pick<T: Copy>(number: u8, all: &[T], other: T) -> T {
    all.get(usize::from(number)).copied().unwrap_or(other)
}

/// The time by which an event is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    At(i64),
    /// It has none, and the clock said nothing.
    Never,
    /// It has none, and what the clock said is not known.
    Unknown,
}

impl Time {
    pub(crate) fn write(self, pen: &mut Pen) {
        match self {
            Self::At(time) => pen.u8(0).i64(time),
            Self::Never => pen.u8(1).i64(0),
            Self::Unknown => pen.u8(2).i64(0),
        };
    }

    pub(crate) fn read(eye: &mut Eye<'_>) -> Self {
        let (kind, time) = (eye.u8(), eye.i64());
        match kind {
            0 => Self::At(time),
            1 => Self::Never,
            _ => Self::Unknown,
        }
    }
}

/// What must leave as it came, part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) payload: u128,
    pub(crate) headers: u64,
    pub(crate) key: u64,
    pub(crate) timestamp: Option<i64>,
}

impl Parts {
    pub(crate) fn write(&self, pen: &mut Pen) {
        pen.u128(self.payload).u64(self.headers).u64(self.key).optional(self.timestamp);
    }

    pub(crate) fn read(eye: &mut Eye<'_>) -> Self {
        Self { payload: eye.u128(), headers: eye.u64(), key: eye.u64(), timestamp: eye.optional() }
    }
}

/// What is known of a record of the input before anything is said of what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) class: Class,
    pub(crate) late: Certainty,
    /// Whether it lies in the span that is judged.
    pub(crate) judged: bool,
    pub(crate) time: Time,
    /// As it leaves by the output or as late.
    pub(crate) parts: Parts,
    /// Its own key, with which it leaves as a dead letter.
    pub(crate) own_key: u64,
    /// The key of a record about it.
    pub(crate) told_key: u64,
    /// The event as a record about it repeats it.
    pub(crate) event: u64,
}

impl Facts {
    pub(crate) fn write(&self, pen: &mut Pen) {
        pen.u8(self.class as u8);
        self.late.write(pen);
        pen.u8(u8::from(self.judged));
        self.time.write(pen);
        self.parts.write(pen);
        pen.u64(self.own_key).u64(self.told_key).u64(self.event);
    }

    pub(crate) fn read(eye: &mut Eye<'_>) -> Self {
        Self {
            class: pick(eye.u8(), &Class::ALL, Class::Failed),
            late: Certainty::read(eye),
            judged: eye.flag(),
            time: Time::read(eye),
            parts: Parts::read(eye),
            own_key: eye.u64(),
            told_key: eye.u64(),
            event: eye.u64(),
        }
    }
}
