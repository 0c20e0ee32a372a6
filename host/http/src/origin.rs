//! Which host names the server answers to, and which pages may send it commands. Not authentication: see `admin`.
//!
//! A foreign page in somebody's browser reaches whatever that browser reaches. Browsers keep it from reading the answers,
//! but they go by name: a page whose own name is made to point here (DNS rebinding) has the same origin. It can ask neither
//! by an address nor by a name that is not its own.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName, Method, Uri, header};

use crate::config::HttpConfig;

/// Says whether the page that asks is of our origin; current browsers send it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names that the server answers to, besides all addresses.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    exact: Vec<String>,
    /// With the leading dot: every name with this ending.
    ends: Vec<String>,
}

impl Names {
    pub(crate) fn of(config: &HttpConfig) -> Self {
        let mut names = Self { exact: vec!["localhost".to_owned()], ends: Vec::new() };
        names.exact.push(config.host.trim_end_matches('.').to_ascii_lowercase());
        for name in &config.allowed_hosts {
            match name.strip_prefix('*') {
                Some(end) => names.ends.push(end.to_owned()),
                None => names.exact.push(name.clone()),
            }
        }
        names
    }

    /// Whether a request was meant for us. Everything that it says about its host must agree: browsers send one `Host`,
    /// proxies may send the whole address in the first line.
    pub(crate) fn are_meant(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let in_first_line = uri.authority().is_none_or(|authority| self.know(authority.as_str()));
        in_first_line && host(headers).is_some_and(|host| self.know(host))
    }

    /// `host` or `host:port`.
    fn know(&self, authority: &str) -> bool {
        let Some((host, _)) = split(authority) else { return false };
        let is_below = |end: &String| host.strip_suffix(end.as_str()).is_some_and(|start| !start.is_empty());
        is_address(&host) || self.exact.contains(&host) || self.ends.iter().any(is_below)
    }
}

/// The `Host` header, if there is exactly one.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    host.to_str().ok().map(str::trim)
}

fn is_address(host: &str) -> bool {
    let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    six.map_or_else(|| host.parse::<Ipv4Addr>().is_ok(), |six| six.parse::<Ipv6Addr>().is_ok())
}

