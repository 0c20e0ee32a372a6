//! Files as sources and sinks: every position resumes, every cut is noticed, every error says how to fix it.

mod runs;
mod strangers;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use engine::record::RecordBatch;
use proptest::prelude::*;
use tempfile::TempDir;

use super::sink::Output;
use super::*;

const ALL: BatchLimits = BatchLimits { records_max: usize::MAX, bytes_max: usize::MAX };

const ANY: SourceLimits = SourceLimits { line_bytes_max: LINE_BYTES_MAX, notes_long_lines: false, expansion_max: None };

const NEW: OutputOptions = OutputOptions { existing: Existing::Refused, mode: None };

fn at(bytes: u64, records: u64) -> FilePosition {
    FilePosition { bytes, records, blank_lines: 0 }
}

type Lines = Vec<Vec<u8>>;

fn read_batches(source: &mut FileSource, limits: BatchLimits) -> Result<Lines, FileError> {
    let mut lines = Lines::new();
    let mut batch = RecordBatch::new();
    loop {
        batch.clear();
        if source.read_batch(0, &mut batch, limits)? == 0 {
            return Ok(lines);
        }
        lines.extend(batch.iter().map(|record| record.payload().unwrap().to_vec()));
    }
}

fn read_from(path: &Path, from: FilePosition) -> Result<Lines, FileError> {
    read_batches(&mut FileSource::open(path, from, ANY)?, ALL)
}

fn read_all(path: &Path) -> Result<Lines, FileError> {
    read_from(path, FilePosition::default())
}

fn lines(text: &str) -> Lines {
    text.split_terminator('\n').map(|line| line.as_bytes().to_vec()).collect()
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| b" \t\r\x0c".contains(byte))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 0).unwrap()
}

