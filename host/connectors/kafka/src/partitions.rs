//! How many partitions the topic had when the group first started, and has now. Keys are spread over all partitions, so
//! they move when partitions are added. A partition that was added later is read from its start, whatever
//! `--kafka-consumer-offset-reset` says; otherwise, what was written to it before it was noticed would be skipped.
//!
//! A small record of this is stored beside the state. If it is lost, the group's offsets tell: a partition without one,
//! in a group that has offsets, was added later or never read. Nothing here asks the broker.

use std::collections::BTreeMap;
use std::io;

use engine::record::{Millis, Offset};
use private_files::PrivateDir;
use serde::{Deserialize, Serialize};

use crate::watch::TopicLook;

/// Name of the record, in the topic's directory under `--store-path`.
const FILE: &str = "partitions.json";

const VERSION: u32 = 1;

/// A record of 200,000 partitions, each with its end, has 6 MB.
const BYTES_MAX: u64 = 64 << 20;

/// Where a group without offsets starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the start of the log.
    Earliest,
    /// At its end.
    Latest,
}

/// What is known of the topic's partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partitions {
    version: u32,
    group: String,
    topic_id: Option<String>,
    /// Whether the group was ever seen with an offset.
    began: bool,
    /// Partitions when the group first started.
    pub(crate) first: i32,
    /// Partitions when last looked at.
    pub(crate) now: i32,
    /// When `now` was last seen to grow, in milliseconds since the epoch.
    grown_at: Option<Millis>,
    /// Where each partition ended when the group first started, if it was told to start there.
    latest_from: BTreeMap<i32, Offset>,
}

/// What a start finds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) group: &'a str,
    pub(crate) topic_id: Option<&'a str>,
    /// Partitions of the topic.
    pub(crate) partitions: i32,
    /// Those that the group has an offset for.
    pub(crate) committed: &'a [i32],
    /// The wall clock, in milliseconds since the epoch.
    pub(crate) now: Millis,
}

