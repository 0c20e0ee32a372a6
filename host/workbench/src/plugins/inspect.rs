//! `dedup-host plugin inspect`: what a component is, and if it cannot be loaded, whatever is known about it anyway. It
//! asks the component who it is and what it reads, and passes it no event.

use std::path::Path;
use std::time::Duration;

use plugin::{Candidate, FaultKind, Image, Info, Input, LoadError, Role, Wasi};
use serde::Serialize;

use super::config::{InspectConfig, SandboxConfig};
use super::ending::{Cause, CommandError, Ended};
use super::names::Names;
use super::output::{self, answer};
use super::sandbox;
use super::screen::{self, Facts, Ink};

/// MiB that `--plugin-memory-mib` takes at most.
const MEMORY_MIB_MAX: u64 = 4096;

pub(super) fn run(config: &InspectConfig) -> Result<Ended, CommandError> {
    let inspection = inspect(&config.component, &config.sandbox)?;
    let text = if config.json {
        output::json(&inspection)
    } else {
        inspection.to_text(&config.sandbox, Ink::of_standard_output())
    };
    answer(&text)?;
    match inspection.error {
        Some(message) => Err(CommandError::new(Cause::Plugin, message)),
        None => Ok(Ended::Done),
    }
}

/// All that is known of a component; what could not be found out is absent.
#[derive(Debug, Default, Serialize)]
struct Inspection {
    path: String,
    bytes: u64,
    sha256: String,
    /// component, core module, or neither.
    kind: &'static str,
    name: Option<String>,
    version: Option<String>,
    key_version: Option<u32>,
    roles: Vec<RoleFacts>,
    contract: Option<String>,
    imports: Option<Vec<String>>,
    exports: Option<Vec<String>>,
    compile: Option<Compile>,
    start: Option<Start>,
    /// Flags without which it does not run, or the command that makes a component of it.
    needs: Vec<String>,
    /// Why it cannot be used as asked, and the way out.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct RoleFacts {
    role: &'static str,
    /// JSON pointers; absent where it reads the payload, or did not say.
    fields: Option<Vec<String>>,
    payload: bool,
    /// Why it did not say.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Compile {
    nanoseconds: u64,
    from_cache: bool,
}

#[derive(Debug, Serialize)]
struct Start {
    nanoseconds: u64,
    /// Of all memories, after the roles were configured.
    memory_bytes: usize,
    memories: usize,
    tables: usize,
    largest_table_elements: u64,
}

fn inspect(path: &Path, config: &SandboxConfig) -> Result<Inspection, CommandError> {
    let runtime = sandbox::runtime(config, false)?;
    let image = runtime.read(path)?;
    let bytes = image.bytes();
    let mut inspection = Inspection {
        path: path.display().to_string(),
        bytes: bytes.len() as u64,
        sha256: image.sha256().to_owned(),
        kind: kind(bytes),
        ..Inspection::default()
    };
    match sandbox::open_image(&runtime, path, &image) {
        Ok(candidate) => inspection.look_at(&candidate, config),
        Err(error) => {
            inspection.error = Some(error.to_string());
            let Names { imports, exports, world } = Names::of(bytes);
            (inspection.imports, inspection.exports) = (imports, exports);
            if matches!(error, LoadError::CoreModule { .. }) {
                inspection.needs.push(componentize_command(path, world.as_deref()));
            }
            if matches!(error, LoadError::ImportsRefused { .. }) && config.wasi == Wasi::None {
                inspection.try_wasi(path, &image, config);
            }
        }
    }
    Ok(inspection)
}

/// The command that turns a core module into a component; it names the world if the module does not declare it.
fn componentize_command(path: &Path, world: Option<&str>) -> String {
    let world = world.map(|world| format!(" --world {world}")).unwrap_or_default();
    let component = path.with_extension("component.wasm");
    format!("dedup-host plugin componentize {} -o {}{world}", path.display(), component.display())
}

fn kind(bytes: &[u8]) -> &'static str {
    match bytes.get(..8) {
        Some([b'\0', b'a', b's', b'm', _, _, 1, 0]) => "component",
        Some(b"\0asm\x01\0\0\0") => "core module",
        _ => "neither a component nor a module",
    }
}

