//! Nanoseconds an event for finding fields, against two parsers in the same run. Not a test: it asserts no time.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use engine::fields::FieldBatch;
use engine::projection::{JsonIn, Numbers, Projection};

/// Distinct events of each shape, so that no branch is learnt by heart.
const EVENTS: usize = 1_000;
/// Many short rounds, so that some are undisturbed by what else runs.
const ROUNDS: usize = 200;
const ROUND: Duration = Duration::from_millis(3);

/// A generator for values that differ; splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn word(&mut self, length_min: u64, length_max: u64) -> String {
        let length = length_min + self.next() % (length_max - length_min + 1);
        (0..length).map(|_| char::from(b'a' + (self.next() % 26) as u8)).collect()
    }
}

/// A product analytics event of about 430 bytes with fifteen members, three of them inside `properties`.
fn small(random: &mut Random, letters: &str) -> String {
    let uuid = format!("{:016x}{:016x}", random.next(), random.next());
    let (event, browser) = (random.word(5, 14), random.word(4, 9));
    let path = random.word(8, 30);
    format!(
        concat!(
            r#"{{"uuid":"{}","event":"${}","distinct_id":"user_{}","token":"phc_{:016x}{:016x}","#,
            r#""timestamp":"2024-05-{:02}T{:02}:{:02}:{:02}.{:03}Z","sent_at":{},"ip":"10.{}.{}.{}","#,
            r#""properties":{{"$browser":"{}","$current_url":"https://example.com/{}","$screen_width":{},"#,
            r#""$lib":"web","price":{}.{:02},"active":{},"referrer":null,"title":"{}{}"}}}}"#,
        ),
        uuid,
        event,
        random.next() % 1_000_000,
        random.next(),
        random.next(),
        1 + random.next() % 28,
        random.next() % 24,
        random.next() % 60,
        random.next() % 60,
        random.next() % 1000,
        1_700_000_000_000 + random.next() % 100_000_000_000,
        random.next() % 256,
        random.next() % 256,
        random.next() % 256,
        browser,
        path,
        320 + random.next() % 2000,
        random.next() % 1000,
        random.next() % 100,
        random.next().is_multiple_of(2),
        letters,
        random.word(5, 25),
    )
}

