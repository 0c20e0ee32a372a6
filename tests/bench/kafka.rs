//! Kafka to Kafka, exactly once: the host against bare copy loops, in alternation, over the same topic at the same
//! broker. A run whose output is not right to the last record ends the benchmark: no figure without a verdict.
//!
//! From the environment, each with a default: `EVENTS`, `ROUNDS`, `PARTITIONS` and `DUPLICATES` (lists: every pair is a
//! case), `HOST_ARGS` (further arguments of the host; the copies take its Kafka settings over), `BASELINE` (another build of
//! the host, which takes part and which this one is compared with), `BASELINE_ARGS` (arguments in the place of `HOST_ARGS`
//! for that build, or for a second host of this one), and `BROKER_PID`.
//!
//! Wall time is from the first record polled to the last commit: joining the group, and loading the plugin, are not in
//! it. Of the host both ends are seen in its metrics, asked every 20 ms. Processor time is of the same span, of all
//! threads of the process; the broker's is that of `BROKER_PID`. The copies run inside this process.

#![expect(clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark prints, and stops where it is wrong")]
#![expect(clippy::expect_used, clippy::cast_precision_loss, reason = "as above; and its figures are rounded anyway")]

mod copy;

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dedup_host::settings::config::{Config, Mode};
use dedup_host::settings::kafka::{KafkaConfig, PropertyClient};
use dedup_host::settings::{Invocation, read};
use dedup_host_tests::broker::{Broker, hosts};
use dedup_host_tests::program::{Running, binary, command_of, free_port, get, plugin, run};
use dedup_host_tests::scene::Metrics;
use kafka_connector::KafkaSettings;

use copy::Copy;

/// Time between two looks at the host's metrics.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A run that takes longer is stuck.
const RUN_MAX: Duration = Duration::from_secs(600);

/// Ticks of `/proc/PID/stat` a second, on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// A copy in one loop.
    Loop,
    /// A copy with a thread that polls and this many that produce.
    Threads(usize),
    Host,
    /// The other build of the host, or the same with other arguments.
    Baseline,
}

impl Who {
    fn name(self) -> String {
        match self {
            Self::Loop => "copy, one loop".to_owned(),
            Self::Threads(producers) => format!("copy, 1 + {producers}"),
            Self::Host => "dedup-host".to_owned(),
            Self::Baseline => "baseline".to_owned(),
        }
    }

    fn is_copy(self) -> bool {
        matches!(self, Self::Loop | Self::Threads(_))
    }
}

/// What to compare with, if that is said: a build, and its arguments.
fn baseline(host_args: &[String]) -> Option<(PathBuf, Vec<String>)> {
    let build = std::env::var_os("BASELINE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let arguments = std::env::var_os("BASELINE_ARGS").map(|_| list("BASELINE_ARGS", ""));
    let is_wanted = build.is_some() || arguments.is_some();
    is_wanted.then(|| (build.unwrap_or_else(binary), arguments.unwrap_or_else(|| host_args.to_vec())))
}

fn main() {
    if hosts().is_none() {
        println!("######## NOT RUN: Kafka to Kafka (KAFKA_HOSTS is not set) ########");
        std::process::exit(1);
    }
    let (events, rounds): (u64, usize) = (list("EVENTS", "2000000")[0], list("ROUNDS", "3")[0]);
    let host_args: Vec<String> = list("HOST_ARGS", "");
    let baseline = baseline(&host_args);
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Kafka to Kafka: {events} events, {rounds} rounds in alternation, {threads} processors for clients and broker \
         together; arguments of the host: {host_args:?}; baseline: {baseline:?}"
    );
    for duplicates in list::<f64>("DUPLICATES", "0 0.1") {
        for partitions in list("PARTITIONS", "4 1") {
            Case::fill(events, partitions, duplicates, &host_args, baseline.as_ref()).measure(rounds);
        }
    }
}

fn list<T: std::str::FromStr>(name: &str, default: &str) -> Vec<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned());
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    words.map(|word| word.parse().unwrap_or_else(|_| panic!("{name}: cannot read {word:?}"))).collect()
}

/// What is in a topic, whatever its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Contents {
    records: u64,
    bytes: u64,
    /// Sum of the hashes of payload and timestamp.
    sum: u64,
}

