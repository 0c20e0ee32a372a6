//! What can go wrong with a file, each with its way out. Not what an input looks like: see `refused`.

use std::io::{self, ErrorKind};
use std::path::Path;

use connectors::{Remedy, SinkFailure};
use engine::looks::Looks;

use crate::paths::{STANDARD_STREAM, shown};

/// Why a file could not be read or written. Every message names the file, the cause and the way out.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Whoever read our output has gone, as `head` does; often no error at all to the user.
    #[error("{}: the reader has closed it; nothing more can be written", if .path == STANDARD_STREAM { "standard output" } else { .path })]
    Closed {
        /// The output.
        path: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}{}", way_out(.source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A directory where a file is needed.
    #[error("{path} is a directory; name a file in it")]
    Directory {
        /// The directory.
        path: String,
    },
    /// The compressed input ends in the middle of a member or frame.
    #[error(
        "{path}: the {format} data ends too early, after {compressed_bytes} compressed bytes ({bytes} decompressed); \
         copy or download the file again, or wait until it is written completely"
    )]
    TruncatedArchive {
        /// The file.
        path: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Compressed bytes there are.
        compressed_bytes: u64,
        /// Bytes decompressed from them.
        bytes: u64,
    },
    /// The compressed input is damaged.
    #[error(
        "{path}: the {format} data is corrupt near compressed byte {compressed_bytes} (after {bytes} decompressed): \
         {cause}; copy or download the file again"
    )]
    CorruptArchive {
        /// The file.
        path: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Compressed bytes read when it was noticed; the damage lies at or shortly before it.
        compressed_bytes: u64,
        /// Bytes decompressed before it was noticed.
        bytes: u64,
        /// What the decoder said.
        cause: String,
    },
    /// Behind the gzip data stands something else. All that came before it has been read.
    #[error(
        "{path}: the gzip data ({bytes} decompressed) is followed, from compressed byte {compressed_bytes} on, by \
         something that is neither gzip data nor zeros; all events before it were read: if none are missing, drop \
         the rest with gzip -dc {path} | dedup-host --input -, otherwise copy or download the file again"
    )]
    TrailingGarbage {
        /// The file.
        path: String,
        /// Compressed bytes before it.
        compressed_bytes: u64,
        /// Bytes decompressed before it.
        bytes: u64,
    },
    /// The input is no text of lines: see [`engine::looks`].
    #[error("{path}: {}it looks like {looks}, not like lines of JSON (plain, gzip or zstd); {way_out}", inside(.within))]
    NotLines {
        /// The file.
        path: String,
        /// What it looks like.
        looks: Looks,
        /// `gzip` or `zstd`, where it is compressed so.
        within: Option<&'static str>,
        /// What to do, with the commands.
        way_out: String,
    },
    /// A line passes the limit.
    #[error(
        "{path}: line {line}, which starts at byte {start}, has more than the {line_bytes_max} bytes allowed in a \
         line; check that records end in a newline; in a run, raise --input-line-bytes-max, or give --dead-letter \
         FILE, which notes such a line without its bytes while the run continues"
    )]
    LineTooLong {
        /// The file.
        path: String,
        /// Number of the line, from 1.
        line: u64,
        /// Byte of the decompressed stream at which it starts.
        start: u64,
        /// The limit it passes.
        line_bytes_max: usize,
    },
    /// Few compressed bytes have become too many.
    #[error(
        "{path}: {compressed_bytes} bytes of {format} expanded to {bytes}, more than {expansion_max} times their \
         size; if that is expected, as with one line repeated over and over, raise --input-expansion-max or switch \
         it off, and continue with --resume"
    )]
    Expansion {
        /// The file.
        path: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Compressed bytes read.
        compressed_bytes: u64,
        /// Bytes decompressed from them.
        bytes: u64,
        /// The limit that is passed.
        expansion_max: u64,
    },
    /// The input is shorter than what was read of it before.
    #[error(
        "{path}: cannot resume at byte {bytes}: the input has only {length} bytes, so it was cut or replaced; give \
         the input that was read before, or start over with empty state"
    )]
    ResumeBeyondEnd {
        /// The file.
        path: String,
        /// The position asked for.
        bytes: u64,
        /// Decompressed bytes there are.
        length: u64,
    },
    /// The position lies in the middle of a line.
    #[error(
        "{path}: cannot resume at byte {bytes}: no line starts there, so the file has been changed; give the \
         original file, or start over with empty state"
    )]
    NotALineStart {
        /// The file.
        path: String,
        /// The position asked for.
        bytes: u64,
    },
    /// The input has fewer records than were read of it before.
    #[error(
        "{path}: cannot resume after {records} events: the input has only {found}, so it was cut or replaced; give \
         the input that was read before, or start over with empty state"
    )]
    ResumeBeyondRecords {
        /// The file.
        path: String,
        /// The events that are to be passed.
        records: u64,
        /// The events there are.
        found: u64,
    },
    /// The lines before a position are others than were read before.
    #[error(
        "{path}: cannot resume at byte {bytes}: the lines before it are not those that were read, so the file has been \
         changed; give the original file, or start over with empty state"
    )]
    Changed {
        /// The file.
        path: String,
        /// Where the run before stood.
        bytes: u64,
    },
    /// A pipe or standard input cannot be read a second time.
    #[error("{path}: the input is a stream, which cannot be read again; restart to resume from the last commit")]
    NotRereadable {
        /// The input.
        path: String,
    },
    /// How far a run is cannot be kept.
    #[error("cannot write {path}, which says how far the run is: {source}{}", way_out(.source))]
    NotKept {
        /// The file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is kept of an earlier run cannot be used.
    #[error(
        "{path}, which says how far a run over files is, cannot be used: {cause}; restore it, or start over with \
         another --store-path"
    )]
    NotProgress {
        /// The file.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The output is shorter than what was committed to it.
    #[error(
        "{path}: cannot resume: {committed_bytes} bytes were committed and the file has {length}, so it was cut or \
         replaced; restore it, or start over with empty state and a new output"
    )]
    ShorterThanCommitted {
        /// The file.
        path: String,
        /// Length at the last commit.
        committed_bytes: u64,
        /// Length now.
        length: u64,
    },
    /// Pipes and standard output cannot be cut back.
    #[error(
        "{path} cannot be resumed: a stream cannot be cut back to the last commit; write to a regular file, or start \
         over with empty state"
    )]
    NotResumable {
        /// The output.
        path: String,
    },
    /// The output holds something already.
    #[error(
        "{path}: the output already exists and holds {bytes} bytes; nothing was touched. to fix this: name another \
         file; or give --overwrite to replace it; or, in a run, --append to write after what it holds, or --resume \
         to continue an interrupted run"
    )]
    OutputExists {
        /// The output.
        path: String,
        /// Its length.
        bytes: u64,
    },
    /// Nothing can be written behind the end of a line that has none.
    #[error(
        "{path}: cannot append: its last line does not end in a newline, so the first new one would become part of \
         it; end the line, or name another file"
    )]
    NoNewlineAtEnd {
        /// The output.
        path: String,
    },
    /// Somebody else is writing it, or this run by another name.
    #[error("{path}: the output is being written by another run, or by this one under another name; name another file")]
    OutputInUse {
        /// The output.
        path: String,
    },
    /// An earlier write failed, and what reached the file since the last commit is unknown.
    #[error("{path}: an earlier write failed, so nothing more is written; restart to resume from the last commit")]
    Failed {
        /// The output.
        path: String,
    },
}

