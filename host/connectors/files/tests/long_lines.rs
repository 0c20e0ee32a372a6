//! Very long lines through the buffers of a release build. Everything else about files is tested beside their code.

use std::fs::File;
use std::io::{BufWriter, Write};

use engine::record::RecordBatch;
use file_connector::{
    BatchLimits, FileError, FilePosition, FileSink, FileSource, LINE_BYTES_MAX, OutputOptions, SourceLimits,
};

const LIMITS: BatchLimits = BatchLimits { records_max: 1_000, bytes_max: 1 << 20 };

#[test]
fn lines_of_ten_and_two_hundred_mebibytes_come_back_exactly() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["long.ndjson", "long.ndjson.zst"] {
        let path = directory.path().join(name);
        let lines = [vec![b'a'; 10 << 20], b"short".to_vec(), vec![b'b'; 200 << 20], vec![b'c'; 300 << 10]];
        let mut sink = FileSink::create(&path, OutputOptions::default()).unwrap();
        for line in &lines {
            sink.write_line(line).unwrap();
        }
        sink.commit().unwrap();
        let mut source = FileSource::open(&path, FilePosition::default(), SourceLimits::default()).unwrap();
        let (mut batch, mut taken) = (RecordBatch::new(), 0);
        while source.read_batch(0, &mut batch, LIMITS).unwrap() > 0 {
            for record in batch.iter() {
                assert!(record.payload() == lines.get(taken).map(Vec::as_slice), "line {} of {name}", taken + 1);
                taken += 1;
            }
            batch.clear();
        }
        assert_eq!(taken, lines.len());
    }
}

#[test]
fn a_file_that_never_ends_its_line_stops_at_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("endless");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    // Text, as far as it is looked at before it is read.
    file.write_all(b"first\n").unwrap();
    file.write_all(&[b'x'; 64 << 10]).unwrap();
    file.flush().unwrap();
    file.get_mut().set_len(LINE_BYTES_MAX as u64 + 100).unwrap();
    file.flush().unwrap();
    let mut source = FileSource::open(&path, FilePosition::default(), SourceLimits::default()).unwrap();
    let mut batch = RecordBatch::new();
    let error = source.read_batch(0, &mut batch, LIMITS).unwrap_err();
    assert!(matches!(error, FileError::LineTooLong { line: 2, start: 6, .. }), "{error}");
    assert_eq!((batch.len(), source.position()), (1, FilePosition { bytes: 6, records: 1, blank_lines: 0 }));
}
