//! What keys are shown as where values are hidden: a digest that only who has the secret can make, so that nobody guesses
//! a key by trying. The same key has the same digest as long as the secret stays. Not encryption: no way leads back.

use std::io::{Read as _, Write as _};

use plain_text::hex;
use sha2::{Digest, Sha256};
use state::private::PrivateDir;

use crate::settings::config::Secret;

/// Where a secret is kept that nobody has chosen, in the directory of the state.
const FILE: &str = "redaction-key";

/// Bytes of a secret that the host makes.
const SECRET_BYTES: usize = 32;

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
    /// Under the operator's own secret: hosts that are given the same one show the same digests.
    #[must_use]
    pub fn chosen(secret: &Secret) -> Self {
        Self::new(secret.expose().as_bytes())
    }

    /// Under the secret beside the state, made if there is none yet.
    ///
    /// # Errors
    /// The directory cannot be written, or holds something else under the name.
    pub fn kept(store: &PrivateDir) -> Result<Self, String> {
        secret(store).map(|secret| Self::new(secret.as_bytes())).map_err(|error| {
            format!(
                "cannot keep the secret of --redact-values in {}: {error}; make the directory writable, delete the file if \
                 it is damaged (keys are then shown as other digests), or give --redaction-key",
                store.path().join(FILE).display()
            )
        })
    }

    fn new(secret: &[u8]) -> Self {
        let mut block = [0; BLOCK_BYTES];
        let digest = Sha256::digest(secret);
        let secret = if secret.len() > BLOCK_BYTES { digest.as_slice() } else { secret };
        block.iter_mut().zip(secret).for_each(|(block, secret)| *block = *secret);
        let padded = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// What a key is shown as.
    pub(crate) fn of(&self, key: &[u8]) -> String {
        let inner = self.inner.clone().chain_update(key).finalize();
        format!("hmac-sha256:{:x}", self.outer.clone().chain_update(inner).finalize())
    }
}

/// What the file says; an empty one was made just now, or by a process that died at once. Hosts that share a directory
/// make one secret.
fn secret(store: &PrivateDir) -> std::io::Result<String> {
    let mut file = store.open_file(FILE)?;
    // Some network file systems have no locks.
    drop(file.lock());
    let mut text = String::new();
    (&mut file).take(4096).read_to_string(&mut text)?;
    let text = text.trim_end();
    if text.is_empty() {
        let mut random = [0_u8; SECRET_BYTES];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let made = hex(&random);
        file.write_all(format!("{made}\n").as_bytes())?;
        file.sync_all()?;
        return Ok(made);
    }
    if text.len() != 2 * SECRET_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(std::io::Error::other("what it holds is not a secret of this host"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use state::private::Trust;

    use super::*;

    /// The cases of RFC 4231 with keys of fewer bytes than a block, and of more.
    #[test]
    fn it_is_hmac_sha_256() {
        let check = |secret: &[u8], key: &[u8], digest: &str| {
            assert_eq!(Redaction::new(secret).of(key), format!("hmac-sha256:{digest}"));
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

    #[test]
    fn a_restart_keeps_the_secret_and_another_store_has_another() {
        let dir = tempfile::tempdir().unwrap();
        let store = |name: &str| PrivateDir::open(&dir.path().join(name), Trust::Ours).unwrap();
        let shown = |name: &str| Redaction::kept(&store(name)).unwrap().of(b"key");
        let first = shown("one");
        assert_eq!(shown("one"), first);
        assert_ne!(shown("other"), first);
        let chosen = || Redaction::chosen(&Secret::new("a secret of the operator".to_owned())).of(b"key");
        assert_eq!(chosen(), chosen());
        assert_ne!(chosen(), first);
    }

    #[test]
    fn what_is_no_secret_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = PrivateDir::open(dir.path(), Trust::Ours).unwrap();
        for nonsense in ["short", &"g".repeat(64), &"0".repeat(63)] {
            store.replace(FILE, nonsense.as_bytes()).unwrap();
            let error = Redaction::kept(&store).unwrap_err();
            assert!(error.contains("redaction-key") && error.contains("--redaction-key"), "{error}");
        }
        store.replace(FILE, b"").unwrap();
        Redaction::kept(&store).unwrap();
    }
}
