//! Damage to bytes: set, flipped, cut out, repeated, put in, cut short, spliced. Not whose bytes they are.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Bytes that are repeated or put in at most.
const LENGTH_MAX: usize = 64;

/// One damage; places are within whatever there is.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    CutOut(Index, usize),
    Repeat(Index, usize, usize),
    PutIn(Index, Vec<u8>),
    CutShort(Index),
    /// What follows is that of another.
    Splice(Index, Index, Index),
}

/// Some damage, or none.
pub(crate) fn any() -> impl Strategy<Value = Vec<Damage>> {
    let place = proptest::prelude::any::<Index>;
    let length = 1..LENGTH_MAX;
    let byte = prop_oneof![
        proptest::prelude::any::<u8>(),
        prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff, b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'0', b' ']),
    ];
    let damage = prop_oneof![
        4 => (place(), byte.clone()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        4 => (place(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => (place(), length.clone()).prop_map(|(at, length)| Damage::CutOut(at, length)),
        2 => (place(), length, 1..4_usize).prop_map(|(at, length, times)| Damage::Repeat(at, length, times)),
        2 => (place(), vec(byte, 1..LENGTH_MAX / 4)).prop_map(|(at, bytes)| Damage::PutIn(at, bytes)),
        1 => place().prop_map(Damage::CutShort),
        1 => (place(), place(), place()).prop_map(|(other, at, from)| Damage::Splice(other, at, from)),
    ];
    vec(damage, 0..5)
}

impl Damage {
    /// All of them, one after the other.
    pub(crate) fn all(list: &[Self], whole: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
        list.iter().fold(whole, |bytes, damage| damage.to(bytes, others))
    }

    fn to(&self, mut bytes: Vec<u8>, others: &[Vec<u8>]) -> Vec<u8> {
        // A place may be behind the last byte.
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Set(at, byte) => {
                let at = place(at, &bytes);
                bytes.get_mut(at).into_iter().for_each(|old| *old = *byte);
            }
            Self::Flip(at, bit) => {
                let at = place(at, &bytes);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            Self::CutOut(at, length) => {
                let at = place(at, &bytes);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Self::Repeat(at, length, times) => {
                let at = place(at, &bytes);
                let part = bytes[at..(at + length).min(bytes.len())].repeat(*times);
                bytes.splice(at..at, part);
            }
            Self::PutIn(at, part) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, part.iter().copied());
            }
            Self::CutShort(at) => bytes.truncate(place(at, &bytes)),
            Self::Splice(other, at, from) => {
                let other = other.get(others);
                bytes.truncate(place(at, &bytes));
                bytes.extend_from_slice(&other[place(from, other)..]);
            }
        }
        bytes
    }
}
