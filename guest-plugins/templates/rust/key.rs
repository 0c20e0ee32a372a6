//! The plugin `{{name}}`: two events are the same if they are about the same order of the same shop.
//!
//! Configuration: nothing, or other fields than these, JSON pointers with commas between.

use dedup_plugin::tuple::{Kinds, Missing, Tuple};
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, export_key_extractor};

/// What makes events the same where the operator names nothing else.
const FIELDS: &str = "/shop,/order/id";

/// The extractor, configured.
pub struct Extractor {
    tuple: Tuple,
    fields: Vec<String>,
}

export_key_extractor!(Extractor);

impl KeyExtractor for Extractor {
    // Raise the key version when the same events get other keys than before.
    const INFO: Info = Info { name: "{{name}}", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    // Called once, with what the operator gave as --plugin-config. What it returns is what the host reads of each event.
    fn configure(config: &str) -> Result<(Self, Input), String> {
        let text = if config.trim().is_empty() { FIELDS } else { config.trim() };
        if text.starts_with(['{', '[']) {
            return Err(format!("name fields with commas between, such as {FIELDS}; this is JSON: {text}"));
        }
        let parts: Vec<Vec<String>> = text.split(',').map(|pointer| vec![pointer.trim().to_owned()]).collect();
        let mut fields = Vec::new();
        let tuple = Tuple::new(&parts, Missing::NoKey, Kinds::Distinct, &mut fields)?;
        Ok((Self { tuple, fields: fields.clone() }, Input::Fields(fields)))
    }

    // Called for each event. `event.value(0)` is the first field: its kind, and its bytes.
    // `keys.push(bytes)` gives the event a key; here the tuple writes one that no other values have.
    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        if let Err(missing) = keys.try_write(|out| self.tuple.write(event, out)) {
            keys.no_key(format!("{} is absent or null", self.fields[missing]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dedup_plugin::testing::{Harness, Outcome};
    use dedup_plugin::{Kind, Value};

    #[test]
    fn an_order_of_a_shop() {
        let plugin = Harness::<Extractor>::new("").unwrap();
        assert_eq!(plugin.fields(), ["/shop", "/order/id"]);
        let values = [Value::new(Kind::String, "north"), Value::new(Kind::Number, "17")];
        assert_eq!(plugin.key_text(&values).unwrap(), "north:\\n17");
    }

    #[test]
    fn no_order_no_key() {
        let plugin = Harness::<Extractor>::new("").unwrap();
        let values = [Value::new(Kind::String, "north"), Value::ABSENT];
        assert_eq!(plugin.key(&values), Outcome::NoKey("/order/id is absent or null".to_owned()));
    }

    #[test]
    fn what_is_no_configuration() {
        for (config, words) in [("{\"feilds\": 1}", "feilds"), ("shop", "write \"/shop\"")] {
            let refusal = Harness::<Extractor>::new(config).err().unwrap();
            assert!(refusal.contains(words), "{refusal}");
        }
    }
}
