//! What no event should look like and some do: values, texts and bytes on which programs stumble. Not what a plugin has
//! to say of them, other than something.

use super::events::{Event, Events};
use super::json::Json;

/// Bytes of the longest string.
pub(crate) const LONG_STRING_BYTES: usize = 1 << 20;
/// Members of the largest object, and elements of the largest array.
pub(crate) const MANY: usize = 10_000;
/// How deep values are nested.
pub(crate) const DEPTHS: [usize; 3] = [100, 10_000, 100_000];

type Named = (String, Json);

fn named(name: &str, value: Json) -> Named {
    (name.to_owned(), value)
}

/// Strings that are hard to keep whole.
pub(crate) fn strings() -> Vec<Named> {
    let controls: String = (0..0x20_u8).chain([0x7f]).map(char::from).collect();
    let texts = [
        ("an empty string", ""),
        ("a NUL", "\0"),
        ("a string that ends with a NUL", "a\0"),
        ("a string with a NUL inside", "a\0b"),
        ("every control character", &controls),
        ("quotes and backslashes", "\"\\\"\\\\/"),
        ("white space", " \t\r\n"),
        ("separators of keys", "a|b:c,d;e\u{1f}f\u{1e}g"),
        ("a line separator", "a\u{2028}b\u{2029}c\u{85}d"),
        ("a byte order mark", "\u{feff}a"),
        ("noncharacters", "\u{ffff}\u{fffe}\u{fdd0}\u{10ffff}"),
        ("characters beyond 16 bits", "😀𐍈\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"),
        ("one accent composed, one not", "é e\u{301}"),
        ("text from right to left", "\u{202e}שלום\u{202c}"),
        ("a word of JSON", "null"),
        ("digits", "1"),
        ("an object as text", r#"{"a":1}"#),
        ("a format directive", "%s%n{0}${jndi:x}"),
    ];
    texts.into_iter().map(|(name, text)| named(name, Json::string(text))).collect()
}

/// Strings that are not what they were once their letters were made small and large, or put in another form.
pub(crate) fn folds() -> Vec<Named> {
    let texts =
        ["Straße", "İstanbul ıI", "ΟΔΟΣ ς", "ŉ ǰ ΐ ﬁ", "ſK Å", "ǅ ǆ Ǆ", "ա և", "e\u{301} é", "①²Ａ", "\u{1e9e} ᾳ"];
    texts.into_iter().map(|text| named(text, Json::string(text))).collect()
}

/// Numbers that do not fit where people put them.
pub(crate) fn numbers() -> Vec<Named> {
    let digits = "1234567890".repeat(40);
    let texts = [
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "1e400",
        "-1e400",
        "1e-400",
        "5e-324",
        "1.7976931348623159e308",
        "-0",
        "-0.0",
        "0e99",
        "1E+2",
        "1.0",
        "1e99999999999999999999",
        "1e-99999999999999999999",
    ];
    let mut numbers: Vec<Named> = texts.iter().map(|text| named(text, Json::number(text))).collect();
    numbers.push(named("a number of 400 digits", Json::number(&digits)));
    numbers.push(named("a fraction of 400 digits", Json::number(format!("0.{digits}"))));
    numbers.push(named("an exponent of 400 digits", Json::number(format!("1e{digits}"))));
    numbers
}

/// Values nested deeper than anything that calls itself for each level stands.
pub(crate) fn nested() -> Vec<Named> {
    let mut values = Vec::new();
    for depth in DEPTHS {
        values.push((format!("arrays nested {depth} deep"), Json::Raw(arrays(depth))));
        values.push((format!("objects nested {depth} deep"), Json::Raw(objects(depth))));
    }
    values
}

/// So many arrays, each in the next.
pub(crate) fn arrays(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn objects(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

/// Values larger than anybody plans for.
pub(crate) fn large() -> Vec<Named> {
    let kilo = LONG_STRING_BYTES / 1024;
    vec![
        (format!("a string of {kilo} KiB"), Json::string("x".repeat(LONG_STRING_BYTES))),
        (format!("a string of {kilo} KiB of separators"), Json::string(":\\".repeat(LONG_STRING_BYTES / 2))),
        (format!("a string of {kilo} KiB beyond ASCII"), Json::string("é😀".repeat(LONG_STRING_BYTES / 6))),
        (format!("a string of {kilo} KiB of escapes"), Json::string("\"\u{1}".repeat(LONG_STRING_BYTES / 8))),
        (format!("an object of {MANY} members"), members(MANY)),
        (format!("an array of {MANY} elements"), elements(MANY)),
        (format!("a name of {kilo} KiB"), Json::Object(vec![("n".repeat(LONG_STRING_BYTES), Json::Null)])),
    ]
}

/// An object of so many members.
pub(crate) fn members(count: usize) -> Json {
    Json::Object((0..count).map(|number| (format!("member{number}"), Json::number(number))).collect())
}

/// An array of so many elements.
pub(crate) fn elements(count: usize) -> Json {
    Json::Array((0..count).map(|number| Json::string(format!("e{number}"))).collect())
}

/// Values of other types than anybody expects at a place.
pub(crate) fn wrong_types() -> Vec<Named> {
    let texts = ["null", "true", "false", "0", "[]", "{}", "[null]", r#"{"":null}"#, r#"[[],{}]"#, r#"["a",1,true]"#];
    texts.into_iter().map(|text| (text.to_owned(), Json::Raw(text.to_owned()))).collect()
}

/// Whole events that are JSON and no objects.
pub(crate) fn tops() -> Vec<Event> {
    let texts = ["null", "true", "false", "0", "-1.5e3", r#""text""#, r#""""#, "[]", "{}", "[{}]", "[[[]]]", "[1,2,3]"];
    texts.into_iter().map(|text| Event::new(format!("the event {text}"), text)).collect()
}

/// An ordinary event without each of its places.
pub(crate) fn missing(events: &mut Events) -> Vec<Event> {
    let mut made = Vec::new();
    for place in events.places(8) {
        let mut event = events.full_tree();
        if event.remove(&place) {
            made.push(Event::new(format!("nothing at {place}"), event.text()));
        }
    }
    made
}

/// An ordinary event that says twice what stands at each of its places: first the first value, then the second.
pub(crate) fn repeated(event: &Json, place: &str, first: &Json, second: &Json) -> Option<Json> {
    let (above, _) = place.rsplit_once('/')?;
    let name = super::json::segments(place).last()?;
    let mut twice = event.clone();
    let Json::Object(mut members) = event.at(above)?.clone() else { return None };
    let at = members.iter().position(|(member, _)| *member == name)?;
    members.remove(at);
    members.insert(0, (name.clone(), first.clone()));
    members.push((name, second.clone()));
    twice.set(above, Json::Object(members));
    Some(twice)
}

/// Strings that are JSON by its grammar, and no text.
pub(crate) fn halves() -> Vec<Named> {
    let texts = [
        ("the first half of a surrogate pair as an escape", r#""\ud83d""#),
        ("the second half of a surrogate pair as an escape", r#""a\ude00""#),
        ("a surrogate pair in the wrong order as escapes", r#""\ude00\ud83d""#),
        ("half a surrogate pair in an array", r#"["\ud83d"]"#),
        ("half a surrogate pair in a name", r#"{"\ud83d":"\ud83d"}"#),
    ];
    texts.into_iter().map(|(name, text)| named(name, Json::Raw(text.to_owned()))).collect()
}

/// An event as some editors save it.
pub(crate) fn marked(event: &[u8]) -> Event {
    Event::new("an event after a byte order mark", [b"\xef\xbb\xbf", event].concat())
}

/// Bytes that are no JSON text, made of an ordinary event. The host refuses them before a plugin that reads fields; one
/// that reads the payload sees them.
pub(crate) fn broken(event: &[u8]) -> Vec<Event> {
    let mut made: Vec<Event> = Vec::new();
    let mut add = |name: &str, text: &[u8]| made.push(Event::new(name, text));
    add("an event of no bytes", b"");
    add("an event of white space", b" \t\r\n");
    add("a NUL and nothing else", b"\0");
    for part in 1..8 {
        let at = event.len() * part / 8;
        add(&format!("an event cut after byte {at}"), event.get(..at).unwrap_or_default());
    }
    add("an event without its last byte", event.split_last().map_or(&[], |(_, rest)| rest));
    add("an event and a brace", &[event, b"}"].concat());
    add("two events in one", &[event, event].concat());
    add("an event and a NUL", &[event, b"\0"].concat());
    add("an event as UTF-16", &event.iter().flat_map(|byte| [*byte, 0]).collect::<Vec<_>>());
    let strings: [(&str, &[u8]); 11] = [
        ("a byte that is in no UTF-8", b"\xff"),
        ("a character cut short", b"\xe2\x82"),
        ("a continuation without its start", b"\x80"),
        ("an overlong NUL", b"\xc0\x80"),
        ("an overlong slash", b"\xe0\x80\xaf"),
        ("a character beyond Unicode", b"\xf4\x90\x80\x80"),
        ("half a surrogate pair as bytes", b"\xed\xa0\x80"),
        ("a surrogate pair as bytes", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("an escape cut short", br"\u00."),
        ("a NUL that is not escaped", b"\0"),
        ("a line feed that is not escaped", b"\n"),
    ];
    for (name, bytes) in strings {
        add(&format!("{name}, in a string"), &in_first_string(event, bytes));
    }
    add("an unknown word", br#"{"a":nul}"#);
    add("a number with a leading zero", br#"{"a":01}"#);
    add("not a number", br#"{"a":NaN}"#);
    add("a trailing comma", br#"{"a":1,}"#);
    add("a comment", b"{/* a */}");
    add("single quotes", b"{'a':1}");
    let every: Vec<u8> = (0..=255).collect();
    add("every byte there is", &every);
    made
}

/// The event with bytes put at the start of the first string that is a value, or before its last byte.
fn in_first_string(event: &[u8], bytes: &[u8]) -> Vec<u8> {
    let starts = |window: &[u8]| window == br#":""#;
    let at = event.windows(2).position(starts).map_or(event.len().saturating_sub(1), |colon| colon + 2);
    let (before, after) = event.split_at(at);
    [before, bytes, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::projection::{Numbers, Projection};
    use plugin::Input;

    fn decodes(text: &[u8]) -> bool {
        let mut projection = Projection::compile::<&str>(&[], Numbers::AsWritten).unwrap();
        projection.project(text, &mut []).is_ok()
    }

    #[test]
    fn what_is_nasty_at_a_place_is_json_and_what_is_broken_is_none() {
        let input = Input::Fields(vec!["/a".to_owned(), "/b/c".to_owned()]);
        let mut events = Events::new(&input, std::rc::Rc::default(), 1, "test");
        let values = [strings(), halves(), numbers(), nested(), large(), wrong_types()].concat();
        let made = events.with_each(&values, 8);
        assert_eq!(made.len(), 2 * values.len());
        for event in made.iter().chain(&tops()).chain(&missing(&mut events)) {
            assert!(decodes(&event.text), "{}", event.name);
        }
        assert!(decodes(&marked(&events.full_tree().text()).text));
        let broken = broken(&events.full_tree().text());
        assert!(broken.len() > 30);
        for event in broken {
            assert!(!decodes(&event.text), "{}: {}", event.name, String::from_utf8_lossy(&event.text));
        }
    }

    #[test]
    fn a_member_is_repeated_with_the_first_value_first() {
        let event = Json::parse(br#"{"x":{"a":1,"b":2,"c":3}}"#).unwrap();
        let twice = repeated(&event, "/x/b", &Json::number(8), &Json::number(9)).unwrap();
        assert_eq!(String::from_utf8(twice.text()).unwrap(), r#"{"x":{"b":8,"a":1,"c":3,"b":9}}"#);
        assert_eq!(repeated(&event, "/x/d", &Json::Null, &Json::Null), None);
    }
}