fn file_of(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
fn check_error<T>(result: Result<T, FileError>, words: &[&str]) {
    let Err(error) = result else { panic!("no error; expected one that says {words:?}") };
    let said = error.to_string();
    for word in words {
        assert!(said.contains(word), "{said:?} does not say {word:?}");
    }
}

#[test]
fn lines_are_forwarded_exactly() {
    let directory = directory();
    let check = |bytes: &[u8], expected: &[&[u8]]| {
        assert_eq!(read_all(&file_of(&directory, "in", bytes)).unwrap(), expected, "{bytes:?}");
    };
    check(b"", &[]);
    check(b"\n", &[]);
    check(b"\n\n \r\n\t\n", &[]);
    check(b"a\r\nb\n", &[b"a\r", b"b"]);
    check(b"a\n\nlast without newline", &[b"a", b"last without newline"]);
    check(b"{}\n  \n\t\r\n \xa0\n ", &[b"{}", b" \xa0"]);
    check(b"{}\n\x00\xff\n\xf0\x9f", &[b"{}", b"\x00\xff", b"\xf0\x9f"]);
    for length in 60..70 {
        let line = vec![b'x'; length];
        check(&[line.as_slice(), b"\n", &line].concat(), &[&line, &line]);
    }
}

#[test]
fn records_have_ascending_offsets_and_nothing_but_a_payload() {
    let directory = directory();
    let mut source = FileSource::open(&file_of(&directory, "in", b"a\n\nb\nc\n \n"), at(0, 0), ANY).unwrap();
    let mut batch = RecordBatch::new();
    assert_eq!(source.read_batch(40, &mut batch, BatchLimits { records_max: 2, bytes_max: 99 }).unwrap(), 2);
    assert_eq!(source.position(), FilePosition { bytes: 5, records: 2, blank_lines: 1 });
    assert_eq!(source.read_batch(42, &mut batch, ALL).unwrap(), 1);
    assert_eq!(source.position(), FilePosition { bytes: 9, records: 3, blank_lines: 2 });
    assert_eq!(source.read_batch(43, &mut batch, ALL).unwrap(), 0);
    let found: Vec<_> = batch.iter().map(|record| (record.offset(), record.payload().unwrap())).collect();
    assert_eq!(found, [(40, &b"a"[..]), (41, b"b"), (42, b"c")]);
    assert!(batch.iter().all(|record| record.timestamp().is_none() && record.key().is_none()));
    assert_eq!(source.progress(), Some((9, 9)));
}

#[test]
fn a_batch_keeps_its_limits_but_takes_one_record() {
    let directory = directory();
    let path = file_of(&directory, "in", b"aaaa\nbb\ncc\nd\n");
    let check = |records_max, bytes_max, expected: &[usize]| {
        let mut source = FileSource::open(&path, FilePosition::default(), ANY).unwrap();
        let limits = BatchLimits { records_max, bytes_max };
        let mut counts = Vec::new();
        loop {
            match source.read_batch(0, &mut RecordBatch::new(), limits).unwrap() {
                0 => break,
                count => counts.push(count),
            }
        }
        assert_eq!(counts, expected, "{limits:?}");
    };
    check(3, 99, &[3, 1]);
    check(0, 99, &[1, 1, 1, 1]);
    check(9, 0, &[1, 1, 1, 1]);
    check(9, 4, &[1, 2, 1]);
    check(9, 6, &[2, 2]);
    check(4, 9, &[4]);
}

#[test]
fn compressed_files_are_known_by_their_bytes_and_may_have_many_members() {
    let directory = directory();
    let cut = [gzip(b"a\nb"), gzip(b""), gzip(b"c\nd\n")].concat();
    assert_eq!(read_all(&file_of(&directory, "named.txt", &cut)).unwrap(), lines("a\nbc\nd\n"));
    let cut = [zstd(b"a\nb"), zstd(b""), zstd(b"c\nd\n")].concat();
    assert_eq!(read_all(&file_of(&directory, "named.gz", &cut)).unwrap(), lines("a\nbc\nd\n"));
    assert_eq!(read_all(&file_of(&directory, "plain.gz", b"a\n")).unwrap(), lines("a\n"));
    assert_eq!(read_all(&file_of(&directory, "empty", b"")).unwrap(), lines(""));
}

/// Cuts an archive of two members at every byte: only the cut between them is none.
fn check_every_cut(name: &str, compress: fn(&[u8]) -> Vec<u8>) {
    let directory = directory();
    let first = compress(b"one\ntwo\n");
    let whole = [first.clone(), compress("three\n".repeat(50).as_bytes())].concat();
    for length in 0..whole.len() {
        let path = file_of(&directory, name, &whole[..length]);
        let read = read_all(&path);
        if length == first.len() {
            assert_eq!(read.unwrap(), lines("one\ntwo\n"));
            continue;
        }
        assert!(matches!(read, Err(FileError::TruncatedArchive { .. })), "cut at {length}: {read:?}");
        check_error(read, &[name, &format!("after {length} compressed bytes"), "copy or download the file again"]);
    }
}

#[test]
fn a_truncated_gzip_file_is_an_error_wherever_it_was_cut() {
    check_every_cut("in.gz", gzip);
}

#[test]
fn a_truncated_zstd_file_is_an_error_wherever_it_was_cut() {
    check_every_cut("in.zst", zstd);
}

#[test]
fn a_corrupt_archive_names_the_position() {
    let directory = directory();
    let text = (0..20_000).map(|i| format!("{}\n", i * 7_919 % 10_007)).collect::<String>();
    let damaged = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        bytes
    };
    let path = file_of(&directory, "in.gz", &damaged(gzip(text.as_bytes())));
    check_error(read_all(&path), &["in.gz: the gzip data is corrupt near compressed byte"]);
    let path = directory.path().join("in.zst");
    let mut sink = FileSink::create(&path, NEW).unwrap();
    sink.write_line(text.as_bytes()).unwrap();
    sink.commit().unwrap();
    fs::write(&path, damaged(fs::read(&path).unwrap())).unwrap();
    check_error(read_all(&path), &["in.zst: the zstd data is corrupt near compressed byte"]);
    let tail = [gzip(b"a\n"), b"\x1fthis is no gzip member".to_vec()].concat();
    check_error(read_all(&file_of(&directory, "tail.gz", &tail)), &["(after 2 decompressed): invalid gzip header"]);
}

#[test]
fn zeros_behind_gzip_data_are_padding_and_other_bytes_are_not() {
    let directory = directory();
    let [first, second] = [gzip(b"a\nb"), gzip(b"c\n")];
    for zeros in [1, 7, 511, 512, 10_240, 1 << 20] {
        let zeros = vec![0; zeros];
        let padded = [first.as_slice(), &zeros].concat();
        assert_eq!(read_all(&file_of(&directory, "padded", &padded)).unwrap(), lines("a\nb"));
        let between = [first.as_slice(), &zeros, &second, &zeros].concat();
        assert_eq!(read_all(&file_of(&directory, "between", &between)).unwrap(), lines("a\nbc\n"));
        let cut = [first.as_slice(), &zeros, &second[..9]].concat();
        assert!(matches!(read_all(&file_of(&directory, "cut", &cut)), Err(FileError::TruncatedArchive { .. })));
    }
    for garbage in [&b"garbage"[..], b"\0\0garbage", b"\n"] {
        let whole = [gzip(b"a\nb\n").as_slice(), garbage].concat();
        let path = file_of(&directory, "garbage.gz", &whole);
        let mut source = FileSource::open(&path, FilePosition::default(), ANY).unwrap();
        let mut batch = RecordBatch::new();
        let read = source.read_batch(0, &mut batch, ALL);
        check_error(
            read,
            &["garbage.gz: the gzip data (4 decompressed) is followed", "gzip -dc ", "or download the file again"],
        );
        assert_eq!((batch.len(), source.position()), (2, at(4, 2)), "what came before is read");
    }
}

