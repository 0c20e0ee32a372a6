//! Components compiled when a version of the contract was released: they load and say what they said, for ever. Nothing
//! here is rebuilt; see `tests/corpus/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dedup_host_tests::Test;

use crate::authors::languages::check;

pub(crate) const TESTS: &[Test] = &[
    ("components_of_the_past_say_what_they_said", components_of_the_past),
    ("interfaces_of_the_past_are_what_they_were", interfaces_of_the_past),
];

/// Languages of the corpus, each of which has at least one component in every version.
const LANGUAGES: [&str; 4] = ["c", "javascript", "python", "rust"];

fn versions() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let entries = std::fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("an entry").path());
    let versions: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty(), "the corpus is empty");
    versions
}

/// `composite_key-rust.wasm.zst` is of `composite_key`, written in Rust, and answers as in `composite_key.json`.
fn components_of_the_past() {
    let unpacked = tempfile::tempdir().expect("a directory");
    for version in versions() {
        let mut languages = Vec::new();
        for entry in std::fs::read_dir(&version).expect("a version") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let Some((plugin, language)) = name.strip_suffix(".wasm.zst").and_then(|stem| stem.split_once('-')) else {
                continue;
            };
            let packed = std::fs::File::open(&path).expect("the component");
            let component = unpacked.path().join(format!("{plugin}-{language}.wasm"));
            let bytes = zstd::decode_all(packed).expect("zstd");
            std::fs::write(&component, bytes).expect("a file");
            // What is required, and no more: good manners may come to ask for more than they did.
            check(&component, &version.join(format!("{plugin}.json")), "required");
            languages.push(language.to_owned());
        }
        languages.sort();
        languages.dedup();
        assert_eq!(languages, LANGUAGES, "{}", version.display());
    }
}

/// Each interface without comments, by its name.
fn interfaces(text: &str) -> BTreeMap<String, String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    let code: Vec<&str> = code.filter(|line| !line.is_empty()).collect();
    let blocks = code.join("\n");
    let blocks = blocks.split("\ninterface ").skip(1);
    // The last interface is followed by the worlds.
    let blocks = blocks.map(|block| block.split("\nworld ").next().unwrap_or_default().trim_end());
    blocks.filter_map(|block| block.split_once(" {")).map(|(name, body)| (name.to_owned(), body.to_owned())).collect()
}

fn interfaces_of_the_past() {
    let now = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/plugin.wit");
    let now = interfaces(&std::fs::read_to_string(now).expect("the contract"));
    for version in versions() {
        let then = interfaces(&std::fs::read_to_string(version.join("plugin.wit")).expect("the contract as it was"));
        assert!(["types", "key-extractor", "similarity-scorer", "log"].iter().all(|name| then.contains_key(*name)));
        for (name, body) in then {
            assert_eq!(now.get(&name), Some(&body), "interface {name} of {} has changed", version.display());
        }
    }
}
