//! The way to people: everything that the process prints on standard output and standard error. Text from outside never
//! reaches a terminal unescaped, so nothing else in the host prints (clippy refuses it). Not records, which are never
//! changed, and not how answers are laid out.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "everything is printed by the functions of this crate")]

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::panic::PanicHookInfo;

use plain_text::Line;

/// Whether answers are in colour: standard output is a terminal, and `NO_COLOR` is not set (no-color.org).
#[must_use]
pub fn answers_have_colour() -> bool {
    wants_colour() && stdout().is_terminal()
}

/// As [`answers_have_colour`], of what goes to standard error.
#[must_use]
pub fn errors_have_colour() -> bool {
    wants_colour() && stderr().is_terminal()
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|text| text.is_empty())
}

/// Says why the process ends, on one line.
pub fn error(message: impl Display) {
    note(&format!("error: {}", Line(message)));
}

/// Says something on standard error, whose line breaks are the host's own.
pub fn note(text: &str) {
    // Where standard error is closed there is nobody to tell.
    drop(writeln!(stderr(), "{}", plain_text::lines(text)));
}

/// Writes an answer whole to standard output; its line breaks and colours are the host's own. A reader that has gone, as
/// `head` does, is no error.
///
/// # Errors
/// If it cannot be written.
pub fn answer(text: &str) -> io::Result<()> {
    let text = if answers_have_colour() { plain_text::styled(text) } else { plain_text::lines(text) };
    written(stdout().lock(), &text)
}

/// Writes what is said about a command line whole to standard error; its line breaks and colours are the host's own.
pub fn complaint(text: &str) {
    let text = if errors_have_colour() { plain_text::styled(text) } else { plain_text::lines(text) };
    // Where standard error is closed there is nobody to tell.
    drop(written(stderr(), &text));
}

fn written(mut out: impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Whether standard error is a terminal, where progress may be drawn.
#[must_use]
pub fn shows_progress() -> bool {
    stderr().is_terminal()
}

/// Where the log goes. Whoever writes it escapes it.
#[must_use]
pub fn log() -> io::Stderr {
    stderr()
}

/// From here on a thread that panics says so as all else is said.
pub fn report_panics() {
    std::panic::set_hook(Box::new(report_panic));
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let (thread, what) = (thread.name().unwrap_or("unnamed"), panic.payload_as_str().unwrap_or("without words"));
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    error(format_args!("thread {thread} panicked{place}: {what}; this is a defect of dedup-host"));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        note(&backtrace.to_string());
    }
}

#[expect(clippy::disallowed_methods, reason = "this module is the way to standard output")]
fn stdout() -> io::Stdout {
    io::stdout()
}

#[expect(clippy::disallowed_methods, reason = "this module is the way to standard error")]
fn stderr() -> io::Stderr {
    io::stderr()
}
