//! The live page in a real browser, against made-up answers and a real host: what it shows, what it must never do with text of others,
//! what it says of a host that is gone, and who can read it. Needs Chromium and chromedriver.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

#[path = "page/absent.rs"]
mod absent;
#[path = "page/browser.rs"]
mod browser;
#[path = "page/figures.rs"]
mod figures;
#[path = "page/fixture.rs"]
mod fixture;
#[path = "page/hostile.rs"]
mod hostile;
#[path = "page/look.rs"]
mod look;
#[path = "page/program.rs"]
mod program;
#[path = "page/rendering.rs"]
mod rendering;

use std::process::ExitCode;

use dedup_host_tests::{Group, Need, run_groups};

fn main() -> ExitCode {
    let tests = [rendering::TESTS, hostile::TESTS, absent::TESTS, look::TESTS].concat();
    let browser = Need { part: "browser", missing: browser::missing() };
    let made_up = Group { tests, needs: vec![browser] };
    let real = Group { tests: program::TESTS.to_vec(), needs: vec![browser, Need::kafka()] };
    run_groups(&[made_up, real]).exit_code()
}
