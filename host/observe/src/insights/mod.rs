//! What duplicates are like, summed up for operators: how similar, how far apart in time, what changed, which keys. Not
//! the decision that an event is a duplicate, and not the score.
//!
//! Each line fills its own [`Findings`] without locks, drops them on rollback, and passes them to the [`Insights`] of
//! the process once their transaction is committed: nothing that was undone is ever counted.

mod answers;
mod explained;
mod findings;
mod histogram;
mod keys;
mod latest;
mod likeness;
mod names;
mod properties;
mod sums;
mod text;
mod totals;
mod uuid;

pub use answers::{
    Bars, DuplicatesAnswer, KeyAnswer, KeysAnswer, LatestAnswer, LatestDuplicate, LatestRow, Outcomes, PropertyAnswer,
};
pub use explained::Explained;
pub use findings::Findings;
pub use likeness::Likeness;
pub use properties::{PropertyCounts, Rows};
pub use sums::Insights;
pub use totals::Totals;
pub use uuid::uuid_similarity;

// For metrics, which read the sums at a scrape.
pub(crate) use histogram::{Histogram, PER_KEY, Spread};
pub(crate) use sums::Scrape;
pub(crate) use text::OTHER;

#[cfg(test)]
pub(crate) mod tests;
