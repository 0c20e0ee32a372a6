//! Why a plugin cannot be used. Not why an event cannot: see [`crate::Calls::failed`].

use std::path::PathBuf;

use crate::confined::NoResult;
use crate::fault::Fault;
use crate::file::FileError;
use crate::wasi::is_wasi;
use crate::words::list;

/// Why a component was not accepted as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read plugin {}: {cause}; check --plugin, which names a .wasm file (`make build` puts some in dist/plugins)", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says, or what it is instead of a file.
        cause: FileError,
    },
    /// The file is larger than [`crate::Limits::plugin_bytes_max`].
    #[error("plugin {} has {bytes} bytes, and the limit is {max}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The file is not one of those that the operator expects.
    #[error(
        "plugin {} has the SHA-256 {sha256}, which is not among those of --plugin-sha256: put the expected file there, or, \
         if this is the one to be run, give --plugin-sha256 {sha256}",
        path.display()
    )]
    NotPinned {
        /// The file.
        path: PathBuf,
        /// Its digest, in hexadecimal.
        sha256: String,
    },
    /// The file does not start as wasm does.
    #[error("plugin {} is not a wasm file: give a component, such as guest-plugins/build.sh builds", path.display())]
    NotWasm {
        /// The file.
        path: PathBuf,
    },
    /// The file is a core module.
    #[error("plugin {path} is a core module, not a component: run `dedup-host plugin componentize {path} -o \
     OUT.wasm` and give OUT.wasm", path = path.display())]
    CoreModule {
        /// The file.
        path: PathBuf,
    },
    /// The component has more of something than is compiled.
    #[error("plugin {} is not compiled: {cause}; no tool builds such components from ordinary programs", path.display())]
    TooComplex {
        /// The file.
        path: PathBuf,
        /// What it has too much of, and the limit.
        cause: String,
    },
    /// The component uses features of wasm that are off.
    #[error("plugin {} uses unsupported features: {features}; build it without them", path.display())]
    NotSupported {
        /// The file.
        path: PathBuf,
        /// Names of the features.
        features: String,
    },
    /// The compiler was stopped, or gave up.
    #[error("plugin {} is not compiled: {cause}{}", path.display(), more_for(cause))]
    NotCompiled {
        /// The file.
        path: PathBuf,
        /// What it ran into.
        cause: NoResult,
    },
    /// The file is broken.
    #[error("plugin {} is not a valid component: {cause}; the file may be cut short or damaged: build or copy it \
     again", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What the compiler says.
        cause: String,
    },
    /// The component exports no interface of the contract.
    #[error("plugin {} exports neither {KEY_EXTRACTOR} nor {SIMILARITY_SCORER}; it exports {}", path.display(), list(exports))]
    WrongWorld {
        /// The file.
        path: PathBuf,
        /// All that it exports.
        exports: Vec<String>,
    },
    /// The component wants imports that plugins do not get.
    #[error("plugin {} imports what no plugin may import: {}; a plugin may import {LOG} and nothing else{}", path.display(), list(imports), cures(imports))]
    ImportsRefused {
        /// The file.
        path: PathBuf,
        /// Every import that is refused.
        imports: Vec<String>,
    },
    /// Names agree with the contract and types do not.
    #[error("plugin {} does not follow wit/plugin.wit: {cause}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Which item differs, and how.
        cause: String,
    },
    /// The plugin trapped, ran out of time or used too much while it was started.
    #[error(
        "plugin {path} failed to {step}: {cause}; fix the plugin; `dedup-host plugin conformance {path}` says more",
        path = path.display()
    )]
    Trapped {
        /// The file.
        path: PathBuf,
        /// instantiate, describe or configure.
        step: &'static str,
        /// What it ran into.
        cause: Fault,
    },
    /// An instance for a partition cannot be made, although the first one could.
    #[error("plugin {name} failed to start: {cause}")]
    Start {
        /// The plugin's name.
        name: String,
        /// What it ran into.
        cause: String,
    },
    /// The plugin does not accept its configuration.
    #[error("plugin {name} refuses its configuration: {message}")]
    Refused {
        /// The plugin's name.
        name: String,
        /// What the plugin says.
        message: String,
    },
    /// The plugin calls itself what cannot stand in logs, metrics and names of files.
    #[error("plugin {} is not used: {cause}; change what `describe` returns", path.display())]
    BadName {
        /// The file.
        path: PathBuf,
        /// What it says, and what would be right.
        cause: String,
    },
    /// The plugin asks for input that cannot be had.
    #[error("plugin {name} asks for input that the host cannot provide: {cause}")]
    BadInput {
        /// The plugin's name.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The plugin has no such role.
    #[error("plugin {name} exports no {role}")]
    NoRole {
        /// The plugin's name.
        name: String,
        /// The interface that it lacks.
        role: &'static str,
    },
    /// The runtime itself cannot be started.
    #[error("cannot start the wasm runtime: {cause}")]
    Runtime {
        /// What it says.
        cause: String,
    },
}

/// The version of `wit/plugin.wit`.
pub(crate) const CONTRACT: &str = "1.0.0";
pub(crate) const LOG: &str = "dedup:plugin/log@1.0.0";
pub(crate) const KEY_EXTRACTOR: &str = "dedup:plugin/key-extractor@1.0.0";
pub(crate) const SIMILARITY_SCORER: &str = "dedup:plugin/similarity-scorer@1.0.0";

/// The way out for a component that is honest and large.
fn more_for(cause: &NoResult) -> &'static str {
    match cause {
        NoResult::Memory(_) => "; if you trust it, give it more with --plugin-compile-memory-mib",
        NoResult::Time(_) => "; if you trust it, give it more with --plugin-compile-timeout-secs",
        NoResult::Refused(_) | NoResult::Died(_) | NoResult::NoProcess(_) => "",
    }
}

/// What helps, language by language.
fn cures(imports: &[String]) -> String {
    let of = |packages: &[&str]| imports.iter().any(|name| packages.iter().any(|package| name.starts_with(package)));
    let mut cures = String::new();
    if imports.iter().any(|name| is_wasi(name)) {
        let features = [
            ("stdio", of(&["wasi:cli/", "wasi:io/", "wasi:filesystem/", "wasi:sockets/"])),
            ("random", of(&["wasi:random/"])),
            ("clocks", of(&["wasi:clocks/"])),
            ("http", of(&["wasi:http/"])),
            ("fetch-event", of(&["wasi:http/"])),
        ];
        let features = features.iter().filter(|(_, imported)| *imported).map(|(feature, _)| format!("'{feature}'"));
        let features: Vec<String> = features.collect();
        cures = format!(
            "; it was built with WASI: in Rust build for wasm32-unknown-unknown instead of wasm32-wasip2, in Python \
             give `componentize-py componentize` --stub-wasi, in JavaScript give componentize-js `disableFeatures: \
             [{}]`, in C use the SDK's header and no libc; or run it with --plugin-wasi stub, where calling WASI \
             traps, or inert, where WASI does nothing",
            features.join(", ")
        );
    }
    if of(&["dedup:plugin/"]) {
        cures.push_str("; it was built for another version of the contract: build it with the wit/ of this host");
    }
    if imports.iter().any(|name| !is_wasi(name) && !name.starts_with("dedup:plugin/")) {
        cures.push_str(
            "; imports that belong to neither WASI nor the contract are refused whatever --plugin-wasi says: link \
             them in",
        );
    }
    cures
}

/// Why a whole batch got no answer. Its events are not to blame, or it would take too long to say which.
#[derive(Debug, thiserror::Error)]
pub enum PluginFailure {
    /// After a failure no new instance could be made.
    #[error("plugin {name} cannot be started again: {cause}")]
    Restart {
        /// The plugin's name.
        name: String,
        /// What it ran into.
        cause: String,
    },
    /// So many events or pairs fail so slowly that isolating them was given up.
    #[error(
        "plugin {name} took {seconds} s for one batch, with {calls} calls of which {failed} failed, the last because \
         {cause}; its time for a batch is over"
    )]
    TooSlow {
        /// The plugin's name.
        name: String,
        /// Time in calls.
        seconds: u64,
        /// Calls made.
        calls: u32,
        /// Calls that failed.
        failed: u32,
        /// Why the last one failed.
        cause: String,
    },
    /// The host's own batch is not what [`engine::fields::FieldBatch`] or [`engine::properties::PairBatch`] promises.
    #[error("the batch for plugin {name} is malformed: its counts or ends do not agree")]
    Malformed {
        /// The plugin's name.
        name: String,
    },
}