/// A frame that decoders are to skip.
fn skippable(variant: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&[0x50 | variant, 0x2a, 0x4d, 0x18], length.as_slice(), content].concat()
}

#[test]
fn frames_to_be_skipped_may_stand_before_between_and_behind_those_of_zstd() {
    let directory = directory();
    let (one, two) = (zstd(b"a\nb"), zstd(b"c\n"));
    for (variant, length) in [(0, 4), (0, 0), (15, 100), (3, 5_000), (7, 100_000)] {
        let skipped = skippable(variant, &vec![7; length]);
        for whole in [
            [&skipped, &one, &skipped, &two].map(Vec::as_slice).concat(),
            [&skipped, &skipped, &one, &two, &skipped].map(Vec::as_slice).concat(),
        ] {
            let path = file_of(&directory, "pzstd", &whole);
            assert_eq!(read_all(&path).unwrap(), lines("a\nbc\n"), "{variant} {length}");
            assert_eq!(read_from(&path, at(2, 1)).unwrap(), lines("bc\n"));
            let mut piped =
                FileSource::of_stream(Path::new("-"), Box::new(&*whole.leak()), FilePosition::default(), ANY).unwrap();
            assert_eq!(read_batches(&mut piped, ALL).unwrap(), lines("a\nbc\n"));
        }
        assert_eq!(read_all(&file_of(&directory, "nothing", &skipped)).unwrap(), lines(""));
    }
    let cut = [skippable(0, b"abcd"), one].concat();
    for length in (1..cut.len()).filter(|length| ![12].contains(length)) {
        let read = read_all(&file_of(&directory, "cut.zst", &cut[..length]));
        assert!(matches!(read, Err(FileError::TruncatedArchive { .. })) || length < 4, "cut at {length}: {read:?}");
    }
}

#[test]
fn a_zstd_frame_with_a_long_window_is_read() {
    let directory = directory();
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(b"a\nb\n").unwrap();
    let path = file_of(&directory, "long", &encoder.finish().unwrap());
    assert_eq!(read_all(&path).unwrap(), lines("a\nb\n"));
}

