//! A document that is also a script: its sections, the commands in them, and what they are said to print. It runs
//! nothing.

use dedup_host_tests::Test;

pub(crate) const TESTS: &[Test] = &[
    ("what_is_shown_may_leave_out_what_differs", what_is_shown_may_leave_out_what_differs),
    ("a_section_is_its_commands_with_what_they_print", a_section_is_its_commands_with_what_they_print),
];

/// Commands, and what they are said to print.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) commands: String,
    /// Lines that come in this order, with others between them; `...` stands for anything. Empty: nothing is said.
    pub(crate) prints: Vec<String>,
}

/// The steps of the section with this title, of any depth of heading.
pub(crate) fn section(document: &str, title: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut fence) = (false, None);
    for line in document.lines() {
        match (line.strip_prefix("```"), &fence) {
            (Some(kind), None) => {
                fence = Some(kind.trim().to_owned());
                if inside && kind.trim() == "sh" {
                    steps.push(Step { commands: String::new(), prints: Vec::new() });
                }
            }
            (Some(_), Some(_)) => fence = None,
            (None, None) => {
                if let Some(heading) = line.strip_prefix('#') {
                    inside = heading.trim_start_matches('#').trim() == title;
                }
            }
            (None, Some(kind)) => {
                let Some(step) = steps.last_mut().filter(|_| inside) else { continue };
                match kind.as_str() {
                    "sh" => step.commands.extend([line, "\n"]),
                    "text" if !line.trim().is_empty() => step.prints.push(line.to_owned()),
                    _ => {}
                }
            }
        }
    }
    assert!(!steps.is_empty(), "there is no section \"{title}\" with commands in it");
    steps
}

/// The first line shown that was not printed, after those before it.
pub(crate) fn not_printed<'a>(shown: &'a [String], printed: &str) -> Option<&'a str> {
    let mut lines = printed.lines();
    shown.iter().find(|pattern| !lines.any(|line| matches(pattern, line))).map(String::as_str)
}

fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.trim_end().split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.trim_end().strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last = Some(part);
    }
    // Without dots the whole line is meant, and with some the end of it unless it ends with them.
    rest.is_empty() || last == Some("") || last.is_some_and(|part| line.trim_end().ends_with(part))
}

fn what_is_shown_may_leave_out_what_differs() {
    for (pattern, line, expected) in [
        ("PASS", "PASS", true),
        ("PASS", "PASSED", false),
        ("... passed", "12 passed", true),
        ("... passed", "12 passed, 1 failed", false),
        ("... passed...", "12 passed, 1 failed", true),
        ("a ... c", "a b c", true),
        ("a ... c", "a b d", false),
        ("a ... c", "a c c", true),
    ] {
        assert_eq!(matches(pattern, line), expected, "{pattern} and {line}");
    }
    let shown = ["b".to_owned(), "a".to_owned()];
    assert_eq!(not_printed(&shown, "x\nb\ny\na\n"), None);
    assert_eq!(not_printed(&shown, "a\nb\n"), Some("a"), "the order counts");
}

fn a_section_is_its_commands_with_what_they_print() {
    let document = "# T\n```sh\nno\n```\n## Rust\nwords\n```sh\none\ntwo # three\n```\n```text\nfour\n\n```\n```json\n{}\n```\n```sh\nfive\n```\n## C\n```sh\nno\n```\n";
    let step = |commands: &str, prints: &[&str]| Step {
        commands: commands.to_owned(),
        prints: prints.iter().map(|&line| line.to_owned()).collect(),
    };
    assert_eq!(section(document, "Rust"), [step("one\ntwo # three\n", &["four"]), step("five\n", &[])]);
}
