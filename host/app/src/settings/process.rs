//! Settings of the process: how it stops and what it logs. Not the stopping or the log.

use std::time::Duration;

use setting::{Runs, Setting, SettingsError, Typed, one, one_of, rows, units};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::http::GROUP;

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// Level or filter.
    pub level: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured where standard error is a terminal.
    Auto,
    /// For people, as `Auto`.
    Human,
    /// One JSON object a line.
    Json,
}

rows!(pub(super),
    static SHUTDOWN_TIMEOUT_SECS: Setting<Duration> = one(
        GROUP,
        "shutdown-timeout-secs",
        "SECS",
        units::seconds,
        "How long a stop may drain before it gives up\n\nAlso how long a worker may take to release partitions in a \
         rebalance; what it has not committed by then is abandoned and read again.",
    )
    .or("30")
    .only(Runs::Kafka);
    static LOG_FORMAT: Setting<LogFormat> = one_of(
        GROUP,
        "log-format",
        &[("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)],
        "auto and human write lines for people, coloured on a terminal; json writes one object per line",
    )
    .or("auto");
    static LOG_LEVEL: Setting<String> = one(
        GROUP,
        "log-level",
        "LEVEL",
        log_level,
        "error, warn, info, debug, trace, or a filter such as info,dedup_host=debug",
    )
    .env(&["LOG_LEVEL", "RUST_LOG"])
    .or("info");
);

/// What the user said of the log.
pub(super) fn log(typed: &Typed) -> Result<LogConfig, SettingsError> {
    Ok(LogConfig { format: typed.need(&LOG_FORMAT)?, level: typed.need(&LOG_LEVEL)? })
}

fn log_level(text: &str) -> Result<String, String> {
    match text.split(',').all(is_directive) && EnvFilter::try_new(text).is_ok() {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("`{text}` is not error, warn, info, debug, trace, off or a filter such as info,state=debug"))
        }
    }
}

/// A level, or `target=level`. A bare target is legal for the filter, but here it is a level with a typing error.
fn is_directive(part: &str) -> bool {
    part.contains('=') || part.parse::<LevelFilter>().is_ok()
}
