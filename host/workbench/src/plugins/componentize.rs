//! `dedup-host plugin componentize`: turns a core wasm module, as compilers produce it, into a component, as the host
//! loads it. Not a compiler, and not an adapter: a module that imports WASI is refused. The tools that do this may panic on
//! malformed modules, so they run in a separate process.

use std::io::Write as _;

use clap::ValueEnum;
use file_connector::{OutputOptions, open_output};
use plain_text::Line;
use plugin::{NoResult, Refusal, Work, confined, read_file};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};
use wit_parser::Resolve;

use super::config::{ComponentizeConfig, World};
use super::ending::{Cause, CommandError, Ended};
use super::output::answer;
use super::sandbox;

/// The contract this host was built with.
const CONTRACT: &str = include_str!("../../../../wit/plugin.wit");

pub(super) const WORK: Work = Work { name: "componentize", run: work };

pub(super) fn run(config: &ComponentizeConfig) -> Result<Ended, CommandError> {
    let shown = config.module.display().to_string();
    let module = read_file(&config.module, sandbox::FILE_BYTES_MAX).map_err(|error| {
        CommandError::new(
            Cause::Input,
            format!("cannot read {shown}: {error}; give a core module as a compiler produces it"),
        )
    })?;
    let world = config.world.map_or("", World::name).to_owned();
    let component =
        confined(&WORK, &[world, shown.clone()], &module, sandbox::READER).map_err(|error| match error {
            NoResult::Refused(Refusal { words, .. }) => CommandError::new(Cause::Plugin, words),
            NoResult::Memory(_) | NoResult::Time(_) | NoResult::Died(_) | NoResult::NoProcess(_) => {
                CommandError::new(Cause::Plugin, format!("cannot turn {shown} into a component: {error}"))
            }
        })?;
    write(config, &component)?;
    answer(&format!("{}: a component of {} bytes\n", Line(config.output.display()), component.len()))?;
    Ok(Ended::Done)
}

fn write(config: &ComponentizeConfig, component: &[u8]) -> Result<(), CommandError> {
    let options = OutputOptions { existing: config.existing, mode: None };
    let mut file =
        open_output(&config.output, options).map_err(|error| CommandError::new(Cause::Output, error.to_string()))?;
    file.write_all(component)
        .map_err(|error| CommandError::new(Cause::Output, format!("cannot write {}: {error}", config.output.display())))
}

/// The arguments are the world, empty if none was given, and the name of the file.
fn work(arguments: &[String], module: &[u8]) -> Result<Vec<u8>, Refusal> {
    let [world, shown] = arguments else { return Err(Refusal::of("unexpected arguments")) };
    componentize(module, World::from_str(world, false).ok(), shown).map_err(Refusal::of)
}

/// The module as a component.
fn componentize(module: &[u8], world: Option<World>, shown: &str) -> Result<Vec<u8>, String> {
    match module.get(..8) {
        Some(b"\0asm\x01\0\0\0") => {}
        Some([b'\0', b'a', b's', b'm', _, _, 1, 0]) => {
            return Err(format!("{shown} is already a component: use it as it is"));
        }
        _ => {
            return Err(format!("{shown} is not a wasm module: build with --target wasm32-unknown-unknown or similar"));
        }
    }
    if let Some(needs) = javascript(module) {
        return Err(format!("{shown} {needs}"));
    }
    let said = says_its_world(module).map_err(|cause| format!("{shown} is not a usable wasm module: {cause}"))?;
    let module = match (said, world) {
        (true, None) => module.to_vec(),
        (false, Some(world)) => with_world(module.to_vec(), world).map_err(|cause| format!("{shown}: {cause}"))?,
        (true, Some(_)) => return Err(format!("{shown} already declares its world: omit --world")),
        (false, None) => {
            let world = guess(module).map_or("key-plugin, similarity-plugin or dedup-plugin", World::name);
            return Err(format!(
                "{shown} does not say which world of wit/plugin.wit it keeps to, as modules do that were made with \
                 wit-bindgen: give --world {world}"
            ));
        }
    };
    encode(&module).map_err(|cause| format!("cannot turn {shown} into a component: {cause}{}", hint(&cause)))
}

/// Whether the module has the custom section in which wit-bindgen records the world.
pub(super) fn says_its_world(module: &[u8]) -> Result<bool, String> {
    let (without, _) = metadata::decode(module).map_err(|error| format!("{error:#}"))?;
    Ok(without.is_some())
}

fn with_world(mut module: Vec<u8>, world: World) -> Result<Vec<u8>, String> {
    let embed = |module: &mut Vec<u8>| {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("plugin.wit", CONTRACT)?;
        let world = resolve.select_world(&[package], Some(world.name()))?;
        embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)
    };
    embed(&mut module).map_err(|error| format!("{error:#}"))?;
    Ok(module)
}

fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let component = ComponentEncoder::default().validate(true).module(module).and_then(|mut encoder| encoder.encode());
    component.map_err(|error| format!("{error:#}"))
}

/// The world that the names of the exports suggest; they appear in the module verbatim. Good enough for advice only.
pub(super) fn guess(module: &[u8]) -> Option<World> {
    let names = |interface: &[u8]| module.windows(interface.len()).any(|window| window == interface);
    let extracts = names(b"dedup:plugin/key-extractor@1.0.0#");
    let scores = names(b"dedup:plugin/similarity-scorer@1.0.0#");
    match (extracts, scores) {
        (true, true) => Some(World::DedupPlugin),
        (true, false) => Some(World::KeyPlugin),
        (false, true) => Some(World::SimilarityPlugin),
        (false, false) => None,
    }
}

/// What a module needs of JavaScript, if it was made to run in a browser: wasm-bindgen calls its own imports by these names,
/// which its tool would replace.
fn javascript(module: &[u8]) -> Option<&'static str> {
    let has = |name: &[u8]| module.windows(name.len()).any(|window| window == name);
    has(b"__wbindgen_placeholder__").then_some(
        "needs JavaScript: one of its crates uses wasm-bindgen, which calls functions of a browser, and a plugin has none. \
         To find the crate, run `cargo tree --target wasm32-unknown-unknown --invert wasm-bindgen`; then add it without \
         its default features, or without the one that brings in wasm-bindgen or js-sys: for chrono, `cargo add chrono \
         --no-default-features --features alloc`. Clocks and random numbers are what such features are for, and a plugin \
         must not use them: its answers may depend on nothing but the event",
    )
}

/// The way out for the most common causes.
fn hint(cause: &str) -> &'static str {
    if cause.contains("wasi_snapshot_preview1") {
        return "; it was built with WASI: build for wasm32-unknown-unknown, or build the component with the WASI adapter \
                of your toolchain and run it with --plugin-wasi";
    }
    if cause.contains("env") && cause.contains("import") {
        return "; a function that is declared but not defined becomes an import: link the code that defines it";
    }
    "; it must export the functions of its world in wit/plugin.wit, cabi_realloc, and its memory as `memory`"
}
