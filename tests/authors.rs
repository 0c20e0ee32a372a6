//! What plugin authors are promised: the guide works word by word, the plugins of every language keep to every rule and
//! say the same. Not the rules themselves: the suite for plugins has tests of its own.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

use std::process::ExitCode;

use dedup_host_tests::{Group, broker, run_groups};

mod authors {
    pub(crate) mod corpus;
    pub(crate) mod guide;
    pub(crate) mod languages;
    pub(crate) mod text;
}

fn main() -> ExitCode {
    let no_tools = authors::languages::missing();
    let no_broker = broker::hosts().is_none().then_some("KAFKA_HOSTS is not set");
    let groups = [
        Group { tests: authors::corpus::TESTS.to_vec(), missing: None },
        Group { tests: authors::text::TESTS.to_vec(), missing: None },
        Group { tests: authors::languages::TESTS_OF_RUST.to_vec(), missing: None },
        Group { tests: authors::languages::TESTS.to_vec(), missing: no_tools },
        Group { tests: authors::guide::TESTS_OF_RUST.to_vec(), missing: no_broker },
        Group { tests: authors::guide::TESTS.to_vec(), missing: no_broker.or(no_tools) },
    ];
    run_groups(&groups).exit_code()
}