/// An event of a code host of about 3.7 kB: nested objects, an array of commits, escapes in messages.
fn nested(random: &mut Random) -> String {
    let commits: Vec<String> = (0..5 + random.next() % 5)
        .map(|_| {
            let (sha, name) = (format!("{:016x}{:016x}{:08x}", random.next(), random.next(), random.next() as u32), random.word(4, 9));
            format!(
                concat!(
                    r#"{{"sha":"{}","author":{{"email":"{}@example.com","name":"{}"}},"message":"{}: {} \"{}\"\n\n{}","#,
                    r#""distinct":{},"url":"https://api.example.com/repos/{}/commits/{}"}}"#
                ),
                sha, name, name, random.word(3, 6), random.word(10, 40), random.word(3, 9), random.word(20, 60),
                random.next().is_multiple_of(2), name, sha,
            )
        })
        .collect();
    let (login, repository, id) = (random.word(4, 12), random.word(6, 20), random.next() % 100_000_000);
    let links: Vec<String> =
        ["keys", "collaborators", "teams", "hooks", "events", "branches", "tags", "labels", "stargazers"]
            .iter()
            .map(|link| format!(r#""{link}_url":"https://api.example.com/repos/{login}/{repository}/{link}""#))
            .collect();
    format!(
        concat!(
            r#"{{"id":"{}","type":"PushEvent","actor":{{"id":{},"login":"{}","display_login":"{}","gravatar_id":"","#,
            r#""url":"https://api.example.com/users/{}","avatar_url":"https://avatars.example.com/u/{}?"}},"#,
            r#""repo":{{"id":{},"name":"{}/{}","url":"https://api.example.com/repos/{}/{}",{}}},"#,
            r#""payload":{{"push_id":{},"size":{},"ref":"refs/heads/{}","commits":[{}]}},"#,
            r#""public":true,"created_at":"2024-05-01T{:02}:00:00Z","org":null}}"#
        ),
        random.next() % 100_000_000_000,
        id,
        login,
        login,
        login,
        id,
        id + 7,
        login,
        repository,
        login,
        repository,
        links.join(","),
        random.next() % 10_000_000_000,
        commits.len(),
        random.word(4, 20),
        commits.join(","),
        random.next() % 24,
    )
}

/// The best and the median round, in nanoseconds an event.
fn measure(events: &[String], mut each: impl FnMut(&str)) -> (f64, f64) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (start, mut done) = (Instant::now(), 0);
            while start.elapsed() < ROUND {
                events.iter().for_each(|event| each(event));
                done += events.len();
            }
            start.elapsed().as_nanos() as f64 / done as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    (rounds[0], rounds[ROUNDS / 2])
}

fn compare(title: &str, events: &[String], pointers: &[&str]) {
    let bytes: usize = events.iter().map(String::len).sum();
    println!("{title}: {} events, {} bytes on average, {} fields", events.len(), bytes / events.len(), pointers.len());
    let line = |name: &str, (best, median): (f64, f64)| {
        let rate = bytes as f64 / events.len() as f64 / best;
        println!("  {name:<34} best {best:>8.1} ns  median {median:>8.1} ns  {rate:>6.2} GB/s");
    };
    for numbers in [Numbers::AsWritten, Numbers::Canonical] {
        let mut projection = Projection::compile(&[pointers], numbers).expect("pointers of this file");
        let mut out = [FieldBatch::new(pointers.len() as u32)];
        let project = measure(events, |event| {
            // A batch is emptied now and then, as the line does.
            if out[0].events() >= EVENTS {
                out[0].clear();
            }
            projection.project(event.as_bytes(), &mut out).expect("events of this file");
        });
        line(&format!("projection, {numbers:?}"), project);
    }
    let mut none = Projection::compile::<&str>(&[], Numbers::AsWritten).expect("no pointers");
    line("projection, no fields", measure(events, |event| none.project(event.as_bytes(), &mut []).expect("JSON")));
    line(
        "serde_json::Value",
        measure(events, |event| drop(black_box(serde_json::from_str::<serde_json::Value>(event)))),
    );
}

/// The same events with an object at `/data` and with its JSON text there, by turns; the ratio is what a string costs.
fn compare_inside(title: &str, events: &[String], pointers: &[&str]) {
    let envelope = |data: &str| {
        format!(
            r#"{{"uuid":"0199","distinct_id":"user_1","ip":"10.0.0.1","data":{data},"now":"2026-01-01T12:00:00Z","token":"phc"}}"#
        )
    };
    let plain: Vec<String> = events.iter().map(|event| envelope(event)).collect();
    let inside: Vec<String> =
        events.iter().map(|event| envelope(&serde_json::to_string(event).expect("a string"))).collect();
    let bytes = |events: &[String]| events.iter().map(String::len).sum::<usize>() / events.len();
    println!("{title}: {} events, {} bytes plain, {} as a string", events.len(), bytes(&plain), bytes(&inside));
    let project = |events: &[String], members: &[&str]| {
        let members = JsonIn::new(members).expect("pointers of this file");
        let no_spans: &[&str] = &[];
        let mut projection = Projection::compile_inside(&[pointers], no_spans, &members, Numbers::AsWritten)
            .expect("pointers of this file");
        let mut out = [FieldBatch::new(pointers.len() as u32)];
        measure(events, |event| {
            if out[0].events() >= EVENTS {
                out[0].clear();
            }
            projection.project(event.as_bytes(), &mut out).expect("events of this file");
        })
    };
    let line = |name: &str, (best, median): (f64, f64)| {
        println!("  {name:<38} best {best:>8.1} ns  median {median:>8.1} ns");
    };
    let (of_plain, of_inside) = (project(&plain, &[]), project(&inside, &["/data"]));
    line("plain", of_plain);
    line("plain, --json-in", project(&plain, &["/data"]));
    line("as a string, not looked into", project(&inside, &[]));
    line("as a string, --json-in", of_inside);
    println!("  string to plain: best {:.2}, median {:.2}", of_inside.0 / of_plain.0, of_inside.1 / of_plain.1);
}

fn main() {
    let mut random = Random(1);
    let events = |make: &mut dyn FnMut() -> String| (0..EVENTS).map(|_| make()).collect::<Vec<_>>();
    let four = ["/timestamp", "/distinct_id", "/token", "/event"];
    compare("small, ASCII", &events(&mut || small(&mut random, "")), &four);
    compare("small, some Cyrillic", &events(&mut || small(&mut random, "Привет, мир")), &four);
    compare(
        "small, a Cyrillic text",
        &events(&mut || small(&mut random, &"Съешь ещё этих мягких булок. ".repeat(5))),
        &four,
    );
    compare("small, one escape", &events(&mut || small(&mut random, "a\\nb")), &four);
    compare("small, an object", &events(&mut || small(&mut random, "")), &["/uuid", "/properties"]);
    let deep = ["/id", "/actor/login", "/repo/name", "/payload/push_id", "/payload/commits/0/sha"];
    compare("nested", &events(&mut || nested(&mut random)), &deep);
    let four = ["/data/timestamp", "/data/distinct_id", "/data/token", "/data/event"];
    compare_inside("inside, small", &events(&mut || small(&mut random, "")), &four);
    compare_inside("inside, small, Cyrillic", &events(&mut || small(&mut random, &"Съешь ещё. ".repeat(5))), &four);
    let deep = ["/data/id", "/data/actor/login", "/data/repo/name", "/data/payload/commits/0/sha"];
    compare_inside("inside, nested", &events(&mut || nested(&mut random)), &deep);
}
