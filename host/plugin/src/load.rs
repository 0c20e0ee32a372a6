//! From a file to a plugin: read, compiled, checked against the contract, configured once to see that it can be. Not
//! where events go: see [`crate::Extractor`] and [`crate::Scorer`].

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine};

use crate::bindings::{key_extractor, log, similarity_scorer, types};
use crate::error::{KEY_EXTRACTOR, LOG, LoadError, SIMILARITY_SCORER};
use crate::extractor::Extractor;
use crate::instance::{Cause, Exports, Guest, Instance};
use crate::limits::Limits;
use crate::scorer::Scorer;
use crate::ticker::Ticker;

/// Most fields a plugin may ask for.
const FIELDS_MAX: usize = 256;

/// Compiles and runs plugins. One a process is enough.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Guest>,
    ticker: Arc<Ticker>,
    limits: Limits,
}

/// What a plugin can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// It says what makes two events the same.
    pub extracts_keys: bool,
    /// It says how alike two events are.
    pub scores: bool,
}

impl Roles {
    /// The roles by the names of the interfaces they are exported as.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let roles = [(self.extracts_keys, "key-extractor"), (self.scores, "similarity-scorer")];
        roles.into_iter().filter(|(plays, _)| *plays).map(|(_, name)| name).collect()
    }
}

/// The role that an instance is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    KeyExtractor,
    SimilarityScorer,
}

/// The operator's texts by role; `None` is an empty text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// For extracting keys.
    pub extractor: Option<&'a str>,
    /// For scoring.
    pub scorer: Option<&'a str>,
}

impl<'a> Texts<'a> {
    fn of(self, role: Role) -> Option<&'a str> {
        match role {
            Role::KeyExtractor => self.extractor,
            Role::SimilarityScorer => self.scorer,
        }
    }
}

/// What a plugin reads of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The payload as it came, as one value.
    Payload,
    /// These fields, JSON pointers: their values in this order to extract keys, all properties at and below them to
    /// score.
    Fields(Vec<String>),
}

/// A component that keeps to the contract and accepts its configuration. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

/// What a plugin, its extractors and its scorers share.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    version: String,
    key_version: u32,
    sha256: String,
    /// By role.
    configs: [String; 2],
    extractor_input: Option<Input>,
    scorer_input: Option<Input>,
    exports: Exports,
    component: InstancePre<Guest>,
    /// Deadlines pass only while it ticks.
    _ticker: Arc<Ticker>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.0.name).field("sha256", &self.0.sha256).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Starts the runtime and the thread by whose ticks calls that take too long are stopped.
    ///
    /// # Errors
    /// The machine has no room for it, or its processor is not one that wasm is compiled for.
    pub fn new(limits: Limits) -> Result<Self, LoadError> {
        let failed = |cause: String| LoadError::Runtime { cause };
        let engine = Engine::new(&settings(&limits)).map_err(|error| failed(format!("{error:#}")))?;
        let mut linker = Linker::new(&engine);
        log::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)
            .map_err(|error| failed(format!("{error:#}")))?;
        let ticker = Ticker::start(&engine).map_err(|error| failed(error.to_string()))?;
        Ok(Self { engine, linker, ticker: Arc::new(ticker), limits })
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
        let bytes = read(path, self.limits.plugin_bytes_max)?;
        let component = self.compile(path, &bytes)?;
        let (exports, component) = self.check(path, &component)?;

        let trapped = |step| move |cause| LoadError::Trapped { path: path.to_owned(), step, cause };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut instance = Instance::start(&component, &exports, &stem, self.limits).map_err(trapped("instantiate"))?;
        let info = instance.describe().map_err(trapped("describe"))?;
        let config = |role: Role| texts.of(role).unwrap_or_default().to_owned();
        let configs = [config(Role::KeyExtractor), config(Role::SimilarityScorer)];
        let mut input_of = |role: Role, wanted: bool| {
            let configure = || role.configure(&mut instance, role.text_of(&configs));
            let answer = wanted.then(configure).transpose().map_err(trapped("configure"))?;
            answer.map(|answer| checked_input(&info.name, answer)).transpose()
        };
        let extractor_input = input_of(Role::KeyExtractor, exports.key_extractor.is_some())?;
        let scorer_input = input_of(Role::SimilarityScorer, exports.similarity_scorer.is_some())?;
        Ok(Plugin(Arc::new(Loaded {
            name: info.name,
            version: info.version,
            key_version: info.key_version,
            sha256: hex(&Sha256::digest(&bytes)),
            configs,
            extractor_input,
            scorer_input,
            exports,
            component,
            limits: self.limits,
            _ticker: Arc::clone(&self.ticker),
        })))
    }

    fn compile(&self, path: &Path, bytes: &[u8]) -> Result<Component, LoadError> {
        let path = path.to_owned();
        // After the four bytes of every wasm file come a version and a layer: 0 is a module, 1 a component.
        match bytes.get(..8) {
            Some([b'\0', b'a', b's', b'm', _, _, 1, 0]) => {}
            Some(b"\0asm\x01\0\0\0") => return Err(LoadError::CoreModule { path }),
            _ => return Err(LoadError::NotWasm { path }),
        }
        Component::from_binary(&self.engine, bytes)
            .map_err(|error| LoadError::Invalid { path, cause: format!("{error:#}") })
    }

    /// Checks names before types, so that the commonest mistakes get the plainest words.
    fn check(&self, path: &Path, component: &Component) -> Result<(Exports, InstancePre<Guest>), LoadError> {
        let ty = component.component_type();
        let refused =
            ty.imports(&self.engine).filter(|(name, item)| *name != LOG && !only_types(&item.ty, &self.engine));
        let imports: Vec<String> = refused.map(|(name, _)| name.to_owned()).collect();
        if !imports.is_empty() {
            return Err(LoadError::ImportsRefused { path: path.to_owned(), imports });
        }
        let exported = |name: &str| component.get_export_index(None, name).is_some();
        let (extracts_keys, scores) = (exported(KEY_EXTRACTOR), exported(SIMILARITY_SCORER));
        if !extracts_keys && !scores {
            let exports = ty.exports(&self.engine).map(|(name, _)| name.to_owned()).collect();
            return Err(LoadError::WrongWorld { path: path.to_owned(), exports });
        }
        let mismatch =
            |error: wasmtime::Error| LoadError::Mismatch { path: path.to_owned(), cause: format!("{error:#}") };
        let pre = self.linker.instantiate_pre(component).map_err(mismatch)?;
        let key_extractor =
            extracts_keys.then(|| key_extractor::GuestIndices::new(&pre)).transpose().map_err(mismatch)?;
        let similarity_scorer =
            scores.then(|| similarity_scorer::GuestIndices::new(&pre)).transpose().map_err(mismatch)?;
        Ok((Exports { key_extractor, similarity_scorer }, pre))
    }
}

