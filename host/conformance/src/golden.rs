//! Golden vectors: events, and the answers that a plugin promised for them. Not their comparison with what the plugin
//! says: see `rules::golden`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use engine::projection::{Numbers, Projection};
use serde_json::{Map, Value};

/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A file of golden vectors.
#[derive(Debug, Clone)]
pub struct Golden {
    pub(crate) path: PathBuf,
    /// Of the plugin that the vectors are for, where the file says so.
    pub(crate) key_version: Option<u64>,
    pub(crate) cases: Vec<Case>,
}

/// A file of golden vectors that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("golden vectors {}: {cause}", path.display())]
pub struct GoldenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: String,
}

/// What a plugin is asked, and what it has to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// `None`: the configuration of the run.
    pub(crate) config: Option<String>,
    pub(crate) key_version: Option<u64>,
    pub(crate) expected: Expected,
}

/// What a plugin has to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expected {
    /// Of an event.
    Keys { event: Vec<u8>, answer: Wanted },
    /// Of a pair.
    Score {
        original: Vec<u8>,
        duplicate: Vec<u8>,
        similarity: Option<f64>,
        property_similarity: Option<f64>,
        changed: Option<Vec<String>>,
        same: Option<Vec<String>>,
    },
}

/// What an event gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Keys(Vec<Vec<u8>>),
    NoKey,
    Invalid,
}

impl Golden {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is not golden vectors; the message names the case.
    pub fn read(path: &Path) -> Result<Self, GoldenError> {
        let failed = |cause: String| GoldenError { path: path.to_owned(), cause };
        let text = plugin::read_file(path, FILE_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file: an array of cases, or an object with `key_version` and `cases`.
    ///
    /// # Errors
    /// It is not golden vectors; the message names the case.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, GoldenError> {
        let failed = |cause: String| GoldenError { path: path.to_owned(), cause };
        let file: Value = serde_json::from_slice(text).map_err(|error| failed(error.to_string()))?;
        let (key_version, cases) = match &file {
            Value::Array(cases) => (None, cases),
            Value::Object(members) => {
                let Some(Value::Array(cases)) = members.get("cases") else {
                    return Err(failed("it has no array \"cases\"".to_owned()));
                };
                (members.get("key_version").and_then(Value::as_u64), cases)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(failed("it is neither an array of cases nor an object with one".to_owned()));
            }
        };
        if cases.is_empty() {
            return Err(failed("it has no cases".to_owned()));
        }
        let above = if file.is_array() { "" } else { "/cases" };
        let events = events_as_written(text, above, cases.len()).map_err(failed)?;
        let each = cases.iter().zip(events).enumerate();
        let cases = each.map(|(number, (case, events))| Case::of(number, case, events));
        let cases = cases.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(Self { path: path.to_owned(), key_version, cases })
    }
}

impl Case {
    fn of(number: usize, case: &Value, events: [Option<Vec<u8>>; 3]) -> Result<Self, String> {
        let Value::Object(members) = case else { return Err(format!("case {number} is not an object")) };
        let name = members.get("name").and_then(Value::as_str).map_or_else(|| format!("case {number}"), str::to_owned);
        let config = match members.get("config") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(json) => Some(json.to_string()),
        };
        let key_version = members.get("key_version").and_then(Value::as_u64);
        let expected = match events {
            [event, None, None] => keys(members, event),
            [None, Some(original), Some(duplicate)] => score(members, original, duplicate),
            _ => Err("it needs \"event\" or \"event_text\", or \"original\" and \"duplicate\"".to_owned()),
        };
        Ok(Self { expected: expected.map_err(|cause| format!("{name}: {cause}"))?, name, config, key_version })
    }
}

/// What stands at `event`, `original` and `duplicate` of each case, as it is spelled: a number keeps all of its digits.
fn events_as_written(file: &[u8], above: &str, cases: usize) -> Result<Vec<[Option<Vec<u8>>; 3]>, String> {
    let names = ["event", "original", "duplicate"];
    let pointers = (0..cases).flat_map(|case| names.map(|name| format!("{above}/{case}/{name}")));
    let no_fields: &[&[&str]] = &[];
    let projection = Projection::compile_with_spans(no_fields, &pointers.collect::<Vec<_>>(), Numbers::AsWritten);
    let mut projection = projection.map_err(|error| error.to_string())?;
    projection.project(file, &mut []).map_err(|error| error.to_string())?;
    let text = |span: &Range<u32>| {
        let text = file.get(span.start as usize..span.end as usize).unwrap_or_default();
        (!text.is_empty()).then(|| text.to_vec())
    };
    let mut texts = projection.spans().iter().map(text);
    Ok((0..cases).map(|_| std::array::from_fn(|_| texts.next().flatten())).collect())
}

fn keys(case: &Map<String, Value>, event: Option<Vec<u8>>) -> Result<Expected, String> {
    let event = match (event, case.get("event_text").and_then(Value::as_str)) {
        (Some(event), None) => event,
        (None, Some(text)) => text.as_bytes().to_vec(),
        _ => return Err("it needs \"event\" or \"event_text\", or \"original\" and \"duplicate\"".to_owned()),
    };
    let is_set = |name| case.get(name) == Some(&Value::Bool(true));
    let mut answers = Vec::new();
    answers.extend(texts(case, "keys")?.map(|keys| Wanted::Keys(keys.into_iter().map(String::into_bytes).collect())));
    let decoded = texts(case, "keys_base64")?.map(|keys| keys.iter().map(|key| base64(key)).collect::<Result<_, _>>());
    answers.extend(decoded.transpose()?.map(Wanted::Keys));
    answers.extend(is_set("no_key").then_some(Wanted::NoKey));
    answers.extend(is_set("invalid").then_some(Wanted::Invalid));
    match <[Wanted; 1]>::try_from(answers) {
        Ok([answer]) => Ok(Expected::Keys { event, answer }),
        Err(_) => Err("it needs one of \"keys\", \"keys_base64\", \"no_key\": true and \"invalid\": true".to_owned()),
    }
}

