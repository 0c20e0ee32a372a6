//! Directories and files that belong to this user alone: created that way, and checked before their content is trusted.
//! Not their content.
//!
//! Whoever can write to the state decides what counts as seen, and whoever can read it reads values of events.
//! Directories are therefore created with mode 0700 and files with 0600; the owner and the mode of every directory and
//! file are checked from the root down, and so is the path to the root; and no symbolic link is followed below it.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod secret;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Who can write beside the owner: the group, and everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
/// In such a directory only the owner of an entry may rename or remove it.
const STICKY: u32 = 0o1000;
/// What the owner may do.
const OF_OWNER: u32 = 0o700;

/// Symbolic links on the way to a root, as many as the kernel follows.
const LINKS_MAX: usize = 40;

const ROOT: u32 = 0;

/// Whose directories and files are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Those of this user and of root, that nobody else can write.
    Ours,
    /// Those of anybody: the operator answers for the volume.
    Anyone,
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// Somebody else may have put there what it holds, or may change it.
    #[error("{} is not used: {cause}. to fix this: {ways_out}", path.display())]
    Untrusted {
        /// What was looked at.
        path: PathBuf,
        /// What was found.
        cause: String,
        /// What helps.
        ways_out: String,
    },
    /// The operating system refused.
    #[error("cannot use {} as a directory or file of this user: {cause}; check the path, that it is writable, and the disk under it", path.display())]
    Io {
        /// What was looked at.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
}

/// A directory of the host's own.
#[derive(Debug, Clone)]
pub struct PrivateDir {
    path: PathBuf,
    /// The directory that the operator named.
    root: PathBuf,
    trust: Trust,
}

/// The number of the user that this process acts as.
#[must_use]
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// From here on this process makes files that only its user can read, libraries' files included. Returns which bits were
/// kept back before: files that are made for others go by those.
#[must_use]
#[cfg_attr(target_os = "linux", expect(clippy::useless_conversion, reason = "a mode is narrower on other systems"))]
pub fn keep_new_files_private() -> u32 {
    u32::from(rustix::process::umask(Mode::RWXG | Mode::RWXO).as_raw_mode())
}

