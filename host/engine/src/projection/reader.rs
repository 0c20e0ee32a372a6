//! A text read into tokens, with the memory for it. Not the grammar: who walks over the tokens checks that.

use super::error::DecodeError;
use super::index::Index;
use super::simd::Level;
use super::text::check_escapes;
use super::walk::Tokens;

/// Kept from text to text: five bytes for each byte of the longest.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) level: Level,
    index: Index,
    /// Whether an escape names half a surrogate pair without the other half.
    halves: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self { level: Level::detect(), index: Index::default(), halves: false }
    }
}

impl Reader {
    /// The tokens of a text, which may also be several values with whitespace between them.
    ///
    /// # Errors
    /// The text is too long, is not UTF-8, has an open string, or a wrong character or escape in a string.
    pub(crate) fn read<'a>(&'a mut self, json: &'a [u8]) -> Result<Tokens<'a>, DecodeError> {
        self.level.index(json, &mut self.index)?;
        self.halves = check_escapes(json, self.index.escapes())?;
        Ok(self.tokens(json))
    }

    /// The tokens of the text that was read last, which is `json`.
    pub(super) fn tokens<'a>(&'a self, json: &'a [u8]) -> Tokens<'a> {
        let index = &self.index;
        let (tokens, firsts, escapes) = (index.tokens(), index.firsts(), index.escapes());
        Tokens { json, tokens, firsts, escapes, halves: self.halves }
    }
}
