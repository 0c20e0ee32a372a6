//! Two events are the same if their URLs lead to the same place: without the fragment and a default port, and with scheme
//! and host in either case.
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Kind, export_key_extractor};

/// The extractor.
pub struct Url;

impl KeyExtractor for Url {
    const INFO: Info = Info { name: "url", version: "0.1.0", key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        if !config.is_empty() {
            return Err(format!("there is nothing to configure: {config}"));
        }
        Ok((Self, Input::Fields(vec!["/url".to_owned()])))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        let value = event.value(0);
        match value.text().filter(|_| value.kind == Kind::String).and_then(key_of) {
            Some(key) => keys.push(key.as_bytes()),
            None => keys.no_key("/url is no URL of http or https"),
        }
    }
}

fn key_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split('#').next()?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let scheme = scheme.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "http" => "80",
        "https" => "443",
        _ => return None,
    };
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = if port.is_empty() || port == default { String::new() } else { format!(":{port}") };
    (is_host && is_port).then(|| format!("{scheme}://{}{port}{path}", host.to_ascii_lowercase()))
}

export_key_extractor!(Url);
