//! The plugin `multi_key`: an event has several keys, and two events are the same if they have one of them in common.
//! Not a merge of identities: that two events share a key with a third does not make them share one.
//!
//! Each list of fields makes one key, in the notation of [`dedup_plugin::tuple`] after the number of the list, so that
//! keys of different lists never meet. A list of which the event lacks a field makes none; an event with no complete
//! list has no key. The configuration is nothing, or the lists as JSON:
//!
//! ```json
//! [["/uuid"], ["/timestamp", "/distinct_id", "/token", ["/event", "/event_name"]]]
//! ```

use dedup_plugin::tuple::{Kinds, Missing, Tuple};
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, export_key_extractor};
use serde::Deserialize;

const DEFAULT_CONFIG: &str = r#"[["/uuid"], ["/timestamp", "/distinct_id", "/token", ["/event", "/event_name"]]]"#;

/// The extractor, configured.
#[derive(Debug)]
pub struct MultiKey {
    /// Each list with what its keys start with.
    tuples: Vec<(String, Tuple)>,
}

export_key_extractor!(MultiKey);

impl KeyExtractor for MultiKey {
    const INFO: Info = Info { name: "multi_key", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        let config = if config.trim().is_empty() { DEFAULT_CONFIG } else { config };
        let lists: Vec<Vec<Part>> = serde_json::from_str(config)
            .map_err(|error| format!("{error}; give lists of fields, such as [[\"/uuid\"], [\"/user\", \"/time\"]]"))?;
        if lists.is_empty() {
            return Err("there is no list of fields: give at least one, such as [[\"/uuid\"]]".to_owned());
        }
        let mut fields = Vec::new();
        let mut tuples = Vec::with_capacity(lists.len());
        for (number, list) in lists.into_iter().enumerate() {
            let parts: Vec<Vec<String>> = list.into_iter().map(Vec::from).collect();
            tuples.push((format!("{number}:"), Tuple::new(&parts, Missing::NoKey, Kinds::Distinct, &mut fields)?));
        }
        Ok((Self { tuples }, Input::Fields(fields)))
    }

    #[inline]
    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        let mut complete = 0_usize;
        for (prefix, tuple) in &self.tuples {
            let written = keys.try_write(|out| {
                out.extend_from_slice(prefix.as_bytes());
                tuple.write(event, out)
            });
            complete += usize::from(written.is_ok());
        }
        if complete == 0 {
            keys.no_key(format!("none of the {} lists of fields is complete", self.tuples.len()));
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "each of the fields is a JSON pointer, or a list of JSON pointers")]
enum Part {
    One(String),
    FirstOf(Vec<String>),
}

impl From<Part> for Vec<String> {
    fn from(part: Part) -> Self {
        match part {
            Part::One(pointer) => vec![pointer],
            Part::FirstOf(pointers) => pointers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dedup_plugin::testing::{Harness, Outcome};
    use dedup_plugin::{Kind, Value};

    fn string(text: &str) -> Value<'_> {
        Value::new(Kind::String, text)
    }

    fn keyed(keys: &[&str]) -> Outcome {
        Outcome::Keyed(keys.iter().map(|key| key.as_bytes().to_vec()).collect())
    }

    #[test]
    fn every_complete_list_makes_a_key() {
        let plugin = Harness::<MultiKey>::new("").unwrap();
        let all = ["u-1", "2024", "me", "tok", "click"].map(string);
        let event = [&all[..], &[Value::ABSENT]].concat();
        assert_eq!(plugin.key(&event), keyed(&["0:u-1", "1:2024:me:tok:click"]));
        let without_uuid = [&[Value::ABSENT], &event[1..]].concat();
        assert_eq!(plugin.key(&without_uuid), keyed(&["1:2024:me:tok:click"]));
        let uuid_alone = [&event[..1], &[Value::ABSENT; 5]].concat();
        assert_eq!(plugin.key(&uuid_alone), keyed(&["0:u-1"]));
    }

    #[test]
    fn an_event_with_no_complete_list_has_no_key() {
        let plugin = Harness::<MultiKey>::new(r#"[["/a"], ["/b", "/c"]]"#).unwrap();
        let outcome = plugin.key(&[Value::NULL, string("b"), Value::ABSENT]);
        assert_eq!(outcome, Outcome::NoKey("none of the 2 lists of fields is complete".to_owned()));
    }

    #[test]
    fn keys_of_different_lists_never_meet() {
        let plugin = Harness::<MultiKey>::new(r#"[["/a"], ["/b"]]"#).unwrap();
        assert_eq!(plugin.key(&[string("x"), string("x")]), keyed(&["0:x", "1:x"]));
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        let refusal = |config| Harness::<MultiKey>::new(config).err().unwrap();
        assert!(refusal("[]").contains("no list of fields"));
        assert!(refusal("[[]]").contains("list of fields is empty"));
        assert!(refusal(r#"["/a"]"#).contains("give lists of fields"));
        assert!(refusal(r#"[["a"]]"#).contains("write \"/a\""));
    }
}
