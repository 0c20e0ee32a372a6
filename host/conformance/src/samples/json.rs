//! JSON values that can be changed in one place and spelled in many ways. Not a parser of what plugins get: the host's
//! projection is, and no value here goes deep enough to need care with the stack.

use super::draw::Draw;

/// A JSON value, its members in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; a name may stand twice.
    Object(Vec<(String, Json)>),
    /// Any text, put where a value goes as it is.
    Raw(String),
}

/// How a value is spelled: what may differ between two texts of one value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// White space of all kinds around the tokens.
    pub(crate) spaced: bool,
    /// Characters of names and strings as escapes that need none.
    pub(crate) escaped: bool,
    /// Members in a drawn order.
    pub(crate) shuffled: bool,
}

impl Json {
    /// A string.
    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// A number as written.
    pub(crate) fn number(text: impl ToString) -> Self {
        Self::Number(text.to_string())
    }

    /// An object.
    pub(crate) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// A value from its text, numbers as `serde_json` reads them; `None` where it is not JSON.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok().map(Self::of)
    }

    fn of(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(value) => Self::number(value),
            serde_json::Value::String(value) => Self::String(value),
            serde_json::Value::Array(values) => Self::Array(values.into_iter().map(Self::of).collect()),
            serde_json::Value::Object(members) => {
                Self::Object(members.into_iter().map(|(name, value)| (name, Self::of(value))).collect())
            }
        }
    }

    /// The shortest text.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.spelled(Spelling::default(), &mut Draw::new(0, "unused"))
    }

    /// A text spelled in a way, what is left open drawn.
    pub(crate) fn spelled(&self, spelling: Spelling, draw: &mut Draw) -> Vec<u8> {
        let mut out = String::new();
        space(spelling, draw, &mut out);
        self.write(spelling, draw, &mut out);
        space(spelling, draw, &mut out);
        out.into_bytes()
    }

    fn write(&self, spelling: Spelling, draw: &mut Draw, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) | Self::Raw(text) => out.push_str(text),
            Self::String(text) => quote(text, spelling, draw, out),
            Self::Array(values) => {
                out.push('[');
                for (place, value) in values.iter().enumerate() {
                    separate(place, spelling, draw, out);
                    value.write(spelling, draw, out);
                    space(spelling, draw, out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut order: Vec<&(String, Json)> = members.iter().collect();
                if spelling.shuffled {
                    draw.shuffle(&mut order);
                }
                out.push('{');
                for (place, (name, value)) in order.into_iter().enumerate() {
                    separate(place, spelling, draw, out);
                    quote(name, spelling, draw, out);
                    space(spelling, draw, out);
                    out.push(':');
                    space(spelling, draw, out);
                    value.write(spelling, draw, out);
                    space(spelling, draw, out);
                }
                out.push('}');
            }
        }
    }

    /// What stands at a pointer.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Json> {
        segments(pointer).try_fold(self, |value, segment| match value {
            Self::Array(values) => values.get(index(&segment)?),
            Self::Object(members) => members.iter().rev().find(|(name, _)| *name == segment).map(|(_, value)| value),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Raw(_) => None,
        })
    }

    /// Puts a value at a pointer. What is in its way becomes an object, or stays an array where it is one and the
    /// segment is an index.
    pub(crate) fn set(&mut self, pointer: &str, value: Json) {
        self.set_below(&segments(pointer).collect::<Vec<_>>(), value);
    }

    fn set_below(&mut self, segments: &[String], value: Json) {
        let Some((name, rest)) = segments.split_first() else {
            *self = value;
            return;
        };
        if let (Self::Array(values), Some(index)) = (&mut *self, index(name)) {
            if values.len() <= index {
                values.resize(index + 1, Self::Null);
            }
            values.get_mut(index).into_iter().for_each(|place| place.set_below(rest, value.clone()));
            return;
        }
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { return };
        if let Some((_, place)) = members.iter_mut().rev().find(|(member, _)| member == name) {
            return place.set_below(rest, value);
        }
        let mut made = Self::Null;
        made.set_below(rest, value);
        members.push((name.clone(), made));
    }

    /// Takes away what stands at a pointer, where it is a member of an object; says whether it was there.
    pub(crate) fn remove(&mut self, pointer: &str) -> bool {
        let Some((above, last)) = pointer.rsplit_once('/') else { return false };
        let mut place = self;
        for segment in segments(above) {
            let Self::Object(members) = place else { return false };
            let Some((_, value)) = members.iter_mut().rev().find(|(name, _)| *name == segment) else { return false };
            place = value;
        }
        let Self::Object(members) = place else { return false };
        let (before, name) = (members.len(), unescaped(last));
        members.retain(|(member, _)| *member != name);
        members.len() < before
    }
}

