//! Checks JSON against the published schema of duplicates records. It knows the words of JSON Schema (draft 2020-12) that
//! this schema uses; at any other word it fails, so that nothing in the schema goes unchecked.

use std::sync::OnceLock;

use serde_json::Value;

use super::equal;

/// The schema that the project ships.
#[must_use]
pub fn of_duplicates() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        serde_json::from_str(include_str!("../../../host/line/schema/duplicate-v1.json")).expect("the schema is JSON")
    })
}

/// Checks a record of a duplicate.
pub fn check(record: &Value) {
    if let Err(wrong) = validate(of_duplicates(), record) {
        panic!("{wrong}: {record}");
    }
}

/// Whether a value is what a schema describes.
///
/// # Errors
/// Where the value is not, and which word of the schema says so.
pub fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    Checker { root: schema }.check(schema, value, "")
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let words = schema.as_object().unwrap_or_else(|| panic!("a schema that is no object: {schema}"));
        for (word, says) in words {
            let right = match word.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" | "then" | "else" => true,
                "if" => {
                    let branch = if self.check(says, value, at).is_ok() { "then" } else { "else" };
                    words.get(branch).map_or(Ok(()), |schema| self.check(schema, value, at))?;
                    true
                }
                "$ref" => {
                    self.check(self.resolve(says), value, at)?;
                    true
                }
                "allOf" => {
                    list(says).iter().try_for_each(|schema| self.check(schema, value, at))?;
                    true
                }
                "anyOf" => list(says).iter().any(|schema| self.check(schema, value, at).is_ok()),
                "properties" | "items" => {
                    self.check_members(word, says, value, at)?;
                    true
                }
                _ => is_right(word, says, value),
            };
            if !right {
                return Err(format!("{at:?} breaks {word} {says}"));
            }
        }
        Ok(())
    }

    fn check_members(&self, word: &str, says: &Value, value: &Value, at: &str) -> Result<(), String> {
        if word == "items" {
            let mut items = value.as_array().into_iter().flatten().enumerate();
            return items.try_for_each(|(nth, item)| self.check(says, item, &format!("{at}/{nth}")));
        }
        let schemas = says.as_object().expect("schemas by name").iter();
        let mut known = schemas.filter_map(|(name, schema)| Some((name, schema, value.as_object()?.get(name)?)));
        known.try_for_each(|(name, schema, value)| self.check(schema, value, &format!("{at}/{name}")))
    }

    fn resolve(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        let found = pointer.and_then(|pointer| self.root.pointer(pointer));
        found.unwrap_or_else(|| panic!("a reference to nothing: {reference}"))
    }
}

fn list(says: &Value) -> &[Value] {
    says.as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("no list: {says}"))
}

/// The words about one value alone. Those about numbers, text and members hold for everything else.
fn is_right(word: &str, says: &Value, value: &Value) -> bool {
    let number = |value: &Value| value.as_f64();
    match word {
        "const" => equal(value, says),
        "enum" => list(says).iter().any(|says| equal(value, says)),
        "type" if says.is_array() => list(says).iter().any(|kind| is_of_type(kind, value)),
        "type" => is_of_type(says, value),
        "required" => value
            .as_object()
            .is_none_or(|members| list(says).iter().all(|name| members.contains_key(name.as_str().expect("a name")))),
        "minimum" => number(value).is_none_or(|value| Some(value) >= number(says)),
        "maximum" => number(value).is_none_or(|value| Some(value) <= number(says)),
        "pattern" => value.as_str().is_none_or(|text| matches(says.as_str().expect("a pattern"), text)),
        other => panic!("the schema says {other:?}, and nothing here checks that"),
    }
}

fn is_of_type(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

/// The two patterns of the schema.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[0-9a-f]{64}$" => text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        r"^(/[\s\S]*)?$" => text.is_empty() || text.starts_with('/'),
        other => panic!("the schema has the pattern {other}, and nothing here knows it"),
    }
}
