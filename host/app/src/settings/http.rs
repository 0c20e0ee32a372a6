//! Settings of the HTTP server. Not the server.

pub use http_server::HttpConfig;
use plain_text::Secret;
use setting::{Group, Runs, Setting, SettingsError, Typed, many, one, rows, secret, units};

/// Also that of the process.
pub(super) const GROUP: Group = Group { title: "HTTP, log and shutdown", runs: Runs::All, also: &[] };

rows!(pub(super),
    static BIND_HOST: Setting<String> = one(
        GROUP,
        "bind-host",
        "HOST",
        units::text,
        "Address of the HTTP server\n\nOn any but a loopback address, everyone who can reach the port can read the \
         values of events: hide them with --redact-values, or bind to 127.0.0.1.",
    )
    .or("0.0.0.0");
    static BIND_PORT: Setting<u16> = one(
        GROUP,
        "bind-port",
        "PORT",
        units::port,
        "Port of the HTTP server; 0 picks a free one\n\nWith --input, there is no HTTP server unless --bind-host or \
         --bind-port is given on the command line.",
    )
    .or("8080");
    static HTTP_ALLOWED_HOSTS: Setting<Vec<String>> = many(
        GROUP,
        "http-allowed-hosts",
        "NAME,...",
        ',',
        host_names,
        "Host names that the HTTP server answers to, besides addresses, localhost and a name in \
         --bind-host\n\nRequests with any other Host header are refused, because a foreign page in somebody's \
         browser can point a name of its choice here. *.example.com means every name below example.com. /_liveness \
         and /_readiness answer to any name, but only with yes or no.",
    );
    static ADMIN_TOKEN: Setting<Secret> = secret(
        GROUP,
        "admin-token",
        "TOKEN",
        token,
        "Token for everything under /admin, sent as `Authorization: Bearer TOKEN`; unset: /admin is off\n\nVisible \
         ASCII characters without spaces; 16 or more random ones cannot be guessed.",
    );
);

/// What the user said of the server. A run over files has one only if it is asked for on the command line.
pub(super) fn config(typed: &Typed, in_files: bool) -> Result<Option<HttpConfig>, SettingsError> {
    let config = HttpConfig {
        host: typed.need(&BIND_HOST)?,
        port: typed.need(&BIND_PORT)?,
        allowed_hosts: typed.all(&HTTP_ALLOWED_HOSTS)?.concat(),
        admin_token: typed.get(&ADMIN_TOKEN)?,
    };
    let asked_for = typed.on_command_line(&BIND_HOST) || typed.on_command_line(&BIND_PORT);
    Ok(Some(config).filter(|_| !in_files || asked_for))
}

/// The names between commas, which the flag takes as the variable does.
fn host_names(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|name| units::host_name(name.trim())).collect()
}

fn token(text: &str) -> Result<Secret, String> {
    units::token(text).map(Secret::new)
}
