//! The log: lines on standard error, for people or as JSON, with UTC times. One event is one line, whatever it
//! contains: text from outside can neither start a line nor control a terminal. Not the progress bar, not the report.

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::io;

use plain_text::Line;
use tracing::Dispatch;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::config::{LogConfig, LogFormat, Mode};

/// The level by default, and what is of interest of it over files: how the driver gets on with partitions is not.
const LEVEL: &str = "info";
const LEVEL_OVER_FILES: &str = "info,drive=warn";

/// What is logged of a run.
#[must_use]
pub fn of_run(config: &LogConfig, mode: &Mode) -> LogConfig {
    let level = match mode {
        Mode::Files(_) if config.level == LEVEL => LEVEL_OVER_FILES,
        Mode::Files(_) | Mode::Kafka(_) => &config.level,
    };
    LogConfig { level: level.to_owned(), format: config.format }
}

/// Sends the log of this process to standard error, in colour where that is a terminal that wants colour.
///
/// # Errors
/// If the level is no filter, or a log is set already.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    // Not set_global_default: this one takes the messages of librdkafka too, which come by the crate `log`.
    Ok(log(config, terminal::errors_have_colour(), terminal::log)?.try_init()?)
}

fn log<W>(config: &LogConfig, colour: bool, writer: W) -> Result<Dispatch, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(&config.level)?);
    Ok(match config.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_writer(OneLine { writer, escape: plain_text::json }).into()
        }
        LogFormat::Auto | LogFormat::Human => {
            let escape = if colour { plain_text::styled_line } else { plain_text::line };
            let lines = lines.with_target(false).with_ansi(colour).fmt_fields(debug_fn(field));
            lines.with_writer(OneLine { writer, escape }).into()
        }
    })
}

/// A field as a person reads it. Colours are let through behind this, so that its value must have none.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let value = Line(format_args!("{value:?}"));
    match field.name() {
        "message" => write!(writer, "{value}"),
        // Where in librdkafka a message comes from.
        name if name.starts_with("log.") => Ok(()),
        name if writer.has_ansi_escapes() => write!(writer, " \u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}"),
        name => write!(writer, " {name}={value}"),
    }
}

/// Escapes events, each of which is written at once and ends with a line break.
struct OneLine<W> {
    writer: W,
    escape: fn(&str) -> Cow<'_, str>,
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        OneLine { writer: self.writer.make_writer(), escape: self.escape }
    }
}

impl<W: io::Write> io::Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let event = String::from_utf8_lossy(bytes);
        let line = format!("{}\n", (self.escape)(event.strip_suffix('\n').unwrap_or(&event)));
        self.writer.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, colour: bool, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = log(&LogConfig { format, level: level.into() }, colour, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&log, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn two_events() {
        tracing::info!(partition = 3, "restored");
        tracing::debug!("details");
    }

    #[test]
    fn a_line_for_people_has_a_utc_time_and_no_escapes() {
        let text = logged(LogFormat::Auto, "info", false, two_events);
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.len() == 27 && time.contains('T') && time.ends_with('Z'), "{time}");
        assert_eq!(rest.trim(), "INFO restored partition=3");
    }

    #[test]
    fn a_line_for_machines_is_one_object() {
        let text = logged(LogFormat::Json, "debug", false, two_events);
        let lines =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>();
        assert_eq!((lines.len(), &lines[0]["message"], &lines[0]["partition"]), (2, &"restored".into(), &3.into()));
        assert_eq!(lines[0]["level"], "INFO");
    }

    /// A forged line, an erased screen, a title, an order of reading turned round, and breaks that only some readers see.
    const HOSTILE: &str = "x\n2026-01-01T00:00:00.000000Z  INFO all is well\r\u{1b}[2J\u{1b}]0;t\u{7}\u{1b}[31m\u{9b}1m\u{202e}\u{2028}\u{200b}\u{e0041}";

    fn hostile_events() {
        let error = io::Error::other(HOSTILE);
        tracing::info!("{HOSTILE}");
        tracing::warn!(shown = %HOSTILE, debugged = ?HOSTILE, text = HOSTILE, "fields");
        tracing::error!(%error, debugged = ?error, source = &error as &dyn std::error::Error, list = ?[HOSTILE], "errors");
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        for (format, colour) in [(LogFormat::Human, false), (LogFormat::Human, true), (LogFormat::Json, false)] {
            let text = logged(format, "info", colour, hostile_events);
            assert_eq!(text.lines().count(), 3, "{text:?}");
            assert_eq!(text.matches("all is well").count(), 8, "{text:?}");
            // The colours of the host's own words are the only sequences left.
            let without_colours = ["0", "2", "3", "31", "32", "33"].iter().fold(text.clone(), |text, code| {
                text.replace(&format!("\u{1b}[{code}m"), if *code == "31" { "RED" } else { "" })
            });
            assert!(without_colours.chars().all(|char| char == '\n' || !plain_text::is_unseen(char)), "{text:?}");
            assert_eq!(without_colours.matches("RED").count(), usize::from(colour), "{text:?}");
        }
    }

    #[test]
    fn json_lines_keep_what_was_said() {
        let text = logged(LogFormat::Json, "info", false, hostile_events);
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["message"], HOSTILE);
    }

    #[test]
    fn what_is_no_text_is_written_too() {
        let mut lines = OneLine { writer: Vec::new(), escape: plain_text::line };
        lines.write_all(b"a\xff\nb\n").unwrap();
        assert_eq!(lines.writer, "a\u{fffd}\\nb\n".as_bytes());
    }
}
