//! A record of the input with what the lanes say of it by its coordinates, and what its keys come to. Not yet whether the
//! output has it.

use crate::facts::{Facts, Place};
use crate::row::{Eye, Pen};
use crate::told::Stage;

/// What lanes that name records say of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Records in the duplicates lane.
    pub(crate) duplicates: u16,
    /// Dead letters.
    pub(crate) dead: u16,
    /// Of the last dead letter.
    pub(crate) stage: Option<Stage>,
    pub(crate) is_stub: bool,
    /// The original that the last record of the duplicates lane names.
    pub(crate) claim: Option<i64>,
}

impl Marks {
    /// Whether a lane has it that names records.
    pub(crate) fn is_accounted(&self) -> bool {
        self.duplicates > 0 || self.dead > 0
    }

    pub(crate) fn write(&self, pen: &mut Pen) {
        pen.u16(self.duplicates).u16(self.dead).u8(self.stage.map_or(0, Stage::number));
        pen.u8(u8::from(self.is_stub)).optional(self.claim);
    }

    pub(crate) fn read(eye: &mut Eye<'_>) -> Self {
        Self {
            duplicates: eye.u16(),
            dead: eye.u16(),
            stage: Stage::of_number(eye.u8()),
            is_stub: eye.flag(),
            claim: eye.optional(),
        }
    }
}

/// What follows from the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// No earlier event within the window has one of them.
    Nothing,
    /// An earlier one has.
    Original {
        offset: i64,
        /// Whether it is that one for sure.
        is_sure: bool,
        /// Whether the original that was claimed could be it.
        is_possible: bool,
    },
    /// Nobody can say.
    Unsure {
        /// Whether the original that was claimed could be it.
        is_possible: bool,
    },
}

impl Met {
    pub(crate) fn write(self, pen: &mut Pen) {
        let (kind, offset, is_sure, is_possible) = match self {
            Self::Nothing => (0, 0, false, false),
            Self::Original { offset, is_sure, is_possible } => (1, offset, is_sure, is_possible),
            Self::Unsure { is_possible } => (2, 0, false, is_possible),
        };
        pen.u8(kind).i64(offset).u8(u8::from(is_sure)).u8(u8::from(is_possible));
    }

    pub(crate) fn read(eye: &mut Eye<'_>) -> Self {
        let (kind, offset, is_sure, is_possible) = (eye.u8(), eye.i64(), eye.flag(), eye.flag());
        match kind {
            0 => Self::Nothing,
            1 => Self::Original { offset, is_sure, is_possible },
            _ => Self::Unsure { is_possible },
        }
    }

    /// What two keys of one event come to, the first of which comes first in the plugin's order.
    pub(crate) fn and(self, other: Self) -> Self {
        let is_possible = self.is_possible() || other.is_possible();
        match (self, other) {
            (Self::Original { offset, is_sure, .. }, _) => Self::Original { offset, is_sure, is_possible },
            (Self::Nothing, Self::Original { offset, is_sure, .. }) => Self::Original { offset, is_sure, is_possible },
            (Self::Unsure { .. }, Self::Original { offset, .. }) => {
                Self::Original { offset, is_sure: false, is_possible }
            }
            (Self::Nothing, Self::Nothing) => Self::Nothing,
            (Self::Nothing | Self::Unsure { .. }, _) => Self::Unsure { is_possible },
        }
    }

    fn is_possible(self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Original { is_possible, .. } | Self::Unsure { is_possible } => is_possible,
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) place: Place,
    pub(crate) facts: Facts,
    pub(crate) marks: Marks,
    pub(crate) met: Met,
}

impl Joined {
    pub(crate) fn write(&self, pen: &mut Pen) {
        write_place(self.place, pen);
        self.facts.write(pen);
        self.marks.write(pen);
        self.met.write(pen);
    }

    pub(crate) fn read(eye: &mut Eye<'_>) -> Self {
        Self { place: read_place(eye), facts: Facts::read(eye), marks: Marks::read(eye), met: Met::read(eye) }
    }
}

pub(crate) fn write_place(place: Place, pen: &mut Pen) {
    pen.i32(place.partition).i64(place.offset);
}

pub(crate) fn read_place(eye: &mut Eye<'_>) -> Place {
    Place { partition: eye.i32(), offset: eye.i64() }
}
