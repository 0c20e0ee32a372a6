//! The store seen from outside: any steps against a model, named situations, kills. Not its speed;
//! bad disks are in a program of their own, `on_disks.rs`.
#![expect(clippy::unwrap_used, reason = "tests may stop")]

mod common;
mod kept_model;
mod kill;
mod model;
mod originals;
mod situations;