impl PrivateDir {
    /// Opens the directory at `path`, or makes it and those above it.
    ///
    /// # Errors
    /// It belongs to another user; it, or a directory above it, can be written by others; or it cannot be made.
    pub fn open(path: &Path, trust: Trust) -> Result<Self, PrivateError> {
        let absolute = std::path::absolute(path).map_err(|cause| io_error(path, cause))?;
        if trust == Trust::Ours {
            check_way(&absolute)?;
        }
        let is_new = !absolute.exists();
        make(&absolute).map_err(|cause| io_error(&absolute, cause))?;
        let dir = Self { path: absolute.clone(), root: absolute, trust };
        let metadata = fs::metadata(&dir.path).map_err(|cause| io_error(&dir.path, cause))?;
        dir.check(&dir.path, &metadata)?;
        // One that is there already and holds something may be more than the root of a store.
        if is_new || fs::read_dir(&dir.path).is_ok_and(|mut entries| entries.next().is_none()) {
            dir.hide(&dir.path, &metadata);
        }
        Ok(dir)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in this one, made if it is not there.
    ///
    /// # Errors
    /// As [`PrivateDir::open`], and where it is a symbolic link.
    pub fn below(&self, name: &str) -> Result<Self, PrivateError> {
        let path = self.path.join(name);
        match DirBuilder::new().mode(OF_OWNER).create(&path) {
            Err(cause) if cause.kind() != ErrorKind::AlreadyExists => return Err(io_error(&path, cause)),
            Ok(()) => sync_directory(&self.path).map_err(|cause| io_error(&path, cause))?,
            Err(_) => {}
        }
        let metadata = fs::symlink_metadata(&path).map_err(|cause| io_error(&path, cause))?;
        if !metadata.is_dir() {
            return Err(self.no_directory(&path, &metadata));
        }
        self.check(&path, &metadata)?;
        self.hide(&path, &metadata);
        Ok(Self { path, root: self.root.clone(), trust: self.trust })
    }

    /// Looks at everything below: whose it is, who may write it, and that it is neither a link nor a device. What others
    /// can read, as an earlier version left it, is hidden.
    ///
    /// # Errors
    /// Names the first thing that is not as it should be.
    pub fn check_contents(&self) -> Result<(), PrivateError> {
        let mut directories = vec![self.path.clone()];
        while let Some(directory) = directories.pop() {
            let entries = fs::read_dir(&directory).map_err(|cause| io_error(&directory, cause))?;
            for entry in entries {
                let entry = entry.map_err(|cause| io_error(&directory, cause))?;
                let path = entry.path();
                let metadata = match entry.metadata() {
                    // Whoever had the state open before may still be closing it.
                    Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                    metadata => metadata.map_err(|cause| io_error(&path, cause))?,
                };
                if metadata.is_dir() {
                    directories.push(path.clone());
                } else if !metadata.is_file() {
                    return Err(self.no_file(&path, &metadata));
                }
                self.check(&path, &metadata)?;
                self.hide(&path, &metadata);
            }
        }
        Ok(())
    }

    /// Opens a file in it for reading and writing, made if it is not there.
    ///
    /// # Errors
    /// It cannot be opened, is no file, or is not to be trusted.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        match options.clone().create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.believed(&path, options.open(&path)),
            new => new,
        }
    }

    /// What a file in it holds, `None` where it is not there.
    ///
    /// # Errors
    /// It cannot be read, is no file, has more than `bytes_max` bytes, or is not to be trusted.
    pub fn read(&self, name: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        // A pipe would keep us waiting.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => self.believed(&path, opened)?,
        };
        let mut bytes = Vec::new();
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            return Err(invalid(format!("it has more than {bytes_max} bytes")));
        }
        Ok(Some(bytes))
    }

    /// Writes a file in it, whole or not at all, so that it lasts.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.path.join(name), bytes)?;
        sync_directory(&self.path)
    }

    /// A file that was there, if it is one and is to be trusted.
    fn believed(&self, path: &Path, opened: io::Result<File>) -> io::Result<File> {
        let file = opened.map_err(|error| match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => invalid("it is not a file, but a symbolic link".to_owned()),
            Ok(_) | Err(_) => error,
        })?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(invalid("it is not a file".to_owned()));
        }
        self.check(path, &metadata).map_err(|error| invalid(error.to_string()))?;
        Ok(file)
    }

    fn check(&self, path: &Path, metadata: &Metadata) -> Result<(), PrivateError> {
        if self.trust == Trust::Anyone {
            return Ok(());
        }
        let root = self.root.display();
        if !is_ours(metadata) {
            let ways = format!("`chown -R {} {root}` if what it holds is yours", user());
            return Err(self.untrusted(path, &ways, foreign(metadata)));
        }
        if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            let ways = format!("`chmod -R go-w {root}` if what it holds is yours");
            return Err(self.untrusted(path, &ways, writable(metadata)));
        }
        Ok(())
    }

    /// Where it fails, the directories above keep others out as well.
    fn hide(&self, path: &Path, metadata: &Metadata) {
        let hidden = metadata.mode() & OF_OWNER;
        if metadata.uid() == user() && metadata.mode() & 0o777 != hidden {
            let _ = fs::set_permissions(path, Permissions::from_mode(hidden));
        }
    }

    fn no_directory(&self, path: &Path, metadata: &Metadata) -> PrivateError {
        self.strange(path, metadata, "a directory")
    }

    fn no_file(&self, path: &Path, metadata: &Metadata) -> PrivateError {
        self.strange(path, metadata, "a file or a directory")
    }

    fn strange(&self, path: &Path, metadata: &Metadata, wanted: &str) -> PrivateError {
        let is = if metadata.is_symlink() { "a symbolic link, which is not followed" } else { "something else" };
        PrivateError::Untrusted {
            path: path.to_owned(),
            cause: format!("{wanted} should be there, and it is {is}"),
            ways_out: format!(
                "remove it; or put the directory itself there, with a mount if it is on another disk; or give a \
                 directory other than {}",
                self.root.display()
            ),
        }
    }

    fn untrusted(&self, path: &Path, ways: &str, cause: String) -> PrivateError {
        PrivateError::Untrusted {
            path: path.to_owned(),
            cause,
            ways_out: format!(
                "{ways}; another --store-path; or, for a shared volume that has to be like that (fsGroup of \
                 Kubernetes makes it writable by a group), --trust-store-owner"
            ),
        }
    }
}

