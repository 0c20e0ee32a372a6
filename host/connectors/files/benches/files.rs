//! Reading and writing newline-delimited files against copying the same bytes with `std::io::copy`. Prints medians;
//! the file is in the page cache, so this is not a measure of the disk.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use engine::record::RecordBatch;
use file_connector::{BatchLimits, Existing, FilePosition, FileSink, FileSource, OutputOptions, SourceLimits};

const FILE_BYTES: usize = 512 << 20;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    for line_bytes in [100, 500, 4_000] {
        let path = directory.path().join("in.ndjson");
        let mut line = vec![b'x'; line_bytes - 1];
        line.push(b'\n');
        fs::write(&path, line.repeat(FILE_BYTES / line_bytes))?;
        let bytes = fs::metadata(&path)?.len();
        println!("lines of {line_bytes} bytes, {} MB", bytes / 1_000_000);
        report("read: std::io::copy to a sink through 256 KiB", bytes, || copy_to_nowhere(&path));
        report("read: FileSource", bytes, || read_records(&path));
        let copy = directory.path().join("out.ndjson");
        report("write: fs::write in 256 KiB pieces, fdatasync", bytes, || write_pieces(&copy, bytes));
        report("write: FileSink, one commit", bytes, || write_lines(&copy, &line, bytes));
    }
    Ok(())
}

fn report(name: &str, bytes: u64, mut run: impl FnMut() -> io::Result<u64>) {
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .filter_map(|_| {
            let start = Instant::now();
            let done = run();
            assert!(done.as_ref().is_ok_and(|done| *done == bytes), "{name}: {done:?} of {bytes} bytes");
            done.ok().map(|_| start.elapsed().as_secs_f64())
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(ROUNDS / 2).copied().unwrap_or(f64::NAN);
    println!("  {name:<50} {:>8.0} MB/s", bytes as f64 / median / 1e6);
}

/// `io::copy` alone would stay inside the kernel; a source has to bring the bytes to the process.
fn copy_to_nowhere(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => bytes += io::copy(&mut black_box(buffer.get(..read).unwrap_or_default()), &mut io::sink())?,
        }
    }
}

fn read_records(path: &Path) -> io::Result<u64> {
    let mut source =
        FileSource::open(path, FilePosition::default(), SourceLimits::default()).map_err(io::Error::other)?;
    let mut batch = RecordBatch::new();
    let limits = BatchLimits { records_max: 10_000, bytes_max: 1 << 20 };
    loop {
        batch.clear();
        if source.read_batch(0, &mut batch, limits).map_err(io::Error::other)? == 0 {
            return Ok(source.position().bytes);
        }
        black_box(&batch);
    }
}

fn write_pieces(path: &Path, bytes: u64) -> io::Result<u64> {
    let mut file = File::create(path)?;
    let piece = vec![b'x'; 256 << 10];
    let mut left = bytes;
    while left > 0 {
        let taken = left.min(piece.len() as u64);
        file.write_all(piece.get(..taken as usize).unwrap_or_default())?;
        left -= taken;
    }
    file.sync_data()?;
    Ok(bytes)
}

fn write_lines(path: &Path, line: &[u8], bytes: u64) -> io::Result<u64> {
    let mut sink =
        FileSink::create(path, OutputOptions { existing: Existing::Replaced, mode: None }).map_err(io::Error::other)?;
    let record = line.strip_suffix(b"\n").unwrap_or(line);
    for _ in 0..bytes / line.len() as u64 {
        sink.write_line(record).map_err(io::Error::other)?;
    }
    sink.commit().map_err(io::Error::other)
}
