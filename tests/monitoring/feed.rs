//! Hosts that have something to do for as long as a test watches them: generated events, a fifth of them duplicates.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use dedup_host_tests::program::{Running, command, free_port, plugin, run};
use dedup_host_tests::scene::{PATIENCE, Scene};

/// What the hosts run: the key and the scorer, so that duplicates are explained.
const PLUGINS: &[&str] = &["composite_key", "property_similarity"];

/// The files of the plugins.
pub(crate) fn plugins() -> Vec<String> {
    PLUGINS.iter().map(|name| plugin(name).display().to_string()).collect()
}

/// Events of one round; each round has its own.
const ROUND_EVENTS: u64 = 5_000;
/// Written at once, some fifty times a second: work for a host, and little enough for a small machine.
const PIECE_LINES: usize = 50;

/// Arguments that generate the events of a round, which follow those of the round before in time.
fn round(number: u64) -> String {
    let start = 1_767_225_600_000 + number * ROUND_EVENTS;
    format!("generate --events {ROUND_EVENTS} --duplicates 0.2 --seed {number} --start {start}")
}

/// The thread that writes.
pub(crate) struct Feed {
    wanted: Arc<AtomicBool>,
    spoil: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    fn start(write: impl FnOnce(&AtomicBool, &AtomicBool) + Send + 'static) -> Self {
        let (wanted, spoil) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (is_wanted, is_spoiled) = (Arc::clone(&wanted), Arc::clone(&spoil));
        let thread = std::thread::spawn(move || write(&is_wanted, &is_spoiled));
        Self { wanted, spoil, thread: Some(thread) }
    }

    /// Adds a line that is no event.
    pub(crate) fn spoil(&self) {
        self.spoil.store(true, Ordering::Relaxed);
    }

    fn end(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the feed has failed");
        }
    }
}

/// A host that reads a pipe.
pub(crate) struct PipeHost {
    pub(crate) feed: Feed,
    pub(crate) port: u16,
    running: Running,
    _dir: tempfile::TempDir,
}

impl PipeHost {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let made = Command::new("mkfifo").arg("in").current_dir(dir.path()).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        let port = free_port();
        let mut host = command(plugins().iter().flat_map(|plugin| ["--plugin", plugin]));
        host.args(
            "--input in --output out --event-time /timestamp --store-path store --bind-host 127.0.0.1".split(' '),
        );
        host.args(["--bind-port", &port.to_string()]).current_dir(dir.path());
        let running = Running::start_command(host);
        let path = dir.path().to_owned();
        let feed = Feed::start(move |wanted, spoil| write_pipe(&path, wanted, spoil));
        Self { feed, port, running, _dir: dir }
    }

    /// Its log.
    pub(crate) fn said(&self) -> String {
        self.running.stderr()
    }

    /// The end of the pipe is the end of the run.
    pub(crate) fn end(mut self) {
        self.feed.end();
        let _ended = self.running.wait(PATIENCE).ok();
    }
}

fn write_pipe(dir: &Path, wanted: &AtomicBool, spoil: &AtomicBool) {
    // Opening both ways does not wait for a reader, who may never come.
    let mut pipe = OpenOptions::new().read(true).write(true).open(dir.join("in")).expect("the pipe");
    for number in 0.. {
        let events = run(format!("{} --output -", round(number)).split(' ')).ok().stdout;
        let lines: Vec<_> = events.split_inclusive('\n').collect();
        for piece in lines.chunks(PIECE_LINES) {
            if !wanted.load(Ordering::Relaxed) {
                return;
            }
            if spoil.swap(false, Ordering::Relaxed) {
                pipe.write_all(b"no event\n").expect("the pipe takes it");
            }
            pipe.write_all(piece.concat().as_bytes()).expect("the pipe takes it");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A topic that gets events.
pub(crate) struct TopicFeed(Feed);

impl TopicFeed {
    pub(crate) fn start(scene: &Scene) -> Self {
        let to =
            format!("--partitions {} --topic {} --kafka-hosts {}", scene.partitions, scene.input, scene.broker.hosts);
        Self(Feed::start(move |wanted, _| {
            for number in (0..).take_while(|_| wanted.load(Ordering::Relaxed)) {
                let _ended = run(format!("{} {to}", round(number)).split(' ')).ok();
                std::thread::sleep(Duration::from_millis(500));
            }
        }))
    }

    pub(crate) fn end(mut self) {
        self.0.end();
    }
}
