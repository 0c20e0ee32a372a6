//! What came out of a run of the suite. Not how it is written: see `format`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use plain_text::is_unseen;
use plugin::{Candidate, Info, Role};

use crate::Options;
use crate::rule::{Level, Rule};
use crate::verdict::Verdict;

/// What became of one rule.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The rule.
    pub rule: &'static Rule,
    /// What became of it.
    pub verdict: Verdict,
    /// Time it took.
    pub time: Duration,
    /// Calls with events or pairs that it made.
    pub calls: u64,
    /// Fuel of these calls; `None` where it was not counted.
    pub fuel: Option<u64>,
    /// What was measured, or left out.
    pub remarks: Vec<String>,
    /// A command that repeats it alone.
    pub rerun: String,
}

/// Whom the report is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The component's file.
    pub path: PathBuf,
    /// Its digest, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What it calls itself; `None` where it did not say.
    pub info: Option<Info>,
    /// The interfaces of the contract that it exports.
    pub roles: Vec<&'static str>,
    /// What it imports.
    pub imports: Vec<String>,
    /// The version of the contract that it keeps to.
    pub contract: String,
}

/// What came out of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The plugin.
    pub subject: Subject,
    /// What was asked for.
    pub level: Level,
    /// What was drawn from.
    pub seed: u64,
    /// The rules and groups that were named; empty: all of the level.
    pub chosen: Vec<String>,
    /// The file that declares what the plugin takes for the same, if there is one.
    pub declarations: Option<PathBuf>,
    /// Whether only what needs little time was tried.
    pub quick: bool,
    /// One a rule, in the order of the rules.
    pub outcomes: Vec<Outcome>,
    /// Time of it all.
    pub time: Duration,
}

/// How many rules there are of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub blocked: usize,
    pub not_applicable: usize,
    pub untried: usize,
}

impl Subject {
    pub(crate) fn of(candidate: &Candidate) -> Self {
        let role = if candidate.roles().extracts_keys { Role::KeyExtractor } else { Role::SimilarityScorer };
        Self {
            path: candidate.path().to_owned(),
            sha256: candidate.sha256().to_owned(),
            bytes: candidate.bytes(),
            info: candidate.probe().and_then(|mut probe| probe.describe(role)).ok(),
            roles: candidate.roles().names(),
            imports: candidate.imports().to_vec(),
            contract: candidate.contract().to_owned(),
        }
    }
}

impl Report {
    /// Whether the plugin conforms: no rule that was run failed, and none was blocked.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.outcomes.iter().any(|outcome| outcome.verdict.is_bad())
    }

    /// The rules that failed or were blocked.
    pub fn bad(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.verdict.is_bad())
    }

    /// How many rules there are of each verdict.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in &self.outcomes {
            *match &outcome.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Failed(_) => &mut counts.failed,
                Verdict::Blocked(_) => &mut counts.blocked,
                Verdict::NotApplicable(_) => &mut counts.not_applicable,
                Verdict::Untried(_) => &mut counts.untried,
            } += 1;
        }
        counts
    }

    /// What became of the rule with this id; `None` where it was not run.
    #[must_use]
    pub fn outcome(&self, id: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.rule.id == id)
    }
}

/// A command that repeats one rule.
pub(crate) fn rerun(candidate: &Candidate, options: &Options, rule: &Rule) -> String {
    let mut words = vec!["dedup-host".to_owned(), "plugin".to_owned(), "conformance".to_owned()];
    words.push(quoted(&candidate.path().to_string_lossy()));
    words.push(rule.id.to_owned());
    words.push(format!("--seed {}", options.seed));
    let configs = [("--plugin-config", &options.extractor_config), ("--scorer-config", &options.scorer_config)];
    for (flag, config) in configs {
        words.extend(config.as_ref().map(|config| format!("{flag} {}", quoted(config))));
    }
    words.extend(options.arguments.iter().map(|argument| quoted(argument)));
    words.join(" ")
}

/// A word quoted for a shell; with invisible characters, for shells that support `$'...'`.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_unseen) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut out = String::from("$'");
    for char in word.chars() {
        // Writing to a String does not fail.
        let _ = match char {
            '\'' | '\\' => write!(out, "\\{char}"),
            '\n' => write!(out, "\\n"),
            unseen if is_unseen(unseen) => write!(out, "\\U{:08x}", u32::from(unseen)),
            plain => write!(out, "{plain}"),
        };
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("dist/a_b.wasm"), "dist/a_b.wasm");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted(r#"{"fields": ["/it's"]}"#), r#"'{"fields": ["/it'\''s"]}'"#);
        assert_eq!(quoted("it's\n\u{1b}\\\u{202e}"), r"$'it\'s\n\U0000001b\\\U0000202e'");
    }
}
