//! `docs/third-party.md`: versions of the C libraries are those of the sources that are built, and what would reach their
//! faults is not built.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dedup_host_tests::Test;
use serde_json::Value;

use crate::{output, text};

pub(crate) const TESTS: &[Test] = &[
    ("the_versions_of_c_libraries_are_those_of_their_sources", the_versions_of_c_libraries_are_those_of_their_sources),
    ("what_reaches_faults_of_c_libraries_is_not_built", what_reaches_faults_of_c_libraries_is_not_built),
    ("librdkafka_parses_json_only_where_curl_is_built_in", librdkafka_parses_json_only_where_curl_is_built_in),
    ("every_c_library_is_on_the_page", every_c_library_is_on_the_page),
    ("the_crates_looked_up_are_those_of_the_lock_file", the_crates_looked_up_are_those_of_the_lock_file),
];

/// A library of the page: the crate whose sources have it, the header with its version, and what stands before that.
const LIBRARIES: [(&str, &str, &str, &str); 7] = [
    ("librdkafka", "rdkafka-sys", "librdkafka/src/rdkafka.h", "RD_KAFKA_VERSION"),
    ("cJSON", "rdkafka-sys", "librdkafka/src/cJSON.h", "CJSON_VERSION"),
    ("LZ4 of librdkafka", "rdkafka-sys", "librdkafka/src/lz4.h", "LZ4_VERSION"),
    ("nanopb", "rdkafka-sys", "librdkafka/src/nanopb/pb.h", "NANOPB_VERSION"),
    ("RocksDB", "librocksdb-sys", "rocksdb/include/rocksdb/version.h", "ROCKSDB"),
    ("LZ4", "lz4-sys", "liblz4/lib/lz4.h", "LZ4_VERSION"),
    ("Zstandard", "zstd-sys", "zstd/lib/zstd.h", "ZSTD_VERSION"),
];

/// Crates that build or bind C, which have nothing of their own in the program: the system's libraries, tools of the build.
const WITHOUT_SOURCES: [&str; 9] = [
    "openssl-sys",
    "libz-sys",
    "linux-raw-sys",
    "windows-sys",
    "js-sys",
    "web-sys",
    "clang-sys",
    "bzip2-sys",
    "core-foundation-sys",
];

/// What cargo resolves from the lock file.
fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // Of this platform: a build fetches the crates of no other.
    let compiler = output("rustc", &["-vV"]);
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).expect("the host's name");
    let arguments = ["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host];
    let json = output(&cargo, &arguments);
    serde_json::from_str(&json).expect("JSON")
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("no list {name}"))
}

fn package<'a>(metadata: &'a Value, name: &str) -> &'a Value {
    items(metadata, "packages").iter().find(|package| package["name"] == name).expect("a package")
}

fn folder(metadata: &Value, name: &str) -> PathBuf {
    let manifest = package(metadata, name)["manifest_path"].as_str().expect("a path");
    PathBuf::from(manifest).parent().expect("a folder").to_owned()
}

/// The features with which a package is built, by anybody.
fn features(metadata: &Value, name: &str) -> BTreeSet<String> {
    let id = &package(metadata, name)["id"];
    let nodes = items(&metadata["resolve"], "nodes");
    let node = nodes.iter().find(|node| node["id"] == *id).expect("a node");
    items(node, "features").iter().map(|feature| feature.as_str().expect("a name").to_owned()).collect()
}

/// What `#define NAME value` says.
fn defined<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.lines().find_map(|line| {
        let (defined, value) = line.strip_prefix("#define ")?.split_once(char::is_whitespace)?;
        (defined == name).then(|| value.split("/*").next().unwrap_or(value).trim())
    })
}

/// A version as a header has it: a number by bytes, a text, or three parts.
fn version(header: &str, prefix: &str) -> Option<String> {
    if let Some(whole) = defined(header, prefix) {
        if let Some(number) = whole.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            let [major, minor, patch, _] = number.to_be_bytes();
            return Some(format!("{major}.{minor}.{patch}"));
        }
        let words = whole.trim_matches('"');
        return Some(
            words.split_once('-').filter(|(name, _)| !name.contains('.')).map_or(words, |(_, rest)| rest).to_owned(),
        );
    }
    let part = |part: &str| defined(header, &format!("{prefix}_{part}"));
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH").or_else(|| part("RELEASE"))?))
}

