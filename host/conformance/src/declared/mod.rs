//! What a plugin takes for the same on purpose: the file `conformance.toml` beside its component. Not whether it does: see
//! `rules::equalities`.

mod kind;
mod number;
mod url;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::samples::Json;
use crate::show::shown;
use kind::{Kind, Part};

/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Its name.
const NAME: &str = "conformance.toml";

/// What a plugin declares; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The file; `None` where there is none.
    pub(crate) path: Option<PathBuf>,
    pub(crate) equalities: Vec<Equality>,
}

/// A file of declarations that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct DeclaredError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: String,
}

/// Values of a place that are the same on purpose.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Equality {
    /// Its place in the file, from 1.
    pub(crate) number: usize,
    /// Pointers; the empty one is the whole payload.
    pub(crate) at: Vec<String>,
    kind: Kind,
    part: Part,
    /// What the examples are put into.
    pub(crate) event: Option<Json>,
    /// Values that are the same.
    pub(crate) examples: Vec<Json>,
    /// Values that are not.
    pub(crate) different: Vec<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    equal: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    at: OneOrMore,
    by: By,
    after: Option<String>,
    before: Option<String>,
    resolution: Option<kind::Resolution>,
    ignoring: Option<Vec<String>>,
    event: Option<String>,
    examples: Vec<toml::Value>,
    #[serde(default)]
    different: Vec<toml::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Case,
    AsciiCase,
    OuterSpace,
    Space,
    Number,
    Instant,
    Url,
    Order,
    Ignored,
    Examples,
}

