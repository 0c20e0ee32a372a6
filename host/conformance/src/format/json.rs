//! The report as JSON. Members are added and never change their meaning; if one has to, `schema` is raised.

use serde_json::{Value, json};

use super::{HOST_VERSION, milliseconds};
use crate::report::{Outcome, Report};
use crate::verdict::Verdict;

/// The version of the form.
const SCHEMA: u32 = 1;

pub(super) fn report(report: &Report) -> String {
    let subject = &report.subject;
    let info = subject.info.as_ref();
    let counts = report.counts();
    let report = json!({
        "schema": SCHEMA,
        "host": {"name": "dedup-host", "version": HOST_VERSION},
        "plugin": {
            "path": subject.path.to_string_lossy(),
            "sha256": subject.sha256,
            "bytes": subject.bytes,
            "name": info.map(|info| &info.name),
            "version": info.map(|info| &info.version),
            "key_version": info.map(|info| info.key_version),
            "roles": subject.roles,
            "imports": subject.imports,
            "contract": subject.contract,
        },
        "level": report.level.name(),
        "seed": report.seed,
        "chosen": report.chosen,
        "declarations": report.declarations.as_ref().map(|path| path.to_string_lossy()),
        "quick": report.quick,
        "rules": report.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "summary": {
            "conforms": report.passed(),
            "passed": counts.passed,
            "failed": counts.failed,
            "blocked": counts.blocked,
            "not_applicable": counts.not_applicable,
            "untried": counts.untried,
            "time_ms": milliseconds(report.time),
        },
    });
    format!("{}\n", plain_text::json(&format!("{report:#}")))
}

fn outcome(outcome: &Outcome) -> Value {
    let rule = outcome.rule;
    let mut json = json!({
        "id": rule.id,
        "group": rule.group.name(),
        "level": rule.level.name(),
        "sentence": rule.sentence,
        "verdict": outcome.verdict.name(),
        "time_ms": milliseconds(outcome.time),
        "calls": outcome.calls,
        "fuel": outcome.fuel,
        "notes": outcome.remarks,
    });
    let more = match &outcome.verdict {
        Verdict::Passed => json!({}),
        Verdict::Failed(failure) => json!({
            "reason": rule.reason,
            "input": failure.input,
            "got": failure.got,
            "wanted": failure.wanted,
            "again": outcome.rerun,
        }),
        Verdict::Blocked(why) | Verdict::NotApplicable(why) | Verdict::Untried(why) => json!({"because": why}),
    };
    if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
        json.extend(more);
    }
    json
}