/// The names in a pointer, their escapes resolved.
pub(crate) fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(unescaped)
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// A segment as an index into an array, where it is a small one.
pub(crate) fn index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit());
    canonical.then(|| segment.parse().ok()).flatten().filter(|index| *index < 64)
}

fn separate(place: usize, spelling: Spelling, draw: &mut Draw, out: &mut String) {
    if place > 0 {
        out.push(',');
    }
    space(spelling, draw, out);
}

fn space(spelling: Spelling, draw: &mut Draw, out: &mut String) {
    if spelling.spaced {
        out.push_str(draw.of(&["", " ", "\n", "\t", "\r\n  ", "    "]).unwrap_or(&""));
    }
}

fn quote(text: &str, spelling: Spelling, draw: &mut Draw, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let must = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        if !(must || spelling.escaped && draw.chance(30)) {
            out.push(character);
            continue;
        }
        match character {
            '"' | '\\' if !(spelling.escaped && draw.chance(20)) => out.extend(['\\', character]),
            '/' if draw.chance(50) => out.push_str("\\/"),
            '\n' if !spelling.escaped || draw.chance(50) => out.push_str("\\n"),
            '\t' if !spelling.escaped || draw.chance(50) => out.push_str("\\t"),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let lower = !spelling.escaped || draw.chance(50);
                    out.push_str(&if lower { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") });
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_spelling_is_the_same_value() {
        let value = parse(r#"{"a":[1,"x\u0000/\"",{"é\ud83d\ude00":null}],"b":{"c":true},"":""}"#);
        let mut draw = Draw::new(1, "spellings");
        let mut texts = std::collections::BTreeSet::new();
        for number in 0..200 {
            let spelling = Spelling { spaced: number % 2 == 0, escaped: number % 3 > 0, shuffled: number % 5 > 0 };
            let text = value.spelled(spelling, &mut draw);
            let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(read, serde_json::from_slice::<serde_json::Value>(&value.text()).unwrap());
            texts.insert(text);
        }
        assert!(texts.len() > 100, "only {} texts", texts.len());
    }

    #[test]
    fn values_are_put_where_a_pointer_says() {
        let mut event = parse(r#"{"a":[1],"b":2}"#);
        for pointer in ["/a/2", "/b/c", "/x/0/y", "/d~1e/~0", "/01", "/a/-"] {
            event.set(pointer, Json::string(pointer));
            assert_eq!(event.at(pointer), Some(&Json::string(pointer)), "{pointer}");
        }
        let text = String::from_utf8(event.text()).unwrap();
        assert_eq!(
            text,
            r#"{"a":{"-":"/a/-"},"b":{"c":"/b/c"},"x":{"0":{"y":"/x/0/y"}},"d/e":{"~":"/d~1e/~0"},"01":"/01"}"#
        );
        event.set("", Json::Null);
        assert_eq!(event, Json::Null);
    }

    #[test]
    fn members_are_taken_away() {
        let mut event = parse(r#"{"a":{"b":1,"c":2}}"#);
        assert!(event.remove("/a/b") && !event.remove("/a/b") && !event.remove("/x/y") && !event.remove(""));
        assert_eq!(event, parse(r#"{"a":{"c":2}}"#));
    }
}
