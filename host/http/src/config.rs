//! Where the server listens and whom it answers. Not where these settings come from.

use plain_text::Secret;

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address or name.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Names that it answers to besides addresses and localhost: host names in lower case, or `*.` and a host name for all
    /// names below it.
    pub allowed_hosts: Vec<String>,
    /// The token that callers under `/admin` have to send; `None`: there is no `/admin`.
    pub admin_token: Option<Secret>,
}
