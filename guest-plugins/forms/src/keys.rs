//! The key of each form, and what its faults make of it.

use dedup_plugin::instant::instant;
use dedup_plugin::{Kind, Value};

/// The key of the values of the fields, with a fault or an empty text; `None` where they are not of the form.
type KeyOf = fn(&[&str], &str) -> Option<String>;

/// What there is: a name, the fields, and the key.
pub(crate) const FORMS: [(&str, &[&str], KeyOf); 9] = [
    ("address", &["/email"], address),
    ("account", &["/tenant", "/email"], account),
    ("url", &["/link"], url),
    ("instant", &["/seen/at"], seen),
    ("name", &["/name"], name),
    ("content", &["/author", "/body"], content),
    ("near", &["/text"], near),
    ("tag", &["/email"], tagged),
    ("secret", &["/code"], secret),
];

/// The part before the `@` and that after it, if the text looks like an address of mail.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (local, domain) = text.split_once('@')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_one = !local.is_empty() && local.bytes().all(plain) && domain.contains('.') && domain.split('.').all(label);
    is_one.then_some((local, domain))
}

/// Letters of either case are the same.
fn address(values: &[&str], fault: &str) -> Option<String> {
    let (local, domain) = parts(values.first()?)?;
    match fault {
        "local" => Some(local.to_lowercase()),
        "tag" => Some(format!("{}@{domain}", local.split('+').next()?).to_lowercase()),
        "upper" if !local.bytes().any(|byte| byte.is_ascii_lowercase()) => Some(format!("{local}@{domain}")),
        _ => Some(format!("{local}@{domain}").to_lowercase()),
    }
}

/// A tenant's address: no address has a colon.
fn account(values: &[&str], fault: &str) -> Option<String> {
    let [tenant, email] = values else { return None };
    let (local, domain) = parts(email)?;
    let separator = if fault == "joined" { "" } else { ":" };
    Some(format!("{domain}:{tenant}{separator}{local}"))
}

/// The part after a plus does not count, nor do letters of the domain in either case.
fn tagged(values: &[&str], _fault: &str) -> Option<String> {
    let (local, domain) = parts(values.first()?)?;
    let local = local.split('+').next().filter(|local| !local.is_empty())?;
    Some(format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// By what it leads to: without its fragment, the parameters of campaigns and a default port.
fn url(values: &[&str], fault: &str) -> Option<String> {
    let (scheme, rest) = values.first()?.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let rest = rest.split('#').next()?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(port).unwrap_or(&host);
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte)) {
        return None;
    }
    let path = if fault == "path" { path.to_lowercase() } else { path.to_owned() };
    let mut parameters: Vec<&str> =
        query.split('&').filter(|one| !one.is_empty() && !one.starts_with("utm_")).collect();
    parameters.sort_unstable();
    let query = if fault == "query" { String::new() } else { parameters.join("&") };
    Some(format!("{scheme}://{host}{}?{query}", path.trim_end_matches('/')))
}

/// To the second.
fn seen(values: &[&str], fault: &str) -> Option<String> {
    let text = *values.first()?;
    let seconds = instant(Value::new(Kind::String, text))?.div_euclid(1_000_000_000);
    if fault == "offset" {
        return Some(text.get(..19).unwrap_or(text).to_owned());
    }
    Some(if fault == "minute" { seconds.div_euclid(60) } else { seconds }.to_string())
}

/// Letters of either case are the same; any text is a name.
fn name(values: &[&str], fault: &str) -> Option<String> {
    let name = *values.first()?;
    match fault {
        "trimmed" => Some(name.trim_matches('.').to_lowercase()),
        "ascii" => Some(name.to_ascii_lowercase()),
        "words" => Some(name.to_lowercase().split('-').next()?.to_owned()),
        _ => Some(name.to_uppercase().to_lowercase()),
    }
}

/// A digest of who wrote what, white space as one.
fn content(values: &[&str], fault: &str) -> Option<String> {
    let [author, body] = values else { return None };
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut digest: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let text = if fault == "body" { body } else { format!("{}:{author}{body}", author.len()) };
    for byte in text.bytes() {
        digest = (digest ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    Some(format!("{digest:032x}"))
}

/// The long words of a text of some length, in any order.
fn near(values: &[&str], fault: &str) -> Option<String> {
    let text = values.first()?.to_lowercase();
    let mut words: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| word.len() > 3).collect();
    words.sort_unstable();
    words.dedup();
    if fault == "first" {
        words.truncate(1);
    }
    (text.split_whitespace().count() >= 6 && !words.is_empty()).then(|| words.join(" "))
}

/// Six digits and a letter that is worked out of them.
fn secret(values: &[&str], _fault: &str) -> Option<String> {
    let digits = values.first()?.strip_prefix("QZ/")?;
    let (digits, check) = digits.split_at_checked(6)?;
    let sum: u32 = digits.bytes().map(u32::from).sum();
    let is_code = digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_code && check.len() == 1 && check.bytes().next().map(u32::from) == Some(65 + sum % 26))
        .then(|| digits.to_owned())
}
