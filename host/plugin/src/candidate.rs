//! A component that was looked at and has not run: what it is, what it imports, what it exports. Not a plugin yet: that
//! takes a configuration that it accepts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasmparser::{Instance as CoreInstance, Payload};
use wasmtime::Engine;
use wasmtime::component::types::{Component as ComponentType, ComponentItem};
use wasmtime::component::{Component, InstancePre, Linker};

use crate::bindings::{key_extractor, similarity_scorer, types};
use crate::error::{CONTRACT, KEY_EXTRACTOR, LOG, LoadError, SIMILARITY_SCORER};
use crate::fault::Fault;
use crate::guest::Guest;
use crate::instance::{Exports, Instance};
use crate::limits::Limits;
use crate::log::Log;
use crate::options::Options;
use crate::role::{Input, Roles};
use crate::ticker::Ticker;
use crate::wasi::{Wasi, is_wasi};
use crate::words::{NAME_BYTES_MAX, WORDS_BYTES_MAX, clean};

/// Most fields a plugin may ask for, and the bytes of the longest.
const FIELDS_MAX: usize = 256;
const FIELD_BYTES_MAX: usize = 4 << 10;

/// A component that keeps to the contract by its names and types; nothing of it has run yet. Cheap to clone.
#[derive(Clone)]
pub struct Candidate(Arc<Opened>);

struct Opened {
    source: Source,
    imports: Vec<String>,
    exports: Vec<String>,
    parts: Parts,
    indices: Exports,
    component: InstancePre<Guest>,
    limits: Limits,
    fuel: bool,
    /// Deadlines pass only while it ticks.
    _ticker: Arc<Ticker>,
}

/// Where a component comes from.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) compile_time: Duration,
    pub(crate) compile_work: Duration,
    pub(crate) from_cache: bool,
    pub(crate) core_instances: usize,
}

/// What an instance of a component is made of at its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// Core instances: the modules of a component, and what the tools put between them.
    pub core_instances: usize,
    /// Linear memories.
    pub memories: usize,
    /// Tables.
    pub tables: usize,
    /// The largest memory as it starts, in bytes.
    pub largest_memory_bytes: u64,
    /// The largest table as it starts, in elements.
    pub largest_table_elements: u64,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Source { path, sha256, .. } = &self.0.source;
        f.debug_struct("Candidate").field("path", path).field("sha256", sha256).finish_non_exhaustive()
    }
}

impl Candidate {
    /// Checks names before types, so that the commonest mistakes get the plainest words.
    pub(crate) fn new(
        source: Source,
        component: &Component,
        linker: &Linker<Guest>,
        options: &Options,
        ticker: Arc<Ticker>,
    ) -> Result<Self, LoadError> {
        let (ty, engine) = (component.component_type(), component.engine());
        let imports = imports(&ty, engine);
        let wasi = options.wasi;
        let provided = |name: &str| name == LOG || (wasi != Wasi::None && is_wasi(name));
        let refused: Vec<String> = imports.iter().filter(|name| !provided(name)).cloned().collect();
        if !refused.is_empty() {
            return Err(LoadError::ImportsRefused { path: source.path, imports: refused });
        }
        let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
        let exported = |name: &str| component.get_export_index(None, name).is_some();
        let (extracts_keys, scores) = (exported(KEY_EXTRACTOR), exported(SIMILARITY_SCORER));
        if !extracts_keys && !scores {
            return Err(LoadError::WrongWorld { path: source.path, exports });
        }
        let words = |error: &wasmtime::Error| clean(&format!("{error:#}"), WORDS_BYTES_MAX);
        let mismatch = |error| LoadError::Mismatch { path: source.path.clone(), cause: words(&error) };
        let linker = wasi.linker_of(component, linker).map_err(mismatch)?;
        let pre = linker.instantiate_pre(component).map_err(mismatch)?;
        let key_extractor =
            extracts_keys.then(|| key_extractor::GuestIndices::new(&pre)).transpose().map_err(mismatch)?;
        let similarity_scorer =
            scores.then(|| similarity_scorer::GuestIndices::new(&pre)).transpose().map_err(mismatch)?;
        Ok(Self(Arc::new(Opened {
            parts: parts(component, source.core_instances),
            source,
            imports: shown(&imports),
            exports: shown(&exports),
            indices: Exports { key_extractor, similarity_scorer },
            component: pre,
            limits: options.limits,
            fuel: options.fuel,
            _ticker: ticker,
        })))
    }

