//! Settings of the components and of what they may use. Not the commands for their authors: these are `plugin`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use line::OnPluginFailure;
use plain_text::secrets::{HIDDEN, hidden, is_secret};
use plugin::Wasi;
use serde_json::Value;
use setting::{Group, ON_OFF, Runs, Setting, SettingsError, Taker, Typed, many, one, one_of, rows, switch, units};

/// The components and their bounds.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// The files, in the order given; empty only where the run needs none, see `Config::require_plugin`.
    pub files: Vec<PathBuf>,
    /// Handed to the key extractor as it is; an `@file` is read already.
    pub extractor_configuration: Option<String>,
    /// Handed to the similarity scorer as it is; an `@file` is read already.
    pub scorer_configuration: Option<String>,
    /// Longest call for 1 MiB.
    pub time_limit: Duration,
    /// Most memory of an instance.
    pub memory_bytes: u64,
    /// What becomes of a record that a plugin fails on.
    pub on_failure: OnPluginFailure,
    /// Share of the latest events, 0 to 1, on which a plugin may fail; `None`: all.
    pub breaker: Option<f64>,
    /// What components get that were built with WASI.
    pub wasi: Wasi,
    /// The digests a component may have, in lower-case hexadecimal; empty: any.
    pub sha256: Vec<String>,
    /// Where compiled components are kept; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Most memory that compiling takes.
    pub compile_memory_bytes: u64,
    /// Longest time that compiling takes.
    pub compile_time: Duration,
    /// Whether the files are watched.
    pub watch: bool,
    /// Where records that a plugin fails on are written down.
    pub dump_dir: Option<PathBuf>,
    /// Whether values of events are written there.
    pub dump_values: bool,
}

const GROUP: Group = Group { title: "Plugins", runs: Runs::All, also: &[] };

/// Commands that put a component into the sandbox of a run.
const SANDBOX: &[Taker] = &[Taker::Inspect, Taker::Test, Taker::Conformance, Taker::Bench, Taker::Replay];

rows!(pub(super),
    static PLUGIN: Setting<PathBuf> = many(
        GROUP,
        "plugin",
        "FILE",
        ',',
        |file| Ok(PathBuf::from(file)),
        "A WebAssembly component; repeat the flag to give the key extractor and the scorer separately",
    );
    static PLUGIN_CONFIG: Setting<String> =
        one(GROUP, "plugin-config", "JSON|@FILE", text_or_file, "Configuration that the key extractor gets unchanged")
            .shown(without_secrets)
            .also(SANDBOX);
    static SCORER_CONFIG: Setting<String> = one(
        GROUP,
        "scorer-config",
        "JSON|@FILE",
        text_or_file,
        "Configuration that the similarity scorer gets unchanged",
    )
    .shown(without_secrets)
    .also(SANDBOX);
    static PLUGIN_TIME_LIMIT_MS: Setting<Duration> = one(
        GROUP,
        "plugin-time-limit-ms",
        "MS",
        units::millis,
        "Maximum time for one call of a plugin, for a batch of up to 1 MiB",
    )
    .or("1000")
    .also(SANDBOX);
    static PLUGIN_MEMORY_MIB: Setting<u64> =
        one(GROUP, "plugin-memory-mib", "MIB", memory, "Maximum memory of one plugin instance; each partition has one")
            .or("256")
            .also(SANDBOX);
    static ON_PLUGIN_FAILURE: Setting<OnPluginFailure> = one_of(
        GROUP,
        "on-plugin-failure",
        &[
            ("stop", OnPluginFailure::Stop),
            ("dead-letter", OnPluginFailure::DeadLetter),
            ("pass", OnPluginFailure::Pass),
        ],
        "What to do with a record that a plugin fails on\n\nWithout a dead-letter topic or file, dead-letter passes \
         the record on unchanged and counts it: nothing is lost.",
    )
    .or("dead-letter");
    static PLUGIN_BREAKER: Setting<Option<f64>> = one(
        GROUP,
        "plugin-breaker",
        "SHARE|off",
        breaker,
        "Share of a partition's latest events that a plugin may fail on before the host stops calling it\n\nA plugin \
         that fails on more is broken, and its events do not become dead letters. On Kafka, the partition then keeps \
         its position and waits until the plugin works again or another one replaces it; a run over files ends. \
         `off` never waits.",
    )
    .or("0.5");
    static PLUGIN_WASI: Setting<Wasi> = one_of(
        GROUP,
        "plugin-wasi",
        &[("none", Wasi::None), ("stub", Wasi::Stub), ("inert", Wasi::Inert)],
        "What a component that was built with WASI gets\n\nnone refuses it. stub lets it load, and traps when it \
         calls WASI. inert provides a WASI without files, network, arguments or variables, whose clocks stand still \
         and whose random numbers are always the same; what the component prints goes to the log.",
    )
    .or("none")
    .also(SANDBOX);
    static PLUGIN_SHA256: Setting<String> = many(
        GROUP,
        "plugin-sha256",
        "HEX",
        ',',
        digest,
        "Load only components with this SHA-256; repeat the flag for several",
    );
    static PLUGIN_CACHE_DIR: Setting<Option<PathBuf>> = one(
        GROUP,
        "plugin-cache-dir",
        "DIR|auto|off",
        cache_dir,
        "Where compiled components are cached, so that a start does not compile them again\n\nOnly this user may \
         have write access. auto means dedup-host/components in the user's cache directory.",
    )
    .or("auto")
    .also(SANDBOX);
    static PLUGIN_COMPILE_MEMORY_MIB: Setting<u64> = one(
        GROUP,
        "plugin-compile-memory-mib",
        "MIB",
        units::mib,
        "Maximum memory for compiling one component\n\nA separate process compiles it, and is stopped if it needs \
         more.",
    )
    .or("2048")
    .also(SANDBOX);
    static PLUGIN_COMPILE_TIMEOUT_SECS: Setting<Duration> = one(
        GROUP,
        "plugin-compile-timeout-secs",
        "SECS",
        units::seconds,
        "Maximum time for compiling one component\n\nIn a hot swap the line goes first, and compiling may take up to \
         ten times as long.",
    )
    .or("120")
    .also(SANDBOX);
    static PLUGIN_WATCH: Setting<bool> = one_of(
        GROUP,
        "plugin-watch",
        ON_OFF,
        "Whether a new file at a plugin's path replaces the running plugin\n\nThe host compiles and checks it in the \
         background, and switches between two batches; if anything fails, the old plugin stays. SIGHUP, and POST \
         /admin/plugins/reload with --admin-token, trigger the same at once.",
    )
    .or("on");
    static PLUGIN_DUMP_DIR: Setting<PathBuf> = one(
        GROUP,
        "plugin-dump-dir",
        "DIR",
        units::path,
        "Where to write records that a plugin fails on, for `dedup-host plugin replay`; unset: nowhere\n\nThe values \
         of their fields are left out unless --plugin-dump-values is set. At most 100 files are written.",
    );
    static PLUGIN_DUMP_VALUES: Setting<bool> =
        switch(GROUP, "plugin-dump-values", "Whether dumps contain the values of events");
);

