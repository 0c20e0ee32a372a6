//! Components that a test makes: other builds of a shipped plugin, and one that breaks. Not a test.

use std::path::Path;

use dedup_host_tests::program::plugin;

/// The same component with a section of no meaning at its end: another build, another digest.
pub(crate) fn another_build(of: &[u8], number: u8) -> Vec<u8> {
    // Section 0 with its size, the length of its name, the name, and a byte.
    [of, &[0, 7, 5], b"build", &[number]].concat()
}

/// A component that calls itself `composite_key`, keeps to the contract as little as its text says, and has `/x` as its
/// key; it traps on values that begin with T.
pub(crate) fn brittle(key_version: u8) -> Vec<u8> {
    made_of(include_str!("../../host/plugin/tests/common/evil.wat"), key_version)
}

/// As [`brittle`], of another text.
pub(crate) fn made_of(text: &str, key_version: u8) -> Vec<u8> {
    let name = r#"(data (i32.const 32) "composite_key") (data (i32.const 96) "\20\00\00\00\0d"#;
    let text = text.replace(r#"(data (i32.const 96) "\10\00\00\00\04"#, name);
    let version = |number: u8| format!(r"\03\00\00\00\{number:02x}\00\00\00");
    let text = text.replace(&version(3), &version(key_version));
    assert!(text.contains(name) && text.contains(&version(key_version)), "the text is another by now");
    let mut module = wat::parse_str(text).expect("valid text");
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).expect("the contract");
    let world = resolve.select_world(&[package], Some("key-plugin")).expect("the world");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).expect("embedded");
    wit_component::ComponentEncoder::default().module(&module).expect("a module").encode().expect("a component")
}

pub(crate) fn shipped() -> Vec<u8> {
    std::fs::read(plugin("composite_key")).expect("the plugin")
}

/// Puts a component where the host expects it, in one step.
pub(crate) fn put(path: &Path, component: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, component).expect("written");
    std::fs::rename(beside, path).expect("moved");
}
