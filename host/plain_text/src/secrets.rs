//! Secrets in settings and in texts about them: told by their names and by where they stand in an address, and shown as
//! [`HIDDEN`]. Hides too much rather than too little; not for texts that anything depends on.

use std::borrow::Cow;

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";

/// What the name of a secret contains, once all but letters and digits is left out.
const IN_NAMES: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "credential",
    "signature",
    "jaas",
    "privatekey",
    "apikey",
    "accesskey",
    "oauthbearerconfig",
];

/// Parts of a name that make it one of a secret only where they stand alone.
const PARTS: [&str; 8] = ["pem", "pwd", "pass", "pw", "auth", "authorization", "sig", "cookie"];

/// Whether what has this name is a secret: a property of librdkafka, a member of a JSON object, a parameter of an address.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut parts = name.split(|char: char| !char.is_ascii_alphanumeric());
    IN_NAMES.iter().any(|word| letters.contains(word)) || parts.any(|part| PARTS.contains(&part))
}

/// A text without the secrets in it: who is named before the `@` of an address, all parameters of a URL, and what follows
/// `name=` where [`is_secret`] says so of the name.
#[must_use]
pub fn hidden(text: &str) -> Cow<'_, str> {
    // Nearly all texts, and what no secret can be told by.
    if !text.contains(['@', '=', '?']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(is_between_words).unwrap_or(rest.len()));
        out.push_str(&hidden_word(word));
        rest = after;
        let quote = rest.chars().next().filter(|char| matches!(char, '"' | '\''));
        if let Some(quote) = quote.filter(|_| word.strip_suffix('=').is_some_and(|name| is_secret(last_name(name)))) {
            out.push_str(HIDDEN);
            rest = behind_quoted(rest, quote);
        } else if let Some(between) = rest.chars().next() {
            out.push(between);
            rest = rest.get(between.len_utf8()..).unwrap_or_default();
        }
    }
    Cow::Owned(out)
}

fn is_between_words(char: char) -> bool {
    char.is_whitespace() || matches!(char, '"' | '\'' | '`')
}

/// What comes behind a text that starts with `quote` and ends with the next one that no backslash stands before.
fn behind_quoted(text: &str, quote: char) -> &str {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, char)| {
        let ends = char == quote && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    });
    end.and_then(|(at, _)| text.get(at + 1..)).unwrap_or_default()
}

fn hidden_word(word: &str) -> Cow<'_, str> {
    // A secret may hold what looks like an address: what follows its name is not looked at.
    if let Some(at) = end_of_secret_name(word).filter(|at| word.get(..*at).is_some_and(|name| !name.contains("://"))) {
        let (name, value) = word.split_at(at);
        let value = if value.is_empty() { "" } else { HIDDEN };
        return Cow::Owned(format!("{}{value}", hidden_user(name)));
    }
    let without_user = hidden_user(word);
    match hidden_values(&without_user) {
        Some(hidden) => Cow::Owned(hidden),
        None => without_user,
    }
}

/// `scheme://user:password@host` and `user:password@host` without what is before the last `@`: a password may hold any
/// character.
fn hidden_user(word: &str) -> Cow<'_, str> {
    let address = word.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = word.split_at(address);
    match rest.rsplit_once('@') {
        Some((user, host)) if !user.is_empty() && (address > 0 || user.contains(':')) => {
            Cow::Owned(format!("{scheme}{HIDDEN}@{host}"))
        }
        _ => Cow::Borrowed(word),
    }
}

/// The word without the values of a URL's parameters, or what follows the name of a secret; `None`: there are none.
fn hidden_values(word: &str) -> Option<String> {
    if let Some((address, query)) = word.split_once('?').filter(|(address, _)| address.contains("://")) {
        let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
            Some((name, _)) => format!("{name}={HIDDEN}"),
            None => HIDDEN.to_owned(),
        });
        return Some(format!("{address}?{}", parameters.collect::<Vec<_>>().join("&")));
    }
    let (name, value) = word.split_at(end_of_secret_name(word)?);
    (!value.is_empty()).then(|| format!("{name}{HIDDEN}"))
}

/// The place behind the first `=` that follows the name of a secret.
fn end_of_secret_name(word: &str) -> Option<usize> {
    let mut ends = word.match_indices('=').map(|(at, _)| at);
    ends.find(|at| word.get(..*at).is_some_and(|name| is_secret(last_name(name)))).map(|at| at + 1)
}

/// The name that a text ends with.
fn last_name(text: &str) -> &str {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-' | '%');
    text.rsplit(|char| !is_of_name(char)).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        for name in [
            "sasl.password",
            "SASL.Password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.key.pem",
            "ssl.certificate.pem",
            "sasl.jaas.config",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "token",
            "access_token",
            "apiKey",
            "api-key",
            "X-Amz-Signature",
            "sig",
            "pwd",
            "aws_secret_access_key",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["fetch.min.bytes", "client.id", "acks", "ssl.ca.location", "compression.type", "passive", "assign"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn addresses_are_shown_without_who_asks() {
        for (text, shown) in [
            ("https://me:hunter2@host:9000/path", "https://***@host:9000/path"),
            ("`https://me:hun@ter2/@host`", "`https://***@host`"),
            ("https://hunter2@host", "https://***@host"),
            ("SASL_SSL://me:hunter2@a:9092,b:9092", "SASL_SSL://***@a:9092,b:9092"),
            ("me:hunter2@host:9092", "***@host:9092"),
            ("a:9092,me:hunter2@b:9092", "***@b:9092"),
            ("https://h/p?token=hunter2&x=hunter3#hunter4", "https://h/p?token=***&x=***"),
            ("https://h/p?hunter2", "https://h/p?***"),
            ("https://me:hunter2@h/p?password=hunter3", "https://***@h/p?password=***"),
            ("localhost:9092", "localhost:9092"),
            ("someone@example.org", "someone@example.org"),
            ("@plugin.json", "@plugin.json"),
        ] {
            assert_eq!(hidden(text), shown);
        }
    }

    #[test]
    fn what_follows_the_name_of_a_secret_is_hidden() {
        for (text, shown) in [
            ("user=me password=hunter2 x=1", "user=me password=*** x=1"),
            ("required username=\"me\" password=\"hun ter\\\"2\";", "required username=\"me\" password=***;"),
            ("sasl.password=hunter2,hunter3;hunter4&hunter5", "sasl.password=***"),
            ("a=1&token=hunter2", "a=1&token=***"),
            ("password='hunter2 hunter3", "password=***"),
            ("password= ", "password= "),
            ("password=a://b?c=d", "password=***"),
            ("password=me:hun@ter2", "password=***"),
            ("me:hunter2@host,password=hun@ter3", "***@host,password=***"),
            ("fetch.min.bytes=1", "fetch.min.bytes=1"),
        ] {
            assert_eq!(hidden(text), shown);
        }
    }
}
