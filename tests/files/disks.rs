//! Disks that are full, read-only or not there, files in use, and readers that went away. Nothing hangs, nothing is lost.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use dedup_host_tests::Test;
use dedup_host_tests::disk::Disk;
use dedup_host_tests::program::{self, Ended, Running};

use super::desk::{Desk, end, reader};

pub(crate) const TESTS: &[Test] = &[
    ("an_input_that_is_not_there", an_input_that_is_not_there),
    ("an_input_that_is_a_directory", an_input_that_is_a_directory),
    ("an_archive_that_is_cut_short", an_archive_that_is_cut_short),
    ("an_archive_that_is_damaged", an_archive_that_is_damaged),
    ("an_output_in_a_directory_that_is_not_there", an_output_in_a_directory_that_is_not_there),
    ("an_output_that_is_a_directory", an_output_that_is_a_directory),
    ("an_output_on_a_full_device", an_output_on_a_full_device),
    ("a_store_in_use_by_another_process", a_store_in_use_by_another_process),
    ("a_store_path_that_is_a_file", a_store_path_that_is_a_file),
    ("a_reader_that_goes_away", a_reader_that_goes_away),
    ("a_report_on_a_full_device", a_report_on_a_full_device),
];

/// These need to mount file systems.
pub(crate) const TESTS_OF_SMALL_DISKS: &[Test] = &[
    ("a_read_only_disk_for_the_output", a_read_only_disk_for_the_output),
    ("a_read_only_disk_for_the_store", a_read_only_disk_for_the_store),
    ("a_full_disk_under_the_output", a_full_disk_under_the_output),
    ("a_full_disk_under_a_compressed_output", a_full_disk_under_a_compressed_output),
    ("a_full_disk_under_the_store", a_full_disk_under_the_store),
    ("a_full_disk_under_what_verify_sorts", a_full_disk_under_what_verify_sorts),
];

/// A directory `disk` that is a file system of its own.
fn disk_of(desk: &Desk, options: &str) -> Disk {
    std::fs::create_dir(desk.path("disk")).expect("a directory");
    Disk::mount(&desk.path("disk"), options).expect("mounted before")
}

fn a_full_disk_under_what_verify_sorts() {
    let desk = Desk::new();
    let _made = end(desk.command("generate --events 20000 --output in")).ok();
    let _ok = desk.run("--input in --output out --event-time /timestamp").ok();
    let disk = disk_of(&desk, "size=1m");
    let verify = |temp: &str| {
        let words =
            format!("verify --input in --output out --event-time /timestamp --memory 1MiB --temp-dir {temp} --plugin");
        let mut command = desk.command(&words);
        command.arg(program::plugin("composite_key"));
        end(command)
    };
    verify("disk").refused(12, &["could not check", "disk", "No space left", "--temp-dir"]);
    let _right = verify(".").ok();
    drop(disk);
}

fn an_input_that_is_not_there() {
    let desk = Desk::new();
    desk.write("out", "kept");
    desk.run("--input nowhere --output out --overwrite").refused(4, &["nowhere", "No such file", "check the path"]);
    assert_eq!(desk.text("out"), "kept");
}

fn an_input_that_is_a_directory() {
    let desk = Desk::new();
    desk.run("--input .").refused(4, &["is a directory", "name a file"]);
}

fn an_archive_that_is_cut_short() {
    let desk = Desk::new();
    desk.write("in.zst", &zstd::encode_all("{\"a\":1}\n".repeat(10_000).as_bytes(), 1).unwrap()[..20]);
    desk.run("--input in.zst --output out").refused(4, &["in.zst", "zstd", "too early", "download the file again"]);
}

fn an_archive_that_is_damaged() {
    let desk = Desk::new();
    let text: String = (0..10_000).map(|number| format!("{{\"a\":{number}}}\n")).collect();
    let mut bytes = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::best());
    std::io::Read::read_to_end(&mut encoder, &mut bytes).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    desk.write("in.gz", bytes);
    desk.run("--input in.gz --output out").refused(4, &["in.gz", "corrupt", "download the file again"]);
}

fn an_output_in_a_directory_that_is_not_there() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    desk.run("--input in --output nowhere/out").refused(6, &["nowhere/out", "No such file", "directory exists"]);
}

