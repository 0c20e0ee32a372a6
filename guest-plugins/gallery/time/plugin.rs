//! Two events of one device are the same if they are of the same millisecond, however their times are written.
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Kind, Value, export_key_extractor, instant::instant};

/// The extractor.
pub struct Time;

impl KeyExtractor for Time {
    const INFO: Info = Info { name: "time", version: "0.1.0", key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        if !config.is_empty() {
            return Err(format!("there is nothing to configure: {config}"));
        }
        Ok((Self, Input::Fields(["/time", "/device"].map(str::to_owned).into())))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        match (instant(event.value(0)), event.value(1)) {
            (None, _) => keys.no_key("/time is no time"),
            (_, device) if device.is_missing() => keys.no_key("/device is absent or null"),
            (Some(nanos), device) => {
                let milliseconds = nanos.div_euclid(1_000_000).to_string();
                keys.push_tuple(&[Value::new(Kind::Number, &milliseconds), device]);
            }
        }
    }
}

export_key_extractor!(Time);
