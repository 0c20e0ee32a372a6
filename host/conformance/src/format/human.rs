//! The report for people: groups, one line a rule, and all there is to say about a failure.

use std::fmt::Write;

use plain_text::{Line, line};

use super::details;
use crate::report::{Outcome, Report};
use crate::rule::Rule;
use crate::verdict::Verdict;

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const DIM: &str = "2";

pub(super) fn report(report: &Report, colour: bool) -> String {
    let mut out = heading(report, colour);
    let mut group = None;
    for outcome in &report.outcomes {
        if group.replace(outcome.rule.group) != Some(outcome.rule.group) {
            let _ = writeln!(out, "\n{}", paint(outcome.rule.group.name(), BOLD, colour));
        }
        out.push_str(&outcome_line(outcome, colour));
    }
    let counts = report.counts();
    let _ = writeln!(
        out,
        "\n{} passed, {} failed, {} blocked, {} not applicable, in {:.1} s",
        counts.passed,
        counts.failed,
        counts.blocked,
        counts.not_applicable,
        report.time.as_secs_f64()
    );
    let words = match (report.passed(), report.chosen.as_slice()) {
        (false, _) => paint("does not conform", RED, colour),
        (true, []) if report.quick => paint("conforms to the quick rules", GREEN, colour),
        (true, []) => paint(&format!("conforms ({})", report.level.name()), GREEN, colour),
        (true, names) => paint(&format!("conforms to {}", names.join(", ")), GREEN, colour),
    };
    let failed = report.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)));
    let mut why: Vec<String> = Vec::new();
    let failed: Vec<&str> = failed.map(|outcome| outcome.rule.id).collect();
    why.extend((!failed.is_empty()).then(|| failed.join(", ")));
    why.extend((counts.blocked > 0).then(|| match counts.blocked {
        1 => "one rule could not be tried".to_owned(),
        more => format!("{more} rules could not be tried"),
    }));
    let _ = if why.is_empty() { writeln!(out, "{words}") } else { writeln!(out, "{words}: {}", why.join("; ")) };
    out
}

fn heading(report: &Report, colour: bool) -> String {
    let subject = &report.subject;
    let name = match &subject.info {
        Some(info) => format!("{} {}, key version {}", line(&info.name), line(&info.version), info.key_version),
        None => "a plugin that does not give its name".to_owned(),
    };
    let imports =
        if subject.imports.is_empty() { "nothing".to_owned() } else { line(&subject.imports.join(", ")).into_owned() };
    format!(
        "{}\n{} ({} bytes, sha256 {})\n{}, contract {}, imports {imports}; seed {}\n",
        paint(&name, BOLD, colour),
        Line(subject.path.display()),
        subject.bytes,
        subject.sha256,
        subject.roles.join(" and "),
        line(&subject.contract),
        report.seed
    )
}

/// What became of one rule, for people: a line, and more where there is more to say.
#[must_use]
pub fn outcome_line(outcome: &Outcome, colour: bool) -> String {
    let (word, code) = match outcome.verdict {
        Verdict::Passed => ("ok  ", GREEN),
        Verdict::Failed(_) => ("FAIL", RED),
        Verdict::Blocked(_) => ("????", RED),
        Verdict::NotApplicable(_) => ("n/a ", YELLOW),
    };
    let mut out = format!("  {} {:<4}{}", paint(word, code, colour), outcome.rule.id, outcome.rule.sentence);
    let milliseconds = outcome.time.as_millis();
    if milliseconds >= 100 {
        let _ = write!(out, " {}", paint(&format!("({milliseconds} ms)"), DIM, colour));
    }
    out.push('\n');
    for (what, text) in details(outcome) {
        let _ = writeln!(out, "           {} {}", paint(&format!("{what}:"), DIM, colour), line(&text));
    }
    out
}

/// A list of rules, for people.
pub fn catalogue(rules: impl IntoIterator<Item = &'static Rule>, colour: bool) -> String {
    let mut out = String::new();
    let mut group = None;
    for rule in rules {
        if group.replace(rule.group) != Some(rule.group) {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}{}", paint(rule.group.name(), BOLD, colour));
        }
        let quick = if rule.quick { "quick" } else { "" };
        let _ = writeln!(out, "  {:<4}{:<9}{:<6}{}", rule.id, rule.level.name(), quick, rule.sentence);
    }
    out
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
