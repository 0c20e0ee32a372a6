//! Files that are not what they should be, put to the program: bytes damaged at random, components made to exhaust whoever
//! compiles them, and things that are no files. However they are, the program ends soon, with the right code and in words.
//! The same seed makes the same damage; `DEDUP_MUTATIONS=10000` makes more of it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../../plugin/tests/common/mod.rs"]
mod common;

use common::{Random, component, evil, plugin_of_module, shipped};

/// How a process ended.
struct Ended {
    /// `None` where a signal ended it.
    code: Option<i32>,
    out: String,
    err: String,
    took: Duration,
}

fn start(dir: &Path, words: &[&str], more: impl FnOnce(&mut Command)) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dedup-host"));
    command.args(words).current_dir(dir).env_clear().env("XDG_CACHE_HOME", dir.join("cache"));
    more(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    command.spawn().unwrap()
}

fn run(dir: &Path, words: &[&str]) -> Ended {
    let started = Instant::now();
    let output = start(dir, words, |_| {}).wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr), took: started.elapsed() }
}

impl Ended {
    #[track_caller]
    fn is(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in: {}", self.err);
        }
        self
    }
}

/// A core module that says itself which world it keeps to, as compilers make them.
fn module() -> Vec<u8> {
    let mut module = wat::parse_str(evil("", "")).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let world = resolve.select_world(&[package], Some("key-plugin")).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    module
}

/// Puts damaged bytes to a command, on as many threads as there are processors. Whatever they are, it ends with one of the
/// codes, and in words where it is not 0.
fn damaged(wholes: &[Vec<u8>], damages: impl Fn(u64) -> Option<Vec<u8>> + Sync, command: &[&str]) {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    assert!(!wholes.is_empty());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let damages = &damages;
            scope.spawn(move || {
                let dir = tempfile::tempdir().unwrap();
                for number in (thread..).step_by(usize::try_from(threads).unwrap()) {
                    let Some(bytes) = damages(number) else { return };
                    std::fs::write(dir.path().join("damaged.wasm"), &bytes).unwrap();
                    let Ended { code, out, err, took } = run(dir.path(), command);
                    let kept = || {
                        let kept = std::env::temp_dir().join(format!("dedup-host-damaged-{number}.wasm"));
                        std::fs::write(&kept, &bytes).unwrap();
                        format!(
                            "number {number}, {} bytes, kept as {}: {code:?} {out} {err}",
                            bytes.len(),
                            kept.display()
                        )
                    };
                    assert!(matches!(code, Some(0 | 3)), "{}", kept());
                    assert!(code == Some(0) || err.starts_with("error: ") || err.contains("\nerror: "), "{}", kept());
                    assert!(!err.contains("panicked") && !err.contains("RUST_BACKTRACE"), "{}", kept());
                    assert!(took < Duration::from_secs(30), "{took:?} {}", kept());
                }
            });
        }
    });
}

fn mutations() -> u64 {
    std::env::var("DEDUP_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(150)
}

/// Every way to cut the beginning short, and then damage at random.
fn cut_and_damaged(wholes: &[Vec<u8>], command: &[&str]) {
    let cuts = (mutations() / 2).min(wholes[0].len() as u64);
    damaged(
        wholes,
        |number| {
            if number < cuts {
                return wholes[0].get(..usize::try_from(number).unwrap()).map(<[u8]>::to_vec);
            }
            let mut random = Random(number);
            let whole = &wholes[random.below(wholes.len())];
            (number < cuts + mutations()).then(|| random.damaged(whole))
        },
        command,
    );
}

#[test]
fn inspect_takes_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let small = std::fs::read(plugin_of_module(dir.path(), "evil.wasm", &evil("", ""))).unwrap();
    let large = std::fs::read(shipped("composite_key")).unwrap();
    let words = ["plugin", "inspect", "damaged.wasm", "--plugin-cache-dir", "off", "--plugin-time-limit-ms", "100"];
    cut_and_damaged(&[module(), small, large], &words);
}

#[test]
fn componentize_takes_any_bytes() {
    cut_and_damaged(&[module()], &["plugin", "componentize", "damaged.wasm", "--overwrite", "-o", "out.wasm"]);
    let plain = wat::parse_str(evil("", "")).unwrap();
    let words = ["plugin", "componentize", "damaged.wasm", "--overwrite", "-o", "out.wasm", "--world", "key-plugin"];
    cut_and_damaged(&[plain], &words);
}

/// Each level makes two instances of the one before it.
fn doubled(levels: usize) -> String {
    let level = |level: usize| {
        let before = level - 1;
        let twice = "(instance (instantiate $c))".repeat(2);
        format!("(component $c{level} (alias outer 1 {before} (component $c)) {twice})")
    };
    let all: String = (1..=levels).map(level).collect();
    format!("(component (component $c0) {all} (instance (instantiate $c{levels})))")
}

/// Functions that hold to all bounds and take long to compile, all of them in each other's loops.
fn slow(functions: usize) -> String {
    let carry: String = (0..100)
        .map(|at| format!("(local.set {at} (i32.add (local.get {}) (local.get {at})))", (at + 7) % 100))
        .collect();
    let body = format!("{}{carry}{}", "(loop ".repeat(300), format!("{carry}(br_if 0 (local.get 1)))").repeat(300));
    let function = format!("(func (local {}) {body})", "i32 ".repeat(100));
    format!("(component (core module {}))", function.repeat(functions))
}

