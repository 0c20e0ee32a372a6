//! A run over files: the same line and the same driver, over an input with one partition, and outputs that are cut back to
//! the last commit when an interrupted run goes on. This joins them together. No Kafka.

mod begin;
mod totals;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::{ByLane, Lane};
use drive::{
    Around, Commits, Ending, Failures, InFlightLimits, OnIncompleteProgress, OnPartitionsAdded, OnStuck, OnUnreadable,
    OpenFailure, Partitions, Pauses, Policies, Setup, States, Stop, Wanted,
};
use engine::fingerprint::Seed;
use engine::progress::Progress;
use engine::protocol::start::OnLogGap;
use engine::record::TopicPartition;
use file_connector::{
    Book, CommittingLanes, Existing, FileError, FileInput, FileInquiry, FileLanes, FileProgress, FileSink, InputSetup,
    OutputOptions, ProgressFile, SourceLimits, check_output,
};
use private_files::PrivateDir;
use reporting::{Observed, closing};
use state::PartitionStore;

use self::begin::{Begin, begin, belonging, lane_paths};
use self::totals::{Adding, Totals};
use super::error::RunError;
use super::parts::Parts;
use crate::exit::ExitCode;
use crate::settings::files::{FilesConfig, Stream};

/// Topic name under which the state of file runs is kept; no Kafka topic can have it.
const STREAM: &str = "(files)";

/// Beside the state of its partition: how far the last run is.
const PROGRESS: &str = "progress";

/// It lists records that left undecided, as far as there is room.
const PROGRESS_BYTES_MAX: u64 = 16 << 20;

/// An interrupted run does at most this much again.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// A run that was killed reads at most this much again into its state.
const PERSIST_INTERVAL: Duration = Duration::from_secs(30);

/// How long to wait for input before looking whether to stop or to commit.
const WAIT: Duration = Duration::from_millis(50);

/// What is read and not yet decided: two batches, so that they stay in the cache.
const IN_FLIGHT: InFlightLimits = InFlightLimits { records: 2_048, records_per_partition: 2_048, bytes: 64 << 20 };

/// Nobody waits for the partition: what is decided is committed, however long that takes.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Characters of a progress record. Nobody refuses long ones; and as nothing can be read back, there is room for the
/// exceptions of many batches before the state has to be written.
const TEXT_CHARS_MAX: usize = 1 << 20;

/// A report has some 600 bytes.
const REPORT_BYTES_MAX: u64 = 64 << 10;

/// `mode` is that of new outputs.
pub(super) fn run(
    files: &FilesConfig,
    parts: Parts,
    observed: &Observed,
    mode: u32,
    stop: &Stop,
) -> Result<ExitCode, RunError> {
    let directory = parts.store.below(STREAM)?;
    let path = directory.path().join(PROGRESS);
    let stored = read_progress(&directory)?;
    let source = TopicPartition { topic: STREAM.to_owned(), partition: 0 };
    let store = parts.open_store(&source, stored.as_ref().and_then(seed))?;
    let applied = store.applied().map(|applied| applied.next_offset);
    let options = OutputOptions { existing: files.existing, mode: Some(mode) };
    let (mut progress, existing) = match begin(belonging(stored, applied, &path)?, files)? {
        Begin::Complete(progress) => {
            let input = plain_text::line(&progress.input);
            terminal::note(&format!("nothing to resume: the run over {input} is complete"));
            return finish(files, &progress, OutputOptions { existing: report_of_before(files), ..options });
        }
        Begin::Resumed(progress) => (progress, check_outputs(files.report.iter(), report_of_before(files))?),
        Begin::Fresh(progress) => (progress, check_outputs(files.outputs(), files.existing)?),
    };
    let book = Book::default();
    let input = InputSetup {
        path: files.input.path().to_owned(),
        limits: limits(files),
        progress: progress.clone(),
        book: book.clone(),
    };
    let mut input = FileInput::open(input, applied.unwrap_or(progress.base)).map_err(RunError::Input)?;
    if !wait_open(&mut input, observed, stop)? {
        return Ok(interrupted(&progress));
    }
    let lanes = open_lanes(files, &mut progress, options).map_err(RunError::Output)?;
    let kept = ProgressFile::begin(path, progress, move |bytes| directory.replace(PROGRESS, bytes));
    let kept = kept.map_err(RunError::Output)?;
    let adding = Arc::new(Adding::from(kept.clone(), input.so_far()));
    let around = Around {
        inquiry: Arc::new(FileInquiry::new(kept.clone())),
        states: Arc::new(OpenedBefore(Mutex::new(Some(store)))),
        // Whoever keeps the input can make the state again.
        copies: Arc::new(()),
        report: Arc::new(observed.heard_by(Arc::clone(&adding) as _)),
    };
    let sink = CommittingLanes::new(lanes, kept.clone(), book.clone());
    let ending = drive::run(setup(&parts), around, &Failures::new(stop.clone()), |assignments| {
        Ok((input.assigned_to(assignments), vec![sink]))
    });
    adding.end();
    match ending? {
        Ending::Stopped => Ok(interrupted(&kept.get())),
        Ending::Over => {
            let progress = kept.finish(&book).map_err(RunError::Output)?;
            finish(files, &progress, OutputOptions { existing, ..options })
        }
    }
}