/// Makes a directory, and those above it that are not there, for this user alone, so that they last: what is written
/// into a directory is lost with its name.
///
/// # Errors
/// One cannot be made.
pub fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    if parent != path {
        make(parent)?;
    }
    DirBuilder::new().recursive(true).mode(OF_OWNER).create(path)?;
    sync_directory(parent)
}

/// Has the names in a directory on the disk.
///
/// # Errors
/// It cannot be opened or synchronised.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The directory that a name is in.
#[must_use]
pub fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Writes a file, whole or not at all, that only this user can read. A symbolic link of that name is replaced.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".{:016x}.part", u64::from_le_bytes(random)));
    let part = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Looks at the directories that lead to `path`, as far as there are any, and at the links among them: whoever can rename
/// one of them can put another directory in the place of ours.
fn check_way(path: &Path) -> Result<(), PrivateError> {
    let mut at = PathBuf::from("/");
    let mut rest: Vec<PathBuf> = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part.as_os_str() == ".." {
            at.pop();
            continue;
        }
        check_holder(&at)?;
        let next = at.join(&part);
        let metadata = match fs::symlink_metadata(&next) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
            metadata => metadata.map_err(|cause| io_error(&next, cause))?,
        };
        if !metadata.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if !is_ours(&metadata) || links > LINKS_MAX {
            let cause = format!("it is a symbolic link on the way to {}, and {}", path.display(), foreign(&metadata));
            return Err(untrusted_way(&next, cause));
        }
        let target = fs::read_link(&next).map_err(|cause| io_error(&next, cause))?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        rest.extend(parts(&target));
    }
    Ok(())
}

/// The names in a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let named = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(PathBuf::from(part.as_os_str())),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(named).collect()
}

/// A directory above the root may be written by a group that is ours, and by everybody where it is sticky, as /tmp is:
/// then nobody can rename what is ours. It may belong to another user, as the directories do that containers are given:
/// one person could put only a directory of their own in the place of ours, and that is refused.
fn check_holder(directory: &Path) -> Result<(), PrivateError> {
    let metadata = fs::metadata(directory).map_err(|cause| io_error(directory, cause))?;
    let ours = [ROOT, rustix::process::getegid().as_raw()].contains(&metadata.gid());
    let by_group = metadata.mode() & WRITABLE_BY_GROUP != 0 && !ours;
    if metadata.mode() & STICKY == 0 && (by_group || metadata.mode() & WRITABLE_BY_ALL != 0) {
        return Err(untrusted_way(directory, writable(&metadata)));
    }
    Ok(())
}

fn is_ours(metadata: &Metadata) -> bool {
    [ROOT, user()].contains(&metadata.uid())
}

fn foreign(metadata: &Metadata) -> String {
    format!(
        "it belongs to user {}, and this process is user {}: another user may have planted what is there, or may change it",
        metadata.uid(),
        user()
    )
}

fn writable(metadata: &Metadata) -> String {
    format!(
        "users other than its owner can write there (mode {:o}), so they may have planted what is there, or may \
         change it",
        metadata.mode() & 0o7777
    )
}

