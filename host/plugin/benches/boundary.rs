//! What it costs to have keys extracted behind the boundary of the sandbox, an event: the shipped `composite_key` in
//! wasm as the host runs it, the same code compiled natively, and the shape of the contract that was rejected. Then the
//! same for the shipped scorers, a pair. Not the cost of finding fields and properties.
//! `cargo bench --workspace --bench boundary [-- --quick]`; the shipped plugins have to be built before.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark: it prints, and stops where it cannot run"
)]

use std::path::PathBuf;
use std::time::Instant;

use composite_key::CompositeKey;
use dedup_plugin::testing::{Harness, no_pairs, push_rows};
use dedup_plugin::{SimilarityScorer, Value};
use engine::fields::{Column, Extraction, FieldBatch, Kind};
use engine::properties::{Comparisons, PairBatch};
use plugin::{Limits, Runtime};
use property_similarity::PropertySimilarity;
use string_distance::StringDistance;

const EVENTS: usize = 1000;
const ROWS: usize = 40;
const FIELDS: usize = 4;
const CONFIG: &str = "/timestamp,/distinct_id,/token,/event";

/// An event's four fields, as they stand in events of about 430 bytes.
type Event = [String; FIELDS];

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let rounds = if quick { 20 } else { 200 };
    let events = events();
    let bytes: usize = events.iter().flatten().map(String::len).sum();
    println!("{EVENTS} events a call, {FIELDS} fields with {} bytes an event; best of {rounds} rounds", bytes / EVENTS);

    let [native, flat, nested] = best(rounds, [&mut native(&events), &mut flat(&events), &mut nested(&events)]);
    println!("native          {native:8.1} ns an event");
    println!("wasm, flat      {flat:8.1} ns an event, {:+.1} ns, {:.2} times native", flat - native, flat / native);
    println!("wasm, rejected  {nested:8.1} ns an event, {:.1} times flat: list<list<option<string>>>", nested / flat);

    println!("{EVENTS} pairs a call, {ROWS} rows a pair, of which two differ: the uuid and a title");
    compare::<PropertySimilarity>(rounds, "property_similarity");
    compare::<StringDistance>(rounds, "string_distance");
}

fn compare<T: SimilarityScorer>(rounds: u32, name: &str) {
    let [native, wasm] = best(rounds, [&mut native_pairs::<T>(), &mut wasm_pairs(name)]);
    println!("{name}, native  {native:8.1} ns a pair");
    println!("{name}, wasm    {wasm:8.1} ns a pair, {:+.1} ns, {:.2} times native", wasm - native, wasm / native);
}

fn events() -> Vec<Event> {
    let event = |number: usize| {
        [
            format!(
                "2024-03-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                number % 28 + 1,
                number % 24,
                number % 60,
                number % 59,
                number
            ),
            format!("018e2f6c-7d2a-7b3f-9c1d-{:012x}", number * 7919),
            "phc_Zx81mQv0bTq7Yy2nKc4LdR5sWf9uHj3aGe6iPo".to_owned(),
            ["$pageview", "$autocapture", "signed_up", "$feature_flag_called"].map(str::to_owned)[number % 4].clone(),
        ]
    };
    (0..EVENTS).map(event).collect()
}

/// Nanoseconds an event of each: the best of rounds of ten calls. They take turns, as whatever else runs on the machine
/// comes and goes, and can only add.
fn best<const N: usize>(rounds: u32, mut calls: [&mut dyn FnMut(); N]) -> [f64; N] {
    const CALLS: u32 = 10;
    let mut best = [f64::INFINITY; N];
    for _ in 0..rounds {
        for (call, best) in calls.iter_mut().zip(&mut best) {
            let started = Instant::now();
            (0..CALLS).for_each(|_| call());
            *best = best.min(started.elapsed().as_nanos() as f64 / f64::from(CALLS) / EVENTS as f64);
        }
    }
    best
}

fn native(events: &[Event]) -> impl FnMut() {
    let values: Vec<Value<'_>> =
        events.iter().flatten().map(|text| Value::new(dedup_plugin::Kind::String, text)).collect();
    let batch = dedup_plugin::testing::batch(FIELDS, &[&values]);
    let harness = Harness::<CompositeKey>::new(CONFIG).expect("a configuration");
    move || {
        std::hint::black_box(harness.extract(std::hint::black_box(&batch)));
    }
}

