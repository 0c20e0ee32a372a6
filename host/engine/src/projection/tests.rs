//! The rules of the module, a situation each, and the same answers as serde_json. Not a benchmark.

use proptest::prelude::*;
use serde_json::Value;

use super::simd::Level;
use super::*;

pub(super) type Field = (Kind, String);

/// Projects one event at every level this processor has; all must agree.
fn project(json: &[u8], pointers: &[&str], numbers: Numbers) -> Result<Vec<Field>, Refused> {
    let mut answers = Level::all().into_iter().map(|level| {
        let mut projection = Projection::compile_with_spans(&[pointers], pointers, numbers).unwrap();
        projection.reader.level = level;
        let mut out = [FieldBatch::new(pointers.len() as u32)];
        let result = projection.project(json, &mut out);
        spans_hold_the_fields(json, &projection, &out[0]);
        result.map(|()| fields(&out[0])).inspect_err(|_| assert_eq!(out[0], FieldBatch::new(pointers.len() as u32)))
    });
    let first = answers.next().unwrap();
    answers.for_each(|other| assert_eq!(other, first));
    first
}

/// What stands at a span, projected by itself, is the field.
fn spans_hold_the_fields(json: &[u8], projection: &Projection, batch: &FieldBatch) {
    assert_eq!(projection.spans().len(), batch.kinds.len());
    for (at, span) in projection.spans().iter().enumerate() {
        let raw = &json[span.start as usize..span.end as usize];
        assert_eq!(raw.is_empty(), batch.kinds[at] == Kind::Absent as u8);
        assert_eq!(raw.trim_ascii(), raw);
        if !raw.is_empty() {
            let mut whole = Projection::compile(&[&[""]], projection.numbers).unwrap();
            let mut out = [FieldBatch::new(1)];
            whole.project(raw, &mut out).unwrap();
            assert_eq!((out[0].kinds[0], out[0].values.get(0)), (batch.kinds[at], batch.values.get(at)));
        }
    }
}

pub(super) fn fields(batch: &FieldBatch) -> Vec<Field> {
    let text = |at| String::from_utf8(batch.values.get(at).unwrap().to_vec()).unwrap();
    batch.kinds.iter().enumerate().map(|(at, kind)| (KINDS[*kind as usize], text(at))).collect()
}

const KINDS: [Kind; 6] = [Kind::Absent, Kind::Null, Kind::Bool, Kind::Number, Kind::String, Kind::Json];

fn check(json: &str, pointers: &[&str], expected: &[(Kind, &str)]) {
    let expected: Vec<Field> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
    assert_eq!(project(json.as_bytes(), pointers, Numbers::AsWritten).unwrap(), expected, "{json}");
}

fn check_one(json: &str, pointer: &str, kind: Kind, text: &str) {
    check(json, &[pointer], &[(kind, text)]);
}

fn refused(json: impl AsRef<[u8]>) -> String {
    let result = project(json.as_ref(), &["/a"], Numbers::AsWritten);
    let error = result.expect_err(&String::from_utf8_lossy(json.as_ref()));
    assert_eq!(
        project(json.as_ref(), &[], Numbers::AsWritten),
        Err(error.clone()),
        "the fields asked for change nothing"
    );
    error.to_string()
}

fn canonical(number: &str) -> String {
    let fields = project(number.as_bytes(), &[""], Numbers::Canonical).unwrap();
    assert_eq!(fields[0].0, Kind::Number);
    fields[0].1.clone()
}

