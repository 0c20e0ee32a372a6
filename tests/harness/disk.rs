//! A small disk of a test's own. Only who may mount file systems can have one.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is larger is no small disk: it must have been unmounted by somebody else, and what lies under it is not to be filled.
const FILLER_BYTES_MAX: usize = 1 << 30;

/// A file system in memory; unmounted when dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Why small disks cannot be had here, if so.
    #[must_use]
    pub fn missing() -> Option<&'static str> {
        let dir = tempfile::tempdir().expect("a directory");
        Self::mount(dir.path(), "size=64k").is_none().then_some("mounting small disks is not permitted here")
    }

    /// Mounts one over a directory; `None`: that is not permitted. `options` are those of `mount -t tmpfs -o`.
    #[must_use]
    pub fn mount(path: &Path, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }

    /// Changes its options.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "remount with {options}");
    }

    /// Writes a file until nothing more fits.
    pub fn fill(&self) {
        let mut file = fs::File::options().create(true).append(true).open(self.filler()).expect("a file");
        let mut written = 0;
        for bytes in [1 << 20, 4 << 10, 1] {
            let piece = vec![1; bytes];
            let full = loop {
                match file.write_all(&piece) {
                    Ok(()) => written += bytes,
                    Err(error) => break error,
                }
                assert!(written < FILLER_BYTES_MAX, "{} is no small disk", self.0.display());
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    /// Removes that file.
    pub fn empty(&self) {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("the filler stays: {error}"),
            Ok(()) | Err(_) => {}
        }
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