impl FileError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = shown(path);
        if source.kind() == ErrorKind::BrokenPipe {
            Self::Closed { path }
        } else if source.kind() == ErrorKind::IsADirectory {
            Self::Directory { path }
        } else {
            Self::Io { action, path, source }
        }
    }
}

fn inside(within: &Option<&'static str>) -> String {
    within.map(|format| format!("decompressed by {format}, ")).unwrap_or_default()
}

fn way_out(error: &io::Error) -> &'static str {
    const WAYS: [(ErrorKind, &str); 5] = [
        (ErrorKind::NotFound, "; check the path, and that its directory exists"),
        (ErrorKind::PermissionDenied, "; give this user the permission, or choose another path"),
        (ErrorKind::StorageFull, "; free space there or choose another disk, then restart to resume"),
        (ErrorKind::QuotaExceeded, "; raise the quota or choose another disk, then restart to resume"),
        (ErrorKind::ReadOnlyFilesystem, "; choose a path on a writable file system"),
    ];
    let known = WAYS.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or("; check the path and the disk under it", |(_, way)| way)
}

/// A file that could not be written once is not written again: how much reached it is unknown.
impl From<FileError> for SinkFailure {
    fn from(error: FileError) -> Self {
        Self::new(Remedy::None, error)
    }
}
