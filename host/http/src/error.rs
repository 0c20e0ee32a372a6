//! Why the server cannot start. Not how a client is refused.

use std::io;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another process listens there.
    #[error("http address {0} is in use: stop the other process, or give another --bind-port (0 takes a free one)")]
    AddressInUse(String),
    /// The address is not one of this machine, or not allowed.
    #[error("http address {address} cannot be bound: {cause}; check --bind-host and --bind-port")]
    Bind {
        /// What was asked for.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// A thread or a runtime cannot be started.
    #[error("http server cannot be started: {0}")]
    Start(io::Error),
}
