//! Empty yet.

pub mod generate;
