//! Settings of a run over files: newline-delimited JSON in, newline-delimited JSON out. Not the reading and writing.

use connectors::{ByLane, Lane};
use file_connector::Existing;
use file_connector::{Named, shared};
use setting::{Group, Row, Runs, Setting, SettingsError, Typed, one, rows, switch, units};

use super::components::PLUGIN;
use super::window::{LATE, Late};

pub use super::stream::Stream;
pub(super) use super::stream::{sink, source};

/// A run over files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// Records, one JSON value a line.
    pub input: Stream,
    /// What is written; without an output the run only counts.
    pub lanes: ByLane<Option<Stream>>,
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
        self.lanes.iter().chain([&self.report]).flatten()
    }
}

const GROUP: Group = Group { title: "Files instead of Kafka", runs: Runs::Files, also: &[] };

rows!(pub(super),
    static INPUT: Setting<Stream> =
        one(GROUP, "input", "FILE|-", source, "Newline-delimited JSON to read; `-` is standard input")
            .env(&["INPUT_FILE"]);
    static OUTPUT: Setting<Stream> =
        one(GROUP, "output", "FILE|-", sink, "Unique events; without it, the run only counts").env(&["OUTPUT_FILE"]);
    static DUPLICATES: Setting<Stream> =
        one(GROUP, "duplicates", "FILE|-", sink, "Explained duplicates").env(&["DUPLICATES_FILE"]);
    static DEAD_LETTER: Setting<Stream> =
        one(GROUP, "dead-letter", "FILE|-", sink, "Records that cannot be decoded or decided")
            .env(&["DEAD_LETTER_FILE"]);
    static REPORT: Setting<Stream> =
        one(GROUP, "report", "FILE|-", sink, "A summary of the run as JSON").env(&["REPORT_FILE"]);
    static RESUME: Setting<bool> = switch(GROUP, "resume", "Continue an interrupted run from what it had committed");
    static OVERWRITE: Setting<bool> = switch(
        GROUP,
        "overwrite",
        "Replace existing outputs\n\nWithout this, --append or --resume, an output that exists and is not empty is \
         refused before anything is touched.",
    )
    .env(&["OUTPUT_OVERWRITE"]);
    static APPEND: Setting<bool> = switch(GROUP, "append", "Append to existing outputs").env(&["OUTPUT_APPEND"]);
    static INPUT_LINE_BYTES_MAX: Setting<usize> = one(
        GROUP,
        "input-line-bytes-max",
        "BYTES",
        line_bytes_max,
        "Maximum length of a line, in bytes or with a unit\n\nA longer line becomes a dead letter that says where it \
         is, without its bytes; without --dead-letter, it ends the run.",
    )
    .or("256MiB");
    static INPUT_EXPANSION_MAX: Setting<Option<u64>> = one(
        GROUP,
        "input-expansion-max",
        "N|off",
        expansion_max,
        "How many times its size compressed input may expand to\n\nBeyond this, the run ends: a few kilobytes that \
         become gigabytes are an attack or a mistake. The first 8 MiB are exempt. Events rarely compress to less \
         than a fiftieth; the same line over and over again does.",
    )
    .or("200");
);

/// The setting that names the file of a lane.
pub(super) fn row_of(lane: Lane) -> &'static Row {
    match lane {
        Lane::Output => &OUTPUT,
        Lane::Duplicates => &DUPLICATES,
        Lane::Late => &LATE,
        Lane::DeadLetter => &DEAD_LETTER,
    }
}

/// The file of a lane.
fn file_of(typed: &Typed, lane: Lane) -> Result<Option<Stream>, SettingsError> {
    match lane {
        Lane::Output => typed.get(&OUTPUT),
        Lane::Duplicates => typed.get(&DUPLICATES),
        Lane::Late => late(typed),
        Lane::DeadLetter => typed.get(&DEAD_LETTER),
    }
}

fn late(typed: &Typed) -> Result<Option<Stream>, SettingsError> {
    match typed.need(&LATE)? {
        Late::Pass | Late::Drop => Ok(None),
        Late::Topic => Err(typed.wrong(&LATE, "is topic, but a run with --input has none: name a file")),
        Late::File(name) => sink(&name).map(Some).map_err(|reason| typed.wrong(&LATE, reason)),
    }
}

/// What the user said of files.
pub(super) fn config(typed: &Typed, notes: &mut Vec<String>) -> Result<FilesConfig, SettingsError> {
    let lanes = Lane::ALL.into_iter().map(|lane| Ok((lane, file_of(typed, lane)?)));
    let lanes = lanes.collect::<Result<ByLane<_>, SettingsError>>()?;
    let config = FilesConfig {
        input: typed.need(&INPUT)?,
        lanes,
        report: typed.get(&REPORT)?,
        resume: typed.need(&RESUME)?,
        existing: existing(typed)?,
        line_bytes_max: typed.need(&INPUT_LINE_BYTES_MAX)?,
        expansion_max: typed.need(&INPUT_EXPANSION_MAX)?,
    };
    check_apart(typed, &config)?;
    if config.lanes[Lane::Output].is_none() {
        notes.push("no --output: unique events are counted and not written".into());
    }
    Ok(config)
}

fn existing(typed: &Typed) -> Result<Existing, SettingsError> {
    match (typed.need(&OVERWRITE)?, typed.need(&APPEND)?) {
        (true, true) => Err(typed.wrong(&OVERWRITE, "conflicts with --append: leave one of them out")),
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
    let report: (&'static Row, _) = (&REPORT, &config.report);
    let outputs = Lane::ALL.into_iter().map(|lane| (row_of(lane), &config.lanes[lane])).chain([report]);
    let read = |flag: &'static Row, stream| Named { flag, stream, writes: false };
    let plugins = typed.all(&PLUGIN)?.into_iter().map(|file| read(&PLUGIN, Stream::File(file)));
    let inputs = plugins.chain([read(&INPUT, config.input.clone())]);
    let written = outputs.filter_map(|(flag, stream)| Some(Named { flag, stream: stream.clone()?, writes: true }));
    let files: Vec<Named<&Row>> = inputs.chain(written).collect();
    match shared(&files) {
        Some((flag, other)) => {
            Err(typed.wrong(flag, format!("is the same as --{}: give each its own file", other.flag)))
        }
        None => Ok(()),
    }
}
