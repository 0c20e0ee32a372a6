//! What the host reports about itself: metrics, status, and findings about duplicates. It decides nothing, and knows neither
//! settings nor client libraries; HTTP and the page are in `http_server`, which asks it.

pub mod insights;
pub mod metrics;
pub mod status;
