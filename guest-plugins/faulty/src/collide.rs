//! Faults by which different values meet. Not those of values that are joined: see `keys`.

use crate::config::Fault;

/// The numbers of the contract.
const NUMBER: u8 = 3;
const STRING: u8 = 4;
const JSON: u8 = 5;

/// A value as a plugin with this fault takes it; `None`: as it is.
#[must_use]
pub fn value(fault: Fault, kind: u8, value: &[u8]) -> Option<Vec<u8>> {
    match kind {
        NUMBER => number(fault, value),
        STRING => bytes(fault, value).or_else(|| text(fault, std::str::from_utf8(value).ok()?)),
        JSON => nested(fault, value),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most faults show elsewhere")]
fn nested(fault: Fault, value: &[u8]) -> Option<Vec<u8>> {
    match fault {
        Fault::Commas => serde_json::from_slice::<Vec<String>>(value).ok().map(|texts| texts.join(",").into_bytes()),
        Fault::Objects if value.starts_with(b"{") => Some(b"[object Object]".to_vec()),
        Fault::InnerDoubles => {
            serde_json::from_slice::<Vec<f64>>(value).ok().map(|all| format!("{all:?}").into_bytes())
        }
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most faults show elsewhere")]
fn number(fault: Fault, value: &[u8]) -> Option<Vec<u8>> {
    match fault {
        Fault::TrailingZero => value.strip_suffix(b".0").map(<[u8]>::to_vec),
        Fault::Double => as_double(value).map(|double| double.to_string().into_bytes()),
        Fault::Single => as_double(value).map(|double| (double as f32).to_string().into_bytes()),
        Fault::Beyond => as_double(value).filter(|double| double.is_infinite()).map(|_| b"inf".to_vec()),
        Fault::Whole => {
            let double = as_double(value).filter(|double| double.abs() < 1e15)?;
            Some(double.trunc().to_string().into_bytes())
        }
        _ => None,
    }
}

fn as_double(value: &[u8]) -> Option<f64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most faults show elsewhere")]
fn bytes(fault: Fault, value: &[u8]) -> Option<Vec<u8>> {
    let is_digits = || !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    match fault {
        Fault::Cut => value.get(..64).map(<[u8]>::to_vec),
        Fault::Ends if value.len() > 2000 => {
            Some([value.first_chunk::<1000>()?.as_slice(), value.last_chunk::<1000>()?].concat())
        }
        Fault::Double if is_digits() => as_double(value).map(|double| double.to_string().into_bytes()),
        Fault::Single if is_digits() => as_double(value).map(|double| (double as f32).to_string().into_bytes()),
        Fault::Zeros if is_digits() => {
            let first = value.iter().position(|digit| *digit != b'0').unwrap_or(value.len() - 1);
            value.get(first..).map(<[u8]>::to_vec)
        }
        Fault::Anagram if value.iter().any(u8::is_ascii_alphabetic) => {
            let mut sorted = value.to_vec();
            sorted.sort_unstable();
            Some(sorted)
        }
        Fault::FoldsBits => Some(value.iter().map(|byte| byte | 0x20).collect()),
        Fault::Wraps if is_digits() => {
            let digit = |number: u32, digit: &u8| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
            Some(value.iter().fold(0, digit).to_string().into_bytes())
        }
        Fault::TrimsBytes => {
            let end = value.iter().rposition(|byte| !matches!(byte, 0xa0 | 0x85)).map_or(0, |last| last + 1);
            value.get(..end).map(<[u8]>::to_vec)
        }
        Fault::NulEnds => value.split(|byte| *byte == 0).next().map(<[u8]>::to_vec),
        Fault::AsciiFolds => Some(value.to_ascii_lowercase()),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most faults show elsewhere")]
fn text(fault: Fault, value: &str) -> Option<Vec<u8>> {
    let letters = |change: fn(char) -> char| Some(value.chars().map(change).collect::<String>().into_bytes());
    match fault {
        Fault::Replaces => letters(|letter| if letter > '\u{ffff}' { char::REPLACEMENT_CHARACTER } else { letter }),
        Fault::EightBits => letters(|letter| char::from(letter as u8)),
        Fault::CutLetters => Some(value.chars().take(255).collect::<String>().into_bytes()),
        Fault::Trims => Some(value.trim().as_bytes().to_vec()),
        Fault::Folds => Some(value.to_lowercase().into_bytes()),
        Fault::Scheme => value.split_once("://").map(|(_, rest)| rest.as_bytes().to_vec()),
        Fault::Fragment => value.split_once('#').map(|(before, _)| before.as_bytes().to_vec()),
        Fault::Spaces => {
            let mut last = 'x';
            let counts = |letter: &char| std::mem::replace(&mut last, *letter) != ' ' || *letter != ' ';
            Some(value.chars().filter(counts).collect::<String>().into_bytes())
        }
        Fault::Unescapes if value.contains('\\') => {
            serde_json::from_str::<String>(&format!("\"{value}\"")).ok().map(String::into_bytes)
        }
        _ => None,
    }
}

/// The key in its place, by a fault that is a digest.
#[must_use]
pub fn digest(fault: Fault, key: &[u8]) -> Vec<u8> {
    if fault == Fault::Fnv32 {
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        return format!("{:08x}", key.iter().fold(0x811c_9dc5, step)).into_bytes();
    }
    let hash = hash(key);
    if fault == Fault::Digest48 {
        return format!("{:012x}", hash >> 16).into_bytes();
    }
    let short = hash as u32;
    if fault == Fault::Widened {
        return [mixed(short.into()), mixed(!u64::from(short))].map(u64::to_le_bytes).concat();
    }
    short.to_le_bytes().to_vec()
}

/// 64 bits of a text, well mixed.
#[must_use]
pub fn hash(text: &[u8]) -> u64 {
    mixed(
        text.iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)),
    )
}

fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
