//! Projects as written: what they contain, and what is refused. Other tests build them, where compilers are installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const LANGUAGES: [Language; 4] = [Language::Rust, Language::Python, Language::Javascript, Language::C];
const ROLES: [NewRole; 2] = [NewRole::Key, NewRole::Scorer];

fn config(language: Language, role: NewRole, name: &str) -> NewConfig {
    NewConfig { language, role, name: name.to_owned() }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a directory, by their paths in it.
fn files_below(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn made(language: Language, role: NewRole) -> BTreeMap<String, String> {
    let parent = tempfile::tempdir().unwrap();
    write_below(parent.path(), &config(language, role, "order_id")).unwrap();
    files_below(&parent.path().join("order_id"))
}

#[test]
fn every_project_has_what_the_next_commands_need() {
    for language in LANGUAGES {
        for role in ROLES {
            let files = made(language, role);
            for name in ["README.md", "build.sh", "golden.json", ".gitignore", "wit/plugin.wit"] {
                assert!(files.contains_key(name), "{language:?} {role:?} has no {name}");
            }
            assert!(files["build.sh"].contains("order_id.wasm"));
            let cases: Vec<serde_json::Value> = serde_json::from_str(&files["golden.json"]).unwrap();
            assert!(cases.len() >= 5, "{language:?} {role:?}: {} golden cases", cases.len());
            for (name, text) in &files {
                assert!(!text.contains("{{"), "{language:?} {role:?}: something in {name} is not filled in");
            }
        }
    }
}

#[test]
fn the_plugin_and_not_the_example_is_named() {
    for language in LANGUAGES {
        for role in ROLES {
            let files = made(language, role);
            assert!(files.values().all(|text| !text.contains("same_share")), "{language:?} {role:?}");
            let named = files.values().filter(|text| text.contains("order_id")).count();
            assert!(named >= 3, "{language:?} {role:?}: {named} files name the plugin");
        }
    }
}

#[test]
fn the_vendored_sdk_is_the_sdk() {
    let files = made(Language::Rust, NewRole::Key);
    let vendored: BTreeMap<&str, &String> =
        files.iter().filter_map(|(name, text)| Some((name.strip_prefix("vendor/dedup-plugin/src/")?, text))).collect();
    let sources = files_below(&repository().join("guest-plugins/sdk/src"));
    let sources: BTreeMap<&str, &String> = sources.iter().map(|(name, text)| (name.as_str(), text)).collect();
    assert_eq!(vendored.keys().collect::<Vec<_>>(), sources.keys().collect::<Vec<_>>());
    assert!(vendored == sources, "a vendored file is not as in guest-plugins/sdk");
}

/// The project has no workspace to take versions from, so they stand there again.
#[test]
fn the_vendored_manifest_asks_for_what_the_workspace_asks_for() {
    let read = |text: &str| text.parse::<toml::Table>().unwrap();
    let workspace = read(&fs::read_to_string(repository().join("Cargo.toml")).unwrap());
    let workspace = workspace["workspace"].as_table().unwrap();
    let vendored = read(&made(Language::Rust, NewRole::Key)["vendor/dedup-plugin/Cargo.toml"]);
    assert_eq!(vendored["dependencies"]["wit-bindgen"], workspace["dependencies"]["wit-bindgen"]);
    let tests = &vendored["target"]["cfg(not(target_arch = \"wasm32\"))"]["dependencies"];
    assert_eq!(tests["serde_json"], workspace["dependencies"]["serde_json"]);
    for member in ["version", "edition", "rust-version", "license"] {
        assert_eq!(vendored["package"][member], workspace["package"][member], "{member}");
    }
}

#[cfg(unix)]
#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    for language in LANGUAGES {
        let parent = tempfile::tempdir().unwrap();
        write_below(parent.path(), &config(language, NewRole::Key, "order_id")).unwrap();
        let mode = |name| fs::metadata(parent.path().join("order_id").join(name)).unwrap().permissions().mode();
        assert_eq!(mode("build.sh") & 0o100, 0o100, "{language:?}");
        assert_eq!(mode("golden.json") & 0o111, 0, "{language:?}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("order_id"), "mine").unwrap();
    let error = write_below(parent.path(), &config(Language::C, NewRole::Key, "order_id")).unwrap_err();
    assert!(error.to_string().contains("nothing is overwritten"), "{error}");
    assert_eq!(fs::read_to_string(parent.path().join("order_id")).unwrap(), "mine");
    fs::create_dir(parent.path().join("empty")).unwrap();
    let error = write_below(parent.path(), &config(Language::C, NewRole::Key, "empty")).unwrap_err();
    assert!(matches!(error, NewError::Exists(_)), "{error}");
}

#[test]
fn a_directory_that_is_not_there() {
    let parent = tempfile::tempdir().unwrap();
    let error = write_below(&parent.path().join("gone"), &config(Language::C, NewRole::Key, "a")).unwrap_err();
    assert!(matches!(error, NewError::Write { .. }), "{error}");
}

#[test]
fn words_of_the_language_are_no_names() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["match", "core", "dedup_plugin", "test"] {
        let error = write_below(parent.path(), &config(Language::Rust, NewRole::Key, name)).unwrap_err();
        assert!(error.to_string().starts_with(&format!("\"{name}\" is a reserved word")), "{error}");
        assert!(!parent.path().join(name).exists());
    }
}

#[test]
fn the_next_command_is_told() {
    let text = next_steps(&config(Language::Rust, NewRole::Scorer, "order_id"));
    assert!(text.starts_with("made order_id: a similarity scorer in Rust"), "{text}");
    assert!(text.contains("  order_id/src/lib.rs              the plugin: start here\n"), "{text}");
    let next =
        "next:\n  cd order_id && ./build.sh && dedup-host plugin conformance order_id.wasm --expect golden.json\n";
    assert!(text.ends_with(next), "{text}");
}
