//! Work on untrusted bytes in a separate process: this program, started again, with bounds on its memory and its time,
//! without environment variables, and with no descriptors but three pipes. A compiler that runs out of memory costs that
//! process, and so does a parser that panics.
//!
//! It takes a program whose `main` calls [`crate::serve`] first. In any other, such as a test of a plugin, the work is done in
//! place: panics are caught, but neither memory nor time is bounded. Not a sandbox for machine code: everything that runs
//! there is the host's own.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::processor;
use crate::words::{WORDS_BYTES_MAX, clean};

/// The first argument of the process that works.
const WORD: &str = "confined-work";

/// Its exit code if the work panicked.
const PANICKED: u8 = 101;

/// Threads that work in parallel; they share the memory.
const THREADS_MAX: usize = 8;

/// Descriptors that it may open.
const DESCRIPTORS_MAX: u64 = 64;

/// Bytes before a result: two numbers, and whether it is one.
const HEAD_BYTES: usize = 17;

/// Bytes kept of what it writes to standard error.
const LAST_WORDS_BYTES_MAX: u64 = 16 << 10;

/// Bytes of a result. Machine code takes some five times the bytes of a component.
const RESULT_BYTES_MAX: u64 = 2 << 30;

/// The lowest priority.
const NICENESS_MAX: i32 = 19;

/// A process that steps back mostly waits if there are too few processors for all.
const TIMES_AS_LONG: u32 = 10;

/// How often to check whether it has ended, once it has returned its result.
const LOOK_INTERVAL: Duration = Duration::from_micros(200);

/// Work that can be done by another process: a function of its arguments and of bytes.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Its name; no two have the same.
    pub name: &'static str,
    /// What is done.
    pub run: Run,
}

/// What is done of these arguments and bytes.
pub type Run = fn(&[String], &[u8]) -> Result<Vec<u8>, Refusal>;

/// Why the work itself has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of reason it is: the work knows.
    pub kind: u8,
    /// The reason, for people.
    pub words: String,
}

/// What the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Memory, but for the program itself.
    pub memory_bytes_max: u64,
    /// Time by the wall clock, as long as the process goes first.
    pub time_max: Duration,
    /// Whether everything else on the machine goes first: a line that must not notice.
    pub steps_back: bool,
}

impl Bounds {
    /// Time by the wall clock; of the processor's a process that steps back has no more than another.
    fn wall_time_max(&self) -> Duration {
        if self.steps_back { self.time_max.saturating_mul(TIMES_AS_LONG) } else { self.time_max }
    }

    fn niceness(&self) -> i32 {
        if self.steps_back { NICENESS_MAX } else { 0 }
    }
}

/// Why there is no result. All words are bounded and clean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoResult {
    /// The work says why.
    #[error("{}", .0.words)]
    Refused(Refusal),
    /// It needed more memory than it may use.
    #[error("it needed more than {} MiB of memory, which is the limit", .0 >> 20)]
    Memory(u64),
    /// It took too long.
    #[error("it took longer than {} s, which is the limit", .0.as_secs_f64())]
    Time(Duration),
    /// It panicked, or was terminated.
    #[error("{0}")]
    Died(String),
    /// The process could not be started.
    #[error("cannot start a process for it: {0}")]
    NoProcess(String),
}

/// Whether this program does such work when it is started again.
static SERVES: AtomicBool = AtomicBool::new(false);

/// To be called first by a program that has work done in separate processes. In the process that was started for such
/// work, it does the work and returns the exit code.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "its words go through a pipe to the process that asked, which cleans them"
)]
pub(crate) fn serve(works: &[Work]) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(WORD.as_ref()) {
        SERVES.store(true, Ordering::Relaxed);
        return None;
    }
    Some(work(works, arguments).unwrap_or_else(|why| {
        // If standard error is closed, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{why}");
        ExitCode::FAILURE
    }))
}

/// Has work done within bounds.
///
/// # Errors
/// There is no result; see [`NoResult`].
pub fn confined(work: &Work, arguments: &[String], input: &[u8], bounds: Bounds) -> Result<Vec<u8>, NoResult> {
    confined_and_timed(work, arguments, input, bounds).map(|timed| timed.result)
}

/// A result, and the processor time that it took: of all threads in a process of its own, in place of the one that asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) result: Vec<u8>,
    pub(crate) processor_time: Duration,
}

