//! Whether two file names mean the same file: by inode if the files exist, with links followed, and by the place where
//! they would be created if not. It opens nothing and changes nothing.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::stream::Stream;

/// Links that are followed to a file that is not there.
const LINKS_MAX: usize = 40;

/// A file as the user named it.
pub struct Named<Flag = &'static str> {
    /// By which flag.
    pub flag: Flag,
    /// Its name.
    pub stream: Stream,
    /// Whether it is written; else it is read.
    pub writes: bool,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A file or a pipe that is there: its device and inode.
    Node(u64, u64),
    /// One that is not there yet.
    Name(PathBuf),
    /// What may be used twice: devices such as /dev/null and terminals; a socket is read and written at once.
    Shared,
}

/// The first flag whose file is that of a flag before it, and which that is; one of the two is written.
#[must_use]
pub fn shared<Flag: Copy>(files: &[Named<Flag>]) -> Option<(Flag, Flag)> {
    let places: Vec<(&Named<Flag>, Place)> = files.iter().map(|file| (file, place(file))).collect();
    for (later, (file, place)) in places.iter().enumerate() {
        let before = places.iter().take(later);
        let meets = |(other, at): &&(&Named<Flag>, Place)| {
            let standard =
                file.stream == Stream::Standard && other.stream == Stream::Standard && other.writes == file.writes;
            (file.writes || other.writes) && (standard || *place != Place::Shared && place == at)
        };
        if let Some((other, _)) = before.clone().find(meets) {
            return Some((file.flag, other.flag));
        }
    }
    None
}

#[expect(clippy::disallowed_methods, reason = "it is looked at, and nothing is written")]
fn place<Flag>(file: &Named<Flag>) -> Place {
    match (&file.stream, file.writes) {
        (Stream::Standard, false) => of_descriptor(io::stdin().as_fd()),
        (Stream::Standard, true) => of_descriptor(io::stdout().as_fd()),
        (Stream::File(path), _) => of_path(path),
    }
}

fn of_descriptor(descriptor: BorrowedFd<'_>) -> Place {
    let metadata = descriptor.try_clone_to_owned().and_then(|owned| File::from(owned).metadata());
    metadata.map_or(Place::Shared, |metadata| of_metadata(&metadata))
}

fn of_metadata(metadata: &Metadata) -> Place {
    let kind = metadata.file_type();
    if kind.is_char_device() || kind.is_socket() {
        return Place::Shared;
    }
    Place::Node(metadata.dev(), metadata.ino())
}

fn of_path(path: &Path) -> Place {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match (fs::metadata(&path), fs::read_link(&path)) {
            (Ok(metadata), _) => return of_metadata(&metadata),
            (Err(_), Ok(target)) => path = path.parent().unwrap_or(Path::new("")).join(target),
            (Err(_), Err(_)) => break,
        }
    }
    Place::Name(real(&path))
}

/// The directory without links, where it is there, and the name in it.
fn real(file: &Path) -> PathBuf {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let of_directory = || Some(directory.canonicalize().ok()?.join(file.file_name()?));
    of_directory().unwrap_or_else(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn named(flag: &'static str, path: &Path, writes: bool) -> Named {
        Named { flag, stream: Stream::File(path.to_owned()), writes }
    }

    #[test]
    fn names_of_one_file_meet_whatever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("file"), "x").unwrap();
        fs::hard_link(path("file"), path("hard")).unwrap();
        symlink("file", path("soft")).unwrap();
        symlink("soft", path("softer")).unwrap();
        symlink("none", path("dangling")).unwrap();
        symlink("sub/../dangling", path("dangling-more")).unwrap();
        symlink(dir.path(), path("here")).unwrap();
        symlink("round", path("around")).unwrap();
        symlink("around", path("round")).unwrap();
        let same: [&[&str]; 3] = [
            &["file", "hard", "soft", "softer", "./file", "sub/../hard", "here/file", "here/softer"],
            &["none", "dangling", "dangling-more", "here/none", "sub/../none"],
            &["sub/new", "here/sub/new"],
        ];
        for (group, names) in same.iter().enumerate() {
            for one in *names {
                for other in *names {
                    let files = [named("one", &path(one), false), named("other", &path(other), true)];
                    assert_eq!(shared(&files), Some(("other", "one")), "{one} {other}");
                    let read = files.map(|file| Named { writes: false, ..file });
                    assert_eq!(shared(&read), None, "two may read {one} {other}");
                }
                for other in same.iter().enumerate().filter(|(index, _)| *index != group).flat_map(|(_, names)| *names)
                {
                    assert_eq!(shared(&[named("one", &path(one), true), named("other", &path(other), true)]), None);
                }
            }
        }
        assert_eq!(shared(&[named("one", &path("around"), true), named("other", &path("file"), true)]), None);
    }

    #[test]
    fn devices_may_be_used_twice_and_pipes_may_not() {
        let null = Path::new("/dev/null");
        assert_eq!(shared(&[named("one", null, true), named("other", null, true)]), None);
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(shared(&[named("one", &pipe, true), named("other", &pipe, true)]), Some(("other", "one")));
    }
}
