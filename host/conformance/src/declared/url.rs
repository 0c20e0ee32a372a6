//! URLs by what they lead to, after RFC 3986, section 6: letters of scheme and host, default ports, escapes, dots in the
//! path, a slash at its end, the order of parameters. Not whether a text is a URL.

/// A URL in its parts; the marks between them are not in them.
struct Parts<'t> {
    scheme: &'t str,
    authority: &'t str,
    path: &'t str,
    query: Option<&'t str>,
    fragment: Option<&'t str>,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, fragment)| (rest, Some(fragment)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some(Parts { scheme, authority, path, query, fragment })
}

/// Whether a text looks like a URL with a host of plain characters.
pub(super) fn is_url(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:@_".contains(&byte);
    parts(text).is_some_and(|parts| !parts.authority.is_empty() && parts.authority.bytes().all(plain))
}

/// One text for all URLs that lead to the same place, parameters with these names left out; `*` at the end of a name stands
/// for anything. A text that is no URL is itself.
pub(super) fn canonical(text: &str, ignoring: &[String]) -> String {
    let Some(Parts { scheme, authority, path, query, fragment }) = parts(text.trim()) else { return text.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let host = host.to_lowercase();
    let host = host.strip_suffix(default_port(&scheme)).unwrap_or(&host);
    let host = host.strip_suffix(['.', ':']).unwrap_or(host);
    let mut out = format!("{scheme}://{user}@{host}{}", without_dots(&escaped(path)));
    let mut parameters: Vec<String> = query.unwrap_or_default().split('&').map(escaped).collect();
    parameters.retain(|parameter| !parameter.is_empty() && !is_ignored(parameter, ignoring));
    parameters.sort();
    for (mark, text) in [("?", parameters.join("&")), ("#", escaped(fragment.unwrap_or_default()))] {
        if !text.is_empty() {
            out.extend([mark, &text]);
        }
    }
    out
}

/// Other texts that lead to the same place whatever is taken for the same.
pub(super) fn variants(text: &str, ignoring: &[String]) -> Vec<String> {
    let Some(Parts { scheme, authority, .. }) = parts(text) else { return Vec::new() };
    let after = text.get(scheme.len() + 3 + authority.len()..).unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), authority),
    };
    let mut variants = vec![
        format!("{}://{authority}{after}", scheme.to_ascii_uppercase()),
        format!("{scheme}://{user}{}{after}", host.to_ascii_uppercase()),
    ];
    let port = default_port(&scheme.to_ascii_lowercase());
    if !port.is_empty() && !host.contains(':') {
        variants.push(format!("{scheme}://{authority}{port}{after}"));
    }
    if let Some(name) = ignoring.first() {
        let (before, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
        let mark = if before.contains('?') { '&' } else { '?' };
        variants.push(format!("{before}{mark}{}=qxq{fragment}", name.replace('*', "x")));
    }
    variants
}

/// With its colon.
fn default_port(scheme: &str) -> &'static str {
    match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        "ftp" => ":21",
        _ => "",
    }
}

fn is_ignored(parameter: &str, ignoring: &[String]) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    ignoring.iter().any(|ignored| match ignored.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == ignored,
    })
}

/// Escapes of characters that need none are undone, others have upper-case digits; `+` is a space.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let byte = rest.get(1..3).filter(|_| first == '%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None if first == '+' || first == ' ' => out.push_str("%20"),
            None => out.push(first),
        }
        rest = rest.get(if byte.is_some() { 3 } else { first.len_utf8() }..).unwrap_or_default();
    }
    out
}

/// The path without `.` and `..`, and without a slash at its end.
fn without_dots(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/').skip(1) {
        match name {
            "." => {}
            ".." => _ = names.pop(),
            name => names.push(name),
        }
    }
    while names.last() == Some(&"") {
        names.pop();
    }
    names.iter().flat_map(|name| ["/", name]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_lead_to_the_same_place() {
        let ignoring = ["utm_*".to_owned(), "gclid".to_owned()];
        let one = canonical("https://shop.example/a/b?x=1&y=2", &ignoring);
        for same in [
            "HTTPS://Shop.Example:443/a/b?x=1&y=2",
            "https://shop.example/a/./c/../b/?y=2&x=1",
            "https://shop.example/%61/b?x=1&y=2&utm_source=mail&gclid=7",
        ] {
            assert_eq!(canonical(same, &ignoring), one, "{same}");
        }
        for other in [
            "https://shop.example/a/B?x=1&y=2",
            "https://shop.example/a/b?x=1&y=3",
            "http://shop.example/a/b?x=1&y=2",
            "https://shop.example:8443/a/b?x=1&y=2",
            "https://shop.example/a/b?x=1&y=2#z",
            "https://shop.example/a%2Fb?x=1&y=2",
        ] {
            assert_ne!(canonical(other, &ignoring), one, "{other}");
        }
        for variant in variants("https://u@shop.example/a?x=1#f", &ignoring) {
            assert_eq!(
                canonical(&variant, &ignoring),
                canonical("https://u@shop.example/a?x=1#f", &ignoring),
                "{variant}"
            );
        }
        assert_eq!(canonical("no url %e9é%", &[]), "no url %e9é%");
    }
}
