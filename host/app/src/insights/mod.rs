//! What duplicates are like, summed up for operators: not the decision that an event is one.

mod likeness;

pub use likeness::Likeness;
