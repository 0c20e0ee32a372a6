//! A second broker, for tests that kill it: started by `scripts/kafka.sh` with a directory of its own, ended and deleted
//! when dropped. Never the one that other tests use.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The first port that a broker tries: another one in each process, and none that systems give to clients, as it has to be
/// free still when the broker comes back.
fn port() -> String {
    (12_000 + std::process::id() % 1_500 * 10).to_string()
}

/// How long a broker may take to end.
const END_MAX: Duration = Duration::from_secs(60);

pub(crate) struct OwnBroker {
    pub(crate) hosts: String,
    /// Another version than the usual one.
    version: Option<&'static str>,
    /// The port that it tells clients to come to, where that is not its own.
    advertised: Option<u16>,
    /// Whether it obeys ACLs.
    obeys_acls: bool,
    state: PathBuf,
    /// How to start it again.
    arguments: Vec<String>,
    again: Option<Child>,
    _dir: tempfile::TempDir,
}

impl OwnBroker {
    pub(crate) fn start() -> Self {
        Self::start_as(None, None, false)
    }

    /// A broker that obeys ACLs, of which there are none yet.
    pub(crate) fn start_with_acls() -> Self {
        Self::start_as(None, None, true)
    }

    /// A broker that tells clients to come to another port than its own.
    pub(crate) fn start_behind(port: u16) -> Self {
        Self::start_as(None, Some(port), false)
    }

    /// A broker of this version, which is fetched if it is not there yet.
    pub(crate) fn start_version(version: &'static str) -> Self {
        Self::start_as(Some(version), None, false)
    }

    fn start_as(version: Option<&'static str>, advertised: Option<u16>, obeys_acls: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (state, hosts) = (dir.path().join("broker"), String::new());
        let arguments = Vec::new();
        let mut broker = Self { hosts, version, advertised, obeys_acls, state, arguments, again: None, _dir: dir };
        let text = broker.script(&["up"]);
        let hosts = text.lines().find_map(|line| line.strip_prefix("KAFKA_HOSTS="));
        broker.hosts = hosts.expect("an address").to_owned();
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", broker.pid())).expect("a command line");
        broker.arguments = command.split_terminator('\0').map(str::to_owned).collect();
        broker
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka.sh"));
        command.args(words).stdin(Stdio::null());
        command.env("KAFKA_STATE_DIR", &self.state).env("KAFKA_PORT", port()).env("KAFKA_HEAP_OPTS", "-Xmx512m");
        if let Some(port) = self.advertised {
            command.env("KAFKA_ADVERTISED_PORT", port.to_string());
        }
        if self.obeys_acls {
            command.env("KAFKA_ACLS", "1");
        }
        if let Some(version) = self.version {
            command.env_remove("KAFKA_HOME").env("KAFKA_VERSION", version);
        }
        command
    }

    /// What `scripts/kafka.sh` prints.
    fn script(&self, words: &[&str]) -> String {
        let output = self.command(words).output().expect("scripts/kafka.sh");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/kafka.sh {words:?}: {said}; SKIP=\"own-broker\" does without");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The transactional ids that the broker knows, and the states of their transactions, in the words of Kafka's tool.
    pub(crate) fn transactions(&self) -> Vec<(String, String)> {
        let said = self.script(&["tool", "org.apache.kafka.tools.TransactionsCommand", "list"]);
        let row = |line: &str| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.nth(2)?.to_owned()))
        };
        said.lines().skip(1).filter_map(row).collect()
    }

    /// Lets everybody do everything with this topic but ask what it is configured to be.
    pub(crate) fn deny_describe_configs(&self, topic: &str) {
        for acl in [
            ["--allow-principal", "User:*", "--operation", "All"],
            ["--deny-principal", "User:*", "--operation", "DescribeConfigs"],
        ] {
            let words = [&["tool", "org.apache.kafka.tools.AclCommand", "--add", "--topic", topic][..], &acl].concat();
            let said = self.script(&words);
            assert!(said.contains("Adding ACLs"), "{said}");
        }
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
        self.wait_gone();
    }

    fn wait_gone(&mut self) {
        let process = format!("/proc/{}/cmdline", self.pid());
        // One that nobody has waited for yet has none any more.
        let is_there = || std::fs::read(&process).is_ok_and(|command| !command.is_empty());
        if let Some(mut child) = self.again.take() {
            drop(child.wait());
        }
        let deadline = Instant::now() + END_MAX;
        while is_there() || std::net::TcpStream::connect(&self.hosts).is_ok() {
            assert!(Instant::now() < deadline, "the broker is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it in good order.
    pub(crate) fn end(&mut self) {
        self.signal("TERM");
        self.wait_gone();
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
        drop(self.command(&["down"]).stderr(Stdio::null()).status());
        if let Some(mut child) = self.again.take() {
            drop(child.wait());
        }
    }
}
