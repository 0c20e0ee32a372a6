//! Digests by which records are told apart, keyed by chance, so that nobody can write two records that meet. Not the
//! digests of the host's state.

use siphasher::sip128::SipHasher13;

/// Makes them; the same bytes give the same digest in one process.
#[derive(Debug, Clone)]
pub(crate) struct Digester(SipHasher13);

impl Digester {
    /// # Errors
    /// The system has no random bytes.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self(SipHasher13::new_with_key(&key)))
    }

    pub(crate) fn of(&self, bytes: &[u8]) -> u128 {
        self.0.hash(bytes).as_u128()
    }

    /// Half of it, for what is compared with one other only.
    pub(crate) fn short(&self, bytes: &[u8]) -> u64 {
        let [half, _] = halves(self.of(bytes));
        half
    }

    /// Of what may not be there; 0 where it is not.
    pub(crate) fn optional(&self, bytes: Option<&[u8]>) -> u64 {
        bytes.map_or(0, |bytes| self.short(bytes) | 1)
    }

    /// Of names and values, in their order.
    pub(crate) fn headers<'a>(&self, headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> u64 {
        let mut bytes = Vec::new();
        for (name, value) in headers {
            for part in [Some(name.as_bytes()), value] {
                bytes.extend_from_slice(&part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
                bytes.extend_from_slice(part.unwrap_or_default());
            }
        }
        if bytes.is_empty() { 0 } else { self.short(&bytes) }
    }
}

fn halves(digest: u128) -> [u64; 2] {
    let bytes = digest.to_be_bytes();
    let half = |bytes: &[u8]| bytes.first_chunk().map_or(0, |half| u64::from_be_bytes(*half));
    let (high, low) = bytes.split_at(8);
    [half(high), half(low)]
}
