//! The log: lines on standard error, for people or as JSON, with UTC times. Not the progress bar, not the report.

use std::io::IsTerminal;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::config::{LogConfig, LogFormat};

/// Sends the log of this process to standard error, in colour where that is a terminal that wants colour.
///
/// # Errors
/// If the level is no filter, or a log is set already.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    // Not set_global_default: this one takes the messages of librdkafka too, which come by the crate `log`.
    Ok(log(config, has_colour(), std::io::stderr)?.try_init()?)
}

fn log<W>(config: &LogConfig, colour: bool, writer: W) -> Result<Dispatch, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(&config.level)?).with_writer(writer);
    Ok(match config.format {
        LogFormat::Json => lines.json().flatten_event(true).into(),
        LogFormat::Auto | LogFormat::Human => lines.with_target(false).with_ansi(colour).into(),
    })
}

/// A terminal, and nobody said NO_COLOR (no-color.org).
fn has_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = log(&LogConfig { format, level: level.into() }, false, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&log, || {
            tracing::info!(partition = 3, "restored");
            tracing::debug!("details");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_for_people_has_a_utc_time_and_no_escapes() {
        let text = logged(LogFormat::Auto, "info");
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.len() == 27 && time.contains('T') && time.ends_with('Z'), "{time}");
        assert_eq!(rest.trim(), "INFO restored partition=3");
    }

    #[test]
    fn a_line_for_machines_is_one_object() {
        let text = logged(LogFormat::Json, "debug");
        let lines =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>();
        assert_eq!((lines.len(), &lines[0]["message"], &lines[0]["partition"]), (2, &"restored".into(), &3.into()));
        assert_eq!(lines[0]["level"], "INFO");
    }
}
