//! The answer: a verdict, and what it is based on, as text and as JSON. Nothing is found out here.

use std::fmt::Write as _;

use connectors::Lane;
use serde_json::{Value, json};

use crate::config::Places;
use crate::facts::Place;
use crate::findings::{Findings, Violation};

/// What is known of a run's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All that was judged is as it should be.
    Right,
    /// Something is not.
    Violated,
    /// Nothing wrong was found, and not everything could be judged.
    Unchecked,
}

impl Verdict {
    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Violated => "violated",
            Self::Unchecked => "could_not_check",
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Report {
    places: Places,
    /// What was found.
    pub findings: Findings,
    /// Records of the input that were judged.
    pub judged: u64,
}

impl Report {
    pub(crate) fn new(places: Places, findings: Findings, judged: u64) -> Self {
        Self { places, findings, judged }
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.findings.violated(), self.findings.unjudged(), self.judged) {
            (1.., _, _) => Verdict::Violated,
            (0, 0, 1..) => Verdict::Right,
            (0, _, _) => Verdict::Unchecked,
        }
    }

    /// The answer as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let findings = &self.findings;
        for (name, count) in &findings.read {
            line(&mut text, &format!("read         {name}: {count} records"));
        }
        line(&mut text, &format!("judged       {} records of {}", self.judged, self.places.input()));
        for (name, count) in &findings.outcomes {
            line(&mut text, &format!("  {name}: {count}"));
        }
        for lane in Lane::ALL.into_iter().filter(|lane| !self.places.has(*lane)) {
            line(&mut text, &format!("not read     there is no {} lane: {}", lane.name(), without(lane)));
        }
        for (note, count) in &findings.notes {
            line(&mut text, &format!("note         {note}: {count}"));
        }
        for (why, count) in &findings.undecidable {
            line(&mut text, &format!("undecidable  {why}: {count}"));
        }
        for (kind, found) in &findings.violations {
            line(&mut text, &format!("violated     {}: {} in all", kind.name(), found.count));
            found.shown.iter().for_each(|violation| line(&mut text, &format!("  {}", self.violation(violation))));
        }
        line(&mut text, &format!("verdict      {}", self.words()));
        text
    }

    fn words(&self) -> String {
        match self.verdict() {
            Verdict::Right => "right".to_owned(),
            Verdict::Violated => format!("violated: {} violations", self.findings.violated()),
            Verdict::Unchecked if self.judged == 0 => {
                "could not check: no record of the input lies in the span and is committed".to_owned()
            }
            Verdict::Unchecked => format!(
                "could not check: nothing wrong was found, and {} records are undecidable; if the log has lost its \
                 beginning, give --from one window behind where it begins now",
                self.findings.unjudged()
            ),
        }
    }

    fn violation(&self, violation: &Violation) -> String {
        let mut text = String::new();
        if let Some(place) = violation.input {
            text.push_str(&at(&self.places.input(), place));
        }
        if let Some((lane, spot)) = violation.lane {
            let name = self.places.name(lane).unwrap_or_default();
            let arrow = if text.is_empty() { "" } else { " -> " };
            let _infallible = write!(text, "{arrow}{}", at(&name, spot));
        }
        if let Some(key) = &violation.key {
            let _infallible = write!(text, " key {key}");
        }
        let _infallible = write!(text, ": expected {}; found {}", violation.expected, violation.found);
        plain_text::line(&text).into_owned()
    }

    /// The answer as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings = &self.findings;
        let violations = findings.violations.iter().map(|(kind, found)| {
            let shown: Vec<Value> = found.shown.iter().map(|violation| self.violation_json(violation)).collect();
            (kind.name().to_owned(), json!({ "count": found.count, "shown": shown }))
        });
        json!({
            "verdict": self.verdict().name(),
            "judged": self.judged,
            "read": findings.read,
            "outcomes": findings.outcomes,
            "lanes_without": Lane::ALL.iter().filter(|lane| !self.places.has(**lane)).map(|lane| lane.name()).collect::<Vec<_>>(),
            "violated": findings.violated(),
            "violations": violations.collect::<serde_json::Map<_, _>>(),
            "undecidable": findings.undecidable,
            "notes": findings.notes,
        })
    }

    fn violation_json(&self, violation: &Violation) -> Value {
        let place =
            |name: String, place: Place| json!({ "topic": name, "partition": place.partition, "offset": place.offset });
        json!({
            "input": violation.input.map(|input| place(self.places.input(), input)),
            "lane": violation.lane.map(|(lane, spot)| place(self.places.name(lane).unwrap_or_default(), spot)),
            "key": violation.key,
            "expected": violation.expected,
            "found": violation.found,
        })
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(&plain_text::line(line));
    text.push('\n');
}

fn at(name: &str, place: Place) -> String {
    format!("{name}[{}] offset {}", place.partition, place.offset)
}

/// What is not proven without a lane.
fn without(lane: Lane) -> &'static str {
    match lane {
        Lane::Output => "whether events were forwarded is not known",
        Lane::Duplicates => "events in no lane are taken for duplicates where an earlier event has their key",
        Lane::Late => "late events are judged by where else they are",
        Lane::DeadLetter => "records that cannot be decided have to be in the output",
    }
}