/// Beginnings of files that are no lines, what they are called, and the way out of a file `FILE`.
const REFUSED: [(&[u8], &str, &str); 24] = [
    (b"BZh91AY&SY\x8b\x0e", "bzip2 data", "bzip2 -dc FILE | dedup-host --input -"),
    (b"\xfd7zXZ\0\0\x04", "xz data", "xz -dc FILE | dedup-host --input -"),
    (b"\x5d\0\0\x80\0\xff\xff", "LZMA data", "xz --format=lzma -dc FILE |"),
    (b"LZIP\x01\x0c", "lzip data", "lzip -dc FILE |"),
    (b"\x04\x22\x4d\x18\x64\x40", "LZ4 data", "lz4 -dc FILE |"),
    (b"\x02\x21\x4c\x18\x0a\0", "LZ4 data", "lz4 -dc FILE |"),
    (b"\x50\x2a\x4d\x18\x02\0\0\0ab\x04\x22\x4d\x18", "LZ4 data", "lz4 -dc FILE |"),
    (b"\x1f\x9d\x90", "data of compress (.Z)", "gzip -dc FILE |"),
    (b"\xff\x06\0\0sNaPpY\x01", "Snappy data", "snzip -dc FILE |"),
    (b"\x78\x9c\x4b\x04\0\0b\0b", "zlib data", "pigz -dc FILE |"),
    (b"PK\x03\x04\x14\0", "a ZIP archive", "unzip -p FILE |"),
    (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7-Zip archive", "7z x -so FILE |"),
    (b"Rar!\x1a\x07\x01\0", "a RAR archive", "unrar p -inul FILE |"),
    (b"PAR1\x15\x04\x15", "a Parquet file", "parquet-tools cat --json FILE |"),
    (b"Obj\x01\x04\x16avro.schema", "an Avro file", "avro-tools tojson FILE |"),
    (b"ORC\x0a\x0b", "an ORC file", "orc-contents FILE |"),
    (b"ARROW1\0\0\xff", "Arrow data", "one JSON object a line"),
    (b"SQLite format 3\0\x10", "an SQLite database", "one JSON object a line"),
    (b"\xff\xfe{\0\"\0a\0", "UTF-16 text (little-endian)", "iconv -f UTF-16 -t UTF-8 FILE |"),
    (b"{\0\"\0a\0\"\0:\0", "UTF-16 text (little-endian)", "iconv -f UTF-16LE -t UTF-8 FILE |"),
    (b"\0{\0\"\0a\0\"\0:", "UTF-16 text (big-endian)", "iconv -f UTF-16BE -t UTF-8 FILE |"),
    (b"{\0\0\0\"\0\0\0", "UTF-32 text (little-endian)", "iconv -f UTF-32LE -t UTF-8 FILE |"),
    (b"\0\0\0\0\x07\x02\x06abc", "schema id 7", "one JSON object a line"),
    (b"\x12\x0a\x05hello\x12\x07", "binary data", "one JSON object a line"),
];

#[test]
fn other_formats_are_refused_by_name_whatever_the_file_is_called() {
    let directory = directory();
    for (beginning, name, way_out) in REFUSED {
        for file in ["events.ndjson", "events.gz", "events", "events.zst"] {
            for tail in [&b""[..], b"\nmore\n"] {
                let path = file_of(&directory, file, &[beginning, tail].concat());
                let refused = FileSource::open(&path, FilePosition::default(), ANY).map(drop);
                check_error(
                    refused,
                    &[file, "it looks like", name, &way_out.replace("FILE", &path.display().to_string())],
                );
            }
        }
    }
}

#[test]
fn other_formats_are_refused_in_a_pipe_and_inside_of_compressed_data() {
    let directory = directory();
    for (beginning, name, way_out) in REFUSED {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(beginning).unwrap();
        drop(writer);
        let source = FileSource::of_stream(Path::new("-"), Box::new(reader), FilePosition::default(), ANY);
        let piped = way_out.split(" FILE").next().unwrap();
        check_error(source.map(drop), &["it looks like", name, piped]);
        for (format, compress) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
            let path = file_of(&directory, "events", &compress(beginning));
            check_error(read_all(&path), &[&format!("decompressed by {format}, it looks like"), name, piped]);
        }
    }
    let twice = file_of(&directory, "twice.gz", &gzip(&gzip(b"a\n")));
    let way_out = format!("gzip -dc {} | gzip -dc | dedup-host --input -", twice.display());
    check_error(read_all(&twice), &["decompressed by gzip, it looks like gzip data", &way_out]);
}

#[test]
fn a_tar_archive_is_refused_in_itself_and_compressed() {
    let directory = directory();
    let mut tar = vec![0; 1024];
    tar[..9].copy_from_slice(b"in.ndjson");
    tar[257..262].copy_from_slice(b"ustar");
    tar[512..519].copy_from_slice(b"{\"a\":1}");
    check_error(read_all(&file_of(&directory, "in.tar", &tar)), &["a tar archive", "tar -xOf "]);
    check_error(read_all(&file_of(&directory, "in.tar.gz", &gzip(&tar))), &["a tar archive", "| tar -xOf - | dedup"]);
}

#[test]
fn a_refused_file_with_an_odd_name_is_quoted_for_the_shell() {
    let directory = directory();
    let path = file_of(&directory, "it's $mine.xz", b"\xfd7zXZ\0\0\x04");
    let quoted = format!("xz -dc '{}/it'\\''s $mine.xz' | dedup", directory.path().display());
    check_error(read_all(&path), &[&quoted]);
}

#[test]
fn text_that_begins_oddly_is_lines_all_the_same() {
    let directory = directory();
    for text in ["\u{feff}{}\n", "\n x\n\r\n", "nope\n", "PK\n", "P*M\n", "(\n", "\"\n", "{\"a\":\"x\0\"}\n", "日本\n"]
    {
        let wanted: Lines = lines(text).into_iter().filter(|line| !is_blank(line)).collect();
        assert_eq!(read_all(&file_of(&directory, "in", text.as_bytes())).unwrap(), wanted, "{text:?}");
    }
    assert_eq!(read_all(&file_of(&directory, "in", b"caf\xe9\n")).unwrap(), [b"caf\xe9"]);
}

fn with_a_line_of(directory: &TempDir, bytes: usize) -> PathBuf {
    file_of(directory, "in", &[b"ok\n\n", vec![b'x'; bytes].as_slice(), b"\nrest\n"].concat())
}

