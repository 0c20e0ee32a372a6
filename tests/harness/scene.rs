//! One test's topics, group, state directory and ports, and hosts that run on them. Not what a test checks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::broker::{Broker, Seen};
use crate::program::{Ended, Running, command, free_port, get, plugin, run};

/// The lanes a host writes to unless a test says otherwise.
pub const LANES: &[&str] = &["output", "duplicates", "dead-letter"];

/// Every lane that there is.
const ALL_LANES: [&str; 4] = ["output", "duplicates", "dead-letter", "late"];

/// How long a host may take to be ready, to process what a test gives it, or to end. These are small topics on a busy
/// machine; a host that is this late is stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Everything of one test at the broker and on disk.
pub struct Scene {
    /// The broker.
    pub broker: Broker,
    /// The topic that hosts read.
    pub input: String,
    /// The consumer group.
    pub group: String,
    /// Partitions of the input.
    pub partitions: i32,
    dir: tempfile::TempDir,
}

impl Scene {
    /// Creates the input topic and one topic a lane, of one partition each.
    #[must_use]
    pub fn new(name: &str, partitions: i32) -> Self {
        Self::with_input(name, partitions, &[])
    }

    /// As [`Scene::new`], with settings of the input topic.
    #[must_use]
    pub fn with_input(name: &str, partitions: i32, config: &[(&str, &str)]) -> Self {
        Self::at(Broker::connect(name), partitions, config)
    }

    /// As [`Scene::with_input`], with settings of the lanes' topics, too.
    #[must_use]
    pub fn with_topics(name: &str, partitions: i32, input: &[(&str, &str)], lanes: &[(&str, &str)]) -> Self {
        Self::with_lanes(Broker::connect(name), partitions, input, lanes)
    }

    /// As [`Scene::with_input`], at a broker of the test's choice.
    #[must_use]
    pub fn at(broker: Broker, partitions: i32, config: &[(&str, &str)]) -> Self {
        Self::with_lanes(broker, partitions, config, &[])
    }

    fn with_lanes(broker: Broker, partitions: i32, config: &[(&str, &str)], lanes: &[(&str, &str)]) -> Self {
        let input = broker.topic("input", partitions, config);
        for lane in ALL_LANES {
            let _name = broker.topic(lane, 1, lanes);
        }
        let group = broker.name("group");
        let dir = tempfile::tempdir().expect("a directory");
        Self { broker, input, group, partitions, dir }
    }

    /// The topic of a lane.
    #[must_use]
    pub fn lane(&self, lane: &str) -> String {
        self.broker.name(lane)
    }

    /// What a stock client reads from a lane.
    #[must_use]
    pub fn read(&self, lane: &str) -> Vec<Seen> {
        self.broker.read_committed(&self.lane(lane))
    }

    /// Checks what must hold after every fault: the stable end of each lane's topic reaches its end.
    pub fn check_stable(&self) {
        self.broker.check_stable(&ALL_LANES.map(|lane| self.lane(lane)));
    }

    /// A path in the test's own directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory of the state.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// A host that is only prepared: this member of the group, these lanes, and further arguments, which win.
    #[must_use]
    pub fn command(&self, member: &str, lanes: &[&str], extra: &[&str]) -> (Command, u16) {
        let (arguments, port) = self.arguments(member, lanes, extra);
        (command(arguments), port)
    }

    /// Has the program check what hosts with these lanes have left; it takes their settings.
    #[must_use]
    pub fn verify(&self, lanes: &[&str], extra: &[&str]) -> Ended {
        let (arguments, _) = self.arguments("", lanes, extra);
        run(std::iter::once("verify".to_owned()).chain(arguments))
    }

    fn arguments(&self, member: &str, lanes: &[&str], extra: &[&str]) -> (Vec<String>, u16) {
        let port = free_port();
        let store = self.path(if member.is_empty() { "store" } else { member });
        let mut settings: BTreeMap<String, Vec<String>> = [
            ("--plugin", plugin("composite_key").display().to_string()),
            ("--kafka-hosts", self.broker.hosts.clone()),
            ("--kafka-consumer-topic", self.input.clone()),
            ("--kafka-consumer-group", self.group.clone()),
            ("--transactional-id-prefix", format!("{}{member}", self.group)),
            ("--store-path", store.display().to_string()),
            ("--bind-host", "127.0.0.1".to_owned()),
            ("--bind-port", port.to_string()),
            // What a test is not about does not bring lost states back.
            ("--checkpoint-interval-secs", "0".to_owned()),
        ]
        .map(|(flag, value)| (flag.to_owned(), vec![value]))
        .into();
        for lane in lanes {
            settings.insert(format!("--{lane}-topic"), vec![self.lane(lane)]);
        }
        let mut seen = Vec::new();
        for pair in extra.chunks(2) {
            let [flag, value] = pair else { panic!("flags have values: {extra:?}") };
            if !seen.contains(flag) {
                settings.remove(*flag);
            }
            seen.push(*flag);
            settings.entry((*flag).to_owned()).or_default().push((*value).to_owned());
        }
        let pair = |flag: &String, value: &String| match (flag.as_str(), value.as_str()) {
            ("--json", "true") => vec![flag.clone()],
            _ => vec![flag.clone(), value.clone()],
        };
        let arguments = settings
            .iter()
            .flat_map(|(flag, values)| values.iter().flat_map(|value| pair(flag, value)).collect::<Vec<_>>());
        (arguments.collect(), port)
    }

