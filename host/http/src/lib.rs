//! The HTTP server: live page, status, readiness, liveness, metrics. It is read-only, except for the addresses under
//! `/admin`, which exist only for callers that know the token. It knows no settings, no plugins and no state: what it shows
//! comes from `observe`, and the part that reloads plugins serves [`ReloadRequests`].
//!
//! It has a separate thread and a small runtime, so that the line stays synchronous and a busy host still answers; that
//! thread has a lower priority than the line. Anyone who can reach the port may try anything: connections are bounded
//! (`room`), expensive answers are shared (`views`), and liveness waits for neither.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod admin;
mod as_json;
mod config;
mod connections;
mod error;
mod origin;
pub mod page;
mod reload;
mod room;
mod routes;
mod seldom;
mod server;
mod text;
mod unhurried;
mod views;

pub use config::HttpConfig;
pub use error::HttpError;
pub use reload::{Disconnected, ReloadClient, ReloadRequest, ReloadRequests, Swap, reload_channel};
pub use server::{HttpServer, serve};
pub use views::Facts;

#[cfg(test)]
mod abuse_tests;
#[cfg(test)]
mod tests;
