//! A second broker, for tests that kill it: started by `scripts/kafka.sh` with a directory of its own, ended and deleted
//! when dropped. Never the one that other tests use.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PORT: &str = "19092";

/// Why there can be none.
pub(crate) fn missing() -> Option<&'static str> {
    let runs = script("status", None).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    (!runs).then_some("scripts/kafka.sh runs no broker, so it is not asked for a second one to kill")
}

fn script(verb: &str, state: Option<&PathBuf>) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka.sh"));
    command.arg(verb).stdin(Stdio::null());
    if let Some(state) = state {
        command.env("KAFKA_STATE_DIR", state).env("KAFKA_PORT", PORT).env("KAFKA_HEAP_OPTS", "-Xmx512m");
    }
    command
}

pub(crate) struct OwnBroker {
    pub(crate) hosts: String,
    state: PathBuf,
    /// How to start it again.
    arguments: Vec<String>,
    again: Option<Child>,
    _dir: tempfile::TempDir,
}

impl OwnBroker {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("broker");
        let output = script("up", Some(&state)).stderr(Stdio::null()).output().expect("scripts/kafka.sh");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let hosts = text.lines().find_map(|line| line.strip_prefix("KAFKA_HOSTS=")).expect("an address").to_owned();
        let mut broker = Self { hosts, state, arguments: Vec::new(), again: None, _dir: dir };
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", broker.pid())).expect("a command line");
        broker.arguments = command.split_terminator('\0').map(str::to_owned).collect();
        broker
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(self.state.join("pid")).expect("a pid").trim().to_owned()
    }

    /// Sends a signal by its name: `STOP` leaves connections open and answers nothing.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// `kill -9`: nothing is said to anybody, and no file is closed.
    pub(crate) fn kill(&mut self) {
        let killed = Command::new("kill").args(["-9", &self.pid()]).status();
        assert!(killed.is_ok_and(|status| status.success()), "kill -9");
        if let Some(mut child) = self.again.take() {
            drop(child.wait());
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(&self.hosts).is_ok() {
            assert!(Instant::now() < deadline, "the broker is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Over the same files, at the same address.
    pub(crate) fn start_again(&mut self) {
        let log = std::fs::File::options().append(true).open(self.state.join("broker.log")).expect("a log");
        let (program, arguments) = self.arguments.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let child = command.spawn().expect("java starts");
        std::fs::write(self.state.join("pid"), child.id().to_string()).expect("written");
        self.again = Some(child);
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        drop(script("down", Some(&self.state)).stderr(Stdio::null()).status());
        if let Some(mut child) = self.again.take() {
            drop(child.wait());
        }
    }
}