#[test]
fn a_line_over_the_limit_names_its_number_and_the_records_before_it_count() {
    let directory = directory();
    let check = |record: usize, limit: usize, fails: bool| {
        let path = with_a_line_of(&directory, record);
        let limits = SourceLimits { line_bytes_max: limit, ..ANY };
        let mut source = FileSource::open(&path, FilePosition::default(), limits).unwrap();
        let mut batch = RecordBatch::new();
        let read = source.read_batch(0, &mut batch, ALL);
        if !fails {
            assert_eq!(read.unwrap(), 3);
            return;
        }
        check_error(
            read,
            &["in: line 3", "byte 4", &format!("{limit} bytes"), "raise --input-line-bytes-max", "--dead-letter FILE"],
        );
        assert_eq!((batch.len(), source.position()), (1, FilePosition { bytes: 4, records: 1, blank_lines: 1 }));
    };
    for limit in [10, 64, 100, 1_000] {
        check(limit, limit, false);
        check(limit + 1, limit, true);
        check(limit * 100, limit, true);
    }
}

#[test]
fn a_line_over_the_limit_is_noted_and_the_rest_is_read_in_little_memory() {
    let directory = directory();
    for limit in [10, 64, 100, 1_000] {
        for bytes in [limit + 1, limit + 63, limit + 64, limit + 65, limit * 100] {
            let limits = SourceLimits { line_bytes_max: limit, notes_long_lines: true, ..ANY };
            let mut source = FileSource::open(&with_a_line_of(&directory, bytes), at(0, 0), limits).unwrap();
            let mut batch = RecordBatch::new();
            assert_eq!(source.read_batch(7, &mut batch, ALL).unwrap(), 3);
            let wanted = format!(
                "line 3, which starts at byte 4, has {bytes} bytes, and --input-line-bytes-max allows {limit}: it was not read"
            );
            let found: Vec<_> =
                batch.iter().map(|record| (record.offset(), record.payload(), record.unread())).collect();
            assert_eq!(
                found,
                [(7, Some(&b"ok"[..]), None), (8, None, Some(wanted.as_str())), (9, Some(b"rest"), None)]
            );
            assert_eq!(source.position(), FilePosition { bytes: bytes as u64 + 10, records: 3, blank_lines: 1 });
            assert!(batch.bytes() < 500, "{} bytes", batch.bytes());
        }
    }
    // The last line, without a newline.
    let limits = SourceLimits { line_bytes_max: 3, notes_long_lines: true, ..ANY };
    for text in ["a\nlong", "a\nlong\n"] {
        let path = file_of(&directory, "last", text.as_bytes());
        let mut source = FileSource::open(&path, at(0, 0), limits).unwrap();
        let mut batch = RecordBatch::new();
        assert_eq!(source.read_batch(0, &mut batch, ALL).unwrap(), 2);
        assert!(batch.get(1).unwrap().unread().unwrap().contains("has 4 bytes"));
        assert_eq!(source.position().bytes, text.len() as u64);
        assert_eq!(source.read_batch(2, &mut batch, ALL).unwrap(), 0);
    }
}

#[test]
fn few_bytes_that_become_too_many_are_an_error_and_what_came_before_counts() {
    let directory = directory();
    let bytes = 10 << 20;
    let bomb = |compress: fn(&[u8]) -> Vec<u8>| [compress(b"{}\n").as_slice(), &compress(&vec![b'\n'; bytes])].concat();
    for (format, archive) in [("gzip", bomb(gzip)), ("zstd", bomb(zstd))] {
        let path = file_of(&directory, "bomb", &archive);
        let read = |expansion_max| {
            let limits = SourceLimits { expansion_max, ..ANY };
            let mut source = FileSource::open(&path, at(0, 0), limits)?;
            let mut batch = RecordBatch::new();
            let read = source.read_batch(0, &mut batch, ALL).map(|_| ());
            read.map(|()| source.position()).map_err(|error| {
                assert!(source.position().bytes < EXPANSION_FREE_BYTES * 3 / 2, "{error}");
                error
            })
        };
        let whole = FilePosition { bytes: bytes as u64 + 3, records: 1, blank_lines: bytes as u64 };
        assert_eq!(read(None).unwrap(), whole);
        assert_eq!(read(Some(1_000_000)).unwrap(), whole);
        check_error(read(Some(100)), &["bomb: ", format, "more than 100 times their size", "--input-expansion-max"]);
    }
    let plain = file_of(&directory, "plain", &vec![b'\n'; bytes]);
    let limits = SourceLimits { expansion_max: Some(1), ..ANY };
    let mut source = FileSource::open(&plain, at(0, 0), limits).unwrap();
    assert_eq!(source.read_batch(0, &mut RecordBatch::new(), ALL).unwrap(), 0);
}

