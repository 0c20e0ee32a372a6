//! Ten minutes of everything at once: bursts of records, a plugin swapped for another build after each, and in every second
//! round a flood over HTTP, while liveness, memory and open files are watched. Prints each round; ends with 1 where a promise
//! is broken. Not faults of the broker: those are in `chaos`.
//!
//! The line's throughput is that of a burst: from its first record produced to its last committed, with and without the
//! flood, in turns, so that the ratio is of one machine at one time. The flood comes from a process of its own that gives way
//! to all others, as clients elsewhere would: what is measured is what the host does about it, not what it costs to make.
//!
//! From the environment: `SOAK_SECONDS` (600), `SOAK_EVENTS` of a burst (800000; shorter bursts measure how quickly the
//! host wakes rather than how fast it runs), `HOST_ARGS` (further arguments of the host).

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark prints, and stops where it is wrong")]
#![expect(clippy::expect_used, clippy::cast_precision_loss, reason = "as above; and its figures are rounded anyway")]

#[path = "../shared/made.rs"]
#[expect(dead_code, reason = "other suites use the rest")]
mod made;

use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dedup_host_tests::abuse::Abuse;
use dedup_host_tests::broker::{hosts, send};
use dedup_host_tests::generated::wait_progress;
use dedup_host_tests::program::get;
use dedup_host_tests::scene::{Host, LANES, Scene};
use rdkafka::producer::{BaseRecord, Producer};

use self::made::{another_build, put, shipped};

/// Where the flood is told its port.
const FLOOD_PORT: &str = "SOAK_FLOOD_PORT";

const PARTITIONS: i32 = 4;

/// The line's share of its throughput that must be left under the flood.
const RATIO_MIN: f64 = 0.9;

/// A probe of an orchestrator gives up after a second.
const LIVENESS_MAX: Duration = Duration::from_secs(1);

/// Time between two questions whether the host lives.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// What memory may grow by from the second quarter of the run to the last, and how long a run has to be for that to mean
/// anything: before, the state and the caches of the clients are filled.
const GROWTH_MAX: f64 = 0.10;
const GROWTH_FREE_BYTES: f64 = 32.0 * 1024.0 * 1024.0;
const JUDGED_FROM: Duration = Duration::from_secs(300);

/// One in so many events repeats the one before it.
const REPEATED: u64 = 10;

fn main() {
    if let Ok(port) = std::env::var(FLOOD_PORT) {
        let _flood = Abuse::start(port.parse().expect("a port"));
        loop {
            std::thread::park();
        }
    }
    if hosts().is_none() {
        println!("######## NOT RUN: soak (KAFKA_HOSTS is not set) ########");
        std::process::exit(1);
    }
    let (seconds, events) = (number("SOAK_SECONDS", 600), number("SOAK_EVENTS", 800_000));
    println!("soak: {seconds} s, bursts of {events} events, {PARTITIONS} partitions");
    let broken = Soak::start().run(Duration::from_secs(seconds), events).broken();
    for promise in &broken {
        println!("BROKEN: {promise}");
    }
    std::process::exit(i32::from(!broken.is_empty()));
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: cannot read {text:?}")))
}

/// The flood, in a process that gives way to all others.
struct Flood(Child);