impl Contents {
    fn of(broker: &Broker, topic: &str) -> Self {
        let mut contents = Self::default();
        broker.for_each_committed(topic, |record| {
            let mut hasher = DefaultHasher::new();
            (&record.payload, record.timestamp).hash(&mut hasher);
            contents.records += 1;
            contents.bytes += record.payload.map_or(0, |payload| payload.len() as u64);
            contents.sum = contents.sum.wrapping_add(hasher.finish());
        });
        contents
    }
}

/// Processor seconds of a process so far; `None` where there is no `/proc`, or no such process.
fn cpu_seconds(pid: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// A span of time, of the clock and of processors.
#[derive(Debug, Clone, Copy)]
struct Span {
    wall: Duration,
    client: Option<f64>,
    broker: Option<f64>,
}

struct Started {
    at: Instant,
    client: Option<f64>,
    broker: Option<f64>,
}

impl Started {
    fn now(pid: &str) -> Self {
        Self { at: Instant::now(), client: cpu_seconds(pid), broker: broker_cpu_seconds() }
    }

    fn end(&self, pid: &str) -> Span {
        let since = |before: Option<f64>, now: Option<f64>| Some(now? - before?);
        let wall = self.at.elapsed();
        Span { wall, client: since(self.client, cpu_seconds(pid)), broker: since(self.broker, broker_cpu_seconds()) }
    }
}

fn broker_cpu_seconds() -> Option<f64> {
    cpu_seconds(&std::env::var("BROKER_PID").ok()?)
}

/// One input topic, and who reads it.
struct Case {
    broker: Broker,
    input: String,
    partitions: i32,
    events: u64,
    /// Unique events, as the generator says.
    unique: u64,
    contents: Contents,
    host_args: Vec<String>,
    baseline: Option<(PathBuf, Vec<String>)>,
}

impl Case {
    fn fill(
        events: u64,
        partitions: i32,
        duplicates: f64,
        host_args: &[String],
        baseline: Option<&(PathBuf, Vec<String>)>,
    ) -> Self {
        let broker = Broker::connect("bench");
        let input = broker.topic("input", partitions, &[]);
        let arguments = format!(
            "generate --kafka-hosts {} --topic {input} --partitions {partitions} --events {events} \
             --duplicates {duplicates} --seed 7",
            broker.hosts
        );
        let said = run(arguments.split(' ')).ok().stderr;
        // "1000 events: 900 unique, ..."
        let unique = said.split(" unique").next().and_then(|said| said.rsplit(' ').next()?.parse().ok());
        let contents = Contents::of(&broker, &input);
        assert_eq!(contents.records, events, "the input topic");
        println!(
            "\n{partitions} partitions, {:.0} % duplicates, {:.0} MB of payload; {}",
            duplicates * 100.0,
            contents.bytes as f64 / 1e6,
            said.trim()
        );
        let unique = unique.expect("the generator says how many are unique");
        let (host_args, baseline) = (host_args.to_vec(), baseline.cloned());
        Self { broker, input, partitions, events, unique, contents, host_args, baseline }
    }

    fn measure(self, rounds: usize) {
        println!(
            "{:>5} {:<16} {:>9} {:>8} {:>8} {:>12} {:>12}",
            "round", "what", "events/s", "MB/s", "seconds", "client cpu/M", "broker cpu/M"
        );
        let everyone = self.everyone();
        let mut rounds_done = Vec::new();
        let mut stages = String::new();
        for round in 1..=rounds {
            let mut spans = Vec::new();
            for turn in 0..everyone.len() {
                // Each goes first as often as the others.
                let who = everyone[(turn + round) % everyone.len()];
                let span = self.once(who, &format!("{round}-{turn}"), &mut stages);
                self.print(round, &who.name(), span);
                spans.push((who, span));
            }
            rounds_done.push(spans);
        }
        summary(&rounds_done);
        println!("the host's time by stage, last round, all workers together: {stages}");
        self.broker.delete_topic(&self.input);
    }

    /// The host, the build that it is compared with, one loop, one producer, and as many producers as the host has workers.
    fn everyone(&self) -> Vec<Who> {
        let Config { limits, .. } =
            host_config(&self.host_arguments("output", "group", "/nowhere", 1, &self.host_args));
        let workers = limits.worker_threads.min(usize::try_from(self.partitions).expect("not negative"));
        let mut everyone = vec![Who::Host];
        everyone.extend(self.baseline.as_ref().map(|_| Who::Baseline));
        everyone.extend([Who::Loop, Who::Threads(1)]);
        everyone.extend((workers > 1).then_some(Who::Threads(workers)));
        everyone
    }

    fn print(&self, round: usize, who: &str, span: Span) {
        let seconds = span.wall.as_secs_f64();
        let per_million = |cpu: Option<f64>| {
            cpu.map_or_else(|| "?".to_owned(), |cpu| format!("{:.2}", cpu * 1e6 / self.events as f64))
        };
        println!(
            "{round:>5} {who:<16} {:>9.0} {:>8.0} {seconds:>8.2} {:>12} {:>12}",
            self.events as f64 / seconds,
            self.contents.bytes as f64 / 1e6 / seconds,
            per_million(span.client),
            per_million(span.broker)
        );
    }

    /// One run, and its verdict.
    fn once(&self, who: Who, name: &str, stages: &mut String) -> Span {
        let output = self.broker.topic(&format!("output-{name}"), self.partitions, &[]);
        let group = self.broker.name(&format!("group-{name}"));
        let span = match who {
            Who::Host => self.host(&binary(), &self.host_args, &output, &group, stages),
            Who::Baseline => {
                let (build, arguments) = self.baseline.as_ref().expect("it takes part");
                self.host(build, arguments, &output, &group, &mut String::new())
            }
            Who::Loop => self.copy(None, &output, group),
            Who::Threads(producers) => self.copy(Some(producers), &output, group),
        };
        let written = Contents::of(&self.broker, &output);
        let records = if who.is_copy() { self.events } else { self.unique };
        assert_eq!(written.records, records, "{} wrote another number of records", who.name());
        if records == self.events {
            assert_eq!(written, self.contents, "{} wrote other records", who.name());
        }
        self.broker.delete_topic(&output);
        span
    }

    fn copy(&self, producers: Option<usize>, output: &str, group: String) -> Span {
        let config = host_config(&self.host_arguments(output, &group, "/nowhere", 1, &self.host_args));
        let Mode::Kafka(config) = config.mode else { panic!("the host's arguments are not for Kafka") };
        let settings = kafka_settings(&config, &self.input);
        let copy =
            Copy { settings: &settings, group, output, records: self.events, commit_interval: config.commit_interval };
        let mut start = None;
        let started = || start = Some(Started::now("self"));
        match producers {
            None => copy.one_loop(started),
            Some(producers) => copy.threads(producers, started),
        }
        start.expect("it polled something").end("self")
    }

    fn host(&self, build: &Path, further: &[String], output: &str, group: &str, stages: &mut String) -> Span {
        let store = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let store = store.path().to_str().expect("text");
        let mut host =
            Running::start_command(command_of(build, self.host_arguments(output, group, store, port, further)));
        let pid = host.pid().to_string();
        let consumed = |metrics: &Metrics| metrics.count("dedup_host_consumed_total", &[]) > 0;
        wait(&mut host, port, consumed);
        let started = Started::now(&pid);
        // Nothing in the input is a control record: the offsets committed add up to the records done.
        let done = |metrics: &Metrics| metrics.count("dedup_host_committed_offset", &[]) >= self.events;
        let metrics = wait(&mut host, port, done);
        let span = started.end(&pid);
        *stages = describe(&metrics, self.events);
        let _ended = host.stop(RUN_MAX).ok();
        span
    }

    fn host_arguments(&self, output: &str, group: &str, store: &str, port: u16, further: &[String]) -> Vec<String> {
        let plugin = plugin("composite_key").display().to_string();
        let port = port.to_string();
        let checkpoints = format!("{store}/checkpoints");
        let pairs = [
            ("--plugin", plugin.as_str()),
            ("--kafka-hosts", &self.broker.hosts),
            ("--kafka-consumer-topic", &self.input),
            ("--kafka-consumer-group", group),
            ("--transactional-id-prefix", group),
            ("--output-topic", output),
            ("--store-path", store),
            ("--local-checkpoint-dir", &checkpoints),
            ("--bind-host", "127.0.0.1"),
            ("--bind-port", &port),
        ];
        let own = pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()]);
        own.chain(further.iter().cloned()).collect()
    }
}

