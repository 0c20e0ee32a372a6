//! Findings about duplicates, summed up for operators: how similar they are, how far apart in time, what changed, which
//! keys. Neither the decision that an event is a duplicate nor the score.
//!
//! Each line fills its own [`engine::findings::Findings`] without locks, drops them on rollback, and passes them to the
//! [`Insights`] of the process once their transaction is committed: nothing that was undone is ever counted.

mod answers;
mod keys;
mod latest;
mod names;
mod sums;
mod text;
mod totals;

pub use answers::{
    Bars, DuplicatesAnswer, KeyAnswer, KeysAnswer, LatestAnswer, LatestDuplicate, LatestRow, Outcomes, PropertyAnswer,
};
pub use sums::Insights;
pub use totals::Totals;

// For metrics, which read the sums at a scrape.
pub(crate) use sums::Scrape;
pub(crate) use text::OTHER;

#[cfg(test)]
pub(crate) mod tests;
