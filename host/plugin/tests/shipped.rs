//! The shipped plugins in the sandbox: that they say what the same code says natively. They have to be built before.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{keys_by_event, shipped};
use dedup_plugin::testing::Harness;
use dedup_plugin::{KeyExtractor, Kind as GuestKind, Value};
use engine::fields::{Extraction, FieldBatch, KeyStatus, Kind};
use plugin::{Input, Limits, Roles, Runtime};

const TEXTS: [&str; 12] =
    ["", ":", "\\", "a:b", "\\:", "2024-01-01T00:00:00Z", "0", "1", "user", "$pageview", "héllo", "a\\b:c\\:d:"];
const KINDS: [(Kind, GuestKind); 6] = [
    (Kind::Absent, GuestKind::Absent),
    (Kind::Null, GuestKind::Null),
    (Kind::Bool, GuestKind::Bool),
    (Kind::Number, GuestKind::Number),
    (Kind::String, GuestKind::String),
    (Kind::Json, GuestKind::Json),
];

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }
}

/// Runs random events through both, and compares keys, statuses and notes.
fn agrees_with_native<T: KeyExtractor>(name: &str, config: &str) {
    let plugin = Runtime::new(Limits::default()).unwrap().load(&shipped(name), Some(config)).unwrap();
    let native = Harness::<T>::new(config).unwrap();
    let Input::Fields(fields) = plugin.input() else { panic!("{name} reads fields") };
    assert_eq!(fields, native.fields());
    let mut extractor = plugin.extractor().unwrap();
    let (mut numbers, mut keyed) = (Numbers(7), 0);
    for events in [0, 1, 2, 100, 1000] {
        let mut batch = FieldBatch::new(u32::try_from(fields.len()).unwrap());
        let mut values = Vec::new();
        for _ in 0..events * fields.len() {
            // Three of four are strings, so that many events have all their fields.
            let string = numbers.below(4) > 0;
            let (kind, guest_kind) = if string { KINDS[4] } else { KINDS[numbers.below(KINDS.len())] };
            let empty = matches!(kind, Kind::Absent | Kind::Null);
            let text = if empty { "" } else { TEXTS[numbers.below(TEXTS.len())] };
            batch.push(kind, text.as_bytes());
            values.push(Value::new(guest_kind, text));
        }
        let expected = native.extract(&dedup_plugin::testing::batch(fields.len(), &[&values]));
        let mut out = Extraction::default();
        let calls = extractor.extract(&batch, &mut out).unwrap();
        assert_eq!((calls.traps, calls.failed), (0, vec![]));
        assert_eq!(out.status.iter().map(|status| *status as u8).collect::<Vec<_>>(), expected.status);
        assert_eq!(out.owners, expected.owners);
        assert_eq!(out.keys.data, expected.keys.data);
        assert!(expected.owners.is_empty() || out.keys.ends == expected.keys.ends);
        let notes: Vec<(u32, String)> = expected.notes.into_iter().map(|note| (note.index, note.message)).collect();
        assert_eq!(out.notes, notes);
        keyed += out.status.iter().filter(|status| **status == KeyStatus::Keyed).count();
    }
    assert!(keyed > 100, "only {keyed} events had a key: the corpus proves little");
}

#[test]
fn composite_key_says_what_it_says_natively() {
    for config in ["", "/a", r#"{"fields": ["/a", ["/b", "/c"]], "on_missing": "empty", "kinds": "ignored"}"#] {
        agrees_with_native::<composite_key::CompositeKey>("composite_key", config);
    }
}

#[test]
fn multi_key_says_what_it_says_natively() {
    for config in ["", r#"[["/a"], ["/b", "/c"], ["/c"]]"#] {
        agrees_with_native::<multi_key::MultiKey>("multi_key", config);
    }
}

#[test]
fn composite_key_says_who_it_is() {
    let path = shipped("composite_key");
    let plugin = Runtime::new(Limits::default()).unwrap().load(&path, None).unwrap();
    assert_eq!((plugin.name(), plugin.key_version()), ("composite_key", 1));
    assert_eq!(plugin.roles(), Roles { extracts_keys: true, scores: false });
}

#[test]
fn composite_key_refuses_in_its_own_words() {
    let path = shipped("composite_key");
    let error = Runtime::new(Limits::default()).unwrap().load(&path, Some(r#"{"feilds": []}"#)).unwrap_err();
    assert!(
        error.to_string().contains("plugin composite_key refuses its configuration: unknown field `feilds`"),
        "{error}"
    );
}

#[test]
fn events_without_a_key_are_few_words_between_others() {
    let plugin = Runtime::new(Limits::default()).unwrap().load(&shipped("composite_key"), Some("/id")).unwrap();
    let mut batch = FieldBatch::new(1);
    batch.push(Kind::String, b"a");
    batch.push(Kind::Null, b"");
    batch.push(Kind::String, b"b");
    let mut out = Extraction::default();
    plugin.extractor().unwrap().extract(&batch, &mut out).unwrap();
    assert_eq!(keys_by_event(&out), [vec!["a".to_owned()], vec![], vec!["b".to_owned()]]);
    assert_eq!(out.status, [KeyStatus::Keyed, KeyStatus::NoKey, KeyStatus::Keyed]);
    assert_eq!(out.notes, [(1, "/id is absent or null".to_owned())]);
}
