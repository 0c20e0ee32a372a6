//! The Test Anything Protocol, version 14 (testanything.org): a plan, a line a rule, and YAML below those that say more.

use std::fmt::Write;

use super::details;
use crate::report::Report;
use crate::verdict::Verdict;

pub(super) fn report(report: &Report) -> String {
    let mut out = format!("TAP version 14\n1..{}", report.outcomes.len());
    if report.outcomes.is_empty() {
        out.push_str(" # SKIP no rule was chosen");
    }
    out.push('\n');
    for (number, outcome) in (1..).zip(&report.outcomes) {
        let ok = if outcome.verdict.is_bad() { "not ok" } else { "ok" };
        let rule = outcome.rule;
        let _ = write!(out, "{ok} {number} - {} {}", rule.id, escaped(rule.sentence));
        if let Verdict::NotApplicable(why) | Verdict::Untried(why) = &outcome.verdict {
            let _ = write!(out, " # SKIP {}", escaped(&plain_text::line(why)));
        }
        let _ = write!(out, "\n  ---\n  level: {}\n  group: {}\n", rule.level.name(), rule.group.name());
        let _ = writeln!(out, "  verdict: {}\n  duration_ms: {}", outcome.verdict.name(), outcome.time.as_millis());
        for (what, text) in details(outcome).iter().filter(|(what, _)| *what != "note") {
            let _ = writeln!(out, "  {}: {}", what.replace(' ', "_"), yaml(text));
        }
        if !outcome.remarks.is_empty() {
            let notes: Vec<String> = outcome.remarks.iter().map(|remark| yaml(remark)).collect();
            let _ = writeln!(out, "  notes: [{}]", notes.join(", "));
        }
        out.push_str("  ...\n");
    }
    out
}

/// A description: `#` starts a directive unless it is escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}

/// A YAML scalar in double quotes, which JSON's strings are.
fn yaml(text: &str) -> String {
    plain_text::json(&serde_json::Value::from(text).to_string()).into_owned()
}
