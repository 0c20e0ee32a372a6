//! Settings of a run over files: newline-delimited JSON in, newline-delimited JSON out. Not the reading and writing.

use std::path::PathBuf;

use file_connector::Existing;
pub use file_connector::Stream;

use super::SettingsError;
use super::config::path;
use super::places::{Named, shared};
use super::table::{Group, SETTINGS, Setting};
use super::typed::Typed;
use super::units;

/// A run over files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// Records, one JSON value a line.
    pub input: Stream,
    /// Unique events; `None`: the run only counts.
    pub output: Option<Stream>,
    /// Explained duplicates.
    pub duplicates: Option<Stream>,
    /// Late events.
    pub late: Option<Stream>,
    /// Dead letters.
    pub dead_letter: Option<Stream>,
    /// The summary.
    pub report: Option<Stream>,
    /// Whether to go on with an interrupted run.
    pub resume: bool,
    /// What becomes of outputs that hold something, where they are not those of an interrupted run.
    pub existing: Existing,
    /// Longest line of the input, in bytes.
    pub line_bytes_max: usize,
    /// Most bytes that compressed input may become for each of its own; `None`: any number.
    pub expansion_max: Option<u64>,
}

impl FilesConfig {
    /// All that is written.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Stream> {
        [&self.output, &self.duplicates, &self.late, &self.dead_letter, &self.report].into_iter().flatten()
    }
}

/// Flags of Kafka have no meaning with `--input`, and silence about them would mislead. Variables and the file may
/// name them: they are often the same for every run on a machine.
pub(super) fn refuse_kafka(typed: &Typed) -> Result<(), SettingsError> {
    // What bounds queues and drains workers is Kafka's too: a run over files has neither.
    let of_kafka = |setting: &Setting| {
        matches!(setting.group, Group::KafkaConnection | Group::KafkaInput | Group::KafkaOutput | Group::Limits)
            || setting.flag == "shutdown-timeout-secs"
    };
    let flag = SETTINGS.iter().find(|setting| of_kafka(setting) && typed.on_command_line(setting.flag));
    match flag {
        Some(setting) => {
            let reason = "cannot be combined with --input: a run reads files or Kafka, so leave one of them out";
            Err(typed.wrong(setting.flag, reason.into()))
        }
        None => Ok(()),
    }
}

/// Flags of files have no meaning without `--input`.
pub(super) fn refuse_files(typed: &Typed) -> Result<(), SettingsError> {
    let topics = [("output", "output-topic"), ("duplicates", "duplicates-topic"), ("dead-letter", "dead-letter-topic")];
    for (flag, topic) in topics {
        if typed.text(flag).is_some() {
            return Err(typed.wrong(flag, format!("needs --input; for Kafka it is --{topic}")));
        }
    }
    for flag in ["resume", "overwrite", "append"] {
        if typed.need(flag, units::switch)? {
            return Err(typed.wrong(flag, "needs --input: it applies to runs over files".into()));
        }
    }
    let given = |flag: &&str| typed.text("report").is_some() && *flag == "report" || typed.on_command_line(flag);
    match ["report", "input-line-bytes-max", "input-expansion-max"].into_iter().find(given) {
        Some(flag) => Err(typed.wrong(flag, "needs --input: it applies to runs over files".into())),
        None => Ok(()),
    }
}

pub(super) fn config(typed: &Typed, notes: &mut Vec<String>) -> Result<FilesConfig, SettingsError> {
    let late = typed.text("late").filter(|text| !matches!(*text, "pass" | "drop"));
    if late == Some("topic") {
        return Err(typed.wrong("late", "is topic, but a run with --input has none: name a file".into()));
    }
    let config = FilesConfig {
        input: typed.need("input", source)?,
        output: typed.get("output", sink)?,
        duplicates: typed.get("duplicates", sink)?,
        late: if late.is_some() { typed.get("late", sink)? } else { None },
        dead_letter: typed.get("dead-letter", sink)?,
        report: typed.get("report", sink)?,
        resume: typed.need("resume", units::switch)?,
        existing: existing(typed)?,
        line_bytes_max: typed.need("input-line-bytes-max", line_bytes_max)?,
        expansion_max: typed.need("input-expansion-max", expansion_max)?,
    };
    check_apart(typed, &config)?;
    if config.output.is_none() {
        notes.push("no --output: unique events are counted and not written".into());
    }
    Ok(config)
}

fn existing(typed: &Typed) -> Result<Existing, SettingsError> {
    let (overwrite, append) = (typed.need("overwrite", units::switch)?, typed.need("append", units::switch)?);
    match (overwrite, append) {
        (true, true) => Err(typed.wrong("overwrite", "conflicts with --append: leave one of them out".into())),
        (true, false) => Ok(Existing::Replaced),
        (false, true) => Ok(Existing::Kept),
        (false, false) => Ok(Existing::Refused),
    }
}

fn line_bytes_max(text: &str) -> Result<usize, String> {
    match usize::try_from(units::bytes(text)?) {
        Ok(0) | Err(_) => Err(format!("`{text}` is not a line length")),
        Ok(bytes) => Ok(bytes),
    }
}

fn expansion_max(text: &str) -> Result<Option<u64>, String> {
    match text {
        "off" => Ok(None),
        _ => units::count(text).map(|times| Some(times as u64)),
    }
}

/// No file is written twice, nor while it is read, whatever it is called.
fn check_apart(typed: &Typed, config: &FilesConfig) -> Result<(), SettingsError> {
    let outputs = [
        ("output", config.output.as_ref()),
        ("duplicates", config.duplicates.as_ref()),
        ("late", config.late.as_ref()),
        ("dead-letter", config.dead_letter.as_ref()),
        ("report", config.report.as_ref()),
    ];
    let plugins: Vec<Stream> = typed.all("plugin").iter().map(|file| Stream::File(PathBuf::from(file))).collect();
    let inputs = plugins.iter().map(|file| ("plugin", file)).chain([("input", &config.input)]);
    let outputs = outputs.into_iter().filter_map(|(flag, stream)| Some((flag, stream?)));
    let named = |flag, stream: &Stream, writes| Named { flag, stream: stream.clone(), writes };
    let files: Vec<Named> = inputs
        .map(|(flag, stream)| named(flag, stream, false))
        .chain(outputs.map(|(flag, stream)| named(flag, stream, true)))
        .collect();
    match shared(&files) {
        Some((flag, other)) => Err(typed.wrong(flag, format!("is the same as --{other}: give each its own file"))),
        None => Ok(()),
    }
}

/// A file to be read.
pub(super) fn source(text: &str) -> Result<Stream, String> {
    stream(text, "/dev/stdin")
}

/// A file to be written.
pub(super) fn sink(text: &str) -> Result<Stream, String> {
    stream(text, "/dev/stdout")
}

fn stream(text: &str, device: &str) -> Result<Stream, String> {
    match text {
        "-" => Ok(Stream::Standard),
        _ if text == device => Ok(Stream::Standard),
        _ => path(text).map(Stream::File),
    }
}
