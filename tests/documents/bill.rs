//! The bill of materials: what `scripts/sbom.py` writes is CycloneDX as far as its structure goes, and says the truth.

use std::collections::BTreeSet;

use dedup_host_tests::Test;
use serde_json::Value;

use crate::{output, text};

pub(crate) const TESTS: &[Test] = &[
    ("the_bill_of_materials_is_whole", the_bill_of_materials_is_whole),
    ("the_bill_of_materials_has_the_digests_of_the_lock_file", the_bill_of_materials_has_the_digests_of_the_lock_file),
    ("the_same_sources_have_the_same_bill", the_same_sources_have_the_same_bill),
];

fn written() -> String {
    output("python3", &["scripts/sbom.py"])
}

fn bill() -> Value {
    serde_json::from_str(&written()).expect("JSON")
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("no list {name} in {value}"))
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

fn the_bill_of_materials_is_whole() {
    let bill = bill();
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"], &bill["version"]),
        (&"CycloneDX".into(), &"1.6".into(), &1.into())
    );
    let serial = word(&bill, "serialNumber").strip_prefix("urn:uuid:").expect("a URN");
    assert_eq!(serial.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    let program = &bill["metadata"]["component"];
    assert_eq!((word(program, "type"), word(program, "name")), ("application", "dedup-host"));
    let components = items(&bill, "components");
    let mut references = BTreeSet::from([word(program, "bom-ref")]);
    for component in components {
        assert_eq!(word(component, "type"), "library", "{component}");
        assert!(word(component, "purl").starts_with("pkg:") && !word(component, "version").is_empty(), "{component}");
        assert!(!items(component, "licenses").is_empty(), "{component}");
        assert!(references.insert(word(component, "bom-ref")), "twice: {component}");
    }
    let dependencies = items(&bill, "dependencies");
    let of: BTreeSet<&str> = dependencies.iter().map(|dependency| word(dependency, "ref")).collect();
    assert_eq!((&of, of.len()), (&references, dependencies.len()), "each has its dependencies told once");
    let all = dependencies.iter().flat_map(|dependency| items(dependency, "dependsOn"));
    let needed: BTreeSet<&str> = all.map(|reference| reference.as_str().expect("a text")).collect();
    // All but the program itself is there because something needs it.
    let unneeded: Vec<_> = references.difference(&needed).collect();
    assert_eq!(unneeded, [&word(program, "bom-ref")]);
    for name in
        ["wasmtime", "rdkafka-sys", "librocksdb-sys", "librdkafka", "cJSON", "RocksDB", "Zstandard", "plain_text"]
    {
        assert!(components.iter().any(|component| component["name"] == name), "{name} is missing");
    }
    for name in ["proptest", "bindgen", "cc", "dedup-host-tests", "wit-bindgen"] {
        assert!(components.iter().all(|component| component["name"] != name), "{name} is not in the program");
    }
}

fn the_bill_of_materials_has_the_digests_of_the_lock_file() {
    let (bill, lock) = (bill(), text("Cargo.lock"));
    let mut compared = 0;
    for component in items(&bill, "components") {
        for hash in component["hashes"].as_array().into_iter().flatten() {
            let (name, version, digest) = (word(component, "name"), word(component, "version"), word(hash, "content"));
            let package = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            let pinned =
                lock.split("\n\n").find(|pinned| pinned.contains(&package)).expect("a package of the lock file");
            assert!(pinned.contains(&format!("checksum = \"{digest}\"")), "{component}");
            compared += 1;
        }
    }
    assert!(compared > 150, "only {compared} digests");
}

fn the_same_sources_have_the_same_bill() {
    assert_eq!(written(), written());
}
