//! The report for people: groups, one line a rule, and all there is to say about a failure.

use std::fmt::Write;

use plain_text::{Line, line};

use super::details;
use crate::report::{Outcome, Report};
use crate::rule::{Group, Rule};
use crate::verdict::Verdict;

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const DIM: &str = "2";

/// The report as it grows: its heading, a text for each outcome, its ending.
#[derive(Debug, Clone, Copy, Default)]
pub struct Human {
    /// With the escapes of terminals.
    pub colour: bool,
    group: Option<Group>,
}

impl Human {
    /// Of nothing yet.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        Self { colour, group: None }
    }

    /// Who it is about.
    #[must_use]
    pub fn heading(&self, report: &Report) -> String {
        heading(report, self.colour)
    }

    /// What became of the next rule, below the name of its group where that is another one.
    pub fn outcome(&mut self, outcome: &Outcome) -> String {
        let group = outcome.rule.group;
        let line = outcome_line(outcome, self.colour);
        if self.group.replace(group) == Some(group) {
            return line;
        }
        format!("\n{}\n{line}", paint(group.name(), BOLD, self.colour))
    }

    /// What came of it all.
    #[must_use]
    pub fn ending(&self, report: &Report) -> String {
        ending(report, self.colour)
    }

    pub(super) fn whole(report: &Report, colour: bool) -> String {
        let mut human = Self::new(colour);
        let mut out = human.heading(report);
        report.outcomes.iter().for_each(|outcome| out.push_str(&human.outcome(outcome)));
        out.push_str(&human.ending(report));
        out
    }
}

fn ending(report: &Report, colour: bool) -> String {
    let counts = report.counts();
    let untried = if counts.untried > 0 { format!(", {} not tried", counts.untried) } else { String::new() };
    let mut out = format!(
        "\n{} passed, {} failed, {} blocked, {} not applicable{untried}, in {:.1} s\n",
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
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
    let _ = writeln!(out, "{words}{why}{}", untried_rules(report));
    out
}

/// What could not be tried, for the last line: whoever reads no other should know.
fn untried_rules(report: &Report) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for outcome in &report.outcomes {
        let Verdict::Untried(why) = &outcome.verdict else { continue };
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, rules)) => rules.push(outcome.rule.id),
            None => reasons.push((why, vec![outcome.rule.id])),
        }
    }
    let each = reasons.iter().map(|(why, rules)| format!("; not tried: {} ({})", rules.join(", "), line(why)));
    each.collect()
}

fn heading(report: &Report, colour: bool) -> String {
    let subject = &report.subject;
    let name = match &subject.info {
        Some(info) => format!("{} {}, key version {}", line(&info.name), line(&info.version), info.key_version),
        None => "a plugin that does not give its name".to_owned(),
    };
    let imports =
        if subject.imports.is_empty() { "nothing".to_owned() } else { line(&subject.imports.join(", ")).into_owned() };
    let declared = report.declarations.as_ref();
    let declared = declared.map_or_else(String::new, |path| format!("declared equalities: {}\n", Line(path.display())));
    format!(
        "{}\n{} ({} bytes, sha256 {})\n{}, contract {}, imports {imports}; seed {}\n{declared}",
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
        Verdict::Untried(_) => ("?   ", YELLOW),
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