#[test]
fn an_output_that_holds_something_is_left_alone_unless_told_otherwise() {
    let directory = directory();
    let options = |existing| OutputOptions { existing, mode: None };
    for name in ["out", "out.gz", "out.zst"] {
        let path = directory.path().join(name);
        let write = |line: &[u8], existing| {
            let mut sink = FileSink::create(&path, options(existing))?;
            sink.write_line(line)?;
            sink.commit()
        };
        write(b"first", Existing::Refused).unwrap();
        let held = fs::read(&path).unwrap();
        for check in [check_output(&path, Existing::Refused), write(b"second", Existing::Refused).map(drop)] {
            check_error(check, &[name, "already exists", "nothing was touched", "--append", "--overwrite", "--resume"]);
        }
        assert_eq!(fs::read(&path).unwrap(), held, "untouched");
        let length = write(b"second", Existing::Kept).unwrap();
        assert_eq!(read_all(&path).unwrap(), lines("first\nsecond\n"), "{name}");
        assert_eq!(length, fs::metadata(&path).unwrap().len());
        assert!(fs::read(&path).unwrap().starts_with(&held));
        write(b"third", Existing::Replaced).unwrap();
        assert_eq!(read_all(&path).unwrap(), lines("third\n"), "{name}");
    }
    let open_end = file_of(&directory, "open-end", b"half a line");
    check_error(
        FileSink::create(&open_end, options(Existing::Kept)).map(drop),
        &["open-end", "does not end in a newline"],
    );
    assert_eq!(fs::read(&open_end).unwrap(), b"half a line");
    FileSink::create(&file_of(&directory, "empty", b""), NEW).unwrap();
}

#[test]
fn an_output_is_written_by_one_alone_whatever_it_is_called() {
    let directory = directory();
    let path = directory.path().join("out");
    let held = FileSink::create(&path, NEW).unwrap();
    fs::hard_link(&path, directory.path().join("hard")).unwrap();
    std::os::unix::fs::symlink("out", directory.path().join("soft")).unwrap();
    for name in ["out", "hard", "soft"] {
        let again = FileSink::create(&directory.path().join(name), NEW);
        check_error(again.map(drop), &[name, "is being written by another run"]);
        check_error(FileSink::resume(&directory.path().join(name), 0, NEW).map(drop), &["another run"]);
    }
    drop(held);
    FileSink::create(&path, NEW).unwrap();
}

#[test]
fn a_new_output_has_the_mode_it_is_given_and_may_be_led_to_by_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory();
    std::os::unix::fs::symlink("target", directory.path().join("link")).unwrap();
    for (name, made) in [("out", "out"), ("link", "target")] {
        let options = OutputOptions { existing: Existing::Refused, mode: Some(0o640) };
        FileSink::create(&directory.path().join(name), options).unwrap();
        let metadata = fs::symlink_metadata(directory.path().join(made)).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.is_file()), (0o640, true), "{name}");
    }
}

