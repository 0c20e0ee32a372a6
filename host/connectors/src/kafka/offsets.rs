//! Offsets of a group with the text that is kept beside each. Not what the text says.

use engine::record::Offset;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::KafkaFailure;

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: i32,
    /// The next offset to read; `None`: nothing was ever committed.
    pub offset: Option<Offset>,
    /// The text beside it, which anybody may have written; empty where there is none.
    pub metadata: String,
}

/// What a group is to commit for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: Offset,
    /// The text beside it. The broker takes `offset.metadata.max.bytes`, 4096 by default.
    pub metadata: String,
}

pub(super) fn to_list(topic: &str, commits: &[Commit]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for commit in commits {
        let mut element = list.add_partition(topic, commit.partition);
        element.set_offset(KafkaOffset::Offset(commit.offset))?;
        // An empty one would be allocated with no bytes, which need not be an address.
        if !commit.metadata.is_empty() {
            element.set_metadata(&commit.metadata);
        }
    }
    Ok(list)
}

/// # Errors
/// The first error that the broker had with a partition.
pub(super) fn from_list(list: &TopicPartitionList) -> KafkaResult<Vec<Committed>> {
    let mut committed = Vec::with_capacity(list.count());
    for (element, metadata) in list.elements().iter().zip(native::metadata(list)) {
        element.error()?;
        let offset = match element.offset() {
            KafkaOffset::Offset(offset) => Some(offset),
            KafkaOffset::Beginning
            | KafkaOffset::End
            | KafkaOffset::Stored
            | KafkaOffset::Invalid
            | KafkaOffset::OffsetTail(_) => None,
        };
        committed.push(Committed { partition: element.partition(), offset, metadata });
    }
    Ok(committed)
}

/// The failure where the broker finds the text beside an offset too long.
pub(super) fn too_large(error: &KafkaError, commits: &[Commit]) -> Option<KafkaFailure> {
    let chars = commits.iter().map(|commit| commit.metadata.len()).max().unwrap_or(0);
    let is_too_large = error.rdkafka_error_code() == Some(RDKafkaErrorCode::OffsetMetadataTooLarge);
    is_too_large.then_some(KafkaFailure::MetadataTooLarge { chars })
}

/// What the safe interface cannot do: it panics where the text is not UTF-8, and anybody may have written it.
mod native {
    use rdkafka::TopicPartitionList;

    /// The text of each element, in order; what is not UTF-8 is replaced.
    #[expect(unsafe_code, reason = "the safe accessor panics on text that is not UTF-8")]
    pub(super) fn metadata(list: &TopicPartitionList) -> Vec<String> {
        let text = |index: usize| {
            // SAFETY: the list lives, `index` is below its count, and an element's metadata is null or has that size.
            unsafe {
                let element = &*(*list.ptr()).elems.add(index);
                if element.metadata.is_null() || element.metadata_size == 0 {
                    return String::new();
                }
                let bytes = std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
                String::from_utf8_lossy(bytes).into_owned()
            }
        };
        (0..list.count()).map(text).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::super::{Commit, to_list};

        #[test]
        fn text_comes_back_and_none_is_empty() {
            let commit = |partition, metadata: &str| Commit { partition, offset: 7, metadata: metadata.to_owned() };
            let list = to_list("topic", &[commit(0, "täxt"), commit(1, "")]).unwrap();
            assert_eq!(super::metadata(&list), ["täxt", ""]);
        }
    }
}