/// A pipe may take its time to say what it is. `false`: a stop came first.
fn wait_open(input: &mut FileInput, observed: &Observed, stop: &Stop) -> Result<bool, RunError> {
    while !input.wait_open(WAIT).map_err(RunError::Input)? {
        observed.status.beat();
        if stop.is_requested() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is kept of the last run; `None`: there was none.
fn read_progress(directory: &PrivateDir) -> Result<Option<FileProgress>, RunError> {
    let path = directory.path().join(PROGRESS);
    let bytes = directory.read(PROGRESS, PROGRESS_BYTES_MAX).map_err(|error| {
        RunError::Kept(format!("cannot read {}: {error}; make --store-path readable", path.display()))
    })?;
    bytes.map(|bytes| ProgressFile::read(&path, &bytes).map_err(RunError::Output)).transpose()
}

/// What the keys of the state are hashed with, where a commit has said so.
fn seed(progress: &FileProgress) -> Option<Seed> {
    Progress::read(&progress.metadata, progress.next_offset()).ok().flatten()?.seed()
}

fn setup(parts: &Parts) -> Setup {
    Setup {
        topic: STREAM.to_owned(),
        input: Arc::new(Partitions(1)),
        plugins: Arc::clone(&parts.plugins),
        rules: Arc::clone(&parts.rules),
        workers: 1,
        poll_wait: WAIT,
        in_flight: IN_FLIGHT,
        commits: Commits {
            interval: COMMIT_INTERVAL,
            records_max: usize::MAX,
            // A file that was not written once is not written again.
            failures_max: 1,
            text_chars_max: TEXT_CHARS_MAX,
        },
        persist_interval: PERSIST_INTERVAL,
        release_timeout: RELEASE_TIMEOUT,
        policies: Policies {
            on_stuck: OnStuck::End,
            on_unreadable: OnUnreadable::Stop,
            on_log_gap: OnLogGap::Stop,
            on_incomplete_progress: OnIncompleteProgress::Stop,
            on_partitions_added: OnPartitionsAdded::Pass,
        },
        pauses: Pauses::default(),
    }
}

/// The state that was opened before the input was, which is read from where the state ends.
struct OpenedBefore(Mutex<Option<PartitionStore>>);

impl States for OpenedBefore {
    type State = PartitionStore;

    fn open(&self, _wanted: &Wanted<'_>) -> Result<PartitionStore, OpenFailure> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        store.ok_or_else(|| OpenFailure::Other("the state of a run over files is opened once: this is a bug".into()))
    }
}

/// What is taken of the input. Without a place for dead letters there is none to note a line that is too long.
fn limits(files: &FilesConfig) -> SourceLimits {
    SourceLimits {
        line_bytes_max: files.line_bytes_max,
        notes_long_lines: files.lanes[Lane::DeadLetter].is_some(),
        expansion_max: files.expansion_max,
    }
}

/// All of them before the first is touched.
fn check_outputs<'a>(outputs: impl Iterator<Item = &'a Stream>, existing: Existing) -> Result<Existing, RunError> {
    let mut outputs = outputs;
    outputs.try_for_each(|stream| check_output(stream.path(), existing)).map_err(RunError::Output)?;
    Ok(existing)
}

/// A run that is resumed may replace the report of its own first end, and nothing else.
fn report_of_before(files: &FilesConfig) -> Existing {
    let path = files.report.as_ref().map(Stream::path);
    let is_small = |path: &&Path| path.metadata().is_ok_and(|found| found.is_file() && found.len() <= REPORT_BYTES_MAX);
    let text = path.filter(is_small).and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
    let is_report = parsed.is_some_and(|parsed| parsed.get("events_per_second").is_some());
    if is_report { Existing::Replaced } else { files.existing }
}

/// The outputs that are asked for, each as long as it was at the last commit; the progress says which they are, and how long.
fn open_lanes(
    files: &FilesConfig,
    progress: &mut FileProgress,
    options: OutputOptions,
) -> Result<FileLanes, FileError> {
    let is_begun = progress.position.records > 0;
    let paths = lane_paths(files);
    let open = |lane: Lane| match (&paths[lane], &progress.outputs[lane]) {
        (None, _) => Ok((lane, None)),
        // Where nothing is committed, there is nothing that a pipe would have to be cut back to.
        (Some(path), Some((_, bytes))) if is_begun || path.metadata().is_ok_and(|found| found.is_file()) => {
            Ok((lane, Some(FileSink::resume(path, *bytes, options)?)))
        }
        (Some(path), _) => Ok((lane, Some(FileSink::create(path, options)?))),
    };
    let mut lanes = FileLanes::new(Lane::ALL.into_iter().map(open).collect::<Result<_, FileError>>()?);
    let lengths = lanes.commit()?;
    progress.outputs = ByLane::new(|lane| Some((paths[lane].as_ref()?.display().to_string(), lengths[lane]?)));
    Ok(lanes)
}

fn interrupted(progress: &FileProgress) -> ExitCode {
    terminal::note(&format!(
        "interrupted after {} events of {}; everything up to there is committed; continue with --resume",
        progress.position.records,
        plain_text::line(&progress.input)
    ));
    ExitCode::Interrupted
}

fn finish(files: &FilesConfig, progress: &FileProgress, options: OutputOptions) -> Result<ExitCode, RunError> {
    let (Totals { tally, seconds }, blank_lines) = (Totals::of(&progress.totals), progress.position.blank_lines);
    terminal::note(&closing::words(&tally, blank_lines, seconds));
    if tally.imbalance() != 0 {
        return Err(RunError::Other(format!("the balance is off by {}: this is a bug", tally.imbalance())));
    }
    let Some(target) = &files.report else { return Ok(ExitCode::Ok) };
    let text = closing::json(&tally, blank_lines, seconds);
    let mut sink = FileSink::create(target.path(), options).map_err(RunError::Output)?;
    sink.write_line(text.trim_end().as_bytes()).and_then(|()| sink.commit()).map_err(RunError::Output)?;
    Ok(ExitCode::Ok)
}
