//! Text to values: durations, sizes, counts, switches. Not the settings, and not where a text came from.

use std::path::PathBuf;
use std::time::Duration;

use plain_text::Secret;

/// Longest duration a setting takes: a hundred years, so that sums of times in milliseconds stay far from overflow.
pub const DURATION_MAX_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// `24h`, `1h30m`, `500ms`; a bare number is refused, because seconds and milliseconds look alike.
///
/// # Errors
/// Says what is wrong and how to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write a number and ms, s, m, h or d, such as 24h or 1h30m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut millis) = (text, 0_u64);
    while !rest.is_empty() {
        let (number, tail) = split(rest, |c| c.is_ascii_digit());
        let (unit, tail) = split(tail, |c| c.is_ascii_alphabetic());
        let scale = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.parse::<u64>().map_err(|_| wrong())?.checked_mul(scale);
        millis = part.and_then(|part| millis.checked_add(part)).unwrap_or(u64::MAX);
        rest = tail;
    }
    match millis {
        _ if text.is_empty() => Err(wrong()),
        0..=DURATION_MAX_MS => Ok(Duration::from_millis(millis)),
        _ => Err(format!("`{text}` is longer than a hundred years")),
    }
}

/// A duration, or `none` / `unlimited` for no bound.
///
/// # Errors
/// As [`duration`].
pub fn bound(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "none" | "unlimited" => Ok(None),
        _ => duration(text).map(Some),
    }
}

/// Bytes: `1073741824`, `1GiB` (1024s), `64MB` (1000s).
///
/// # Errors
/// Says what is wrong and how to write it.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: write bytes, or a number and KiB, MiB, GiB, TiB, KB, MB, GB or TB");
    let (number, unit) = split(text, |c| c.is_ascii_digit() || c == '_');
    let scale = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1_u64 << 40,
        _ => return Err(wrong()),
    };
    let number = number.replace('_', "").parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(scale).ok_or_else(|| format!("`{text}` is more than this machine can count"))
}

/// A whole number of at least 1; `_` may group the digits.
///
/// # Errors
/// Says what is wrong.
pub fn count(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("`{text}` is not a whole number")),
    }
}

/// As [`count`], but it must fit what librdkafka and sockets take: 1 to 2147483647.
///
/// # Errors
/// Says what is wrong.
pub fn small(text: &str) -> Result<u32, String> {
    let number = count(text)?;
    u32::try_from(number)
        .ok()
        .filter(|&n| n <= i32::MAX as u32)
        .ok_or_else(|| format!("`{text}` is more than 2147483647"))
}

/// Bytes from a bare number of MiB, for the settings whose name ends in `mib`.
///
/// # Errors
/// Says what is wrong.
pub fn mib(text: &str) -> Result<u64, String> {
    Ok(u64::from(small(text)?) << 20)
}

/// Milliseconds as a bare number, for the settings whose name ends in `ms`.
///
/// # Errors
/// Says what is wrong.
pub fn millis(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_millis(small(text)?.into()))
}

/// Seconds as a bare number, for the settings whose name ends in `secs`.
///
/// # Errors
/// Says what is wrong.
pub fn seconds(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(small(text)?.into()))
}

/// Whole seconds; 0 is none.
///
/// # Errors
/// Says what is wrong.
pub fn seconds_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

/// Seconds as a bare number that may have a fraction, such as 0.05: a millisecond to a day.
///
/// # Errors
/// Says what is wrong.
pub fn seconds_or_less(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("`{text}` is not a number of seconds from 0.001 to 86400"))?;
    Ok(Duration::from_secs_f64(seconds))
}

/// A TCP port; 0 asks the system for a free one.
///
/// # Errors
/// Says what is wrong.
pub fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("`{text}` is not a port: 0 to 65535"))
}

/// The name of a host, in lower case: `dedup.example.com`, or `*.example.com` for every name below it.
///
/// # Errors
/// Says what is wrong and how to write it.
pub fn host_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(known)
    };
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(format!(
            "`{text}` is not the name of a host: write it without scheme, port and path, such as dedup.example.com, or \
             *.example.com for every name below it"
        ));
    }
    Ok(text.to_ascii_lowercase())
}

/// A token that fits into an `Authorization: Bearer` header. The refusal does not repeat it.
///
/// # Errors
/// Says what is wrong.
pub fn token(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty: leave it out to switch /admin off".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "contains a space, a control character or a non-ASCII character, which no client can send in a header: \
             use visible ASCII characters, such as from `openssl rand -hex 32`, and no line break at the end"
                .into(),
        );
    }
    Ok(text.to_owned())
}

/// `true` or `false`, also as `yes`/`no`, `on`/`off`, `1`/`0`.
///
/// # Errors
/// Says what is wrong.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// Text that is not empty.
///
/// # Errors
/// Says that it is empty.
pub fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("is empty".into()) } else { Ok(text.into()) }
}

