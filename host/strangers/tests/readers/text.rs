//! JSON as strangers spell it: whitespace and escapes of every kind, halves of surrogate pairs, names that come again,
//! numbers of any size, deep nesting, a byte order mark, something behind the end. Not what is wrong with it: that is
//! `damage`.

use proptest::prelude::*;

fn space() -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(vec!["", "", "", " ", "\n", "\t\r\n ", "                                                  "])
}

/// What stands between the quotes of a string.
fn inner() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-c0~/ ]{0,4}",
        2 => "\\PC{0,3}",
        1 => "[x]{60,70}",
        2 => prop::sample::select(vec!["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\u{7f}", "é", "😀", "\u{2028}"])
            .prop_map(str::to_owned),
        2 => prop_oneof![
            any::<u16>(),
            prop::sample::select(vec![0xd83d_u16, 0xde00, 0xd800, 0xdfff, 0, 0x1f, 0x22, 0x5c]),
        ]
        .prop_map(|unit| format!("\\u{unit:04x}")),
        1 => any::<u16>().prop_map(|unit| format!("\\u{unit:04X}")),
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "data", "0", "", "\\u0061", "d\\u0061ta", "é", "\\u00e9"]).prop_map(str::to_owned),
        1 => inner(),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][-+]?[0-9]{1,2})?",
        1 => "-?(0|[1-9][0-9]{0,45})(\\.[0-9]{1,45})?([eE][-+]?[0-9]{1,28})?",
        1 => "[-+]?[0-9]{0,3}\\.?[0-9]{0,2}[eE]?[-+]?[0-9]{0,2}",
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
        4 => number(),
        4 => inner().prop_map(|inner| format!("\"{inner}\"")),
    ]
}

/// A text as a string, its escapes chosen by bits.
fn quoted(text: &str, bits: u64) -> String {
    let mut out = String::from("\"");
    for (at, char) in text.chars().enumerate() {
        let chosen = bits >> (at % 64) & 1 == 1;
        match char {
            '"' | '\\' if chosen => out.extend(['\\', char]),
            '\n' if chosen => out.push_str("\\n"),
            '"' | '\\' | '\0'..=' ' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            '/' if chosen => out.push_str("\\/"),
            _ if chosen && at % 5 == 0 => {
                char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
            }
            _ => out.push(char),
        }
    }
    out + "\""
}

/// Any value; where `is_inside`, some are JSON text in a string.
fn value(is_inside: bool) -> impl Strategy<Value = String> {
    scalar().prop_recursive(6, 30, 5, move |inner| {
        let spaced =
            (space(), inner.clone(), space()).prop_map(|(before, value, after)| format!("{before}{value}{after}"));
        let list = (space(), prop::collection::vec(spaced.clone(), 0..5))
            .prop_map(|(space, values)| format!("[{space}{}]", values.join(",")));
        let member = (space(), name(), space(), spaced)
            .prop_map(|(before, name, after, value)| format!("{before}\"{name}\"{after}:{value}"));
        let object = (space(), prop::collection::vec(member, 0..5))
            .prop_map(|(space, members)| format!("{{{space}{}}}", members.join(",")));
        let string = (inner, any::<u64>()).prop_map(|(value, bits)| quoted(&value, bits));
        prop_oneof![
            2 => list,
            3 => object,
            (if is_inside { 3 } else { 1 }) => string,
        ]
    })
}

/// An event, or nearly one.
fn around(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let nest = prop_oneof![12 => Just(0_usize), 2 => 1..70_usize, 1 => 70..400_usize];
    let open = prop::sample::select(vec![("[", "]"), ("{\"a\":", "}"), ("[0,{\"b\":", "}]")]);
    let mark = prop_oneof![12 => Just(""), 1 => Just("\u{feff}"), 1 => Just("\u{feff}\u{feff}")];
    let behind =
        prop_oneof![12 => Just(""), 1 => prop::sample::select(vec!["x", ",", "]", "}", "{}", "\0", "\u{feff}", "1"])];
    (mark, space(), (open, nest), value, space(), behind).prop_map(
        |(mark, before, ((open, close), levels), value, after, behind)| {
            format!("{mark}{before}{}{value}{}{after}{behind}", open.repeat(levels), close.repeat(levels))
        },
    )
}

/// An event, or nearly one.
pub(crate) fn event() -> impl Strategy<Value = String> {
    around(value(false))
}

/// An event, or nearly one, in whose strings JSON stands.
pub(crate) fn event_inside() -> impl Strategy<Value = String> {
    around(value(true))
}
