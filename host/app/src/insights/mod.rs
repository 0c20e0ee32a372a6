//! What duplicates are like, summed up for operators: how similar, how far apart in time, what changed, which keys. Not
//! the decision that an event is a duplicate, and not the score.
//!
//! Each line fills its own [`Findings`] without locks, drops them on rollback, and passes them to the [`Insights`] of
//! the process once their transaction is committed: nothing that was undone is ever counted.

mod answers;
mod collector;
mod findings;
mod histogram;
mod keys;
mod latest;
mod likeness;
mod names;
mod properties;
mod sums;
mod text;
mod uuid;

pub use answers::{
    Bars, DuplicatesAnswer, KeyAnswer, KeysAnswer, LatestAnswer, LatestDuplicate, LatestRow, Outcomes, PropertyAnswer,
};
pub use collector::InsightsCollector;
pub use findings::{Explained, Findings};
pub use likeness::Likeness;
pub use properties::{PropertyCounts, Rows};
pub use sums::{Insights, Totals};
pub use uuid::uuid_similarity;

#[cfg(test)]
mod tests;
