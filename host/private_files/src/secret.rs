//! A secret in a file: of random bytes, made once, the same from then on. Not what it is for.

use std::fs::File;
use std::io::{self, Read, Write};

use super::PrivateDir;

/// Bytes of a secret.
const SECRET_BYTES: usize = 32;

impl PrivateDir {
    /// The secret in a file of this directory, 64 hexadecimal digits, made if there is none yet. Processes that share a
    /// directory make one.
    ///
    /// # Errors
    /// The directory cannot be written, or the file holds something else.
    pub fn secret(&self, name: &str) -> io::Result<String> {
        let mut file = self.open_file(name)?;
        // Some network file systems have no locks.
        drop(file.lock());
        let mut text = String::new();
        (&mut file).take(4096).read_to_string(&mut text)?;
        let text = text.trim_end();
        // An empty one was made just now, or by a process that died at once.
        if text.is_empty() {
            return make(&mut file);
        }
        if text.len() != 2 * SECRET_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(io::Error::other("what it holds is not a secret of this host"));
        }
        Ok(text.to_owned())
    }
}

fn make(file: &mut File) -> io::Result<String> {
    let mut random = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let made = plain_text::hex(&random);
    file.write_all(format!("{made}\n").as_bytes())?;
    file.sync_all()?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use crate::{PrivateDir, Trust};

    #[test]
    fn a_restart_keeps_the_secret_and_another_directory_has_another() {
        let dir = tempfile::tempdir().unwrap();
        let secret = |name: &str| PrivateDir::open(&dir.path().join(name), Trust::Ours).unwrap().secret("key").unwrap();
        let first = secret("one");
        assert_eq!((first.len(), secret("one")), (64, first.clone()));
        assert_ne!(secret("other"), first);
    }

    #[test]
    fn what_is_no_secret_is_refused_and_an_empty_file_is_filled() {
        let dir = tempfile::tempdir().unwrap();
        let store = PrivateDir::open(dir.path(), Trust::Ours).unwrap();
        for nonsense in ["short", &"g".repeat(64), &"0".repeat(63)] {
            store.replace("key", nonsense.as_bytes()).unwrap();
            store.secret("key").unwrap_err();
        }
        store.replace("key", b"").unwrap();
        store.secret("key").unwrap();
    }
}