fn shipped(name: &str) -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = dir.join(name).with_extension("wasm");
    assert!(path.exists(), "{} is not there: run `make build` first, or set DEDUP_PLUGINS_DIR", path.display());
    path
}

fn flat(events: &[Event]) -> impl FnMut() {
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let plugin = runtime.load(&shipped("composite_key"), Some(CONFIG)).expect("a plugin");
    let mut extractor = plugin.extractor().expect("an extractor");
    let mut batch = FieldBatch::new(FIELDS as u32);
    events.iter().flatten().for_each(|text| batch.push(Kind::String, text.as_bytes()));
    let mut out = Extraction::default();
    move || {
        let calls = extractor.extract(&batch, &mut out).expect("an answer");
        assert_eq!((calls.traps, out.owners.len()), (0, EVENTS), "every event has a key");
    }
}

/// The rejected shape, under the same limits of time and with less to do: its plugin escapes nothing, and never frees.
fn nested(events: &[Event]) -> impl FnMut() {
    let mut config = wasmtime::Config::new();
    config.concurrency_support(false).epoch_interruption(true).cranelift_nan_canonicalization(true);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    let bytes = wat::parse_str(include_str!("nested.wat")).expect("valid text");
    let component = wasmtime::component::Component::from_binary(&engine, &bytes).expect("a component");
    let mut store = wasmtime::Store::new(&engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let linker = wasmtime::component::Linker::new(&engine);
    let instance = linker.instantiate(&mut store, &component).expect("an instance");
    let keys = instance
        .get_typed_func::<(&[Vec<Option<String>>],), (Vec<String>,)>(&mut store, "keys")
        .expect("the exported function");
    let batch: Vec<Vec<Option<String>>> =
        events.iter().map(|event| event.iter().cloned().map(Some).collect()).collect();
    let expected = events.first().expect("events").join(":");
    move || {
        let (keys,) = keys.call(&mut store, (&batch,)).expect("an answer");
        assert_eq!(keys.first(), Some(&expected));
    }
}

/// Pairs of events with fields, and properties such as browsers send, mostly equal.
fn pairs() -> dedup_plugin::testing::Pairs {
    let mut pairs = no_pairs();
    for pair in 0..EVENTS {
        let uuid = |side: usize| format!("018e2f6c-7d2a-7b3f-9c1d-{:012x}", (2 * pair + side) * 7919);
        let title = |side: &str| format!("Project {} - {side} - overview", pair % 100);
        let mut rows: Vec<(String, String, String)> = (0..ROWS - 2)
            .map(|row| {
                let value = format!("https://example.com/{row}/{pair}").split_off(row % 20);
                (format!("/properties/$property_name_{row:02}"), value.clone(), value)
            })
            .collect();
        rows.push(("/properties/title".to_owned(), title("board"), title("bored")));
        rows.push(("/uuid".to_owned(), uuid(0), uuid(1)));
        let string = |text| Value::new(dedup_plugin::Kind::String, text);
        push_rows(&mut pairs, rows.iter().map(|(path, left, right)| (path.as_str(), string(left), string(right))));
    }
    pairs
}

fn native_pairs<T: SimilarityScorer>() -> impl FnMut() {
    let pairs = pairs();
    let harness = Harness::<T>::new_scorer("").expect("a configuration");
    move || {
        std::hint::black_box(harness.compare(std::hint::black_box(&pairs)));
    }
}

fn wasm_pairs(name: &str) -> impl FnMut() {
    let pairs = pairs();
    let column = |column: dedup_plugin::testing::Column| Column { data: column.data, ends: column.ends };
    let batch = PairBatch {
        ends: pairs.ends,
        paths: column(pairs.paths),
        original_kinds: pairs.original_kinds,
        originals: column(pairs.originals),
        duplicate_kinds: pairs.duplicate_kinds,
        duplicates: column(pairs.duplicates),
    };
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let mut scorer = runtime.load(&shipped(name), None).expect("a plugin").scorer().expect("a scorer");
    let mut out = Comparisons::default();
    move || {
        let calls = scorer.compare(&batch, &mut out).expect("an answer");
        assert_eq!((calls.traps, out.verdicts.len()), (0, EVENTS * ROWS), "every row has a verdict");
    }
}
