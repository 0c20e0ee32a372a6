//! The plugin `brittle_key`: the default keys of `composite_key`, by the same code, but for events on which it traps:
//! those whose `distinct_id` starts with `poison`. Not for use: the benchmark of isolation holds it up.

use dedup_plugin::tuple::{Kinds, Missing, Tuple};
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, export_key_extractor};

const FIELDS: [&[&str]; 4] = [&["/timestamp"], &["/distinct_id"], &["/token"], &["/event", "/event_name"]];

/// Index of `/distinct_id` among the fields.
const DISTINCT_ID: usize = 1;

/// The extractor.
#[derive(Debug)]
pub struct BrittleKey {
    tuple: Tuple,
}

export_key_extractor!(BrittleKey);

impl KeyExtractor for BrittleKey {
    const INFO: Info = Info { name: "brittle_key", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    fn configure(_config: &str) -> Result<(Self, Input), String> {
        let owned = |part: &&[&str]| part.iter().map(|&pointer| pointer.to_owned()).collect();
        let parts: Vec<Vec<String>> = FIELDS.iter().map(owned).collect();
        let mut fields = Vec::new();
        let tuple = Tuple::new(&parts, Missing::NoKey, Kinds::Distinct, &mut fields)?;
        Ok((Self { tuple }, Input::Fields(fields)))
    }

    #[inline]
    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        assert!(!event.value(DISTINCT_ID).bytes.starts_with(b"poison"), "what a bitter event");
        if keys.try_write(|out| self.tuple.write(event, out)).is_err() {
            keys.no_key("a field is absent or null".to_owned());
        }
    }
}
