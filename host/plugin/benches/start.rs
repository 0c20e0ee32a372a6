//! What it costs until a plugin can be called: compiling it, finding it compiled, and making an instance, which is also
//! what a trap costs. Not what its calls cost. `cargo bench --workspace --bench start [-- FILE.wasm ...]`; without files the
//! shipped plugins, which have to be built before.
#![expect(clippy::expect_used, reason = "a benchmark: it prints, and stops where it cannot run")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use plugin::{Candidate, Options, Roles, Runtime, Texts, Wasi};

/// A configuration that each of the shipped plugins takes, or else none.
const CONFIGS: [Option<&str>; 2] = [None, Some("/timestamp,/distinct_id,/token,/event")];
const ROUNDS: usize = 500;

fn main() -> ExitCode {
    // As in the host, a process of its own compiles.
    if let Some(ended) = plugin::serve(&[]) {
        return ended;
    }
    let given: Vec<PathBuf> =
        std::env::args().skip(1).filter(|word| word.ends_with(".wasm")).map(PathBuf::from).collect();
    let files = if given.is_empty() { shipped() } else { given };
    println!("{:32} {:>10} {:>12} {:>12} {:>10} {:>10}", "", "bytes", "compile, ms", "cached, ms", "start, us", "MiB");
    files.iter().for_each(|file| measure(file));
    ExitCode::SUCCESS
}

fn shipped() -> Vec<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let names = ["composite_key", "multi_key", "property_similarity", "string_distance"];
    names.iter().map(|name| dir.join(name).with_extension("wasm")).collect()
}

fn measure(file: &Path) {
    let cache = std::env::temp_dir().join(format!("dedup-host-bench-{}", std::process::id()));
    let options = Options { cache_dir: Some(cache.clone()), wasi: Wasi::Inert, ..Options::default() };
    let open = || Runtime::with(options.clone()).expect("a runtime").open(file).expect("a component");
    let (compiled, cached) = (open(), open());
    assert!(cached.from_cache(), "the cache is used");
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let memory = cached.probe().expect("an instance").cost().memory_bytes;
    println!(
        "{name:32} {:10} {:12.1} {:12.1} {:10.0} {:10.1}",
        cached.bytes(),
        compiled.compile_time().as_secs_f64() * 1e3,
        cached.compile_time().as_secs_f64() * 1e3,
        start(&cached).as_secs_f64() * 1e6,
        memory as f64 / f64::from(1 << 20),
    );
    let _ = std::fs::remove_dir_all(cache);
}

/// The mean time of an instance that is made, configured and thrown away.
fn start(candidate: &Candidate) -> Duration {
    let configured = |config: &Option<&str>| candidate.configured(Texts { extractor: *config, scorer: *config }).ok();
    let plugin = CONFIGS.iter().find_map(configured).expect("a configuration");
    let Roles { extracts_keys, .. } = plugin.roles();
    let make = || if extracts_keys { plugin.extractor().map(drop) } else { plugin.scorer().map(drop) };
    make().expect("an instance");
    let started = Instant::now();
    let mut made = 0;
    while made < ROUNDS && started.elapsed() < Duration::from_secs(5) {
        make().expect("an instance");
        made += 1;
    }
    started.elapsed() / u32::try_from(made).unwrap_or(1)
}
