//! What one line found out about duplicates since its last commit: how similar, how far apart in time, what changed,
//! which keys. Sums, in bounded memory, without locks and without a clock: the line's thread fills them for every
//! duplicate. Not the decision that an event is a duplicate, not the score, and not what the process knows: that is summed
//! up from these.

mod explained;
mod gathered;
mod histogram;
mod keys;
mod latest;
mod likeness;
mod properties;
mod text;
mod uuid;

pub use explained::Explained;
pub use gathered::{Findings, Gathered, KeySpreads, Shape};
pub use histogram::{GAP_SECONDS, Histogram, PER_KEY, SIMILARITY, Spread};
pub use keys::{HeavyKey, KEY_BYTES_MAX, KEYS_MAX, LineKeys};
pub use latest::{KeptDuplicate, KeptRow, LATEST_PER_COMMIT_MAX, LineLatest, Side, TEXT_CHARS_MAX};
pub use likeness::Likeness;
pub use properties::{Change, NAMES_MAX, Properties, PropertyCounts, Rows};
pub use text::{PATH_BYTES_MAX, head, path_key};
pub use uuid::uuid_similarity;
