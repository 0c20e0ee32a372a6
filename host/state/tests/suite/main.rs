//! The store seen from outside: any steps against a model, named situations, snapshots, kills and losses of power. Not its
//! speed; bad disks are in a program of their own, `on_disks.rs`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop")]

mod common;
// It preloads a library into a process, as Linux does.
#[cfg(target_os = "linux")]
mod cut;
mod filters;
mod inspect;
mod kept_model;
mod kill;
mod model;
mod originals;
mod situations;
mod snapshots;
mod week;
