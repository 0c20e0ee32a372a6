//! A run over files: the same line, with positions and output lengths stored in the state, so that an interrupted run
//! can continue exactly from its last commit. No Kafka.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use drive::{InForce, PartitionReport, Stop};
use engine::protocol::Stage;
use engine::record::{Offset, TopicPartition};
use file_connector::{Existing, FileLanes, FilePosition, FileSink, OutputOptions, SourceLimits, check_output};
use indicatif::{ProgressBar, ProgressStyle};
use line::{Line, LineError, Tally};
use observe::status::Status;
use serde::{Deserialize, Serialize};
use state::PartitionStore;

use super::error::RunError;
use super::observer::{Observed, PartitionObserver};
use super::parts::Parts;
use super::read_ahead::{Read, ReadAhead, Step};
use super::report;
use crate::exit::ExitCode;
use crate::settings::files::{FilesConfig, Stream};

/// Topic name under which the state of file runs is kept; no Kafka topic can have it.
const STREAM: &str = "(files)";

/// An interrupted run does at most this much again.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait for input before looking whether to stop or to commit.
const WAIT: Duration = Duration::from_millis(50);

/// A report has some 600 bytes.
const REPORT_BYTES_MAX: u64 = 64 << 10;

/// Time after which the events that new plugins are tried with are replaced by others.
const REMEMBER_INTERVAL: Duration = Duration::from_secs(5);

/// How far a run over files has come; stored with the keys in one step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Progress {
    input: String,
    bytes: u64,
    records: u64,
    #[serde(default)]
    blank_lines: u64,
    /// Files by lane, and how long each was at the commit.
    outputs: [Option<(String, u64)>; 4],
    tally: Tally,
    seconds: f64,
    finished: bool,
}

/// `mode` is that of new outputs.
pub(super) fn run(
    files: &FilesConfig,
    parts: Parts,
    observed: &Observed,
    mode: u32,
    stop: &Stop,
) -> Result<ExitCode, RunError> {
    let source = TopicPartition { topic: STREAM.to_owned(), partition: 0 };
    let store = parts.open_store(&source, None)?;
    let listened = lane_paths(files).map(|path| path.is_some());
    let (generation, plugins) = parts.plugins.get();
    let mut observer = PartitionObserver::new(observed.clone(), source.clone(), (generation, &plugins), listened);
    let mut line = Line::new(source, parts.rules.clone(), &plugins, store)?;
    let (next_offset, stored) = match line.store().applied() {
        Some(applied) => (applied.next_offset, serde_json::from_slice(&applied.extra).ok()),
        None => (0, None),
    };
    let (mut progress, report) = match begin(stored, files)? {
        Begin::Complete(progress) => {
            terminal::note(&format!(
                "nothing to resume: the run over {} is complete",
                plain_text::line(&progress.input)
            ));
            return finish(files, &progress, OutputOptions { existing: report_of_before(files), mode: Some(mode) });
        }
        Begin::Resumed(progress) => {
            check_outputs(files.report.iter(), report_of_before(files))?;
            (progress, report_of_before(files))
        }
        Begin::Fresh(progress) => {
            check_outputs(files.outputs(), files.existing)?;
            (progress, files.existing)
        }
    };
    let options = OutputOptions { existing: files.existing, mode: Some(mode) };
    let Progress { bytes, records, blank_lines, .. } = progress;
    let position = FilePosition { bytes, records, blank_lines };
    let input = ReadAhead::start(path_of(&files.input), position, next_offset, limits(files));
    // A pipe may take its time to say what it is.
    while !input.is_open(WAIT)? {
        observed.status.beat();
        if stop.is_requested() {
            return Ok(interrupted(&progress));
        }
    }
    let lanes = open_lanes(files, &progress, options)?;
    for (output, path) in progress.outputs.iter_mut().zip(lane_paths(files)) {
        *output = path.map(|path| (path.display().to_string(), output.as_ref().map_or(0, |(_, bytes)| *bytes)));
    }
    observer.stage(Stage::Live, "");
    observed.status.assigned();
    let started = Instant::now();
    let plugins = Arc::clone(&parts.plugins);
    let bar = progress_bar();
    let mut run = Run {
        line,
        observer,
        plugins,
        generation,
        lanes,
        position,
        progress,
        next_offset,
        started,
        bar,
        remembered: None,
    };
    run.go(&input, &observed.status, stop)?;
    run.bar.finish_and_clear();
    if !run.progress.finished {
        return Ok(interrupted(&run.progress));
    }
    finish(files, &run.progress, OutputOptions { existing: report, ..options })
}

/// What is taken of the input. Without a place for dead letters there is none to note a line that is too long.
fn limits(files: &FilesConfig) -> SourceLimits {
    SourceLimits {
        line_bytes_max: files.line_bytes_max,
        notes_long_lines: files.dead_letter.is_some(),
        expansion_max: files.expansion_max,
    }
}

/// All of them before the first is touched.
fn check_outputs<'a>(outputs: impl Iterator<Item = &'a Stream>, existing: Existing) -> Result<(), RunError> {
    let mut outputs = outputs;
    outputs.try_for_each(|stream| check_output(path_of(stream), existing)).map_err(RunError::Output)
}

