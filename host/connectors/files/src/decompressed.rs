//! The bytes of an input, decompressed where it is compressed, and how that is found out. Not lines.

use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use engine::looks::{Looks, after_skippable, skippable};
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::gzip::{GZIP_MAGIC, Gzip};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Compressed bytes asked of the file at a time.
const COMPRESSED_BUFFER_BYTES: usize = 128 << 10;

/// Bytes at the beginning in which a frame of zstd is looked for behind those that are to be skipped.
const SKIPPABLE_BYTES_MAX: usize = 64 << 10;

/// The largest window that zstd has, as a power of two: `zstd --long=31` makes it. Memory is taken when a frame asks.
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// The bytes as they are.
pub(crate) type RawInput = Box<dyn Read + Send>;

/// Bytes from the start, no more than it takes to know how they are compressed: a pipe may have no more for a long time.
pub(crate) fn first_bytes(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(ZSTD_MAGIC.len());
    while let Some(wanted) = wanted(&head) {
        let known = head.len();
        head.resize(wanted, 0);
        let read = read_some(input, head.get_mut(known..).unwrap_or_default())?;
        head.truncate(known + read);
        if read == 0 {
            break;
        }
    }
    Ok(head)
}

/// How many bytes there must be to know more; `None` where no more are needed.
fn wanted(head: &[u8]) -> Option<usize> {
    const SKIPPABLE_MAGIC_END: [u8; 3] = [0x2a, 0x4d, 0x18];
    let begins = |format: &[u8], head: &[u8]| head.len() < format.len() && format.starts_with(head);
    let may_be_skippable = match head {
        [0x50..=0x5f, rest @ ..] => begins(&SKIPPABLE_MAGIC_END, rest),
        _ => false,
    };
    if begins(&GZIP_MAGIC, head) || begins(&ZSTD_MAGIC, head) || may_be_skippable {
        return Some(head.len() + 1);
    }
    let next_frame = after_skippable(head).saturating_add(ZSTD_MAGIC.len());
    (skippable(head) && head.len() < next_frame && next_frame <= SKIPPABLE_BYTES_MAX).then_some(next_frame)
}

pub(crate) fn read_some(input: &mut impl Read, free: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(free) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Gzip,
    Zstd,
}

impl Format {
    /// By the first bytes; by the name only where there are too few of them, as in an archive cut to nothing.
    pub(crate) fn of(magic: &[u8], path: &Path) -> Self {
        let named = |extension: &str| path.extension().is_some_and(|found| found == extension);
        // No text is a beginning of these: it is an archive that was cut.
        let cut = |format: &[u8], bytes: usize| magic.len() >= bytes && format.starts_with(magic);
        if magic.starts_with(&GZIP_MAGIC) || cut(&GZIP_MAGIC, 1) || (magic.is_empty() && named("gz")) {
            Self::Gzip
        } else if magic == ZSTD_MAGIC
            || cut(&ZSTD_MAGIC, 2)
            || (ZSTD_MAGIC.starts_with(magic) && named("zst"))
            || (skippable(magic) && Looks::of(magic) != Some(Looks::Lz4))
        {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

/// An input that is read decompressed.
pub(crate) enum Input {
    Plain(Counted),
    Gzip(Gzip<BufReader<Counted>>),
    Zstd(ZstdDecoder<'static, BufReader<Counted>>),
}

impl Input {
    pub(crate) fn new(format: Format, raw: Counted) -> io::Result<Self> {
        let buffered = |raw| BufReader::with_capacity(COMPRESSED_BUFFER_BYTES, raw);
        Ok(match format {
            Format::Plain => Self::Plain(raw),
            Format::Gzip => Self::Gzip(Gzip::new(buffered(raw), || BufReader::with_capacity(0, Counted::nothing()))),
            Format::Zstd => {
                let mut decoder = ZstdDecoder::with_buffer(buffered(raw))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::Zstd(decoder)
            }
        })
    }

    /// How it is compressed; `None` where it is not.
    pub(crate) fn format(&self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::Gzip(_) => Some("gzip"),
            Self::Zstd(_) => Some("zstd"),
        }
    }

    pub(crate) fn raw(&self) -> &Counted {
        match self {
            Self::Plain(raw) => raw,
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }

    /// Bytes of the file that the decoder has taken, without those that wait in its buffer.
    pub(crate) fn consumed(&self) -> u64 {
        let waiting = match self {
            Self::Plain(_) => 0,
            Self::Gzip(decoder) => decoder.get_ref().buffer().len(),
            Self::Zstd(decoder) => decoder.get_ref().buffer().len(),
        };
        self.raw().bytes - waiting as u64
    }
}

impl Read for Input {
    fn read(&mut self, free: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.read(free),
            Self::Gzip(decoder) => decoder.read(free),
            Self::Zstd(decoder) => decoder.read(free),
        }
    }
}

/// An input, and how much of it was read.
pub(crate) struct Counted {
    pub(crate) input: RawInput,
    pub(crate) bytes: u64,
}

impl Counted {
    fn nothing() -> Self {
        Self { input: Box::new(io::empty()), bytes: 0 }
    }
}

impl Read for Counted {
    fn read(&mut self, free: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(free)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
