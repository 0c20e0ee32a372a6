//! The status in words: lines for a terminal, cells for the page. Neither the figures nor the look of the page.

use std::time::{SystemTime, UNIX_EPOCH};

use observe::status::{OwnedPartition, PluginStatus, Snapshot};

/// The columns of the partition table, for the page and for text.
pub(crate) const COLUMNS: [&str; 7] = ["partition", "phase", "position", "committed", "applied", "lag", "reason"];

pub(crate) fn rows(snapshot: &Snapshot) -> Vec<[String; COLUMNS.len()]> {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let row = |owned: &OwnedPartition| {
        let status = &owned.status;
        [
            format!("{}[{}]", owned.topic, owned.partition),
            status.phase.as_str().to_owned(),
            number(status.position),
            number(status.committed),
            number(status.applied),
            number(status.lag),
            status.reason.clone(),
        ]
    };
    snapshot.partitions.iter().map(row).collect()
}

/// The last attempt to swap plugins, in words.
pub(crate) fn last_swap(snapshot: &Snapshot) -> Option<String> {
    let swap = snapshot.last_swap.as_ref()?;
    let seconds = (now_ms() - swap.at).max(0) / 1_000;
    Some(format!("plugins {} {seconds} s ago, asked for by {}: {}", swap.result, swap.by, swap.detail))
}

pub(crate) fn headline(snapshot: &Snapshot) -> String {
    let ready = if snapshot.ready { "ready".to_owned() } else { format!("not ready: {}", snapshot.reasons.join("; ")) };
    let (version, seconds) = (snapshot.version, snapshot.uptime_seconds);
    format!("dedup-host {version}, up {seconds} s, heartbeat {} ms ago, {ready}", snapshot.heartbeat_age_ms)
}

pub(crate) fn plain(snapshot: &Snapshot) -> String {
    let mut lines = vec![headline(snapshot)];
    let plugin = |plugin: &PluginStatus| format!("plugin {} {} sha256:{}", plugin.name, plugin.version, plugin.digest);
    lines.extend(snapshot.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(snapshot.plugins.iter().map(plugin));
    lines.extend(last_swap(snapshot));
    for row in rows(snapshot) {
        let cells = COLUMNS.iter().zip(&row).skip(1).filter(|(_, cell)| !cell.is_empty());
        let cells = cells.map(|(column, cell)| format!(" {column}={cell}")).collect::<String>();
        lines.push(format!("{}{cells}", row.first().map(String::as_str).unwrap_or_default()));
    }
    lines.extend(snapshot.partitions.iter().flat_map(checkpoints));
    lines.iter().map(|line| plain_text::line(line) + "\n").collect()
}

/// A line for each place in which a partition has checkpoints.
fn checkpoints(owned: &OwnedPartition) -> impl Iterator<Item = String> {
    owned.status.checkpoints.iter().map(|checkpoint| {
        let reach = checkpoint.offset.map_or_else(|| "none yet".to_owned(), |offset| format!("up to offset {offset}"));
        let failing = checkpoint.failing.iter().map(|why| format!(", failing: {why}")).collect::<String>();
        let (place, seconds) = (checkpoint.place, checkpoint.age_seconds);
        format!("{}[{}] checkpoint ({place}): {reach}, {seconds} s old{failing}", owned.topic, owned.partition)
    })
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
