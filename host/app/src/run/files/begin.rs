//! What is kept of the last run over files, and what it means for the one that is asked for. It touches no output.

use std::path::{Path, PathBuf};

use connectors::ByLane;
use engine::record::Offset;
use file_connector::{Existing, FileProgress, STANDARD_STREAM};

use crate::run::error::RunError;
use crate::settings::files::{FilesConfig, Stream};

/// How a run begins.
#[derive(Debug)]
pub(super) enum Begin {
    /// The run that was asked for is over already.
    Complete(FileProgress),
    /// From here, behind what its outputs held at that time.
    Resumed(FileProgress),
    /// From the start, with outputs of its own.
    Fresh(FileProgress),
}

/// What is kept of the last run, where it belongs to the state: a state that is new has nothing of inputs before.
///
/// # Errors
/// The state has events, and nothing says of which input.
pub(super) fn belonging(
    stored: Option<FileProgress>,
    applied: Option<Offset>,
    path: &Path,
) -> Result<Option<FileProgress>, RunError> {
    match (stored, applied) {
        (None, Some(applied)) if applied > 0 => Err(RunError::Kept(format!(
            "the state contains {applied} events, and {}, which says how far which run is, is gone: restore it, or start \
             over with another --store-path",
            path.display()
        ))),
        (stored, Some(_)) => Ok(stored),
        // It was killed before it wrote its state, which is made again from its input; or somebody has deleted the state.
        (stored, None) => Ok(stored.filter(|stored| stored.base == 0 && !stored.finished)),
    }
}

