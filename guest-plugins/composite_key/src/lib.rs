//! The plugin `composite_key`: two events are the same if they agree in every one of a list of fields. Not a hash and
//! not a comparison of content: fields that are not listed do not count.
//!
//! The key is `timestamp:distinct_id:token:event_name`, in the notation of [`dedup_plugin::tuple`]. The configuration is
//! nothing, or the fields as people type them (`/actor/login,/type`), or a JSON array of them, or a JSON object:
//!
//! ```json
//! {"fields": ["/actor/login", ["/event", "/event_name"]], "on_missing": "no-key", "kinds": "distinct"}
//! ```
//!
//! - `fields`: JSON pointers; in place of one, a list of which the first that has a value counts, or an object such as
//!   `{"pointer": "/timestamp", "as": "instant"}`, whose `pointer` is either. An instant is compared as a time:
//!   `12:00:00Z`, `13:00:00.000+01:00` and the epoch's milliseconds of both, as a whole number, make one key, to the millisecond or what
//!   `"resolution"` says (`s`, `ms`, `us`, `ns`). What is no time is compared as it stands, and meets no time.
//! - `on_missing`: what an event gets that lacks a field or has null there: `no-key` (the default), or `empty`, a key in
//!   which nothing stands for it. Absent, null and the empty string stay apart.
//! - `kinds`: `distinct` (the default) keeps the number 1 and the string "1" apart, `ignored` lets them meet.

use dedup_plugin::tuple::{Kinds, Missing, Resolution, Tuple};
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, export_key_extractor};
use serde::Deserialize;

const DEFAULT_FIELDS: [&[&str]; 4] = [&["/timestamp"], &["/distinct_id"], &["/token"], &["/event", "/event_name"]];

/// The extractor, configured.
#[derive(Debug)]
pub struct CompositeKey {
    tuple: Tuple,
    fields: Vec<String>,
}

export_key_extractor!(CompositeKey);

impl KeyExtractor for CompositeKey {
    const INFO: Info = Info { name: "composite_key", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        let Config { fields, on_missing, kinds } = Config::parse(config.trim())?;
        let instants: Vec<Option<Resolution>> = fields.iter().map(Part::instant).collect();
        let parts: Vec<Vec<String>> = fields.into_iter().map(Vec::from).collect();
        let missing = match on_missing {
            OnMissing::NoKey => Missing::NoKey,
            OnMissing::Empty => Missing::Marked,
        };
        let kinds = match kinds {
            KindsMatter::Distinct => Kinds::Distinct,
            KindsMatter::Ignored => Kinds::Ignored,
        };
        let mut fields = Vec::new();
        let mut tuple = Tuple::new(&parts, missing, kinds, &mut fields)?;
        for (part, resolution) in instants.into_iter().enumerate() {
            if let Some(resolution) = resolution {
                tuple = tuple.with_instant(part, resolution);
            }
        }
        Ok((Self { tuple, fields: fields.clone() }, Input::Fields(fields)))
    }

