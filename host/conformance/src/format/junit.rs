//! JUnit's XML. There is no standard; this is the part that build servers agree on.

use std::fmt::Write;

use super::details;
use crate::report::{Outcome, Report};
use crate::rule::Group;
use crate::verdict::Verdict;

pub(super) fn report(report: &Report) -> String {
    let counts = report.counts();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = report.subject.info.as_ref().map_or("plugin", |info| info.name.as_str());
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">",
        escaped(name),
        report.outcomes.len(),
        counts.failed,
        counts.blocked,
        counts.not_applicable + counts.untried,
        report.time.as_secs_f64()
    );
    for group in Group::ALL {
        let outcomes: Vec<&Outcome> = report.outcomes.iter().filter(|outcome| outcome.rule.group == group).collect();
        if !outcomes.is_empty() {
            suite(group, &outcomes, report, &mut out);
        }
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(group: Group, outcomes: &[&Outcome], report: &Report, out: &mut String) {
    let count = |name: &str| outcomes.iter().filter(|outcome| outcome.verdict.name() == name).count();
    let time: f64 = outcomes.iter().map(|outcome| outcome.time.as_secs_f64()).sum();
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{time:.3}\">",
        group.name(),
        outcomes.len(),
        count("failed"),
        count("blocked"),
        count("not-applicable") + count("untried"),
    );
    let properties = [
        ("path", report.subject.path.to_string_lossy().into_owned()),
        ("sha256", report.subject.sha256.clone()),
        ("level", report.level.name().to_owned()),
        ("seed", report.seed.to_string()),
    ];
    out.push_str("    <properties>\n");
    for (name, value) in properties {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escaped(&value));
    }
    out.push_str("    </properties>\n");
    outcomes.iter().for_each(|outcome| case(outcome, out));
    out.push_str("  </testsuite>\n");
}

fn case(outcome: &Outcome, out: &mut String) {
    let rule = outcome.rule;
    let _ = write!(
        out,
        "    <testcase name=\"{} {}\" classname=\"conformance.{}\" time=\"{:.3}\"",
        rule.id,
        escaped(rule.sentence),
        rule.group.name(),
        outcome.time.as_secs_f64()
    );
    let lines: Vec<String> = details(outcome).into_iter().map(|(what, text)| format!("{what}: {text}")).collect();
    let text = escaped(&lines.join("\n"));
    let _ = match &outcome.verdict {
        Verdict::Passed if lines.is_empty() => writeln!(out, "/>"),
        Verdict::Passed => writeln!(out, "><system-out>{text}</system-out></testcase>"),
        Verdict::Failed(failure) => {
            let message = escaped(&format!("got {}, wanted {}", failure.got, failure.wanted));
            writeln!(out, "><failure message=\"{message}\" type=\"{}\">{text}</failure></testcase>", rule.level.name())
        }
        Verdict::Blocked(why) => {
            writeln!(out, "><error message=\"{}\" type=\"blocked\">{text}</error></testcase>", escaped(why))
        }
        Verdict::NotApplicable(why) | Verdict::Untried(why) => {
            writeln!(out, "><skipped message=\"{}\"/></testcase>", escaped(why))
        }
    };
}

/// Text as it may stand in an attribute or an element of XML 1.0, which has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            unseen if plain_text::is_unseen(unseen) => {
                let _ = write!(out, "&#x{:x};", u32::from(unseen));
            }
            plain => out.push(plain),
        }
    }
    out
}
