//! Sizes and times as people read them.

use std::time::Duration;

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// `1.5 GiB`
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn bytes(bytes: u64) -> String {
    let mut units = UNITS.into_iter();
    let (mut size, mut unit) = (bytes as f64, units.next().unwrap_or_default());
    while size >= 1_024.0 {
        let Some(larger) = units.next() else { break };
        (size, unit) = (size / 1_024.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") }
}

/// How far a transfer is, and how long the rest takes at the speed so far.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn progress(done: u64, total: u64, since: Duration) -> String {
    let share = format!("{} of {}", bytes(done), bytes(total));
    if done == 0 || done >= total {
        return share;
    }
    let left = since.as_secs_f64() / done as f64 * (total - done) as f64;
    format!("{share}, about {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        let cases =
            [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1_610_612_736, "1.5 GiB"), (1 << 50, "1024.0 TiB")];
        for (size, words) in cases {
            assert_eq!(bytes(size), words);
        }
    }

    #[test]
    fn what_is_left_is_told_once_there_is_a_speed() {
        let ten = Duration::from_secs(10);
        assert_eq!(progress(0, 4_096, ten), "0 B of 4.0 KiB");
        assert_eq!(progress(1_024, 4_096, ten), "1.0 KiB of 4.0 KiB, about 30 s left");
        assert_eq!(progress(4_096, 4_096, ten), "4.0 KiB of 4.0 KiB");
    }
}
