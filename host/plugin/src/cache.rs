//! Compiled components, kept in a directory of the host's own. Not a way to bring compiled code along: whatever is not
//! exactly what this host wrote for this component and this engine is compiled anew.
//!
//! Compiled code is run as it is, so a file that somebody else made would be somebody else's code in this process. Hence
//! a directory that nobody else can write to, files that belong to us, and a digest over the name and the contents, which
//! is checked on the very bytes that are then loaded. The digest is there for damage; it keeps out nobody who can write
//! to the directory.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::load;

/// All entries together; the one that was not used for the longest time goes first. A component of Python takes 60 MB.
const BYTES_MAX: u64 = 2 << 30;
const DIGEST_BYTES: usize = 32;
/// Whoever else may write: the group, and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The directory, as it was when it was found fit.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// Who we are.
    uid: u32,
    bytes_max: u64,
}

/// Numbers files that are being written, so that two threads never write the same.
static WRITTEN: AtomicU32 = AtomicU32::new(0);

impl Cache {
    /// Makes the directory if it is not there. In an error stands why it cannot be used, and what helps.
    pub(crate) fn open(dir: &Path) -> Result<Self, String> {
        let shown = dir.display();
        let cannot = |what: &str, error: std::io::Error| format!("cannot {what} the plugin cache {shown}: {error}");
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| cannot("make", error))?;
        let metadata = std::fs::metadata(dir).map_err(|error| cannot("use", error))?;
        if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(format!(
                "the plugin cache {shown} can be written by others than its owner (mode {:o}), and compiled plugins in \
                 it would be their code in this process: `chmod 700 {shown}`, or give another --plugin-cache-dir",
                metadata.mode() & 0o7777
            ));
        }
        // Whose a file is that we make: that is who we are.
        let probe = dir.join(unfinished("probe"));
        let uid = create(&probe).and_then(|file| file.metadata()).map_err(|error| cannot("write to", error));
        let _ = std::fs::remove_file(&probe);
        let uid = uid?.uid();
        if metadata.uid() != uid {
            return Err(format!(
                "the plugin cache {shown} belongs to user {}, and this process is user {uid}: give another \
                 --plugin-cache-dir, or `off`",
                metadata.uid()
            ));
        }
        Ok(Self { dir: dir.to_owned(), uid, bytes_max: BYTES_MAX })
    }

    /// A cache of this size, for tests.
    #[cfg(test)]
    fn of_bytes(dir: &Path, bytes_max: u64) -> Result<Self, String> {
        Ok(Self { bytes_max, ..Self::open(dir)? })
    }

    /// The component with this digest, if it was compiled before by such an engine.
    ///
    /// What is loaded was read from a file that belongs to us, in a directory that belongs to us, neither of them writable
    /// by anybody else; only `keep` writes such files, under a name that has the digest of the component and of the engine
    /// in it; and the digest of name and bytes was checked on these bytes in memory.
    pub(crate) fn get(&self, engine: &Engine, sha256: &str) -> Option<Component> {
        let name = name(engine, sha256);
        let path = self.dir.join(&name);
        let contents = self.read(&path)?;
        let component = checked(&name, &contents).and_then(|compiled| load(engine, compiled));
        if component.is_none() {
            tracing::warn!("{} is damaged or foreign; the plugin is compiled again", path.display());
        }
        component
    }

    /// Keeps a component for the next time. It is no loss if it cannot: then it is compiled again.
    pub(crate) fn put(&self, engine: &Engine, sha256: &str, compiled: &[u8]) {
        if let Err(error) = self.keep(&name(engine, sha256), compiled) {
            tracing::warn!("cannot keep a compiled plugin in {}: {error}", self.dir.display());
        }
    }

    fn keep(&self, name: &str, compiled: &[u8]) -> std::io::Result<()> {
        let bytes = compiled.len() as u64 + DIGEST_BYTES as u64;
        if bytes > self.bytes_max {
            return Ok(());
        }
        let temporary = self.dir.join(unfinished(name));
        let written = write(&temporary, &digest(name, compiled), compiled)
            .and_then(|()| std::fs::rename(&temporary, self.dir.join(name)))
            .and_then(|()| File::open(&self.dir)?.sync_all());
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written?;
        self.shrink(name)
    }

    /// The contents of an entry that nobody else can have written.
    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let ours = |metadata: &Metadata| metadata.uid() == self.uid && metadata.mode() & WRITABLE_BY_OTHERS == 0;
        // The directory may have been changed since it was found fit.
        std::fs::metadata(&self.dir).ok().filter(ours)?;
        std::fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
        let mut file = File::open(path).ok()?;
        // None that is larger was ever kept.
        file.metadata().ok().filter(ours).filter(|metadata| metadata.len() <= self.bytes_max)?;
        let mut contents = Vec::new();
        Read::by_ref(&mut file).take(self.bytes_max).read_to_end(&mut contents).ok()?;
        // The time of its last use, for whoever looks for room.
        let _ = file.set_modified(SystemTime::now());
        Some(contents)
    }

    /// Removes what was not used for the longest time until the rest fits, and what was never finished.
    fn shrink(&self, newest: &str) -> std::io::Result<()> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let (name, metadata) = (entry.file_name(), entry.metadata()?);
            let is_entry = name.to_str().is_some_and(|name| name.ends_with(SUFFIX) || name.starts_with(UNFINISHED));
            if metadata.is_file() && is_entry && name != newest {
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let newest_bytes = std::fs::metadata(self.dir.join(newest))?.len();
        let mut total = newest_bytes + entries.iter().map(|(_, bytes, _)| bytes).sum::<u64>();
        for (_, bytes, path) in entries {
            if total <= self.bytes_max {
                break;
            }
            std::fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }
}

