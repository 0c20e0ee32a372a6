//! Nanoseconds an event for keeping originals and a pair for laying two events side by side, beside finding fields in
//! the same run. Not a test: it asserts no time. An argument names a file of events, one a line.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use engine::fields::FieldBatch;
use engine::projection::{Numbers, Projection};
use engine::properties::{Kept, PairBatch, Pairer};

const EVENTS: usize = 1_000;
const ROUNDS: usize = 200;
const ROUND: Duration = Duration::from_millis(3);

/// A product analytics event of about 700 bytes and forty properties, some of them in one event and not in another.
fn event(seed: usize) -> String {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (seed >> 3);
    let some: String = (0..22)
        .filter(|at| !(mixed >> at).is_multiple_of(16))
        .map(|at| format!(r#","$p{}_{at}":"v{}""#, ["utm", "device", "x"][at % 3], (mixed >> at) % 1000))
        .collect();
    format!(
        concat!(
            r#"{{"uuid":"{:032x}","event":"$pageview","distinct_id":"user_{}","token":"phc_{:016x}","#,
            r#""timestamp":"2024-05-01T10:{:02}:00.{:03}Z","properties":{{"$lib":"web","$width":{},"price":{}.{:02},"#,
            r#""active":{},"referrer":null,"$viewport":[{},1080],"flags":["a-{}","beta"]{},"#,
            r#""$set":{{"plan":"scale","billing":{{"currency":"EUR","balance":-{}.5,"trial":false}}}}}}}}"#,
        ),
        mixed,
        mixed % 1_000_000,
        mixed,
        mixed % 60,
        mixed % 1000,
        320 + mixed % 2000,
        mixed % 1000,
        mixed % 100,
        mixed.is_multiple_of(2),
        mixed % 3000,
        mixed % 7,
        some,
        mixed % 10_000,
    )
}

/// The best and the median round, in nanoseconds an event.
fn measure(title: &str, events: &[Vec<u8>], mut each: impl FnMut(usize)) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (start, mut done) = (Instant::now(), 0);
            while start.elapsed() < ROUND {
                (0..events.len()).for_each(&mut each);
                done += events.len();
            }
            start.elapsed().as_nanos() as f64 / done as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("  {title:<34} best {:>8.1} ns  median {:>8.1} ns", rounds[0], rounds[ROUNDS / 2]);
}

fn compare(title: &str, events: &[Vec<u8>], roots: &[&str]) {
    let bytes: usize = events.iter().map(Vec::len).sum();
    println!("{title}: {} events, {} bytes on average, roots {roots:?}", events.len(), bytes / events.len());
    let fields = ["/timestamp", "/distinct_id", "/token", "/event"];
    let mut out = [FieldBatch::new(4)];
    let mut run = |name: &str, mut projection: Projection| {
        measure(name, events, |at| {
            if out[0].events() >= EVENTS {
                out[0].clear();
            }
            projection.project(&events[at], &mut out).expect("JSON");
        });
    };
    run("project, 4 fields", Projection::compile(&[&fields], Numbers::AsWritten).expect("pointers"));
    let with_spans = || Projection::compile_with_spans(&[&fields], roots, Numbers::AsWritten).expect("pointers");
    run("project, 4 fields and spans", with_spans());
    let mut projection = with_spans();
    let spans: Vec<_> = events
        .iter()
        .map(|event| {
            projection.project(event, &mut [FieldBatch::new(4)]).expect("JSON");
            projection.spans().to_vec()
        })
        .collect();
    let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
    let mut pairer = Pairer::new(Some(&roots)).expect("few roots");
    let mut buffer = Vec::new();
    measure("keep", events, |at| {
        if buffer.len() > 1 << 20 {
            buffer.clear();
        }
        pairer.keep(Some(b"019b76da-a800-77e9-9aae-71f889347d6e"), &events[at], &spans[at], &mut buffer);
    });
    let kept: Vec<Vec<u8>> = std::iter::zip(events, &spans)
        .map(|(event, spans)| {
            let mut kept = Vec::new();
            pairer.keep(Some(b"019b76da-a800-77e9-9aae-71f889347d6e"), event, spans, &mut kept);
            kept
        })
        .collect();
    let mut batch = PairBatch::default();
    let mut pair = |name: &str, other: usize| {
        let (mut rows, mut pairs) = (0, 0);
        measure(name, events, |at| {
            if batch.pairs() >= 100 {
                batch.clear();
            }
            let original = Kept::decode(&kept[(at + other) % kept.len()]).expect("kept");
            pairer.pair(&original, &events[at], &spans[at], &mut batch).expect("whole");
            rows += batch.rows(batch.pairs() - 1).len();
            pairs += 1;
        });
        println!("  {:<34} {:.1}", "rows a pair", rows as f64 / f64::from(pairs));
    };
    pair("pair, with itself", 0);
    pair("pair, with the next event", 1);
    black_box(&batch);
}

fn main() {
    let made: Vec<Vec<u8>> = (1..=EVENTS).map(|seed| event(seed).into_bytes()).collect();
    compare("made", &made, &[""]);
    compare("made", &made, &["/event", "/properties"]);
    for file in std::env::args().skip(1).filter(|argument| !argument.starts_with('-')) {
        let text = std::fs::read_to_string(&file).expect("a file of events");
        let events: Vec<Vec<u8>> = text.lines().take(EVENTS).map(|line| line.as_bytes().to_vec()).collect();
        compare(&file, &events, &[""]);
    }
}
