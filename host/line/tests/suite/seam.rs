//! The line over a state in memory sends what it sends over one on a disk, and a rollback takes everything back. Which
//! database it is makes no difference.

use std::sync::Arc;

use connectors::memory::{Outbox, Sent};
use connectors::{Lane, Remedy, SinkFailure};
use line::{ExplanationConfig, Line, LineError, Rules};

use crate::memory::MemoryState;
use crate::scene::{self, World};

const ALL: &[Lane] = &[Lane::Output, Lane::Duplicates, Lane::DeadLetter];

/// Events of a few keys, uuids and properties, and now and then something that is no event.
fn events(seed: u64) -> Vec<String> {
    let mut random = seed;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    (0..200)
        .map(|_| match below(20) {
            0 => "no JSON".to_owned(),
            1 => r#"{"uuid":"keyless"}"#.to_owned(),
            _ => format!(
                r#"{{"id":"{}","uuid":"u{}","properties":{{"a":{},"b":{}}}}}"#,
                below(20),
                below(3),
                below(3),
                below(2)
            ),
        })
        .collect()
}

fn sent_over_memory(rules: &Rules, batches: &[Vec<&str>], rolls_back: bool) -> Vec<Sent> {
    let plugins = scene::plugins("/id", Some(""));
    let state = MemoryState::default();
    let mut line = Line::new(scene::source(), Arc::new(rules.clone()), &plugins, state).expect("a line");
    let (mut sink, mut next) = (Outbox::listening(ALL), 0);
    for payloads in batches {
        let batch = scene::batch(next, payloads, None);
        if rolls_back {
            line.process(&batch, 0, &mut Outbox::listening(ALL)).expect("processed");
            line.rollback();
        }
        line.process(&batch, 0, &mut sink).expect("processed");
        next += batch.len() as i64;
        line.commit(next, Vec::new());
    }
    sink.sent
}

fn sent_over_disk(rules: &Rules, batches: &[Vec<&str>]) -> Vec<Sent> {
    let mut world = World::new(rules.clone(), &scene::plugins("/id", Some("")));
    let mut sink = Outbox::listening(ALL);
    for payloads in batches {
        world.process(payloads, &mut sink).expect("processed");
    }
    sink.sent
}

#[test]
fn what_leaves_does_not_depend_on_the_state_that_is_behind_it_nor_on_what_was_rolled_back() {
    for forward_below in [None, Some(0.8)] {
        let explain = ExplanationConfig { keep_originals: true, forward_below, redact: false };
        let rules = Rules { explain, ..Rules::default() };
        let events = events(11);
        let batches: Vec<Vec<&str>> =
            events.chunks(17).map(|chunk| chunk.iter().map(String::as_str).collect()).collect();
        let wanted = sent_over_disk(&rules, &batches);
        let lanes = |lane| wanted.iter().filter(|sent| sent.lane == lane).count();
        assert!(ALL.iter().all(|lane| lanes(*lane) > 3), "{forward_below:?}: every lane has some");
        for rolls_back in [false, true] {
            let sent = sent_over_memory(&rules, &batches, rolls_back);
            assert_eq!(sent, wanted, "forwarded below {forward_below:?}, rolled back: {rolls_back}");
        }
    }
}

#[test]
fn a_sink_that_fails_says_what_helps_and_brings_its_own_error() {
    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("the disk is full")]
    struct Full;

    struct Failing;

    impl connectors::Sink for Failing {
        fn has(&self, _lane: Lane) -> bool {
            true
        }

        fn send(&mut self, _lane: Lane, _record: &connectors::Outgoing<'_>) -> Result<(), SinkFailure> {
            Err(SinkFailure::new(Remedy::None, Full))
        }
    }

    let mut line =
        Line::new(scene::source(), Arc::new(Rules::default()), &scene::plugins("/id", None), MemoryState::default())
            .expect("a line");
    let error = line.process(&scene::batch(0, &[r#"{"id":1}"#], None), 0, &mut Failing).expect_err("it fails");
    assert_eq!(error.to_string(), "the disk is full");
    let LineError::Sink(failure) = error else { panic!("{error:?}") };
    assert_eq!((failure.remedy.clone(), failure.into_cause::<Full>().ok()), (Remedy::None, Some(Full)));
}
