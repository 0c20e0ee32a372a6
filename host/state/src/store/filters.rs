//! Files of the filters, beside the tables. Each segment of a filter has one: the segment as it was, and the keys that were
//! added since, until they are so many that it is written anew. What a filter is, and when keys are looked up, is said
//! elsewhere.
//!
//! A filter is on disk before the table whose keys it has, and the manifest says afterwards which files count and how much
//! of each. So a file that is longer than the manifest says, or newer, tells that its bucket may have a table that the
//! manifest does not cover. A file that is torn or missing is made again from the bucket's tables.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use engine::fingerprint::Fingerprint;

use super::places::{Bucket, Place, SegmentFile};
use crate::filter::KeyFilter;
use crate::frame::{self, Reader, Section, What, Writer};
use crate::table::{self, Row};

/// Directory of the files, in the store's.
pub(super) const DIR: &str = "filters";

/// Sections of a file: a segment, and keys that were added to it.
const SEGMENT: u64 = 1;
const KEYS: u64 = 2;

const KEY_BYTES: usize = 16;

/// The files of a store's filters.
#[derive(Debug)]
pub(super) struct Filters {
    dir: PathBuf,
    /// Number of the next file.
    pub(super) next: u64,
    /// Files that do not count any more, and may go once the manifest says so.
    outdated: Vec<PathBuf>,
}

/// What is there when a store is opened.
pub(super) struct Found {
    files: BTreeMap<(Place, u64), u64>,
}

impl Filters {
    /// Looks at what there is. `next` is the next number as the manifest says.
    pub(super) fn open(store: &Path, next: u64) -> io::Result<(Self, Found)> {
        let dir = store.join(DIR);
        private_files::make(&dir)?;
        let mut files = BTreeMap::new();
        for file in fs::read_dir(&dir)? {
            let file = file?;
            if let Some(name) = file.file_name().to_str().and_then(parse) {
                files.insert(name, file.metadata()?.len());
            }
        }
        let beyond = files.keys().map(|(_, number)| number.saturating_add(1)).max().unwrap_or(0);
        Ok((Self { dir, next: next.max(beyond), outdated: Vec::new() }, Found { files }))
    }

    /// Puts on disk what a bucket's filter has since it was stored last; `added` are the rows whose keys were added since,
    /// all of them to the last segment.
    pub(super) fn store(&mut self, place: Place, bucket: &mut Bucket, added: &[Row]) -> io::Result<()> {
        let Some(last) = bucket.filter.segments().checked_sub(1) else { return Ok(()) };
        if bucket.stored.len() == last + 1 {
            let Some(file) = bucket.stored.get_mut(last) else { return Ok(()) };
            let growth = added.len() as u64 * KEY_BYTES as u64;
            if file.bytes - file.base + growth <= bucket.filter.segment_bytes(last) as u64 / 2 {
                let keys: Vec<_> = added.iter().map(|row| table::key(row.fingerprint)).collect();
                let section = frame::growth(What::Filter, KEYS, keys.as_flattened());
                let mut opened = OpenOptions::new().append(true).open(self.path(place, file.number))?;
                opened.write_all(&section)?;
                opened.sync_data()?;
                file.bytes += section.len() as u64;
                return Ok(());
            }
            let outdated = file.number;
            bucket.stored.pop();
            self.outdated.push(self.path(place, outdated));
        }
        for segment in bucket.stored.len()..=last {
            let file = self.write(place, &bucket.filter, segment)?;
            bucket.stored.push(file);
        }
        private_files::sync_directory(&self.dir)
    }

    fn write(&mut self, place: Place, filter: &KeyFilter, segment: usize) -> io::Result<SegmentFile> {
        let mut frame = Writer::new(What::Filter);
        frame.section(SEGMENT, &filter.encode(segment));
        let (bytes, number) = (frame.open(), self.next);
        self.next += 1;
        write_new(&self.path(place, number), &bytes)?;
        Ok(SegmentFile { number, bytes: bytes.len() as u64, base: bytes.len() as u64 })
    }

