//! Texts that anybody may have written as a value: each is what it says, or is refused in words.

use std::time::Duration;

use proptest::prelude::*;

use crate::units::{self, DURATION_MAX_MS};

/// What people, programs and attackers write for a value.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "", "0", "1", "-1", "+5", "7", "1000", "18446744073709551616", "2147483648", "0.5", "-0", "1e3", "NaN", "inf", "1h",
            "1h30m", "9999999999d", "none", "unlimited", "off", "on", "true", "no", "1GiB", "64 MB", "99999999TiB", "a,b", "*.x",
            "localhost:9092", "@", "é", "a\u{202e}b", "a\nb", "_", "1__0", "[::1]", "a@b",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(cases::cases(2_000))]

    #[test]
    fn durations_are_the_sum_of_their_parts_and_nothing_else(
        parts in prop::collection::vec((prop_oneof![0..100_u64, any::<u64>()], 0..5_usize), 1..4),
        junk in "[0-9a-z. _+٣-]{0,10}", cut: prop::sample::Index,
    ) {
        const UNITS: [(&str, u128); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let text: String = parts.iter().map(|(number, unit)| format!("{number}{}", UNITS[*unit].0)).collect();
        let sum: u128 = parts.iter().map(|(number, unit)| u128::from(*number) * UNITS[*unit].1).sum();
        let expected = u64::try_from(sum).ok().filter(|sum| *sum <= DURATION_MAX_MS).map(Duration::from_millis);
        prop_assert_eq!(units::duration(&text).ok(), expected);
        for text in [junk.as_str(), &text[..cut.index(text.len())]] {
            if let Ok(duration) = units::duration(text) {
                let ends = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(['s', 'm', 'h', 'd']);
                prop_assert!(ends || text == "0", "{}", text);
                prop_assert!(duration.as_millis() <= u128::from(DURATION_MAX_MS));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || b"msdh".contains(&byte)));
            }
        }
    }

    #[test]
    fn sizes_are_a_number_and_a_unit(number in prop_oneof![0..5_000_u64, any::<u64>()], unit in 0..9_usize, upper: bool, space in " {0,2}") {
        const UNITS: [(&str, u128); 9] = [
            ("", 1), ("kb", 1_000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000),
            ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
        ];
        let (name, scale) = UNITS[unit];
        let name = if upper { name.to_ascii_uppercase() } else { name.to_owned() };
        let expected = u64::try_from(u128::from(number) * scale).ok();
        prop_assert_eq!(units::bytes(&format!("{number}{space}{name}")).ok(), expected);
    }

    #[test]
    fn any_text_is_a_value_within_bounds_or_refused(text in value()) {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        prop_assert!(units::count(&text).is_ok_and(|count| count >= 1 && digits > 0) || units::count(&text).is_err());
        prop_assert!(units::small(&text).map_or(true, |small| (1..=i32::MAX as u32).contains(&small)));
        prop_assert!(units::share(&text).map_or(true, |share| (0.0..=1.0).contains(&share)));
        prop_assert!(units::seconds_or_less(&text).map_or(true, |time| time.as_micros() >= 1_000 && time.as_secs() <= 86_400));
        prop_assert!(units::bytes(&text).is_err() || digits > 0);
        prop_assert!(units::port(&text).is_err() || digits > 0);
        prop_assert!(units::bound(&text).map_or(true, |bound| bound.is_some() || text == "none" || text == "unlimited"));
        prop_assert!(units::token(&text).map_or(true, |token| token.bytes().all(|byte| byte.is_ascii_graphic())));
        let _switch = units::switch(&text);
        if let Ok(name) = units::host_name(&text) {
            prop_assert!(name == text.to_ascii_lowercase() && !name.contains(['/', ':', '@', ' ', '[', ']']));
        }
    }
}
