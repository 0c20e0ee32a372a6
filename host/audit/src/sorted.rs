//! Rows in order, however many: sorted pieces of bounded size are written to files without a name, and merged when they are
//! read. Rows compare by their bytes. Not what they mean.
//!
//! Of its own rather than a library's: sorting by bytes, with one bound on memory and one kind of failure, is less than what
//! would have to be said to one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Files that are merged at a time, each with a buffer.
const MERGED_MAX: usize = 64;

const BUFFER_BYTES: usize = 64 << 10;

/// Bytes of the index beside each row.
const SLOT_BYTES: usize = size_of::<Slot>();

/// Where sorted pieces go, and how large they are.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) dir: PathBuf,
    /// Bytes of memory of one sorter.
    pub(crate) bytes: usize,
}

/// The temporary files cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep sorted rows in {}: {cause}; free space, or name another place with --temp-dir", dir.display())]
pub struct TempError {
    dir: PathBuf,
    cause: io::Error,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The first bytes of the row, so that most comparisons end here.
    head: u64,
    start: u32,
    length: u32,
}

/// Takes rows in any order.
pub(crate) struct Sorter {
    room: Room,
    data: Vec<u8>,
    slots: Vec<Slot>,
    /// Sorted files by how often their rows were merged.
    levels: Vec<Vec<File>>,
}

impl Sorter {
    pub(crate) fn new(room: &Room) -> Self {
        Self { room: room.clone(), data: Vec::new(), slots: Vec::new(), levels: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: &[u8]) -> Result<(), TempError> {
        let taken = self.data.len() + row.len() + (self.slots.len() + 1) * SLOT_BYTES;
        if taken > self.room.bytes && !self.slots.is_empty() {
            self.spill()?;
        }
        let (start, length) = (position(self.data.len()), position(row.len()));
        self.data.extend_from_slice(row);
        self.slots.push(Slot { head: head(row), start, length });
        Ok(())
    }

    fn sort(&mut self) {
        let data = &self.data;
        self.slots.sort_unstable_by(|one, other| {
            one.head.cmp(&other.head).then_with(|| row_of(data, one).cmp(row_of(data, other)))
        });
    }

    fn spill(&mut self) -> Result<(), TempError> {
        self.sort();
        let written = write_run(&self.room.dir, |out| {
            self.slots.iter().try_for_each(|slot| write_row(out, row_of(&self.data, slot)))
        });
        let file = written.map_err(|cause| failed(&self.room.dir, cause))?;
        self.data.clear();
        self.slots.clear();
        self.add(file, 0)
    }

    /// Adds a sorted file; enough of a level become one of the next.
    fn add(&mut self, file: File, level: usize) -> Result<(), TempError> {
        if self.levels.len() <= level {
            self.levels.push(Vec::new());
        }
        let Some(files) = self.levels.get_mut(level) else { return Ok(()) };
        files.push(file);
        if files.len() < MERGED_MAX {
            return Ok(());
        }
        let files = std::mem::take(files);
        let dir = self.room.dir.clone();
        let mut merged = Merge::of(files, &dir)?;
        let written = write_run(&dir, |out| {
            while let Some(row) = merged.next().map_err(|error| error.cause)? {
                write_row(out, row)?;
            }
            Ok(())
        });
        self.add(written.map_err(|cause| failed(&dir, cause))?, level + 1)
    }

    /// All rows, in order.
    pub(crate) fn finish(mut self) -> Result<Sorted, TempError> {
        if self.levels.is_empty() {
            self.sort();
            return Ok(Sorted(Inner::Memory { data: self.data, slots: self.slots.into_iter() }));
        }
        if !self.slots.is_empty() {
            self.spill()?;
        }
        let files = self.levels.into_iter().flatten().collect();
        // The memory goes before the rows are read.
        (self.data, self.slots) = (Vec::new(), Vec::new());
        Ok(Sorted(Inner::Files(Merge::of(files, &self.room.dir)?)))
    }
}

/// Rows in order.
pub(crate) struct Sorted(Inner);

enum Inner {
    Memory { data: Vec<u8>, slots: std::vec::IntoIter<Slot> },
    Files(Merge),
}

impl Sorted {
    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, TempError> {
        match &mut self.0 {
            Inner::Memory { data, slots } => Ok(slots.next().map(|slot| row_of(data, &slot))),
            Inner::Files(merge) => merge.next(),
        }
    }
}

struct Merge {
    dir: PathBuf,
    files: Vec<BufReader<File>>,
    /// The next row of each file that has one.
    next: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    /// The row that was given last.
    given: Vec<u8>,
}

impl Merge {
    fn of(files: Vec<File>, dir: &Path) -> Result<Self, TempError> {
        let files: Vec<_> = files.into_iter().map(|file| BufReader::with_capacity(BUFFER_BYTES, file)).collect();
        let mut merge = Self { dir: dir.to_owned(), next: BinaryHeap::new(), given: Vec::new(), files };
        for index in 0..merge.files.len() {
            merge.refill(index, Vec::new())?;
        }
        Ok(merge)
    }

