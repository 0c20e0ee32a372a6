//! The kinds of equality that can be declared, and what they mean: which values may be the same, and which have to be. The
//! two differ: a plugin may take more letters for the same than the plain ones, but has to take those.

use std::fmt;

use serde::Deserialize;

use super::{number, url};
use crate::samples::Json;

/// How values are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters of either case.
    Case,
    /// Letters from A to Z of either case.
    AsciiCase,
    /// White space before and after.
    OuterSpace,
    /// Runs of white space of any length, and that before and after.
    Space,
    /// Spellings of a number.
    Number,
    /// Spellings of an instant, cut to a resolution.
    Instant(Resolution),
    /// URLs that lead to the same place, parameters with these names left out.
    Url(Vec<String>),
    /// Elements in another order.
    Order,
    /// Whatever stands there.
    Ignored,
    /// Nothing but the examples says how.
    Examples,
}

/// The part of a text that an equality is about: after the first of one mark, before the next of another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}

/// To what instants are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Resolution {
    #[default]
    #[serde(rename = "ns")]
    Nanosecond,
    #[serde(rename = "us")]
    Microsecond,
    #[serde(rename = "ms")]
    Millisecond,
    #[serde(rename = "s")]
    Second,
    #[serde(rename = "min")]
    Minute,
    #[serde(rename = "h")]
    Hour,
    #[serde(rename = "d")]
    Day,
}

impl Resolution {
    fn nanoseconds(self) -> i128 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
            Self::Day => 86_400_000_000_000,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Case => "case",
            Self::AsciiCase => "ascii-case",
            Self::OuterSpace => "outer-space",
            Self::Space => "space",
            Self::Number => "number",
            Self::Instant(_) => "instant",
            Self::Url(_) => "url",
            Self::Order => "order",
            Self::Ignored => "ignored",
            Self::Examples => "examples",
        })
    }
}

/// A text around the part that an equality is about.
struct Around<'t> {
    before: &'t str,
    part: &'t str,
    after: &'t str,
}

impl Part {
    /// `None` where the text has no such part.
    fn of<'t>(&self, text: &'t str) -> Option<Around<'t>> {
        let start = match &self.after {
            Some(mark) => text.find(mark.as_str())? + mark.len(),
            None => 0,
        };
        let (before, rest) = text.split_at(start);
        let end = match &self.before {
            Some(mark) => rest.find(mark.as_str())?,
            None => rest.len(),
        };
        let (part, after) = rest.split_at(end);
        Some(Around { before, part, after })
    }

    fn is_all(&self) -> bool {
        self.after.is_none() && self.before.is_none()
    }
}

impl Kind {
    /// One value for all that may be the same; `None`: any two may.
    pub(super) fn canonical(&self, part: &Part, value: &Json) -> Option<Json> {
        match (self, value) {
            (Self::Examples, _) => None,
            (Self::Ignored, _) if part.is_all() => None,
            (Self::Order, Json::Array(values)) => {
                let mut values = values.clone();
                values.sort_by_key(Json::text);
                Some(Json::Array(values))
            }
            (_, Json::String(text)) => Some(Json::String(self.canonical_text(part, text))),
            (_, Json::Raw(text)) => Some(Json::Raw(self.canonical_text(part, text))),
            (_, Json::Number(text)) => Some(Json::Number(self.canonical_text(part, text))),
            (_, other) => Some(other.clone()),
        }
    }

    /// Whether it makes sense of a value: a text that is no instant, number or URL it leaves as it is.
    pub(super) fn understands(&self, part: &Part, value: &Json) -> bool {
        let (Json::String(text) | Json::Raw(text) | Json::Number(text)) = value else { return true };
        let Some(Around { part: inside, .. }) = part.of(text) else { return true };
        match self {
            Self::Instant(resolution) => instant(inside, *resolution).is_some(),
            Self::Number => number::canonical(inside).is_some(),
            Self::Url(_) => url::is_url(inside),
            Self::Case | Self::AsciiCase | Self::OuterSpace | Self::Space => true,
            Self::Order | Self::Ignored | Self::Examples => true,
        }
    }

    fn canonical_text(&self, part: &Part, text: &str) -> String {
        let Some(Around { before, part: inside, after }) = part.of(text) else { return text.to_owned() };
        let inside = match self {
            Self::Case => inside.to_uppercase().to_lowercase(),
            Self::AsciiCase => inside.to_ascii_lowercase(),
            Self::OuterSpace => inside.trim().to_owned(),
            Self::Space => inside.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::Number => number::canonical(inside).unwrap_or_else(|| inside.to_owned()),
            Self::Instant(resolution) => instant(inside, *resolution).unwrap_or_else(|| inside.to_owned()),
            Self::Url(ignoring) => url::canonical(inside, ignoring),
            Self::Ignored => {
                let mark = part.after.as_deref().unwrap_or_default();
                return format!("{}{after}", before.strip_suffix(mark).unwrap_or(before));
            }
            Self::Order | Self::Examples => inside.to_owned(),
        };
        format!("{before}{inside}{after}")
    }

