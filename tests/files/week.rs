//! A week of event time, a run for each day over one state with a window of a day: the program takes as much memory and disk
//! on the last days as on the third.

use std::fs;
use std::path::Path;
use std::time::Duration;

use dedup_host_tests::Test;
use dedup_host_tests::program::Running;

use super::desk::{Desk, end};

pub(crate) const TESTS: &[Test] = &[("a_week_with_a_window_of_a_day_takes_no_more", a_week_takes_no_more)];

const DAYS: u64 = 7;
const EVENTS: u64 = 86_400;
const DAY_MS: u64 = 86_400_000;
const FIRST_MS: u64 = 1_767_225_600_000;

/// The most that two of the last days may differ, in percent: of memory, what the allocator and threads make of chance.
const DISK_PERCENT: u64 = 10;
const MEMORY_PERCENT: u64 = 15;

fn a_week_takes_no_more() {
    let desk = Desk::new();
    let days: Vec<(u64, u64)> = (0..DAYS).map(|day| live_through(&desk, day)).collect();
    let (disk, memory): (Vec<u64>, Vec<u64>) = days.into_iter().skip(2).unzip();
    println!("  from the third day on: {disk:?} bytes on the disk, {memory:?} KiB of memory");
    check_flat(&disk, DISK_PERCENT);
    check_flat(&memory, MEMORY_PERCENT);
    // And it is not flat because nothing is there.
    assert!(disk.iter().all(|bytes| *bytes > EVENTS * KEY_BYTES_MIN), "{disk:?}");
}

const SETTINGS: &str = "--event-time /timestamp --window 1d";

/// A key takes at least so many bytes on the disk.
const KEY_BYTES_MIN: u64 = 20;

/// A day's events; the bytes of the state afterwards, and the most memory that the program had, in KiB.
fn live_through(desk: &Desk, day: u64) -> (u64, u64) {
    let start = FIRST_MS + day * DAY_MS;
    let words =
        format!("generate --events {EVENTS} --rate 1 --start {start} --seed {day} --duplicates 0.1 --output in-{day}");
    let _made = end(desk.command(&words)).ok();
    let mut running = Running::start_command(desk.dedup(&format!("--input in-{day} --output out-{day} {SETTINGS}")));
    let mut memory = 0;
    while running.is_running() {
        memory = most_memory(running.pid()).unwrap_or(memory);
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ok = running.wait(Duration::from_secs(60)).ok();
    (bytes_below(&desk.path("store")), memory)
}

fn check_flat(days: &[u64], percent: u64) {
    let (least, most) = (days.iter().min().expect("days"), days.iter().max().expect("days"));
    assert!(*least > 0 && most - least <= most * percent / 100, "{days:?}");
}

/// The kernel's word for the most memory that a process had, in KiB.
fn most_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn bytes_below(dir: &Path) -> u64 {
    let size = |entry: fs::DirEntry| {
        let found = entry.metadata().expect("a file");
        if found.is_dir() { bytes_below(&entry.path()) } else { found.len() }
    };
    fs::read_dir(dir).expect("a directory").map(|entry| size(entry.expect("an entry"))).sum()
}
