//! What keys are shown as where values are hidden: a digest that only who has the secret can make, so that nobody guesses
//! a key by trying. The same key has the same digest as long as the secret stays. Not encryption: no way leads back; and
//! not where the secret is kept.

use sha2::{Digest, Sha256};

/// Bytes of a block of SHA-256.
const BLOCK_BYTES: usize = 64;

/// HMAC-SHA-256 (RFC 2104) under one secret.
#[derive(Clone)]
pub struct Redaction {
    /// Both have taken in their block of the secret.
    inner: Sha256,
    outer: Sha256,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redaction(***)")
    }
}

impl Redaction {
    /// Hosts that are given the same secret show the same digests.
    #[must_use]
    pub fn under(secret: &[u8]) -> Self {
        let mut block = [0; BLOCK_BYTES];
        let digest = Sha256::digest(secret);
        let secret = if secret.len() > BLOCK_BYTES { digest.as_slice() } else { secret };
        block.iter_mut().zip(secret).for_each(|(block, secret)| *block = *secret);
        let padded = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// What a key is shown as.
    #[must_use]
    pub fn of(&self, key: &[u8]) -> String {
        let inner = self.inner.clone().chain_update(key).finalize();
        format!("hmac-sha256:{:x}", self.outer.clone().chain_update(inner).finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of RFC 4231 with keys of fewer bytes than a block, and of more.
    #[test]
    fn it_is_hmac_sha_256() {
        let check = |secret: &[u8], key: &[u8], digest: &str| {
            assert_eq!(Redaction::under(secret).of(key), format!("hmac-sha256:{digest}"));
        };
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }
}