/// A run that is resumed may replace the report of its own first end, and nothing else.
fn report_of_before(files: &FilesConfig) -> Existing {
    let path = files.report.as_ref().map(path_of);
    let is_small = |path: &&Path| path.metadata().is_ok_and(|found| found.is_file() && found.len() <= REPORT_BYTES_MAX);
    let text = path.filter(is_small).and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
    let is_report = parsed.is_some_and(|parsed| parsed.get("events_per_second").is_some());
    if is_report { Existing::Replaced } else { files.existing }
}

fn interrupted(progress: &Progress) -> ExitCode {
    terminal::note(&format!(
        "interrupted after {} events of {}; everything up to there is committed; continue with --resume",
        progress.records,
        plain_text::line(&progress.input)
    ));
    ExitCode::Interrupted
}

enum Begin {
    /// The run that was asked for is over already.
    Complete(Progress),
    /// From here, behind what its outputs held at that time.
    Resumed(Progress),
    /// From the start, with outputs of its own.
    Fresh(Progress),
}

/// Decides what the stored progress means for the run that is asked for.
fn begin(stored: Option<Progress>, files: &FilesConfig) -> Result<Begin, RunError> {
    let input = name_of(&files.input);
    let fresh = || Begin::Fresh(Progress { input: input.clone(), ..Progress::default() });
    let Some(stored) = stored else { return Ok(fresh()) };
    let wanted = lane_paths(files).map(|path| path.map(|path| path.display().to_string()));
    let had = stored.outputs.clone().map(|output| output.map(|(path, _)| path));
    let is_same = stored.input == input && wanted == had;
    match (stored.finished, files.resume) {
        (true, true) if stored.input == input => Ok(Begin::Complete(stored)),
        (true, _) => Ok(fresh()),
        // Nothing of it is committed, so that starting over is as good as going on. The same input only: keys that were
        // written without their commit are harmless to the events they came from, and to no others.
        (false, _) if stored.records == 0 && stored.input == input && files.input != Stream::Standard => {
            Ok(if is_same && files.existing != Existing::Replaced { Begin::Resumed(stored) } else { fresh() })
        }
        (false, false) => Err(RunError::Interrupted(format!(
            "the last run with this state, over {}, was interrupted after {} events: continue with --resume, or \
             start over with another --store-path",
            stored.input, stored.records
        ))),
        (false, true) if is_same => Ok(Begin::Resumed(stored)),
        (false, true) => Err(RunError::Interrupted(format!(
            "the interrupted run read {} and wrote {}: resume it with the same files, or start over with another \
             --store-path",
            stored.input,
            had.into_iter().flatten().collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn path_of(stream: &Stream) -> &Path {
    match stream {
        Stream::Standard => Path::new(file_connector::STANDARD_STREAM),
        Stream::File(path) => path,
    }
}

/// Relative paths are made absolute, so that a run is known again from another directory.
fn name_of(stream: &Stream) -> String {
    absolute(path_of(stream)).display().to_string()
}

fn absolute(path: &Path) -> PathBuf {
    if path == Path::new(file_connector::STANDARD_STREAM) {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// In the order of `Lane::ALL`.
fn lane_paths(files: &FilesConfig) -> [Option<PathBuf>; 4] {
    [&files.output, &files.duplicates, &files.late, &files.dead_letter]
        .map(|stream| stream.as_ref().map(|stream| absolute(path_of(stream))))
}

fn open_lanes(files: &FilesConfig, progress: &Progress, options: OutputOptions) -> Result<FileLanes, RunError> {
    let mut opened = Vec::new();
    // Where nothing is committed, there is nothing that a pipe would have to be cut back to.
    let is_begun = |path: &Path| progress.records > 0 || path.metadata().is_ok_and(|found| found.is_file());
    for (path, committed) in lane_paths(files).into_iter().zip(&progress.outputs) {
        opened.push(match (path, committed.as_ref()) {
            (None, _) => None,
            (Some(path), Some(_)) if !is_begun(&path) => {
                Some(FileSink::create(&path, options).map_err(RunError::Output)?)
            }
            (Some(path), Some((_, bytes))) => Some(FileSink::resume(&path, *bytes, options).map_err(RunError::Output)?),
            (Some(path), None) => Some(FileSink::create(&path, options).map_err(RunError::Output)?),
        });
    }
    let mut opened = opened.into_iter();
    let mut next = || opened.next().flatten();
    Ok(FileLanes { output: next(), duplicates: next(), late: next(), dead_letter: next() })
}

struct Run {
    line: Line<PartitionStore>,
    observer: PartitionObserver,
    plugins: Arc<InForce>,
    /// Of the plugins that the line has, or could not take up.
    generation: u64,
    lanes: FileLanes,
    /// Where the records decided so far end.
    position: FilePosition,
    progress: Progress,
    next_offset: Offset,
    started: Instant,
    bar: ProgressBar,
    /// When events were last kept to try new plugins with.
    remembered: Option<Instant>,
}

impl Run {
    fn go(&mut self, input: &ReadAhead, status: &Status, stop: &Stop) -> Result<(), RunError> {
        let before = self.progress.seconds;
        // From here on a rerun knows that outputs were begun.
        self.commit(before)?;
        let mut committed = Instant::now();
        while !stop.is_requested() {
            status.beat();
            self.take_up_plugins(before)?;
            match input.next(WAIT) {
                Ok(Step::Records(read)) => self.process(read, input, before)?,
                Ok(Step::End(position)) => {
                    self.position = position;
                    self.progress.finished = true;
                    break;
                }
                Ok(Step::Failed(error)) => {
                    // All that could be read is decided: a run that is resumed goes on behind it.
                    self.commit(before)?;
                    return Err(RunError::Input(error));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(RunError::Other("the input thread died".to_owned()));
                }
            }
            let due = committed.elapsed() >= COMMIT_INTERVAL && self.position.records > self.progress.records;
            if due || self.line.store().should_persist() {
                self.commit(before)?;
                committed = Instant::now();
            }
        }
        self.commit(before)
    }

    fn process(&mut self, read: Read, input: &ReadAhead, seconds_before: f64) -> Result<(), RunError> {
        if let Err(error) = self.line.process(&read.records, 0, &mut self.lanes) {
            // Nothing of the batch has left, so that a run that is resumed goes on with it.
            if matches!(error, LineError::Breaker { .. }) {
                self.commit(seconds_before)?;
            }
            return Err(error.into());
        }
        self.observer.batch(&read.records);
        let (times, costs) = self.line.take_costs();
        self.observer.costs(&times, &costs);
        self.next_offset += i64::try_from(read.records.len()).unwrap_or(i64::MAX);
        self.position = read.position;
        self.show(read.progress);
        if self.remembered.is_none_or(|at| at.elapsed() >= REMEMBER_INTERVAL) {
            self.plugins.remember(&read.records);
            self.remembered = Some(Instant::now());
        }
        if let Some(records) = Arc::into_inner(read.records) {
            input.give_back(records);
        }
        while let Some(released) = self.line.store().take_released_batch() {
            input.give_back(released);
        }
        Ok(())
    }

    /// Between two batches, with all that was decided committed.
    fn take_up_plugins(&mut self, seconds_before: f64) -> Result<(), RunError> {
        let Some((generation, plugins)) = self.plugins.newer_than(self.generation) else { return Ok(()) };
        self.commit(seconds_before)?;
        self.generation = generation;
        match self.line.swap(&plugins) {
            Ok(()) => self.observer.decided_with(generation, &plugins),
            Err(error) => self.observer.kept_plugins(generation, &error),
        }
        Ok(())
    }

    /// Outputs first, then the state with the position and the lengths: a crash between the two cuts the outputs back.
    fn commit(&mut self, seconds_before: f64) -> Result<(), RunError> {
        let lengths = self.lanes.commit().map_err(RunError::Output)?;
        let progress = &mut self.progress;
        progress.bytes = self.position.bytes;
        progress.records = self.position.records;
        progress.blank_lines = self.position.blank_lines;
        progress.seconds = seconds_before + self.started.elapsed().as_secs_f64();
        progress.tally.add(self.line.tally());
        for (output, length) in progress.outputs.iter_mut().zip(lengths) {
            if let (Some((_, bytes)), Some(length)) = (output, length) {
                *bytes = length;
            }
        }
        let extra = serde_json::to_vec(&self.progress).map_err(|error| RunError::Other(error.to_string()))?;
        let (tally, findings) = self.line.commit(self.next_offset, extra);
        self.observer.committed(&tally, findings, self.next_offset);
        self.line.store().persist()?;
        self.observer.persisted(self.next_offset);
        self.observer.sizes(self.line.store());
        Ok(())
    }

    fn show(&self, progress: Option<(u64, u64)>) {
        if self.bar.is_hidden() {
            return;
        }
        if let Some((read, total)) = progress {
            self.bar.set_length(total);
            self.bar.set_position(read);
        }
        let (committed, fresh) = (&self.progress.tally, self.line.tally());
        let events = committed.consumed + fresh.consumed;
        self.bar.set_message(format!("{events} events, {} duplicates", committed.duplicate + fresh.duplicate));
    }
}

/// On a terminal only; elsewhere nothing is drawn.
fn progress_bar() -> ProgressBar {
    if !terminal::shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed} elapsed, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn finish(files: &FilesConfig, progress: &Progress, options: OutputOptions) -> Result<ExitCode, RunError> {
    terminal::note(&report::words(&progress.tally, progress.blank_lines, progress.seconds));
    if progress.tally.imbalance() != 0 {
        return Err(RunError::Other(format!("the balance is off by {}: this is a bug", progress.tally.imbalance())));
    }
    let Some(target) = &files.report else { return Ok(ExitCode::Ok) };
    let text = report::json(&progress.tally, progress.blank_lines, progress.seconds);
    let mut sink = FileSink::create(path_of(target), options).map_err(RunError::Output)?;
    sink.write_line(text.trim_end().as_bytes()).and_then(|()| sink.commit()).map_err(RunError::Output)?;
    Ok(ExitCode::Ok)
}
