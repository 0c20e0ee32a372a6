//! Two events are the same if they are of the same thousandth of a degree, which is about a hundred metres.
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Kind, Value, export_key_extractor};

/// The extractor.
pub struct Geo;

impl KeyExtractor for Geo {
    const INFO: Info = Info { name: "geo", version: "0.1.0", key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        if !config.is_empty() {
            return Err(format!("there is nothing to configure: {config}"));
        }
        Ok((Self, Input::Fields(["/lat", "/lon"].map(str::to_owned).into())))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        match (cell(event.value(0), 90.0), cell(event.value(1), 180.0)) {
            (Some(lat), Some(lon)) => {
                keys.push_tuple(&[Value::new(Kind::Number, &lat), Value::new(Kind::Number, &lon)])
            }
            _ => keys.no_key("/lat and /lon are no place"),
        }
    }
}

fn cell(value: Value<'_>, max: f64) -> Option<String> {
    let degrees: f64 = value.text().filter(|_| value.kind == Kind::Number)?.parse().ok()?;
    (degrees.abs() <= max).then(|| ((degrees * 1000.0).floor() as i64).to_string())
}

export_key_extractor!(Geo);
