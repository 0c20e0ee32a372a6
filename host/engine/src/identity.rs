//! What an event is called: the scalar at the uuid field, and when two of them are one. Not a key, and not how alike two
//! of them are.
//!
//! Any string that is not empty, number or boolean is an identity, by its text; null, objects, arrays and nothing are
//! none. Numbers go by value, so that 1 is 1.0, as everywhere else where duplicates are compared. Uuids go by value too:
//! capitals, hyphens, braces and `urn:uuid:` do not count. All other text is compared as it is, for it may be base 64.

use std::borrow::Cow;

use crate::fields::Kind;
use crate::projection::Numbers;

/// Bytes of a uuid as RFC 9562 writes it: 32 digits and 4 hyphens.
const UUID_BYTES: usize = 36;

/// Hexadecimal digits of a uuid.
const DIGITS: usize = 32;

/// Where hyphens stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// The uuid that a text spells, in lower case with hyphens; `None` where it is no uuid. Spellings are 32 hexadecimal
/// digits in any case, with hyphens after the 8th, 12th, 16th and 20th or with none, in braces or not, after `urn:uuid:`
/// or not.
#[must_use]
pub fn uuid(text: &[u8]) -> Option<[u8; UUID_BYTES]> {
    const URN: &[u8] = b"urn:uuid:";
    let text = match text.split_at_checked(URN.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(URN) => rest,
        Some(_) | None => text,
    };
    let text = text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}")).unwrap_or(text);
    let mut uuid = [b'-'; UUID_BYTES];
    match text.len() {
        UUID_BYTES => uuid.copy_from_slice(text),
        DIGITS => {
            let places = uuid.iter_mut().enumerate().filter(|(at, _)| !HYPHENS.contains(at));
            places.zip(text).for_each(|((_, place), digit)| *place = *digit);
        }
        _ => return None,
    }
    uuid.make_ascii_lowercase();
    let is_in_place = |(at, byte): (usize, &u8)| {
        if HYPHENS.contains(&at) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
    };
    uuid.iter().enumerate().all(is_in_place).then_some(uuid)
}

/// The value at the uuid field as it stands in the event, where it is an identity. `kind` is a number of [`Kind`].
#[must_use]
#[inline]
pub fn as_written(kind: u8, value: &[u8]) -> Option<&[u8]> {
    const SCALARS: [u8; 3] = [Kind::Bool as u8, Kind::Number as u8, Kind::String as u8];
    // A string with half a surrogate pair, which UTF-8 cannot hold, comes as JSON text.
    let is_scalar = SCALARS.contains(&kind) || (kind == Kind::Json as u8 && value.starts_with(b"\""));
    (is_scalar && !value.is_empty()).then_some(value)
}

/// The identity that a value is, as text: a number by its value, all else as written.
#[must_use]
pub fn identity(kind: u8, value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let written = as_written(kind, value)?;
    if kind != Kind::Number as u8 {
        return Some(Cow::Borrowed(written));
    }
    let mut number = Vec::with_capacity(written.len());
    Numbers::Canonical.write(written, &mut number);
    Some(if number == written { Cow::Borrowed(written) } else { Cow::Owned(number) })
}

/// Whether two identities, as texts, are one.
#[must_use]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one == other || uuid(one).is_some_and(|one| uuid(other) == Some(one))
}

/// Whether an identity, as text, may be that of a number or boolean, so that a string of the same text is the same.
#[must_use]
pub fn is_bare(identity: &[u8]) -> bool {
    let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e');
    identity.iter().all(is_of_number) || identity == b"true" || identity == b"false"
}

