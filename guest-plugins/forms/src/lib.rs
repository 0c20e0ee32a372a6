//! The plugin `forms`: it takes values of one form, and takes some of them for the same: addresses, URLs, instants, names,
//! texts. Its configuration says which, as in `url`; with a fault, as in `url:query`, it takes more for the same than it
//! should. It shows what the conformance suite sees of plugins that refuse most texts. Not an example, and not shipped.

mod keys;

use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Kind, export_key_extractor};

/// The extractor.
#[derive(Debug)]
pub struct Forms {
    key: fn(&[&str], &str) -> Option<String>,
    fault: String,
    fields: usize,
}

export_key_extractor!(Forms);

impl KeyExtractor for Forms {
    const INFO: Info = Info { name: "forms", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        let (form, fault) = config.trim().split_once(':').unwrap_or((config.trim(), ""));
        let known = keys::FORMS.iter().find(|(name, _, _)| *name == if form.is_empty() { "address" } else { form });
        let Some((_, fields, key)) = known else { return Err(format!("there is no form {form:?}")) };
        let input = Input::Fields(fields.iter().map(|field| (*field).to_owned()).collect());
        Ok((Self { key: *key, fault: fault.to_owned(), fields: fields.len() }, input))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        let mut values = Vec::with_capacity(self.fields);
        for field in 0..self.fields {
            let value = event.value(field);
            match std::str::from_utf8(value.bytes) {
                Ok(text) if value.kind == Kind::String => values.push(text),
                _ => return keys.no_key("a value is no text".to_owned()),
            }
        }
        match (self.key)(&values, &self.fault) {
            Some(key) => keys.push(key.as_bytes()),
            None => keys.no_key("a value is not of the form".to_owned()),
        }
    }
}
