//! Two events are the same if they have the same address of mail, in either case.
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Kind, export_key_extractor};

/// The extractor.
pub struct Email;

impl KeyExtractor for Email {
    const INFO: Info = Info { name: "email", version: "0.1.0", key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        if !config.is_empty() {
            return Err(format!("there is nothing to configure: {config}"));
        }
        Ok((Self, Input::Fields(vec!["/email".to_owned()])))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        let address = event.value(0);
        let at = address.bytes.iter().rposition(|byte| *byte == b'@').unwrap_or(0);
        if address.kind == Kind::String && at > 0 && at + 1 < address.bytes.len() {
            keys.push(&address.bytes.to_ascii_lowercase());
        } else {
            keys.no_key("/email is no address");
        }
    }
}

export_key_extractor!(Email);
