//! What it costs to have keys extracted behind the boundary of the sandbox, an event: the shipped `composite_key` in
//! wasm as the host runs it, the same code compiled natively, and the shape of the contract that was rejected. Not the
//! cost of finding the fields. `cargo bench -p plugin [-- --quick]`; the shipped plugin has to be built before.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark: it prints, and stops where it cannot run"
)]

use std::path::PathBuf;
use std::time::Instant;

use composite_key::CompositeKey;
use dedup_plugin::Value;
use dedup_plugin::testing::Harness;
use engine::fields::{Extraction, FieldBatch, Kind};
use plugin::{Limits, Runtime};

const EVENTS: usize = 1000;
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

fn flat(events: &[Event]) -> impl FnMut() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = dir.join("composite_key.wasm");
    assert!(path.exists(), "{} is not there: run `make build` first, or set DEDUP_PLUGINS_DIR", path.display());
    let runtime = Runtime::new(Limits::default()).expect("a runtime");
    let mut extractor = runtime.load(&path, Some(CONFIG)).expect("a plugin").extractor().expect("an extractor");
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
