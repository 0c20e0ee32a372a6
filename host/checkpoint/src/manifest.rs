//! What a checkpoint says about itself: whose it is, how far it reaches, and its files with their digests. Not the files.
//!
//! Objects of a place, below its prefix:
//!
//! ```text
//! newest                                          which manifest is the newest, and the epoch that may move it
//! manifests/OFFSET.EPOCH.GENERATION.RANDOM        written when all of its objects are there
//! objects/GENERATION/SHA256                       the bytes of a file, named by their digest
//! leases/RANDOM                                   a copy of the manifest that somebody is fetching
//! ```
//!
//! A generation begins with a checkpoint that sends everything anew; the ones after it send what is not there yet.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::DepotError;
use crate::frame::{self, FrameError, What};
use crate::place::Place;

/// Bytes of a manifest that is believed: a file takes some 150.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// What the caller says about a snapshot, and reads again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What the state belongs to, in the caller's words.
    pub identity: String,
    /// The offset after the last one that it contains; `None`: nothing was ever persisted.
    pub next_offset: Option<u64>,
    /// A digest of the seed that its keys are hashed with.
    pub seed: String,
    /// When it was captured, in milliseconds since 1970.
    pub taken_at_ms: i64,
    /// The epoch of the partition's owner: see [`Depot::claim`](crate::Depot::claim).
    pub epoch: u64,
    /// Whatever else the caller wants to know again.
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Its path in the snapshot's directory, with slashes.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What a checkpoint says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// What a reader must understand, beyond the format.
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    /// The name that it is written under: one that was copied over another is noticed.
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) about: About,
    pub(crate) generation: u64,
    /// Checkpoints since the one that sent everything.
    pub(crate) since_full: u32,
    /// The one whose objects it relied on.
    pub(crate) parent: Option<String>,
    pub(crate) files: Vec<Member>,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub(crate) body: Body,
    pub(crate) is_newest: bool,
}

impl Manifest {
    /// Its name in its place.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.body.name
    }

    /// What its writer said about it.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.body.about
    }

    /// Which partition it is of.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.body.place
    }

    /// How many files it has.
    #[must_use]
    pub fn files(&self) -> usize {
        self.body.files.len()
    }

    /// Bytes of them together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.body.bytes()
    }

    /// Whether it is the one that was published last.
    #[must_use]
    pub fn is_newest(&self) -> bool {
        self.is_newest
    }

    /// Whether all of it was sent anew, trusting nothing that was there.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.body.since_full == 0
    }
}

impl Body {
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Where the bytes of a file are.
    pub(crate) fn object(&self, file: &Member) -> String {
        object(self.generation, &file.sha256)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        frame::encode(What::Manifest, self)
    }

    /// The manifest that was read there, if nothing about it is wrong.
    pub(crate) fn decode(bytes: &[u8], place: &Place, name: &str, object: &str) -> Result<Self, DepotError> {
        let body = Self::decode_copy(bytes, object)?;
        let is_its = body.name == name && body.place == *place;
        if is_its { Ok(body) } else { Err(DepotError::damaged(object, "it is the manifest of another checkpoint")) }
    }

    /// The manifest that somebody has copied.
    pub(crate) fn decode_copy(bytes: &[u8], object: &str) -> Result<Self, DepotError> {
        let body: Self = frame::decode(What::Manifest, bytes).map_err(|error| framed(error, object))?;
        let mut names = HashSet::new();
        for file in &body.files {
            if !is_plain(&file.name) || !is_digest(&file.sha256) || !names.insert(&file.name) {
                return Err(DepotError::damaged(
                    object,
                    format!("it names a file {:?} that no snapshot has", file.name),
                ));
            }
        }
        Ok(body)
    }
}

pub(crate) fn framed(error: FrameError, object: &str) -> DepotError {
    match error {
        FrameError::Damaged(cause) => DepotError::damaged(object, cause),
        FrameError::Unknown(what) => DepotError::Unknown { object: object.to_owned(), what },
    }
}

/// Where the bytes with this digest are, in this generation.
pub(crate) fn object(generation: u64, sha256: &str) -> String {
    format!("{}/{sha256}", generation_dir(generation))
}

/// Where the objects of a generation are.
pub(crate) fn generation_dir(generation: u64) -> String {
    format!("objects/{generation:010}")
}

/// What the name of a manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) epoch: u64,
    pub(crate) next_offset: u64,
    pub(crate) generation: u64,
}

impl Rank {
    pub(crate) fn name(self, random: &str) -> String {
        format!("{:020}.{:020}.{:010}.{random}", self.next_offset, self.epoch, self.generation)
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let mut fields = name.split('.');
        let mut field = || fields.next()?.parse().ok();
        let (next_offset, epoch, generation) = (field()?, field()?, field()?);
        let rank = Self { epoch, next_offset, generation };
        fields.next().filter(|random| *random == name.rsplit('.').next().unwrap_or_default())?;
        Some(rank)
    }
}

/// A path that leads to a file in the directory and nowhere else.
pub(crate) fn is_plain(name: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '\\']);
    name.split('/').all(is_plain)
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_a_snapshot() {
        for name in ["CURRENT", "000012.sst", "filters/1.0.3.filter", "a/b/c", "..a", "\u{e4}"] {
            assert!(is_plain(name), "{name}");
        }
        for name in
            ["", ".", "..", "/etc/passwd", "../CURRENT", "filters/", "filters/../CURRENT", "a//b", "a\0", "a\\b"]
        {
            assert!(!is_plain(name), "{name}");
        }
    }

    #[test]
    fn the_name_of_a_manifest_says_what_it_is() {
        let rank = Rank { epoch: 7, next_offset: u64::MAX, generation: 3 };
        let name = rank.name("00ff");
        assert_eq!(name, "18446744073709551615.00000000000000000007.0000000003.00ff");
        assert_eq!(Rank::of_name(&name), Some(rank));
        for strange in ["", "1.2.3", "a.2.3.4", "1.2.3.4.5", "note.txt"] {
            assert_eq!(Rank::of_name(strange), None, "{strange}");
        }
    }
}