impl Partitions {
    /// The record that a text is, if it is one of this version that can have been written.
    fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().filter(|read: &Self| read.version == VERSION && read.is_sound())
    }

    fn is_sound(&self) -> bool {
        (0..=self.now).contains(&self.first)
            && self.latest_from.iter().all(|(partition, end)| *partition >= 0 && *end >= 0)
    }

    /// Whether the ends of the partitions are wanted: the group starts here and now, and at the end.
    pub(crate) fn wants_ends(known: Option<&Self>, found: &Found<'_>, reset: OffsetReset) -> bool {
        reset == OffsetReset::Latest && Self::is_first_start(known, found)
    }

    /// A group without offsets starts for the first time, or anew because they were deleted. A run that ended before
    /// its first commit is the same start still: it has left where the partitions ended.
    fn is_first_start(known: Option<&Self>, found: &Found<'_>) -> bool {
        let known = known.filter(|known| known.is_of(found));
        found.committed.is_empty() && known.is_none_or(|known| known.began || known.latest_from.is_empty())
    }

    /// Whether the record is of this group, on this topic and not on another of the same name.
    fn is_of(&self, found: &Found<'_>) -> bool {
        let other_topic = self.topic_id.as_deref().zip(found.topic_id).is_some_and(|(known, found)| known != found);
        self.group == found.group && !other_topic && self.now <= found.partitions
    }

    /// What is known from now on, and how many partitions have come since the last run. `ends` are those of
    /// [`Partitions::wants_ends`].
    pub(crate) fn at_start(known: Option<Self>, found: &Found<'_>, ends: Option<BTreeMap<i32, Offset>>) -> (Self, i32) {
        let first_start = Self::is_first_start(known.as_ref(), found);
        let known = known.filter(|known| known.is_of(found));
        let mut partitions = match known {
            Some(known) if !first_start => Self { topic_id: found.topic_id.map(str::to_owned), ..known },
            Some(_) | None => {
                // Without a record, the group's offsets say how many partitions there were at least.
                let first = match found.committed.iter().max() {
                    Some(last) if !first_start => last + 1,
                    Some(_) | None => found.partitions,
                };
                Self {
                    version: VERSION,
                    group: found.group.to_owned(),
                    topic_id: found.topic_id.map(str::to_owned),
                    began: false,
                    first,
                    now: first,
                    grown_at: None,
                    latest_from: ends.unwrap_or_default(),
                }
            }
        };
        partitions.began |= !found.committed.is_empty();
        let added = partitions.grows_to(found.partitions, found.now);
        (partitions, added)
    }

    /// Takes up how many there are now. Returns how many have come since the last look.
    pub(crate) fn grows_to(&mut self, partitions: i32, now: Millis) -> i32 {
        let added = (partitions - self.now).max(0);
        if added > 0 {
            self.now = partitions;
            self.grown_at = Some(now);
        }
        added
    }

    /// The group was seen with an offset. Returns whether that is new.
    pub(crate) fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.began, true)
    }

    /// Whether it is not known yet that the group ever had an offset.
    pub(crate) fn has_begun(&self) -> bool {
        self.began
    }

    /// Where a partition without an offset starts, if not at the start of its log.
    pub(crate) fn latest_from(&self, partition: i32) -> Option<Offset> {
        self.latest_from.get(&partition).copied()
    }

    /// Whether the topic is another one than this record is about, and why. Partitions are never taken away.
    pub(crate) fn is_replaced_by(&self, look: &TopicLook) -> Option<String> {
        match (&self.topic_id, look) {
            (_, TopicLook { partitions: None, .. }) => Some("it was deleted".to_owned()),
            (Some(known), TopicLook { topic_id: Some(found), .. }) if known != found => {
                Some(format!("its id was {known} and is {found}"))
            }
            (_, TopicLook { partitions: Some(found), .. }) if *found < self.now => {
                Some(format!("it had {} partitions and has {found}", self.now))
            }
            (_, TopicLook { partitions: Some(_), .. }) => None,
        }
    }

    /// Whether the topic has the same name and is another for certain.
    pub(crate) fn has_another_id(&self, look: &TopicLook) -> bool {
        self.topic_id.as_ref().zip(look.topic_id.as_ref()).is_some_and(|(known, found)| known != found)
    }

    /// What operators are told while keys that have moved may still have duplicates of events from before; `memory` is
    /// how long keys are remembered, `None` for ever.
    pub(crate) fn note(&self, topic: &str, memory: Option<Millis>, now: Millis) -> Option<String> {
        let grown_at = self.grown_at?;
        let is_over = memory.is_some_and(|memory| now.saturating_sub(grown_at) > memory);
        (self.now > self.first && !is_over).then(|| {
            format!(
                "topic {topic} has {} partitions, and had {} when the group first started: keys have moved between \
                 partitions, so duplicates of events from before may pass as unique until the window is over",
                self.now, self.first
            )
        })
    }
}

/// The record in the topic's directory, if there is one. One that cannot be understood is as good as none: the group's
/// offsets tell as well.
pub(crate) fn read(directory: &PrivateDir) -> Option<Partitions> {
    let path = directory.path().join(FILE);
    let text = match directory.read(FILE, BYTES_MAX) {
        Ok(text) => text?,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read what was known of the topic's partitions");
            return None;
        }
    };
    let read = Partitions::parse(&text);
    if read.is_none() {
        tracing::warn!(path = %path.display(), "not a record of a topic's partitions in this version's format; \
         writing a new one");
    }
    read
}

/// Writes the record, whole or not at all.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn write(directory: &PrivateDir, partitions: &Partitions) -> io::Result<()> {
    let mut text = serde_json::to_vec(partitions)?;
    text.push(b'\n');
    directory.replace(FILE, &text)
}

#[cfg(test)]
mod tests {
    use private_files::Trust;

    use super::*;
    use OffsetReset::{Earliest, Latest};

    const DAY: Millis = 86_400_000;

