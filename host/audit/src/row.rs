//! Rows that are sorted: numbers as bytes, big-endian, so that rows compare as what stands first in them does. Not what they
//! mean.

/// Writes one row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pen(Vec<u8>);

impl Pen {
    /// An empty row, in the memory of the one before.
    pub(crate) fn begin(&mut self) -> &mut Self {
        self.0.clear();
        self
    }

    pub(crate) fn u8(&mut self, number: u8) -> &mut Self {
        self.0.push(number);
        self
    }

    pub(crate) fn u16(&mut self, number: u16) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Partitions and offsets are not negative, so that these rise as their bytes do.
    pub(crate) fn i32(&mut self, number: i32) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn i64(&mut self, number: i64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn u128(&mut self, number: u128) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn optional(&mut self, number: Option<i64>) -> &mut Self {
        self.u8(u8::from(number.is_some())).i64(number.unwrap_or_default())
    }

    pub(crate) fn row(&self) -> &[u8] {
        &self.0
    }
}

/// Reads what [`Pen`] wrote, in the same order. What is not there is 0: rows are of this process, and complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eye<'a>(pub(crate) &'a [u8]);

impl Eye<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((taken, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *taken
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.take())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    pub(crate) fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    pub(crate) fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    pub(crate) fn u128(&mut self) -> u128 {
        u128::from_be_bytes(self.take())
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.u8() != 0
    }

    pub(crate) fn optional(&mut self) -> Option<i64> {
        let is_there = self.flag();
        Some(self.i64()).filter(|_| is_there)
    }
}
