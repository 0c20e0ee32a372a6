//! How far a transfer is, as people read it.

use std::time::Duration;

use plain_text::size;

/// How far a transfer is, and how long the rest takes at the speed so far.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn progress(done: u64, total: u64, since: Duration) -> String {
    let share = format!("{} of {}", size(done), size(total));
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
    fn what_is_left_is_told_once_there_is_a_speed() {
        let ten = Duration::from_secs(10);
        assert_eq!(progress(0, 4_096, ten), "0 B of 4.0 KiB");
        assert_eq!(progress(1_024, 4_096, ten), "1.0 KiB of 4.0 KiB, about 30 s left");
        assert_eq!(progress(4_096, 4_096, ten), "4.0 KiB of 4.0 KiB");
    }
}
