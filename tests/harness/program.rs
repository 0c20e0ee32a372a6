//! The program as its users run it: the binary, the shipped plugins, what it prints and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary: `DEDUP_HOST_BIN`, else the one in `dist/`.
#[must_use]
pub fn binary() -> PathBuf {
    from_dist("DEDUP_HOST_BIN", "dedup-host")
}

/// A shipped plugin by its name: in `DEDUP_PLUGINS_DIR`, else in `dist/plugins`.
#[must_use]
pub fn plugin(name: &str) -> PathBuf {
    let path = from_dist("DEDUP_PLUGINS_DIR", "plugins").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is not there: run `make build` first", path.display());
    path
}

fn from_dist(variable: &str, name: &str) -> PathBuf {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist").join(name);
    std::env::var_os(variable).map_or(dist, PathBuf::from)
}

/// The program with arguments, and no settings of the environment but the ones a test adds.
#[must_use]
pub fn command<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    command_of(&binary(), arguments)
}

/// As [`command`], of another build of the program.
#[must_use]
pub fn command_of<I: AsRef<std::ffi::OsStr>>(binary: &Path, arguments: impl IntoIterator<Item = I>) -> Command {
    assert!(binary.exists(), "{} is not there: run `make build` first", binary.display());
    let mut command = Command::new(binary);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The end of a run that must succeed.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stderr:\n{}", self.stderr);
        self
    }

    /// Checks that the run was refused with this code and that the message names all of this.
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "stderr:\n{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "the message does not name {word:?}:\n{}", self.stderr);
        }
    }
}

/// Runs the program to its end, with this on standard input.
#[must_use]
pub fn run_with_input<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>, input: &[u8]) -> Ended {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the program ends");
    drop(writer.join());
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the program to its end.
#[must_use]
pub fn run<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Ended {
    run_with_input(arguments, b"")
}

/// A `--report` file.
#[must_use]
pub fn report(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("there is a report");
    serde_json::from_str(&text).expect("the report is JSON")
}

/// The program while it runs. Dropped, it is killed.
pub struct Running {
    child: Child,
    stderr: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts the program; what it says on standard error is kept.
    #[must_use]
    pub fn start<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Self {
        Self::start_command(command(arguments))
    }

    /// Starts a prepared command.
    #[must_use]
    pub fn start_command(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stderr = Arc::new(Mutex::new(String::new()));
        let (pipe, kept) = (child.stderr.take().expect("piped"), Arc::clone(&stderr));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut kept = kept.lock().expect("no reader panics");
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { child, stderr, reader: Some(reader) }
    }

    /// What it has said so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("no reader panics").clone()
    }

    /// Waits until it has said this, and fails with all it said after `timeout`.
    pub fn wait_for(&mut self, words: &str, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while !self.stderr().contains(words) {
            let ended = self.child.try_wait().expect("a child").is_some();
            assert!(Instant::now() < deadline && !ended, "it never said {words:?}:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// The number of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`, `KILL`, `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// `kill -9`, and the body buried.
    pub fn kill(mut self) -> String {
        drop(self.child.kill());
        self.end(Duration::from_secs(10)).stderr
    }

    /// Asks for an orderly end and waits for it.
    #[must_use]
    pub fn stop(self, timeout: Duration) -> Ended {
        self.signal("TERM");
        self.wait(timeout)
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(mut self, timeout: Duration) -> Ended {
        self.end(timeout)
    }

    fn end(&mut self, timeout: Duration) -> Ended {
        let deadline = Instant::now() + timeout;
        while self.is_running() {
            assert!(Instant::now() < deadline, "it did not end within {timeout:?}:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
        let code = self.child.wait().expect("a child").code();
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        Ended { code, stdout: String::new(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `GET` over a plain socket: the status code and the body.
#[must_use]
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let code = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n")?.1.to_owned();
    Some((code, body))
}

/// A port that nobody listens on.
#[must_use]
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}