const SUFFIX: &str = ".compiled";
const UNFINISHED: &str = ".unfinished-";

/// The name of an entry: what was compiled, and by what.
fn name(engine: &Engine, sha256: &str) -> String {
    let mut settings = Settings(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut settings);
    let settings = format!("{:x}", settings.0.finalize());
    format!("{sha256}-{}{SUFFIX}", settings.get(..32).unwrap_or(&settings))
}

fn unfinished(name: &str) -> String {
    format!("{UNFINISHED}{}-{}-{name}", std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed))
}

/// Everything of an engine that its code depends on goes through here: version, processor, settings.
struct Settings(Sha256);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the whole digest is taken.
    fn finish(&self) -> u64 {
        0
    }
}

fn digest(name: &str, compiled: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::new().chain_update(name).chain_update(compiled).finalize().into()
}

/// What was compiled, if the digest in front of it is right.
fn checked<'a>(name: &str, contents: &'a [u8]) -> Option<&'a [u8]> {
    let (said, compiled) = contents.split_first_chunk::<DIGEST_BYTES>()?;
    (*said == digest(name, compiled)).then_some(compiled)
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(path: &Path, digest: &[u8], compiled: &[u8]) -> std::io::Result<()> {
    let mut file = create(path)?;
    file.write_all(digest)?;
    file.write_all(compiled)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn entry_that_was_not_used_for_the_longest_time_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::of_bytes(dir.path(), 3 * 1000).unwrap();
        let keep = |name: &str| cache.keep(name, &vec![0; 1000 - DIGEST_BYTES]).unwrap();
        let age = |name: &str, seconds: u64| {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::open(dir.path().join(name)).unwrap().set_modified(time).unwrap();
        };
        for (number, name) in ["a.compiled", "b.compiled", "c.compiled"].into_iter().enumerate() {
            keep(name);
            age(name, 1000 + number as u64);
        }
        assert!(cache.read(&dir.path().join("a.compiled")).is_some(), "used: b is the oldest now");
        std::fs::write(dir.path().join("notes.txt"), "somebody else's").unwrap();
        keep("d.compiled");
        assert_eq!(names(dir.path()), ["a.compiled", "c.compiled", "d.compiled", "notes.txt"]);
        cache.keep("huge.compiled", &vec![0; 3001]).unwrap();
        assert_eq!(names(dir.path()).len(), 4, "what alone is too large is not kept");
    }

    #[test]
    fn entry_larger_than_any_that_is_kept_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::of_bytes(dir.path(), 1000).unwrap();
        let path = dir.path().join("a.compiled");
        for (bytes, is_read) in [(1000, true), (1001, false), (1 << 40, false)] {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
            file.set_len(bytes).unwrap();
            assert_eq!(cache.read(&path).is_some(), is_read, "{bytes}");
        }
    }

    proptest::proptest! {
        #![proptest_config(cases::cases(500))]

        #[test]
        fn any_damage_by_strangers_is_seen(
            code in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            at: proptest::sample::Index, bit in 0..8_u8, more in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..9),
        ) {
            let whole = [&digest("a.compiled", &code)[..], &code].concat();
            proptest::prop_assert_eq!(checked("a.compiled", &whole), Some(&code[..]));
            let mut flipped = whole.clone();
            flipped[at.index(whole.len())] ^= 1 << bit;
            let longer = [&whole[..], &more].concat();
            for damaged in [&flipped[..], &whole[..at.index(whole.len())], &longer, &more] {
                proptest::prop_assert_eq!(checked("a.compiled", damaged), None);
            }
        }
    }

    #[test]
    fn entry_under_another_name_is_not_believed() {
        let contents = [&digest("one.compiled", b"code")[..], b"code"].concat();
        assert_eq!(checked("one.compiled", &contents), Some(&b"code"[..]));
        assert_eq!(checked("other.compiled", &contents), None);
        assert_eq!(checked("one.compiled", &contents[..contents.len() - 1]), None);
        assert_eq!(checked("one.compiled", &contents[..20]), None);
    }
}