/// A secret that is not empty.
///
/// # Errors
/// Says that it is empty.
pub fn secret(text: &str) -> Result<Secret, String> {
    self::text(text).map(Secret::new)
}

/// A path that is not empty.
///
/// # Errors
/// Says that it is empty.
pub fn path(text: &str) -> Result<PathBuf, String> {
    self::text(text).map(PathBuf::from)
}

/// A JSON pointer (RFC 6901): empty for the whole, else `/a/b` with `~0` and `~1` as escapes.
///
/// # Errors
/// Says what is wrong.
pub fn pointer(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("`{text}` is not a JSON pointer: it starts with `/`, such as /properties/time"));
    }
    let escapes_end = text.split('~').skip(1).all(|tail| tail.starts_with(['0', '1']));
    if escapes_end { Ok(text.into()) } else { Err(format!("`{text}`: in a JSON pointer `~` is written `~0`")) }
}

/// A share from 0 to 1.
///
/// # Errors
/// Says what is wrong.
pub fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| format!("`{text}` is not a share from 0 to 1, such as 0.1"))
}

/// One of the words that `choices` names.
///
/// # Errors
/// Lists the words.
pub fn one_of<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| choice.clone());
    found.ok_or_else(|| {
        let words = choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        format!("`{text}` is not one of {words}")
    })
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_may_be_put_together() {
        let of = |text| duration(text).map(|d| d.as_millis());
        assert_eq!(of("24h"), Ok(86_400_000));
        assert_eq!(of("1h30m"), Ok(5_400_000));
        assert_eq!(of("2d"), Ok(172_800_000));
        assert_eq!(of("5ms"), Ok(5));
        assert_eq!(of("0"), Ok(0));
        for wrong in ["", "24", "h", "1.5h", "-1h", "1w", "1h ", "99999999999999999999h"] {
            assert!(duration(wrong).unwrap_err().contains("is not a duration"), "{wrong}");
        }
        assert!(duration("9999999999d").unwrap_err().contains("longer than a hundred years"));
        assert_eq!((bound("none"), bound("unlimited")), (Ok(None), Ok(None)));
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds_or_less("0.05"), Ok(Duration::from_millis(50)));
        assert_eq!(seconds_or_less("9"), Ok(Duration::from_secs(9)));
        for wrong in ["", "0", "-1", "NaN", "inf", "1s", "86401"] {
            assert!(seconds_or_less(wrong).unwrap_err().contains("0.001 to 86400"), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit_of_1000s_or_1024s() {
        assert_eq!(bytes("1073741824"), Ok(1 << 30));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert_eq!(bytes("1 gib"), Ok(1 << 30));
        assert_eq!(bytes("64MB"), Ok(64_000_000));
        assert_eq!(bytes("1_000"), Ok(1000));
        for wrong in ["", "GiB", "1.5GiB", "1G", "-1", "1 GiB x"] {
            assert!(bytes(wrong).unwrap_err().contains("is not a size"), "{wrong}");
        }
        assert!(bytes("99999999TiB").unwrap_err().contains("more than"));
    }

    #[test]
    fn counts_shares_pointers_and_switches_refuse_what_they_are_not() {
        assert_eq!(count("10_000"), Ok(10_000));
        assert!(count("0").is_err() && count("x").is_err() && small("3000000000").is_err());
        assert!(share("1.1").is_err() && share("NaN").is_err() && share("0.25").is_ok());
        assert!(
            pointer("a").is_err() && pointer("/a~2").is_err() && pointer("/a~").is_err() && pointer("/a~1b").is_ok()
        );
        assert_eq!((switch("TRUE"), switch("off")), (Ok(true), Ok(false)));
        assert!(switch("maybe").is_err());
    }

    #[test]
    fn names_of_hosts_have_no_scheme_port_or_path() {
        assert_eq!(host_name("Dedup.Example.com"), Ok("dedup.example.com".into()));
        assert_eq!(host_name("*.svc.local"), Ok("*.svc.local".into()));
        assert_eq!(host_name("dedup-host_1"), Ok("dedup-host_1".into()));
        let long = "a".repeat(64);
        for wrong in ["", "*", "*.", "http://a", "a:8080", "a/b", "a b", "a..b", ".a", "a.", "a.*.b", "é", &long] {
            assert!(host_name(wrong).unwrap_err().contains("not the name of a host"), "{wrong}");
        }
    }

    #[test]
    fn a_token_that_nobody_can_show_is_refused_and_not_repeated() {
        assert_eq!(token("s3cret-+/=~"), Ok("s3cret-+/=~".into()));
        for wrong in ["", " ", "hush hush", "hush\n", "\thush", "hush\r", "hush\u{7f}", "hüsh", "hush\u{200b}"] {
            let reason = token(wrong).unwrap_err();
            assert!(!reason.contains("hush") && (wrong.is_empty() || reason.contains("header")), "{wrong:?}: {reason}");
        }
    }
}
