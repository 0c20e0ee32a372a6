//! Keeping and pairing: a situation each, and against flattening said plainly over trees. Not the projection's rules.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fields::{FieldBatch, Kind};
use crate::projection::tests::{Tree, spelled, tree};
use crate::projection::{Numbers, Projection};

/// A pointer, and kind and value in the original and in the duplicate.
type Row = (String, (u8, String), (u8, String));

const ABSENT: (u8, String) = (Kind::Absent as u8, String::new());

struct Bench {
    roots: Vec<String>,
    projection: Projection,
    pairer: Pairer,
}

impl Bench {
    fn new(roots: &[&str]) -> Self {
        let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
        let projection = Projection::compile_with_spans::<&str, _>(&[], &roots, Numbers::Canonical).unwrap();
        Self { projection, pairer: Pairer::new(Some(&roots)).unwrap(), roots }
    }

    fn keep(&mut self, event: &str) -> Vec<u8> {
        self.projection.project(event.as_bytes(), &mut []).unwrap();
        let mut kept = b"before".to_vec();
        self.pairer.keep(Some(b"u-1"), event.as_bytes(), self.projection.spans(), &mut kept);
        let kept = kept.split_off(6);
        assert!(kept.len() <= KEPT_BYTES_MAX, "{} bytes kept", kept.len());
        kept
    }

    fn pair_kept(&mut self, kept: &Kept<'_>, duplicate: &str) -> Result<Vec<Row>, Refusal> {
        self.projection.project(duplicate.as_bytes(), &mut []).unwrap();
        let mut out = PairBatch::default();
        // A pair before, so that nothing counts on an empty batch.
        out.paths.push(b"/before");
        out.original_kinds.push(0);
        out.originals.push(b"x");
        out.duplicate_kinds.push(0);
        out.duplicates.push(b"y");
        out.end_pair();
        let before = out.clone();
        self.pairer
            .pair(kept, duplicate.as_bytes(), self.projection.spans(), &mut out)
            .inspect_err(|_| assert_eq!(out, before))?;
        assert_eq!(out.pairs(), 2);
        let text = |column: &Column, at| String::from_utf8(column.get(at).unwrap().to_vec()).unwrap();
        let row = |at: usize| {
            let original = (out.original_kinds[at], text(&out.originals, at));
            (text(&out.paths, at), original, (out.duplicate_kinds[at], text(&out.duplicates, at)))
        };
        let rows: Vec<Row> = out.rows(1).map(row).collect();
        assert_eq!(out.rows(1).end, out.paths.len());
        assert!(rows.is_sorted_by(|a, b| a.0.as_bytes() < b.0.as_bytes()), "pointers ascend, none twice");
        Ok(rows)
    }

    fn pair(&mut self, original: &str, duplicate: &str) -> Vec<Row> {
        let kept = self.keep(original);
        let kept = Kept::decode(&kept).unwrap();
        assert!(kept.has_uuid(Some(b"u-1")));
        self.pair_kept(&kept, duplicate).unwrap()
    }

    /// The rows of an event and another spelling of it.
    fn same(&mut self, event: &str, again: &str) -> Vec<Row> {
        let rows = self.pair(event, again);
        for (path, original, duplicate) in &rows {
            assert_eq!(original, duplicate, "{path}");
        }
        rows
    }

    fn text(&mut self, event: &str) -> String {
        let kept = self.keep(event);
        let mut out = b"x".to_vec();
        assert!(fields_text(&Kept::decode(&kept).unwrap(), &self.roots, &mut out));
        String::from_utf8(out.split_off(1)).unwrap()
    }
}

fn paths(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.0.as_str()).collect()
}

