//! Strings that are JSON text: a situation each, and against the same events with the strings replaced by what they spell.

use proptest::prelude::*;
use serde_json::Value;

use super::super::error::Expected;
use super::super::index::Index;
use super::super::simd::Level;
use super::super::tests::{Field, Tree as Json, fields, same, spelled, tree, without_halves};
use super::super::{Numbers, Projection};
use super::*;
use crate::fields::FieldBatch;

fn json_in(pointers: &[&str]) -> JsonIn {
    JsonIn::new(pointers).unwrap()
}

/// Projects one event at every level this processor has, with spans beside the fields; all must agree.
fn project(json: &[u8], pointers: &[&str], members: &JsonIn, numbers: Numbers) -> Result<Vec<Field>, Refused> {
    let mut answers = Level::all().into_iter().map(|level| {
        let mut projection = Projection::compile_inside(&[pointers], pointers, members, numbers).unwrap();
        projection.reader.level = level;
        projection.inside.iter_mut().for_each(|inside| inside.set_level(level));
        let mut out = [FieldBatch::new(pointers.len() as u32)];
        // Twice, for what is kept from event to event.
        let _first = projection.project(br#"{"data":"{\"x\":[1,\"\\n\"]}","a":"7","b":{"a":"[\"\"]"}}"#, &mut out);
        out[0].clear();
        let result = projection.project(json, &mut out);
        match &result {
            Ok(()) => spans_hold_the_fields(json, &projection, &out[0]),
            Err(_) => assert!(projection.spans().is_empty() && projection.spans_text().is_none()),
        }
        result.map(|()| fields(&out[0])).inspect_err(|_| assert_eq!(out[0], FieldBatch::new(pointers.len() as u32)))
    });
    let first = answers.next().unwrap();
    answers.for_each(|other| assert_eq!(other, first));
    first
}

/// What stands at a span, projected by itself, is the field.
fn spans_hold_the_fields(json: &[u8], projection: &Projection, batch: &FieldBatch) {
    let text = projection.spans_text().unwrap_or(json);
    assert!(projection.spans_text().is_none_or(|text| text.iter().all(|byte| *byte >= b' ')));
    for (at, span) in projection.spans().iter().enumerate() {
        let raw = &text[span.start as usize..span.end as usize];
        assert_eq!(raw.is_empty(), batch.kinds[at] == Kind::Absent as u8);
        if !raw.is_empty() {
            let mut whole = Projection::compile(&[&[""]], projection.numbers).unwrap();
            let mut out = [FieldBatch::new(1)];
            whole.project(raw, &mut out).unwrap();
            assert_eq!((out[0].kinds[0], out[0].values.get(0)), (batch.kinds[at], batch.values.get(at)));
        }
    }
}

fn check(json: &str, members: &[&str], pointer: &str, kind: Kind, text: &str) {
    let found = project(json.as_bytes(), &[pointer], &json_in(members), Numbers::AsWritten).unwrap();
    assert_eq!(found, [(kind, text.to_owned())], "{json}");
}

fn refused(json: &str, members: &[&str]) -> String {
    let result = project(json.as_bytes(), &["/data/a"], &json_in(members), Numbers::AsWritten);
    let error = result.expect_err(json);
    let nothing_asked = project(json.as_bytes(), &[], &json_in(members), Numbers::AsWritten);
    assert_eq!(nothing_asked, Err(error.clone()), "the fields asked for change nothing");
    error.to_string()
}

#[test]
fn pointers_go_on_inside_the_string() {
    let json = r#"{"uuid":"u","data":" {\"event\":\"click\",\n \"properties\":{\"$ip\":\"::1\",\"n\":[1,{\"x\":null}]}} ","token":"t"}"#;
    check(json, &["/data"], "/data/event", Kind::String, "click");
    check(json, &["/data"], "/data/properties/$ip", Kind::String, "::1");
    check(json, &["/data"], "/data/properties/n/0", Kind::Number, "1");
    check(json, &["/data"], "/data/properties/n/1/x", Kind::Null, "");
    check(json, &["/data"], "/data/properties", Kind::Json, r#"{"$ip":"::1","n":[1,{"x":null}]}"#);
    check(json, &["/data"], "/data/absent", Kind::Absent, "");
    check(json, &["/data"], "/token", Kind::String, "t");
    check(json, &[], "/data/event", Kind::Absent, "");
    check(json, &["/other"], "/data/event", Kind::Absent, "");
}

#[test]
fn the_string_itself_and_what_holds_it_stay_what_they_are() {
    check(r#"{"data":"{\"a\":1}"}"#, &["/data"], "/data", Kind::String, r#"{"a":1}"#);
    check(r#"{"data":"{\"a\":1}"}"#, &["/data"], "", Kind::Json, r#"{"data":"{\"a\":1}"}"#);
    check(r#"{"o":{"data":"7"}}"#, &["/o/data"], "/o", Kind::Json, r#"{"data":"7"}"#);
}

#[test]
fn what_is_no_string_is_used_as_it_is() {
    check(r#"{"data":{"a":1}}"#, &["/data"], "/data/a", Kind::Number, "1");
    check(r#"{"data":{"a":"{\"b\":1}"}}"#, &["/data", "/data/a"], "/data/a/b", Kind::Number, "1");
    for json in ["{}", r#"{"data":null}"#, r#"{"data":true}"#, r#"{"data":17}"#, r#"{"data":[]}"#, "[1]", "\"x\""] {
        check(json, &["/data"], "/data/a", Kind::Absent, "");
    }
}

#[test]
fn strings_in_strings() {
    let inner = r#"{"properties":"{\"plan\":\"a\\\"b\\\\\"}","x":1}"#;
    let json = format!(r#"{{"data":{}}}"#, serde_json::to_string(inner).unwrap());
    let both = ["/data/properties", "/data"];
    check(&json, &both, "/data/properties/plan", Kind::String, r#"a"b\"#);
    check(&json, &both, "/data/properties", Kind::String, r#"{"plan":"a\"b\\"}"#);
    check(&json, &both, "/data/x", Kind::Number, "1");
    check(&json, &["/data"], "/data/properties/plan", Kind::Absent, "");
    check(&json, &["/data/properties"], "/data/properties/plan", Kind::Absent, "");
    let mut json = "1".to_owned();
    let mut member = String::new();
    for _ in 0..8 {
        json = format!(r#"{{"m":{}}}"#, serde_json::to_string(&json).unwrap());
        member += "/m";
    }
    let members: Vec<&str> = (1..=8).map(|depth| &member[..2 * depth]).collect();
    check(&json, &members, &member, Kind::String, "1");
    check(&json, &members[..7], &member, Kind::String, "1");
    check(&json, &members[..6], &member, Kind::Absent, "");
}

#[test]
fn elements_of_arrays_and_events_that_are_strings() {
    check(r#"{"l":["{\"a\":1}","{\"a\":2}","no JSON"]}"#, &["/l/1"], "/l/1/a", Kind::Number, "2");
    check(r#"{"data":"[\"{\\\"a\\\":3}\"]"}"#, &["/data", "/data/0"], "/data/0/a", Kind::Number, "3");
    check(r#" "{\"a\":{\"b\":4}}" "#, &[""], "/a/b", Kind::Number, "4");
    check(r#"{"a":{"b":4}}"#, &[""], "/a/b", Kind::Number, "4");
    check(r#""17""#, &[""], "", Kind::String, "17");
}

#[test]
fn of_members_with_one_name_only_the_last_is_opened() {
    check(r#"{"data":"{\"a\":1}","data":"{\"a\":2}"}"#, &["/data"], "/data/a", Kind::Number, "2");
    check(r#"{"data":"no JSON","data":"{\"a\":2,\"a\":3}"}"#, &["/data"], "/data/a", Kind::Number, "3");
    check(r#"{"data":"{\"a\":1}","data":{"b":2}}"#, &["/data"], "/data/a", Kind::Absent, "");
    check(r#"{"o":{"data":"no JSON"},"o":1}"#, &["/o/data"], "/o/data/a", Kind::Absent, "");
}

#[test]
fn a_string_that_is_not_json_is_refused_by_the_name_of_its_member() {
    let reason = |text: &str| refused(&format!(r#"{{"data":"{text}","x":1}}"#), &["/data"]);
    assert_eq!(reason(""), "json-in /data: the string is not JSON: it is empty");
    assert_eq!(reason("  "), "json-in /data: the string is not JSON: it is empty");
    assert_eq!(reason("hello"), "json-in /data: the string is not JSON at byte 0: expected a value");
    assert_eq!(reason(r#"{\"a\":1}}"#), "json-in /data: the string is not JSON at byte 7: expected its end");
    assert_eq!(reason(r#"{\"a\":1"#), "json-in /data: the string is not JSON at byte 6: expected ',' or '}'");
    assert_eq!(
        reason(r#"{\"a\":\"\u0001\"}"#).split(": expected").next().unwrap(),
        "json-in /data: the string is not JSON at byte 6"
    );
    assert!(reason(r#"{\"a\":\"\\x\"}"#).ends_with("expected an escape of RFC 8259"));
    let nested = refused(r#"{"data":"{\"p\":\"[\"}"}"#, &["/data", "/data/p"]);
    assert!(nested.starts_with("json-in /data/p: "), "{nested}");
    assert!(refused(r#""{""#, &[""]).starts_with("json-in \"\": the string is not JSON at byte 1"));
    // What is wrong with the event is said of the event.
    assert_eq!(refused(r#"{"data":"{}""#, &["/data"]), "not JSON at byte 12: expected ',' or '}'");
}

#[test]
fn every_escape_of_the_outer_string() {
    let cases = [
        (r#"{\"a\":\"x\/y\"}"#, "x/y"),
        (r#"{\u0022a\u0022:\u0022x\u0022}"#, "x"),
        (r#"{\"a\":\"\u00e9\u20ac\ud83d\ude00é€😀\"}"#, "é€😀é€😀"),
        (r#"{\"a\":\"\\u00e9\\ud83d\\ude00\"}"#, "é😀"),
        (r#"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#"{\"a\":\"\u005c\u005c\u005cn\"}"#, "\\\n"),
        (r#"\n\r\t{\n\"a\"\t:\r\"x\"\n}\n"#, "x"),
        (r#"{\"a\":\"\\\\\"}"#, "\\"),
    ];
    for (text, value) in cases {
        for padding in 0..130 {
            let json = format!(r#"{{"data":"{}{text}"}}"#, " ".repeat(padding));
            check(&json, &["/data"], "/data/a", Kind::String, value);
        }
    }
}

/// The text of a string whose escapes were not checked, at every level.
fn text_of(string: &str) -> Result<String, DecodeError> {
    let mut answers = Level::all().into_iter().map(|level| {
        let mut index = Index::default();
        level.index(string.as_bytes(), &mut index).unwrap();
        let (tokens, firsts, escapes) = (index.tokens(), index.firsts(), index.escapes());
        let mut out = b"before".to_vec();
        unescape_text(level, Tokens { json: string.as_bytes(), tokens, firsts, escapes, halves: false }, 0, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    });
    let first = answers.next().unwrap();
    answers.for_each(|other| assert_eq!(other, first));
    first
}

#[test]
fn half_a_character_stays_an_escape_where_it_means_the_same() {
    assert_eq!(text_of(r#""{\"a\":\"x\ud83d\"}""#).unwrap(), r#"{"a":"x\ud83d"}"#);
    assert_eq!(text_of(r#""{\"a\":\"\uDE00\"}""#).unwrap(), r#"{"a":"\uDE00"}"#);
    assert_eq!(text_of(r#""\"\ud83d\ud83d\ude00\"""#).unwrap(), r#""\ud83d😀""#);
    // Two halves of two layers are one character, as they are to JavaScript.
    assert_eq!(text_of(r#""\"\ud83d\\ude00\"""#).unwrap(), r#""\ud83d\ude00""#);
    assert_eq!(text_of(r#""\"\\\\\ud83d\"""#).unwrap(), r#""\\\ud83d""#);
    let error = text_of(r#""\"\\\ud83d\"""#).unwrap_err();
    assert_eq!(error, DecodeError::Syntax { at: 2, expected: Expected::Escape });
}

#[test]
fn spans_stand_in_the_event_unless_one_stands_in_a_string() {
    let members = json_in(&["/data", "/p"]);
    let spans = |json: &str, pointers: &[&str]| {
        let mut projection =
            Projection::compile_inside::<&str, _>(&[], pointers, &members, Numbers::AsWritten).unwrap();
        projection.project(json.as_bytes(), &mut []).unwrap();
        let text = projection.spans_text();
        let whole = std::str::from_utf8(text.unwrap_or(json.as_bytes())).unwrap();
        let texts = projection.spans().iter().map(|span| whole[span.start as usize..span.end as usize].to_owned());
        (text.is_some(), texts.collect::<Vec<_>>())
    };
    let json = r#"{"x":[1 ],"data":"{\"a\":{\n\"b\": \"\\n\"}}","p":{"q":2}}"#;
    let (elsewhere, texts) = spans(json, &["", "/data", "/x", "/p/q", "/none"]);
    assert!(!elsewhere);
    assert_eq!(texts, [json, r#""{\"a\":{\n\"b\": \"\\n\"}}""#, "[1 ]", "2", ""]);
    let (elsewhere, texts) = spans(json, &["/data/a", "/x", "/p/q", "/data/none", "/data/a/b"]);
    assert!(elsewhere);
    assert_eq!(texts, [r#"{ "b": "\n"}"#, "[1 ]", "2", "", r#""\n""#]);
    let (elsewhere, _) = spans(r#"{"data":{"a":1}}"#, &["/data/a"]);
    assert!(!elsewhere);
}

#[test]
fn members_are_few_and_pointers() {
    assert_eq!(JsonIn::new(&["/b", "/a/b", "/a", "/b"]).unwrap().iter().collect::<Vec<_>>(), ["/a", "/a/b", "/b"]);
    assert!(JsonIn::new(&["a"]).unwrap_err().to_string().contains("does not begin with '/'"));
    let many: Vec<String> = (0..=JSON_IN_MAX).map(|at| format!("/{at}")).collect();
    assert_eq!(JsonIn::new(&many).unwrap_err().to_string(), "17 members are named, and 16 is the most");
    assert!(JsonIn::new(&many[1..]).is_ok());
    assert!(json_in(&[]).is_empty() && !json_in(&[""]).is_empty());
    let below = |root: &str| {
        json_in(&["/a", "/a/b", "/ab", "/a/b/c"]).below(root).iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(below("/a"), ["", "/b", "/b/c"]);
    assert_eq!(below("/a/b"), ["", "/c"]);
    assert_eq!(below("/x"), [""; 0]);
}

/// Pointers that are asked for, and members whose strings may be JSON text.
const POINTERS: [&str; 12] =
    ["/a/a", "/a/b", "/a/0", "/b/a", "/b/b/a", "/b/a/b", "/0/a", "/0/1", "/a/a/a", "/a/a/0", "/data/a", "/data/data"];
const MEMBERS: [&str; 6] = ["/a", "/b/a", "/0", "/a/a", "/data", "/b/b"];

fn text_at(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn parsed(json: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(json).map_err(|error| error.to_string())
}

fn parsed_without_halves(json: &[u8]) -> Result<Value, String> {
    parsed(&without_halves(json))
}

/// The reference: strings of members replaced by what they spell, from the outside to the inside.
fn replaced(json: &[u8], members: &JsonIn, parse: fn(&[u8]) -> Result<Value, String>) -> Result<Value, String> {
    let mut value = parse(json)?;
    for member in members.iter() {
        if let Some(text) = text_at(&value, member) {
            *value.pointer_mut(member).unwrap() = parse(text.as_bytes())?;
        }
    }
    Ok(value)
}

/// Agrees with serde_json on what is JSON, and on every value below a member.
fn agrees(json: &[u8], members: &JsonIn) {
    let ours = project(json, &POINTERS, members, Numbers::Canonical);
    let shown = String::from_utf8_lossy(json);
    match (replaced(json, members, parsed), ours) {
        (Ok(value), Ok(fields)) => {
            for (pointer, field) in std::iter::zip(POINTERS, fields) {
                // A member itself stays the string that it is.
                if members.iter().all(|member| member != pointer) {
                    assert!(same(value.pointer(pointer), &field), "{pointer} {field:?} {shown}");
                }
            }
        }
        // serde_json refuses halves of characters, and numbers that it has no room for.
        (Err(theirs), Ok(_)) => {
            let without = replaced(json, members, parsed_without_halves);
            let is_excused = without.err().is_none_or(|theirs| theirs.contains("number out of range"));
            assert!(is_excused, "{theirs} {shown}");
        }
        (Ok(_), Err(ours)) => panic!("{ours} {shown}"),
        (Err(_), Err(_)) => {}
    }
}

/// A value and the same with the values of some members as strings; these are named. A name is there once, for the value
/// at a pointer to be one.
fn forms(tree: &Json, path: &str, members: &[&str], seed: u64) -> (Json, Json) {
    let (plain, inside) = match tree {
        Json::Object(list) => {
            let mut names = std::collections::BTreeSet::new();
            let once = list.iter().filter(|(name, _)| names.insert(name.clone()));
            let both: Vec<_> =
                once.map(|(name, value)| (name, forms(value, &format!("{path}/{name}"), members, seed))).collect();
            let part = |choose: fn(&(Json, Json)) -> &Json| {
                Json::Object(both.iter().map(|(name, forms)| ((*name).clone(), choose(forms).clone())).collect())
            };
            (part(|forms| &forms.0), part(|forms| &forms.1))
        }
        Json::List(list) => {
            let both: Vec<_> =
                (0..).zip(list).map(|(at, value)| forms(value, &format!("{path}/{at}"), members, seed)).collect();
            (
                Json::List(both.iter().map(|forms| forms.0.clone()).collect()),
                Json::List(both.iter().map(|forms| forms.1.clone()).collect()),
            )
        }
        // A string at a member would have to be JSON text.
        Json::Text(_) if members.contains(&path) => (Json::Word("null"), Json::Word("null")),
        Json::Word(_) | Json::Number(_) | Json::Text(_) => (tree.clone(), tree.clone()),
    };
    if members.contains(&path) {
        let text = spelled(&inside, seed.rotate_left(path.len() as u32));
        return (plain, Json::Text(text));
    }
    (plain, inside)
}

proptest! {
    #![proptest_config(cases::cases(2_000))]

    #[test]
    fn the_string_form_projects_as_the_plain_form(
        list in proptest::collection::vec(("a|b|data|0|ab", tree()), 0..5),
        chosen in proptest::sample::subsequence(MEMBERS.to_vec(), 0..=MEMBERS.len()),
        seed: u64,
    ) {
        let (plain, inside) = forms(&Json::Object(list), "", &chosen, seed);
        let (plain, inside) = (spelled(&plain, seed), spelled(&inside, !seed));
        let members = json_in(&chosen);
        agrees(inside.as_bytes(), &members);
        let below: Vec<&str> = POINTERS.into_iter().filter(|pointer| !chosen.contains(pointer)).collect();
        // Members that hold members: their text is another where something in them is a string.
        let below: Vec<&str> =
            below.into_iter().filter(|pointer| !chosen.iter().any(|member| member.starts_with(pointer))).collect();
        let of_plain = project(plain.as_bytes(), &below, &json_in(&[]), Numbers::Canonical).unwrap();
        let of_inside = project(inside.as_bytes(), &below, &members, Numbers::Canonical);
        prop_assert_eq!(of_inside.as_ref(), Ok(&of_plain), "{} {}", plain, inside);
        // The plain form is read with the same setting.
        let of_plain_again = project(plain.as_bytes(), &below, &members, Numbers::Canonical);
        prop_assert_eq!(of_plain_again, Ok(of_plain));
    }

    #[test]
    fn mutated_strings_agree_with_serde_json(
        list in proptest::collection::vec(("a|b|data|0", tree()), 1..4),
        chosen in proptest::sample::subsequence(MEMBERS.to_vec(), 1..=MEMBERS.len()),
        seed: u64,
        mutations in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(br#"{}[]:,"\\ 0e-.tnu/"#.to_vec())), 1..4),
    ) {
        let (_, inside) = forms(&Json::Object(list), "", &chosen, seed);
        let mut json = spelled(&inside, seed).into_bytes();
        for (at, byte) in mutations {
            let at = at.index(json.len());
            json[at] = byte;
        }
        agrees(&json, &json_in(&chosen));
    }

    #[test]
    fn texts_are_what_serde_json_reads(text in "[\"\\\\/bu0n\u{8}\n\u{1f}é😀x ]{0,200}", ascii: bool) {
        let mut string = serde_json::to_string(&text).unwrap();
        if ascii {
            let escaped = |unit: &u16| format!("\\u{unit:04x}");
            let units = text.encode_utf16().map(|unit| escaped(&unit)).collect::<String>();
            string = format!("\"{units}\"");
        }
        prop_assert_eq!(text_of(&string).unwrap(), text);
    }
}