fn an_output_that_is_a_directory() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    desk.run("--input in --output .").refused(6, &["is a directory", "name a file"]);
}

fn an_output_on_a_full_device() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    desk.run("--input in --output /dev/full").refused(6, &["/dev/full", "No space left", "free space"]);
}

fn a_store_in_use_by_another_process() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    let (pipe, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"{\"a\":1}\n").unwrap();
    let mut command = desk.dedup("--input - --output first");
    command.stdin(Stdio::from(pipe));
    let mut running = Running::start_command(command);
    while !desk.path("first").exists() {
        assert!(running.is_running(), "{}", running.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
    desk.run("--input in --output second").refused(5, &["store", "in use by another process", "--store-path"]);
    assert!(!desk.path("second").exists());
    drop(writer);
    assert_eq!(running.wait(Duration::from_secs(30)).code, Some(0), "the first is not disturbed");
}

fn a_store_path_that_is_a_file() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    desk.write("store", "a file\n");
    desk.run("--input in").refused(5, &["store", "directory"]);
}

fn a_reader_that_goes_away() {
    let desk = Desk::new();
    let _truth = desk.generate(50_000, 41);
    let mut command = desk.dedup("--input in --output - --report report");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // As `head -1` does.
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert!(line.starts_with("{\"uuid\""), "{line}");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("standard output: the reader") && !stderr.contains("panicked"), "{stderr}");
}

fn a_read_only_disk_for_the_output() {
    let desk = Desk::new();
    let _disk = disk_of(&desk, "ro");
    desk.write("in", "{\"a\":1}\n");
    desk.run("--input in --output disk/out").refused(6, &["disk/out", "Read-only", "writable"]);
}

fn a_read_only_disk_for_the_store() {
    let desk = Desk::new();
    let _disk = disk_of(&desk, "ro");
    desk.write("in", "{\"a\":1}\n");
    with_store(&desk, "disk/store", "--input in").refused(5, &["disk/store", "Read-only", "writable"]);
}

/// Runs until the disk is full, then with more room to the end.
fn fill(output: &str, small: &str) -> Desk {
    let desk = Desk::new();
    let disk = disk_of(&desk, small);
    let truth = desk.generate(60_000, 42);
    let words = format!("--input in --output disk/{output} --duplicates duplicates");
    desk.run(&words).refused(6, &[output, "No space left", "free space"]);
    desk.run(&format!("{words} --resume")).refused(6, &[output, "No space left"]);
    disk.remount("size=500m");
    let _ok = desk.run(&format!("{words} --resume --report report")).ok();
    assert_eq!(desk.report(), truth);
    std::fs::copy(desk.path(&format!("disk/{output}")), desk.path(output)).unwrap();
    desk
}

fn a_full_disk_under_the_output() {
    let desk = fill("out", "size=10m");
    desk.check_unique(reader(&desk, "out"));
}

fn a_full_disk_under_a_compressed_output() {
    let desk = fill("out.gz", "size=1m");
    desk.check_unique(std::io::BufReader::new(flate2::read::MultiGzDecoder::new(reader(&desk, "out.gz"))));
}

fn a_full_disk_under_the_store() {
    let desk = Desk::new();
    let disk = disk_of(&desk, "size=1m");
    let truth = desk.generate(60_000, 43);
    let words = "--input in --output out";
    with_store(&desk, "disk/store", words).refused(5, &["disk/store", "full", "free some space"]);
    disk.remount("size=500m");
    let _ok = with_store(&desk, "disk/store", &format!("{words} --resume --report report")).ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
}

/// As [`Desk::run`], with another store.
fn with_store(desk: &Desk, store: &str, words: &str) -> Ended {
    let mut command = desk.command(&format!("--store-path {store} {words} --plugin"));
    command.arg(program::plugin("composite_key"));
    end(command)
}

fn a_report_on_a_full_device() {
    let desk = Desk::new();
    let truth = desk.generate(1_000, 44);
    desk.run("--input in --output out --report /dev/full").refused(6, &["/dev/full", "No space left"]);
    let ended = end(desk.dedup("--input in --output out --report report --resume")).ok();
    assert!(ended.stderr.contains("nothing to resume"), "{}", ended.stderr);
    assert_eq!(desk.report(), truth, "the report is made again");
}
