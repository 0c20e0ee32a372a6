//! The prefix of the transactional ids if the operator has not chosen one: the group, and a text that is generated once
//! and stored beside the state. It stays the same across restarts, so that a successor fences its predecessor, and no
//! other host has it.
//!
//! Hosts that share one `--store-path` use one file each: the first that no living process has locked.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use private_files::PrivateDir;

use crate::failure::KafkaFailure;
use crate::producer::Delivery;

/// Name of the first file; the others are numbered from 2.
const FILE: &str = "transactional-id";

/// Hosts that may share a directory.
const HOSTS_MAX: u32 = 256;

/// Longest text that is taken; ours are far shorter.
const TEXT_BYTES_MAX: usize = 200;

/// A prefix, and what keeps others from taking it.
#[derive(Debug)]
pub struct Prefix {
    text: String,
    /// Where it was found; `None`: the operator's own.
    file: Option<PathBuf>,
    _lock: Option<File>,
}

impl Prefix {
    /// The operator's choice.
    #[must_use]
    pub fn chosen(text: &str) -> Self {
        Self { text: text.to_owned(), file: None, _lock: None }
    }

    /// The one beside the state, made if there is none yet: of the host's name, for people, and 64 random bits.
    ///
    /// # Errors
    /// The directory cannot be written, or holds something else under the name.
    pub fn kept(store: &PrivateDir, group: &str, host: Option<&str>) -> Result<Self, KafkaFailure> {
        for number in 1..=HOSTS_MAX {
            let name = if number == 1 { FILE.to_owned() } else { format!("{FILE}-{number}") };
            let path = store.path().join(&name);
            let mut file = store.open_file(&name).map_err(|error| failed(&path, &error))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                Ok(()) => {}
                // Some network file systems have no locks: then hosts must not share a directory, as ever.
                Err(TryLockError::Error(error)) => tracing::debug!(path = %path.display(), %error, "no lock"),
            }
            let text = text(&mut file, || make(host)).map_err(|error| failed(&path, &error))?;
            return Ok(Self { text: format!("{group}-{text}"), file: Some(path), _lock: Some(file) });
        }
        let path = store.path().display();
        Err(KafkaFailure::Kept(format!("{HOSTS_MAX} hosts use {path} already: give this one its own --store-path")))
    }

    /// What each id begins with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it was found; `None`: the operator's own.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// How a worker commits: each has an id of its own.
    #[must_use]
    pub fn delivery(&self, worker: usize) -> Delivery {
        Delivery::ExactlyOnce { transactional_id: format!("{}-{worker}", self.text) }
    }

    /// The ids of so many workers, in words.
    #[must_use]
    pub fn ids(&self, workers: usize) -> String {
        let prefix = &self.text;
        match workers {
            ..=1 => format!("{prefix}-0"),
            2.. => format!("{prefix}-0 to {prefix}-{}", workers - 1),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> KafkaFailure {
    KafkaFailure::Kept(format!(
        "cannot keep a transactional id in {}: {error}; make the directory writable, delete a file that is damaged, or \
         give --transactional-id-prefix",
        path.display()
    ))
}

/// What the file says; an empty one was made just now, or by a process that died at once.
fn text(file: &mut File, made: impl Fn() -> io::Result<String>) -> io::Result<String> {
    let mut bytes = Vec::new();
    Read::by_ref(file).take(TEXT_BYTES_MAX as u64 + 2).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    let not_an_id = || io::Error::new(io::ErrorKind::InvalidData, "what it holds is not an id");
    // Longer than any text with its line break: also where all that was read of it is blank.
    if bytes.len() > TEXT_BYTES_MAX + 1 {
        return Err(not_an_id());
    }
    if text.is_empty() {
        let text = made()?;
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_all()?;
        return Ok(text);
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() > TEXT_BYTES_MAX || !text.chars().all(legal) {
        return Err(not_an_id());
    }
    Ok(text)
}

/// A text for this host: its name, for people, and 64 random bits.
///
/// # Errors
/// The system has no random numbers.
fn make(host: Option<&str>) -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let random = format!("{:016x}", u64::from_le_bytes(random));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let host: String = host.unwrap_or_default().chars().filter(|c| legal(*c)).take(64).collect();
    Ok(if host.is_empty() { random } else { format!("{host}-{random}") })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use private_files::Trust;

    use super::*;

    fn kept(store: &Path) -> Result<Prefix, String> {
        let store = PrivateDir::open(store, Trust::Ours).map_err(|error| error.to_string())?;
        Prefix::kept(&store, "group", Some("box 1")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_restart_keeps_the_id_and_another_store_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = one.path().join("not/there/yet");
        let first = kept(&store).unwrap().text;
        assert!(first.starts_with("group-box1-") && first.len() == "group-box1-".len() + 16, "{first}");
        assert_eq!(kept(&store).unwrap().text, first);
        assert_ne!(kept(other.path()).unwrap().text, first);
        let mode = fs::metadata(store.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn each_worker_has_an_id_of_its_own_and_all_are_named() {
        let prefix = Prefix::chosen("p");
        assert_eq!([0, 1, 3].map(|workers| prefix.ids(workers)), ["p-0", "p-0", "p-0 to p-2"]);
        assert_eq!(prefix.delivery(2), Delivery::ExactlyOnce { transactional_id: "p-2".to_owned() });
        assert_eq!((prefix.as_str(), prefix.file()), ("p", None));
    }

    #[test]
    fn hosts_that_share_a_directory_have_an_id_each() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (kept(directory.path()).unwrap(), kept(directory.path()).unwrap());
        assert_ne!(first.text, second.text);
        let text = first.text.clone();
        drop(first);
        assert_eq!(kept(directory.path()).unwrap().text, text, "its successor");
        drop(second);
    }

    #[test]
    fn a_file_that_was_made_and_never_written_is_written() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "").unwrap();
        let text = kept(directory.path()).unwrap().text;
        assert_eq!(kept(directory.path()).unwrap().text, text);
    }

    #[test]
    fn what_is_no_id_is_refused_by_name_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        for nonsense in ["a b", "\u{e9}", &"x".repeat(300), &" ".repeat(300), &format!("{}id", " ".repeat(202))] {
            fs::write(&path, nonsense).unwrap();
            let error = kept(directory.path()).unwrap_err();
            assert!(error.contains("transactional-id") && error.contains("--transactional-id-prefix"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        let target = directory.path().join("target");
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(kept(directory.path()).unwrap_err().contains("symbolic link"));
        assert_eq!(fs::read(&target).unwrap(), b"");
    }
    mod strangers {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #![proptest_config(cases::cases(100))]

            #[test]
            fn any_file_is_an_id_that_stays_or_is_refused(bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..250),
                prop::collection::vec(prop::sample::select(b"a-._ \n\t\0\xc3".to_vec()), 0..250),
                "[ \n]{0,250}[a-z0-9.-]{0,250}[ \n]{0,250}".prop_map(String::into_bytes),
            ]) {
                let directory = tempfile::tempdir().unwrap();
                fs::write(directory.path().join(FILE), &bytes).unwrap();
                if let Ok(prefix) = kept(directory.path()).map(|prefix| prefix.text) {
                    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                    prop_assert!(prefix.chars().all(legal) && prefix.len() <= "group-".len() + TEXT_BYTES_MAX);
                    prop_assert_eq!(kept(directory.path()).unwrap().text, prefix);
                }
            }
        }
    }
}