/// Kind and canonical text of a value.
fn field(json: &str) -> (u8, String) {
    let mut projection = Projection::compile(&[&[""]], Numbers::Canonical).unwrap();
    let mut out = [FieldBatch::new(1)];
    projection.project(json.as_bytes(), &mut out).unwrap();
    (out[0].kinds[0], String::from_utf8(out[0].values.data.clone()).unwrap())
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Members of one name: the last.
fn members(members: &[(String, Tree)]) -> BTreeMap<&str, &Tree> {
    members.iter().map(|(name, value)| (name.as_str(), value)).collect()
}

fn model(tree: &Tree, path: &str, depth: usize, out: &mut BTreeMap<String, (u8, String)>) {
    if let Tree::Object(list) = tree {
        let members = members(list);
        let fit = members.keys().all(|name| path.len() + 1 + escaped(name).len() < PATH_BYTES_MAX);
        if depth > 0 && fit && !members.is_empty() {
            for (name, value) in members {
                model(value, &format!("{path}/{}", escaped(name)), depth - 1, out);
            }
            return;
        }
    }
    out.insert(path.to_owned(), field(&spelled(tree, 0)));
}

fn at<'a>(tree: &'a Tree, pointer: &str) -> Option<&'a Tree> {
    pointer.split('/').skip(1).try_fold(tree, |tree, segment| match tree {
        Tree::Object(list) => members(list).get(segment).copied(),
        Tree::List(list) => list.get(segment.parse::<usize>().ok()?),
        Tree::Word(_) | Tree::Number(_) | Tree::Text(_) => None,
    })
}

fn model_rows(original: &Tree, duplicate: &Tree, roots: &[&str]) -> Vec<Row> {
    let flat = |tree: &Tree, depth| {
        let mut out = BTreeMap::new();
        let found = roots.iter().filter_map(|root| at(tree, root).map(|value| (*root, value)));
        found.for_each(|(root, value)| model(value, root, depth, &mut out));
        out
    };
    let depths = [16, 8, 4, 2, 1, 0].map(|depth| (flat(original, depth), flat(duplicate, depth)));
    let fits = |(a, b): &(BTreeMap<_, _>, BTreeMap<_, _>)| a.len() <= PROPERTIES_MAX && b.len() <= PROPERTIES_MAX;
    let (original, duplicate) = depths.into_iter().find(fits).unwrap();
    let mut paths: Vec<&String> = original.keys().chain(duplicate.keys()).collect();
    paths.sort();
    paths.dedup();
    let side = |side: &BTreeMap<String, _>, path| side.get(path).cloned().unwrap_or(ABSENT);
    paths.into_iter().map(|path| (path.clone(), side(&original, path), side(&duplicate, path))).collect()
}

const ROOTS: [&[&str]; 6] =
    [&[""], &["/a", "/b"], &["/a", ""], &["", "/a/b", "/a"], &["/a/0", "/a", "/0", "/"], &["/b", "/absent", "/b"]];

fn number(value: u8) -> (u8, String) {
    (Kind::Number as u8, value.to_string())
}

