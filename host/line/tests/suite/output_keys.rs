//! The key of an outgoing record: the event's id as it is written there, whatever is compared. Not Kafka.

use connectors::Lane;
use connectors::memory::Outbox;
use engine::projection::Numbers;
use line::Rules;

use crate::scene::{self, World};

/// What becomes the key of records with these ids and the key `input`.
fn keys(ids: &[&str], numbers: Numbers) -> Vec<Option<String>> {
    let rules = Rules { uuid_field: "/id".to_owned(), numbers, ..Rules::default() };
    let mut world = World::new(rules, &scene::plugins("/n", None));
    let payloads: Vec<String> = ids.iter().zip(0..).map(|(id, n)| format!("{{\"n\":{n},\"id\":{id}}}")).collect();
    let mut sink = Outbox::listening(&[Lane::Output]);
    world.process(&payloads.iter().map(String::as_str).collect::<Vec<_>>(), &mut sink).expect("processed");
    let key = |key: Vec<u8>| String::from_utf8_lossy(&key).into_owned();
    sink.sent.into_iter().map(|sent| sent.key.map(key)).collect()
}

#[test]
fn an_id_of_any_kind_is_the_key_as_written() {
    let ids = [
        ("102", "102"),
        ("1.0", "1.0"),
        ("1E2", "1E2"),
        ("-0", "-0"),
        ("true", "true"),
        ("\"a\\u0041\"", "aA"),
        ("\"01890A5DAC96774BBCCEB302099A8057\"", "01890A5DAC96774BBCCEB302099A8057"),
        ("\"{01890a5d-ac96-774b-bcce-b302099a8057}\"", "{01890a5d-ac96-774b-bcce-b302099a8057}"),
        ("null", "input"),
        ("\"\"", "input"),
        ("{}", "input"),
        ("[1]", "input"),
    ];
    for numbers in [Numbers::AsWritten, Numbers::Canonical] {
        let found = keys(&ids.map(|(id, _)| id), numbers);
        assert_eq!(found, ids.map(|(_, key)| Some(key.to_owned())), "{numbers:?}");
    }
}
