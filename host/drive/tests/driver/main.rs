//! The real driver, its threads, its lines and states on a disk, over the system in memory. Whatever happens to its hosts, what
//! they commit is what a plain reading of the log says. Not a real broker, and not the protocol alone: that is simulated
//! with the engine.
//!
//! `DRIVE_SEEDS=1000 DRIVE_FROM=0` runs more of the histories that are made up from seeds.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot set its scene fails loudly")]

mod archive;
mod copies;
mod endings;
mod failing;
mod growth;
mod handover;
mod histories;
mod host;
mod mortal;
mod plain;
mod reading;
mod refused;
mod scene;
mod states;
mod unknown;