impl Inspection {
    /// Asks the component itself.
    fn look_at(&mut self, candidate: &Candidate, config: &SandboxConfig) {
        self.contract = Some(candidate.contract().to_owned());
        self.imports = Some(candidate.imports().to_vec());
        self.exports = Some(candidate.exports().to_vec());
        let nanoseconds = nanos(candidate.compile_time());
        self.compile = Some(Compile { nanoseconds, from_cache: candidate.from_cache() });
        let (parts, mut memory_bytes, mut start_time) = (candidate.parts(), 0, Duration::ZERO);
        for role in candidate.roles().iter() {
            let mut facts = RoleFacts { role: role.name(), fields: None, payload: false, error: None };
            match ask(candidate, role, config) {
                Err(refusal) => {
                    if refusal.out_of_memory {
                        self.find_memory(candidate.path(), role, config);
                    }
                    facts.error = Some(refusal.words);
                    self.learn(refusal.info);
                }
                Ok(asked) => {
                    self.learn(Some(asked.info));
                    match asked.input {
                        Input::Payload => facts.payload = true,
                        Input::Fields(fields) => facts.fields = Some(fields),
                    }
                    memory_bytes = memory_bytes.max(asked.memory_bytes);
                    start_time = start_time.max(asked.start_time);
                }
            }
            self.roles.push(facts);
        }
        if memory_bytes > 0 {
            let (memories, tables) = (parts.memories, parts.tables);
            let largest_table_elements = parts.largest_table_elements;
            self.start =
                Some(Start { nanoseconds: nanos(start_time), memory_bytes, memories, tables, largest_table_elements });
        }
        // In the words of a run, where there are any.
        let failed = self.roles.iter().find_map(|facts| facts.error.as_ref());
        let in_a_run = || candidate.configured(sandbox::texts(config)).err().map(|error| error.to_string());
        self.error = self.error.take().or(failed.and_then(|_| in_a_run()));
    }

    fn learn(&mut self, info: Option<Info>) {
        if let Some(info) = info {
            (self.name, self.version, self.key_version) = (Some(info.name), Some(info.version), Some(info.key_version));
        }
    }

    /// Finds the mode of WASI that it runs with, and what it says then.
    fn try_wasi(&mut self, path: &Path, image: &Image, config: &SandboxConfig) {
        for wasi in [Wasi::Stub, Wasi::Inert] {
            let config = SandboxConfig { wasi, ..config.clone() };
            let opened =
                sandbox::runtime(&config, false).and_then(|runtime| sandbox::open_image(&runtime, path, image));
            let Ok(candidate) = opened else {
                continue;
            };
            if wasi == Wasi::Inert || candidate.configured(sandbox::texts(&config)).is_ok() {
                self.needs.push(format!("--plugin-wasi {}", sandbox::wasi_name(wasi)));
                return self.look_at(&candidate, &config);
            }
        }
    }

    /// Finds how much memory it starts with, where it is more than it may have.
    fn find_memory(&mut self, path: &Path, role: Role, config: &SandboxConfig) {
        let config = SandboxConfig { memory_bytes: MEMORY_MIB_MAX << 20, ..config.clone() };
        let opened = sandbox::runtime(&config, false).and_then(|runtime| sandbox::open(&runtime, path));
        let Ok(asked) = opened.map_err(|_| ()).and_then(|candidate| ask(&candidate, role, &config).map_err(|_| ()))
        else {
            return;
        };
        // A quarter more than at its start, to have some to work with.
        let mib = (asked.memory_bytes as u64).div_ceil(1 << 20);
        let mib = (mib + mib / 4).next_power_of_two().min(MEMORY_MIB_MAX);
        let need = format!("--plugin-memory-mib {mib}");
        if !self.needs.contains(&need) {
            self.needs.push(need);
        }
    }
}

/// What a component says in one role.
struct Asked {
    info: Info,
    input: Input,
    memory_bytes: usize,
    start_time: Duration,
}

/// Why it did not say.
struct Refusal {
    words: String,
    info: Option<Info>,
    out_of_memory: bool,
}

