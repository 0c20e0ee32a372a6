//! Gzip as it occurs in files: one member after another, and trailing zeros, with which tapes and copying tools fill up
//! blocks. Anything else after a member is a separate error. Not the format itself.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// How gzip data begins.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decompresses members until the end of what it reads.
pub(crate) struct Gzip<R> {
    decoder: Box<GzDecoder<R>>,
    /// Makes what stands in the place of the input while the decoder begins anew.
    nothing: fn() -> R,
}

/// What stands behind a member is neither another nor zeros.
#[derive(Debug)]
struct Garbage;

impl std::error::Error for Garbage {}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what follows is neither gzip data nor zeros")
    }
}

/// Whether an error says that something else than gzip data follows gzip data.
pub(crate) fn is_garbage(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<Garbage>())
}

impl<R: BufRead> Gzip<R> {
    /// `nothing` makes inputs that are empty.
    pub(crate) fn new(input: R, nothing: fn() -> R) -> Self {
        Self { decoder: Box::new(GzDecoder::new(input)), nothing }
    }

    /// What it reads.
    pub(crate) fn get_ref(&self) -> &R {
        self.decoder.get_ref()
    }

    /// Skips zeros and begins with the next member; false at the end of the input.
    fn next_member(&mut self) -> io::Result<bool> {
        let input = self.decoder.get_mut();
        loop {
            let waiting = input.fill_buf()?;
            let zeros = waiting.iter().take_while(|byte| **byte == 0).count();
            let next = waiting.get(zeros).copied();
            input.consume(zeros);
            match next {
                Some(byte) if GZIP_MAGIC.starts_with(&[byte]) => break,
                Some(_) => return Err(io::Error::other(Garbage)),
                None if zeros == 0 => return Ok(false),
                None => {}
            }
        }
        let input = self.decoder.reset((self.nothing)());
        *self.decoder.get_mut() = input;
        Ok(true)
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, free: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoder.read(free)?;
            if read > 0 || free.is_empty() || !self.next_member()? {
                return Ok(read);
            }
        }
    }
}