    fn refill(&mut self, index: usize, mut row: Vec<u8>) -> Result<(), TempError> {
        let Some(file) = self.files.get_mut(index) else { return Ok(()) };
        if read_row(file, &mut row).map_err(|cause| failed(&self.dir, cause))? {
            self.next.push(Reverse((row, index)));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<&[u8]>, TempError> {
        let Some(Reverse((row, index))) = self.next.pop() else { return Ok(None) };
        let used = std::mem::replace(&mut self.given, row);
        self.refill(index, used)?;
        Ok(Some(&self.given))
    }
}

fn failed(dir: &Path, cause: io::Error) -> TempError {
    TempError { dir: dir.to_owned(), cause }
}

fn position(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn head(row: &[u8]) -> u64 {
    let mut head = [0; 8];
    head.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(head)
}

fn row_of<'a>(data: &'a [u8], slot: &Slot) -> &'a [u8] {
    let start = slot.start as usize;
    data.get(start..start + slot.length as usize).unwrap_or_default()
}

/// A file that has no name, so that nothing is left however the process ends.
fn write_run(dir: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<File> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(dir)?);
    write(&mut out)?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

fn write_row(out: &mut impl Write, row: &[u8]) -> io::Result<()> {
    out.write_all(&position(row.len()).to_be_bytes())?;
    out.write_all(row)
}

fn read_row(file: &mut impl Read, row: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    match file.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    row.resize(u32::from_be_bytes(length) as usize, 0);
    file.read_exact(row).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of different lengths, in no order, many of them equal.
    fn rows(count: u64) -> Vec<Vec<u8>> {
        let row = |number: u64| {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            mixed.to_be_bytes().get(5..).unwrap().repeat(1 + usize::try_from(mixed % 7).unwrap())
        };
        (0..count).map(row).collect()
    }

    fn check(count: u64, bytes: usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(&Room { dir: dir.path().to_owned(), bytes });
        let mut expected = rows(count);
        for row in &expected {
            sorter.push(row).unwrap();
            assert!(sorter.data.len() + sorter.slots.len() * SLOT_BYTES <= bytes.max(100), "memory is bounded");
        }
        expected.sort();
        let mut sorted = sorter.finish().unwrap();
        for row in &expected {
            assert_eq!(sorted.next().unwrap(), Some(row.as_slice()));
        }
        assert_eq!(sorted.next().unwrap(), None);
    }

    #[test]
    fn rows_come_in_order_whatever_fits_into_memory() {
        for (count, bytes) in [(0, 100), (1, 1), (1_000, 1 << 20), (1_000, 1_000), (20_000, 200)] {
            check(count, bytes);
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let mut sorter = Sorter::new(&Room { dir: PathBuf::from("/no/such/place"), bytes: 10 });
        sorter.push(b"first row").unwrap();
        let error = sorter.push(b"second row").unwrap_err().to_string();
        assert!(error.contains("/no/such/place") && error.contains("--temp-dir"), "{error}");
    }
}