    /// The filter of a bucket as it was stored; `None` where a file is missing or is not what was written.
    pub(super) fn load(&self, place: Place, files: &[SegmentFile]) -> Option<KeyFilter> {
        let mut filter = KeyFilter::default();
        for file in files {
            let mut bytes = Vec::with_capacity(usize::try_from(file.bytes).ok()?);
            File::open(self.path(place, file.number)).ok()?.take(file.bytes).read_to_end(&mut bytes).ok()?;
            if bytes.len() as u64 != file.bytes {
                return None;
            }
            read(&bytes, &mut filter)?;
        }
        Some(filter)
    }

    /// A bucket's files do not count any more.
    pub(super) fn forget(&mut self, place: Place, bucket: &mut Bucket) {
        for file in std::mem::take(&mut bucket.stored) {
            self.outdated.push(self.path(place, file.number));
        }
    }

    /// All files of `found` that do not count may go.
    pub(super) fn outdate(&mut self, found: &Found, counted: &BTreeMap<Place, Bucket>) {
        let counts = |place: &Place, number: u64| {
            counted.get(place).is_some_and(|bucket| bucket.stored.iter().any(|file| file.number == number))
        };
        for (place, number) in found.files.keys().filter(|(place, number)| !counts(place, *number)) {
            self.outdated.push(self.path(*place, *number));
        }
    }

    /// Removes what does not count; the manifest says so already. One that cannot be removed costs room only.
    pub(super) fn remove_outdated(&mut self) {
        for path in self.outdated.drain(..) {
            let _ = fs::remove_file(path);
        }
    }

    /// Copies the files of a bucket, as far as they count, for a snapshot.
    pub(super) fn copy(&self, place: Place, files: &[SegmentFile], into: &Path) -> io::Result<()> {
        for file in files {
            let mut bytes = Vec::new();
            File::open(self.path(place, file.number))?.take(file.bytes).read_to_end(&mut bytes)?;
            write_new(&into.join(name(place, file.number)), &bytes)?;
        }
        Ok(())
    }

    fn path(&self, place: Place, number: u64) -> PathBuf {
        self.dir.join(name(place, number))
    }
}

impl Found {
    /// Whether a bucket may have tables that the manifest does not cover: a filter was being stored for one. `next` is the
    /// next number as the manifest says.
    pub(super) fn is_ahead(&self, place: Place, files: &[SegmentFile], next: u64) -> bool {
        let of_place = self.files.range((place, 0)..=(place, u64::MAX));
        of_place.into_iter().any(|((_, number), bytes)| {
            let counted = files.iter().find(|file| file.number == *number);
            counted.map_or(*number >= next, |file| *bytes > file.bytes)
        })
    }
}

/// Adds what a file holds to a filter; `None` where it is not what was written.
fn read(bytes: &[u8], filter: &mut KeyFilter) -> Option<()> {
    let mut reader = Reader::new(What::Filter, bytes).ok()?;
    let Section { number: SEGMENT, bytes: segment, .. } = reader.next().ok()?? else { return None };
    filter.decode(segment)?;
    while let Some(Section { number, is_required, bytes }) = reader.next().ok()? {
        if number != KEYS {
            reader.unknown(number, is_required).ok()?;
            continue;
        }
        let (keys, rest) = bytes.as_chunks::<KEY_BYTES>();
        keys.iter().for_each(|key| filter.insert(Fingerprint(u128::from_be_bytes(*key))));
        rest.is_empty().then_some(())?;
    }
    Some(())
}

fn name(place: Place, number: u64) -> String {
    let Place { index, slice } = place;
    format!("{index}.{slice}.{number}.filter")
}

fn parse(text: &str) -> Option<(Place, u64)> {
    let mut parts = text.strip_suffix(".filter")?.split('.');
    let place = Place { index: parts.next()?.parse().ok()?, slice: parts.next()?.parse().ok()? };
    let number = parts.next()?.parse().ok()?;
    // A number has other spellings, and two names for one file would hide one of them.
    (name(place, number) == text).then_some((place, number))
}

