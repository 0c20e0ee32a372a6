//! The program over files, as its users meet it: no Kafka. Modules are named by what the user is up against.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set its scene fails loudly"
)]

use std::process::ExitCode;

use dedup_host_tests::disk::Disk;
use dedup_host_tests::{Group, Need, run_groups};

#[path = "shared/made.rs"]
mod made;

mod files {
    pub(crate) mod bad_lines;
    pub(crate) mod desk;
    pub(crate) mod disks;
    pub(crate) mod examples;
    pub(crate) mod explained;
    pub(crate) mod hostile_http;
    pub(crate) mod identities;
    pub(crate) mod inputs;
    pub(crate) mod inside;
    pub(crate) mod interrupted;
    pub(crate) mod model;
    pub(crate) mod oddities;
    pub(crate) mod ordinary;
    pub(crate) mod originals;
    pub(crate) mod outputs;
    pub(crate) mod plugins;
    pub(crate) mod private;
    pub(crate) mod settings;
    pub(crate) mod stores;
    pub(crate) mod swaps;
    pub(crate) mod terminal;
    pub(crate) mod verified;
    pub(crate) mod week;
    pub(crate) mod windows;
}

fn main() -> ExitCode {
    let tests = [
        files::ordinary::TESTS,
        files::inputs::TESTS,
        files::stores::TESTS,
        files::interrupted::TESTS,
        files::bad_lines::TESTS,
        files::windows::TESTS,
        files::week::TESTS,
        files::plugins::TESTS,
        files::plugins::evil::TESTS,
        files::swaps::TESTS,
        files::disks::TESTS,
        files::settings::TESTS,
        files::model::TESTS,
        files::explained::TESTS,
        files::oddities::TESTS,
        files::inside::TESTS,
        files::identities::TESTS,
        files::originals::TESTS,
        files::outputs::TESTS,
        files::private::TESTS,
        files::examples::TESTS,
        files::hostile_http::TESTS,
        files::terminal::TESTS,
        files::verified::TESTS,
    ]
    .concat();
    let disks = Need { part: "disks", missing: Disk::missing() };
    let groups = [
        Group { tests, needs: Vec::new() },
        Group { tests: files::disks::TESTS_OF_SMALL_DISKS.to_vec(), needs: vec![disks] },
    ];
    run_groups(&groups).exit_code()
}