/// As [`confined`].
///
/// # Errors
/// As [`confined`].
pub(crate) fn confined_and_timed(
    work: &Work,
    arguments: &[String],
    input: &[u8],
    bounds: Bounds,
) -> Result<Timed, NoResult> {
    if SERVES.load(Ordering::Relaxed) {
        return by_a_process(work, arguments, input, bounds);
    }
    let before = processor::thread_time();
    match catch_unwind(AssertUnwindSafe(|| (work.run)(arguments, input))) {
        Ok(Ok(result)) => Ok(Timed { result, processor_time: processor::thread_time().saturating_sub(before) }),
        Ok(Err(refusal)) => Err(NoResult::Refused(refusal.cleaned())),
        Err(panic) => Err(gave_up(words_of(&*panic))),
    }
}

impl Refusal {
    /// A refusal by work that has only one kind.
    #[must_use]
    pub fn of(words: impl Into<String>) -> Self {
        Self { kind: 0, words: words.into() }
    }

    fn cleaned(self) -> Self {
        Self { words: clean(&self.words, WORDS_BYTES_MAX), ..self }
    }
}

fn gave_up(words: &str) -> NoResult {
    NoResult::Died(format!("the tool that reads it failed: {}", clean(words.trim(), WORDS_BYTES_MAX)))
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

fn by_a_process(work: &Work, arguments: &[String], input: &[u8], bounds: Bounds) -> Result<Timed, NoResult> {
    let deadline = Instant::now() + bounds.wall_time_max();
    let mut child = start(work, arguments, bounds).map_err(|error| NoResult::NoProcess(error.to_string()))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (send, results) = sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(move || feed(stdin, input));
        let words = scope.spawn(move || drain(stderr, LAST_WORDS_BYTES_MAX));
        scope.spawn(move || drop(send.send(drain(stdout, RESULT_BYTES_MAX))));
        let result = results.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let in_time = result.is_ok() && has_ended(&mut child, deadline);
        if !in_time {
            // It may have ended this very moment.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|error| NoResult::Died(error.to_string()))?;
        if !in_time {
            return Err(NoResult::Time(bounds.wall_time_max()));
        }
        if !status.success() {
            return Err(death(status, &String::from_utf8_lossy(&words.join().unwrap_or_default()), bounds));
        }
        match result_of(&result.unwrap_or_default()) {
            Err(NoResult::Refused(Refusal { words, .. })) if is_want_of_memory(&words) => {
                Err(NoResult::Memory(bounds.memory_bytes_max))
            }
            result => result,
        }
    })
}

/// It inherits nothing from this process: no environment variables, which may be secrets, and no open files.
fn start(work: &Work, arguments: &[String], bounds: Bounds) -> std::io::Result<Child> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let seconds = bounds.time_max.as_secs_f64() * threads as f64;
    let mut command = Command::new(program()?);
    command.arg0("dedup-host").args([WORD, work.name]);
    command.args([bounds.memory_bytes_max.to_string(), format!("{:.0}", seconds.ceil() + 1.0)]);
    command.arg(bounds.niceness().to_string()).args(arguments);
    command.env_clear().env("RAYON_NUM_THREADS", threads.to_string()).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// This program, even if its file has been replaced since it was started.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "on other systems it has to be asked for")]
fn program() -> std::io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

#[cfg(not(target_os = "linux"))]
fn program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

fn feed(pipe: Option<ChildStdin>, input: &[u8]) {
    // A process that no longer reads has ended, and its status says why.
    let _ = pipe.map(|mut pipe| pipe.write_all(input));
}

fn drain(pipe: Option<impl Read>, bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A cut result is noticed: a result states its length.
    let _ = pipe.map(|pipe| pipe.take(bytes_max).read_to_end(&mut bytes));
    bytes
}

/// Whether it ends before the deadline. It should: its result is there, or it has closed the pipe.
fn has_ended(child: &mut Child, deadline: Instant) -> bool {
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    true
}

fn is_want_of_memory(words: &str) -> bool {
    ["memory allocation of", "Cannot allocate memory", "out of memory"].iter().any(|part| words.contains(part))
}

