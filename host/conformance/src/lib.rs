//! The conformance suite for plugins: rules with stable ids, and what a component does under them. Not the sandbox, which
//! is the crate `plugin`, and no policy: it says what it saw.
//!
//! From a test of your own plugin:
//!
//! ```no_run
//! conformance::assert_conforms("target/my_plugin.wasm");
//! ```
//!
//! With a configuration, golden vectors and the strict rules:
//!
//! ```no_run
//! use conformance::{Golden, Level, Options};
//!
//! let options = Options {
//!     level: Level::Strict,
//!     extractor_config: Some(r#"{"fields": ["/order/id"]}"#.to_owned()),
//!     golden: vec![Golden::read("tests/golden.json".as_ref()).expect("golden vectors")],
//!     ..Options::default()
//! };
//! conformance::assert_conforms_with("target/my_plugin.wasm", &options);
//! ```
//!
//! How it works: [`run`] opens the component once and tries the chosen rules one after the other. Each rule gets as many
//! fresh instances as it wants, events made from a seed for the fields that the plugin asks for, and answers that the host
//! has checked as in a run. The same seed gives the same suite, whichever rules are run. docs/conformance.md lists the
//! rules.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod beside;
mod context;
mod deadline;
mod declared;
mod feed;
mod format;
mod golden;
mod learned;
mod long_run;
mod report;
mod rule;
mod rules;
mod run;
mod samples;
mod select;
mod session;
mod show;
mod verdict;

pub use declared::{Declared, DeclaredError};
pub use format::{Human, catalogue, document, outcome_line};
pub use golden::{Golden, GoldenError};
pub use report::{Counts, Outcome, Report, Subject};
pub use rule::{Concerns, Group, Level, Rule};
pub use run::{Options, Progress, Reach, SuiteError, assert_conforms, assert_conforms_with, check, run};
pub use select::{UnknownRule, rules, select};
pub use verdict::{Failure, Verdict};
