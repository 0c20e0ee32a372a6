//! Amounts as people read them: a few digits, and the largest unit that fits.

/// A value in the largest of `units` of which there is at least one; each is `step` of the one before.
#[must_use]
pub fn scaled<'a>(value: f64, step: f64, units: &[&'a str]) -> (f64, &'a str) {
    let mut units = units.iter().copied();
    let (mut value, mut unit) = (value, units.next().unwrap_or_default());
    while value >= step {
        let Some(larger) = units.next() else { break };
        (value, unit) = (value / step, larger);
    }
    (value, unit)
}

/// Bytes: `1.5 GiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn size(bytes: u64) -> String {
    match scaled(bytes as f64, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB"]) {
        (_, "B") => format!("{bytes} B"),
        (value, unit) => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        let cases =
            [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1_610_612_736, "1.5 GiB"), (1 << 50, "1024.0 TiB")];
        for (bytes, words) in cases {
            assert_eq!(size(bytes), words);
        }
    }

    #[test]
    fn what_is_too_much_for_the_largest_unit_stays_in_it() {
        assert_eq!(scaled(999.0, 1_000.0, &["ns", "µs"]), (999.0, "ns"));
        assert_eq!(scaled(5e6, 1_000.0, &["ns", "µs"]), (5_000.0, "µs"));
        assert_eq!(scaled(5.0, 1_000.0, &[]), (5.0, ""));
    }
}
