//! Why there is no server. Not what a client is refused with.

use std::io;

/// Why there is no server.
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
    /// No thread or runtime to be had.
    #[error("http server cannot be started: {0}")]
    Start(io::Error),
}