fn score(case: &Map<String, Value>, original: Vec<u8>, duplicate: Vec<u8>) -> Result<Expected, String> {
    let number = |name: &str| case.get(name).map(|number| number.as_f64().ok_or(format!("{name:?} is not a number")));
    let (similarity, property_similarity) = (number("similarity"), number("property_similarity"));
    let (changed, same) = (texts(case, "changed")?, texts(case, "same")?);
    if similarity.is_none() && property_similarity.is_none() && changed.is_none() && same.is_none() {
        return Err("it lacks \"similarity\", \"property_similarity\", \"changed\" and \"same\"".to_owned());
    }
    let (similarity, property_similarity) = (similarity.transpose()?, property_similarity.transpose()?);
    Ok(Expected::Score { original, duplicate, similarity, property_similarity, changed, same })
}

fn texts(case: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, String> {
    let Some(value) = case.get(name) else { return Ok(None) };
    let texts = value.as_array().map(|texts| texts.iter().map(|text| text.as_str().map(str::to_owned)).collect());
    texts.flatten().map(Some).ok_or_else(|| format!("{name:?} is not an array of strings"))
}

/// Base64 of RFC 4648, section 4, its padding optional.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{text:?} is not base64");
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    if count >= 6 || bits & ((1 << count) - 1) != 0 { Err(wrong()) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Golden, String> {
        Golden::parse(Path::new("golden.json"), text.as_bytes()).map_err(|error| error.cause)
    }

    #[test]
    fn answers_for_events() {
        let golden = parse(
            r#"{"key_version": 2, "cases": [
                {"name": "text", "event": {"b": 1, "a": 2}, "keys": ["é", ""]},
                {"name": "bytes", "config": {"fields": ["/a"]}, "event_text": "{ }", "keys_base64": ["AP8="]},
                {"config": "/a", "event": 18446744073709551617.50, "no_key": true},
                {"event": 1, "invalid": true, "key_version": 3}]}"#,
        )
        .unwrap();
        assert_eq!(golden.key_version, Some(2));
        let answers = golden.cases.iter().map(|case| match &case.expected {
            Expected::Keys { event, answer } => (String::from_utf8_lossy(event).into_owned(), answer.clone()),
            other => panic!("{other:?}"),
        });
        let answers: Vec<_> = answers.collect();
        assert_eq!(answers[1], ("{ }".to_owned(), Wanted::Keys(vec![vec![0, 255]])));
        assert_eq!(answers[0].1, Wanted::Keys(vec!["é".into(), "".into()]));
        assert_eq!((&answers[2].1, &answers[3].1), (&Wanted::NoKey, &Wanted::Invalid));
        assert_eq!((answers[0].0.as_str(), answers[2].0.as_str()), (r#"{"b": 1, "a": 2}"#, "18446744073709551617.50"));
        let configs: Vec<_> = golden.cases.iter().map(|case| case.config.as_deref()).collect();
        assert_eq!(configs, [None, Some(r#"{"fields":["/a"]}"#), Some("/a"), None]);
        assert_eq!((golden.cases[2].name.as_str(), golden.cases[3].key_version), ("case 2", Some(3)));
    }

    #[test]
    fn files_of_the_shipped_scorers() {
        for name in ["property_similarity", "string_distance"] {
            let path = format!("{}/../../guest-plugins/{name}/golden.json", env!("CARGO_MANIFEST_DIR"));
            let golden = Golden::read(Path::new(&path)).unwrap();
            assert!(golden.cases.iter().all(|case| matches!(case.expected, Expected::Score { .. })));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(parse("{}").unwrap_err().contains("no array \"cases\""));
        assert!(parse("[]").unwrap_err().contains("no cases"));
        assert!(parse("[1]").unwrap_err().contains("case 0 is not an object"));
        assert!(parse(r#"[{"name": "n", "event": 1}]"#).unwrap_err().starts_with("n: it needs one of"));
        assert!(parse(r#"[{"keys": []}]"#).unwrap_err().contains("\"event\" or \"event_text\""));
        assert!(parse(r#"[{"event": 1, "keys": [1]}]"#).unwrap_err().contains("not an array of strings"));
        assert!(parse(r#"[{"event": 1, "keys": [], "no_key": true}]"#).unwrap_err().contains("one of"));
        assert!(parse(r#"[{"original": 1, "duplicate": 2}]"#).unwrap_err().contains("lacks \"similarity\""));
        assert!(parse(r#"[{"original": 1, "similarity": 1}]"#).unwrap_err().contains("\"duplicate\""));
    }

    #[test]
    fn base64_of_all_lengths() {
        let ok = [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Zm9vYmFy", "foobar")];
        ok.iter().for_each(|(text, bytes)| assert_eq!(base64(text).unwrap(), bytes.as_bytes(), "{text}"));
        for wrong in ["Z", "Zg!=", "Zh==", "Zm9vY"] {
            assert!(base64(wrong).is_err(), "{wrong}");
        }
    }
}
