//! Where the server listens and whom it answers. Not where these settings come from.

use plain_text::Secret;

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address or name.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
    /// Names by which it may be asked, beside addresses and localhost: lower-case names of hosts, or `*.` and such a name
    /// for every name below it.
    pub allowed_hosts: Vec<String>,
    /// What callers under `/admin` have to show; `None`: nobody may call.
    pub admin_token: Option<Secret>,
}