/// Writes a file that is not there yet, for this user alone, down to the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fingerprint(n: u64) -> Fingerprint {
        Fingerprint(
            u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(n.wrapping_mul(0xbf58_476d_1ce4_e5b9)),
        )
    }

    const PLACE: Place = Place { index: -3, slice: 1 };

    fn add(filters: &mut Filters, bucket: &mut Bucket, numbers: std::ops::Range<u64>) {
        bucket.filter.reserve(numbers.clone().count(), 0);
        numbers.clone().for_each(|n| bucket.filter.insert(fingerprint(n)));
        let row =
            |n| Row { bucket: -3, fingerprint: fingerprint(n), entry: engine::entry::Entry { offset: 0, time: 0 } };
        filters.store(PLACE, bucket, &numbers.map(row).collect::<Vec<_>>()).unwrap();
    }

    fn misses(filter: &KeyFilter, numbers: std::ops::Range<u64>) -> usize {
        let asked: Vec<_> = numbers.map(|n| (fingerprint(n), 0)).collect();
        let mut passed = Vec::new();
        filter.pass(&asked, &mut passed);
        asked.len() - passed.len()
    }

    #[test]
    fn a_filter_is_stored_with_each_table_and_comes_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (mut filters, _) = Filters::open(dir.path(), 0).unwrap();
        let mut bucket = Bucket::new(PLACE);
        let mut files = std::collections::BTreeSet::new();
        for step in 0..200 {
            // Few keys, many keys, few keys: added, written anew, in further segments.
            let end = if step == 60 { 30_000 } else { 0 };
            let start = bucket.filter.keys() as u64;
            add(&mut filters, &mut bucket, start..start + end + 40);
            files.extend(bucket.stored.iter().map(|file| file.number));
            let loaded = filters.load(PLACE, &bucket.stored).unwrap();
            assert_eq!(misses(&loaded, 0..start + end + 40), 0, "step {step}");
            assert_eq!((loaded.keys(), loaded.bytes()), (bucket.filter.keys(), bucket.filter.bytes()));
        }
        assert!(files.len() < 40, "{} files were written for 200 steps", files.len());
        filters.remove_outdated();
        let left = fs::read_dir(dir.path().join(DIR)).unwrap().count();
        assert_eq!(left, bucket.stored.len());
    }

    #[test]
    fn torn_garbled_and_missing_files_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let (mut filters, _) = Filters::open(dir.path(), 0).unwrap();
        let mut bucket = Bucket::new(PLACE);
        add(&mut filters, &mut bucket, 0..100);
        add(&mut filters, &mut bucket, 100..110);
        let path = filters.path(PLACE, bucket.stored[0].number);
        let whole = fs::read(&path).unwrap();
        assert!(bucket.stored[0].bytes > bucket.stored[0].base, "some were added");
        for at in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
            let mut garbled = whole.clone();
            garbled[at] ^= 0x10;
            fs::write(&path, garbled).unwrap();
            assert!(filters.load(PLACE, &bucket.stored).is_none(), "byte {at} was changed");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(filters.load(PLACE, &bucket.stored).is_none(), "cut to {at}");
        }
        fs::write(&path, [&whole[..], b"torn"].concat()).unwrap();
        assert!(filters.load(PLACE, &bucket.stored).is_some(), "what is behind does not count");
        let (_, found) = Filters::open(dir.path(), 0).unwrap();
        assert!(found.is_ahead(PLACE, &bucket.stored, filters.next));
        fs::remove_file(&path).unwrap();
        assert!(filters.load(PLACE, &bucket.stored).is_none());
    }

    proptest! {
        #![proptest_config(cases::cases(500))]

        #[test]
        fn any_name_of_strangers_is_that_of_one_file(
            index: i64, slice: u32, number: u64, text in "[-+0-9]{1,3}\\.[-+0-9]{1,2}\\.[-+0-9]{1,3}\\.filter",
        ) {
            let place = Place { index, slice };
            prop_assert_eq!(parse(&name(place, number)), Some((place, number)));
            prop_assert!(parse(&text).is_none_or(|(place, number)| name(place, number) == text));
        }
    }
}
