//! What is found of checkpoints, as lines for people: what there is, and what to do next.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use plain_text::size;
use state::Inspected;

use super::Ended;
use super::found::{Found, Shown};

pub(super) const NOTHING: &str = "No checkpoints here. Is this the LOCAL_CHECKPOINT_DIR or S3_BUCKET of the hosts, and their S3_KEY_PREFIX? The \
first checkpoint of a partition is made within CHECKPOINT_INTERVAL_SECS.";

pub(super) const LEFT_FOR_AN_HOUR: &str =
    "Files that a host may be about to use again stay for an hour: a later prune, or the hosts' own, removes them.";

pub(super) const LIST_NEXT: &str = "`dedup-host checkpoint verify` reads all of them.";
pub(super) const VERIFY_NEXT: &str = "All of them are whole.";

const DAMAGED: &str = "Some are damaged. A host passes them over and takes the one before; the next that is sent whole \
(FULL_UPLOAD_INTERVAL) relies on none of them. Find out what damages files there.";

/// One line for each checkpoint.
pub(super) fn of(found: &[Found], ended: Ended, next: &str) -> String {
    let mut lines = Vec::new();
    for found in found.iter().filter(|found| !found.checkpoints.is_empty()) {
        lines.push(format!("{}: {}", found.depot, found.place));
        lines.extend(found.checkpoints.iter().map(line));
    }
    lines.push(match ended {
        Ended::Nothing => NOTHING.to_owned(),
        Ended::Damaged => DAMAGED.to_owned(),
        Ended::Done => next.to_owned(),
    });
    lines.join("\n") + "\n"
}

fn line(shown: &Shown) -> String {
    let mut words = vec![format!("  {}", shown.name)];
    if let Some(about) = &shown.about {
        words.push(about.next_offset.map_or_else(|| "empty".to_owned(), |offset| format!("up to offset {offset}")));
        words.push(age(about.taken_at_ms));
    }
    words.extend(shown.bytes.map(size));
    words.extend((shown.is_full == Some(true)).then(|| "whole".to_owned()));
    words.extend(shown.is_newest.then(|| "published last".to_owned()));
    words.extend(shown.damage.as_ref().map(|damage| format!("DAMAGED: {damage}")));
    words.join(", ")
}

/// What a state is, and how far it reaches.
pub(super) fn of_store(dir: &Path, found: &Inspected) -> String {
    let Inspected { identity, next_offset, watermark, buckets, originals_from, files, bytes } = found;
    let or_none = |number: &Option<i64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let mut lines = vec![
        format!("{}: state of {}[{}]", dir.display(), identity.topic, identity.partition),
        format!("  contains all offsets below  {}", or_none(next_offset)),
        format!("  watermark of event time     {} (ms since the epoch)", or_none(watermark)),
        format!("  size                        {}; files: {files}, buckets of keys: {buckets}", size(*bytes)),
        format!("  originals                   from offset {originals_from} on"),
        format!("  keys by                     {}, version {}", identity.extractor, identity.key_version),
        format!(
            "  window                      {} ms, allowed lateness {} ms",
            or_none(&identity.window_ms),
            identity.allowed_lateness_ms
        ),
    ];
    lines.extend(identity.topic_id.iter().map(|id| format!("  topic id                    {id}")));
    lines.extend(identity.settings.iter().map(|(name, value)| format!("  {name} {value}")));
    lines.push(
        "A host opens it if plugin, window and settings are these, and reads on from that offset with outputs off until it is \
         where its group is."
            .to_owned(),
    );
    lines.join("\n") + "\n"
}

/// How long ago that is.
fn age(at_ms: i64) -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX).saturating_sub(at_ms / 1_000).max(0);
    match seconds {
        ..=119 => format!("{seconds} s ago"),
        120..=7_199 => format!("{} min ago", seconds / 60),
        7_200..=172_799 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