fn untrusted_way(path: &Path, cause: String) -> PrivateError {
    let ways_out =
        "another --store-path, in a directory that only you or root can write, or that is sticky as /tmp is; or, for \
         a shared volume that has to be like that, --trust-store-owner"
            .to_owned();
    PrivateError::Untrusted { path: path.to_owned(), cause, ways_out }
}

fn io_error(path: &Path, cause: io::Error) -> PrivateError {
    PrivateError::Io { path: path.to_owned(), cause }
}

fn invalid(words: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    const STRANGER: u32 = 12_345;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn opened(path: &Path) -> Result<PrivateDir, PrivateError> {
        PrivateDir::open(path, Trust::Ours)
    }

    #[track_caller]
    fn refused<T>(result: Result<T, PrivateError>, words: &[&str]) {
        let Err(error) = result else { panic!("not refused; expected {words:?}") };
        let said = error.to_string();
        for word in words {
            assert!(said.contains(word), "{said:?} does not say {word:?}");
        }
    }

    #[test]
    fn what_is_made_is_for_this_user_alone() {
        let outer = tempfile::tempdir().unwrap();
        let dir = opened(&outer.path().join("not/there/yet")).unwrap();
        let below = dir.below("topic").unwrap().below("0").unwrap();
        below.replace("record", b"text").unwrap();
        drop(below.open_file("kept").unwrap());
        for path in ["not", "not/there", "not/there/yet", "not/there/yet/topic", "not/there/yet/topic/0"] {
            assert_eq!(mode(&outer.path().join(path)), 0o700, "{path}");
        }
        for name in ["record", "kept"] {
            assert_eq!(mode(&below.path().join(name)), 0o600, "{name}");
        }
        assert_eq!(below.read("record", 4).unwrap().unwrap(), b"text");
        assert!(below.read("record", 3).is_err() && below.read("none", 3).unwrap().is_none());
    }

    #[test]
    fn what_others_can_write_is_refused_with_the_way_out() {
        for others in [0o770, 0o707, 0o777, 0o720, 0o2770, 0o1777] {
            let outer = tempfile::tempdir().unwrap();
            let root = outer.path().join("store");
            let below = opened(&root).unwrap().below("topic").unwrap();
            below.replace("file", b"").unwrap();
            set_mode(&root, others);
            refused(opened(&root), &["store", &format!("mode {others:o}"), "chmod -R go-w", "--trust-store-owner"]);
            PrivateDir::open(&root, Trust::Anyone).unwrap();
            set_mode(&root, 0o700);
            set_mode(below.path(), others);
            refused(opened(&root).unwrap().below("topic"), &["topic", "chmod -R go-w"]);
            set_mode(below.path(), 0o700);
            set_mode(&below.path().join("file"), others & 0o666);
            refused(below.check_contents(), &["topic/file", "--trust-store-owner"]);
            assert!(below.read("file", 9).is_err());
        }
    }

    #[test]
    fn what_others_can_read_is_hidden() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("store");
        for path in ["store", "store/topic", "store/topic/0", "store/topic/0/incoming"] {
            fs::create_dir(outer.path().join(path)).unwrap();
            set_mode(&outer.path().join(path), 0o755);
        }
        for file in ["topic/0/CURRENT", "topic/0/incoming/x.sst"] {
            fs::write(root.join(file), "").unwrap();
            set_mode(&root.join(file), 0o644);
        }
        opened(&root).unwrap().below("topic").unwrap().below("0").unwrap().check_contents().unwrap();
        assert_eq!(mode(&root), 0o755, "more may lie there than a store");
        for path in ["topic", "topic/0", "topic/0/incoming"] {
            assert_eq!(mode(&root.join(path)), 0o700, "{path}");
        }
        for path in ["topic/0/CURRENT", "topic/0/incoming/x.sst"] {
            assert_eq!(mode(&root.join(path)), 0o600, "{path}");
        }
    }

    #[test]
    fn an_empty_directory_that_was_there_is_hidden() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("store");
        fs::create_dir(&root).unwrap();
        set_mode(&root, 0o755);
        opened(&root).unwrap();
        assert_eq!(mode(&root), 0o700);
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        if user() != ROOT {
            return println!("NOT RUN: only root can give files away");
        }
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("store");
        let below = opened(&root).unwrap().below("topic").unwrap();
        below.replace("file", b"").unwrap();
        let given = |path: &Path, uid| chown(path, Some(uid), None).unwrap();
        for (path, name) in [(root.clone(), "store"), (root.join("topic"), "topic"), (root.join("topic/file"), "file")]
        {
            given(&path, STRANGER);
            let check = |trust| PrivateDir::open(&root, trust)?.below("topic")?.check_contents();
            refused(check(Trust::Ours), &[name, "user 12345", "user 0", "chown", "--trust-store-owner"]);
            check(Trust::Anyone).unwrap();
            given(&path, ROOT);
        }
        given(outer.path(), STRANGER);
        opened(&root).unwrap();
    }

    #[test]
    fn no_link_below_the_root_is_followed() {
        let (outer, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("file"), "theirs").unwrap();
        let root = opened(&outer.path().join("store")).unwrap();
        symlink(elsewhere.path(), root.path().join("topic")).unwrap();
        refused(root.below("topic"), &["topic", "symbolic link", "with a mount"]);
        let real = root.below("real").unwrap();
        symlink(elsewhere.path().join("file"), real.path().join("LOG")).unwrap();
        for trust in [Trust::Ours, Trust::Anyone] {
            let real = PrivateDir { trust, ..real.clone() };
            refused(real.check_contents(), &["real/LOG", "symbolic link"]);
            assert!(real.read("LOG", 99).unwrap_err().to_string().contains("symbolic link"));
            assert!(real.open_file("LOG").unwrap_err().to_string().contains("symbolic link"));
        }
        real.replace("LOG", b"ours").unwrap();
        assert_eq!(fs::read(elsewhere.path().join("file")).unwrap(), b"theirs");
        assert_eq!(real.read("LOG", 99).unwrap().unwrap(), b"ours");
    }

    #[test]
    fn what_is_no_file_is_refused_and_keeps_nobody_waiting() {
        let outer = tempfile::tempdir().unwrap();
        let dir = opened(&outer.path().join("store")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status();
        assert!(made.is_ok_and(|status| status.success()));
        refused(dir.check_contents(), &["pipe", "something else"]);
        assert!(dir.read("pipe", 9).unwrap_err().to_string().contains("not a file"));
    }

    #[test]
    fn the_way_to_the_root_is_looked_at_as_well() {
        let outer = tempfile::tempdir().unwrap();
        let open = outer.path().join("open");
        fs::create_dir(&open).unwrap();
        let link = outer.path().join("link");
        symlink(&open, &link).unwrap();
        let ways = [open.join("store"), open.join("not/there/store"), link.join("store"), link.join("../open/store")];
        for (mode, is_refused) in [(0o777, true), (0o702, true), (0o1777, false), (0o755, false)] {
            set_mode(&open, mode);
            for way in &ways {
                let way = way.as_path();
                if is_refused {
                    refused(opened(way), &["open is not used", "another --store-path", "--trust-store-owner"]);
                } else {
                    opened(way).unwrap();
                }
                PrivateDir::open(way, Trust::Anyone).unwrap();
                fs::remove_dir_all(open.join("store")).ok();
                fs::remove_dir_all(open.join("not")).ok();
            }
        }
        if user() == ROOT {
            std::os::unix::fs::lchown(&link, Some(STRANGER), None).unwrap();
            refused(opened(&link.join("store")), &["link is not used", "symbolic link on the way", "user 12345"]);
        }
    }
}
