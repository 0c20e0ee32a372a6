//! How a report is written: for people, for machines that know TAP or JUnit, and as JSON. It judges nothing.

mod document;
mod human;
mod json;
mod junit;
mod tap;

use std::time::Duration;

pub use document::document;
pub use human::{Human, catalogue, outcome_line};

use crate::report::Report;
use crate::verdict::Verdict;

/// The version of the host that this suite belongs to.
const HOST_VERSION: &str = env!("CARGO_PKG_VERSION");

impl Report {
    /// For people. With `colour` it has the escapes of terminals.
    #[must_use]
    pub fn to_human(&self, colour: bool) -> String {
        Human::whole(self, colour)
    }

    /// The Test Anything Protocol, version 14. Rules that do not apply are skipped.
    #[must_use]
    pub fn to_tap(&self) -> String {
        tap::report(self)
    }

    /// JUnit's XML, as build servers read it: a group is a class, a rule a test case.
    #[must_use]
    pub fn to_junit(&self) -> String {
        junit::report(self)
    }

    /// JSON, for programs; `schema` is its version.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::report(self)
    }
}

/// The detail lines of an outcome: what each is, and its text.
fn details(outcome: &crate::Outcome) -> Vec<(&'static str, String)> {
    let mut details = Vec::new();
    match &outcome.verdict {
        Verdict::Passed => {}
        Verdict::Failed(failure) => {
            details.push(("why", outcome.rule.reason.to_owned()));
            details.push(("input", failure.input.clone()));
            details.push(("got", failure.got.clone()));
            details.push(("wanted", failure.wanted.clone()));
            details.push(("again", outcome.rerun.clone()));
        }
        Verdict::Blocked(why) => details.push(("blocked", why.clone())),
        Verdict::NotApplicable(why) => details.push(("not applicable", why.clone())),
        Verdict::Untried(why) => details.push(("not tried", why.clone())),
    }
    details.extend(outcome.remarks.iter().map(|remark| ("note", remark.clone())));
    details
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests;
