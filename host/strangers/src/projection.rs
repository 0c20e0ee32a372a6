//! Events put to the projection and to the reference: the same texts are JSON, and the same values stand at the same
//! places, with strings that hold JSON and without.

use engine::fields::{FieldBatch, Kind};
use engine::projection::{BYTE_ORDER_MARK, Expander, JsonIn, Numbers, Projection};

use crate::json::{self, NoValue, Value};

/// Pointers that are asked for whatever the event is.
const POINTERS: [&str; 12] = ["", "/a", "/b", "/a/b", "/b/a", "/0", "/1", "/0/a", "/a/0", "/1/0", "/", "/data/a"];

/// Members whose strings may be JSON text; the first byte of an input chooses.
const MEMBERS: [&str; 8] = ["/data", "/a", "", "/a/b", "/0", "/data/a", "/b/0/a", "/é"];

/// Places of an event that are asked for beside [`POINTERS`].
const PLACES_MAX: usize = 24;

/// Bytes of the longest event that is put to the reference.
const EVENT_BYTES_MAX: usize = 64 << 10;

type Field = (Kind, String);

const KINDS: [Kind; 7] = [Kind::Absent, Kind::Null, Kind::Bool, Kind::Number, Kind::String, Kind::Json, Kind::Bytes];

fn fields(batch: &FieldBatch) -> Vec<Field> {
    let kind = |at: usize| *KINDS.iter().find(|kind| **kind as u8 == batch.kinds[at]).expect("a kind");
    let text = |at: usize| String::from_utf8(batch.values.get(at).expect("a value").to_vec()).expect("UTF-8");
    (0..batch.kinds.len()).map(|at| (kind(at), text(at))).collect()
}

fn as_written(number: &str) -> String {
    number.to_owned()
}

fn field(value: Option<&Value>, numbers: Numbers) -> Field {
    let spell = if numbers == Numbers::Canonical { json::number_text } else { as_written };
    let canonical = |value: &Value| {
        let mut text = String::new();
        value.canonical(spell, &mut text);
        text
    };
    match value {
        None => (Kind::Absent, String::new()),
        Some(Value::Null) => (Kind::Null, String::new()),
        Some(Value::Bool(value)) => (Kind::Bool, value.to_string()),
        Some(Value::Number(number)) => (Kind::Number, spell(number)),
        Some(value @ Value::Text(text)) => match String::from_utf16(text) {
            Ok(text) => (Kind::String, text),
            Err(_) => (Kind::Json, canonical(value)),
        },
        Some(value @ (Value::List(_) | Value::Object(_))) => (Kind::Json, canonical(value)),
    }
}

/// The strings of members replaced by what they spell, from the outside to the inside.
fn expanded(event: &Value, members: &JsonIn) -> Result<Value, NoValue> {
    let mut event = event.clone();
    for member in members.iter() {
        let place = json::segments(member).try_fold(&mut event, |value, segment| value.child_mut(&segment));
        if let Some(place) = place
            && let Value::Text(text) = place
        {
            *place = json::read_units(text)?;
        }
    }
    Ok(event)
}

/// What stands at a pointer: it goes on inside the strings of members, and a member itself is the string.
fn found(event: &Value, pointer: &str, members: &JsonIn) -> Option<Value> {
    let (mut value, mut path) = (event.clone(), String::new());
    for (part, segment) in pointer.split('/').skip(1).zip(json::segments(pointer)) {
        if let (Value::Text(text), true) = (&value, members.iter().any(|member| member == path)) {
            value = json::read_units(text).ok()?;
        }
        value = value.child(&segment)?.clone();
        path = format!("{path}/{part}");
    }
    Some(value)
}

/// Whether everything in it has a spelling that the reference can tell.
fn is_reckoned(value: &Value) -> bool {
    !value.any(&|value| matches!(value, Value::Number(number) if !json::is_reckoned(number)), &|_| false)
}

/// An event in any bytes.
pub(crate) fn projection(bytes: &[u8]) {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    reference_agrees_with_serde_json(text);
    agrees(bytes, &JsonIn::default());
}

/// The first byte chooses members; the others are an event, in which their strings are JSON text.
pub(crate) fn inside(bytes: &[u8]) {
    let Some((chosen, event)) = bytes.split_first() else { return };
    let members: Vec<&str> = (0..8).filter(|bit| chosen >> bit & 1 == 1).map(|bit: usize| MEMBERS[bit]).collect();
    agrees(event, &JsonIn::new(&members).expect("pointers"));
}

