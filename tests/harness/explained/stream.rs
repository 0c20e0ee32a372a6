//! A topic of generated events, what is to be said of its duplicates, and runs of the host over it, each as a group of
//! its own. What is read of the topics is what a stock client reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Event, Explained, RULES, Truth, check_against_truth, explain, read_truth, schema};
use crate::broker::Seen;
use crate::program::{get, plugin, run};
use crate::scene::{Host, Metrics, PATIENCE, Scene};

/// Events and the truth about them.
pub struct Stream {
    /// The topic they are in.
    pub scene: Scene,
    /// All events by partition and offset.
    pub events: Vec<Event>,
    /// All duplicates, explained by the model for `property_similarity`.
    pub explained: Vec<Explained>,
    /// What the generator says of them.
    pub truth: BTreeMap<(i64, i64), Truth>,
}

/// What was left by a run of the host over all of the stream.
pub struct Outcome {
    /// Records of duplicates.
    pub records: Vec<Value>,
    /// The same records as they are in the topic.
    pub letters: Vec<Seen>,
    /// The output.
    pub output: Vec<Seen>,
    /// Metrics at the end.
    pub metrics: Metrics,
    /// `/api/duplicates`.
    pub duplicates: Value,
    /// `/api/keys`.
    pub keys: Value,
    /// `/api/latest`.
    pub latest: Value,
}

/// The shipped plugins of these names, as arguments.
#[must_use]
pub fn plugins(names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| ["--plugin".to_owned(), plugin(name).display().to_string()]).collect()
}

impl Stream {
    /// Generates events with these arguments, and checks that generator and model tell the same of them.
    #[must_use]
    pub fn generate(scene: Scene, words: &str) -> Self {
        let truth = scene.path("truth");
        let arguments = format!(
            "generate --kafka-hosts {} --topic {} --partitions {} --truth {} {words}",
            scene.broker.hosts,
            scene.input,
            scene.partitions,
            truth.display()
        );
        let _ended = run(arguments.split_whitespace()).ok();
        let truth = read_truth(&std::fs::read_to_string(truth).expect("the truth"));
        let event = |seen: Seen| Event {
            partition: i64::from(seen.partition),
            offset: seen.offset,
            time: seen.timestamp,
            payload: seen.payload.expect("a payload"),
        };
        let events: Vec<Event> = scene.broker.read_committed(&scene.input).into_iter().map(event).collect();
        let explained = explain(&events, &RULES);
        check_against_truth(&explained, &truth);
        Self { scene, events, explained, truth }
    }

    /// A similarity that no duplicate is near to, with about this share of them below.
    #[must_use]
    pub fn bound(&self, share: f64) -> f64 {
        let mut found: Vec<f64> = self.explained.iter().map(|duplicate| duplicate.similarity).collect();
        found.sort_unstable_by(f64::total_cmp);
        let below = found[(found.len() as f64 * share) as usize];
        let above = found.iter().find(|similarity| **similarity > below + 1e-6).expect("they differ");
        f64::midpoint(below, *above)
    }

    /// Runs a host over all of it, as a group with outputs of its own; further arguments win.
    #[must_use]
    pub fn run(&self, name: &str, extra: &[String]) -> Outcome {
        let scene = &self.scene;
        let (group, output) = (scene.broker.name(&format!("group-{name}")), format!("output-{name}"));
        let lane = |suffix: &str| scene.broker.topic(suffix, 1, &[]);
        let (output, duplicates) = (lane(&output), lane(&format!("duplicates-{name}")));
        let own = [
            ["--kafka-consumer-group", &group],
            ["--transactional-id-prefix", &group],
            ["--output-topic", &output],
            ["--duplicates-topic", &duplicates],
        ];
        let arguments: Vec<&str> = own.concat().into_iter().chain(extra.iter().map(String::as_str)).collect();
        let mut host = scene.start_member(name, &[], &arguments);
        let ends = scene.broker.ends(&scene.input, scene.partitions);
        scene.broker.wait_committed(&group, &scene.input, &ends, PATIENCE, || {
            assert!(host.running.is_running(), "the host has ended:\n{}", host.running.stderr());
        });
        let metrics = host.settled();
        assert_eq!(metrics.count("dedup_host_consumed_total", &[]), self.events.len() as u64);
        let all = |answer: &Value| answer["totals"]["consumed"] == self.events.len();
        let summed = until(&host, "/api/duplicates", all);
        let [keys, latest] = ["/api/keys", "/api/latest"].map(|path| until(&host, path, |_| true));
        let metrics = host.metrics();
        host.stop();
        let letters = scene.broker.read_committed(&duplicates);
        let records = letters.iter().map(record).collect();
        Outcome {
            records,
            letters,
            output: scene.broker.read_committed(&output),
            metrics,
            duplicates: summed,
            keys,
            latest,
        }
    }
}

/// A record of a duplicate, parsed; it is as the schema says.
#[must_use]
pub fn record(seen: &Seen) -> Value {
    let record = serde_json::from_slice(seen.payload.as_deref().unwrap_or_default()).expect("a record is JSON");
    schema::check(&record);
    record
}

/// Asks for JSON until the answer is `done`.
#[must_use]
pub fn until(host: &Host, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (code, body) = get(host.port, path).expect("it answers");
        assert_eq!(code, 200, "{path}: {body}");
        let answer = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"));
        if done(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path} stays {body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