    /// Other values that have to be the same as this one.
    pub(super) fn variants(&self, part: &Part, value: &Json) -> Vec<Json> {
        match (self, value) {
            (Self::Ignored, _) if part.is_all() => {
                vec![Json::string("qxq"), Json::string(""), Json::number(7), Json::Null, Json::Bool(true)]
            }
            (Self::Order, Json::Array(values)) => {
                let (mut back, mut turned) = (values.clone(), values.clone());
                back.reverse();
                let by = usize::from(values.len() > 1);
                turned.rotate_left(by);
                vec![Json::Array(back), Json::Array(turned)]
            }
            (Self::Number, Json::Number(text)) => {
                self.in_part(part, text, spelled_number(text)).map(Json::Number).collect()
            }
            (_, Json::String(text)) => {
                self.in_part(part, text, self.variants_of(part, text)).map(Json::String).collect()
            }
            (_, Json::Raw(text)) => self.in_part(part, text, self.variants_of(part, text)).map(Json::Raw).collect(),
            _ => Vec::new(),
        }
    }

    /// Values like this one that show more of what has to be the same.
    pub(super) fn probes(&self, value: &Json) -> Vec<Json> {
        match (self, value) {
            (Self::Case, Json::String(text)) => {
                vec![Json::String(format!("{text}Zoë")), Json::String(format!("Яna{text}"))]
            }
            (Self::Space, Json::String(text)) => vec![Json::String(format!("{text} a b"))],
            _ => Vec::new(),
        }
    }

    /// The text with each of these in the place of its part. Those that are not the same after all are left out.
    fn in_part<'a>(&'a self, part: &'a Part, text: &'a str, inside: Vec<String>) -> impl Iterator<Item = String> + 'a {
        let around = part.of(text);
        let whole = move |inside: String| match &around {
            Some(Around { before, after, .. }) => format!("{before}{inside}{after}"),
            None => text.to_owned(),
        };
        let wanted = self.canonical_text(part, text);
        inside.into_iter().map(whole).filter(move |other| other != text && self.canonical_text(part, other) == wanted)
    }

    fn variants_of(&self, part: &Part, text: &str) -> Vec<String> {
        let Some(Around { part: inside, .. }) = part.of(text) else { return Vec::new() };
        match self {
            Self::Case => in_other_case(inside, has_plain_case),
            Self::AsciiCase => in_other_case(inside, |letter| letter.is_ascii_alphabetic()),
            Self::OuterSpace => vec![format!(" {inside}"), format!("{inside} "), format!("\t{inside}\n")],
            Self::Space => vec![format!(" {inside}"), inside.replace(' ', "  "), inside.replace(' ', "\t")],
            Self::Number => {
                let dot = if inside.contains('.') { "" } else { "." };
                vec![format!("{inside}{dot}0"), format!("{inside}{dot}00")]
            }
            Self::Instant(_) => spelled_instant(inside),
            Self::Url(ignoring) => url::variants(inside, ignoring),
            Self::Ignored => vec!["qxq".to_owned(), "0".to_owned()],
            Self::Order | Self::Examples => Vec::new(),
        }
    }
}

/// Letters that have one other form, and that form no other than them.
fn has_plain_case(letter: char) -> bool {
    let one = |mut letters: Box<dyn Iterator<Item = char>>| letters.next().filter(|_| letters.next().is_none());
    let upper = one(Box::new(letter.to_uppercase()));
    let lower = one(Box::new(letter.to_lowercase()));
    let (Some(upper), Some(lower)) = (upper, lower) else { return false };
    let back = one(Box::new(upper.to_lowercase())) == Some(lower) && one(Box::new(lower.to_uppercase())) == Some(upper);
    // The sigma at the end of a word has a form of its own.
    upper != lower && back && !"Σσς".contains(letter)
}

fn in_other_case(text: &str, is_letter: impl Fn(char) -> bool) -> Vec<String> {
    let upper = |letter: char| letter.to_uppercase().next().unwrap_or(letter);
    let lower = |letter: char| letter.to_lowercase().next().unwrap_or(letter);
    let map = |change: &dyn Fn(usize, char) -> char| {
        let each = text.chars().enumerate();
        each.map(|(at, letter)| if is_letter(letter) { change(at, letter) } else { letter }).collect::<String>()
    };
    vec![
        map(&|_, letter| upper(letter)),
        map(&|_, letter| lower(letter)),
        map(&|at, letter| if at % 2 == 0 { upper(letter) } else { lower(letter) }),
    ]
}

fn spelled_number(text: &str) -> Vec<String> {
    if text.contains(['e', 'E']) {
        return Vec::new();
    }
    let dot = if text.contains('.') { "" } else { "." };
    vec![format!("{text}{dot}0"), format!("{text}e0")]
}

