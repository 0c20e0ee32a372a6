//! Where the secret is kept under which keys are digested where values are hidden. Not the digest: that is the line's.

use std::io::{Read as _, Write as _};

use line::Redaction;
use plain_text::hex;
use private_files::PrivateDir;

use crate::settings::config::Secret;

/// Where a secret is kept that nobody has chosen, in the directory of the state.
const FILE: &str = "redaction-key";

/// Bytes of a secret that the host makes.
const SECRET_BYTES: usize = 32;

/// Under the operator's own secret: hosts that are given the same one show the same digests.
pub(crate) fn chosen(secret: &Secret) -> Redaction {
    Redaction::under(secret.expose().as_bytes())
}

/// Under the secret beside the state, made if there is none yet.
///
/// # Errors
/// The directory cannot be written, or holds something else under the name.
pub(crate) fn kept(store: &PrivateDir) -> Result<Redaction, String> {
    secret(store).map(|secret| Redaction::under(secret.as_bytes())).map_err(|error| {
        format!(
            "cannot keep the secret of --redact-values in {}: {error}; make the directory writable, delete the file if \
             it is damaged (keys are then shown as other digests), or give --redaction-key",
            store.path().join(FILE).display()
        )
    })
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
    use private_files::Trust;

    use super::*;

    #[test]
    fn a_restart_keeps_the_secret_and_another_store_has_another() {
        let dir = tempfile::tempdir().unwrap();
        let store = |name: &str| PrivateDir::open(&dir.path().join(name), Trust::Ours).unwrap();
        let shown = |name: &str| kept(&store(name)).unwrap().of(b"key");
        let first = shown("one");
        assert_eq!(shown("one"), first);
        assert_ne!(shown("other"), first);
        let chosen = || super::chosen(&Secret::new("a secret of the operator".to_owned())).of(b"key");
        assert_eq!(chosen(), chosen());
        assert_ne!(chosen(), first);
    }

    #[test]
    fn what_is_no_secret_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = PrivateDir::open(dir.path(), Trust::Ours).unwrap();
        for nonsense in ["short", &"g".repeat(64), &"0".repeat(63)] {
            store.replace(FILE, nonsense.as_bytes()).unwrap();
            let error = kept(&store).unwrap_err();
            assert!(error.contains("redaction-key") && error.contains("--redaction-key"), "{error}");
        }
        store.replace(FILE, b"").unwrap();
        kept(&store).unwrap();
    }
}
