//! A broker that does not say what topics take: who may produce to a topic need not be allowed to ask how it is configured. The
//! host starts all the same, says so, and sets aside what is refused.

use dedup_host_tests::broker::Broker;
use dedup_host_tests::scene::{LANES, Scene};

use crate::own_broker::OwnBroker;

const LIMIT: &str = "100000";

/// Text that no codec makes much smaller.
fn noise(bytes: usize) -> String {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 58).ok().and_then(|at| LETTERS.get(at)).map_or('-', |letter| char::from(*letter))
    };
    (0..bytes).map(|_| next()).collect()
}

fn event(id: &str, bytes: usize) -> String {
    format!(r#"{{"id":"{id}","x":"{}"}}"#, noise(bytes))
}

pub(crate) fn limits_that_may_not_be_asked_are_learnt_from_refusals() {
    let broker = OwnBroker::start_with_acls();
    // Of all topics, and of one among others.
    for unasked in [LANES, &["output"][..]] {
        let scene = Scene::at(Broker::connect_to(&broker.hosts, "unasked"), 1, &[]);
        for lane in LANES {
            scene.broker.set(&scene.lane(lane), "max.message.bytes", LIMIT);
        }
        unasked.iter().for_each(|lane| broker.deny_describe_configs(&scene.lane(lane)));
        let large = event("large", 200_000);
        let events = [event("a", 10), large.clone(), event("a", 10), event("b", 10), large, event("c", 10)];
        scene.broker.produce(&scene.input, &events);

        let (metrics, log) = scene.run(LANES, &["--plugin-config", "/id"]);

        // What was read again after a refusal counts as read twice, and is decided once.
        assert_eq!(["unique", "duplicate", "dead_letter"].map(|outcome| metrics.decided(outcome)), [3, 1, 2], "{log}");
        assert_eq!(metrics.count("dedup_host_unsendable_total", &["reason=\"too_large\""]), 2, "{log}");
        let said: Vec<&str> = log.lines().filter(|line| line.contains("cannot ask how large")).collect();
        let [said] = said.as_slice() else { panic!("it is said once:\n{log}") };
        for words in ["DescribeConfigs", "message.max.bytes of the producer", &scene.lane("output")] {
            assert!(said.contains(words), "{words} is not in: {said}");
        }
        assert_eq!(said.contains(&scene.lane("duplicates")), unasked.len() > 1, "{said}");
        let ids: Vec<String> =
            scene.read("output").iter().map(|seen| seen.text().chars().skip(7).take(1).collect()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        let letters = scene.read("dead-letter");
        let offsets: Vec<_> = letters.iter().map(|letter| letter.header("dedup-host-offset")).collect();
        assert_eq!(offsets, [Some("1".to_owned()), Some("4".to_owned())]);
        assert!(letters.iter().all(|letter| letter.payload.is_none()), "without payloads");
    }
}