/// What the user said of the components.
pub(super) fn config(typed: &Typed) -> Result<PluginConfig, SettingsError> {
    Ok(PluginConfig {
        files: typed.all(&PLUGIN)?,
        extractor_configuration: typed.get(&PLUGIN_CONFIG)?,
        scorer_configuration: typed.get(&SCORER_CONFIG)?,
        time_limit: typed.need(&PLUGIN_TIME_LIMIT_MS)?,
        memory_bytes: typed.need(&PLUGIN_MEMORY_MIB)?,
        on_failure: typed.need(&ON_PLUGIN_FAILURE)?,
        breaker: typed.need(&PLUGIN_BREAKER)?,
        wasi: typed.need(&PLUGIN_WASI)?,
        sha256: typed.all(&PLUGIN_SHA256)?,
        cache_dir: typed.need(&PLUGIN_CACHE_DIR)?,
        compile_memory_bytes: typed.need(&PLUGIN_COMPILE_MEMORY_MIB)?,
        compile_time: typed.need(&PLUGIN_COMPILE_TIMEOUT_SECS)?,
        watch: typed.need(&PLUGIN_WATCH)?,
        dump_dir: typed.get(&PLUGIN_DUMP_DIR)?,
        dump_values: dump_values(typed)?,
    })
}

/// Values are written only where something is written.
fn dump_values(typed: &Typed) -> Result<bool, SettingsError> {
    let values = typed.need(&PLUGIN_DUMP_VALUES)?;
    if values && typed.text(&PLUGIN_DUMP_DIR).is_none() {
        return Err(typed.wrong(&PLUGIN_DUMP_VALUES, "is set, but nothing is dumped: give --plugin-dump-dir DIR"));
    }
    Ok(values)
}

/// Bytes of an instance, from MiB.
fn memory(text: &str) -> Result<u64, String> {
    match units::small(text)? {
        ..=4096 => units::mib(text),
        _ => Err("is more than the 4096 MiB that a component can address".to_owned()),
    }
}

fn breaker(text: &str) -> Result<Option<f64>, String> {
    if text == "off" { Ok(None) } else { units::share(text).map(Some) }
}

/// Where compiled components are kept.
fn cache_dir(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        "off" => Ok(None),
        "auto" => {
            let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
            Ok(base.map(|base| base.join("dedup-host/components")))
        }
        _ => units::path(text).map(Some),
    }
}

fn digest(text: &str) -> Result<String, String> {
    let digest = text.trim().to_ascii_lowercase();
    if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digest);
    }
    Err(format!("`{text}` is not a SHA-256: give 64 hexadecimal digits, as `sha256sum FILE` prints them"))
}

/// Bytes of a configuration of a plugin that stands in a file.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// The text, or what is in the file after `@`.
fn text_or_file(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(path) => {
            plugin::read_text(Path::new(path), TEXT_BYTES_MAX).map_err(|error| format!("cannot read {path}: {error}"))
        }
        None => Ok(text.to_owned()),
    }
}

/// A configuration as it was typed; if it is JSON with a secret in it, without the secret.
fn without_secrets(text: &str) -> String {
    let json = serde_json::from_str(text).ok().and_then(|mut json| hide(&mut json).then_some(json));
    json.map_or_else(|| hidden(text).into_owned(), |json| json.to_string())
}

/// Hides what members with the name of a secret have, and says whether there was any.
fn hide(json: &mut Value) -> bool {
    match json {
        Value::Object(members) => members.iter_mut().fold(false, |any, (name, value)| {
            let secret = is_secret(name);
            if secret {
                *value = HIDDEN.into();
            }
            any | secret | hide(value)
        }),
        Value::Array(items) => items.iter_mut().fold(false, |any, item| any | hide(item)),
        Value::String(text) => {
            let shown = hidden(text).into_owned();
            let changed = shown != *text;
            *text = shown;
            changed
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