impl Role {
    /// Gives an instance its text, in this role. The inner error is the plugin's refusal.
    fn text_of(self, configs: &[String; 2]) -> &str {
        let [extractor, scorer] = configs;
        match self {
            Self::KeyExtractor => extractor,
            Self::SimilarityScorer => scorer,
        }
    }

    fn configure(self, instance: &mut Instance, text: &str) -> Result<Result<types::Input, types::Failure>, Cause> {
        match self {
            Self::KeyExtractor => instance.configure_extractor(text),
            Self::SimilarityScorer => instance.configure_scorer(text),
        }
    }

    /// The interface of the contract.
    fn name(self) -> &'static str {
        match self {
            Self::KeyExtractor => "key-extractor",
            Self::SimilarityScorer => "similarity-scorer",
        }
    }
}

/// What every plugin runs under. Whatever could make two runs differ is off: relaxed SIMD and the bits of NaN here, and
/// threads by a feature of wasmtime that is not compiled in.
fn settings(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .max_wasm_stack(limits.stack_bytes_max);
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

fn checked_input(name: &str, answer: Result<types::Input, types::Failure>) -> Result<Input, LoadError> {
    let bad = |cause: String| LoadError::BadInput { name: name.to_owned(), cause };
    let input = answer.map_err(|failure| LoadError::Refused { name: name.to_owned(), message: failure.message })?;
    let fields = match input {
        types::Input::Payload => return Ok(Input::Payload),
        types::Input::Fields(fields) => fields,
    };
    if fields.is_empty() || fields.len() > FIELDS_MAX {
        return Err(bad(format!("{} fields, and it may be 1 to {FIELDS_MAX}", fields.len())));
    }
    match fields.iter().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
        Some(pointer) => Err(bad(format!("\"{pointer}\" is no JSON pointer"))),
        None => Ok(Input::Fields(fields)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Loaded {
    /// Makes an instance that is ready to be called in this role.
    pub(crate) fn start(&self, role: Role) -> Result<Instance, Cause> {
        let mut instance = Instance::start(&self.component, &self.exports, &self.name, self.limits)?;
        match role.configure(&mut instance, role.text_of(&self.configs))? {
            Ok(_) => Ok(instance),
            Err(failure) => Err(format!("it now refuses the configuration it took before: {}", failure.message)),
        }
    }
}

impl Plugin {
    /// What the plugin calls itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The plugin's version, for people.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Keys of different key versions cannot be compared.
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.0.key_version
    }

    /// Digest of the component's file, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The text that the plugin was configured with to extract keys; empty where there was none.
    #[must_use]
    pub fn extractor_config(&self) -> &str {
        Role::KeyExtractor.text_of(&self.0.configs)
    }

    /// What the plugin can do.
    #[must_use]
    pub fn roles(&self) -> Roles {
        Roles { extracts_keys: self.0.extractor_input.is_some(), scores: self.0.scorer_input.is_some() }
    }

    /// What the plugin reads: for its keys, or to score if it has no keys to give.
    #[must_use]
    pub fn input(&self) -> &Input {
        self.0.extractor_input.as_ref().or(self.scorer_input()).unwrap_or(&Input::Payload)
    }

    /// What the plugin reads to score, if it scores.
    #[must_use]
    pub fn scorer_input(&self) -> Option<&Input> {
        self.0.scorer_input.as_ref()
    }

    /// An extractor for one partition, with an instance of its own.
    ///
    /// # Errors
    /// The plugin extracts no keys, or an instance cannot be made.
    pub fn extractor(&self) -> Result<Extractor, LoadError> {
        self.started(Role::KeyExtractor, self.roles().extracts_keys, Extractor::new)
    }

    /// A scorer for one partition, with an instance of its own.
    ///
    /// # Errors
    /// The plugin scores nothing, or an instance cannot be made.
    pub fn scorer(&self) -> Result<Scorer, LoadError> {
        self.started(Role::SimilarityScorer, self.roles().scores, Scorer::new)
    }

    fn started<T>(
        &self,
        role: Role,
        has_role: bool,
        start: impl FnOnce(Arc<Loaded>) -> Result<T, Cause>,
    ) -> Result<T, LoadError> {
        let name = || self.0.name.clone();
        if !has_role {
            return Err(LoadError::NoRole { name: name(), role: role.name() });
        }
        let failed = |cause| LoadError::Trapped { path: name().into(), step: "start", cause };
        start(Arc::clone(&self.0)).map_err(failed)
    }
}