/// The instant, cut; one text for all its spellings.
fn instant(text: &str, resolution: Resolution) -> Option<String> {
    let event_time::Instant { seconds, nanos } = event_time::parse(text.as_bytes()).ok()?;
    let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Some(format!("instant {}", nanoseconds.div_euclid(resolution.nanoseconds())))
}

/// An instant with other offsets, and with a fraction of zeros: for texts of RFC 3339 that say a second of UTC.
fn spelled_instant(text: &str) -> Vec<String> {
    let Some(at) = text.strip_suffix('Z').filter(|at| at.len() == "2026-01-01T12:00:00".len()) else {
        return Vec::new();
    };
    let mut variants = vec![format!("{at}.000Z"), format!("{at}+00:00")];
    let hour = at.get(11..13).and_then(|hour| hour.parse::<u32>().ok()).filter(|hour| *hour < 22);
    if let (Some(hour), Some(date), Some(rest)) = (hour, at.get(..11), at.get(13..)) {
        variants.push(format!("{date}{:02}{rest}+01:00", hour + 1));
        variants.push(format!("{date}{:02}{rest}.0+02:00", hour + 2));
    }
    variants
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Part = Part { after: None, before: None };

    #[track_caller]
    fn same(kind: &Kind, part: &Part, one: &str, other: &str, is_same: bool) {
        let canonical = |text: &str| kind.canonical(part, &Json::string(text));
        assert_eq!(canonical(one) == canonical(other), is_same, "{kind}: {one:?} and {other:?}");
    }

    #[test]
    fn what_may_be_the_same() {
        same(&Kind::Case, &ALL, "ÄB", "äb", true);
        same(&Kind::AsciiCase, &ALL, "ÄB", "äb", false);
        same(&Kind::Case, &ALL, "straße", "STRASSE", true);
        same(&Kind::OuterSpace, &ALL, " a b\n", "a b", true);
        same(&Kind::OuterSpace, &ALL, "a  b", "a b", false);
        same(&Kind::Space, &ALL, " a \t b", "a b", true);
        same(&Kind::Instant(Resolution::Nanosecond), &ALL, "2026-01-01T12:00:00Z", "2026-01-01T13:00:00.0+01:00", true);
        same(&Kind::Instant(Resolution::Nanosecond), &ALL, "2026-01-01T12:00:00.1Z", "2026-01-01T12:00:00Z", false);
        same(&Kind::Instant(Resolution::Second), &ALL, "2026-01-01T12:00:00.1Z", "2026-01-01T12:00:00Z", true);
        same(&Kind::Instant(Resolution::Day), &ALL, "2026-01-01T01:00:00Z", "2026-01-01T23:00:00Z", true);
        same(&Kind::Instant(Resolution::Day), &ALL, "2026-01-01T01:00:00+02:00", "2026-01-01T23:00:00Z", false);
    }

    #[test]
    fn parts_of_a_text() {
        let domain = Part { after: Some("@".to_owned()), before: None };
        same(&Kind::AsciiCase, &domain, "Ann@B.example", "Ann@b.EXAMPLE", true);
        same(&Kind::AsciiCase, &domain, "ann@b.example", "Ann@b.example", false);
        let tag = Part { after: Some("+".to_owned()), before: Some("@".to_owned()) };
        same(&Kind::Ignored, &tag, "ann+x@b.example", "ann+y@b.example", true);
        same(&Kind::Ignored, &tag, "ann+x@b.example", "ann@b.example", true);
        same(&Kind::Ignored, &tag, "ann+x@b.example", "anne+x@b.example", false);
        let fragment = Part { after: Some("#".to_owned()), before: None };
        same(&Kind::Ignored, &fragment, "https://a/b#c", "https://a/b", true);
    }

    #[test]
    fn what_has_to_be_the_same_may_be() {
        let order = Json::Array(vec![Json::number(1), Json::number(2), Json::number(3)]);
        for (kind, value) in [
            (Kind::Case, Json::string("Größe ΣK")),
            (Kind::AsciiCase, Json::string("Ab-é")),
            (Kind::OuterSpace, Json::string("a")),
            (Kind::Space, Json::string("a b")),
            (Kind::Number, Json::number("1.5")),
            (Kind::Number, Json::string("12")),
            (Kind::Instant(Resolution::Second), Json::string("2026-01-01T12:00:00Z")),
            (Kind::Url(vec!["utm_*".to_owned()]), Json::string("http://a.example/b?c=d")),
            (Kind::Order, order),
        ] {
            let variants = kind.variants(&ALL, &value);
            assert!(variants.len() > 1, "{kind}: {variants:?}");
            for variant in variants {
                assert_eq!(kind.canonical(&ALL, &variant), kind.canonical(&ALL, &value), "{kind}: {variant:?}");
            }
        }
        assert_eq!(Kind::Ignored.variants(&ALL, &Json::Null).len(), 5);
    }
}