fn ask(candidate: &Candidate, role: Role, config: &SandboxConfig) -> Result<Asked, Refusal> {
    let failed = |step: &str, fault: plugin::Fault, info: Option<Info>| Refusal {
        words: format!("it failed to {step}: {fault}"),
        info,
        out_of_memory: fault.kind == FaultKind::Resources,
    };
    let mut probe = candidate.probe().map_err(|fault| failed("start", fault, None))?;
    let start_time = probe.cost().time;
    let info = probe.describe(role).map_err(|fault| failed("describe itself", fault, None))?;
    let configured = probe.configure(role, sandbox::text(config, role));
    match configured.map_err(|fault| failed("be configured", fault, Some(info.clone())))? {
        Ok(input) => Ok(Asked { info, input, memory_bytes: probe.cost().memory_bytes, start_time }),
        Err(message) => Err(Refusal {
            words: format!("it refuses its configuration: {message}"),
            info: Some(info),
            out_of_memory: false,
        }),
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Characters of the longest name of a fact.
const NAME_CHARS: usize = 13;

impl Inspection {
    fn to_text(&self, config: &SandboxConfig, ink: Ink) -> String {
        let title = match (&self.name, &self.version) {
            (Some(name), Some(version)) => {
                format!("{} {}", ink.title(screen::words(name)), screen::words(version))
            }
            _ => ink.title(&self.path),
        };
        let mut facts = Facts::new(ink, NAME_CHARS);
        if self.name.is_some() {
            facts.add("file", screen::clipped(&self.path));
        }
        facts.add("size", format!("{} ({})", screen::bytes(self.bytes), self.kind));
        facts.add("sha256", &self.sha256);
        self.add_roles(&mut facts, config, ink);
        if let Some(contract) = &self.contract {
            facts.add("contract", screen::words(&format!("dedup:plugin@{contract}")));
        }
        if let Some(imports) = &self.imports {
            facts.list("imports", imports.iter().map(|name| screen::words(name)));
        }
        if let Some(exports) = &self.exports {
            facts.list("exports", exports.iter().map(|name| screen::words(name)));
        }
        if let Some(compile) = &self.compile {
            let from = if compile.from_cache { "read from the cache in" } else { "compiled in" };
            facts.add("load", format!("{from} {}", screen::nanos(compile.nanoseconds as f64)));
        }
        if let Some(start) = &self.start {
            let limit = screen::bytes(config.memory_bytes);
            facts.add("start", screen::nanos(start.nanoseconds as f64));
            facts.add(
                "memory",
                format!("{} once configured; it may have {limit}", screen::bytes(start.memory_bytes as u64)),
            );
            let (memories, tables) = (screen::grouped(start.memories as u64), screen::grouped(start.tables as u64));
            let elements = screen::grouped(start.largest_table_elements);
            facts.add("parts", format!("memories: {memories}; tables: {tables}, of at most {elements} elements"));
        }
        let needs = self.needs.iter().map(|need| ink.odd(need));
        match self.error {
            Some(_) if self.needs.is_empty() => {}
            _ if self.needs.is_empty() => facts.add("needs", "no additional flags"),
            _ => facts.list("needs", needs),
        }
        format!("{title}\n{}", facts.into_text())
    }

    fn add_roles(&self, facts: &mut Facts, config: &SandboxConfig, ink: Ink) {
        if self.contract.is_some() {
            facts.list("roles", self.roles.iter().map(|role| role.role));
        }
        if let Some(key_version) = self.key_version {
            facts.add("key-version", key_version);
        }
        for role in &self.roles {
            let (name, config) = match role.role {
                "key-extractor" => ("key from", &config.extractor_configuration),
                _ => ("score by", &config.scorer_configuration),
            };
            let given = if config.is_some() { "with the configuration given" } else { "without a configuration" };
            match (&role.fields, &role.error) {
                (_, Some(error)) => facts.add(name, format!("{} ({given})", ink.bad(screen::words(error)))),
                (Some(fields), _) => {
                    let shown = fields.iter().map(|field| match field.as_str() {
                        "" => "the whole event".to_owned(),
                        field => ink.value(screen::words(field)),
                    });
                    facts.list(name, shown.chain([ink.quiet(format!("({given})"))]));
                }
                (None, None) => facts.add(name, format!("the whole payload {}", ink.quiet(format!("({given})")))),
            }
        }
    }
}
