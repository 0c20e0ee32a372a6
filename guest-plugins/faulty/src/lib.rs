//! The plugin `faulty`: it plays both roles and keeps to every rule of the conformance suite, until its configuration
//! names a fault, such as `{"fault": "C2-position"}`; then it breaks the one rule that the fault's name begins with. It
//! shows that the suite sees what it says it sees. Not an example, and not shipped.
//!
//! `config` lists the faults, `honest` is the plugin without any, `keys` and `scores` put them in, `collide` and `memory`
//! those of values that meet and of an instance that remembers, and `exported` is what crosses: by the bindings, because
//! the SDK lets nobody lie about counts.

pub mod collide;
pub mod config;
#[cfg(target_arch = "wasm32")]
mod exported;
pub mod honest;
pub mod keys;
pub mod memory;
pub mod scores;
pub mod waste;

pub use config::{FAULTS, Fault, WORDS, rule_of};