/// Hands over the one text of all spellings of an identity.
pub fn with_spelling<T>(identity: &[u8], then: impl FnOnce(&[u8]) -> T) -> T {
    match uuid(identity) {
        Some(uuid) => then(&uuid),
        None => then(identity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn text(uuid: Option<[u8; UUID_BYTES]>) -> Option<String> {
        uuid.map(|uuid| String::from_utf8(uuid.to_vec()).unwrap())
    }

    #[test]
    fn spellings_of_a_uuid() {
        for spelling in [
            UUID,
            "01890A5D-AC96-774B-BCCE-B302099A8057",
            "01890a5dac96774bbcceb302099a8057",
            "01890A5DAC96774BBCCEB302099A8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "{01890A5DAC96774BBCCEB302099A8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "URN:UUID:01890A5D-AC96-774B-BCCE-B302099A8057",
            "urn:uuid:{01890a5d-ac96-774b-bcce-b302099a8057}",
        ] {
            assert_eq!(text(uuid(spelling.as_bytes())).as_deref(), Some(UUID), "{spelling}");
            assert!(is_same(spelling.as_bytes(), UUID.as_bytes()));
            assert_eq!(with_spelling(spelling.as_bytes(), <[u8]>::to_vec), UUID.as_bytes());
        }
    }

    #[test]
    fn what_is_no_uuid_is_itself_alone() {
        for other in [
            "",
            "{}",
            "a",
            "ABC",
            "abc",
            "a-b-c",
            "01890a5d-ac96-774b-bcce-b302099a805",
            "01890a5d-ac96-774b-bcce-b302099a80577",
            "01890a5d-ac96-774b-bcce-b302099a805g",
            "01890a5dac-96-774b-bcce-b302099a8057",
            "01890a5d_ac96_774b_bcce_b302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a8057}",
            "(01890a5d-ac96-774b-bcce-b302099a8057)",
            " 01890a5d-ac96-774b-bcce-b302099a8057",
            "uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "--------01890a5dac96774bbcceb302099a",
        ] {
            assert_eq!(uuid(other.as_bytes()), None, "{other}");
            assert_eq!(with_spelling(other.as_bytes(), <[u8]>::to_vec), other.as_bytes());
            assert!(!is_same(other.as_bytes(), UUID.as_bytes()));
        }
        assert!(!is_same(b"ABC", b"abc") && !is_same(b"abc", b"a-bc") && is_same(b"abc", b"abc"));
    }

    #[test]
    fn any_scalar_is_an_identity() {
        let of = |kind: Kind, value: &str| {
            identity(kind as u8, value.as_bytes()).map(|text| String::from_utf8(text.into_owned()).unwrap())
        };
        assert_eq!(of(Kind::String, "a").as_deref(), Some("a"));
        assert_eq!(of(Kind::String, "1.0").as_deref(), Some("1.0"), "a text is no number");
        for number in ["102", "102.0", "1.02e2"] {
            assert_eq!(of(Kind::Number, number).as_deref(), Some("102"));
            assert_eq!(as_written(Kind::Number as u8, number.as_bytes()), Some(number.as_bytes()));
        }
        assert_eq!(of(Kind::Number, "0").as_deref(), Some("0"));
        assert_eq!(of(Kind::Bool, "false").as_deref(), Some("false"));
        for (kind, value) in
            [(Kind::String, ""), (Kind::Null, ""), (Kind::Absent, ""), (Kind::Json, "{}"), (Kind::Json, "[1]")]
        {
            assert_eq!(of(kind, value), None);
        }
    }

    #[test]
    fn what_may_be_a_number_or_a_boolean() {
        for bare in ["1", "-0.5", "1e+300", "true", "false"] {
            assert!(is_bare(bare.as_bytes()), "{bare}");
        }
        for text in ["a", UUID, "True", "0x1"] {
            assert!(!is_bare(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn every_spelling_of_a_random_uuid_is_that_uuid(
            value: u128, upper: bool, hyphens: bool, braces: bool, urn: bool, flip in 0_u32..128,
        ) {
            let spell = |value: u128| {
                let digits = format!("{value:032x}");
                let digits = if upper { digits.to_uppercase() } else { digits };
                let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits[part].to_owned());
                let body = parts.join(if hyphens { "-" } else { "" });
                let body = if braces { format!("{{{body}}}") } else { body };
                if urn { format!("urn:uuid:{body}") } else { body }
            };
            let plain = format!("{value:032x}");
            prop_assert!(is_same(spell(value).as_bytes(), plain.as_bytes()));
            prop_assert!(!is_same(spell(value ^ (1 << flip)).as_bytes(), plain.as_bytes()));
        }
    }
}
