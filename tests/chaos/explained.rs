//! Duplicates explained under faults: what is said of each must be what would be said had nothing happened. Counts and
//! uuids of a key live in the state, records in the topic; a kill must part neither from the other.

use std::collections::BTreeSet;

use dedup_host_tests::Test;
use dedup_host_tests::explained::stream::{Stream, plugins, record};
use dedup_host_tests::explained::{RULES, Rules, check_records, explain};
use dedup_host_tests::generated::wait_progress;
use dedup_host_tests::scene::{Host, LANES, Scene};

use crate::{KILLS, Moments, PARTITIONS, SETTINGS, events};

pub(crate) const TESTS: &[Test] = &[
    ("explained_the_same_after_kills", explained_the_same_after_kills),
    ("explained_the_same_after_the_store_is_lost", explained_the_same_after_the_store_is_lost),
    ("explained_the_same_by_two_that_die_in_turn", explained_the_same_by_two_that_die_in_turn),
];

/// The model keeps all events in memory, so there are fewer than in the other runs.
const OTHERS_SHARE: i64 = 6;

/// A stream, and how far the hosts are.
struct Run {
    stream: Stream,
    moments: Moments,
    settings: Vec<String>,
    /// Duplicates less alike than this are forwarded.
    bound: f64,
    events: i64,
    at: i64,
}

impl Run {
    fn new(test: &str) -> Self {
        let (mut moments, events) = (Moments::new(test), events() / OTHERS_SHARE);
        let seed = moments.below(1 << 40);
        let words = format!(
            "--seed {seed} --events {events} --duplicates 0.6 --distance-max 50000 --altered 0.4 --same-uuid 0.3"
        );
        let stream = Stream::generate(Scene::new(test, PARTITIONS), &words);
        let bound = stream.bound(0.1);
        let settings = ["--forward-below-similarity", &bound.to_string()].map(str::to_owned).into_iter();
        let settings = settings.chain(SETTINGS.iter().map(|word| (*word).to_owned()));
        let settings = settings.chain(plugins(&["composite_key", "property_similarity"])).collect();
        Self { stream, moments, settings, bound, events, at: 0 }
    }

    fn start(&self, member: &str) -> Host {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        self.stream.scene.start_member(member, LANES, &settings)
    }

    fn some_progress(&mut self, hosts: &mut [&mut Host]) {
        let more = 1 + self.moments.below(self.events / i64::try_from(KILLS + 1).expect("few"));
        let alive =
            || hosts.iter_mut().for_each(|host| assert!(host.running.is_running(), "{}", host.running.stderr()));
        self.at = wait_progress(&self.stream.scene, self.at, more, self.events, alive);
        self.moments.pause(100);
    }

    /// Every record is there once and says what it should; and every event is in the output that has to be.
    fn finish(self, mut hosts: Vec<Host>) {
        let Self { stream, bound, .. } = self;
        stream.scene.drain(&mut hosts.iter_mut().collect::<Vec<_>>());
        for host in hosts {
            host.stop();
        }
        let records: Vec<_> = stream.scene.read("duplicates").iter().map(record).collect();
        let explained = explain(&stream.events, &Rules { forward_below: Some(bound), ..RULES });
        let held_back: Vec<_> = explained.into_iter().filter(|is| !is.forwarded).collect();
        check_records(&held_back, &stream.events, &records, &stream.scene.input);
        let places: BTreeSet<_> = held_back.iter().map(|duplicate| duplicate.place).collect();
        let passed = stream.events.iter().filter(|event| !places.contains(&(event.partition, event.offset)));
        let mut passed: Vec<_> = passed.map(|event| event.payload.clone()).collect();
        let mut output: Vec<_> = stream.scene.read("output").into_iter().filter_map(|seen| seen.payload).collect();
        passed.sort_unstable();
        output.sort_unstable();
        assert!(output == passed, "{} events in the output, and not {}", output.len(), passed.len());
        println!("  {} duplicates, each explained once and right; {} events passed", records.len(), passed.len());
    }
}

fn explained_the_same_after_kills() {
    kill_again_and_again("explained-killed", None);
}

fn explained_the_same_after_the_store_is_lost() {
    kill_again_and_again("explained-lost", Some(KILLS / 2));
}

fn kill_again_and_again(test: &str, store_lost_at: Option<usize>) {
    let (mut run, mut under_way) = (Run::new(test), 0);
    for kill in 0..KILLS {
        let mut host = run.start("");
        run.some_progress(&mut [&mut host]);
        under_way += usize::from(run.at < run.events);
        println!("  kill {kill} at {} of {} committed records", run.at, run.events);
        host.running.kill();
        if store_lost_at == Some(kill) {
            std::fs::remove_dir_all(run.stream.scene.store()).expect("deleted");
        }
    }
    assert!(under_way > KILLS / 2, "most kills came too late to show anything");
    let host = run.start("");
    run.finish(vec![host]);
}

/// Whoever takes a partition over has to count on where the other was.
fn explained_the_same_by_two_that_die_in_turn() {
    let mut run = Run::new("explained-in-turn");
    let (mut first, mut second) = (run.start("first"), run.start("second"));
    for kill in 0..KILLS {
        run.some_progress(&mut [&mut first, &mut second]);
        println!("  kill {kill} at {} of {} committed records", run.at, run.events);
        let (victim, name) = if kill % 2 == 0 { (&mut first, "first") } else { (&mut second, "second") };
        std::mem::replace(victim, run.start(name)).running.kill();
    }
    run.finish(vec![first, second]);
}
