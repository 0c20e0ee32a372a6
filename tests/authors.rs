//! What plugin authors are promised: the guide works word by word, the plugins of every language keep to every rule and
//! say the same. Not the rules themselves: the suite for plugins has tests of its own.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

use std::process::ExitCode;

use dedup_host_tests::{Group, Need, run_groups};

mod authors {
    pub(crate) mod corpus;
    #[path = "../shared/fault_table.rs"]
    pub(crate) mod fault_table;
    pub(crate) mod gallery;
    pub(crate) mod guide;
    pub(crate) mod languages;
    pub(crate) mod text;
}

fn main() -> ExitCode {
    let of_rust = [authors::languages::TESTS_OF_RUST, authors::gallery::TESTS_OF_RUST].concat();
    let here = [authors::corpus::TESTS, authors::text::TESTS, &of_rust].concat();
    let mut groups = vec![
        Group { tests: here, needs: Vec::new() },
        Group { tests: authors::guide::TESTS_OF_RUST.to_vec(), needs: vec![Need::kafka()] },
    ];
    for (language, tests) in [authors::languages::TESTS, authors::gallery::TESTS].concat() {
        groups.push(Group { tests: tests.to_vec(), needs: vec![Need::of(language)] });
    }
    for (language, test) in authors::guide::TESTS {
        groups.push(Group { tests: vec![*test], needs: vec![Need::of(language), Need::kafka()] });
    }
    run_groups(&groups).exit_code()
}
