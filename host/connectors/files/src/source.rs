//! A newline-delimited file, pipe or standard input, read into batches. Not a parser: lines are bytes.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use engine::looks::{HEAD_BYTES_MAX, Looks};
use engine::record::{NewRecord, Offset, RecordBatch};

use crate::decompressed::{Counted, Format, Input, RawInput, first_bytes, read_some};
use crate::error::FileError;
use crate::gzip;
use crate::limits::{BUFFER_BYTES, BatchLimits, EXPANSION_FREE_BYTES, FilePosition, LINE_BYTES_MAX, SourceLimits};
use crate::paths::{is_standard_stream, shown};
use crate::refused;

/// Records passed at a time.
const PASSED_RECORDS_MAX: usize = 1_024;

impl Default for SourceLimits {
    fn default() -> Self {
        Self { line_bytes_max: LINE_BYTES_MAX, notes_long_lines: false, expansion_max: None }
    }
}

/// Reads records, one a line, and knows where it stands.
///
/// From a pipe or standard input a batch ends where the next record is not at hand, rather than wait for it; from a
/// regular file batches are as full as their limits allow.
pub struct FileSource {
    path: PathBuf,
    input: Input,
    /// Length of a regular file; `None` for a stream.
    file_bytes: Option<u64>,
    buffer: Vec<u8>,
    /// `buffer[start..end]` is read and not yet taken; there is no newline in `buffer[start..scanned]`.
    start: usize,
    scanned: usize,
    end: usize,
    ended: bool,
    /// Bytes of the line at hand that were read and thrown away, as it is too long.
    passed_by: u64,
    position: FilePosition,
    /// Where an earlier run stood, while it is still ahead.
    known: Option<FilePosition>,
    limits: SourceLimits,
}