/// Asks for the metrics until they say so.
fn wait(host: &mut Running, port: u16, enough: impl Fn(&Metrics) -> bool) -> Metrics {
    let deadline = Instant::now() + RUN_MAX;
    loop {
        assert!(host.is_running() && Instant::now() < deadline, "the host does not get on:\n{}", host.stderr());
        if let Some((200, text)) = get(port, "/metrics") {
            let metrics = Metrics { text };
            if enough(&metrics) {
                return metrics;
            }
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// The host's own reading of its arguments.
fn host_config(arguments: &[String]) -> Config {
    let arguments = std::iter::once("dedup-host").chain(arguments.iter().map(String::as_str)).map(OsString::from);
    let Ok(Invocation::Run(config)) = read(arguments, &|_| None) else { panic!("the host's arguments") };
    *config
}

/// The producer's settings by librdkafka's names, as the host hands them on; the connector adds its own.
fn kafka_settings(config: &KafkaConfig, input: &str) -> KafkaSettings {
    let pair = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
    let producer = &config.producer;
    let mut settings = KafkaSettings {
        hosts: config.connection.hosts.clone(),
        topic: input.to_owned(),
        transaction_timeout_ms: 15_000,
        producer: vec![
            pair("linger.ms", &producer.linger.as_millis()),
            pair("queue.buffering.max.kbytes", &(u64::from(producer.queue_mib) * 1024)),
            pair("queue.buffering.max.messages", &producer.queue_messages),
            pair("message.timeout.ms", &producer.message_timeout.as_millis()),
            pair("compression.codec", &producer.compression),
        ],
        ..KafkaSettings::default()
    };
    for property in &config.connection.properties {
        let named = pair(&property.name, &property.value);
        if property.client != PropertyClient::Producer {
            settings.consumer.push(named.clone());
        }
        if property.client != PropertyClient::Consumer {
            settings.producer.push(named);
        }
    }
    settings
}

fn describe(metrics: &Metrics, events: u64) -> String {
    let stages = ["decode", "extract", "lookup", "decide", "produce", "commit", "apply", "persist"].map(|stage| {
        let seconds = metrics.sum("dedup_host_stage_seconds_sum", &[&format!("stage=\"{stage}\"")]);
        format!("{stage} {:.0}", seconds * 1e9 / events as f64)
    });
    format!(
        "{} ns an event; {} transactions; {:.0} records a batch; {} pauses",
        stages.join(", "),
        metrics.count("dedup_host_transactions_total", &["result=\"committed\""]),
        events as f64 / metrics.sum("dedup_host_batch_records_count", &[]),
        metrics.count("dedup_host_backpressure_pauses_total", &[])
    )
}

/// Round by round, against whichever copy was fastest then, and against the other build.
fn summary(rounds: &[Vec<(Who, Span)>]) {
    let of = |round: &[(Who, Span)], who| round.iter().find(|(other, _)| *other == who).map(|(_, span)| *span);
    let fastest = |round: &[(Who, Span)]| {
        let copies = round.iter().filter(|(who, _)| who.is_copy()).map(|(_, span)| *span);
        copies.min_by_key(|span| span.wall)
    };
    let host = |round: &Vec<(Who, Span)>| of(round, Who::Host);
    compare("the fastest copy of the round", rounds.iter().filter_map(|round| Some((host(round)?, fastest(round)?))));
    let baseline = |round: &Vec<(Who, Span)>| of(round, Who::Baseline);
    compare("the baseline", rounds.iter().filter_map(|round| Some((host(round)?, baseline(round)?))));
}

/// The host beside another, in pairs of the same round.
fn compare(whom: &str, pairs: impl Iterator<Item = (Span, Span)>) {
    let pairs: Vec<(Span, Span)> = pairs.collect();
    if pairs.is_empty() {
        return;
    }
    let speed = pairs.iter().map(|(host, other)| other.wall.as_secs_f64() / host.wall.as_secs_f64());
    let cpu = pairs.iter().filter_map(|(host, other)| Some(host.client? / other.client?));
    println!(
        "median of {} rounds: the host runs at {:.2} of the speed of {whom}, and takes {:.2} times its processor time",
        pairs.len(),
        median(speed),
        median(cpu)
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
