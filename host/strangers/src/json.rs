//! A reference for JSON: a parser that follows RFC 8259 and the rules of `engine::projection` as they are written down,
//! with a tree of values, over units of UTF-16, as JavaScript has it. Made to be read, not to be fast.

/// Levels that are followed; deeper texts have another test.
const DEPTH_MAX: usize = 500;

/// A value of JSON. Strings are any units of UTF-16, for a string may hold half a surrogate pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string.
    Text(Vec<u16>),
    /// An array.
    List(Vec<Value>),
    /// An object, with all members of one name.
    Object(Vec<(Vec<u16>, Value)>),
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoValue {
    /// It is not JSON.
    NotJson,
    /// It is nested too deeply for this parser, and may be JSON.
    TooDeep,
}

/// The value of a text in UTF-8.
///
/// # Errors
/// There is none.
pub fn read(text: &[u8]) -> Result<Value, NoValue> {
    let text = std::str::from_utf8(text).map_err(|_| NoValue::NotJson)?;
    read_units(&text.encode_utf16().collect::<Vec<_>>())
}

/// The value of a text that is the string of another.
///
/// # Errors
/// There is none.
pub fn read_units(units: &[u16]) -> Result<Value, NoValue> {
    let mut reader = Reader { units, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == units.len() { Ok(value) } else { Err(NoValue::NotJson) }
}

struct Reader<'a> {
    units: &'a [u16],
    at: usize,
}

impl Reader<'_> {
    /// The unit at hand, if it is ASCII; else what no grammar has.
    fn peek(&self) -> u8 {
        self.units.get(self.at).and_then(|unit| u8::try_from(*unit).ok()).unwrap_or(0xff)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == byte;
        self.at += usize::from(is_it);
        is_it
    }

    fn need(&mut self, byte: u8) -> Result<(), NoValue> {
        if self.takes(byte) { Ok(()) } else { Err(NoValue::NotJson) }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, NoValue> {
        word.bytes().try_for_each(|byte| self.need(byte))?;
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, NoValue> {
        if depth > DEPTH_MAX {
            return Err(NoValue::TooDeep);
        }
        self.space();
        match self.peek() {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => Ok(Value::Text(self.text()?)),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, NoValue> {
        self.need(b'[')?;
        self.space();
        let mut values = Vec::new();
        if self.takes(b']') {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.space();
            if self.takes(b']') {
                return Ok(Value::List(values));
            }
            self.need(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, NoValue> {
        self.need(b'{')?;
        self.space();
        let mut members = Vec::new();
        if self.takes(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let name = self.text()?;
            self.space();
            self.need(b':')?;
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.takes(b'}') {
                return Ok(Value::Object(members));
            }
            self.need(b',')?;
        }
    }

    fn text(&mut self) -> Result<Vec<u16>, NoValue> {
        self.need(b'"')?;
        let mut text = Vec::new();
        loop {
            let unit = *self.units.get(self.at).ok_or(NoValue::NotJson)?;
            self.at += 1;
            match unit {
                0x22 => return Ok(text),
                0x5c => text.push(self.escape()?),
                0..0x20 => return Err(NoValue::NotJson),
                unit => text.push(unit),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, NoValue> {
        let byte = self.peek();
        self.at += 1;
        let unit = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.hexadecimal(),
            _ => return Err(NoValue::NotJson),
        };
        Ok(u16::from(unit))
    }

    fn hexadecimal(&mut self) -> Result<u16, NoValue> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()).to_digit(16).ok_or(NoValue::NotJson)?;
            self.at += 1;
            unit = unit << 4 | digit as u16;
        }
        Ok(unit)
    }

    fn digits(&mut self, out: &mut String) -> Result<(), NoValue> {
        let before = out.len();
        while self.peek().is_ascii_digit() {
            out.push(char::from(self.peek()));
            self.at += 1;
        }
        if out.len() > before { Ok(()) } else { Err(NoValue::NotJson) }
    }

    fn number(&mut self) -> Result<Value, NoValue> {
        let mut number = String::new();
        if self.takes(b'-') {
            number.push('-');
        }
        if self.takes(b'0') {
            number.push('0');
        } else {
            self.digits(&mut number)?;
        }
        if self.takes(b'.') {
            number.push('.');
            self.digits(&mut number)?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            number.push(char::from(self.peek()));
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                number.push(char::from(self.peek()));
                self.at += 1;
            }
            self.digits(&mut number)?;
        }
        Ok(Value::Number(number))
    }
}

/// The segments of a pointer (RFC 6901).
pub fn segments(pointer: &str) -> impl Iterator<Item = Vec<u16>> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~").encode_utf16().collect())
}

impl Value {
    /// What stands at one segment of a pointer.
    #[must_use]
    pub fn child(&self, segment: &[u16]) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().rev().find(|(name, _)| name == segment).map(|(_, value)| value),
            Self::List(values) => {
                let index = String::from_utf16(segment).ok()?;
                let is_index = index == "0" || index.starts_with(|first: char| ('1'..='9').contains(&first));
                let digits = index.bytes().all(|byte| byte.is_ascii_digit());
                values.get(index.parse::<usize>().ok().filter(|_| is_index && digits)?)
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => None,
        }
    }

    /// As [`Value::child`], to be changed.
    pub fn child_mut(&mut self, segment: &[u16]) -> Option<&mut Self> {
        match self {
            Self::Object(members) => members.iter_mut().rev().find(|(name, _)| name == segment).map(|(_, value)| value),
            Self::List(values) => {
                let index: usize = String::from_utf16(segment).ok()?.parse().ok()?;
                values.get_mut(index).filter(|_| index.to_string().encode_utf16().eq(segment.iter().copied()))
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => None,
        }
    }

    /// Pointers of the first `most` values, this one included, as far as pointers reach.
    #[must_use]
    pub fn pointers(&self, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        self.push_pointers(String::new(), most, &mut found);
        found
    }

    fn push_pointers(&self, own: String, most: usize, found: &mut Vec<String>) {
        if found.len() >= most || own.len() > 2_000 {
            return;
        }
        found.push(own.clone());
        match self {
            Self::Object(members) => {
                for (name, value) in members {
                    // No pointer spells half a surrogate pair; of members with one name only the last is there.
                    if let (Ok(text), true) = (String::from_utf16(name), self.child(name) == Some(value)) {
                        let segment = text.replace('~', "~0").replace('/', "~1");
                        value.push_pointers(format!("{own}/{segment}"), most, found);
                    }
                }
            }
            Self::List(values) => {
                (0..).zip(values).for_each(|(at, value)| value.push_pointers(format!("{own}/{at}"), most, found));
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
        }
    }

    /// Whether `is` holds of any value within, this one included, or `of_text` of any string or name.
    pub fn any(&self, is: &impl Fn(&Self) -> bool, of_text: &impl Fn(&[u16]) -> bool) -> bool {
        is(self)
            || match self {
                Self::Text(text) => of_text(text),
                Self::List(values) => values.iter().any(|value| value.any(is, of_text)),
                Self::Object(members) => members.iter().any(|(name, value)| of_text(name) || value.any(is, of_text)),
                Self::Null | Self::Bool(_) | Self::Number(_) => false,
            }
    }

    /// How deeply it is nested: 0 for a scalar.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::List(values) => 1 + values.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => 0,
        }
    }

    /// Appends the canonical text; `number` spells numbers.
    pub fn canonical(&self, number: fn(&str) -> String, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(&number(text)),
            Self::Text(text) => quote(text, out),
            Self::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    value.canonical(number, out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                // The last one of a name counts. The order of code points is that of bytes of UTF-8.
                let last: std::collections::BTreeMap<Vec<u32>, (&[u16], &Self)> =
                    members.iter().map(|(name, value)| (code_points(name), (name.as_slice(), value))).collect();
                out.push('{');
                for (at, (name, value)) in last.values().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    quote(name, out);
                    out.push(':');
                    value.canonical(number, out);
                }
                out.push('}');
            }
        }
    }
}

