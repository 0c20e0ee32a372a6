//! How alike two uuids are as texts. A version 7 uuid shares its beginning with one made in the same moment, and a
//! retry that counts up differs in one place: both are worth seeing. Not a measure for texts in general.

use super::text::head;

/// Bytes of either uuid that are looked at.
const UUID_BYTES_MAX: usize = 256;

/// The share of equal characters, place by place, over the longer of the two: from 0 to 1. Hyphens are left out and
/// ASCII case does not count. 1 for a uuid and itself, and for two empty ones; the same in either order. Of very long
/// texts only the first 256 bytes count.
#[must_use]
pub fn uuid_similarity(a: &[u8], b: &[u8]) -> f64 {
    if a == b {
        return 1.0;
    }
    let (a, b) = (head(a, UUID_BYTES_MAX), head(b, UUID_BYTES_MAX));
    if let Some(similarity) = in_one_notation(a, b) {
        return similarity;
    }
    let (mut left, mut right) = ([0; UUID_BYTES_MAX], [0; UUID_BYTES_MAX]);
    let (left, right) = (digits(a, &mut left), digits(b, &mut right));
    let longer = left.len().max(right.len());
    if longer == 0 {
        return 1.0;
    }
    let equal = left.iter().zip(right).filter(|(a, b)| a == b).count();
    equal as f64 / longer as f64
}

/// The answer where hyphens stand at the same places, as they do in nearly all pairs: found without moving a byte.
fn in_one_notation(a: &[u8], b: &[u8]) -> Option<f64> {
    let (mut elsewhere, mut equal, mut hyphens) = (0_u16, 0_u16, 0_u16);
    for (a, b) in a.iter().zip(b) {
        let hyphen = *a == b'-';
        elsewhere += u16::from(hyphen != (*b == b'-'));
        hyphens += u16::from(hyphen);
        equal += u16::from(a.eq_ignore_ascii_case(b));
    }
    let digits = a.len() - usize::from(hyphens);
    (a.len() == b.len() && elsewhere == 0 && digits > 0).then(|| f64::from(equal - hyphens) / digits as f64)
}

/// The bytes without hyphens, in lower case. Written without branches: it runs for every duplicate.
fn digits<'a>(uuid: &[u8], buffer: &'a mut [u8; UUID_BYTES_MAX]) -> &'a [u8] {
    let mut length = 0;
    for byte in uuid {
        if let Some(place) = buffer.get_mut(length) {
            *place = byte.to_ascii_lowercase();
        }
        length += usize::from(*byte != b'-');
    }
    buffer.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation_does_not_count_and_places_do() {
        let check = |a: &str, b: &str, wanted: f64| {
            for (a, b) in [(a, b), (b, a)] {
                let is = uuid_similarity(a.as_bytes(), b.as_bytes());
                assert!((is - wanted).abs() < 1e-12, "{a} {b}: {is}, not {wanted}");
            }
        };
        check("", "", 1.0);
        check("", "--", 1.0);
        check("", "a", 0.0);
        check("abcd", "abcd", 1.0);
        check("ABCD", "ab-cd", 1.0);
        check("abcd", "abce", 0.75);
        check("a-bcd", "A-bce", 0.75);
        check("a-bcd", "ab-ce", 0.75);
        check("a--d", "a-bd", 1.0 / 3.0);
        check("abcd", "bcda", 0.0);
        check("ab", "abcd", 0.5);
        check("01890a5d-ac96-774b-bcce-b302099a8057", "01890A5DAC96774BBCCEB302099A8058", 31.0 / 32.0);
        check(&"a".repeat(1000), &format!("{}{}", "a".repeat(128), "b".repeat(872)), 0.5);
    }
}