    /// The component's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.source.path
    }

    /// Digest of the component's file, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.source.sha256
    }

    /// Size of the component's file, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.source.bytes
    }

    /// What it imports, but for names of types.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// What it exports.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.0.exports
    }

    /// What it can do.
    #[must_use]
    pub fn roles(&self) -> Roles {
        let Exports { key_extractor, similarity_scorer } = &self.0.indices;
        Roles { extracts_keys: key_extractor.is_some(), scores: similarity_scorer.is_some() }
    }

    /// The version of the contract that it keeps to: `1.0.0`.
    #[must_use]
    pub fn contract(&self) -> &str {
        CONTRACT
    }

    /// What an instance is made of.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.0.parts
    }

    /// What an instance may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Time to compile it, or to read it from the cache.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        self.0.source.compile_time
    }

    /// Processor time that it took to compile it, which is the same on a busy machine; nothing from the cache. Where that
    /// is done in this process, not all threads count.
    #[must_use]
    pub fn compile_work(&self) -> Duration {
        self.0.source.compile_work
    }

    /// Whether it was found compiled in the cache.
    #[must_use]
    pub fn from_cache(&self) -> bool {
        self.0.source.from_cache
    }

    /// Makes an instance that has not been configured.
    pub(crate) fn start(&self, log: Log) -> Result<Instance, Fault> {
        let Opened { component, indices, limits, fuel, .. } = &*self.0;
        Instance::start(component, indices, log, *limits, *fuel)
    }

    /// How it is called as long as it has not said its name.
    pub(crate) fn stem(&self) -> String {
        self.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(crate) fn log_bytes_max(&self) -> usize {
        self.0.limits.log_bytes_per_call_max
    }
}

/// Names as they may be told: the component chose them.
fn shown(names: &[String]) -> Vec<String> {
    names.iter().map(|name| clean(name, NAME_BYTES_MAX)).collect()
}

/// The imports that somebody has to provide.
fn imports(ty: &ComponentType, engine: &Engine) -> Vec<String> {
    let needed = ty.imports(engine).filter(|(_, item)| !only_types(&item.ty, engine));
    needed.map(|(name, _)| name.to_owned()).collect()
}

/// Whether an import is only names for types, which nobody has to provide; `types` of the contract is one.
fn only_types(item: &ComponentItem, engine: &Engine) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)))
        }
        ComponentItem::ComponentFunc(_)
        | ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::Resource(_) => false,
    }
}

fn parts(component: &Component, core_instances: usize) -> Parts {
    // Components that bring their modules along say what they need; others import some, and are refused.
    let Some(needs) = component.resources_required() else { return Parts { core_instances, ..Parts::default() } };
    Parts {
        core_instances,
        memories: needs.num_memories as usize,
        tables: needs.num_tables as usize,
        // It is told in pages.
        largest_memory_bytes: needs.max_initial_memory_size.unwrap_or(0) << 16,
        largest_table_elements: needs.max_initial_table_size.unwrap_or(0),
    }
}

/// How often a component makes an instance of a core module; parts of it that are components count once. What cannot be
/// read is for the compiler to refuse.
pub(crate) fn core_instances(bytes: &[u8]) -> usize {
    let sections = wasmparser::Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let made =
        |instance: &wasmparser::Result<CoreInstance<'_>>| matches!(instance, Ok(CoreInstance::Instantiate { .. }));
    let mut count = 0;
    for section in sections {
        if let Payload::InstanceSection(instances) = section {
            count += instances.into_iter().filter(made).count();
        }
    }
    count
}

/// What a plugin asks to read, if it can be had; else why not.
pub(crate) fn checked_input(input: types::Input) -> Result<Input, String> {
    let fields = match input {
        types::Input::Payload => return Ok(Input::Payload),
        types::Input::Fields(fields) => fields,
    };
    if fields.is_empty() || fields.len() > FIELDS_MAX {
        return Err(format!("{} fields, and 1 to {FIELDS_MAX} are allowed", fields.len()));
    }
    if let Some(pointer) = fields.iter().find(|pointer| pointer.len() > FIELD_BYTES_MAX) {
        return Err(format!("a JSON pointer of {} bytes, and the limit is {FIELD_BYTES_MAX}", pointer.len()));
    }
    match fields.iter().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
        Some(pointer) => Err(format!("\"{}\" is not a JSON pointer", clean(pointer, NAME_BYTES_MAX))),
        None => Ok(Input::Fields(fields)),
    }
}
