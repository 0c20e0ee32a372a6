//! The store seen from outside: any steps against a model, named situations, kills, bad disks. Not its speed.
#![expect(clippy::unwrap_used, reason = "tests may stop")]

mod common;
mod disks;
mod kept_model;
mod kill;
mod model;
mod originals;
mod situations;
