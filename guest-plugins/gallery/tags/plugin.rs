//! Two events are the same if they have the same tags, in any order.
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Value, export_key_extractor};

/// The extractor.
pub struct Tags;

impl KeyExtractor for Tags {
    const INFO: Info = Info { name: "tags", version: "0.1.0", key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        if !config.is_empty() {
            return Err(format!("there is nothing to configure: {config}"));
        }
        Ok((Self, Input::Fields(vec!["/tags".to_owned()])))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        // An array comes as JSON; serde_json reads it.
        let Ok(mut tags) = serde_json::from_slice::<Vec<String>>(event.value(0).bytes) else {
            return keys.no_key("/tags is no array of texts");
        };
        tags.sort_unstable();
        keys.push_tuple(&tags.iter().map(Value::from).collect::<Vec<_>>());
    }
}

export_key_extractor!(Tags);