/// Rows of the page's table of libraries: name, version, what it comes with.
fn rows() -> Vec<[String; 3]> {
    let page = text("docs/third-party.md");
    let table = page.split("| library |").nth(1).expect("the table").split("\n\n").next().expect("its end").to_owned();
    let rows = table.lines().skip(2).map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()));
    rows.map(|mut cells| std::array::from_fn(|_| cells.next().expect("a cell"))).collect()
}

fn the_versions_of_c_libraries_are_those_of_their_sources() {
    let metadata = metadata();
    let rows = rows();
    assert_eq!(rows.len(), LIBRARIES.len(), "{rows:?}");
    for (row, (name, holder, header, prefix)) in rows.iter().zip(LIBRARIES) {
        let path = folder(&metadata, holder).join(header);
        let header = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let found = version(&header, prefix).unwrap_or_else(|| panic!("no version in {}", path.display()));
        assert_eq!(
            (row[0].as_str(), &row[1]),
            (name, &found),
            "read what is known of it, then mend docs/third-party.md"
        );
        assert!(row[2] == holder || row[2] == "librdkafka", "{row:?}");
    }
}

fn what_reaches_faults_of_c_libraries_is_not_built() {
    let metadata = metadata();
    let off = [
        (
            "rdkafka-sys",
            ["curl", "curl-static", "gssapi", "sasl", "external-lz4", "external_lz4", "cmake-build"].as_slice(),
        ),
        ("librocksdb-sys", &["snappy", "bzip2", "zlib", "io-uring", "jemalloc"]),
    ];
    for (name, off) in off {
        let built = features(&metadata, name);
        assert!(!built.is_empty(), "{name} has no features at all");
        let reached: Vec<_> = off.iter().filter(|feature| built.contains(**feature)).collect();
        assert!(reached.is_empty(), "{name} is built with {reached:?}: docs/third-party.md says that it is not");
    }
}

/// The files that call cJSON are those that librdkafka builds with curl alone; another one sets its allocator.
fn librdkafka_parses_json_only_where_curl_is_built_in() {
    let sources = folder(&metadata(), "rdkafka-sys").join("librdkafka/src");
    let makefile = std::fs::read_to_string(sources.join("Makefile")).expect("the Makefile");
    for (condition, file) in [("WITH_CURL", "rdhttp.c"), ("WITH_OAUTHBEARER_OIDC", "rdkafka_sasl_oauthbearer_oidc.c")] {
        assert!(makefile.contains(&format!("SRCS_$({condition}) += {file}")), "{file} is built otherwise");
    }
    for entry in std::fs::read_dir(&sources).expect("sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_of_curl = ["cJSON.c", "rdhttp.c", "rdkafka_sasl_oauthbearer_oidc.c"].contains(&name.as_str());
        if is_of_curl || !name.ends_with(".c") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("UTF-8");
        let calls: Vec<_> = source.matches("cJSON_").zip(source.split("cJSON_").skip(1)).collect();
        let others = calls.iter().filter(|(_, rest)| !rest.starts_with("Hooks") && !rest.starts_with("InitHooks"));
        assert_eq!(others.count(), 0, "{name} uses cJSON");
    }
}

fn every_c_library_is_on_the_page() {
    let holders: BTreeSet<&str> = LIBRARIES.iter().map(|(_, holder, ..)| *holder).collect();
    let metadata = metadata();
    let names = items(&metadata, "packages").iter().map(|package| package["name"].as_str().expect("a name"));
    let unknown: BTreeSet<_> = names
        .filter(|name| name.ends_with("-sys") && !holders.contains(name) && !WITHOUT_SOURCES.contains(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?} may bundle C: add it to docs/third-party.md and to this test");
}

/// Not that all were looked up, which needs a database that not every machine reaches: that the list can be compared.
fn the_crates_looked_up_are_those_of_the_lock_file() {
    let checked = text("scripts/advisories-checked.txt");
    let (head, crates): (Vec<&str>, Vec<&str>) = checked.lines().partition(|line| line.starts_with('#'));
    assert!(head.iter().any(|line| line.starts_with("# database of RustSec at commit ")), "{head:?}");
    assert!(crates.len() > 200 && crates.iter().all(|line| line.split(' ').count() == 2), "{} crates", crates.len());
    let lock = text("Cargo.lock");
    let known = crates.iter().filter(|line| {
        let (name, version) = line.split_once(' ').expect("two words");
        lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n"))
    });
    assert!(known.count() * 10 > crates.len() * 9, "most of what was looked up is no longer built: look again");
}