#[test]
fn every_kind() {
    let json = r#" {"n":null, "t":true, "f":false, "i":-12.5e3, "s":"a b", "o":{ "x" : 1 }, "l":[ 1 , "x" ]} "#;
    let pointers = ["/n", "/t", "/f", "/i", "/s", "/o", "/l", "/absent"];
    let texts = ["", "true", "false", "-12.5e3", "a b", r#"{"x":1}"#, r#"[1,"x"]"#, ""];
    let kinds = [Kind::Null, Kind::Bool, Kind::Bool, Kind::Number, Kind::String, Kind::Json, Kind::Json, Kind::Absent];
    check(json, &pointers, &std::iter::zip(kinds, texts).collect::<Vec<_>>());
}

#[test]
fn groups_share_pointers_and_keep_their_order() {
    let groups: [&[&str]; 3] = [&["/b", "/a", "/b"], &[], &["/a"]];
    let mut projection = Projection::compile(&groups, Numbers::AsWritten).unwrap();
    assert_eq!(projection.widths(), [3, 0, 1]);
    let mut out = [FieldBatch::new(3), FieldBatch::new(0), FieldBatch::new(1)];
    projection.project(br#"{"a":1,"b":2}"#, &mut out).unwrap();
    projection.project(br#"{"a":3"#, &mut out).unwrap_err();
    projection.project(br#"{"b":"x"}"#, &mut out).unwrap();
    let texts = |batch| fields(batch).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    assert_eq!(texts(&out[0]), ["2", "1", "2", "x", "", "x"]);
    assert_eq!(texts(&out[1]), [""; 0]);
    assert_eq!(texts(&out[2]), ["1", ""]);
}

#[test]
fn spans_are_places_and_not_copies() {
    let json = br#" { "a" : [1 , {}] , "b":"x", "b" : -1.50 , "c":{"d": null }, "c":{"e":"f\n" } } "#;
    let pointers = ["", "/a", "/a/1", "/b", "/c", "/c/d", "/c/e", "/x"];
    let mut projection = Projection::compile_with_spans::<&str, _>(&[], &pointers, Numbers::Canonical).unwrap();
    projection.project(json, &mut []).unwrap();
    let text = |span: &Range<u32>| std::str::from_utf8(&json[span.start as usize..span.end as usize]).unwrap();
    let whole = std::str::from_utf8(json).unwrap().trim();
    let expected = [whole, "[1 , {}]", "{}", "-1.50", r#"{"e":"f\n" }"#, "", r#""f\n""#, ""];
    assert_eq!(projection.spans().iter().map(text).collect::<Vec<_>>(), expected);
    projection.project(b"{", &mut []).unwrap_err();
    assert!(projection.spans().is_empty());
}

#[test]
fn whole_document() {
    check_one(" 17 ", "", Kind::Number, "17");
    check_one("\"x\"", "", Kind::String, "x");
    check_one("null", "", Kind::Null, "");
    check_one(" [ ] ", "", Kind::Json, "[]");
    check(
        "{\"b\" : 1,\"a\":[{}]}",
        &["", "/a", "/a/0"],
        &[(Kind::Json, r#"{"a":[{}],"b":1}"#), (Kind::Json, "[{}]"), (Kind::Json, "{}")],
    );
}

#[test]
fn pointer_segments_with_escapes_and_odd_names() {
    let json = r#"{"a/b":1,"m~n":2,"":3,"~1":4," ":5,"é":6,"k\"l":7,"a-name-longer-than-eight":8}"#;
    let pointers =
        ["/a~1b", "/m~0n", "/", "/~01", "/ ", "/é", "/k\"l", "/a-name-longer-than-eight", "/a-name-longer-than-nigh"];
    let fields = project(json.as_bytes(), &pointers, Numbers::AsWritten).unwrap();
    assert_eq!(
        fields.iter().map(|field| field.1.as_str()).collect::<Vec<_>>(),
        ["1", "2", "3", "4", "5", "6", "7", "8", ""]
    );
}

#[test]
fn invalid_pointers_are_named() {
    let refused = |pointer: &str| Projection::compile(&[&[pointer]], Numbers::AsWritten).unwrap_err().to_string();
    assert!(refused("a").starts_with("pointer \"a\" does not begin with '/'"));
    assert!(refused("/a~").contains("\"/a~\" has a '~'"));
    assert!(refused("/a~2b").contains("neither ~0"));
    assert!(refused(&"/x".repeat(SEGMENTS_MAX + 1)).contains("deeper than 1024 levels"));
    let deepest = "/x".repeat(SEGMENTS_MAX);
    let json = r#"{"x":"#.repeat(SEGMENTS_MAX) + "1" + &"}".repeat(SEGMENTS_MAX);
    check_one(&json, &deepest, Kind::Number, "1");
}

#[test]
fn array_elements() {
    let json = r#"{"a":[10,[20,21],{"0":"name"}],"0":"zero","-":1}"#;
    check(
        json,
        &["/a/0", "/a/1/1", "/a/2/0", "/a/3", "/0"],
        &[
            (Kind::Number, "10"),
            (Kind::Number, "21"),
            (Kind::String, "name"),
            (Kind::Absent, ""),
            (Kind::String, "zero"),
        ],
    );
    for pointer in ["/a/00", "/a/01", "/a/-", "/a/+1", "/a/1.0", "/a/", "/a/ 1", "/a/18446744073709551616"] {
        check_one(json, pointer, Kind::Absent, "");
    }
    check_one(json, "/-", Kind::Number, "1");
}

#[test]
fn pointer_and_its_prefix() {
    let json = r#"{"a":{"b":{"c":1},"d":2}}"#;
    check(
        json,
        &["/a/b/c", "/a", "/a/b", "/a/d"],
        &[(Kind::Number, "1"), (Kind::Json, r#"{"b":{"c":1},"d":2}"#), (Kind::Json, r#"{"c":1}"#), (Kind::Number, "2")],
    );
}

#[test]
fn last_of_repeated_members_counts() {
    check_one(r#"{"a":1,"a":2}"#, "/a", Kind::Number, "2");
    check_one(r#"{"a":1,"\u0061":2}"#, "/a", Kind::Number, "2");
    check_one(r#"{"a":{"b":1},"a":2}"#, "/a/b", Kind::Absent, "");
    check_one(r#"{"a":{"b":1},"a":{}}"#, "/a/b", Kind::Absent, "");
    check_one(r#"{"a":{"b":1},"a":[]}"#, "/a/b", Kind::Absent, "");
    check_one(r#"{"a":{"b":1},"a":{"c":1}}"#, "/a/b", Kind::Absent, "");
    check_one(r#"{"a":2,"a":{"b":1}}"#, "/a/b", Kind::Number, "1");
    check_one(r#"{"a":{"b":{"c":[1]}},"a":{"b":3}}"#, "/a/b/c/0", Kind::Absent, "");
    check(
        r#"{"x":{"a":1,"b":0,"a":{"z":1,"z":{}},"\u0061":[2]}}"#,
        &["/x", "/x/a"],
        &[(Kind::Json, r#"{"a":[2],"b":0}"#), (Kind::Json, "[2]")],
    );
}

#[test]
fn escapes_in_values_and_names() {
    let json = r#"{"\u0061\n":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00\u0000x","b":"no escape"}"#;
    check(json, &["/a\n", "/b"], &[(Kind::String, "\"\\/\u{8}\u{c}\n\r\tAé€😀\0x"), (Kind::String, "no escape")]);
    check_one(r#"{"\\":1,"\"":2,"c":"\\\\"}"#, "/\\", Kind::Number, "1");
    check_one(r#"{"\\":1,"\"":2,"c":"\\\\"}"#, "/c", Kind::String, "\\\\");
}

#[test]
fn runs_of_backslashes_over_block_ends() {
    for padding in 0..140 {
        for backslashes in 0..8 {
            let string = " ".repeat(padding) + &"\\\\".repeat(backslashes) + "\\\"";
            let resolved = " ".repeat(padding) + &"\\".repeat(backslashes) + "\"";
            check_one(&format!("{{\"a\":\"{string}\"}}"), "/a", Kind::String, &resolved);
            refused(format!("{{\"a\":\"{string}}}"));
        }
    }
}

#[test]
fn canonical_text_of_objects_and_arrays() {
    let json =
        r#" { "b" : [ 1.0 , { } , [ ] , "\u00e9\/\u001f\b\"" ] , "a\u0000" : null, "a":true ,"é":-0.0,"z":"" } "#;
    let expected = "{\"a\":true,\"a\\u0000\":null,\"b\":[1.0,{},[],\"é/\\u001f\\b\\\"\"],\"z\":\"\",\"é\":-0.0}";
    check_one(json, "", Kind::Json, expected);
    let fields = project(json.as_bytes(), &[""], Numbers::Canonical).unwrap();
    assert_eq!(fields[0].1, expected.replace("1.0", "1").replace("-0.0", "0"));
    // Ordered by UTF-8: U+FFFD before U+1F600, though its UTF-16 unit is the greater.
    check_one("{\"\u{1f600}\":1,\"\u{fffd}\":2}", "", Kind::Json, "{\"\u{fffd}\":2,\"\u{1f600}\":1}");
}

#[test]
fn one_text_for_each_numeric_value() {
    let rows: &[(&str, &[&str])] = &[
        ("0", &["0", "-0", "0.0", "-0.000", "0e5", "-0E-999999999999999999999999", "0e999999999999999999999999"]),
        ("1", &["1", "1.0", "10e-1", "1E0", "1e+0", "0.1e1", "100000e-5", "1e-0"]),
        ("-1.5", &["-1.5", "-15e-1", "-1.50", "-0.15E+1"]),
        ("120", &["120", "1.2e2", "12e1", "0.0012e5", "120.0"]),
        ("9007199254740993", &["9007199254740993", "9007199254740993.0", "9.007199254740993e15"]),
        ("100000000000000000000", &["100000000000000000000", "1e20"]),
        ("1e+21", &["1e21", "1000000000000000000000", "0.1e22"]),
        ("1.234567890123456789012345e+24", &["1234567890123456789012345"]),
        ("123456789012345678901.5", &["123456789012345678901.5", "1234567890123456789015e-1"]),
        ("0.000001", &["0.000001", "1e-6", "0.1E-5"]),
        ("1e-7", &["0.0000001", "1e-7", "0.10e-6"]),
        ("1.5e-7", &["0.00000015", "15e-8"]),
        ("0.1", &["0.1", "1e-1", "0.10"]),
        ("1e+400", &["1e400", "10e399"]),
        ("1e+999999999999", &["1e999999999999", "0.1e1000000000000"]),
        ("1.2e+99999999999999999999", &["12e99999999999999999998", "0.12e100000000000000000000"]),
        ("1.2e-99999999999999999999", &["12e-100000000000000000000", "0.12e-99999999999999999998"]),
        ("1e+100000000000000000", &["1e100000000000000000", "10e99999999999999999", "0.1e0100000000000000001"]),
        ("1e-100000000000000000", &["1e-100000000000000000", "0.1e-99999999999999999", "10e-100000000000000001"]),
    ];
    for (expected, spellings) in rows {
        spellings.iter().for_each(|spelling| assert_eq!(canonical(spelling), *expected, "{spelling}"));
    }
    assert_eq!(canonical("9007199254740992"), "9007199254740992");
    assert_eq!(canonical(&("1".to_owned() + &"0".repeat(100_000))), "1e+100000");
    assert_eq!(canonical(&format!("0.{}1e100001", "0".repeat(100_000))), "1");
    check("[1,1.0,1e0]", &["/0", "/1", "/2"], &[(Kind::Number, "1"), (Kind::Number, "1.0"), (Kind::Number, "1e0")]);
}

#[test]
fn refusals_say_where_and_why() {
    assert_eq!(refused(""), "not JSON: the event is empty");
    assert_eq!(refused(" \n\t\r"), "not JSON: the event is empty");
    assert_eq!(refused(r#"{"timestamp": 12 "b":1}"#), "not JSON at byte 17: expected ',' or '}'");
    assert_eq!(refused("[1 2]"), "not JSON at byte 3: expected ',' or ']'");
    assert_eq!(refused("{\"a\" 1}"), "not JSON at byte 5: expected ':'");
    assert_eq!(refused("{a:1}"), "not JSON at byte 1: expected a member name in quotes");
    assert_eq!(refused("[1,]"), "not JSON at byte 3: expected a value");
    assert_eq!(refused("1 2"), "not JSON at byte 2: expected the end of the event");
    assert_eq!(refused("{\"a\":1"), "not JSON at byte 6: expected ',' or '}'");
    assert_eq!(refused("\"abc"), "not JSON at byte 4: expected a closing quote");
    assert_eq!(
        refused("[\"a\nb\"]"),
        "not JSON at byte 3: expected no control character in a string: write it as an escape"
    );
    assert_eq!(refused("[\"\\x\"]"), "not JSON at byte 3: expected an escape of RFC 8259");
    assert_eq!(refused("[\"\\u12g4\"]"), "not JSON at byte 4: expected four hexadecimal digits");
    assert_eq!(refused("[01]"), "not JSON at byte 2: expected a number of RFC 8259");
    assert_eq!(refused("[trux]"), "not JSON at byte 1: expected true, false or null");
    assert_eq!(refused("\u{feff}"), "not JSON: the event is empty");
    assert_eq!(refused("\u{feff}{\"a\" 1}"), "not JSON at byte 8: expected ':'");
    assert_eq!(refused(b"\xef\xbb\xbf[\"\xff\"]"), "not JSON at byte 5: not UTF-8");
    assert_eq!(refused("\u{feff}\u{feff}{}"), "not JSON at byte 3: expected a value");
    assert_eq!(refused(" \u{feff}{}"), "not JSON at byte 1: expected a value");
    assert_eq!(refused(b"[\"\xff\"]"), "not JSON at byte 2: not UTF-8");
    assert!(size_of::<DecodeError>() <= 8);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_event() {
    check("\u{feff} {\"a\":[1]}", &["/a/0", "/a"], &[(Kind::Number, "1"), (Kind::Json, "[1]")]);
    let mut projection = Projection::compile_with_spans::<&str, _>(&[], &["", "/a", "/b"], Numbers::AsWritten).unwrap();
    projection.project("\u{feff} {\"a\":1} ".as_bytes(), &mut []).unwrap();
    assert_eq!(projection.spans(), [4..11, 9..10, 0..0]);
}

#[test]
fn reasons_name_what_an_event_looks_like() {
    let reason = |event: &[u8]| project(event, &["/a"], Numbers::AsWritten).unwrap_err().reason(event);
    assert_eq!(reason(b"{\"a\":1"), "not JSON at byte 6: expected ',' or '}'");
    assert_eq!(reason(b""), "not JSON: the event is empty");
    let utf16: Vec<u8> = "{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(reason(&utf16), "not JSON: it looks like UTF-16 text (little-endian); send it as UTF-8");
    assert!(reason(b"\x1f\x8b\x08\0\0").starts_with("not JSON: it looks like gzip data; "));
    assert!(reason(b"\0\0\0\0\x07\x02a").contains("schema id 7"));
    assert!(reason(b"\0").starts_with("not JSON at byte 0: expected a value; it looks like binary data: "));
    assert!(reason(b"{\"a\":\"x\0y\"}").starts_with("not JSON at byte 7: expected no control character"));
}

#[test]
fn half_a_surrogate_pair_is_json_and_no_text() {
    for (string, canonical) in [
        ("\\ud800", "\\ud800"),
        ("\\uDC00", "\\udc00"),
        ("\\ud800x", "\\ud800x"),
        ("\\ud800\\n", "\\ud800\\n"),
        ("\\ud800\\uD800", "\\ud800\\ud800"),
        ("\\udc00\\ud800", "\\udc00\\ud800"),
        ("\\ud83d\\u0041", "\\ud83dA"),
        ("\\ud83d\\\\ude00", "\\ud83d\\\\ude00"),
        ("\\ud83d\\ud83d\\ude00\\ude00", "\\ud83d😀\\ude00"),
        ("é\\udfff\\\"", "é\\udfff\\\""),
    ] {
        let text = format!("\"{canonical}\"");
        check_one(&format!(" \"{string}\" "), "", Kind::Json, &text);
        check(
            &format!("{{\"b\":{{\"a\": \"{string}\"}},\"c\":\"plain\",\"d\":[\"{string}\"]}}"),
            &["/b/a", "/b", "/c", "/d", "/d/0"],
            &[
                (Kind::Json, &text),
                (Kind::Json, &format!("{{\"a\":{text}}}")),
                (Kind::String, "plain"),
                (Kind::Json, &format!("[{text}]")),
                (Kind::Json, &text),
            ],
        );
        let named = format!("{{\"{string}\":1, \"a\":\"\\n\" , \"{string}\":2}}");
        let whole = project(named.as_bytes(), &["", "/a"], Numbers::AsWritten).unwrap();
        assert_eq!(whole[0], (Kind::Json, format!("{{\"a\":\"\\n\",{text}:2}}")));
        assert_eq!(whole[1], (Kind::String, "\n".to_owned()));
    }
    check_one("\"\\ud83d\\ude00\\ud83d\\ude00\"", "", Kind::String, "😀😀");
    // A string that spells such a text out is another value, of another kind.
    check_one(r#""\\ud83d""#, "", Kind::String, r"\ud83d");
    check_one(r#"["\\ud83d"]"#, "", Kind::Json, r#"["\\ud83d"]"#);
}

#[test]
fn text_that_is_not_json() {
    let texts = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "{]",
        "[}",
        "{,}",
        "[,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{:1}",
        "{1:1}",
        "[1:2]",
        "{\"a\":1:2}",
        "[\"a\":1]",
        "{\"a\",1}",
        "[1]]",
        "{}{}",
        "{} x",
        "\"a\"\"b\"",
        "1\"a\"",
        "\"a\"1",
        "[1\"a\"]",
        "tru",
        "truee",
        "nul",
        "nulll",
        "falsey",
        "True",
        "NaN",
        "Infinity",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "-a",
        "00",
        "-01",
        "0x1",
        "1_0",
        "1e5.5",
        "--1",
        "'a'",
        "\\",
        "\\\"a\\\"",
        "1\\",
        "[1\u{c}]",
        "[1,\u{1a}1]",
        "\u{0}",
        "1\u{0}",
        "\u{a0}1",
        "[1\u{b}]",
        "/**/1",
        "\"\\",
        "\"\\\"",
        "\"\u{1f}\"",
        "é",
        "[é]",
        "{\"a\":1}\u{0}",
        "[\"a\"b]",
        "{\"a\"b:1}",
        "{\"a\":\"b\"c}",
        "[truefalse]",
        "[1 true]",
        "[-]",
    ];
    for text in texts {
        refused(text);
        refused(format!("{{\"b\":[{text}"));
        refused(format!("{{\"a\":{{\"x\":{text} }}"));
    }
    for bytes in [
        &b"\"\xc3\""[..],
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\xff",
        b"\"a\"\xff",
        b"\"\x80\"",
    ] {
        for padding in 0..70 {
            refused([b"[\"", " ".repeat(padding).as_bytes(), b"\",", bytes, b"]"].concat());
        }
    }
}

#[test]
fn characters_over_block_ends() {
    for padding in 0..140 {
        let string = format!("{}é€😀 ascii {}", "x".repeat(padding), "y".repeat(140 - padding));
        check_one(&format!("[\"{string}\"]"), "/0", Kind::String, &string);
    }
}

#[test]
fn control_characters_outside_strings_other_than_whitespace() {
    for byte in 0..=255u8 {
        let json = [b"[1", &[byte][..], b"]"].concat();
        let ok = matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'0'..=b'9');
        assert_eq!(project(&json, &["/0"], Numbers::AsWritten).is_ok(), ok, "{byte}");
    }
    check_one("\u{9}{\n\"a\"\r:\t1 }\n", "/a", Kind::Number, "1");
    check_one("\"\u{7f}\"", "", Kind::String, "\u{7f}");
}

#[test]
fn hundred_thousand_levels() {
    const LEVELS: usize = 100_000;
    let shapes =
        [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":"#, "}]"), (r#"{"a":[0,"#, "]}"), (r#"{"b":0,"a":"#, r#","c":[]}"#)];
    for (open, close) in shapes {
        let json = open.repeat(LEVELS) + "1" + &close.repeat(LEVELS);
        let whole = project(json.as_bytes(), &[""], Numbers::Canonical).unwrap();
        assert_eq!(whole[0].0, Kind::Json);
        assert_eq!(whole[0].1.len(), json.len());
        project(json.as_bytes(), &["/a", "/a/a/b", "/0/0/a/0"], Numbers::AsWritten).unwrap();
        project(json.as_bytes(), &[], Numbers::AsWritten).unwrap();
        refused(json.get(..json.len() - 1).unwrap());
        refused(json.clone() + close);
        refused(open.repeat(LEVELS));
        let wrong = if close.starts_with(']') { "}" } else { "]" };
        refused(open.repeat(LEVELS) + "1" + &close.repeat(LEVELS - 100) + wrong + &close.repeat(99));
    }
}

const SAMPLE: &str = concat!(
    r#"{"timestamp":"2024-05-01T00:00:00.000Z","n":[-1.25e+3,0,10],"\u00e9":"\ud83d\ude00 \\ \" é€😀","#,
    r#""o":{"t":true,"f":false,"z":null,"e":{},"l":[[],[{}]]},"long":"abcdefghijklmnopqrstuvwxyz","timestamp": 7 }"#
);

#[test]
fn every_truncation_is_refused() {
    project(SAMPLE.as_bytes(), &["/o/t"], Numbers::AsWritten).unwrap();
    for end in 0..SAMPLE.len() {
        refused(&SAMPLE.as_bytes()[..end]);
    }
}

/// Agrees with serde_json on whether a text is JSON, where that has no limit of its own, and then on every value.
fn agrees(json: &[u8], pointers: &[&str]) {
    let ours = project(json, pointers, Numbers::Canonical);
    let shown = String::from_utf8_lossy(json);
    match (serde_json::from_slice::<Value>(json), ours) {
        (Ok(value), Ok(fields)) => {
            for (pointer, field) in pointers.iter().zip(fields) {
                assert!(same(value.pointer(pointer), &field), "{pointer} {field:?} {shown}");
            }
        }
        (Err(theirs), Ok(_)) => {
            let whole = without_halves(json);
            let only_halves = whole != json && serde_json::from_slice::<Value>(&whole).is_ok();
            assert!(only_halves || theirs.to_string().contains("number out of range"), "{theirs} {shown}");
        }
        (Ok(_), Err(ours)) => panic!("{ours} {shown}"),
        (Err(_), Err(_)) => {}
    }
}

/// With a character for every half of a surrogate pair, which serde_json refuses.
pub(super) fn without_halves(json: &[u8]) -> Vec<u8> {
    let mut json = json.to_vec();
    let unit = |json: &[u8], at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < json.len() {
        at += match (json[at], unit(&json, at)) {
            (b'\\', Some(0xd800..0xdc00)) if matches!(unit(&json, at + 6), Some(0xdc00..0xe000)) => 12,
            (b'\\', Some(0xd800..0xe000)) => {
                json[at + 2..at + 6].copy_from_slice(b"e000");
                6
            }
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    json
}

pub(super) fn same(value: Option<&Value>, (kind, text): &Field) -> bool {
    match value {
        None => (*kind, text.as_str()) == (Kind::Absent, ""),
        Some(Value::Null) => (*kind, text.as_str()) == (Kind::Null, ""),
        Some(Value::Bool(value)) => *kind == Kind::Bool && *text == value.to_string(),
        Some(Value::String(value)) => *kind == Kind::String && text == value,
        Some(Value::Number(value)) => *kind == Kind::Number && close(value.as_f64().unwrap(), text.parse().unwrap()),
        Some(value) => *kind == Kind::Json && near(value, &serde_json::from_str(text).unwrap()),
    }
}

/// serde_json does not read every float to its last bit.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs() * 1e-15
}

fn near(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => close(a.as_f64().unwrap(), b.as_f64().unwrap()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && near(a, b))
        }
        (a, b) => a == b,
    }
}

#[test]
fn every_mutation_of_one_byte_agrees_with_serde_json() {
    let pointers = ["", "/timestamp", "/n/0", "/o/l/1/0", "/é"];
    let mut accepted = 0;
    for at in 0..SAMPLE.len() {
        for byte in 0..=255u8 {
            let mut json = SAMPLE.as_bytes().to_vec();
            json[at] = byte;
            agrees(&json, &pointers);
            accepted += usize::from(project(&json, &[], Numbers::AsWritten).is_ok());
        }
        let mut json = SAMPLE.as_bytes().to_vec();
        json.remove(at);
        agrees(&json, &pointers);
    }
    assert!(accepted > 1000 && accepted < SAMPLE.len() * 256 / 2, "the mutations try both answers: {accepted}");
}

/// A value, with a number kept as text so that all its digits count.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Word(&'static str),
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    let text = prop_oneof!["[ab0]{0,2}", "[a/~-]{0,2}", "\\PC{0,12}", "[\"\\\\\u{0}-\u{1f}é€😀x]{0,80}"];
    let leaf = prop_oneof![
        prop_oneof![Just("true"), Just("false"), Just("null")].prop_map(Tree::Word),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,9})?([eE][-+]?[0-9]{1,2})?".prop_map(Tree::Number),
        text.clone().prop_map(Tree::Text),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            proptest::collection::vec((text.clone(), inner), 0..6).prop_map(Tree::Object),
        ]
    })
}

/// Spellings of one value, drawn from a stream of bits: whitespace, escapes, zeros of numbers, order of members.
struct Speller(u64);

impl Speller {
    fn draw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn space(&mut self, out: &mut String) {
        let spaces = ["", "", " ", "\n\t", "\r\n   ", "                                        "];
        out.push_str(spaces[self.draw(6) as usize]);
    }

    fn text(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            let plain = !matches!(character, '"' | '\\' | '\0'..='\u{1f}');
            if plain && self.draw(4) != 0 {
                out.push(character);
            } else if character == '"' || character == '\\' || character == '/' {
                out.extend(['\\', character]);
            } else {
                character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| *out += &format!("\\u{unit:04X}"));
            }
        }
        out.push('"');
    }

    fn number(&mut self, number: &str, out: &mut String) {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        *out += mantissa;
        let zeros = self.draw(3) as usize;
        if zeros > 0 {
            *out += if mantissa.contains('.') { "" } else { "." };
            *out += &"0".repeat(zeros);
        }
        let exponent: i32 = exponent.parse().unwrap();
        if exponent != 0 || self.draw(2) == 0 {
            *out += &format!("{}{exponent}", if self.draw(2) == 0 { "e" } else { "E" });
        }
    }

    fn value(&mut self, tree: &Tree, out: &mut String) {
        self.space(out);
        match tree {
            Tree::Word(word) => *out += word,
            Tree::Number(number) => self.number(number, out),
            Tree::Text(text) => self.text(text, out),
            Tree::List(elements) => self.list(elements, out),
            Tree::Object(members) => self.object(members, out),
        }
        self.space(out);
    }

    fn list(&mut self, elements: &[Tree], out: &mut String) {
        out.push('[');
        self.space(out);
        for (at, element) in elements.iter().enumerate() {
            *out += if at > 0 { "," } else { "" };
            self.value(element, out);
        }
        out.push(']');
    }

    /// Members in any order, but with members of one name in theirs.
    fn object(&mut self, members: &[(String, Tree)], out: &mut String) {
        let mut waiting: Vec<_> = members.iter().collect();
        out.push('{');
        self.space(out);
        for at in 0..members.len() {
            let drawn = self.draw(waiting.len() as u64) as usize;
            let name = &waiting[drawn].0;
            let first = waiting.iter().position(|member| member.0 == *name).unwrap();
            let (name, value) = waiting.remove(first);
            *out += if at > 0 { "," } else { "" };
            self.space(out);
            self.text(name, out);
            self.space(out);
            out.push(':');
            self.value(value, out);
        }
        out.push('}');
    }
}

pub(crate) fn spelled(tree: &Tree, seed: u64) -> String {
    let mut out = String::new();
    Speller(seed).value(tree, &mut out);
    out
}

const POINTERS: [&str; 12] = ["", "/a", "/b", "/a/b", "/b/a", "/0", "/1", "/0/a", "/a/0", "/1/0", "/", "/ab"];

/// A string of any units of UTF-16, each as it stands or as an escape, drawn from a stream of bits.
fn spelled_units(units: &[u16], seed: u64) -> String {
    let mut speller = Speller(seed);
    let mut out = String::from('"');
    for part in char::decode_utf16(units.iter().copied()) {
        match part {
            Ok(character) => {
                let mut text = String::new();
                speller.text(character.encode_utf8(&mut [0; 4]), &mut text);
                out += &text[1..text.len() - 1];
            }
            Err(half) if speller.draw(2) == 0 => out += &format!("\\u{:04x}", half.unpaired_surrogate()),
            Err(half) => out += &format!("\\u{:04X}", half.unpaired_surrogate()),
        }
    }
    out + "\""
}

fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        prop::sample::select(vec![0xd83d_u16, 0xde00, 0xd800, 0xdbff, 0xdc00, 0xdfff]),
        prop::sample::select("\\ud83\"/ a\0é".encode_utf16().collect::<Vec<_>>()),
        any::<u16>(),
    ];
    prop::collection::vec(unit, 0..6)
}

proptest! {
    #![proptest_config(cases::cases(2_000))]

    #[test]
    fn strings_are_equal_just_if_their_units_are(a in units(), b in units(), seed: u64, other: u64) {
        for (a, b) in [(&a, &b), (&a, &a)] {
            let (one, two) = (spelled_units(a, seed), spelled_units(b, other));
            let shapes: [fn(&str) -> String; 4] = [
                |string| format!("{{\"a\":{string}}}"),
                |string| format!("{{\"a\":[1, {string}]}}"),
                |string| format!("{{\"a\":{{{string}:null}}}}"),
                |string| format!("{{\"a\":{{\"x\":{{\"y\":[{string}]}},{string}:{string}}}}}"),
            ];
            for shape in shapes {
                let field = |string| project(shape(string).as_bytes(), &["/a"], Numbers::Canonical).unwrap().remove(0);
                let (one, two) = (field(&one), field(&two));
                prop_assert_eq!(one == two, a == b, "{:?} {:?}", one, two);
                if one.0 == Kind::Json {
                    let again = project(one.1.as_bytes(), &[""], Numbers::Canonical).unwrap().remove(0);
                    prop_assert_eq!(&again, &one, "canonical text is its own canonical text");
                }
            }
            let plain = project(one.as_bytes(), &[""], Numbers::AsWritten).unwrap().remove(0);
            match String::from_utf16(a) {
                Ok(text) => prop_assert_eq!(plain, (Kind::String, text)),
                Err(_) => prop_assert_eq!(plain.0, Kind::Json),
            }
        }
    }

    /// Against the same rule said plainly, on characters.
    #[test]
    fn one_line_for_every_reader(text in "[ \\n\\rab\u{85}\u{2028}\u{2029}\u{86}é€“\"]{0,60}", start in 0usize..4) {
        let mut out = b"\n\r\n\r"[..start].to_vec();
        out.extend_from_slice(text.as_bytes());
        one_line(&mut out, start);
        let expected: String = text
            .chars()
            .map(|character| match character {
                '\n' | '\r' => " ".to_owned(),
                '\u{85}' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(character)),
                other => other.to_string(),
            })
            .collect();
        prop_assert_eq!(&out[..start], &b"\n\r\n\r"[..start]);
        prop_assert_eq!(String::from_utf8(out.split_off(start)).unwrap(), expected);
    }

    #[test]
    fn any_value_agrees_with_serde_json(tree in tree(), seed: u64) {
        let json = spelled(&tree, seed);
        prop_assert!(project(json.as_bytes(), &[], Numbers::AsWritten).is_ok());
        agrees(json.as_bytes(), &POINTERS);
    }

    #[test]
    fn every_spelling_of_a_value_projects_alike(tree in tree(), one: u64, other: u64) {
        let (one, other) = (spelled(&tree, one), spelled(&tree, other));
        let fields = project(one.as_bytes(), &POINTERS, Numbers::Canonical).unwrap();
        prop_assert_eq!(&fields, &project(other.as_bytes(), &POINTERS, Numbers::Canonical).unwrap());
        // Canonical text is its own canonical text.
        if fields[0].0 == Kind::Json {
            prop_assert_eq!(&fields[..1], &project(fields[0].1.as_bytes(), &[""], Numbers::Canonical).unwrap());
        }
    }

    #[test]
    fn mutated_values_agree_with_serde_json(tree in tree(), seed: u64, at: prop::sample::Index, byte in prop_oneof![
        any::<u8>(), prop::sample::select(br#"{}[]:,"\ 0e-.tnu"#.to_vec())]) {
        let mut json = spelled(&tree, seed).into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        agrees(&json, &POINTERS);
    }

    /// A projection keeps memory from event to event, and nothing else.
    #[test]
    fn one_projection_for_many_events(events in proptest::collection::vec((tree(), any::<u64>(), 0usize..400), 1..8)) {
        let mut projection = Projection::compile(&[&POINTERS], Numbers::Canonical).unwrap();
        for (tree, seed, cut) in events {
            // Some events are cut short, and then mostly refused.
            let json = spelled(&tree, seed);
            let json = json.as_bytes().get(..cut).unwrap_or(json.as_bytes());
            let mut out = [FieldBatch::new(POINTERS.len() as u32)];
            let again = projection.project(json, &mut out).map(|()| fields(&out[0]));
            prop_assert_eq!(again, project(json, &POINTERS, Numbers::Canonical));
        }
    }

    #[test]
    fn bytes_of_the_grammar_agree_with_serde_json(json in proptest::collection::vec(
        prop::sample::select(br#"{}[]:,"" 01-.eatrue\nul"#.to_vec()), 0..40)) {
        agrees(&json, &POINTERS);
    }

    /// Against arithmetic by other means: both numbers as integers over one power of ten.
    #[test]
    fn numbers_are_equal_just_if_their_canonical_texts_are(
        a in -2000i64..2000, b in -2000i64..2000, shift in 0usize..4, more in 0u32..4) {
        let text = |value: i64, shift: usize| {
            let digits = format!("{:0>5}", value.unsigned_abs());
            let (whole, fraction) = digits.split_at(digits.len() - shift);
            let point = if shift > 0 { "." } else { "" };
            let whole = whole.trim_start_matches('0');
            format!("{}{}{point}{fraction}", if value < 0 { "-" } else { "" }, if whole.is_empty() { "0" } else { whole })
        };
        // a over ten to the shift, and b over the same, written with another exponent.
        let (one, two) = (text(a, shift), format!("{}e-{}", text(b * 10i64.pow(more), 0), shift + more as usize));
        prop_assert_eq!(canonical(&one) == canonical(&two), a == b, "{} {}", one, two);
    }
}
