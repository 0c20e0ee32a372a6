//! What the host says of itself: metrics, status, and what its duplicates are like. It decides nothing, and it knows
//! neither settings nor client libraries; HTTP and the page are the program's, which asks it.

pub mod insights;
pub mod metrics;
pub mod status;
