//! Settings of the window: how long a key is remembered, and what event time is. Not the clock or the watermark.

use std::time::Duration;

use line::LatePolicy;
use setting::{Group, Runs, Setting, SettingsError, Typed, one, rows, units};

/// How long a key counts, and what event time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowConfig {
    /// From a key's first event; `None`: for ever.
    pub window: Option<Duration>,
    /// How far behind the watermark an event may be.
    pub allowed_lateness: Duration,
    /// Watermark = the partition's clock less this.
    pub max_out_of_orderness: Duration,
    /// How far ahead of its record's timestamp a payload's time may be.
    pub max_time_jump: Duration,
    /// What becomes of later events.
    pub late: LatePolicy,
}

/// What `--late` says; what it means depends on the kind of run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Late {
    /// Forwarded as unique.
    Pass,
    /// Counted only.
    Drop,
    /// To the late topic.
    Topic,
    /// To the file of this name.
    File(String),
}

impl Late {
    fn of(text: &str) -> Self {
        match text {
            "pass" => Self::Pass,
            "drop" => Self::Drop,
            "topic" => Self::Topic,
            file => Self::File(file.to_owned()),
        }
    }
}

/// Also that of the records.
pub(super) const GROUP: Group = Group { title: "Deduplication", runs: Runs::All, also: &[] };

rows!(pub(super),
    static WINDOW: Setting<Option<Duration>> = one(
        GROUP,
        "window",
        "DURATION|none",
        length,
        "How long a key is remembered after its first event\n\nUnits are ms, s, m, h, d; `none` or `unlimited` \
         remembers keys for ever. The variable is not WINDOW, because terminal multiplexers set that one.",
    )
    .env(&["DEDUP_WINDOW"])
    .or("24h");
    static ALLOWED_LATENESS: Setting<Duration> = one(
        GROUP,
        "allowed-lateness",
        "DURATION",
        units::duration,
        "How far behind the watermark an event may be and still be decided",
    )
    .or("1h");
    static MAX_OUT_OF_ORDERNESS: Setting<Duration> = one(
        GROUP,
        "max-out-of-orderness",
        "DURATION",
        units::duration,
        "How far the watermark stays behind the partition's clock\n\nThe clock is the median time of the partition's \
         last 4096 records, so that a few producers with wrong clocks cannot move it. Until it has seen that many \
         records, nothing is late.",
    )
    .or("1m");
    static MAX_TIME_JUMP: Setting<Duration> = one(
        GROUP,
        "max-time-jump",
        "DURATION",
        units::duration,
        "How far the time in a payload may be ahead of its record's timestamp\n\nA time further ahead comes from a \
         wrong clock: the record's timestamp is used instead, and the event is counted. Has no effect without \
         --event-time, nor on records without a timestamp, such as lines of a file.",
    )
    .or("1h");
    static LATE: Setting<Late> = one(
        GROUP,
        "late",
        "pass|drop|topic|FILE",
        |text| Ok(Late::of(text)),
        "What to do with an event that is later than the allowed lateness\n\nLate events are counted in any case. \
         `topic` sends them to --late-topic. With --input, any other value is the file that they are written to \
         (./pass for a file of that name).",
    )
    .or("pass");
);

/// A default lateness gives way to a shorter window.
pub(super) fn derive(typed: &mut Typed) -> Result<(), SettingsError> {
    match typed.need(&WINDOW)? {
        Some(window) => typed.keep_within(&ALLOWED_LATENESS, &WINDOW, &window),
        None => Ok(()),
    }
}

/// What the user said of the window, for a run over files or topics.
pub(super) fn config(typed: &Typed, in_files: bool) -> Result<WindowConfig, SettingsError> {
    Ok(WindowConfig {
        window: typed.need(&WINDOW)?,
        allowed_lateness: typed.need(&ALLOWED_LATENESS)?,
        max_out_of_orderness: typed.need(&MAX_OUT_OF_ORDERNESS)?,
        max_time_jump: typed.need(&MAX_TIME_JUMP)?,
        late: late_policy(typed, in_files)?,
    })
}

fn late_policy(typed: &Typed, in_files: bool) -> Result<LatePolicy, SettingsError> {
    match typed.need(&LATE)? {
        Late::Pass => Ok(LatePolicy::Pass),
        Late::Drop => Ok(LatePolicy::Drop),
        Late::File(text) if !in_files => {
            let reason = format!("`{text}` is not one of pass, drop, topic (a file only together with --input)");
            Err(typed.wrong(&LATE, reason))
        }
        Late::Topic | Late::File(_) => Ok(LatePolicy::Divert),
    }
}

fn length(text: &str) -> Result<Option<Duration>, String> {
    match units::bound(text)? {
        Some(Duration::ZERO) => Err("of length zero remembers nothing: write none for no limit".to_owned()),
        length => Ok(length),
    }
}