    #[inline]
    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        if let Err(field) = keys.try_write(|out| self.tuple.write(event, out)) {
            let pointer = self.fields.get(field).map_or("a field", String::as_str);
            keys.no_key(format!("{pointer} is absent or null"));
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_fields")]
    fields: Vec<Part>,
    #[serde(default)]
    on_missing: OnMissing,
    #[serde(default)]
    kinds: KindsMatter,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum OnMissing {
    #[default]
    NoKey,
    Empty,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum KindsMatter {
    #[default]
    Distinct,
    Ignored,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "each of the fields is a JSON pointer, a list of JSON pointers, or {\"pointer\": \"/timestamp\", \"as\": \
                 \"instant\"}, with \"resolution\": \"s\", \"ms\", \"us\" or \"ns\" if it is not to be ms"
)]
enum Part {
    One(String),
    FirstOf(Vec<String>),
    Declared(Declared),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    pointer: Pointer,
    r#as: As,
    #[serde(default)]
    resolution: Unit,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Pointer {
    One(String),
    FirstOf(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum As {
    Instant,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum Unit {
    S,
    #[default]
    Ms,
    Us,
    Ns,
}

impl Part {
    fn instant(&self) -> Option<Resolution> {
        match self {
            Self::One(_) | Self::FirstOf(_) => None,
            Self::Declared(Declared { r#as: As::Instant, resolution, .. }) => Some(match resolution {
                Unit::S => Resolution::Seconds,
                Unit::Ms => Resolution::Milliseconds,
                Unit::Us => Resolution::Microseconds,
                Unit::Ns => Resolution::Nanoseconds,
            }),
        }
    }
}

impl From<Part> for Vec<String> {
    fn from(part: Part) -> Self {
        match part {
            Part::One(pointer) | Part::Declared(Declared { pointer: Pointer::One(pointer), .. }) => vec![pointer],
            Part::FirstOf(pointers) | Part::Declared(Declared { pointer: Pointer::FirstOf(pointers), .. }) => pointers,
        }
    }
}

impl Config {
    fn parse(text: &str) -> Result<Self, String> {
        let fields = match text.as_bytes().first() {
            None => default_fields(),
            Some(b'{') => return serde_json::from_str(text).map_err(|error| error.to_string()),
            Some(b'[') => serde_json::from_str(text).map_err(|error| error.to_string())?,
            Some(_) => text.split(',').map(|pointer| Part::One(pointer.trim().to_owned())).collect(),
        };
        Ok(Self { fields, on_missing: OnMissing::default(), kinds: KindsMatter::default() })
    }
}

fn default_fields() -> Vec<Part> {
    let owned = |part: &&[&str]| Part::FirstOf(part.iter().map(|&pointer| pointer.to_owned()).collect());
    DEFAULT_FIELDS.iter().map(owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dedup_plugin::testing::{Harness, Outcome};
    use dedup_plugin::{Kind, Value};
    use std::collections::HashMap;

    fn string(text: &str) -> Value<'_> {
        Value::new(Kind::String, text)
    }

    fn plugin(config: &str) -> Harness<CompositeKey> {
        Harness::<CompositeKey>::new(config).unwrap()
    }

    fn refusal(config: &str) -> String {
        Harness::<CompositeKey>::new(config).err().unwrap()
    }

    #[test]
    fn default_fields_are_joined_by_colons() {
        let plugin = plugin("");
        assert_eq!(plugin.fields(), ["/timestamp", "/distinct_id", "/token", "/event", "/event_name"]);
        let values = [string("2024-01-01"), string("user-1"), string("phc_x"), string("$pageview"), Value::ABSENT];
        assert_eq!(plugin.key_text(&values).unwrap(), "2024-01-01:user-1:phc_x:$pageview");
    }

    #[test]
    fn event_name_stands_in_for_event() {
        let named = [string("1"), string("u"), string("t"), Value::ABSENT, string("click")];
        let both = [string("1"), string("u"), string("t"), string("click"), string("other")];
        assert_eq!(plugin("").key_text(&named).unwrap(), "1:u:t:click");
        assert_eq!(plugin("").key_text(&both).unwrap(), "1:u:t:click");
    }

    #[test]
    fn a_missing_or_null_field_is_named() {
        for missing in [Value::ABSENT, Value::NULL] {
            let values = [string("1"), string("u"), missing, string("click"), Value::ABSENT];
            assert_eq!(plugin("").key(&values), Outcome::NoKey("/token is absent or null".to_owned()));
        }
        let values = [string("1"), string("u"), string("t"), Value::ABSENT, Value::NULL];
        assert_eq!(plugin("").key(&values), Outcome::NoKey("/event is absent or null".to_owned()));
    }

    #[test]
    fn an_empty_string_is_a_value() {
        assert_eq!(plugin("/a,/b").key_text(&[string(""), string("")]).unwrap(), ":");
    }

    #[test]
    fn different_tuples_never_meet() {
        let texts = ["", ":", "\\", "a", "a:", ":a", "\\:", ":\\", "1", "n1", "\\n1", "\\z", "z", "true", "{}"];
        let mut values: Vec<Value<'_>> = texts.iter().map(|text| string(text)).collect();
        values.extend([Value::ABSENT, Value::NULL]);
        values.extend([Value::new(Kind::Number, "1"), Value::new(Kind::Bool, "true"), Value::new(Kind::Json, "{}")]);
        // A string that UTF-8 cannot hold, one that spells its JSON text, and others that spell its key.
        let half = r#""\ud83d""#;
        values.extend([Value::new(Kind::Json, half), string(half), string(r#"\j"\ud83d""#), string(r#"\j"\\ud83d""#)]);
        let plugin = plugin(r#"{"fields": ["/a", "/b"], "on_missing": "empty"}"#);
        let mut seen = HashMap::new();
        for (i, first) in values.iter().enumerate() {
            for (j, second) in values.iter().enumerate() {
                let key = plugin.key_text(&[*first, *second]).unwrap();
                assert_eq!(seen.insert(key.clone(), (i, j)), None, "{key} is the key of two tuples");
            }
        }
    }

    #[test]
    fn kinds_meet_where_they_are_to_be_ignored() {
        let one = [Value::new(Kind::Number, "1")];
        assert_eq!(plugin("/a").key_text(&one).unwrap(), "\\n1");
        assert_eq!(plugin(r#"{"fields": ["/a"], "kinds": "ignored"}"#).key_text(&one).unwrap(), "1");
    }

    const AT: &str = r#"{"fields": [{"pointer": "/at", "as": "instant"}, "/id"]}"#;

    fn key_of(config: &str, at: Value<'_>) -> String {
        plugin(config).key_text(&[at, string("x")]).unwrap()
    }

    #[test]
    fn spellings_of_an_instant_are_one_key() {
        for text in [
            "2026-01-01T12:00:00Z",
            "2026-01-01T12:00:00.000Z",
            "2026-01-01T12:00:00.000999Z",
            "2026-01-01t12:00:00+00:00",
            "2026-01-01 13:00:00.000+01:00",
            "2026-01-01T12:00Z",
            "20260101T120000Z",
            "1767268800",
            "1767268800000",
        ] {
            assert_eq!(key_of(AT, string(text)), "\\t1767268800000:x", "{text}");
        }
        for number in ["1767268800", "1767268800000", "1767268800000000"] {
            assert_eq!(key_of(AT, Value::new(Kind::Number, number)), "\\t1767268800000:x", "{number}");
        }
        assert_eq!(key_of(AT, string("2026-01-01T12:00:00.001Z")), "\\t1767268800001:x");
        assert_eq!(key_of(AT, string("1969-12-31T23:59:59.9999Z")), "\\t-1:x", "cut towards the past");
    }

    #[test]
    fn what_is_no_time_keeps_its_text_and_meets_no_time() {
        assert_eq!(key_of(AT, string("soon")), "soon:x");
        assert_eq!(key_of(AT, string("2026-02-30T12:00:00Z")), "2026-02-30T12\\:00\\:00Z:x");
        assert_eq!(key_of(AT, string("\\t1767268800000")), "\\\\t1767268800000:x");
        assert_eq!(key_of(AT, string("t1767268800000")), "t1767268800000:x");
        assert_eq!(key_of(AT, Value::new(Kind::Bool, "true")), "\\btrue:x");
        assert_eq!(key_of(AT, Value::new(Kind::Number, "1e40")), "\\n1e40:x");
        // Whether this is the whole number is for --numbers to say.
        assert_eq!(key_of(AT, Value::new(Kind::Number, "1767268800.0")), "\\n1767268800.0:x");
        assert_eq!(plugin(AT).key(&[Value::NULL, string("x")]), Outcome::NoKey("/at is absent or null".to_owned()));
    }

    #[test]
    fn the_resolution_of_an_instant_can_be_chosen() {
        let with = |resolution: &str| {
            format!(r#"[{{"pointer": ["/t", "/at"], "as": "instant", "resolution": "{resolution}"}}, "/id"]"#)
        };
        let text = string("2026-01-01T12:00:00.123456789Z");
        for (resolution, units) in
            [("s", "1767268800"), ("ms", "1767268800123"), ("us", "1767268800123456"), ("ns", "1767268800123456789")]
        {
            let key = plugin(&with(resolution)).key_text(&[Value::ABSENT, text, string("x")]).unwrap();
            assert_eq!(key, format!("\\t{units}:x"));
        }
    }

    #[test]
    fn without_an_instant_keys_are_as_ever() {
        for text in ["2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000Z"] {
            let escaped = format!("{}:x", text.replace(':', "\\:"));
            assert_eq!(key_of(r#"["/at", "/id"]"#, string(text)), escaped);
        }
    }

    #[test]
    fn fields_are_understood_as_people_type_them() {
        assert_eq!(plugin("/actor/login, /type").fields(), ["/actor/login", "/type"]);
        assert_eq!(plugin(r#"["/actor/login", "/type"]"#).fields(), ["/actor/login", "/type"]);
        assert_eq!(plugin(r#" {"fields": ["/a", ["/b", "/c"]]} "#).fields(), ["/a", "/b", "/c"]);
        assert_eq!(plugin("{}").fields(), plugin("").fields());
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        assert!(refusal(r#"{"feilds": ["/a"]}"#).contains("unknown field `feilds`"));
        assert!(refusal(r#"{"on_missing": "drop"}"#).contains("unknown variant `drop`"));
        assert!(refusal(r#"{"fields": [1]}"#).contains("each of the fields is a JSON pointer"));
        for declared in [
            r#"{"pointer": "/a"}"#,
            r#"{"pointer": "/a", "as": "time"}"#,
            r#"{"pointer": "/a", "as": "instant", "resolution": "minutes"}"#,
            r#"{"pointer": "/a", "as": "instant", "zone": "UTC"}"#,
        ] {
            assert!(refusal(&format!("[{declared}]")).contains(r#"{"pointer": "/timestamp", "as": "instant"}"#));
        }
        assert!(refusal(r#"[{"pointer": "a", "as": "instant"}]"#).contains("write \"/a\""));
        assert!(refusal(r#"[{"pointer": [], "as": "instant"}]"#).contains("alternative fields is empty"));
        assert!(refusal("actor/login").contains("write \"/actor/login\""));
        assert!(refusal("/a~b").contains("~0 for ~"));
        assert!(refusal("[]").contains("list of fields is empty"));
        assert!(refusal("[[]]").contains("alternative fields is empty"));
        assert!(refusal("{").contains("EOF"));
    }

    #[test]
    fn keys_of_a_batch_keep_to_their_events() {
        let (a, b, lacking) = ([string("a")], [string("b")], [Value::ABSENT]);
        let batch = dedup_plugin::testing::batch(1, &[&a, &lacking, &b]);
        let extraction = plugin("/x").extract(&batch);
        assert_eq!((extraction.keys.data, extraction.keys.ends), (b"ab".to_vec(), vec![1, 2]));
        assert_eq!((extraction.owners, extraction.status), (vec![0, 2], vec![0, 1, 0]));
        assert_eq!(extraction.notes.iter().map(|note| note.index).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_batch_without_any_key_is_one_empty_value_an_event() {
        let lacking = [Value::ABSENT];
        let extraction = plugin("/x").extract(&dedup_plugin::testing::batch(1, &[&lacking, &lacking]));
        assert_eq!((extraction.keys.ends, extraction.owners, extraction.status), (vec![0, 0], vec![], vec![1, 1]));
    }
}