impl FileSource {
    /// Opens `path` (`-` is standard input) at `from`. Gzip and zstd are known by their first bytes, whatever the name.
    /// Plain files are sought in; compressed ones and streams are read up to the position. Of a stream the first line is
    /// waited for.
    ///
    /// # Errors
    /// The file cannot be opened or decompressed, its content is no lines of text, or `from` is not a place where a line
    /// of it starts.
    pub fn open(path: &Path, from: FilePosition, limits: SourceLimits) -> Result<Self, FileError> {
        if is_standard_stream(path) {
            return Self::of_stream(path, Box::new(io::stdin()), from, limits);
        }
        let open = |error| FileError::io("open", path, error);
        let file = File::open(path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if metadata.is_dir() {
            return Err(FileError::Directory { path: shown(path) });
        }
        if metadata.is_file() {
            return Self::of_file(path, file, metadata.len(), from, limits);
        }
        Self::of_stream(path, Box::new(file), from, limits)
    }

    fn of_file(
        path: &Path,
        mut file: File,
        file_bytes: u64,
        from: FilePosition,
        limits: SourceLimits,
    ) -> Result<Self, FileError> {
        let read = |error| FileError::io("read", path, error);
        let magic = first_bytes(&mut file).map_err(read)?;
        let format = Format::of(&magic, path);
        let plain = format == Format::Plain;
        if plain && from.bytes > file_bytes {
            return Err(FileError::ResumeBeyondEnd { path: shown(path), bytes: from.bytes, length: file_bytes });
        }
        // One byte before the position is read too, to see that a line ended there.
        let at = if plain { from.bytes.saturating_sub(1) } else { 0 };
        file.seek(SeekFrom::Start(at)).map_err(read)?;
        let raw = Counted { input: Box::new(file), bytes: at };
        let source = Self::over(path, Input::new(format, raw).map_err(read)?, Some(file_bytes), limits);
        if at == 0 { source.check_content()?.skip(at, from) } else { source.skip(at, from) }
    }

    pub(crate) fn of_stream(
        path: &Path,
        mut input: RawInput,
        from: FilePosition,
        limits: SourceLimits,
    ) -> Result<Self, FileError> {
        let read = |error| FileError::io("read", path, error);
        let magic = first_bytes(&mut input).map_err(read)?;
        let format = Format::of(&magic, path);
        let raw = Counted { input: Box::new(Cursor::new(magic).chain(input)), bytes: 0 };
        Self::over(path, Input::new(format, raw).map_err(read)?, None, limits).check_content()?.skip(0, from)
    }

    fn over(path: &Path, input: Input, file_bytes: Option<u64>, limits: SourceLimits) -> Self {
        Self {
            path: path.to_owned(),
            input,
            file_bytes,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            scanned: 0,
            end: 0,
            ended: false,
            passed_by: 0,
            position: FilePosition::default(),
            known: None,
            limits,
        }
    }

    /// An earlier run stood at `known`, which is read past as it is now: a file in which that is no place, or another, has
    /// been changed.
    ///
    /// # Errors
    /// The file is known to be shorter. That it is another is found when it is read.
    pub fn expecting(mut self, known: FilePosition) -> Result<Self, FileError> {
        if let (None, Some(length)) = (self.input.format(), self.file_bytes)
            && length < known.bytes
        {
            return Err(FileError::ResumeBeyondEnd { path: shown(&self.path), bytes: known.bytes, length });
        }
        self.known = (self.position.records < known.records).then_some(known);
        Ok(self)
    }

    /// Reads on to where `records` of the input are behind, and forgets them.
    ///
    /// # Errors
    /// As of [`FileSource::read_batch`]; or there are not as many.
    pub fn pass(&mut self, records: u64) -> Result<(), FileError> {
        let mut batch = RecordBatch::new();
        while self.position.records < records {
            let left = usize::try_from(records - self.position.records).unwrap_or(usize::MAX);
            batch.clear();
            let limits = BatchLimits { records_max: left.min(PASSED_RECORDS_MAX), bytes_max: BUFFER_BYTES };
            if self.read_batch(0, &mut batch, limits)? == 0 {
                let (path, found) = (shown(&self.path), self.position.records);
                return Err(FileError::ResumeBeyondRecords { path, records, found });
            }
        }
        Ok(())
    }

    /// Where the records returned so far end, with blank lines behind them.
    #[must_use]
    pub fn position(&self) -> FilePosition {
        self.position
    }

    /// Bytes of the file read so far, compressed ones where it is compressed, and its length when it was opened;
    /// `None` for a stream.
    #[must_use]
    pub fn progress(&self) -> Option<(u64, u64)> {
        let total = self.file_bytes?;
        Some((self.input.raw().bytes.min(total), total))
    }

    /// Appends records to `batch`, the first at `next_offset` and each at one more, without timestamp or key. A `\r`
    /// stays, a blank line is none, and a last line needs no newline. Returns the number of records; 0 is the end.
    ///
    /// # Errors
    /// The file cannot be read or decompressed, or passes a limit; records appended before that stay in the
    /// batch and are counted in [`FileSource::position`].
    pub fn read_batch(
        &mut self,
        next_offset: Offset,
        batch: &mut RecordBatch,
        limits: BatchLimits,
    ) -> Result<usize, FileError> {
        let (mut records, mut bytes) = (0, 0);
        let mut offset = next_offset;
        loop {
            let Some((length, newline)) = self.find_line()? else {
                // Waiting on a stream would hold back the records that are there.
                if self.ended && records == 0 {
                    self.check_end()?;
                }
                if self.ended || (records > 0 && self.file_bytes.is_none()) {
                    return Ok(records);
                }
                self.fill()?;
                continue;
            };
            let line = self.buffer.get(self.start..self.start + length).unwrap_or_default();
            let is_blank = self.passed_by == 0 && line.trim_ascii().is_empty();
            if let Some(known) = self.known {
                self.known = self.still_ahead(known, is_blank)?;
            }
            let line = self.buffer.get(self.start..self.start + length).unwrap_or_default();
            if is_blank {
                self.position.blank_lines += 1;
                self.take(length + newline);
                continue;
            }
            if records > 0 && length > limits.bytes_max.saturating_sub(bytes) {
                return Ok(records);
            }
            if self.passed_by == 0 {
                batch.push(NewRecord { offset, timestamp: None, key: None, payload: Some(line) });
            } else {
                batch.push_unread(offset, &self.too_long());
            }
            self.take(length + newline);
            self.position.records += 1;
            offset += 1;
            bytes += length;
            records += 1;
            if records >= limits.records_max {
                return Ok(records);
            }
        }
    }

    /// Compares the place before a line with one that is known: it is ahead, or it is here.
    fn still_ahead(&self, known: FilePosition, is_blank: bool) -> Result<Option<FilePosition>, FileError> {
        let FilePosition { bytes, records, .. } = self.position;
        if bytes == known.bytes && records == known.records {
            return Ok(None);
        }
        // Blank lines may lie between the last record and the place.
        if bytes < known.bytes && (records < known.records || records == known.records && is_blank) {
            return Ok(Some(known));
        }
        Err(FileError::Changed { path: shown(&self.path), bytes: known.bytes })
    }

    /// A place that is known lies in the input.
    fn check_end(&self) -> Result<(), FileError> {
        let (Some(FilePosition { bytes, records, .. }), length) = (self.known, self.position.bytes) else {
            return Ok(());
        };
        match length.cmp(&bytes) {
            Ordering::Equal if records == self.position.records => Ok(()),
            Ordering::Less => Err(FileError::ResumeBeyondEnd { path: shown(&self.path), bytes, length }),
            Ordering::Equal | Ordering::Greater => Err(FileError::Changed { path: shown(&self.path), bytes }),
        }
    }

    /// The next line's length and that of its newline (0 at the end of the input), if it is in the buffer; of one that is
    /// too long, of what is left in the buffer.
    fn find_line(&mut self) -> Result<Option<(usize, usize)>, FileError> {
        let unseen = self.buffer.get(self.scanned..self.end).unwrap_or_default();
        let found = memchr::memchr(b'\n', unseen);
        self.scanned += found.unwrap_or(unseen.len());
        let length = self.scanned - self.start;
        if self.passed_by > 0 || length > self.limits.line_bytes_max {
            if !self.limits.notes_long_lines {
                return Err(self.refuse_line());
            }
            self.passed_by += length as u64;
            self.start = self.scanned;
        }
        let length = self.scanned - self.start;
        Ok(match found {
            Some(_) => Some((length, 1)),
            None if self.ended && (length > 0 || self.passed_by > 0) => Some((length, 0)),
            None => None,
        })
    }

    fn refuse_line(&self) -> FileError {
        FileError::LineTooLong {
            path: shown(&self.path),
            line: self.line_number(),
            start: self.position.bytes,
            line_bytes_max: self.limits.line_bytes_max,
        }
    }

    /// What is said of a line that was passed by.
    fn too_long(&self) -> String {
        format!(
            "line {}, which starts at byte {}, has {} bytes, and --input-line-bytes-max allows {}: it was not read",
            self.line_number(),
            self.position.bytes,
            self.passed_by,
            self.limits.line_bytes_max
        )
    }

    /// Of the line at hand, from 1.
    fn line_number(&self) -> u64 {
        self.position.records + self.position.blank_lines + 1
    }

    /// Leaves the line at hand behind.
    fn take(&mut self, bytes: usize) {
        self.start += bytes;
        self.scanned = self.start;
        self.position.bytes += bytes as u64 + std::mem::take(&mut self.passed_by);
    }

    /// Reads more behind what is left in the buffer, growing it for a line that fills it.
    fn fill(&mut self) -> Result<(), FileError> {
        let left = self.end - self.start;
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.scanned, self.end) = (0, self.scanned - self.start, left);
        if left > self.buffer.len() / 2 {
            let bytes_max = self.limits.line_bytes_max.saturating_add(BUFFER_BYTES);
            self.buffer.resize((self.buffer.len() * 2).min(bytes_max).max(self.buffer.len()), 0);
        } else if self.buffer.len() > BUFFER_BYTES && left < BUFFER_BYTES / 2 {
            self.buffer.truncate(BUFFER_BYTES);
            self.buffer.shrink_to_fit();
        }
        let free = self.buffer.get_mut(left..).unwrap_or_default();
        match read_some(&mut self.input, free) {
            Ok(read) => {
                self.ended = read == 0;
                self.end += read;
                self.check_expansion()
            }
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// Bytes decompressed so far.
    fn decompressed(&self) -> u64 {
        self.position.bytes + self.passed_by + (self.end - self.start) as u64
    }

    fn check_expansion(&self) -> Result<(), FileError> {
        let (Some(expansion_max), Some(format)) = (self.limits.expansion_max, self.input.format()) else {
            return Ok(());
        };
        let (compressed_bytes, bytes) = (self.input.consumed(), self.decompressed());
        if bytes <= compressed_bytes.saturating_mul(expansion_max).saturating_add(EXPANSION_FREE_BYTES) {
            return Ok(());
        }
        Err(FileError::Expansion { path: shown(&self.path), format, compressed_bytes, bytes, expansion_max })
    }

    /// Refuses what is no text, once enough is decompressed to see that.
    fn check_content(mut self) -> Result<Self, FileError> {
        while !self.ended && !Looks::is_settled(self.head()) {
            self.fill()?;
        }
        match Looks::of(self.head()) {
            None => Ok(self),
            Some(looks) => Err(refused::not_lines(&self.path, self.input.format(), looks)),
        }
    }

    /// The beginning, as far as it is read.
    fn head(&self) -> &[u8] {
        self.buffer.get(self.start..self.end.min(self.start + HEAD_BYTES_MAX)).unwrap_or_default()
    }

    /// Reads on from byte `at`, where the input stands, to the position `from`.
    fn skip(mut self, at: u64, from: FilePosition) -> Result<Self, FileError> {
        self.position = FilePosition { bytes: at, ..from };
        let mut before = b'\n';
        while self.position.bytes < from.bytes {
            if self.start == self.end {
                self.fill()?;
                if self.ended {
                    let length = self.position.bytes;
                    return Err(FileError::ResumeBeyondEnd { path: shown(&self.path), bytes: from.bytes, length });
                }
            }
            let wanted = usize::try_from(from.bytes - self.position.bytes).unwrap_or(usize::MAX);
            let taken = wanted.min(self.end - self.start);
            before = self.buffer.get(self.start + taken - 1).copied().unwrap_or(before);
            self.start += taken;
            self.scanned = self.start;
            self.position.bytes += taken as u64;
        }
        // Without a newline before it the position is the end of the last line, or it is none.
        if before != b'\n' && self.start == self.end {
            self.fill()?;
        }
        if before != b'\n' && self.start < self.end {
            return Err(FileError::NotALineStart { path: shown(&self.path), bytes: from.bytes });
        }
        Ok(self)
    }

    fn read_error(&self, error: io::Error) -> FileError {
        let Some(format) = self.input.format() else { return FileError::io("read", &self.path, error) };
        let bytes = self.decompressed();
        let (path, compressed_bytes) = (shown(&self.path), self.input.consumed());
        if error.kind() == ErrorKind::UnexpectedEof {
            return FileError::TruncatedArchive { path, format, compressed_bytes, bytes };
        }
        if error.raw_os_error().is_some() {
            return FileError::io("read", &self.path, error);
        }
        if gzip::is_garbage(&error) {
            return FileError::TrailingGarbage { path, compressed_bytes, bytes };
        }
        FileError::CorruptArchive { path, format, compressed_bytes, bytes, cause: error.to_string() }
    }
}
