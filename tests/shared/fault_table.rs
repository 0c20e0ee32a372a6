//! The tables of `docs/faults.md`. Each is held, and written, by the test that tries its faults. Not the faults.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

const HOW: &str = "run the tests that try faults with FAULTS_DOCUMENT=write, and look at the difference: \
                   `FAULTS_DOCUMENT=write cargo test --release --workspace --test faults --test forms --test authors`";
/// Characters of a cell.
const CELL_MAX: usize = 120;
/// Digits of numbers that are the same with every compiler.
const DIGITS_MAX: usize = 3;
/// What no two builds have the same of.
const UNITS: [&str; 4] = [" KiB", " ms", " fuel", " bytes"];

/// The row of a fault: what is wrong in words, what was tried, and what came, as its rule says.
pub(crate) fn row(fault: &str, words: &str, tried: &str, came: &str) -> String {
    let cell = |text: &str| {
        let text = cut(&without_counts(&without_events(text)));
        text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
    };
    format!("| `{fault}` | {} | {} | {} |\n", words.trim(), cell(tried), cell(came))
}

/// Holds the table below a title to these rows; if they are not `all`, the table may have more.
///
/// # Panics
/// The document has another table there.
pub(crate) fn check(title: &str, rows: &[String], all: bool) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    // Crates that share this lie at different depths.
    let mut found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|above| above.join("docs/faults.md"));
    let path = found.find(|path| path.is_file()).expect("docs/faults.md");
    let document = std::fs::read_to_string(&path).expect("docs/faults.md is text");
    let (before, table, after) = parts(&document, title).unwrap_or_else(|| panic!("there is no table below {title}"));
    let wanted = rows.concat();
    if all && std::env::var_os("FAULTS_DOCUMENT").is_some_and(|value| value == "write") {
        std::fs::write(&path, format!("{before}{wanted}{after}")).expect("docs/faults.md is written");
        return;
    }
    let missing: Vec<&String> = rows.iter().filter(|row| !table.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/faults.md lacks rows below {title}: {HOW}\n{missing:#?}");
    assert!(!all || table == wanted, "docs/faults.md has more rows below {title}, or in another order: {HOW}");
}

/// What stands before the rows of the table below a title, the rows, and what stands after them.
fn parts<'d>(document: &'d str, title: &str) -> Option<(&'d str, &'d str, &'d str)> {
    const RULE: &str = "\n|---|---|---|---|\n";
    let title = document.find(&format!("\n## {title}\n"))?;
    let start = title + document.get(title..)?.find(RULE)? + RULE.len();
    let rows = document.get(start..)?;
    let end = rows.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum::<usize>();
    let (table, after) = rows.split_at(end);
    Some((document.get(..start)?, table, after))
}

/// Events are long, and say little.
fn without_events(text: &str) -> String {
    match text.find("\"{") {
        Some(at) => format!("{}..", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Numbers that are not the same with every compiler are left out.
fn without_counts(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|char: char| char.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|char: char| !char.is_ascii_digit()).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        let is_measured = number.len() > DIGITS_MAX || UNITS.iter().any(|unit| after.starts_with(unit));
        out.push_str(before);
        out.push_str(if is_measured { "N" } else { number });
        rest = after;
    }
    out + rest
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(CELL_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
