//! What the suites share: batches, and components made from text so that no compiler for wasm is needed.
#![allow(dead_code, clippy::expect_used, clippy::indexing_slicing, reason = "tests; each suite uses its part")]

use std::path::{Path, PathBuf};

use engine::fields::{Extraction, FieldBatch, Kind};

/// A batch of events with one string each.
pub(crate) fn batch(events: &[&str]) -> FieldBatch {
    let mut batch = FieldBatch::new(1);
    events.iter().for_each(|event| batch.push(Kind::String, event.as_bytes()));
    batch
}

/// The keys of each event, as text.
pub(crate) fn keys_by_event(extraction: &Extraction) -> Vec<Vec<String>> {
    let mut keys = vec![Vec::new(); extraction.status.len()];
    for (index, owner) in extraction.owners.iter().enumerate() {
        let key = extraction.keys.get(index).expect("as many keys as owners");
        keys[*owner as usize].push(String::from_utf8_lossy(key).into_owned());
    }
    keys
}

/// Writes a component given as text to a file.
pub(crate) fn component(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, wat::parse_str(text).expect("valid text")).expect("a file");
    path
}

/// Writes a component made of a core module given as text, which keeps to the world `key-plugin`.
pub(crate) fn plugin_of_module(dir: &Path, name: &str, module: &str) -> PathBuf {
    component_of_module(dir, name, module, "key-plugin")
}

/// As [`plugin_of_module`], for the world `similarity-plugin`.
pub(crate) fn scorer_of_module(dir: &Path, name: &str, module: &str) -> PathBuf {
    component_of_module(dir, name, module, "similarity-plugin")
}

/// [`evil`] and [`EVIL_SCORER`] in one component of the world `dedup-plugin`.
pub(crate) fn plugin_of_both_roles(dir: &Path, name: &str) -> PathBuf {
    let extractor = evil("", "");
    let extractor = extractor.trim_end().strip_suffix(')').expect("the end of the module");
    // Up to here both have the same memory, words and allocator.
    let scorer = EVIL_SCORER.find("  (func (export \"dedup:plugin/similarity-scorer").expect("its first function");
    let scorer = EVIL_SCORER[scorer..].replace("$deeper", "$deeper_still");
    component_of_module(dir, name, &format!("{extractor}{scorer}"), "dedup-plugin")
}

fn component_of_module(dir: &Path, name: &str, module: &str, world: &str) -> PathBuf {
    let mut module = wat::parse_str(module).expect("valid text");
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).expect("the contract");
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).expect("metadata");
    let encoder = wit_component::ComponentEncoder::default();
    let component =
        encoder.validate(true).module(&module).and_then(|mut encoder| encoder.encode()).expect("a component");
    let path = dir.join(name);
    std::fs::write(&path, component).expect("a file");
    path
}

/// The shipped plugin of this name.
pub(crate) fn shipped(name: &str) -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = dir.join(name).with_extension("wasm");
    assert!(path.exists(), "{} is not there: run `make build` first, or set DEDUP_PLUGINS_DIR", path.display());
    path
}

/// A plugin whose key is the event's one value, until a value starts with a letter that makes it misbehave; see the
/// comments in its text. `describe` and `configure` are instructions that run first in those functions.
pub(crate) fn evil(describe: &str, configure: &str) -> String {
    include_str!("evil.wat").replace(";; DESCRIBE", describe).replace(";; CONFIGURE", configure)
}

/// Random numbers of a seed: SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("below an usize")
    }

    /// Bytes with something wrong about them: cut short, changed here and there, or with a part in another place.
    pub(crate) fn damaged(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        match self.below(8) {
            0 => bytes.truncate(self.below(whole.len())),
            1 => {
                let (from, to, many) = (self.below(whole.len()), self.below(whole.len()), 1 + self.below(64));
                let part = whole[from..whole.len().min(from + many)].to_vec();
                bytes.splice(to..to, part);
            }
            2 => {
                let from = self.below(whole.len());
                bytes.drain(from..whole.len().min(from + 1 + self.below(16)));
            }
            _ => {
                for _ in 0..=self.below(3) {
                    let at = self.below(bytes.len());
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, self.below(256) as u8][self.below(6)];
                }
            }
        }
        bytes
    }

    /// Some of so many items, ascending: from none to all of them, mostly few.
    pub(crate) fn some_of(&mut self, items: usize) -> Vec<usize> {
        let one_in = [1, 2, 30, 300, 1000, 3000][self.below(6)];
        (0..items).filter(|_| self.below(one_in) == 0).collect()
    }
}

/// A scorer that is honest until a value starts with a letter that makes it misbehave; see the comments in its text.
pub(crate) const EVIL_SCORER: &str = include_str!("evil_scorer.wat");
