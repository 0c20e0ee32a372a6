//! The engine: what every plugin runs under, and the way from a file to a component that was looked at. Not what a
//! component is asked: see [`crate::Candidate`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::bindings::log;
use crate::cache::Cache;
use crate::candidate::{Candidate, Source, core_instances};
use crate::compile::{self, Uncompiled};
use crate::confined::{NoResult, Timed};
use crate::error::LoadError;
use crate::file::{FileError, read_file};
use crate::guest::Guest;
use crate::limits::Limits;
use crate::load::Plugin;
use crate::log::Log;
use crate::options::Options;
use crate::role::Texts;
use crate::ticker::Ticker;

/// The file of a component, read once: what its digest was taken of is what is compiled.
#[derive(Clone)]
pub struct Image {
    path: PathBuf,
    bytes: Vec<u8>,
    sha256: String,
}

impl Image {
    /// What is in the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Digest of the file, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("path", &self.path).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// Compiles and runs plugins. One a process is enough.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Guest>,
    ticker: Arc<Ticker>,
    /// In an error stands why there is none, unless none was wanted.
    cache: Result<Cache, Option<String>>,
    options: Options,
    /// Whether what is compiled waits for all else on the machine.
    steps_back: bool,
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
        let engine = options.settings().engine().map_err(failed)?;
        let mut linker = Linker::new(&engine);
        log::add_to_linker::<_, HasSelf<Log>>(&mut linker, |guest: &mut Guest| &mut guest.log).map_err(failed)?;
        options.wasi.add_to_linker(&mut linker).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|error| failed(error.into()))?;
        let cache = options.cache_dir.as_deref().ok_or(None).and_then(|dir| Cache::open(dir).map_err(Some));
        if let Err(Some(problem)) = &cache {
            tracing::warn!("{problem}; plugins are compiled at each start");
        }
        Ok(Self { engine, linker, ticker: Arc::new(ticker), cache, options, steps_back: false })
    }

    /// The runtime, compiling from here on only when nothing else on the machine wants the processors: for a program whose
    /// work goes on meanwhile. It takes longer then, by the wall clock up to ten times as long as
    /// [`Limits::compile_time_max`].
    #[must_use]
    pub fn stepping_back(self) -> Self {
        Self { steps_back: true, ..self }
    }

    /// Reads a component, compiles it, and checks what it imports and exports. Nothing of it runs.
    ///
    /// # Errors
    /// The file or the component is not accepted; see [`LoadError`].
    pub fn open(&self, path: &Path) -> Result<Candidate, LoadError> {
        self.open_image(&self.read(path)?)
    }

    /// Reads the file of a component, if it is one that may be opened. Nothing is made of it yet.
    ///
    /// # Errors
    /// It cannot be read, is larger than [`Limits::plugin_bytes_max`], or has a digest that is not in [`Options::sha256`].
    pub fn read(&self, path: &Path) -> Result<Image, LoadError> {
        let bytes = read_file(path, self.options.limits.plugin_bytes_max).map_err(|error| unread(path, error))?;
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        if !self.options.sha256.is_empty() && !self.options.sha256.contains(&sha256) {
            return Err(LoadError::NotPinned { path: path.to_owned(), sha256 });
        }
        Ok(Image { path: path.to_owned(), bytes, sha256 })
    }

    /// As [`Runtime::open`], of a file that was read.
    ///
    /// # Errors
    /// The component is not accepted; see [`LoadError`].
    pub fn open_image(&self, image: &Image) -> Result<Candidate, LoadError> {
        let Image { path, bytes, sha256 } = image;
        require_component(path, bytes)?;
        let started = Instant::now();
        let cached = self.cache.as_ref().ok().and_then(|cache| cache.get(&self.engine, sha256));
        let from_cache = cached.is_some();
        let (component, compile_work) = match cached {
            Some(component) => (component, Duration::ZERO),
            None => self.compile(image)?,
        };
        let compile_time = started.elapsed();
        let (path, sha256) = (path.clone(), sha256.clone());
        let (core_instances, bytes) = (core_instances(bytes), bytes.len() as u64);
        let source = Source { path, sha256, bytes, compile_time, compile_work, from_cache, core_instances };
        Candidate::new(source, &component, &self.linker, &self.options, Arc::clone(&self.ticker))
    }

    /// Why compiled components are not kept, although a directory was given for them.
    #[must_use]
    pub fn cache_problem(&self) -> Option<&str> {
        self.cache.as_ref().err().and_then(Option::as_deref)
    }

    /// The component, and the processor time that it took.
    fn compile(&self, Image { path, bytes, sha256 }: &Image) -> Result<(Component, Duration), LoadError> {
        let path = || path.clone();
        let compiled = compile::compile(bytes, self.options.settings(), &self.options.limits, self.steps_back);
        let Timed { result: compiled, processor_time } = compiled.map_err(|uncompiled| match uncompiled {
            Uncompiled::Invalid(cause) => LoadError::Invalid { path: path(), cause },
            Uncompiled::TooComplex(cause) => LoadError::TooComplex { path: path(), cause },
            Uncompiled::NotSupported(features) => LoadError::NotSupported { path: path(), features },
            Uncompiled::GaveUp(cause) => LoadError::NotCompiled { path: path(), cause },
        })?;
        let component = compile::load(&self.engine, &compiled).ok_or_else(|| LoadError::NotCompiled {
            path: path(),
            cause: NoResult::Died("what the compiler made cannot be loaded".to_owned()),
        })?;
        // Only what could be loaded: a failure is tried again.
        if let Ok(cache) = &self.cache {
            cache.put(&self.engine, sha256, &compiled);
        }
        Ok((component, processor_time))
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

fn unread(path: &Path, error: FileError) -> LoadError {
    let path = path.to_owned();
    match error {
        FileError::TooLarge { bytes, max } => LoadError::TooLarge { path, bytes, max },
        cause @ (FileError::Unreadable(_) | FileError::NotRegular(_)) => LoadError::Unreadable { path, cause },
    }
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
