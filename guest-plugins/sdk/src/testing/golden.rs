//! Golden vectors of scorers: files of cases with events and the answer worked out by hand. They are JSON, so that
//! plugins in other languages can be held to them as well.
//!
//! A file is an array of objects with the members `name`, `config` (a text, or JSON; null: none), `original`,
//! `duplicate` (events), `similarity`, `property_similarity`, `changed` and `same` (JSON pointers, ascending). Properties
//! in neither list were not looked at.

use serde_json::Value as Json;

use crate::SimilarityScorer;
use crate::testing::{Comparison, Harness};

/// How far a score may be from the one worked out: what floating-point arithmetic in any order may be off by.
const TOLERANCE: f64 = 1e-12;

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The situation.
    pub name: String,
    /// The configuration as text; empty for none.
    pub config: String,
    /// The original, as JSON text.
    pub original: String,
    /// The duplicate, as JSON text.
    pub duplicate: String,
    /// What is to be said of them.
    pub expected: Comparison,
}

/// The cases of a file.
///
/// # Errors
/// The text is no such file; in words.
pub fn cases(text: &str) -> Result<Vec<Case>, String> {
    let cases: Vec<serde_json::Map<String, Json>> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    cases.iter().map(Case::of).collect()
}

/// Runs the cases of a file through a scorer, each also with its events in each other's place, and returns how many.
///
/// # Errors
/// All cases of which something else was said.
pub fn check_all<T: SimilarityScorer>(text: &str) -> Result<usize, String> {
    let cases = cases(text)?;
    let mut wrong = String::new();
    for case in &cases {
        let scorer = Harness::<T>::new_scorer(&case.config).map_err(|message| format!("{}: {message}", case.name))?;
        for (original, duplicate) in [(&case.original, &case.duplicate), (&case.duplicate, &case.original)] {
            let said = scorer.compare_events(original, duplicate)?;
            case.check(&said).unwrap_or_else(|message| wrong.push_str(&message));
        }
    }
    if wrong.is_empty() { Ok(cases.len()) } else { Err(wrong) }
}

impl Case {
    fn of(members: &serde_json::Map<String, Json>) -> Result<Self, String> {
        let lacks = |name: &str| format!("a case lacks {name}, or it is of another kind: {members:?}");
        let member = |name: &str| members.get(name).ok_or_else(|| lacks(name));
        let score = |name: &str| member(name)?.as_f64().ok_or_else(|| lacks(name));
        let pointers = |name: &str| -> Result<Vec<String>, String> {
            let pointers = member(name)?.as_array().ok_or_else(|| lacks(name))?.iter();
            pointers.map(|pointer| pointer.as_str().map(str::to_owned).ok_or_else(|| lacks(name))).collect()
        };
        let score =
            crate::Score { similarity: score("similarity")?, property_similarity: score("property_similarity")? };
        Ok(Self {
            name: member("name")?.as_str().ok_or_else(|| lacks("name"))?.to_owned(),
            config: Some(member("config")?)
                .filter(|config| !config.is_null())
                .map_or_else(String::new, |config| config.as_str().map_or_else(|| config.to_string(), str::to_owned)),
            original: member("original")?.to_string(),
            duplicate: member("duplicate")?.to_string(),
            expected: Comparison { score, changed: pointers("changed")?, same: pointers("same")?, ignored: Vec::new() },
        })
    }

    /// Checks what was said of the case; properties that were not looked at may be any.
    ///
    /// # Errors
    /// What was to be said and what was said.
    pub fn check(&self, said: &Comparison) -> Result<(), String> {
        let near = |left: f64, right: f64| (left - right).abs() <= TOLERANCE;
        let right = near(said.score.similarity, self.expected.score.similarity)
            && near(said.score.property_similarity, self.expected.score.property_similarity)
            && (&said.changed, &said.same) == (&self.expected.changed, &self.expected.same);
        let wrong = || format!("{}:\n  expected {:?}\n  got      {said:?}\n", self.name, self.expected);
        if right { Ok(()) } else { Err(wrong()) }
    }
}