#[test]
fn a_position_that_is_none_is_refused() {
    let directory = directory();
    for (name, bytes) in [("in", b"ab\ncd".to_vec()), ("in.gz", gzip(b"ab\ncd")), ("in.zst", zstd(b"ab\ncd"))] {
        let path = file_of(&directory, name, &bytes);
        let from = |bytes| read_from(&path, at(bytes, 1));
        assert_eq!(from(3).unwrap(), lines("cd"));
        assert_eq!(from(5).unwrap(), lines(""));
        check_error(from(2), &["resume at byte 2", "no line starts there", "start over with empty state"]);
        check_error(from(4), &["resume at byte 4"]);
        check_error(from(6), &["resume at byte 6", "only 5 bytes", "cut or replaced"]);
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let directory = directory();
    check_error(read_all(&directory.path().join("none")), &["cannot open", "none", "check the path"]);
    check_error(read_all(directory.path()), &["is a directory; name a file in it"]);
    check_error(FileSink::create(directory.path(), NEW).map(drop), &["is a directory"]);
    check_error(FileSink::create(&directory.path().join("no/out"), NEW).map(drop), &["cannot create", "its directory"]);
    let said = |kind: ErrorKind| FileError::io("open", Path::new("a/b"), kind.into()).to_string();
    assert_eq!(
        said(ErrorKind::PermissionDenied),
        "cannot open a/b: permission denied; give this user the permission, or choose another path"
    );
}

#[test]
fn a_pipe_hands_over_what_is_there_and_can_be_resumed_by_reading() {
    let (reader, mut writer) = io::pipe().unwrap();
    let path = Path::new(STANDARD_STREAM);
    writer.write_all(b"a\nb\nhalf").unwrap();
    let from = at(2, 1);
    let mut source = FileSource::of_stream(path, Box::new(reader), from, ANY).unwrap();
    let mut batch = RecordBatch::new();
    // The writer still holds the pipe: this returns only because it does not wait for the other half.
    assert_eq!(source.read_batch(1, &mut batch, ALL).unwrap(), 1);
    assert_eq!((source.position(), source.progress()), (at(4, 2), None));
    writer.write_all(b" done").unwrap();
    drop(writer);
    assert_eq!(read_batches(&mut source, ALL).unwrap(), lines("half done"));
}

#[test]
fn a_pipe_with_one_short_record_is_not_waited_on() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"a\n").unwrap();
    let mut source = FileSource::of_stream(Path::new("-"), Box::new(reader), FilePosition::default(), ANY).unwrap();
    assert_eq!(source.read_batch(0, &mut RecordBatch::new(), ALL).unwrap(), 1);
    writer.write_all(b"b\n").unwrap();
    assert_eq!(source.read_batch(1, &mut RecordBatch::new(), ALL).unwrap(), 1);
}

#[test]
fn a_compressed_pipe_is_recognised() {
    for bytes in [gzip(b"a\nb\n"), zstd(b"a\nb\n")] {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&bytes).unwrap();
        drop(writer);
        let from = at(2, 1);
        let mut source = FileSource::of_stream(Path::new("-"), Box::new(reader), from, ANY).unwrap();
        assert_eq!(read_batches(&mut source, ALL).unwrap(), lines("b"));
    }
}

#[test]
fn written_lines_are_read_back_after_every_commit() {
    let directory = directory();
    for name in ["out", "out.gz", "out.zst"] {
        let path = directory.path().join(name);
        fs::write(&path, "old content, to be truncated").unwrap();
        let replaced = OutputOptions { existing: Existing::Replaced, mode: None };
        let mut sink = FileSink::create(&path, replaced).unwrap();
        let mut expected = Lines::new();
        assert_eq!(sink.commit().unwrap(), fs::metadata(&path).unwrap().len());
        assert_eq!(read_all(&path).unwrap(), expected, "{name}: nothing written");
        for length in [2, 3, 5, 63, 64, 65, 200, 3, 2, 1_000] {
            expected.extend([vec![b'x'; length], vec![b'y'; length / 2]]);
            sink.write_line(&vec![b'x'; length]).unwrap();
            sink.write_line(&vec![b'y'; length / 2]).unwrap();
            let committed = sink.commit().unwrap();
            assert_eq!(committed, fs::metadata(&path).unwrap().len());
            assert_eq!(sink.commit().unwrap(), committed, "a commit of nothing adds nothing");
            assert_eq!(read_all(&path).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn resume_cuts_back_to_the_commit_and_writes_on() {
    let directory = directory();
    for name in ["out", "out.gz", "out.zst"] {
        let path = directory.path().join(name);
        let mut sink = FileSink::create(&path, NEW).unwrap();
        sink.write_line(b"kept").unwrap();
        let committed = sink.commit().unwrap();
        for i in 0..1_000_u32 {
            sink.write_line(format!("lost {}", i.wrapping_mul(2_654_435_761)).as_bytes()).unwrap();
        }
        sink.commit().unwrap();
        drop(sink);
        assert!(fs::metadata(&path).unwrap().len() > committed);
        let mut sink = FileSink::resume(&path, committed, NEW).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), committed);
        sink.write_line(b"again").unwrap();
        let committed = sink.commit().unwrap();
        assert_eq!(committed, fs::metadata(&path).unwrap().len());
        assert_eq!(read_all(&path).unwrap(), lines("kept\nagain\n"), "{name}");
        drop(sink);
        check_error(
            FileSink::resume(&path, committed + 1, NEW).map(drop),
            &[name, &format!("{} bytes were committed and the file has {committed}", committed + 1), "restore it"],
        );
    }
}

#[test]
fn resume_refuses_what_cannot_be_cut_back() {
    let directory = directory();
    check_error(FileSink::resume(Path::new("-"), 0, NEW).map(drop), &["- cannot be resumed", "regular file"]);
    check_error(FileSink::resume(Path::new("/dev/null"), 0, NEW).map(drop), &["/dev/null cannot be resumed"]);
    check_error(FileSink::resume(&directory.path().join("none"), 1, NEW).map(drop), &["cannot resume", "none"]);
    let other = file_of(&directory, "other", b"not what was written\n");
    check_error(FileSink::resume(&other, 5, NEW).map(drop), &["resume at byte 5", "no line starts there"]);
    assert_eq!(fs::read(&other).unwrap(), b"not what was written\n");
    FileSink::resume(&directory.path().join("new"), 0, NEW).unwrap();
    assert!(directory.path().join("new").exists());
}

#[test]
fn a_reader_that_has_gone_is_told_apart_and_ends_the_sink() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut sink = FileSink::over(Path::new("-"), Output::Stream(Box::new(writer)));
    sink.write_line(b"x").unwrap();
    assert!(matches!(sink.commit(), Err(FileError::Closed { .. })));
    assert!(matches!(sink.write_line(b"x"), Err(FileError::Failed { .. })));
    assert!(matches!(sink.commit(), Err(FileError::Failed { .. })));
}

#[test]
fn a_full_disk_says_so() {
    let mut sink = FileSink::create(Path::new("/dev/full"), NEW).unwrap();
    sink.write_line(b"x").unwrap();
    check_error(sink.commit(), &["cannot write /dev/full", "No space left", "free space there"]);
    check_error(sink.commit(), &["an earlier write failed", "restart to resume"]);
}

#[test]
fn sources_and_sinks_may_move_to_another_thread() {
    fn check<T: Send>() {}
    check::<FileSource>();
    check::<FileSink>();
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0..20_usize, 3 => 50..80_usize, 1 => 100..700_usize];
    let line = (length, any::<u8>()).prop_map(|(length, byte)| vec![if byte == b'\n' { b'\r' } else { byte }; length]);
    (prop::collection::vec(line, 0..25), any::<bool>()).prop_map(|(lines, ends)| {
        // The first line says that these are lines.
        let mut text = [b"{}".to_vec()].into_iter().chain(lines).collect::<Vec<_>>().join(&b'\n');
        if ends {
            text.push(b'\n');
        }
        text
    })
}