/// Decides what the stored progress means for the run that is asked for.
pub(super) fn begin(stored: Option<FileProgress>, files: &FilesConfig) -> Result<Begin, RunError> {
    let input = name_of(&files.input);
    let Some(stored) = stored else { return Ok(Begin::Fresh(FileProgress::starting(input, 0))) };
    let fresh = || Begin::Fresh(stored.followed_by(input.clone()));
    let wanted = lane_paths(files).map(|path| path.as_ref().map(|path| path.display().to_string()));
    let had = stored.outputs.map(|output| output.as_ref().map(|(path, _)| path.clone()));
    let is_same = stored.input == input && wanted == had;
    let events = stored.position.records;
    match (stored.finished, files.resume) {
        (true, true) if stored.input == input => Ok(Begin::Complete(stored)),
        (true, _) => Ok(fresh()),
        // Nothing of it is committed, so that starting over is as good as going on. The same input only: keys that were
        // written without their commit are harmless to the events they came from, and to no others.
        (false, _) if events == 0 && stored.input == input && files.input != Stream::Standard => {
            Ok(if is_same && files.existing != Existing::Replaced { Begin::Resumed(stored) } else { fresh() })
        }
        (false, false) => Err(RunError::Interrupted(format!(
            "the last run with this state, over {}, was interrupted after {events} events: continue with --resume, or \
             start over with another --store-path",
            stored.input
        ))),
        (false, true) if is_same => Ok(Begin::Resumed(stored)),
        (false, true) => Err(RunError::Interrupted(format!(
            "the interrupted run read {} and wrote {}: resume it with the same files, or start over with another \
             --store-path",
            stored.input,
            had.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Relative paths are made absolute, so that a run is known again from another directory.
fn name_of(stream: &Stream) -> String {
    absolute(stream.path()).display().to_string()
}

fn absolute(path: &Path) -> PathBuf {
    if path == Path::new(STANDARD_STREAM) {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The file of each lane.
pub(super) fn lane_paths(files: &FilesConfig) -> ByLane<Option<PathBuf>> {
    files.lanes.map(|stream| stream.as_ref().map(|stream| absolute(stream.path())))
}

#[cfg(test)]
mod tests {
    use connectors::Lane;

    use super::*;

    const HOME: &str = "/";

    fn files(input: &str, output: Option<&str>, resume: bool) -> FilesConfig {
        let stream = |name: &str| match name {
            "-" => Stream::Standard,
            name => Stream::File(Path::new(HOME).join(name)),
        };
        FilesConfig {
            input: stream(input),
            lanes: ByLane::from_iter([(Lane::Output, output.map(stream))]),
            report: None,
            resume,
            existing: Existing::Refused,
            line_bytes_max: 1,
            expansion_max: None,
        }
    }

    /// A run over `/in` to `/out` behind ten events of others, with so many events done.
    fn stored(records: u64, finished: bool) -> FileProgress {
        let mut progress = FileProgress::starting("/in".to_owned(), 10);
        progress.position.records = records;
        progress.outputs[Lane::Output] = Some(("/out".to_owned(), 7));
        (progress.finished, progress.metadata) = (finished, "text".to_owned());
        progress
    }

    /// The same over the first input of its state.
    fn first(finished: bool) -> FileProgress {
        let mut progress = stored(5, finished);
        progress.base = 0;
        progress
    }

    #[test]
    fn what_is_kept_belongs_to_its_state() {
        let path = Path::new("store/progress");
        let belongs = |stored: Option<FileProgress>, applied| belonging(stored, applied, path).unwrap();
        assert_eq!(belongs(None, None), None);
        assert_eq!(belongs(None, Some(0)), None);
        assert_eq!(belongs(Some(stored(5, true)), Some(15)), Some(stored(5, true)));
        assert_eq!(belongs(Some(first(false)), None), Some(first(false)), "killed before its state was written");
        assert_eq!(belongs(Some(first(true)), None), None, "the state was deleted");
        assert_eq!(belongs(Some(stored(5, false)), None), None, "and with it what was before the input");
        let gone = belonging(None, Some(3), path).unwrap_err().to_string();
        assert!(
            gone.contains("3 events") && gone.contains("store/progress") && gone.contains("--store-path"),
            "{gone}"
        );
    }

    #[track_caller]
    fn check(stored: Option<FileProgress>, files: &FilesConfig, expected: &str) {
        let found = match begin(stored, files) {
            Ok(Begin::Complete(_)) => "complete".to_owned(),
            Ok(Begin::Resumed(progress)) => format!("resumed at {}", progress.next_offset()),
            Ok(Begin::Fresh(progress)) => {
                assert_eq!((progress.position.records, progress.finished), (0, false));
                format!("fresh from {}", progress.base)
            }
            Err(refused) => refused.to_string(),
        };
        assert!(found.starts_with(expected), "{found:?}, not {expected:?}");
    }

    #[test]
    fn a_run_begins_by_what_the_last_one_left() {
        let (same, other) = (|resume| files("in", Some("out"), resume), |resume| files("other", Some("out"), resume));
        check(None, &same(false), "fresh from 0");
        check(None, &same(true), "fresh from 0");
        check(Some(stored(5, true)), &same(true), "complete");
        check(Some(stored(5, true)), &same(false), "fresh from 15");
        check(Some(stored(5, true)), &other(true), "fresh from 15");
        check(Some(stored(5, false)), &same(true), "resumed at 15");
        check(
            Some(stored(5, false)),
            &same(false),
            "the last run with this state, over /in, was interrupted after 5 events",
        );
        check(Some(stored(5, false)), &other(true), "the interrupted run read /in and wrote /out");
        check(Some(stored(5, false)), &files("in", None, true), "the interrupted run read");
        check(Some(stored(0, false)), &same(false), "resumed at 10");
        check(Some(stored(0, false)), &files("in", None, false), "fresh from 10");
        check(Some(stored(0, false)), &FilesConfig { existing: Existing::Replaced, ..same(false) }, "fresh from 10");
        check(Some(stored(0, false)), &other(false), "the last run with this state");
        let mut standard = stored(0, false);
        "-".clone_into(&mut standard.input);
        check(Some(standard), &files("-", Some("out"), false), "the last run with this state, over -");
        let Ok(Begin::Fresh(next)) = begin(Some(stored(5, true)), &other(false)) else { panic!("a fresh one") };
        assert_eq!((next.metadata.as_str(), next.outputs), ("text", ByLane::default()));
    }
}
