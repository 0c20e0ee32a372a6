//! A system in memory, for tests and simulations: logs, a group that deals them out, transactions, and all that may go wrong
//! with any of them, on request. Its source and its sink are what those of a real system are; a driver cannot tell. Not a
//! model of time: what is late is late because it was told to be.
//!
//! ```text
//! MemorySystem -- append, hold_back, expire -----------> logs ------> MemorySource (a host each)
//!              -- wish, throw_out, cut_off ------------> group -----> its Assignments
//!              -- trouble_with, refuse_where, lose ----> committed <- MemorySink (a worker each)
//!              <- visible, committed, history                         MemoryInquiry
//! ```

mod group;
mod inquiry;
mod lanes;
mod log;
mod outbox;
mod producers;
mod sink;
mod source;
mod system;
mod trouble;

pub use inquiry::MemoryInquiry;
pub use lanes::Lanes;
pub use outbox::{Outbox, Sent};
pub use sink::MemorySink;
pub use source::MemorySource;
pub use system::MemorySystem;
pub use trouble::{Call, Trouble};

#[cfg(test)]
mod tests;
