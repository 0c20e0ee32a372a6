//! How similar two uuids are as text. A version 7 uuid shares its beginning with one generated at the same moment, and
//! a retry that counts up differs in one place: both are worth seeing. Not whether they are equal: see
//! [`crate::identity`].

use crate::identity;

use crate::findings::text::head;

/// Bytes of either uuid that are looked at.
const UUID_BYTES_MAX: usize = 256;

/// Hyphens of a uuid.
const HYPHENS: f64 = 4.0;

/// The share of equal bytes, place by place, over the longer of the two: from 0 to 1. Of two uuids, in whatever
/// spelling, only the digits count; of other texts every byte does. 1 for what is the same, and for nothing else but texts
/// that differ after 256 bytes; the same in either order.
#[must_use]
pub fn uuid_similarity(a: &[u8], b: &[u8]) -> f64 {
    if a == b {
        return 1.0;
    }
    match (identity::uuid(a), identity::uuid(b)) {
        // Their hyphens are equal.
        (Some(a), Some(b)) => (equal(&a, &b) - HYPHENS) / (a.len() as f64 - HYPHENS),
        (Some(_) | None, _) => {
            let (a, b) = (head(a, UUID_BYTES_MAX), head(b, UUID_BYTES_MAX));
            equal(a, b) / a.len().max(b.len()).max(1) as f64
        }
    }
}

fn equal(a: &[u8], b: &[u8]) -> f64 {
    // Written without branches: it runs for every duplicate.
    let equal: u16 = a.iter().zip(b).map(|(a, b)| u16::from(a == b)).sum();
    f64::from(equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_count_and_places_do() {
        let check = |a: &str, b: &str, wanted: f64| {
            for (a, b) in [(a, b), (b, a)] {
                let is = uuid_similarity(a.as_bytes(), b.as_bytes());
                assert!((is - wanted).abs() < 1e-12, "{a} {b}: {is}, not {wanted}");
            }
        };
        check("", "", 1.0);
        check("", "a", 0.0);
        check("abcd", "abcd", 1.0);
        check("abcd", "abce", 0.75);
        check("abcd", "bcda", 0.0);
        check("ab", "abcd", 0.5);
        // Other ids than uuids are texts: they may differ in nothing but case.
        check("ABCD", "abcd", 0.0);
        check("ab-cd", "abcd", 0.4);
        let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
        for spelling in [
            "01890A5D-AC96-774B-BCCE-B302099A8057",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        ] {
            check(uuid, spelling, 1.0);
        }
        check(uuid, "01890A5DAC96774BBCCEB302099A8058", 31.0 / 32.0);
        check(uuid, "fedcf5a2-53f9-88b4-4331-4cfdf6657fa8", 0.0);
        check(&"a".repeat(1000), &format!("{}{}", "a".repeat(128), "b".repeat(872)), 0.5);
    }
}
