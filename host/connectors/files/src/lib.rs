//! Newline-delimited files, plain, gzip or zstd, as a source and as sinks, with positions to resume at. Not Kafka, and
//! not JSON: a line is bytes, and is forwarded exactly. Files of other formats are refused by name.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod book;
mod committing;
mod decompressed;
mod error;
mod gzip;
mod input;
mod inquiry;
mod lanes;
mod limits;
mod output;
mod paths;
mod places;
mod progress;
mod reader;
mod refused;
mod sink;
mod source;
mod stream;
#[cfg(test)]
mod tests;

pub use book::Book;
pub use committing::CommittingLanes;
pub use error::FileError;
pub use input::{FileInput, InputSetup};
pub use inquiry::FileInquiry;
pub use lanes::FileLanes;
pub use limits::{BatchLimits, EXPANSION_FREE_BYTES, FilePosition, LINE_BYTES_MAX, SourceLimits};
pub use output::{Existing, OutputOptions, check_output, open_output};
pub use paths::STANDARD_STREAM;
pub use places::{Named, shared};
pub use progress::{FileProgress, ProgressFile};
pub use reader::ReadSoFar;
pub use sink::FileSink;
pub use source::FileSource;
pub use stream::Stream;