fn pack(packing: Packing, text: &[u8], member_bytes: usize) -> Vec<u8> {
    let members = text.chunks(member_bytes);
    match packing {
        Packing::Plain => text.to_vec(),
        Packing::Gzip => members.flat_map(gzip).collect(),
        Packing::Zstd => members.flat_map(zstd).collect(),
    }
}

proptest! {
    #![proptest_config(cases::cases(256))]

    #[test]
    fn from_every_position_the_rest_is_the_same(
        text in text(),
        packing in prop_oneof![Just(Packing::Plain), Just(Packing::Gzip), Just(Packing::Zstd)],
        member_bytes in 1..400_usize,
        limits in prop::collection::vec((1..6_usize, 0..300_usize), 1..5),
        piped: bool,
    ) {
        let directory = directory();
        let bytes = pack(packing, &text, member_bytes);
        let path = file_of(&directory, "in", &bytes);
        let open = |from| if piped {
            FileSource::of_stream(&path, Box::new(io::Cursor::new(bytes.clone())), from, ANY)
        } else {
            FileSource::open(&path, from, ANY)
        };
        let mut expected: Lines = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if expected.last().is_some_and(Vec::is_empty) {
            expected.pop();
        }
        let all = expected.len();
        expected.retain(|line| !is_blank(line));
        let (bytes, records, blank_lines) = (text.len() as u64, expected.len() as u64, (all - expected.len()) as u64);
        let end = FilePosition { bytes, records, blank_lines };
        let mut source = open(FilePosition::default()).unwrap();
        let mut batch = RecordBatch::new();
        let mut limits = limits.into_iter().cycle();
        loop {
            let position = source.position();
            let mut reopened = open(position).unwrap();
            prop_assert_eq!(reopened.position(), position);
            prop_assert_eq!(&read_batches(&mut reopened, ALL).unwrap(), &expected[batch.len()..]);
            prop_assert_eq!(reopened.position(), end);
            let (records_max, bytes_max) = limits.next().unwrap();
            let read = source.read_batch(batch.len() as i64, &mut batch, BatchLimits { records_max, bytes_max }).unwrap();
            prop_assert_eq!(source.position().records, batch.len() as u64);
            if read == 0 {
                break;
            }
        }
        let payloads: Lines = batch.iter().map(|record| record.payload().unwrap().to_vec()).collect();
        prop_assert_eq!(payloads, expected);
    }
}
