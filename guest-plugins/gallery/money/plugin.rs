//! Two payments are the same if they have one reference and one amount of one currency: `9.50 eur` is `9.5 EUR`.
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Kind, Value, export_key_extractor};

/// The extractor.
pub struct Money;

impl KeyExtractor for Money {
    const INFO: Info = Info { name: "money", version: "0.1.0", key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        if !config.is_empty() {
            return Err(format!("there is nothing to configure: {config}"));
        }
        Ok((Self, Input::Fields(["/reference", "/amount", "/currency"].map(str::to_owned).into())))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        let [reference, amount, currency] = [0, 1, 2].map(|field| event.value(field));
        let text = |value: Value<'_>| {
            std::str::from_utf8(value.bytes).ok().filter(|_| value.kind == Kind::String).map(str::to_owned)
        };
        let currency =
            text(currency).filter(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()));
        match (reference.is_missing(), text(amount).as_deref().and_then(plain), currency) {
            (true, ..) => keys.no_key("/reference is absent or null"),
            (_, None, _) => keys.no_key("/amount is no text of digits, such as \"9.50\""),
            (_, _, None) => keys.no_key("/currency is none, such as \"EUR\""),
            (_, Some(amount), Some(currency)) => {
                keys.push_tuple(&[
                    reference,
                    Value::new(Kind::Number, amount),
                    (&currency.to_ascii_uppercase()).into(),
                ]);
            }
        }
    }
}

/// The number without zeros at its end: by its digits, as no double holds every amount.
fn plain(amount: &str) -> Option<&str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    let is_number = digits(unsigned) && digits(fraction) && (unsigned == "0" || !unsigned.starts_with('0'));
    let cut = if amount.contains('.') { amount.trim_end_matches('0').trim_end_matches('.') } else { amount };
    is_number.then_some(cut)
}

export_key_extractor!(Money);
