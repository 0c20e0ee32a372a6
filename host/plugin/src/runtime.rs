//! The engine: what every plugin runs under, and the way from a file to a component that was looked at. Not what a
//! component is asked: see [`crate::Candidate`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine};

use crate::bindings::log;
use crate::cache::Cache;
use crate::candidate::{Candidate, Source, core_instances};
use crate::error::LoadError;
use crate::instance::Guest;
use crate::limits::Limits;
use crate::load::Plugin;
use crate::log::Log;
use crate::role::Texts;
use crate::ticker::Ticker;
use crate::wasi::Wasi;

/// What plugins run under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// What an instance may use.
    pub limits: Limits,
    /// What a component gets that was built with WASI.
    pub wasi: Wasi,
    /// Where compiled components are kept; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Whether what plugins execute is counted; a third slower.
    pub fuel: bool,
}

/// Compiles and runs plugins. One a process is enough.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Guest>,
    ticker: Arc<Ticker>,
    /// In an error stands why there is none, unless none was wanted.
    cache: Result<Cache, Option<String>>,
    options: Options,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Starts a runtime with these limits, without WASI, cache and fuel.
    ///
    /// # Errors
    /// As [`Runtime::with`].
    pub fn new(limits: Limits) -> Result<Self, LoadError> {
        Self::with(Options { limits, ..Options::default() })
    }

    /// Starts the runtime and the thread by whose ticks calls that take too long are stopped. A cache that is not fit to
    /// be trusted is no error: see [`Runtime::cache_problem`].
    ///
    /// # Errors
    /// The machine has no room for it, or its processor is not one that wasm is compiled for.
    pub fn with(options: Options) -> Result<Self, LoadError> {
        let failed = |error: wasmtime::Error| LoadError::Runtime { cause: format!("{error:#}") };
        let engine = Engine::new(&settings(&options)).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        log::add_to_linker::<_, HasSelf<Log>>(&mut linker, |guest: &mut Guest| &mut guest.log).map_err(failed)?;
        options.wasi.add_to_linker(&mut linker).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|error| failed(error.into()))?;
        let cache = options.cache_dir.as_deref().ok_or(None).and_then(|dir| Cache::open(dir).map_err(Some));
        if let Err(Some(problem)) = &cache {
            tracing::warn!("{problem}; plugins are compiled at each start");
        }
        Ok(Self { engine, linker, ticker: Arc::new(ticker), cache, options })
    }

    /// Reads a component, compiles it, and checks what it imports and exports. Nothing of it runs.
    ///
    /// # Errors
    /// The file or the component is not accepted; see [`LoadError`].
    pub fn open(&self, path: &Path) -> Result<Candidate, LoadError> {
        let bytes = read(path, self.options.limits.plugin_bytes_max)?;
        require_component(path, &bytes)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        let started = Instant::now();
        let cached = self.cache.as_ref().ok().and_then(|cache| cache.get(&self.engine, &sha256));
        let from_cache = cached.is_some();
        let component = match cached {
            Some(component) => component,
            None => self.compile(path, &bytes, &sha256)?,
        };
        let compile_time = started.elapsed();
        let (path, core_instances, bytes) = (path.to_owned(), core_instances(&bytes), bytes.len() as u64);
        let source = Source { path, sha256, bytes, compile_time, from_cache, core_instances };
        Candidate::new(source, &component, &self.linker, &self.options, Arc::clone(&self.ticker))
    }

    /// Why compiled components are not kept, although a directory was given for them.
    #[must_use]
    pub fn cache_problem(&self) -> Option<&str> {
        self.cache.as_ref().err().and_then(Option::as_deref)
    }

    fn compile(&self, path: &Path, bytes: &[u8], sha256: &str) -> Result<Component, LoadError> {
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| LoadError::Invalid { path: path.to_owned(), cause: format!("{error:#}") })?;
        if let Ok(cache) = &self.cache {
            cache.put(&self.engine, sha256, &component);
        }
        Ok(component)
    }

    /// Loads a component with its configuration, the same in each role: the operator's text, which goes to the plugin as
    /// it is.
    ///
    /// # Errors
    /// The file, the component or the configuration is not accepted; see [`LoadError`].
    pub fn load(&self, path: &Path, config: Option<&str>) -> Result<Plugin, LoadError> {
        self.load_with(path, Texts { extractor: config, scorer: config })
    }

    /// Loads a component with a configuration for each role.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn load_with(&self, path: &Path, texts: Texts<'_>) -> Result<Plugin, LoadError> {
        self.open(path)?.configured(texts)
    }
}

/// What every plugin runs under. Whatever could make two runs differ is off: relaxed SIMD and the bits of NaN here, and
/// threads by a feature of wasmtime that is not compiled in.
fn settings(options: &Options) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(options.fuel)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .max_wasm_stack(options.limits.stack_bytes_max);
    config
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, LoadError> {
    let unreadable = |cause| LoadError::Unreadable { path: path.to_owned(), cause };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > max {
        return Err(LoadError::TooLarge { path: path.to_owned(), bytes, max });
    }
    std::fs::read(path).map_err(unreadable)
}

/// After the four bytes of every wasm file come a version and a layer: 0 is a module, 1 a component.
fn require_component(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let path = path.to_owned();
    match bytes.get(..8) {
        Some([b'\0', b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some(b"\0asm\x01\0\0\0") => Err(LoadError::CoreModule { path }),
        _ => Err(LoadError::NotWasm { path }),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