/// The host in lower case, without a final dot, and the port if one is given. `None` if the text is neither.
fn split(authority: &str) -> Option<(String, Option<u16>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at_checked(end)?;
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return None,
        Some("") => None,
        Some(digits) => Some(digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (!host.is_empty()).then_some((host, port))
}

/// Whether a page of another origin sent a request that changes something. Programs send neither header.
pub(crate) fn is_foreign_order(method: &Method, headers: &HeaderMap) -> bool {
    if *method == Method::GET || *method == Method::HEAD {
        return false;
    }
    let origins = headers.get_all(header::ORIGIN).iter();
    let sites = headers.get_all(SEC_FETCH_SITE).iter();
    let is_ours = |origin: &str| host(headers).is_some_and(|host| is_same_origin(origin, host));
    !origins.map(|origin| origin.to_str()).all(|origin| origin.is_ok_and(is_ours))
        || !sites.map(|site| site.as_bytes()).all(|site| site == b"same-origin" || site == b"none")
}

/// Whether a page of this origin came from the server that this host names. The scheme may differ: a proxy may have
/// terminated TLS.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let (authority, port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(authority), _) => (authority, 80),
        (_, Some(authority)) => (authority, 443),
        (None, None) => return false,
    };
    let whole = |authority| split(authority).map(|(host, given)| (host, given.unwrap_or(port)));
    whole(authority).is_some_and(|origin| Some(origin) == whole(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let allowed_hosts = vec!["dedup.example.com".into(), "*.svc.local".into()];
        Names::of(&HttpConfig { host: "Box.".into(), port: 0, allowed_hosts, admin_token: None })
    }

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn addresses_localhost_and_given_names_are_known_however_they_are_written() {
        let known = [
            "127.0.0.1",
            "127.0.0.1:8080",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:8080",
            "[2001:DB8::1]:1",
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "localhost.:8080",
            "localhost:",
            "DEDUP.example.com:443",
            "box:1",
            "a.svc.local",
            "a.b.svc.local:8080",
            "A.SVC.LOCAL.",
        ];
        for host in known {
            assert!(names().are_meant(&Uri::from_static("/"), &headers(&[("host", host)])), "{host}");
        }
    }

    #[test]
    fn all_other_names_are_not() {
        let unknown = [
            "evil.example",
            "evil.example:8080",
            "",
            ":8080",
            ".",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:80@localhost",
            "localhost@evil.example",
            "localhost:80:80",
            "localhost:http",
            "localhost:+80",
            "localhost:99999",
            "::1",
            "[::1",
            "::1]",
            "[evil.example]",
            "[::1]evil.example",
            "[127.0.0.1]",
            "127.1",
            "2130706433",
            "0x7f000001",
            "svc.local",
            ".svc.local",
            "xsvc.local",
            "dedup.example.com.evil.example",
            "xdedup.example.com",
            "localhost evil.example",
            "localhost,evil.example",
            "localhost..",
        ];
        for host in unknown {
            assert!(!names().are_meant(&Uri::from_static("/"), &headers(&[("host", host)])), "{host}");
        }
    }

    #[test]
    fn a_request_says_one_name_and_only_ours() {
        let meant =
            |uri: &'static str, of: &[(&'static str, &str)]| names().are_meant(&Uri::from_static(uri), &headers(of));
        assert!(!meant("/", &[]), "without a Host");
        assert!(!meant("/", &[("host", "localhost"), ("host", "localhost")]));
        assert!(!meant("/", &[("host", "localhost"), ("host", "evil.example")]));
        assert!(meant("http://127.0.0.1:8080/", &[("host", "localhost")]));
        assert!(!meant("http://evil.example/", &[("host", "localhost")]));
        assert!(!meant("http://localhost/", &[("host", "evil.example")]));
    }

    #[test]
    fn orders_come_from_programs_and_from_pages_of_ours() {
        let foreign = |of: &[(&'static str, &str)]| {
            is_foreign_order(&Method::POST, &headers(&[&[("host", "localhost:8080")], of].concat()))
        };
        for own in [
            &[][..],
            &[("origin", "http://localhost:8080")],
            &[("origin", "http://LOCALHOST:8080"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://localhost:8080")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!foreign(own), "{own:?}");
        }
        for elsewhere in [
            &[("origin", "null")][..],
            &[("origin", "http://evil.example")],
            &[("origin", "http://localhost")],
            &[("origin", "http://localhost:8081")],
            &[("origin", "http://127.0.0.1:8080")],
            &[("origin", "file://")],
            &[("origin", "")],
            &[("origin", "http://localhost:8080.evil.example")],
            &[("origin", "http://localhost:8080"), ("origin", "http://evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "http://localhost:8080"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")],
        ] {
            assert!(foreign(elsewhere), "{elsewhere:?}");
            assert!(!is_foreign_order(&Method::GET, &headers(elsewhere)), "reading changes nothing");
        }
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            assert!(is_foreign_order(&method, &headers(&[("origin", "http://evil.example")])), "{method}");
        }
        assert!(is_same_origin("http://localhost", "localhost:80") && is_same_origin("https://a.b", "a.b"));
        assert!(is_same_origin("http://[::1]:8080", "[::1]:8080"));
    }
    mod strangers {
        use proptest::prelude::*;

        use super::*;

        /// A host that may be ours, with all that may surround it.
        fn authority() -> impl Strategy<Value = String> {
            let host = prop_oneof![
                prop::sample::select(vec![
                    "localhost",
                    "LOCALHOST.",
                    "box",
                    "dedup.example.com",
                    "a.svc.local",
                    "svc.local",
                    "127.0.0.1",
                    "[::1]",
                    "evil.example",
                    "[",
                    "]",
                    "::1",
                ])
                .prop_map(str::to_owned),
                "[a-z0-9.:@\\[\\]%-]{0,12}",
            ];
            (
                host.clone(),
                prop::sample::select(vec!["", "", ":80", ":", ":x", ".", "@", ":1@", ".evil.example", ".svc.local"]),
                host,
                0..4_u8,
            )
                .prop_map(
                    |(host, between, other, both)| if both == 0 { host + between + &other } else { host + between },
                )
        }

        proptest! {
            #![proptest_config(cases::cases(2_000))]

            /// Compared with the standard library's parser for addresses, and with a plain reading of the rule for names.
            #[test]
            fn any_host_that_is_known_is_ours_and_nothing_more(authority in authority()) {
                let Ok(value) = authority.parse::<axum::http::HeaderValue>() else { return Ok(()) };
                let mut headers = HeaderMap::new();
                headers.append("host", value);
                if names().are_meant(&Uri::from_static("/"), &headers) {
                    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
                    let end = authority.rfind(']').unwrap_or(0);
                    let host = match authority.rfind(':').filter(|colon| *colon > end) {
                        Some(colon) => {
                            prop_assert!(is_port(&authority[colon + 1..]), "{}", authority);
                            &authority[..colon]
                        }
                        None => &authority,
                    };
                    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
                    let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                    let is_address = host.parse::<Ipv4Addr>().is_ok() || six.is_some_and(|six| six.parse::<Ipv6Addr>().is_ok());
                    let is_named = ["localhost", "box", "dedup.example.com"].contains(&host.as_str());
                    let is_below = host.len() > ".svc.local".len() && host.ends_with(".svc.local");
                    prop_assert!(is_address || is_named || is_below, "{}", authority);
                }
                // An origin equals only itself, and no page of another may send commands.
                let origin = format!("http://{authority}");
                prop_assert!(!is_same_origin(&origin, "other.example:8080") || authority.contains("other"));
            }
        }
    }
}
