//! The line from the outside: batches in, records out by the lanes, with real plugins and a real state.

#![expect(clippy::expect_used, reason = "a test that cannot set its scene fails loudly")]

mod memory;
mod output_keys;
mod rewinds;
mod scene;
mod seam;
mod similarity_inside;
mod unsendable;