impl Declared {
    /// The file that belongs to a component: `NAME.conformance.toml` beside `NAME.wasm`, else `conformance.toml`.
    #[must_use]
    pub fn beside(component: &Path) -> Option<PathBuf> {
        let own = component.with_extension(NAME);
        let shared = component.with_file_name(NAME);
        [own, shared].into_iter().find(|path| path.is_file())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or does not declare equalities; the message names the member or example that is wrong.
    pub fn read(path: &Path) -> Result<Self, DeclaredError> {
        let failed = |cause: String| DeclaredError { path: path.to_owned(), cause };
        let text = plugin::read_file(path, FILE_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(text).map_err(|error| failed(error.to_string()))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`Declared::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, DeclaredError> {
        let failed = |cause: String| DeclaredError { path: path.to_owned(), cause };
        let file: File = toml::from_str(text).map_err(|error| failed(error.to_string().trim_end().to_owned()))?;
        if file.equal.is_empty() {
            return Err(failed("it declares nothing: give one [[equal]] or more, or remove the file".to_owned()));
        }
        let each = (1..).zip(file.equal).map(|(number, entry)| Equality::of(number, entry));
        let equalities = each.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(Self { path: Some(path.to_owned()), equalities })
    }

    /// One value that stands for all that are the same at a place; two events that differ at the place alone may have one
    /// key only where these are equal. `None`: any two values may be the same there.
    pub(crate) fn canonical(&self, place: &str, value: &Json) -> Option<Json> {
        let covering = self.equalities.iter().filter(|equality| equality.covers(place));
        covering
            .map(|equality| (&equality.kind, &equality.part))
            .try_fold(value.clone(), |value, (kind, part)| kind.canonical(part, &value))
    }

    /// Whether two places lie inside one value of which something is declared: that says how they are told apart.
    pub(crate) fn is_about_both(&self, one: &str, other: &str) -> bool {
        let is_inside =
            |equality: &Equality, place: &str| equality.covers(place) && !equality.at.iter().any(|at| at == place);
        self.equalities.iter().any(|equality| is_inside(equality, one) && is_inside(equality, other))
    }

    /// Whether all that is declared of these places makes sense of a value.
    pub(crate) fn understands(&self, places: &[String], value: &Json) -> bool {
        let covers = |equality: &&Equality| places.iter().any(|place| equality.covers(place));
        self.equalities.iter().filter(covers).all(|equality| equality.kind.understands(&equality.part, value))
    }

    /// The examples in their events, or in each of these where none is declared.
    pub(crate) fn events(&self, bases: &[Json]) -> Vec<Vec<u8>> {
        let of_one = |equality: &Equality| -> Vec<Vec<u8>> {
            let bases = equality.event.as_ref().map_or(bases, std::slice::from_ref);
            let each = bases.iter().flat_map(|base| equality.examples.iter().map(move |example| (base, example)));
            each.map(|(base, example)| equality.with(base, example).text()).collect()
        };
        self.equalities.iter().flat_map(of_one).collect()
    }
}

impl Equality {
    fn of(number: usize, entry: Entry) -> Result<Self, String> {
        let at = match entry.at {
            OneOrMore::One(place) => vec![place],
            OneOrMore::More(places) => places,
        };
        let named = format!("[[equal]] {number}");
        let wrong = |cause: String| Err(format!("{named}: {cause}"));
        if let Some(place) = at.iter().find(|place| !place.is_empty() && !place.starts_with('/')) {
            return wrong(format!(
                "at = {place:?} does not begin with '/': it is a JSON pointer, such as \"/user/email\""
            ));
        }
        if at.is_empty() {
            return wrong("at names no place".to_owned());
        }
        let part = Part { after: entry.after, before: entry.before };
        let kind =
            kind(entry.by, entry.resolution, entry.ignoring, &part).map_err(|cause| format!("{named}: {cause}"))?;
        let event = match entry.event.map(|text| (Json::parse(text.as_bytes()), text)) {
            None => None,
            Some((Some(event), _)) => Some(event),
            Some((None, text)) => return wrong(format!("event = {text:?} is not JSON")),
        };
        let is_payload = at == [""];
        let values = |values: Vec<toml::Value>| values.into_iter().map(|value| json(value, is_payload)).collect();
        let (examples, different) = (values(entry.examples), values(entry.different));
        let equality = Self { number, at, kind, part, event, examples, different };
        equality.holds_for_its_examples().map_or_else(wrong, |()| Ok(equality))
    }

    /// Whether the examples are examples of what is declared.
    fn holds_for_its_examples(&self) -> Result<(), String> {
        let [first, others @ ..] = self.examples.as_slice() else { return Err("examples is empty".to_owned()) };
        if others.is_empty() {
            return Err("examples has one value: give two or more that are the same".to_owned());
        }
        if self.kind == Kind::Examples && self.different.is_empty() {
            return Err("by = \"examples\" needs `different` as well: values that are not the same".to_owned());
        }
        let Some(wanted) = self.canonical(first) else { return Ok(()) };
        let text = |value: &Json| shown(&value.text());
        if let Some((at, other)) = (2..).zip(others).find(|(_, other)| self.canonical(other).as_ref() != Some(&wanted))
        {
            return Err(format!("example {at}, {}, is not the same as {} by {}", text(other), text(first), self.kind));
        }
        let same = |other: &&Json| self.canonical(other).as_ref() == Some(&wanted);
        match self.different.iter().find(same) {
            Some(other) => Err(format!("different {} is the same as {} by {}", text(other), text(first), self.kind)),
            None => Ok(()),
        }
    }

    /// The value that stands for all that this equality makes the same; `None`: any two may be.
    pub(crate) fn canonical(&self, value: &Json) -> Option<Json> {
        self.kind.canonical(&self.part, value)
    }

    /// Other values that have to be the same.
    pub(crate) fn variants(&self, value: &Json) -> Vec<Json> {
        self.kind.variants(&self.part, value)
    }

    /// Values like its examples, some of which may be of the form that the plugin takes.
    pub(crate) fn probes(&self) -> Vec<Json> {
        self.examples.iter().flat_map(|example| self.kind.probes(example)).collect()
    }

    /// Whether it says more than its examples do.
    pub(crate) fn has_a_kind(&self) -> bool {
        self.kind != Kind::Examples
    }

    /// Whether it says something of values at a place.
    pub(crate) fn covers(&self, place: &str) -> bool {
        let below =
            |at: &String| place.strip_prefix(at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.at.iter().any(below)
    }

    /// An event with a value at each of its places.
    pub(crate) fn with(&self, event: &Json, value: &Json) -> Json {
        let mut event = event.clone();
        self.at.iter().for_each(|place| event.set(place, value.clone()));
        event
    }

    /// For people: `case at /email`.
    pub(crate) fn title(&self) -> String {
        format!("[[equal]] {}, {} at {}", self.number, self.kind, self.at.join(", "))
    }
}

fn kind(
    by: By,
    resolution: Option<kind::Resolution>,
    ignoring: Option<Vec<String>>,
    part: &Part,
) -> Result<Kind, String> {
    let is_part = part.after.is_some() || part.before.is_some();
    match (&by, &resolution, &ignoring) {
        (By::Instant, _, None) | (By::Url, None, _) | (_, None, None) => {}
        (_, Some(_), _) => return Err("resolution is for by = \"instant\" only".to_owned()),
        (_, _, Some(_)) => return Err("ignoring is for by = \"url\" only: it names parameters".to_owned()),
    }
    if is_part && matches!(by, By::Url | By::Order | By::Examples) {
        return Err("after and before are not for by = \"url\", \"order\" and \"examples\"".to_owned());
    }
    Ok(match by {
        By::Case => Kind::Case,
        By::AsciiCase => Kind::AsciiCase,
        By::OuterSpace => Kind::OuterSpace,
        By::Space => Kind::Space,
        By::Number => Kind::Number,
        By::Instant => Kind::Instant(resolution.unwrap_or_default()),
        By::Url => Kind::Url(ignoring.unwrap_or_default()),
        By::Order => Kind::Order,
        By::Ignored => Kind::Ignored,
        By::Examples => Kind::Examples,
    })
}

/// A value of the file as one of an event. A text that is a whole payload stays as it is spelled.
fn json(value: toml::Value, is_payload: bool) -> Json {
    match value {
        toml::Value::String(text) if is_payload => Json::Raw(text),
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(number) => Json::number(number),
        toml::Value::Float(number) => Json::number(format!("{number:?}")),
        toml::Value::Boolean(value) => Json::Bool(value),
        toml::Value::Datetime(time) => Json::string(time.to_string()),
        toml::Value::Array(values) => Json::Array(values.into_iter().map(|value| json(value, false)).collect()),
        toml::Value::Table(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, json(value, false))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Declared, String> {
        Declared::parse(Path::new("conformance.toml"), text).map_err(|error| error.cause)
    }

    #[test]
    fn values_that_are_declared_the_same_have_one_canonical_value() {
        let declared = parse(
            r#"
            [[equal]]
            at = "/user/email"
            by = "case"
            examples = ["Ann@Example.com", "ann@example.com"]

            [[equal]]
            at = "/user/email"
            by = "outer-space"
            examples = ["a@b.example", " a@b.example"]

            [[equal]]
            at = ["/sent", "/seen"]
            by = "ignored"
            examples = [1, "x"]
            "#,
        )
        .unwrap();
        let canonical = |place: &str, text: &str| declared.canonical(place, &Json::string(text));
        assert_eq!(canonical("/user/email", " ANN@b.example"), canonical("/user/email", "ann@B.example "));
        assert_ne!(canonical("/user/email", "ann@b.example"), canonical("/user/email", "anne@b.example"));
        assert_ne!(canonical("/other", "A"), canonical("/other", "a"));
        assert_eq!((canonical("/sent", "1"), canonical("/seen/deeper", "2")), (None, None));
        let events = declared.events(&[Json::object([("n", Json::number(1))])]);
        assert_eq!(events.len(), 6);
        assert_eq!(events.last().unwrap(), br#"{"n":1,"sent":"x","seen":"x"}"#);
    }

    #[track_caller]
    fn refused(text: &str, parts: &[&str]) {
        let error = parse(text).expect_err("an error");
        parts.iter().for_each(|part| assert!(error.contains(part), "`{part}` is not in: {error}"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let entry = |more: &str| format!("[[equal]]\nat = \"/a\"\nby = \"case\"\n{more}\n");
        refused(&entry("examples = [\"A\", \"a\"]\nexmaple = 1"), &["exmaple", "line 5", "`different`"]);
        refused("[[same]]\nat = \"/a\"", &["unknown field `same`", "`equal`"]);
        refused("[[equal]]\nby = \"case\"\nexamples = []", &["missing field `at`"]);
        refused("[[equal]]\nat = \"/a\"\nby = \"letters\"\nexamples = []", &["letters", "`ascii-case`"]);
        refused(&entry("examples = [\"A\", \"a\", \"b\"]"), &["[[equal]] 1", "example 3, \"\"b\"\"", "by case"]);
        refused(&entry("examples = [\"A\", \"a\"]\ndifferent = [\"a\"]"), &["different", "is the same as", "by case"]);
        refused(&entry("examples = [\"A\"]"), &["two or more"]);
        refused(&entry("examples = [\"A\", \"a\"]\nresolution = \"ms\""), &["resolution is for by = \"instant\""]);
        refused(&entry("examples = [\"A\", \"a\"]\nevent = \"{\""), &["event = \"{\" is not JSON"]);
        refused("[[equal]]\nat = \"a\"\nby = \"case\"\nexamples = []", &["\"a\" does not begin with '/'"]);
        refused("[[equal]]\nat = \"/a\"\nby = \"examples\"\nexamples = [1, 2]", &["`different`"]);
        refused("equal = []", &["it declares nothing"]);
    }
}