    /// Starts a host with the usual lanes.
    #[must_use]
    pub fn start(&self, extra: &[&str]) -> Host {
        self.start_member("", LANES, extra)
    }

    /// Starts a host with a state and a transactional id of its own, and these lanes.
    #[must_use]
    pub fn start_member(&self, member: &str, lanes: &[&str], extra: &[&str]) -> Host {
        let (command, port) = self.command(member, lanes, extra);
        Host { running: Running::start_command(command), port }
    }

    /// Waits until all of the input is committed.
    pub fn drain(&self, hosts: &mut [&mut Host]) {
        self.drain_to(&self.broker.ends(&self.input, self.partitions), hosts);
    }

    /// Waits until these offsets are committed.
    pub fn drain_to(&self, ends: &[i64], hosts: &mut [&mut Host]) {
        self.broker.wait_committed(&self.group, &self.input, ends, PATIENCE, || {
            for host in hosts.iter_mut() {
                assert!(host.running.is_running(), "a host has ended:\n{}", host.running.stderr());
            }
        });
    }

    /// Runs a host over all of the input and stops it in good order; its metrics at the end, and its log.
    pub fn run(&self, lanes: &[&str], extra: &[&str]) -> (Metrics, String) {
        let mut host = self.start_member("", lanes, extra);
        self.drain(&mut [&mut host]);
        let metrics = host.settled();
        let ended = host.stop();
        (metrics, ended.stderr)
    }

    /// Runs a host that must refuse.
    #[must_use]
    pub fn refused(&self, lanes: &[&str], extra: &[&str]) -> Ended {
        let (command, _) = self.command("", lanes, extra);
        Running::start_command(command).wait(PATIENCE)
    }
}

/// However a test ends, it leaves no lane with an end that no reader of committed transactions gets to see.
impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_stable();
        }
    }
}

/// A host that runs.
pub struct Host {
    /// The process.
    pub running: Running,
    /// Its HTTP port.
    pub port: u16,
}

impl Host {
    /// Waits until it says that it is ready.
    pub fn ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !matches!(get(self.port, "/_readiness"), Some((200, _))) {
            let running = self.running.is_running();
            assert!(running && Instant::now() < deadline, "it was never ready:\n{}", self.running.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its metrics now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let (code, text) = get(self.port, "/metrics").expect("it answers");
        assert_eq!(code, 200, "{text}");
        Metrics { text }
    }

    /// Its metrics once nothing is undecided: the offsets are committed a moment before they are counted.
    #[must_use]
    pub fn settled(&mut self) -> Metrics {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics();
            if metrics.sum("dedup_host_undecided_records", &[]) == 0.0 {
                return metrics;
            }
            assert!(Instant::now() < deadline, "records stay undecided:\n{}", metrics.text);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it in good order.
    pub fn stop(self) -> Ended {
        self.running.stop(PATIENCE).ok()
    }
}

/// What `/metrics` said.
pub struct Metrics {
    /// In Prometheus' words.
    pub text: String,
}

impl Metrics {
    /// The sum of all series of a name that have all of these labels, each written `name="value"`.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && labels.iter().all(|label| line.contains(label))
        };
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        self.text.lines().filter(of).filter_map(value).sum()
    }

    /// Records decided with this outcome.
    #[must_use]
    pub fn decided(&self, outcome: &str) -> u64 {
        self.count("dedup_host_decisions_total", &[&format!("outcome=\"{outcome}\"")])
    }

    /// [`Metrics::sum`] of a counter.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of a test")]
    pub fn count(&self, name: &str, labels: &[&str]) -> u64 {
        self.sum(name, labels) as u64
    }

    /// Checks the outcomes, unique, duplicate, late, keyless and dead letter, and that they balance what was read.
    pub fn check(&self, outcomes: [u64; 5]) {
        let names = ["unique", "duplicate", "late", "keyless", "dead_letter"];
        assert_eq!(names.map(|name| self.decided(name)), outcomes, "{names:?}\n{}", self.text);
        let (consumed, replayed) =
            (self.count("dedup_host_consumed_total", &[]), self.count("dedup_host_replayed_total", &[]));
        assert_eq!(consumed - replayed, outcomes.iter().sum::<u64>(), "{}", self.text);
        assert_eq!(self.count("dedup_host_undecided_records", &[]), 0, "{}", self.text);
    }
}
