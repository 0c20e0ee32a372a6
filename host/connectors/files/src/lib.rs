//! Newline-delimited files, plain, gzip or zstd, as a source and as sinks, with positions to resume at. Not Kafka, and
//! not JSON: a line is bytes, and is forwarded exactly. Files of other formats are refused by name.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod error;
mod gzip;
mod lanes;
mod limits;
mod output;
mod paths;
mod refused;
mod sink;
mod source;
mod stream;
#[cfg(test)]
mod tests;

pub use error::FileError;
pub use lanes::FileLanes;
pub use limits::{BatchLimits, EXPANSION_FREE_BYTES, FilePosition, LINE_BYTES_MAX, SourceLimits};
pub use output::{Existing, OutputOptions, check_output, open_output};
pub use paths::STANDARD_STREAM;
pub use sink::FileSink;
pub use source::FileSource;
pub use stream::Stream;