fn death(status: ExitStatus, words: &str, bounds: Bounds) -> NoResult {
    match (status.code(), status.signal()) {
        _ if is_want_of_memory(words) => NoResult::Memory(bounds.memory_bytes_max),
        _ if words.contains("overflowed its stack") => {
            NoResult::Died("it is nested too deeply: the tool that reads it ran out of stack".to_owned())
        }
        (Some(code), _) if code == i32::from(PANICKED) => gave_up(words),
        (_, Some(signal)) if signal == Signal::XCPU.as_raw() => NoResult::Time(bounds.time_max),
        (_, Some(signal)) if signal == Signal::KILL.as_raw() => {
            NoResult::Died("its process was killed, perhaps because the machine has no memory left".to_owned())
        }
        (_, Some(signal)) => NoResult::Died(format!("its process was terminated by signal {signal}")),
        (_, None) => NoResult::Died(format!("its process failed: {}", clean(words.trim(), WORDS_BYTES_MAX))),
    }
}

/// A result in bytes: how many follow, the microseconds that it took, whether it is one, and the result, or the kind of the
/// refusal and its words.
fn framed(worked: Result<Vec<u8>, Refusal>, processor_time: Duration) -> ([u8; HEAD_BYTES], Vec<u8>) {
    let (is_refused, body) = match worked {
        Ok(result) => (0, result),
        Err(Refusal { kind, words }) => (1, [&[kind][..], words.as_bytes()].concat()),
    };
    let micros = u64::try_from(processor_time.as_micros()).unwrap_or(u64::MAX);
    let mut head = [is_refused; HEAD_BYTES];
    let (numbers, _) = head.split_at_mut(HEAD_BYTES - 1);
    numbers.copy_from_slice(&[body.len() as u64, micros].map(u64::to_le_bytes).concat());
    (head, body)
}

fn result_of(bytes: &[u8]) -> Result<Timed, NoResult> {
    let cut_short = || NoResult::Died("its process returned an incomplete result".to_owned());
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut_short)?;
    let (micros, rest) = rest.split_first_chunk::<8>().ok_or_else(cut_short)?;
    let (is_refused, body) = rest.split_first().ok_or_else(cut_short)?;
    if body.len() as u64 != u64::from_le_bytes(*length) {
        return Err(cut_short());
    }
    if *is_refused == 0 {
        let processor_time = Duration::from_micros(u64::from_le_bytes(*micros));
        return Ok(Timed { result: body.to_vec(), processor_time });
    }
    let (kind, words) = body.split_first().ok_or_else(cut_short)?;
    let words = String::from_utf8_lossy(words).into_owned();
    Err(NoResult::Refused(Refusal { kind: *kind, words }.cleaned()))
}