fn agrees(bytes: &[u8], members: &JsonIn) {
    let bytes = bytes.get(..EVENT_BYTES_MAX).unwrap_or(bytes);
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let expected = json::read(text).and_then(|event| Ok((expanded(&event, members)?, event)));
    let places = expected.as_ref().map_or(Vec::new(), |(expanded, _)| expanded.pointers(PLACES_MAX));
    let pointers: Vec<String> = POINTERS.iter().map(|pointer| (*pointer).to_owned()).chain(places).collect();
    for numbers in [Numbers::AsWritten, Numbers::Canonical] {
        let mut projection = Projection::compile_inside(&[pointers.as_slice()], &pointers, members, numbers)
            .expect("these are pointers");
        let mut out = [FieldBatch::new(pointers.len() as u32)];
        // What is kept from event to event changes nothing.
        let _other = projection.project(br#"{"data":"[1]","a":"{\"b\":\"7\"}","b":[0,{"a":[]}]}"#, &mut out);
        out[0].clear();
        let result = projection.project(bytes, &mut out);
        match (&expected, &result) {
            (Ok((expanded, event)), Ok(())) => {
                let is_exact = numbers == Numbers::AsWritten || is_reckoned(expanded);
                for (pointer, got) in pointers.iter().zip(fields(&out[0])) {
                    let value = found(event, pointer, members);
                    assert!(
                        !is_exact || got == field(value.as_ref(), numbers),
                        "{pointer}: {got:?}, and not {value:?}"
                    );
                }
                spans_hold_the_fields(bytes, &projection, &fields(&out[0]), numbers, is_exact);
                expander_agrees(text, members, Some(expanded));
            }
            (Err(NoValue::NotJson), Err(_)) => {
                assert_eq!(out[0], FieldBatch::new(pointers.len() as u32), "nothing is appended");
                assert!(projection.spans().is_empty() && projection.spans_text().is_none());
                if json::read(text).is_ok() {
                    expander_agrees(text, members, None);
                }
            }
            (Err(NoValue::TooDeep), _) => {}
            (Ok(_), Err(refused)) => panic!("{refused}, and it is JSON"),
            (Err(NoValue::NotJson), Ok(())) => panic!("it is not JSON, and taken for it"),
        }
    }
}

/// What stands at a span is the value of the field.
fn spans_hold_the_fields(bytes: &[u8], projection: &Projection, fields: &[Field], numbers: Numbers, is_exact: bool) {
    let text = projection.spans_text().unwrap_or(bytes);
    for (span, got) in projection.spans().iter().zip(fields) {
        let raw = &text[span.start as usize..span.end as usize];
        assert_eq!(raw.is_empty(), got.0 == Kind::Absent);
        if !raw.is_empty() {
            let value = json::read(raw).expect("a value stands at its span");
            assert!(!is_exact || *got == field(Some(&value), numbers), "{got:?} at its span: {value:?}");
        }
    }
}

/// An [`Expander`] writes what the reference makes of it; `None`: it refuses.
fn expander_agrees(text: &[u8], members: &JsonIn, expected: Option<&Value>) {
    let Some(mut expander) = Expander::new(members, "") else { return };
    let mut out = Vec::new();
    let written = expander.expand(text, &mut out);
    assert_eq!(written.is_some(), expected.is_some());
    if let Some(expected) = expected {
        let written = json::read(&out).expect("JSON, and in UTF-8");
        assert_eq!(field(Some(&written), Numbers::AsWritten), field(Some(expected), Numbers::AsWritten));
    }
}

/// The reference is held against serde_json, as far as that has no limits of its own: numbers of 64 bits, 128 levels, no
/// halves of surrogate pairs.
fn reference_agrees_with_serde_json(text: &[u8]) {
    match (json::read(text), serde_json::from_slice::<serde_json::Value>(text)) {
        (Ok(ours), Ok(theirs)) => assert!(is_same(&ours, &theirs), "{ours:?} is not {theirs}"),
        (Ok(ours), Err(error)) => {
            let is_beyond = |value: &Value| matches!(value, Value::Number(number) if number.parse::<f64>().is_ok_and(|number| !number.is_finite()));
            let excused = ours.depth() > 120 || ours.any(&is_beyond, &json::has_half);
            assert!(excused, "{error}, and the reference reads {ours:?}");
        }
        (Err(NoValue::NotJson), Ok(theirs)) => panic!("the reference refuses {theirs}"),
        (Err(_), _) => {}
    }
}

fn is_same(ours: &Value, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => ours == theirs,
        (Value::Number(ours), serde_json::Value::Number(theirs)) => {
            serde_json::from_str::<serde_json::Number>(ours).is_ok_and(|ours| ours == *theirs)
        }
        (Value::Text(ours), serde_json::Value::String(theirs)) => ours.iter().copied().eq(theirs.encode_utf16()),
        (Value::List(ours), serde_json::Value::Array(theirs)) => {
            ours.len() == theirs.len() && std::iter::zip(ours, theirs).all(|(ours, theirs)| is_same(ours, theirs))
        }
        (Value::Object(_), serde_json::Value::Object(theirs)) => theirs.iter().all(|(name, theirs)| {
            let name: Vec<u16> = name.encode_utf16().collect();
            ours.child(&name).is_some_and(|ours| is_same(ours, theirs))
        }),
        _ => false,
    }
}