impl Flood {
    fn start(port: u16) -> Self {
        let this = std::env::current_exe().expect("this program");
        let child = Command::new("nice").args(["-n", "19"]).arg(this).env(FLOOD_PORT, port.to_string()).spawn();
        Self(child.expect("the flood starts"))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a watcher sees beside the rounds.
#[derive(Default)]
struct Watched {
    on: AtomicBool,
    flooded: AtomicBool,
    /// The slowest answers to probes, in microseconds: without and with the flood.
    slowest: [AtomicU64; 2],
    probes: AtomicU64,
    failed: AtomicU64,
    open_files: AtomicU64,
}

impl Watched {
    fn probe(&self, port: u16) {
        while self.on.load(Ordering::Relaxed) {
            let (begun, flooded) = (Instant::now(), self.flooded.load(Ordering::Relaxed));
            let alive = matches!(get(port, "/_liveness"), Some((200, _)));
            let took = u64::try_from(begun.elapsed().as_micros()).expect("short");
            self.probes.fetch_add(1, Ordering::Relaxed);
            self.failed.fetch_add(u64::from(!alive), Ordering::Relaxed);
            self.slowest[usize::from(flooded)].fetch_max(took, Ordering::Relaxed);
            std::thread::sleep(PROBE_INTERVAL.saturating_sub(begun.elapsed()));
        }
    }

    /// Resident bytes at each second.
    fn memory(&self, pid: u32) -> Vec<u64> {
        let mut bytes = Vec::new();
        while self.on.load(Ordering::Relaxed) {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let kib =
                status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
            bytes.extend(kib.map(|kib: u64| kib * 1024));
            let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
            self.open_files.fetch_max(files as u64, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(1));
        }
        bytes
    }

    fn slowest(&self, flooded: bool) -> Duration {
        Duration::from_micros(self.slowest[usize::from(flooded)].load(Ordering::Relaxed))
    }
}

struct Soak {
    scene: Scene,
    host: Host,
    plugin: std::path::PathBuf,
    sent: u64,
}

/// What came of it.
struct Outcome {
    watched: Watched,
    /// Events a second of each burst: without and with the flood.
    bursts: [Vec<f64>; 2],
    memory: Vec<u64>,
    took: Duration,
    swaps: u64,
    /// Events decided as unique and as duplicates, and what they should be.
    decided: [(u64, u64); 2],
    cut_off: u64,
}

impl Soak {
    fn start() -> Self {
        let retained = [("retention.bytes", "134217728"), ("segment.bytes", "33554432")];
        let scene = Scene::with_input("soak", PARTITIONS, &retained);
        let (plugin, cache) = (scene.path("key.wasm"), scene.path("cache").display().to_string());
        put(&plugin, &shipped());
        let path = plugin.display().to_string();
        let mut arguments = vec!["--plugin", &path, "--plugin-config", "/n", "--plugin-cache-dir", &cache];
        arguments.extend(["--plugin-watch", "off", "--admin-token", "a-token-that-nobody-guesses"]);
        arguments.extend(["--window", "1m", "--allowed-lateness", "30s", "--max-out-of-orderness", "1s"]);
        let more = std::env::var("HOST_ARGS").unwrap_or_default();
        arguments.extend(more.split_whitespace());
        let mut host = scene.start_member("", LANES, &arguments);
        host.ready();
        Self { scene, host, plugin, sent: 0 }
    }

    fn run(mut self, duration: Duration, events: u64) -> Outcome {
        let (watched, begun) = (Watched { on: AtomicBool::new(true), ..Watched::default() }, Instant::now());
        let (port, pid) = (self.host.port, self.host.running.pid());
        let (mut bursts, mut swaps) = ([Vec::new(), Vec::new()], 0);
        let memory = std::thread::scope(|scope| {
            scope.spawn(|| watched.probe(port));
            let memory = scope.spawn(|| watched.memory(pid));
            let stops = Stops(&watched.on);
            // The first burst finds everything cold.
            let _cold = self.burst(events);
            while begun.elapsed() < duration {
                for flooded in [false, true] {
                    let flood = flooded.then(|| Flood::start(port));
                    watched.flooded.store(flooded, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_secs(2));
                    let rate = self.burst(events);
                    swaps += 1;
                    self.swap(swaps);
                    watched.flooded.store(false, Ordering::Relaxed);
                    drop(flood);
                    bursts[usize::from(flooded)].push(rate);
                    let flood = if flooded { "flood" } else { "quiet" };
                    println!("  {:>4} s {flood}: {rate:>9.0} events/s", begun.elapsed().as_secs());
                }
            }
            drop(stops);
            memory.join().expect("watched")
        });
        let took = begun.elapsed();
        self.scene.drain(&mut [&mut self.host]);
        let metrics = self.host.settled();
        let repeated = self.sent / REPEATED;
        let decided = [(metrics.decided("unique"), self.sent - repeated), (metrics.decided("duplicate"), repeated)];
        let cut_off = metrics.count("dedup_host_http_cut_off_total", &[]);
        self.host.stop();
        Outcome { watched, bursts, memory, took, swaps, decided, cut_off }
    }

    /// Produces events and waits until they are committed; events a second.
    fn burst(&mut self, events: u64) -> f64 {
        let before = self.scene.broker.progress(&self.scene.group, &self.scene.input, PARTITIONS).records();
        let (begun, producer) = (Instant::now(), self.scene.broker.producer(&[("compression.codec", "snappy")]));
        for number in self.sent..self.sent + events {
            let number = if number % REPEATED == REPEATED - 1 { number - 1 } else { number };
            let partition = i32::try_from(number / REPEATED % 4).expect("few");
            let payload = event(number);
            send(
                &producer,
                BaseRecord::<[u8], [u8]>::to(&self.scene.input).partition(partition).payload(payload.as_bytes()),
            );
        }
        producer.flush(Duration::from_secs(60)).expect("all delivered");
        self.sent += events;
        let (more, host) = (i64::try_from(events).expect("few"), &mut self.host);
        let alive = || assert!(host.running.is_running(), "the host ended:\n{}", host.running.stderr());
        let _at = wait_progress(&self.scene, before, more, i64::MAX, alive);
        events as f64 / begun.elapsed().as_secs_f64()
    }

    /// Puts one of two builds in the other's place.
    fn swap(&mut self, number: u64) {
        put(&self.plugin, &another_build(&shipped(), u8::try_from(number % 2).expect("a bit")));
        self.host.running.signal("HUP");
        self.host.running.wait_for(&format!("by=\"signal\" generation={}", number + 1), Duration::from_secs(60));
    }
}

/// However the rounds end, the watchers do too.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn event(number: u64) -> String {
    format!(
        "{{\"n\":\"{number}\",\"uuid\":\"01936f4e-0000-7000-8000-{number:012x}\",\"event\":\"page_view\",\"properties\":\
         {{\"$current_url\":\"https://example.com/{number}\",\"filler\":\"{}\"}}}}",
        "x".repeat(256)
    )
}

fn median(rates: &[f64]) -> f64 {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn mean(bytes: &[u64]) -> f64 {
    bytes.iter().sum::<u64>() as f64 / bytes.len().max(1) as f64
}

impl Outcome {
    /// Prints everything; the promises that were broken.
    fn broken(&self) -> Vec<String> {
        let [quiet, flood] = [median(&self.bursts[0]), median(&self.bursts[1])];
        let ratio = flood / quiet;
        println!("throughput: {quiet:.0} events/s, under the flood {flood:.0} events/s: ratio {ratio:.3} (medians)");
        let slowest = [self.watched.slowest(false), self.watched.slowest(true)];
        let (probes, failed) =
            (self.watched.probes.load(Ordering::Relaxed), self.watched.failed.load(Ordering::Relaxed));
        println!(
            "liveness: slowest of {probes} answers {:?}, under the flood {:?}; {failed} failed",
            slowest[0], slowest[1]
        );
        let quarters: Vec<f64> = self.memory.chunks(self.memory.len().div_ceil(4).max(1)).map(mean).collect();
        let mib: Vec<String> = quarters.iter().map(|bytes| format!("{:.0}", bytes / 1024.0 / 1024.0)).collect();
        println!("memory: {} MiB, mean of each quarter of the run", mib.join(", "));
        let (swaps, cut_off) = (self.swaps, self.cut_off);
        let files = self.watched.open_files.load(Ordering::Relaxed);
        println!("{swaps} plugin swaps, {cut_off} http connections cut off, at most {files} open files");
        let grown = quarters.len() == 4 && quarters[3] > quarters[1] * (1.0 + GROWTH_MAX) + GROWTH_FREE_BYTES;
        if self.took < JUDGED_FROM {
            println!("memory is not judged: the run is shorter than {JUDGED_FROM:?}");
        }
        let late = slowest.iter().any(|slowest| *slowest > LIVENESS_MAX);
        let wrong = self.decided.iter().any(|(is, should)| is != should);
        [
            (ratio < RATIO_MIN, format!("the flood leaves {ratio:.3} of the throughput, less than {RATIO_MIN}")),
            (late || failed > 0, format!("liveness was late, more than {LIVENESS_MAX:?}, or failed")),
            (grown && self.took >= JUDGED_FROM, "memory grows".to_owned()),
            (cut_off == 0, "the flood was none".to_owned()),
            (wrong, format!("unique and duplicate events, and what they should be: {:?}", self.decided)),
        ]
        .into_iter()
        .filter_map(|(is_broken, promise)| is_broken.then_some(promise))
        .collect()
    }
}
