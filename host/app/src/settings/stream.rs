//! A file or a standard stream, as settings name it. Not whether two of them are the same: that is `places`.

use setting::units;

pub use file_connector::Stream;

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
        _ => units::path(text).map(Stream::File),
    }
}
