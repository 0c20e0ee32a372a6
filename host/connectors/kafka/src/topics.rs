//! Which topic each lane leads to. Not whether it exists: see `check`.

use connectors::ByLane;

/// Where each lane goes; a lane without a topic is not written.
pub type Topics = ByLane<Option<String>>;

/// Each topic, once.
pub(crate) fn names(topics: &Topics) -> Vec<&str> {
    let mut names: Vec<&str> = topics.iter().flatten().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}
