//! Settings of a run over files: newline-delimited JSON in, newline-delimited JSON out. Not the reading and writing.

use std::path::{Path, PathBuf};

use super::SettingsError;
use super::config::path;
use super::table::{Group, SETTINGS, Setting};
use super::typed::Typed;
use super::units;

/// A file, or a standard stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// `-`: standard input or standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

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
            let reason = "has no meaning together with --input: a run reads files or Kafka, so leave one of them out";
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
    let resume = typed.need("resume", units::switch)?.then_some("resume");
    match resume.or(typed.text("report").map(|_| "report")) {
        Some(flag) => Err(typed.wrong(flag, "needs --input: it is about runs over files".into())),
        None => Ok(()),
    }
}

pub(super) fn config(typed: &Typed, notes: &mut Vec<String>) -> Result<FilesConfig, SettingsError> {
    let late = typed.text("late").filter(|text| !matches!(*text, "pass" | "drop"));
    if late == Some("topic") {
        return Err(typed.wrong("late", "is topic, and a run with --input has none: name a file".into()));
    }
    let config = FilesConfig {
        input: typed.need("input", stream)?,
        output: typed.get("output", stream)?,
        duplicates: typed.get("duplicates", stream)?,
        late: if late.is_some() { typed.get("late", stream)? } else { None },
        dead_letter: typed.get("dead-letter", stream)?,
        report: typed.get("report", stream)?,
        resume: typed.need("resume", units::switch)?,
    };
    check_distinct(typed, &config)?;
    if config.output.is_none() {
        notes.push("no --output: unique events are counted and not written".into());
    }
    Ok(config)
}

/// No file is written twice, nor while it is read.
fn check_distinct(typed: &Typed, config: &FilesConfig) -> Result<(), SettingsError> {
    let outputs = [
        ("output", &config.output),
        ("duplicates", &config.duplicates),
        ("late", &config.late),
        ("dead-letter", &config.dead_letter),
        ("report", &config.report),
    ];
    let mut seen = match &config.input {
        Stream::Standard => Vec::new(),
        Stream::File(file) => vec![("input", Stream::File(real(file)))],
    };
    for (flag, stream) in outputs.into_iter().filter_map(|(flag, stream)| Some((flag, stream.as_ref()?))) {
        let stream = match stream {
            Stream::File(file) if file == Path::new("/dev/null") => continue,
            Stream::File(file) => Stream::File(real(file)),
            Stream::Standard => Stream::Standard,
        };
        if let Some((other, _)) = seen.iter().find(|(_, before)| *before == stream) {
            return Err(typed.wrong(flag, format!("is the same as --{other}: give each its own file")));
        }
        seen.push((flag, stream));
    }
    Ok(())
}

/// The path without links where it exists, else its directory without links.
fn real(file: &Path) -> PathBuf {
    let of_directory = || {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(directory.canonicalize().ok()?.join(file.file_name()?))
    };
    file.canonicalize().ok().or_else(of_directory).unwrap_or_else(|| file.to_owned())
}

pub(super) fn stream(text: &str) -> Result<Stream, String> {
    match text {
        "-" => Ok(Stream::Standard),
        _ => path(text).map(Stream::File),
    }
}