#[test]
fn rows_are_the_union_in_the_order_of_bytes() {
    let mut bench = Bench::new(&[""]);
    let rows = bench.pair(r#"{"b":{"x":1},"b-c":2,"a":3}"#, r#"{"a":3.0,"d":null,"b-c":4,"b":{"y":5}}"#);
    let expected = [
        ("/a", number(3), number(3)),
        ("/b-c", number(2), number(4)),
        ("/b/x", number(1), ABSENT),
        ("/b/y", ABSENT, number(5)),
        ("/d", ABSENT, (Kind::Null as u8, String::new())),
    ];
    assert_eq!(rows, expected.map(|(path, a, b)| (path.to_owned(), a, b)));
}

#[test]
fn names_with_escapes_and_empty_names() {
    let mut bench = Bench::new(&[""]);
    let rows = bench.same(
        r#"{"":{"":1},"a/b":2,"a~b":3,"c\u0064":4,"c\\u0064":5}"#,
        r#"{"c\\u0064":5,"cd":4,"a\u002fb":2,"a~b":3,"":{"":1}}"#,
    );
    assert_eq!(
        paths(&rows),
        ["//", "/a~0b", "/a~1b", "/cd", "/c\\u0064"]
            .map(|path| path)
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn last_of_repeated_members_counts() {
    let mut bench = Bench::new(&[""]);
    for (event, same) in [
        (r#"{"a":1,"a":{"b":2}}"#, r#"{"a":{"b":2}}"#),
        (r#"{"a":{"b":2},"a":1}"#, r#"{"a":1}"#),
        (r#"{"a":{"b":2,"c":3},"x":0,"a":{"b":4}}"#, r#"{"a":{"b":4},"x":0}"#),
        (r#"{"a":{"b":{"c":1},"b":{"d":2}},"a":{"b":{"c":3}}}"#, r#"{"a":{"b":{"c":3}}}"#),
        (r#"{"a":1,"a":2,"a":3}"#, r#"{"a":3}"#),
    ] {
        let rows = bench.same(event, same);
        let alone = bench.same(same, same);
        assert_eq!(rows, alone);
    }
}

#[test]
fn objects_too_deep_are_one_property() {
    let nested = |levels: usize| r#"{"a":"#.repeat(levels) + "1" + &"}".repeat(levels);
    let mut bench = Bench::new(&[""]);
    assert_eq!(bench.same(&nested(16), &nested(16)), [("/a".repeat(16), number(1), number(1))]);
    let json = (Kind::Json as u8, r#"{"a":1}"#.to_owned());
    assert_eq!(bench.same(&nested(17), &nested(17)), [("/a".repeat(16), json.clone(), json)]);
    let rows = bench.same(&nested(10_000), &nested(10_000));
    assert_eq!(rows[0].0, "/a".repeat(16));
    let rows = bench.pair(&nested(10_000), &nested(10_001));
    assert_ne!(rows[0].1, rows[0].2);
}

#[test]
fn members_with_names_too_long_stay_in_their_object() {
    let long = "n".repeat(10_000);
    let mut bench = Bench::new(&[""]);
    let event = format!(r#"{{"a":{{"first":{{"x":1}},"b":{{"c":1}},"{long}":2}},"z":1}}"#);
    let rows = bench.same(&event, &event);
    assert_eq!(paths(&rows), ["/a", "/z"]);
    assert!(rows[0].1.1.contains("… (cut: "));
    // The root, too.
    let rows = bench.same(&format!(r#"{{"a":1,"{long}":2}}"#), &format!(r#"{{"{long}":2,"a":1.0}}"#));
    assert_eq!(paths(&rows), [""]);
    // 511 bytes are the most.
    for (bytes, expected) in [(508, 511), (509, 2)] {
        let rows = bench
            .same(&format!(r#"{{"a":{{"{}":2}}}}"#, &long[..bytes]), &format!(r#"{{"a":{{"{}":2}}}}"#, &long[..bytes]));
        assert_eq!(rows[0].0.len(), expected);
    }
}

#[test]
fn long_values_are_cut_alike() {
    let mut bench = Bench::new(&[""]);
    let (long, other) = ("x".repeat(4097), "x".repeat(4096) + "y");
    let event = |text: &str| format!(r#"{{"a":"{text}","b":["{text}"]}}"#);
    let rows = bench.same(&event(&long), &event(&long.replace('x', "\\u0078")));
    assert!(rows[0].1.1.starts_with(&("x".repeat(256) + "… (cut: 4097 bytes, digest ")), "{}", rows[0].1.1);
    let rows = bench.pair(&event(&long), &event(&other));
    assert!(rows.iter().all(|row| row.1 != row.2));
    let rows = bench.same(&event(&other[1..]), &event(&other[1..]));
    assert_eq!(rows[0].1.1, other[1..]);
}

#[test]
fn a_mebibyte_in_one_string() {
    let mut bench = Bench::new(&[""]);
    let event = |last: char| format!(r#"{{"a":"{}{last}","b":1}}"#, "é".repeat(1 << 19));
    let kept = bench.keep(&event('x'));
    let kept = Kept::decode(&kept).unwrap();
    assert_eq!((kept.form(), kept.is_cut()), (Form::Properties, true));
    assert_eq!(paths(&bench.same(&event('x'), &event('x'))), ["/a", "/b"]);
    let rows = bench.pair(&event('x'), &event('y'));
    assert!(rows[0].1 != rows[0].2 && rows[1].1 == rows[1].2);
}

#[test]
fn a_hundred_thousand_members_are_one_property() {
    let mut bench = Bench::new(&["", "/x"]);
    let object = |count: usize| (0..count).map(|at| format!(r#""m{at}":{at}"#)).collect::<Vec<_>>().join(",");
    let event = format!("{{{}}}", object(100_000));
    assert_eq!(paths(&bench.same(&event, &event)), [""]);
    let inner = format!(r#"{{"a":{{{}}},"b":{{"c":1}}}}"#, object(100_000));
    assert_eq!(paths(&bench.same(&inner, &inner)), ["/a", "/b"]);
    // The duplicate decides for both.
    assert_eq!(paths(&bench.pair(r#"{"a":{"m0":0},"b":{"c":1}}"#, &inner)), ["/a", "/b"]);
    // One more than fit.
    for (count, rows) in [(1024, 1024), (1025, 1)] {
        let event = format!("{{{}}}", object(count));
        assert_eq!(bench.same(&event, &event).len(), rows);
    }
}

/// Names never seen before, pair after pair, until the memory of pointers starts anew.
#[test]
fn pointers_that_never_come_again() {
    let mut bench = Bench::new(&["", "/m"]);
    for round in 0..100 {
        let event = |more: &str| {
            let list: Vec<String> =
                (0..200).map(|at| format!(r#""{}{at}":{round}"#, at * 7919 % 311 + round * 1000)).collect();
            format!(r#"{{"m":{{{}}}{more}}}"#, list.join(","))
        };
        let rows = bench.pair(&event(""), &event(r#","z":1"#));
        assert_eq!(rows.len(), 201);
        assert!(rows.iter().all(|row| (row.1 == row.2) == (row.0 != "/z")));
    }
    assert!(bench.pairer.paths_bytes() < 4 << 20);
}

#[test]
fn repeated_members_do_not_count_as_properties() {
    let mut bench = Bench::new(&[""]);
    let event = format!(r#"{{{}"b":2}}"#, r#""a":1,"#.repeat(4000));
    assert_eq!(paths(&bench.same(&event, r#"{"b":2,"a":1}"#)), ["/a", "/b"]);
    let event = format!(r#"{{{}"b":2}}"#, r#""a":1,"#.repeat(100_000));
    assert_eq!(paths(&bench.same(&event, r#"{"b":2,"a":1}"#)), [""]);
}

/// A million members below long names would be pointers of 500 MB.
#[test]
fn long_pointers_to_many_members_stay_within_memory() {
    let long = "n".repeat(490);
    let list: Vec<String> = (0..1_000_000).map(|at| format!(r#""{at}":0"#)).collect();
    let event = format!(r#"{{"{long}":{{{}}},"x":1}}"#, list.join(","));
    let mut bench = Bench::new(&[""]);
    let rows = bench.same(&event, &event);
    assert_eq!(paths(&rows), [format!("/{long}").as_str(), "/x"]);
    let bytes = bench.pairer.paths_bytes();
    assert!(bytes < 16 << 20, "{bytes} bytes of pointers");
}

#[test]
fn a_kept_cut_original_fixes_the_depth() {
    // 300 values of 300 bytes are too many bytes; one level up they are three values, cut.
    let event = |groups: usize, more: &str| {
        let group = |at: usize| {
            let list: Vec<String> = (0..100).map(|value| format!(r#""v{value}":"{at}{}""#, "x".repeat(300))).collect();
            format!(r#""g{at}":{{{}}}"#, list.join(","))
        };
        format!("{{{}{more}}}", (0..groups).map(group).collect::<Vec<_>>().join(","))
    };
    let mut bench = Bench::new(&[""]);
    let rows = bench.same(&event(3, ""), &event(3, ""));
    assert_eq!(paths(&rows), ["/g0", "/g1", "/g2"]);
    let rows = bench.pair(&event(3, ""), r#"{"g1":{"v1":2},"h":{"i":3}}"#);
    assert_eq!(paths(&rows), ["/g0", "/g1", "/g2", "/h"]);
    assert_eq!(rows[1].2, (Kind::Json as u8, r#"{"v1":2}"#.to_owned()));
    // A duplicate that needs less depth than the original was kept at.
    let wide = (0..2000).map(|at| format!(r#","w{at}":0"#)).collect::<String>();
    assert_eq!(paths(&bench.pair(&event(3, ""), &event(3, &wide))), ["", "/g0", "/g1", "/g2"]);
}

#[test]
fn as_many_roots_as_allowed_and_all_long() {
    let roots: Vec<String> = (0..ROOTS_MAX).map(|at| format!("/r{at}")).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let mut bench = Bench::new(&roots);
    let list: Vec<String> =
        roots.iter().map(|root| format!(r#""{}":"{}""#, &root[1..], "\\u0001é".repeat(1500))).collect();
    let event = format!("{{{}}}", list.join(","));
    let kept = bench.keep(&event);
    assert!(Kept::decode(&kept).unwrap().is_cut());
    assert_eq!(bench.same(&event, &event).len(), ROOTS_MAX);
    let other = event.replacen('é', "è", 1);
    assert_eq!(bench.pair(&event, &other).iter().filter(|row| row.1 != row.2).count(), 1);
    let names: Vec<String> = (0..=ROOTS_MAX).map(|at| format!("/{at}")).collect();
    assert_eq!(Pairer::new(Some(&names)).unwrap_err(), TooManyRoots { count: ROOTS_MAX + 1 });
}

#[test]
fn originals_kept_for_other_fields_are_refused() {
    let (mut one, mut other) = (Bench::new(&["/a"]), Bench::new(&["/a", "/b"]));
    let event = r#"{"a":1,"b":2}"#;
    let kept = one.keep(event);
    let kept = Kept::decode(&kept).unwrap();
    assert_eq!(other.pair_kept(&kept, event).unwrap_err(), Refusal::OtherFields);
    assert!(one.pair_kept(&kept, event).is_ok());
    let mut out = Vec::new();
    assert!(!fields_text(&kept, &other.roots, &mut out) && out.is_empty());
    let mut payload = Pairer::new(None).unwrap();
    assert_eq!(payload.pair(&kept, b"x", &[], &mut PairBatch::default()), Err(Refusal::OtherFields));
    let mut whole = Vec::new();
    payload.keep(None, b"x", &[], &mut whole);
    assert_eq!(one.pair_kept(&Kept::decode(&whole).unwrap(), event).unwrap_err(), Refusal::OtherFields);
    // A scorer that asks for nothing is not one that reads the payload.
    let mut nothing = Bench::new(&[]);
    assert_eq!(nothing.pair(event, event), []);
    assert_eq!(nothing.pair_kept(&Kept::decode(&whole).unwrap(), event).unwrap_err(), Refusal::OtherFields);
}

#[test]
fn payloads_of_any_bytes() {
    let mut pairer = Pairer::new(None).unwrap();
    let text = |kept: &[u8]| {
        let mut out = Vec::new();
        assert!(fields_text(&Kept::decode(kept).unwrap(), &[], &mut out));
        String::from_utf8(out).unwrap()
    };
    for (payload, cut) in [(b"a\"b".to_vec(), false), (vec![0xff, 0x0a], false), (vec![b'x'; 70_000], true)] {
        let mut kept = Vec::new();
        pairer.keep(None, &payload, &[], &mut kept);
        assert!(kept.len() <= KEPT_BYTES_MAX);
        let decoded = Kept::decode(&kept).unwrap();
        assert_eq!((decoded.uuid(), decoded.is_cut()), (None, cut));
        let mut out = PairBatch::default();
        pairer.pair(&decoded, &payload, &[], &mut out).unwrap();
        assert_eq!((out.ends.as_slice(), out.paths.get(0).unwrap()), (&[1][..], &b""[..]));
        assert_eq!((out.original_kinds.as_slice(), out.duplicate_kinds.as_slice()), (&[6][..], &[6][..]));
        assert_eq!(out.originals, out.duplicates);
        assert_eq!(out.originals.data == payload, !cut);
        match payload.len() {
            3 => assert_eq!(text(&kept), r#""a\"b""#),
            2 => assert_eq!(text(&kept), r#"{"hex":"ff0a"}"#),
            _ => assert!(text(&kept).contains("… (cut: 70000 bytes")),
        }
    }
}

#[test]
fn the_text_of_what_is_kept() {
    let event = r#" {"a": {"b/c": "x\n"}, "n": null, "l": [1, 2.50]} "#;
    assert_eq!(Bench::new(&[""]).text(event), event.trim());
    assert_eq!(Bench::new(&["/a", ""]).text(event), event.trim());
    let text = Bench::new(&["/a/b~1c", "/l", "/x", "/n", "/l"]).text(event);
    assert_eq!(text, r#"{"/a/b~1c":"x\n","/l":[1, 2.50],"/n":null}"#);
    assert_eq!(Bench::new(&["/x"]).text(event), "{}");
    let long = "y".repeat(70_000);
    let event = format!(r#"{{"a":{{"b\"":"x\n"}},"n":null,"l":[1, 2.50],"s":"{long}","t":["{long}"],"d":{long}}}"#)
        .replace(&format!(r#""d":{long}"#), &format!(r#""d":1{}"#, "2".repeat(5000)));
    let text = Bench::new(&["", "/a"]).text(&event);
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["/a/b\""], "x\n");
    assert_eq!(read["/n"], serde_json::Value::Null);
    assert_eq!(read["/l"], serde_json::json!([1, 2.5]));
    for (name, length) in [("/s", 70_000), ("/t", 70_004), ("/d", 5001)] {
        let (_, mark) = read[name].as_str().unwrap().split_once("… (").unwrap();
        // A number this long is in exponential form.
        assert!(mark.starts_with("cut: ") && (name == "/d" || mark.contains(&format!(" {length} bytes"))), "{mark}");
    }
    assert_eq!(read.as_object().unwrap().len(), 6);
}

#[test]
fn uuids_of_any_length() {
    let mut pairer = Pairer::new(None).unwrap();
    let long = vec![b'u'; 1 << 20];
    for uuid in [None, Some(&b""[..]), Some(b"x"), Some(&long[..256]), Some(&long[..257]), Some(&long)] {
        let mut kept = Vec::new();
        pairer.keep(uuid, &vec![b'p'; PAYLOAD_BYTES_MAX], &[], &mut kept);
        assert!(kept.len() <= KEPT_BYTES_MAX);
        let kept = Kept::decode(&kept).unwrap();
        for other in [None, Some(&b""[..]), Some(b"x"), Some(&long[..256]), Some(&long[..257]), Some(&long)] {
            assert_eq!(kept.has_uuid(other), uuid == other);
        }
        assert!(!kept.is_cut());
    }
}

#[test]
fn spans_that_lie() {
    let mut pairer = Pairer::new(Some(&["/a".to_owned()])).unwrap();
    let payload = br#"{"a":1}"#;
    let mut kept = Vec::new();
    pairer.keep(None, payload, &[std::ops::Range { start: 5, end: 6 }], &mut kept);
    let kept = Kept::decode(&kept).unwrap();
    for (start, end) in [(4, 6), (5, 7), (6, 5), (0, 100), (u32::MAX, u32::MAX)] {
        let spans = [std::ops::Range { start, end }];
        assert_eq!(pairer.pair(&kept, payload, &spans, &mut PairBatch::default()), Err(Refusal::Damaged));
    }
    let mut out = Vec::new();
    pairer.keep(None, &vec![b'{'; 100_000], &[std::ops::Range { start: 0, end: 100_000 }], &mut out);
    assert!(Kept::decode(&out).is_some());
}

fn any_damage(kept: &[u8], roots: &[&str], at: usize, byte: u8, cut: usize) {
    let mut bench = Bench::new(roots);
    let mut damaged = kept.to_vec();
    damaged[at % kept.len()] = byte;
    damaged.truncate(cut);
    let Some(kept) = Kept::decode(&damaged) else { return };
    let mut out = PairBatch::default();
    let event = br#"{"a":1,"b":[2]}"#;
    bench.projection.project(event, &mut []).unwrap();
    if bench.pairer.pair(&kept, event, bench.projection.spans(), &mut out).is_err() {
        assert_eq!(out, PairBatch::default());
    }
    let _ = fields_text(&kept, &bench.roots, &mut Vec::new());
}

#[test]
fn damage_anywhere_in_cut_properties() {
    let event = format!(r#"{{"a":{{"b":"{}","c":null,"d":[1]}},"e":{{}}}}"#, "x".repeat(66_000));
    let kept = Bench::new(&["", "/a"]).keep(&event);
    assert!(Kept::decode(&kept).unwrap().is_cut());
    for at in 0..kept.len() {
        for byte in [0, 1, 5, 0x7f, 0x80, 0xff, b'/', b'~', kept[at] ^ 1] {
            any_damage(&kept, &["", "/a"], at, byte, kept.len());
        }
        any_damage(&kept, &["", "/a"], 0, kept[0], at);
    }
}

proptest! {
    #![proptest_config(cases::cases(1_000))]

    #[test]
    fn pairs_agree_with_the_model(trees in proptest::collection::vec((tree(), tree(), any::<u64>()), 1..5), roots in 0..ROOTS.len()) {
        // One bench for all: what was met before changes nothing.
        let mut bench = Bench::new(ROOTS[roots]);
        for (original, duplicate, seed) in trees {
            let rows = bench.pair(&spelled(&original, seed), &spelled(&duplicate, seed ^ 1));
            prop_assert_eq!(rows, model_rows(&original, &duplicate, ROOTS[roots]));
        }
    }

    #[test]
    fn every_spelling_of_an_event_pairs_alike(tree in tree(), one: u64, other: u64, roots in 0..ROOTS.len()) {
        let rows = Bench::new(ROOTS[roots]).same(&spelled(&tree, one), &spelled(&tree, other));
        prop_assert_eq!(rows, model_rows(&tree, &tree, ROOTS[roots]));
    }

    #[test]
    fn kept_bytes_damaged_or_cut_short(tree in tree(), seed: u64, roots in 0..ROOTS.len(), at: usize, byte: u8, cut in 0..400usize) {
        let kept = Bench::new(ROOTS[roots]).keep(&spelled(&tree, seed));
        any_damage(&kept, ROOTS[roots], at, byte, kept.len());
        any_damage(&kept, ROOTS[roots], at, byte, cut);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60), form in 0..6u8) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = form;
        }
        if !bytes.is_empty() {
            any_damage(&bytes, &[""], 0, form, usize::MAX);
        }
    }
}

proptest! {
    #![proptest_config(cases::cases(30))]

    /// Many members, so that depth is halved, and bytes, so that originals are cut.
    #[test]
    fn large_events_agree_with_the_model(trees in proptest::collection::vec(tree(), 1..20), copies in 1usize..200, seed: u64, long in 0..3000usize) {
        let list = |salt: &str| (0..copies).map(|at| (format!("{salt}{at}"), trees[at % trees.len()].clone())).collect::<Vec<_>>();
        let mut all = list("m");
        all.push(("a".to_owned(), Tree::Object(list("a"))));
        all.push(("t".to_owned(), Tree::Text("x".repeat(long))));
        let (original, duplicate) = (Tree::Object(all.clone()), Tree::Object(list("m")));
        let mut bench = Bench::new(&[""]);
        bench.same(&spelled(&original, seed), &spelled(&original, seed ^ 1));
        let kept = bench.keep(&spelled(&original, seed));
        let kept = Kept::decode(&kept).unwrap();
        let rows = bench.pair_kept(&kept, &spelled(&duplicate, seed)).unwrap();
        if !kept.is_cut() {
            let mut expected = model_rows(&original, &duplicate, &[""]);
            for row in &mut expected {
                super::cut::cut_text(&mut row.1.1);
                super::cut::cut_text(&mut row.2.1);
            }
            prop_assert_eq!(rows, expected);
        }
    }
}

const JSON: u8 = Kind::Json as u8;
const STRING: u8 = Kind::String as u8;

#[test]
fn halves_of_surrogate_pairs_in_names_and_values() {
    let mut bench = Bench::new(&[""]);
    let event = r#"{"\ud83d":"a\udc00","b":"\\ud83d","c":{"x\ude00/~":[1,"\ud83d"]},"~ud83d":1}"#;
    let again = r#"{"~ud83d":1.0,"c":{"x\uDE00\/~":[1,"\uD83D"]},"\uD83D":"\u0061\uDC00","\u0062":"\\ud83d"}"#;
    let rows = bench.same(event, again);
    let expected = [
        ("/b", STRING, r"\ud83d"),
        ("/c/x~ude00~1~0", JSON, r#"[1,"\ud83d"]"#),
        ("/~0ud83d", Kind::Number as u8, "1"),
        ("/~ud83d", JSON, r#""a\udc00""#),
    ];
    let found: Vec<_> = rows.iter().map(|(path, (kind, value), _)| (path.as_str(), *kind, value.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(bench.text(event), event);
}

#[test]
fn half_a_surrogate_pair_is_no_string_that_spells_it() {
    let mut bench = Bench::new(&[""]);
    let rows = bench.pair(r#"{"a":"\ud83d"}"#, r#"{"a":"\"\\ud83d\""}"#);
    let text = r#""\ud83d""#.to_owned();
    assert_eq!(rows, [("/a".to_owned(), (JSON, text.clone()), (STRING, text))]);
    let rows = bench.pair(r#"{"\ud83d":1}"#, r#"{"~ud83d":1}"#);
    let one = (Kind::Number as u8, "1".to_owned());
    assert_eq!(rows, [("/~0ud83d".to_owned(), ABSENT, one.clone()), ("/~ud83d".to_owned(), one, ABSENT),]);
}

#[test]
fn halves_of_surrogate_pairs_in_what_is_kept_apart() {
    let mut bench = Bench::new(&[""]);
    let blob = "x".repeat(KEPT_BYTES_MAX);
    let event = format!(r#"{{"\ud83d":{{"\udc00~":"\ud800","/":"\ud800{blob}"}},"blob":"{blob}"}}"#);
    let rows = bench.same(&event, &event);
    assert_eq!(paths(&rows), ["/blob", "/~ud83d/~1", "/~ud83d/~udc00~0"]);
    assert_eq!((rows[2].1.0, rows[2].1.1.as_str()), (JSON, r#""\ud800""#));
    assert_eq!(Kept::decode(&bench.keep(&event)).unwrap().form(), Form::Properties);
    let text = bench.text(&event);
    assert!(text.contains(r#""/~ud83d/~udc00~0":"\ud800""#), "{text}");
    let long = format!(r#"{{"a":{{"{}":1}}}}"#, r"\ud800".repeat(100));
    assert_eq!(paths(&bench.same(&long, &long)), ["/a"], "its pointer would be too long");
}
