//! A newline-delimited file or standard output, written so that it can be cut back to the last commit. Not a format.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::error::FileError;
use crate::limits::BUFFER_BYTES;
use crate::output::{OutputOptions, line_ends_at, lock, open_output};
use crate::paths::{is_standard_stream, shown};

/// Writes records, one a line. Lines written since the last [`FileSink::commit`] may or may not survive a crash; a
/// sink that is dropped forgets them.
pub struct FileSink {
    path: PathBuf,
    output: Output,
    encoder: Encoder,
    lines: Vec<u8>,
    written_bytes: u64,
    is_terminal: bool,
    failed: bool,
}

impl FileSink {
    /// Opens `path` (`-` is standard output), see [`open_output`]. `.gz` and `.zst` are compressed.
    ///
    /// # Errors
    /// The file cannot be opened, or holds something that it is not to be written behind; or its directory cannot be made
    /// durable.
    #[expect(clippy::disallowed_methods, reason = "standard output takes records here, whose bytes nobody changes")]
    pub fn create(path: &Path, options: OutputOptions) -> Result<Self, FileError> {
        if is_standard_stream(path) {
            let stdout = io::stdout();
            let is_terminal = stdout.is_terminal();
            return Ok(Self { is_terminal, ..Self::over(path, Output::Stream(Box::new(stdout))) });
        }
        let create = |error| FileError::io("create", path, error);
        let mut file = open_output(path, options)?;
        let metadata = file.metadata().map_err(create)?;
        if !metadata.is_file() {
            let is_terminal = file.is_terminal();
            return Ok(Self { is_terminal, ..Self::over(path, Output::Stream(Box::new(file))) });
        }
        let written_bytes = metadata.len();
        if Encoder::of(path).is_plain() && !line_ends_at(&mut file, written_bytes).map_err(create)? {
            return Err(FileError::NoNewlineAtEnd { path: shown(path) });
        }
        sync_directory_of(path).map_err(create)?;
        Ok(Self { written_bytes, ..Self::over(path, Output::File(file)) })
    }

    /// Opens an output again and cuts it back to the length that the last commit returned. `options` are for one that
    /// was never made.
    ///
    /// # Errors
    /// The file is shorter than that, is another file, or is a stream, which cannot be cut back.
    pub fn resume(path: &Path, committed_bytes: u64, options: OutputOptions) -> Result<Self, FileError> {
        if is_standard_stream(path) {
            return Err(FileError::NotResumable { path: shown(path) });
        }
        // Before the first commit there may have been no time to create it.
        if committed_bytes == 0 && !path.exists() {
            return Self::create(path, options);
        }
        let resume = |error| FileError::io("resume", path, error);
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(resume)?;
        let metadata = file.metadata().map_err(resume)?;
        if !metadata.is_file() {
            return Err(FileError::NotResumable { path: shown(path) });
        }
        lock(&file, path)?;
        let length = metadata.len();
        if length < committed_bytes {
            return Err(FileError::ShorterThanCommitted { path: shown(path), committed_bytes, length });
        }
        if Encoder::of(path).is_plain() && !line_ends_at(&mut file, committed_bytes).map_err(resume)? {
            return Err(FileError::NotALineStart { path: shown(path), bytes: committed_bytes });
        }
        file.set_len(committed_bytes).map_err(resume)?;
        file.seek(SeekFrom::Start(committed_bytes)).map_err(resume)?;
        file.sync_all().map_err(resume)?;
        Ok(Self { written_bytes: committed_bytes, ..Self::over(path, Output::File(file)) })
    }

    pub(crate) fn over(path: &Path, output: Output) -> Self {
        Self {
            path: path.to_owned(),
            output,
            encoder: Encoder::of(path),
            lines: Vec::with_capacity(BUFFER_BYTES * 2),
            written_bytes: 0,
            is_terminal: false,
            failed: false,
        }
    }

    /// Whether it is a terminal, before which a person sits.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Appends `line` and a newline.
    ///
    /// # Errors
    /// The file cannot be written ([`FileError::Closed`] where the reader has gone); no later write succeeds then.
    pub fn write_line(&mut self, line: &[u8]) -> Result<(), FileError> {
        self.attempt(|sink| {
            if line.len() < BUFFER_BYTES {
                sink.lines.extend_from_slice(line);
            } else {
                sink.flush_lines()?;
                sink.write(line)?;
            }
            sink.lines.push(b'\n');
            if sink.lines.len() < BUFFER_BYTES { Ok(()) } else { sink.flush_lines() }
        })
    }