/// Whether a string holds half a surrogate pair without the other.
#[must_use]
pub fn has_half(text: &[u16]) -> bool {
    String::from_utf16(text).is_err()
}

fn code_points(text: &[u16]) -> Vec<u32> {
    let of = |part: Result<char, std::char::DecodeUtf16Error>| {
        part.map_or_else(|half| u32::from(half.unpaired_surrogate()), u32::from)
    };
    char::decode_utf16(text.iter().copied()).map(of).collect()
}

/// A string with the fewest escapes (RFC 8785, section 3.2.2.2), and halves of surrogate pairs as escapes in lower case.
fn quote(text: &[u16], out: &mut String) {
    out.push('"');
    for part in char::decode_utf16(text.iter().copied()) {
        match part {
            Ok('"') => out.push_str("\\\""),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\t') => out.push_str("\\t"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok('\r') => out.push_str("\\r"),
            Ok(control @ '\0'..' ') => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            Ok(character) => out.push(character),
            Err(half) => out.push_str(&format!("\\u{:04x}", half.unpaired_surrogate())),
        }
    }
    out.push('"');
}

/// Whether [`number_text`] can tell the spelling: exponents have as many digits as they like.
#[must_use]
pub fn is_reckoned(number: &str) -> bool {
    let (_, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    exponent.trim_start_matches(['+', '-']).trim_start_matches('0').len() <= 30
}

/// The one spelling of a number's value, by the rule of `engine::projection::Numbers::Canonical`: D are the digits from the
/// first to the last that is not 0, n is how many, and the value is 0.D times ten to the p.
#[must_use]
pub fn number_text(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let p = whole.len() as i128 - (all.len() - digits.len()) as i128 + exponent.parse::<i128>().unwrap_or_default();
    let digits = digits.trim_end_matches('0');
    let n = digits.len() as i128;
    if n == 0 {
        return "0".to_owned();
    }
    let zeros = |count: i128| "0".repeat(count.unsigned_abs() as usize);
    let split = |at: i128| digits.split_at(at as usize);
    match p {
        _ if (n..=21).contains(&p) => format!("{sign}{digits}{}", zeros(p - n)),
        1..=21 => format!("{sign}{}.{}", split(p).0, split(p).1),
        -5..=0 => format!("{sign}0.{}{digits}", zeros(p)),
        _ => {
            let (first, others) = split(1);
            let point = if others.is_empty() { "" } else { "." };
            let power = p - 1;
            format!("{sign}{first}{point}{others}e{}{}", if power < 0 { '-' } else { '+' }, power.abs())
        }
    }
}
