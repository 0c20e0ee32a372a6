//! A host of the storm: its process, and its disk, which is a directory or a small disk of its own. Not what is done to it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use dedup_host_tests::disk::Disk;
use dedup_host_tests::program::Running;
use dedup_host_tests::scene::{Host, LANES, Scene};

use crate::SETTINGS;
use crate::plan::Loss;

const OFTEN: &[&str] = &[
    "--checkpoint-interval-secs",
    "1",
    "--max-local-checkpoints",
    "2",
    "--max-s3-checkpoints",
    "3",
    "--full-upload-interval",
    "3",
    "--shutdown-timeout-secs",
    "10",
];

/// Where all hosts keep checkpoints, and what they do alike.
pub(crate) struct Common {
    /// Of the way to the bucket.
    pub(crate) port: u16,
    pub(crate) prefix: String,
    /// A directory of all; `None`: each has its own.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) settings: Vec<String>,
}

impl Common {
    fn tell(&self, command: &mut Command) {
        let given = |name: &str| std::env::var(format!("TEST_S3_{name}")).expect("scripts/s3.sh up prints it");
        command
            .env("S3_BUCKET", given("BUCKET"))
            .env("S3_KEY_PREFIX", &self.prefix)
            .env("AWS_ACCESS_KEY_ID", given("KEY"))
            .env("AWS_SECRET_ACCESS_KEY", given("SECRET"))
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ALLOW_HTTP", "true");
    }
}

/// See the module.
pub(crate) struct Member {
    pub(crate) name: String,
    /// `None` while it is down.
    pub(crate) host: Option<Host>,
    pub(crate) disk: Option<Disk>,
    dir: PathBuf,
    saved: PathBuf,
}

impl Member {
    pub(crate) fn new(scene: &Scene, name: &str) -> Self {
        let (dir, saved) = (scene.path(name), scene.path(&format!("{name}-saved")));
        fs::create_dir(&dir).expect("a directory");
        Self { name: name.to_owned(), host: None, disk: None, dir, saved }
    }

    /// As [`Member::new`], with a small disk where that is permitted.
    pub(crate) fn on_small_disk(scene: &Scene, name: &str) -> Self {
        let mut member = Self::new(scene, name);
        member.disk = Disk::mount(&member.dir, "size=256m,mode=700");
        member
    }

    fn place(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn start(&mut self, scene: &Scene, common: &Common) {
        let checkpoints = common.directory.clone().unwrap_or_else(|| self.place("checkpoints"));
        let [store, checkpoints] = [self.place("store"), checkpoints].map(|place| place.display().to_string());
        let places = ["--store-path", &store, "--local-checkpoint-dir", &checkpoints];
        let settings: Vec<&str> = common.settings.iter().map(String::as_str).collect();
        let (mut command, port) = scene.command(&self.name, LANES, &[SETTINGS, OFTEN, &places, &settings].concat());
        common.tell(&mut command);
        self.host = Some(Host { running: Running::start_command(command), port });
    }

    /// What happens to its disk while it is down.
    pub(crate) fn lose(&self, loss: Loss) {
        match loss {
            Loss::Nothing => self.save(),
            Loss::Store => remove(&self.place("store")),
            Loss::Checkpoints => remove(&self.place("checkpoints")),
            Loss::Disk => {
                remove(&self.place("store"));
                remove(&self.place("checkpoints"));
            }
            Loss::PutBack if self.saved.exists() => {
                remove(&self.place("store"));
                copy(&self.saved, &self.place("store"));
            }
            Loss::PutBack => {}
        }
    }

    /// Keeps a copy of the state, if there is none yet, to be put back later.
    fn save(&self) {
        if !self.saved.exists() && self.place("store").exists() {
            copy(&self.place("store"), &self.saved);
        }
    }

    pub(crate) fn forget_saved(&self) {
        remove(&self.saved);
    }

    pub(crate) fn signal(&self, name: &str) {
        if let Some(host) = &self.host {
            host.running.signal(name);
        }
    }
}

fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", path.display()),
        Ok(()) | Err(_) => {}
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -a {} {}", from.display(), to.display());
}