#[test]
fn a_component_that_multiplies_is_refused_by_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    component(dir.path(), "bomb.wasm", &doubled(30));
    assert!(std::fs::metadata(dir.path().join("bomb.wasm")).unwrap().len() < 2_000);
    let ended = run(dir.path(), &["plugin", "inspect", "bomb.wasm"])
        .is(3, &["bomb.wasm is not compiled", "instances", "limit is 2000"]);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}

#[test]
fn compiling_is_stopped_when_its_time_is_up_and_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    component(dir.path(), "slow.wasm", &slow(20));
    let words = ["plugin", "inspect", "slow.wasm", "--plugin-compile-timeout-secs", "1"];
    for _ in 0..2 {
        let ended = run(dir.path(), &words).is(3, &["it took longer than 1 s", "--plugin-compile-timeout-secs"]);
        assert!(ended.took > Duration::from_millis(900) && ended.took < Duration::from_secs(5), "{:?}", ended.took);
    }
    assert_eq!(std::fs::read_dir(dir.path().join("cache/dedup-host/components")).unwrap().count(), 0);
}

#[test]
fn compiling_is_stopped_when_its_memory_is_up_and_tried_again_with_more() {
    let (dir, path) = (tempfile::tempdir().unwrap(), shipped("composite_key"));
    let inspect = |more: &[&str]| run(dir.path(), &[&["plugin", "inspect", path.to_str().unwrap()], more].concat());
    inspect(&["--plugin-compile-memory-mib", "8"])
        .is(3, &["it needed more than 8 MiB of memory", "--plugin-compile-memory-mib"]);
    let ended = inspect(&["--plugin-compile-memory-mib", "512"]).is(0, &[]);
    assert!(ended.out.contains("compiled in"), "a failure is not kept: {}", ended.out);
    assert!(inspect(&["--plugin-compile-memory-mib", "8"]).is(0, &[]).out.contains("read from the cache"));
}

/// The process that a process has started.
fn child_of(parent: u32) -> Option<PathBuf> {
    let of = |path: &Path| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        let (_, after) = stat.rsplit_once(") ")?;
        after.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    processes.into_iter().find(|path| of(path) == Some(parent))
}

#[test]
fn the_process_that_compiles_has_nothing_of_the_one_that_asks() {
    let dir = tempfile::tempdir().unwrap();
    component(dir.path(), "slow.wasm", &slow(20));
    let words =
        ["plugin", "inspect", "slow.wasm", "--plugin-compile-timeout-secs", "20", "--plugin-compile-memory-mib", "700"];
    let mut asking = start(dir.path(), &words, |command| {
        command.env("KAFKA_PASSWORD", "secret");
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    let (child, text) = loop {
        assert!(Instant::now() < deadline, "it starts no process");
        let Some(child) = child_of(asking.id()) else { continue };
        let of = |name: &str| std::fs::read_to_string(child.join(name)).unwrap_or_default();
        // From when it has given up what it does not need.
        if of("oom_score_adj").trim() == "1000"
            && of("limits").lines().any(|line| line.starts_with("Max file size") && line.contains(" 0 "))
        {
            break (child.clone(), of("limits"));
        }
    };
    let limit = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(limit("Max data size").contains(&(700_u64 << 20).to_string()), "{text}");
    assert!(!limit("Max cpu time").contains("unlimited"), "{text}");
    let variables = std::fs::read_to_string(child.join("environ")).unwrap();
    assert!(variables.starts_with("RAYON_NUM_THREADS=") && !variables.contains("secret"), "{variables:?}");
    let open: Vec<PathBuf> = std::fs::read_dir(child.join("fd"))
        .unwrap()
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap())
        .collect();
    assert!(open.iter().all(|target| target.to_string_lossy().starts_with("pipe:")), "{open:?}");
    // It does not outlive who asked.
    asking.kill().unwrap();
    drop(asking.wait());
    let deadline = Instant::now() + Duration::from_secs(5);
    while std::fs::read_to_string(child.join("stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "it outlives who asked");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_word_of_the_process_that_compiles_is_no_command() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["confined-work"]).is(1, &["confined-work is not a command"]);
    run(dir.path(), &["confined-work", "nothing", "100000000", "10", "0"]).is(1, &["unknown work nothing"]);
}

#[test]
fn what_is_no_regular_file_is_waited_for_by_no_command() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.join("pipe")).status().unwrap().success());
    let _listener = UnixListener::bind(dir.join("socket")).unwrap();
    let plugin = shipped("composite_key");
    let plugin = plugin.to_str().unwrap();
    for (odd, what) in
        [("/dev/zero", "a device"), ("pipe", "a pipe"), ("directory", "a directory"), ("socket", "a socket")]
    {
        let at = format!("@{odd}");
        let all: [(i32, &[&str]); 11] = [
            (3, &["plugin", "inspect", odd]),
            (3, &["plugin", "test", odd, "--event", "{}"]),
            (2, &["plugin", "conformance", odd]),
            (3, &["plugin", "bench", odd, "--events", "10"]),
            (4, &["plugin", "componentize", odd, "-o", "out.wasm"]),
            (4, &["plugin", "replay", odd]),
            (3, &["--plugin", odd, "--input", plugin]),
            (2, &["--config", odd, "--plugin", plugin, "--input", plugin]),
            (2, &["--plugin-config", &at, "--plugin", plugin, "--input", plugin]),
            (2, &["plugin", "test", plugin, "--event", &at]),
            (3, &["plugin", "conformance", plugin, "--expect", odd]),
        ];
        for (code, words) in all {
            let ended = run(dir, words);
            assert!(ended.took < Duration::from_secs(5), "{words:?}: {:?}", ended.took);
            let _ = ended.is(code, &[odd, &format!("it is {what}")]);
        }
    }
}
