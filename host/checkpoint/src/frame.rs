//! The frame of what a depot says about its objects: one line with what it is, its format and the digest of the rest, and
//! a JSON object. A person can read it; one flipped bit is noticed. Not what is in the object.
//!
//! Later versions add members, which are passed over. One that must be understood is named in `requires`, and a reader that
//! does not know it refuses it by that name.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use plain_text::hex;

/// The format that this version writes, and the only one that it reads. Raise it when the first line or a member would be
/// misread; a new member is none of that.
const FORMAT_VERSION: u32 = 1;

const MAGIC: &str = "dedup-host checkpoint";

/// What must be understood, of all that was ever written: nothing beyond format 1.
const KNOWN: [&str; 0] = [];

/// Bytes of the first line at most.
const HEAD_BYTES_MAX: usize = 256;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// What a checkpoint consists of.
    Manifest,
    /// Which checkpoint is the newest.
    Pointer,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Pointer => "newest",
        }
    }
}

/// Why a frame cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// A later version wrote it; what is not known, in words.
    Unknown(String),
    /// It is not what was written.
    Damaged(String),
}

#[derive(Deserialize)]
struct Requires {
    #[serde(default)]
    requires: Vec<String>,
}

/// A whole frame.
pub(crate) fn encode<T: Serialize>(what: What, body: &T) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_vec_pretty(body)?;
    let digest = hex(&Sha256::digest(&body));
    let mut bytes = format!("{MAGIC} {} {FORMAT_VERSION} sha256 {digest}\n", what.word()).into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// What is in a frame, if nothing about it is wrong.
pub(crate) fn decode<T: DeserializeOwned>(what: What, bytes: &[u8]) -> Result<T, FrameError> {
    let damaged = |cause: &str| FrameError::Damaged(cause.to_owned());
    let end = bytes.iter().take(HEAD_BYTES_MAX).position(|byte| *byte == b'\n');
    let (head, rest) =
        end.and_then(|end| bytes.split_at_checked(end)).ok_or_else(|| damaged("it has no first line"))?;
    let head = std::str::from_utf8(head).map_err(|_| damaged("its first line is no text"))?;
    let fields = head.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as one of ours"))?;
    let body = rest.get(1..).unwrap_or_default();
    let mut fields = fields.trim_start().split(' ');
    let mut field = || fields.next().unwrap_or_default();
    let (word, version, algorithm, digest) = (field(), field(), field(), field());
    let version: u32 = version.parse().map_err(|_| damaged("its first line names no format"))?;
    if version != FORMAT_VERSION {
        return Err(FrameError::Unknown(format!("format {version}")));
    }
    let expected = format!("{MAGIC} {} {FORMAT_VERSION} sha256 {}", what.word(), hex(&Sha256::digest(body)));
    if head != expected {
        let is_other = word != what.word() && algorithm == "sha256" && digest == hex(&Sha256::digest(body));
        return Err(damaged(if is_other { "it is something else" } else { "its digest is another" }));
    }
    let parsed = |error: serde_json::Error| FrameError::Damaged(format!("it cannot be understood: {error}"));
    let Requires { requires } = serde_json::from_slice(body).map_err(parsed)?;
    if let Some(unknown) = requires.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(FrameError::Unknown(format!("`{unknown}`")));
    }
    serde_json::from_slice(body).map_err(parsed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(bytes: &[u8]) -> Result<Value, FrameError> {
        decode(What::Manifest, bytes)
    }

    #[test]
    fn what_must_be_understood_is_refused_by_name_and_other_members_pass() {
        let known = json!({ "a": 1, "later": { "b": [] } });
        assert_eq!(read(&encode(What::Manifest, &known).unwrap()), Ok(known));
        let unknown = encode(What::Manifest, &json!({ "requires": ["zstd"] })).unwrap();
        assert_eq!(read(&unknown), Err(FrameError::Unknown("`zstd`".into())));
    }

    #[test]
    fn another_format_and_another_thing_are_told() {
        let bytes = encode(What::Manifest, &json!({})).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let later = text.replace(" 1 sha256", " 2 sha256");
        assert_eq!(read(later.as_bytes()), Err(FrameError::Unknown("format 2".into())));
        assert_eq!(decode::<Value>(What::Pointer, &bytes), Err(FrameError::Damaged("it is something else".into())));
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn no_damage_passes(text in ".{0,40}", at: prop::sample::Index, bit in 0..8_u32, cut: prop::sample::Index) {
            let bytes = encode(What::Manifest, &json!({ "text": text })).unwrap();
            let mut damaged = bytes.clone();
            damaged[at.index(bytes.len())] ^= 1 << bit;
            prop_assert!(read(&damaged).is_err());
            prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
            prop_assert!(read(&[&bytes[..], b" "].concat()).is_err());
        }

        #[test]
        fn any_bytes_of_strangers_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
            prop_assert!(read(&[MAGIC.as_bytes(), &bytes].concat()).is_err());
        }
    }
}
