//! What can be read from a file without compiling it: the names of a component's imports and exports, the world of a core
//! module. The tools that do this may panic on malformed files, so they run in a separate process.

use plugin::{Refusal, Work, confined};
use serde::{Deserialize, Serialize};
use wit_component::DecodedWasm;
use wit_parser::WorldItem;

use super::componentize::{guess, says_its_world};
use super::config::World;
use super::sandbox;

pub(super) const WORK: Work = Work { name: "names", run: work };

/// Names that are read, and the bytes of the longest.
const NAMES_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 256;

/// What a file says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Names {
    /// Of a component; absent if they cannot be read.
    pub(super) imports: Option<Vec<String>>,
    pub(super) exports: Option<Vec<String>>,
    /// The world to name for a core module that does not declare its own.
    pub(super) world: Option<String>,
}

impl Names {
    /// All that a file says; nothing if it cannot be read.
    pub(super) fn of(file: &[u8]) -> Self {
        // Whoever tried to load the file reports why it cannot be read.
        let read = confined(&WORK, &[], file, sandbox::READER).ok();
        read.and_then(|read| serde_json::from_slice(&read).ok()).unwrap_or_default()
    }
}

fn work(_: &[String], file: &[u8]) -> Result<Vec<u8>, Refusal> {
    let names = if file.get(..8) == Some(b"\0asm\x01\0\0\0") { of_module(file) } else { of_component(file) };
    serde_json::to_vec(&names).map_err(|error| Refusal::of(error.to_string()))
}

fn of_module(module: &[u8]) -> Names {
    let needs_world = says_its_world(module) == Ok(false);
    let world = guess(module).filter(|_| needs_world).map(World::name);
    Names { world: world.map(str::to_owned), ..Names::default() }
}

fn of_component(component: &[u8]) -> Names {
    let Ok(DecodedWasm::Component(resolve, world)) = wit_component::decode(component) else { return Names::default() };
    let Some(world) = resolve.worlds.get(world) else { return Names::default() };
    let has_functions = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => {
            resolve.interfaces.get(*id).is_none_or(|interface| !interface.functions.is_empty())
        }
        WorldItem::Function(_) => true,
        WorldItem::Type { .. } => false,
    };
    let imports = world.imports.iter().filter(|(_, item)| has_functions(item));
    Names {
        imports: Some(some(imports.map(|(key, _)| resolve.name_world_key(key)))),
        exports: Some(some(world.exports.keys().map(|key| resolve.name_world_key(key)))),
        world: None,
    }
}

fn some(names: impl Iterator<Item = String>) -> Vec<String> {
    let shown = |mut name: String| {
        name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
        name.replace(char::is_control, "\u{fffd}")
    };
    names.take(NAMES_MAX).map(shown).collect()
}
