//! Inputs that anybody may have made or damaged: all lines come, or what came is a beginning of them and the rest is refused
//! in words.

use std::sync::{Arc, Mutex};

use super::*;

/// Lines that compressed input may become stay within this of its bytes.
const EXPANSION_MAX: u64 = 100;

fn limits() -> SourceLimits {
    SourceLimits { line_bytes_max: 1 << 20, notes_long_lines: false, expansion_max: Some(EXPANSION_MAX) }
}

fn input() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let packing = prop_oneof![Just(Packing::Plain), Just(Packing::Gzip), Just(Packing::Zstd)];
    (text(), packing, 1..400_usize).prop_map(|(text, packing, member_bytes)| {
        let packed = pack(packing, &text, member_bytes);
        (text, packed)
    })
}

/// What is read of an input, and whether all of it was.
fn taken(path: &Path, bytes: &[u8], piped: bool) -> (Vec<u8>, Result<(), FileError>) {
    let opened = if piped {
        FileSource::of_stream(path, Box::new(io::Cursor::new(bytes.to_vec())), FilePosition::default(), limits())
    } else {
        FileSource::open(path, FilePosition::default(), limits())
    };
    let mut batch = RecordBatch::new();
    let read = opened.and_then(|mut source| {
        let one = BatchLimits { records_max: 3, bytes_max: 1_000 };
        while source.read_batch(0, &mut batch, one)? > 0 {}
        assert_eq!(source.position().records, batch.len() as u64);
        Ok(())
    });
    (batch.iter().flat_map(|record| [record.payload().unwrap(), b"\n"].concat()).collect(), read)
}

fn without_blank_lines(text: &[u8]) -> Vec<u8> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !is_blank(line));
    lines.flat_map(|line| [line, b"\n"].concat()).collect()
}

proptest! {
    #![proptest_config(cases::cases(500))]

    #[test]
    fn any_input_cut_short_gives_a_beginning_of_its_lines(
        (text, packed) in input(), cut: prop::sample::Index, piped: bool,
    ) {
        let directory = directory();
        // By four bytes all formats are known; what has fewer may be a line.
        let known = packed.len().min(4);
        let cut = &packed[..known + cut.index(packed.len() - known + 1)];
        let path = file_of(&directory, "in", cut);
        let (lines, read) = taken(&path, cut, piped);
        let all = without_blank_lines(&text);
        // A last line may itself be cut in a plain text, and gets the end that it has not.
        let whole = lines.strip_suffix(b"\n").unwrap_or(&lines);
        prop_assert!(all.starts_with(whole), "{:?} of {:?}", lines.escape_ascii().to_string(), all.escape_ascii().to_string());
        if cut.len() == packed.len() && read.is_ok() {
            prop_assert_eq!(lines, all);
        }
    }

    #[test]
    fn any_damaged_input_is_read_within_bounds_or_refused_in_words(
        (_, mut packed) in input(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), piped: bool,
    ) {
        for (at, byte) in damage {
            let at = at.index(packed.len());
            packed[at] = byte;
        }
        let directory = directory();
        let path = file_of(&directory, "in", &packed);
        let (lines, read) = taken(&path, &packed, piped);
        prop_assert!(lines.len() as u64 <= EXPANSION_FREE_BYTES + EXPANSION_MAX * packed.len() as u64 + (1 << 20));
        if let Err(error) = read {
            let words = error.to_string();
            prop_assert!(words.len() < 2_000 && !words.contains(char::is_control), "{}", words);
        }
    }
    #[test]
    fn any_progress_is_one_that_can_have_been_written_or_is_refused(
        base in 0..1_000_i64,
        commits in prop::collection::btree_set(1..400_u64, 0..80),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), b'0'..=b'9', Just(b'-')]), 0..4),
        asked: u64,
    ) {
        let (path, written, book) = (Path::new("progress"), Arc::new(Mutex::new(Vec::new())), Book::default());
        let write = Arc::clone(&written);
        let kept = ProgressFile::begin(path.to_owned(), FileProgress::starting("in".to_owned(), base), move |bytes| {
            *write.lock().unwrap() = bytes.to_vec();
            Ok(())
        });
        let kept = kept.unwrap();
        for records in commits {
            book.note(at(records * 9, records));
            let committed = connectors::Committed { offset: base + records.cast_signed(), metadata: String::new() };
            kept.commit(&book, &committed, connectors::ByLane::default()).unwrap();
        }
        let mut bytes = written.lock().unwrap().clone();
        prop_assert_eq!(ProgressFile::read(path, &bytes).unwrap(), kept.get());
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        match ProgressFile::read(path, &bytes) {
            Ok(progress) => {
                prop_assert!(progress.next_offset() >= progress.base && progress.nearest(asked).records <= asked);
            }
            Err(error) => prop_assert!(error.to_string().contains("progress"), "{}", error),
        }
    }
}