/// What the process does that was started for the work.
#[expect(clippy::disallowed_methods, reason = "its result and words go through pipes to the process that asked")]
fn work(works: &[Work], arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, String> {
    let arguments = arguments.map(OsString::into_string).collect::<Result<Vec<String>, _>>();
    let arguments = arguments.map_err(|_| "an argument is not UTF-8".to_owned())?;
    let [name, memory_bytes_max, seconds_max, niceness, arguments @ ..] = arguments.as_slice() else {
        return Err(format!(
            "{WORD} is not a command: the program starts itself with it to do work in a separate process"
        ));
    };
    let number = |text: &String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    confine(number(memory_bytes_max)?, number(seconds_max)?)?;
    // Before there is a second thread. If it is not allowed, the work runs at normal priority.
    let _ = niceness.parse().map(rustix::process::nice);
    let work = works.iter().find(|work| work.name == name);
    let work = work.ok_or_else(|| format!("unknown work {name}"))?;
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).map_err(|error| format!("cannot read: {error}"))?;
    // Report the message of a panic, but not its location in the tool.
    std::panic::set_hook(Box::new(|panic| {
        let _ = writeln!(std::io::stderr(), "{}", words_of(panic.payload()));
    }));
    let Ok(worked) = catch_unwind(AssertUnwindSafe(|| (work.run)(arguments, &input))) else {
        return Ok(ExitCode::from(PANICKED));
    };
    let (head, body) = framed(worked, processor::process_time());
    let mut out = std::io::stdout().lock();
    let written = out.write_all(&head).and_then(|()| out.write_all(&body)).and_then(|()| out.flush());
    written.map_err(|error| format!("cannot write: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Drops irrevocably what the work does not need.
fn confine(memory_bytes_max: u64, seconds_max: u64) -> Result<(), String> {
    close_all_but_pipes();
    #[cfg(target_os = "linux")]
    {
        // Where memory is short this process goes before any other. Not everywhere is there such a file.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        // Without its parent there is nobody to work for.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    }
    let bounds = [
        (Resource::Data, memory_bytes_max),
        (Resource::Cpu, seconds_max),
        (Resource::Nofile, DESCRIPTORS_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ];
    for (resource, max) in bounds {
        // What is bounded more tightly already stays so.
        let max = getrlimit(resource).maximum.map_or(max, |already| already.min(max));
        let bound = Rlimit { current: Some(max), maximum: Some(max) };
        setrlimit(resource, bound).map_err(|error| format!("cannot bound what it may use: {error}"))?;
    }
    Ok(())
}

/// Most of what a program opens is closed when it starts another, but not what every library of it opens.
#[expect(unsafe_code, reason = "descriptors that nobody here opened can only be closed by their numbers")]
fn close_all_but_pipes() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let open = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok());
    let open: Vec<RawFd> = open.filter(|descriptor| *descriptor > 2).collect();
    for descriptor in open {
        // The directory that was just read was among them, and is closed.
        if std::fs::symlink_metadata(format!("/proc/self/fd/{descriptor}")).is_ok() {
            // SAFETY: it is open, and inherited: nothing in this process has opened a file yet, or holds this number.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { memory_bytes_max: 1 << 30, time_max: Duration::from_secs(10), steps_back: false };

    fn backwards(arguments: &[String], input: &[u8]) -> Result<Vec<u8>, Refusal> {
        match arguments {
            [] => Ok(input.iter().rev().copied().collect()),
            [word] if word == "panic" => panic!("no\nway"),
            _ => Err(Refusal { kind: 7, words: format!("a\x1b{}", "b".repeat(10_000)) }),
        }
    }

    const BACKWARDS: Work = Work { name: "backwards", run: backwards };

    #[test]
    fn in_place_there_is_a_result_a_refusal_or_words_of_a_panic() {
        assert_eq!(confined(&BACKWARDS, &[], b"abc", BOUNDS).unwrap(), b"cba");
        let Err(NoResult::Refused(refusal)) = confined(&BACKWARDS, &["x".to_owned(), "y".to_owned()], b"", BOUNDS)
        else {
            panic!("not refused")
        };
        assert!(refusal.kind == 7 && refusal.words.len() <= WORDS_BYTES_MAX && !refusal.words.contains('\x1b'));
        let error = confined(&BACKWARDS, &["panic".to_owned()], b"", BOUNDS).unwrap_err();
        assert_eq!(error.to_string(), "the tool that reads it failed: no way");
    }

    #[test]
    fn results_that_are_cut_short_are_none() {
        for worked in [Ok(vec![1; 100]), Ok(vec![]), Err(Refusal { kind: 3, words: "why".to_owned() })] {
            let processor_time = Duration::from_micros(1234);
            let (head, body) = framed(worked.clone(), processor_time);
            let whole = [&head[..], &body].concat();
            let timed = worked.map(|result| Timed { result, processor_time });
            assert_eq!(result_of(&whole), timed.map_err(NoResult::Refused));
            for length in 0..whole.len() {
                assert!(matches!(result_of(&whole[..length]), Err(NoResult::Died(_))), "{length}");
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(cases::cases(500))]

        #[test]
        fn any_bytes_of_strangers_are_a_whole_result_or_none(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60), is_refused in 0..3_u8,
        ) {
            let framed = [&(bytes.len() as u64).to_le_bytes()[..], &[7; 8], &[is_refused], &bytes].concat();
            let (whole, any) = (result_of(&framed), result_of(&bytes));
            if is_refused == 0 {
                proptest::prop_assert_eq!(whole.as_ref().map(|timed| &timed.result), Ok(&bytes));
            }
            for result in [whole, any] {
                if let Err(NoResult::Refused(Refusal { words, .. })) = result {
                    proptest::prop_assert!(words.len() <= WORDS_BYTES_MAX && !words.contains(char::is_control));
                }
            }
        }
    }

    #[test]
    fn an_end_is_told_by_its_cause() {
        let death = |status: i32, words: &str| death(ExitStatus::from_raw(status), words, BOUNDS);
        assert_eq!(death(6, "memory allocation of 64 bytes failed"), NoResult::Memory(1 << 30));
        assert_eq!(death(24, ""), NoResult::Time(BOUNDS.time_max));
        assert!(death(6, "thread 'main' has overflowed its stack").to_string().contains("nested too deeply"));
        assert!(death(101 << 8, "index out of bounds").to_string().ends_with("failed: index out of bounds"));
        assert!(death(9, "").to_string().contains("killed"));
        assert!(death(11, "").to_string().contains("signal 11"));
        assert!(death(1 << 8, "cannot read").to_string().contains("cannot read"));
    }
}