    fn found(partitions: i32, committed: &[i32]) -> Found<'_> {
        Found { group: "g", topic_id: Some("ab"), partitions, committed, now: 1_000 }
    }

    /// What a start makes of what is known, on a topic whose partitions end at ten times their number.
    fn start(known: Option<Partitions>, found: &Found<'_>, reset: OffsetReset) -> Partitions {
        let wanted = Partitions::wants_ends(known.as_ref(), found, reset);
        let ends = wanted.then(|| (0..found.partitions).map(|p| (p, Offset::from(p) * 10 + 10)).collect());
        Partitions::at_start(known, found, ends).0
    }

    fn begins_of(partitions: &Partitions, count: i32) -> Vec<Option<Offset>> {
        (0..count).map(|partition| partitions.latest_from(partition)).collect()
    }

    #[test]
    fn a_new_group_told_to_start_at_the_end_does_so_for_all_partitions_there_are() {
        let first = start(None, &found(2, &[]), Latest);
        assert_eq!(begins_of(&first, 3), [Some(10), Some(20), None], "the third came later: from its start");
        assert_eq!((first.first, first.now, first.note("t", None, 1_000)), (2, 2, None));
        assert_eq!(begins_of(&start(None, &found(2, &[]), Earliest), 2), [None, None]);
    }

    #[test]
    fn partitions_that_come_later_start_at_their_start_with_a_record_and_without() {
        let first = start(None, &found(2, &[]), Latest);
        for known in [Some(first), None] {
            let again = start(known, &found(4, &[0, 1]), Latest);
            assert_eq!(begins_of(&again, 4)[2..], [None, None]);
            assert_eq!((again.first, again.now), (2, 4));
            let note = again.note("t", Some(DAY), 1_000).unwrap();
            assert!(note.contains("4 partitions, and had 2"), "{note}");
            assert_eq!(again.note("t", Some(DAY), 1_001 + DAY), None, "the window is over");
        }
    }

    #[test]
    fn a_first_start_that_ended_before_its_first_commit_is_still_the_first_start() {
        let first = start(None, &found(2, &[]), Latest);
        let again = start(Some(first.clone()), &found(3, &[]), Latest);
        assert_eq!(begins_of(&again, 3), [Some(10), Some(20), None], "where they ended then, not now");
        // Only partition 0 was committed: 1 was there at the first start, and begins where it ended then.
        let part = start(Some(first), &found(2, &[0]), Latest);
        assert_eq!(begins_of(&part, 2), [Some(10), Some(20)]);
        // Without the record nobody knows where that was: from its start, so that nothing is skipped.
        assert_eq!(begins_of(&start(None, &found(2, &[0]), Latest), 2), [None, None]);
    }

    #[test]
    fn a_group_whose_offsets_were_deleted_starts_anew() {
        let first = start(None, &found(2, &[]), Latest);
        let running = start(Some(first), &found(2, &[0, 1]), Latest);
        let anew = start(Some(running), &found(4, &[]), Latest);
        assert_eq!((begins_of(&anew, 4), anew.first), (vec![Some(10), Some(20), Some(30), Some(40)], 4));
        let earliest = start(None, &found(2, &[]), Earliest);
        assert_eq!(begins_of(&start(Some(earliest), &found(2, &[]), Latest), 2), [Some(10), Some(20)]);
    }

    #[test]
    fn a_record_of_another_group_or_topic_says_nothing() {
        let first = start(None, &found(2, &[]), Latest);
        let others = [
            Found { group: "h", ..found(3, &[0, 1, 2]) },
            Found { topic_id: Some("cd"), ..found(3, &[0, 1, 2]) },
            found(1, &[0]),
        ];
        for other in others {
            let made = start(Some(first.clone()), &other, Latest);
            assert_eq!((made.first, made.now), (other.partitions, other.partitions), "{other:?}");
            assert_eq!(made.latest_from(0), None);
        }
        let unknown = Found { topic_id: None, ..found(3, &[0, 1]) };
        assert_eq!(start(Some(first), &unknown, Latest).first, 2, "a broker that gives no ids");
    }

    #[test]
    fn growth_is_told_once() {
        let mut partitions = start(None, &found(2, &[]), Earliest);
        assert_eq!([2, 3, 3, 5].map(|now| partitions.grows_to(now, 7)), [0, 1, 0, 2]);
        assert_eq!((partitions.first, partitions.now), (2, 5));
        assert_eq!([partitions.begins(), partitions.begins()], [true, false]);
    }

    #[test]
    fn a_topic_that_was_replaced_is_told_from_one_that_grew() {
        let partitions = start(None, &found(2, &[]), Earliest);
        let look = |partitions, id: Option<&str>| TopicLook { partitions, topic_id: id.map(str::to_owned) };
        let replaced = |look| partitions.is_replaced_by(&look);
        assert_eq!(replaced(look(Some(2), Some("ab"))), None);
        assert_eq!(replaced(look(Some(9), Some("ab"))), None);
        assert_eq!(replaced(look(Some(2), None)), None, "a broker that does not answer this time");
        assert_eq!(replaced(look(Some(2), Some("cd"))).unwrap(), "its id was ab and is cd");
        assert_eq!(replaced(look(Some(1), None)).unwrap(), "it had 2 partitions and has 1");
        assert_eq!(replaced(look(None, None)).unwrap(), "it was deleted");
        let is_certain = |look| partitions.has_another_id(&look);
        assert!(is_certain(look(Some(2), Some("cd"))));
        assert!(![look(Some(1), Some("ab")), look(Some(1), None), look(None, None)].into_iter().any(is_certain));
    }

    #[test]
    fn the_record_is_read_as_it_was_written_and_nonsense_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let store = PrivateDir::open(directory.path(), Trust::Ours).unwrap();
        let directory = store.below("events").unwrap();
        assert_eq!(read(&directory), None);
        let partitions = start(None, &found(2, &[]), Latest);
        write(&directory, &partitions).unwrap();
        assert_eq!(read(&directory), Some(partitions));
        let of = |first: i32, now: i32, ends: &str| {
            format!(
                r#"{{"version":1,"group":"g","topic_id":null,"began":true,"first":{first},"now":{now},"grown_at":null,"latest_from":{ends}}}"#
            )
        };
        directory.replace(FILE, of(1, 2, r#"{"0":7}"#).as_bytes()).unwrap();
        assert!(read(&directory).is_some());
        let impossible =
            [of(-1, 2, "{}"), of(3, 2, "{}"), of(0, i32::MIN, "{}"), of(1, 2, r#"{"-1":7}"#), of(1, 2, r#"{"0":-7}"#)];
        for nonsense in ["", "{}", "{\"version\":2}"].into_iter().chain(impossible.iter().map(String::as_str)) {
            directory.replace(FILE, nonsense.as_bytes()).unwrap();
            assert_eq!(read(&directory), None, "{nonsense}");
        }
    }

    mod strangers {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #![proptest_config(cases::cases(500))]

            #[test]
            fn any_record_is_one_that_can_have_been_written_or_none(
                numbers in prop::array::uniform4(prop_oneof![-2..9_i32, any::<i32>()]), ends in any::<i64>(),
                at: prop::sample::Index, byte: u8, cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
                partitions in 0..20_i32,
            ) {
                let [first, now, of, version] = numbers;
                let mut text = format!(
                    r#"{{"version":{},"group":"g","topic_id":"ab","began":false,"first":{first},"now":{now},"grown_at":{ends},"latest_from":{{"{of}":{ends}}}}}"#,
                    if version % 3 == 0 { version } else { 1 },
                ).into_bytes();
                let at = at.index(text.len());
                if byte % 2 == 0 {
                    text[at] = byte;
                }
                text.truncate(cut.map_or(text.len(), |cut| cut.index(text.len())));
                if let Some(read) = Partitions::parse(&text) {
                    prop_assert!(read.first >= 0 && read.first <= read.now && read.version == VERSION);
                    let again = serde_json::to_vec(&read).unwrap();
                    prop_assert_eq!(Partitions::parse(&again), Some(read.clone()));
                    let known = start(Some(read), &found(partitions, &[0]), Latest);
                    prop_assert!(known.is_sound() && known.now <= partitions.max(1));
                    let _note = known.note("t", Some(DAY), Millis::MAX);
                }
            }
        }
    }
}