    /// Makes all lines durable and returns the length of the file, for [`FileSink::resume`]. Compressed outputs end a
    /// gzip member or zstd frame here, so that the file is valid at this length. Of a stream it is the bytes written.
    ///
    /// # Errors
    /// As of [`FileSink::write_line`].
    pub fn commit(&mut self) -> Result<u64, FileError> {
        self.attempt(|sink| {
            sink.flush_lines()?;
            // Nothing at all is no valid archive: an output without lines is one empty member or frame.
            if sink.written_bytes == 0 {
                sink.encoder.open()?;
            }
            let tail = sink.encoder.finish()?;
            sink.output.write_all(&tail)?;
            sink.written_bytes += tail.len() as u64;
            sink.output.sync()
        })?;
        Ok(self.written_bytes)
    }

    /// Forgets what was written since a commit that returned this length, and goes on behind it.
    ///
    /// # Errors
    /// An earlier write failed, the file cannot be cut, or it is a stream and something has left by it since.
    pub(crate) fn cut_back(&mut self, committed_bytes: u64) -> Result<(), FileError> {
        self.lines.clear();
        self.encoder = Encoder::of(&self.path);
        match &self.output {
            Output::Stream(_) if self.written_bytes != committed_bytes => {
                return Err(FileError::NotResumable { path: shown(&self.path) });
            }
            Output::Stream(_) | Output::File(_) => {}
        }
        self.attempt(|sink| {
            if let Output::File(file) = &mut sink.output {
                file.set_len(committed_bytes)?;
                file.seek(SeekFrom::Start(committed_bytes))?;
            }
            sink.written_bytes = committed_bytes;
            Ok(())
        })
    }

    fn flush_lines(&mut self) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        let result = self.write(&lines);
        lines.clear();
        self.lines = lines;
        result
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written_bytes += self.encoder.encode(bytes, &mut self.output)?;
        Ok(())
    }

    /// Fails for good after the first failure: what reached the file is unknown then.
    fn attempt(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), FileError> {
        if self.failed {
            return Err(FileError::Failed { path: shown(&self.path) });
        }
        write(self).map_err(|error| {
            self.failed = true;
            FileError::io("write", &self.path, error)
        })
    }
}

/// A new name is durable only when its directory is.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

pub(crate) enum Output {
    File(File),
    Stream(Box<dyn Write + Send>),
}

impl Output {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Stream(stream) => stream.write_all(bytes),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

/// The compressor of the member or frame that is open, if one is: it starts with the first bytes after a commit.
enum Encoder {
    Plain,
    Gzip(Option<GzEncoder<Vec<u8>>>),
    Zstd(Option<ZstdEncoder<'static, Vec<u8>>>),
}

impl Encoder {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip(None),
            Some("zst") => Self::Zstd(None),
            _ => Self::Plain,
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    fn open(&mut self) -> io::Result<()> {
        match self {
            Self::Plain => {}
            Self::Gzip(open) => {
                open.get_or_insert_with(|| GzEncoder::new(Vec::new(), Compression::default()));
            }
            Self::Zstd(open) => {
                if open.is_none() {
                    let mut encoder = ZstdEncoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
                    encoder.include_checksum(true)?;
                    *open = Some(encoder);
                }
            }
        }
        Ok(())
    }

    /// Writes `bytes`, compressed, to `output`, and returns how many bytes reached it.
    fn encode(&mut self, bytes: &[u8], output: &mut Output) -> io::Result<u64> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.open()?;
        let compressed = match self {
            Self::Gzip(Some(encoder)) => encoder.write_all(bytes).map(|()| encoder.get_mut())?,
            Self::Zstd(Some(encoder)) => encoder.write_all(bytes).map(|()| encoder.get_mut())?,
            Self::Plain | Self::Gzip(None) | Self::Zstd(None) => {
                output.write_all(bytes)?;
                return Ok(bytes.len() as u64);
            }
        };
        output.write_all(compressed)?;
        let length = compressed.len() as u64;
        compressed.clear();
        Ok(length)
    }

    /// Ends the open member or frame and returns its last bytes.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Gzip(open) => open.take().map_or(Ok(Vec::new()), GzEncoder::finish),
            Self::Zstd(open) => open.take().map_or(Ok(Vec::new()), ZstdEncoder::finish),
        }
    }
}
