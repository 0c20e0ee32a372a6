//! Decimal numbers by value: `1.50`, `15e-1` and `1.5` are one. Exact, however many digits there are.

/// One text for all spellings of a number; `None` where it is none.
pub(super) fn canonical(text: &str) -> Option<String> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Some("0".to_owned());
    }
    let zeros = i64::try_from(significant.len() - trimmed.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.checked_sub(places)?.checked_add(zeros)?;
    Some(format!("{sign}{trimmed}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn spellings_of_one_number() {
        for same in ["1.50", "15e-1", "01.5", "+1.5", "0.15E1"] {
            assert_eq!(canonical(same).as_deref(), Some("15e-1"), "{same}");
        }
        assert_eq!(canonical("-0.00"), canonical("0"));
        assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
        assert!(["", "x", "1.2.3", "1e", "-", "0x1"].iter().all(|text| canonical(text).is_none()));
    }
}
