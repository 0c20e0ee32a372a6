//! Which partition of which group and topic a checkpoint is of, and the names of its objects. Not the objects.

use std::fmt;

use plain_text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes of one escaped part of a name: file systems allow 255, and temporary files need some.
const PART_BYTES_MAX: usize = 200;
/// What is left of a part that is longer, before its digest.
const PART_BYTES_KEPT: usize = 100;

/// Stands before two hexadecimal digits of an escaped byte. Object stores give it no meaning.
const ESCAPE: char = '=';
/// Between the name of a topic and its id: no escaped byte is written so.
const ID: &str = "=.";
/// Between what is left of a long part and its digest.
const CUT: &str = "=-";

/// Which partition of which group and topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The consumer group.
    pub group: String,
    /// The input topic.
    pub topic: String,
    /// Its id, where the broker gives one: a topic of the same name that was created anew is another.
    pub topic_id: Option<String>,
    /// The partition.
    pub partition: u32,
}

impl Place {
    /// Where its objects are, below the depot: three names with slashes between them.
    pub(crate) fn prefix(&self) -> String {
        let mut topic = escaped(&self.topic);
        if let Some(id) = &self.topic_id {
            topic.push_str(ID);
            topic.push_str(&escaped(id));
        }
        format!("{}/{topic}/{}", escaped(&self.group), self.partition)
    }

    /// The place whose objects are there, unless one of its names was too long.
    pub(crate) fn of_prefix(group: &str, topic: &str, partition: &str) -> Option<Self> {
        let (topic, id) = topic.split_once(ID).map_or((topic, None), |(topic, id)| (topic, Some(id)));
        let topic_id = match id {
            Some(id) => Some(unescaped(id)?),
            None => None,
        };
        let partition = partition.parse().ok()?;
        Some(Self { group: unescaped(group)?, topic: unescaped(topic)?, topic_id, partition })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "group {}, {}/{}", self.group, self.topic, self.partition)
    }
}

/// Letters, digits, dots, hyphens and underscores stay, but a dot at the front: every other byte is `=` and two digits.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && at > 0);
        if is_plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("{ESCAPE}{byte:02X}"));
        }
    }
    match out.get(..PART_BYTES_KEPT) {
        // No name is empty, and no escaped one is a single `=`.
        _ if out.is_empty() => ESCAPE.to_string(),
        Some(kept) if out.len() > PART_BYTES_MAX => format!("{kept}{CUT}{}", hex(&Sha256::digest(name))),
        Some(_) | None => out,
    }
}

fn unescaped(part: &str) -> Option<String> {
    if part == ESCAPE.to_string() {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if char::from(*first) != ESCAPE {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(group: &str, topic: &str, id: Option<&str>) -> Place {
        Place { group: group.into(), topic: topic.into(), topic_id: id.map(Into::into), partition: 7 }
    }

    #[test]
    fn ordinary_names_stay_as_they_are_and_no_name_leads_elsewhere() {
        for (place, prefix) in [
            (place("dedup", "events.raw", None), "dedup/events.raw/7"),
            (place("dedup", "events_raw-2", Some("Zm9vYmFy")), "dedup/events_raw-2=.Zm9vYmFy/7"),
            (place("..", ".", None), "=2E./=2E/7"),
            (place("", "a/b", None), "=/a=2Fb/7"),
            (place("gr\u{fc}n", "=2F", Some("a+b")), "gr=C3=BCn/=3D2F=.a=2Bb/7"),
        ] {
            assert_eq!(place.prefix(), prefix);
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let (one, other) = (place(&"a".repeat(900), "t", None), place(&"a".repeat(901), "t", None));
        assert_ne!(one.prefix(), other.prefix());
        let prefix = one.prefix();
        let group = prefix.split('/').next().unwrap();
        assert!(group.len() <= PART_BYTES_MAX);
        assert_eq!(Place::of_prefix(group, "t", "7"), None, "only what is written in a manifest says what it was");
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn every_place_comes_back_from_its_names(
            group in ".{0,15}", topic in ".{0,15}", id in prop::option::of(".{0,10}"), partition: u32,
        ) {
            let place = Place { group, topic, topic_id: id, partition };
            let prefix = place.prefix();
            let parts: Vec<_> = prefix.split('/').collect();
            let [group, topic, partition] = parts[..] else { panic!("{prefix}") };
            prop_assert_eq!(Place::of_prefix(group, topic, partition), Some(place));
        }
    }
}
