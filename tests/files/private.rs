//! The state among other users of the machine: nobody else reads it, and nothing is believed that others may have written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use dedup_host_tests::Test;
use dedup_host_tests::program::{binary, plugin};

use super::desk::{Desk, counts, end};

pub(crate) const TESTS: &[Test] = &[
    ("nobody_else_reads_the_state", nobody_else_reads_the_state),
    ("a_state_that_others_could_read_is_hidden", a_state_that_others_could_read_is_hidden),
    ("a_state_that_others_can_write_is_refused", a_state_that_others_can_write_is_refused),
    ("a_state_of_another_user_is_refused", a_state_of_another_user_is_refused),
    ("a_link_in_the_state_is_refused", a_link_in_the_state_is_refused),
    ("a_directory_that_anybody_can_exchange_is_refused", a_directory_that_anybody_can_exchange_is_refused),
    ("the_default_place_is_not_shared", the_default_place_is_not_shared),
    ("keys_are_shown_under_a_secret", keys_are_shown_under_a_secret),
];

const RUN: &str = "--plugin-config /a --input in";

/// Everything below a directory, itself included.
fn all(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            found.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A desk whose store holds the key of one event.
fn used() -> Desk {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    let _ok = desk.run(RUN).ok();
    desk
}

fn check_private(desk: &Desk) {
    let files = all(&desk.path("store"));
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let mode = fs::symlink_metadata(&path).unwrap().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}", path.display());
    }
}

fn nobody_else_reads_the_state() {
    for mask in ["000", "022"] {
        let desk = Desk::new();
        let lines: String = (0..2_000).map(|number| format!("{{\"a\":{number},\"uuid\":\"u{number}\"}}\n")).collect();
        desk.write("in", lines.repeat(2));
        let script = format!(
            r#"umask {mask}; exec "$0" --plugin "$1" --plugin "$2" --redact-values --store-path store {RUN} --duplicates d"#
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(binary()).arg(plugin("composite_key")).arg(plugin("property_similarity"));
        command.current_dir(desk.path(""));
        let _ok = end(command).ok();
        check_private(&desk);
    }
}

fn a_state_that_others_could_read_is_hidden() {
    let desk = used();
    for path in all(&desk.path("store")).into_iter().skip(1) {
        set_mode(&path, if path.is_dir() { 0o755 } else { 0o644 });
    }
    let _ok = desk.run(RUN).ok();
    check_private(&desk);
}

fn a_state_that_others_can_write_is_refused() {
    let ways_out = ["users other than its owner can write", "chmod -R go-w", "--store-path", "--trust-store-owner"];
    let places = ["store", "store/(files)", "store/(files)/0", "store/(files)/0/CURRENT"];
    for place in places {
        for others in [0o020, 0o002] {
            let desk = used();
            let path = desk.path(place);
            let before = fs::metadata(&path).unwrap().mode();
            set_mode(&path, before | others);
            let refused = desk.run(&format!("{RUN} --output out"));
            refused.refused(5, &[place]);
            refused.refused(5, &ways_out);
            assert!(!desk.path("out").exists());
            let _ok = desk.run(&format!("{RUN} --report report --trust-store-owner")).ok();
            assert_eq!(desk.report(), counts(0, 1), "{place}");
            set_mode(&path, before);
            let _ok = desk.run(RUN).ok();
        }
    }
    // One that is empty: others may put a state there at any time.
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    fs::create_dir(desk.path("store")).unwrap();
    set_mode(&desk.path("store"), 0o777);
    desk.run(RUN).refused(5, &ways_out);
}

fn a_state_of_another_user_is_refused() {
    // Root is the only one who can give files away; what root owns is believed, as root can do anything anyway.
    let desk = used();
    if fs::metadata(desk.path("store")).unwrap().uid() != 0 {
        return println!("NOT RUN: only root can give files away");
    }
    let given = |path: &Path, uid| std::os::unix::fs::chown(path, Some(uid), Some(uid)).unwrap();
    for place in ["store", "store/(files)", "store/(files)/0", "store/(files)/0/CURRENT"] {
        given(&desk.path(place), 12_345);
        desk.run(RUN).refused(5, &[place, "user 12345", "user 0", "chown -R 0", "--store-path", "--trust-store-owner"]);
        let _ok = desk.run(&format!("{RUN} --trust-store-owner")).ok();
        given(&desk.path(place), 0);
    }
    // A whole state that was planted, with all the events in it.
    all(&desk.path("store")).iter().for_each(|path| given(path, 12_345));
    desk.run(&format!("{RUN} --output out")).refused(5, &["store", "user 12345"]);
    assert!(!desk.path("out").exists());
}

fn a_link_in_the_state_is_refused() {
    for place in ["(files)", "(files)/0", "(files)/0/incoming", "(files)/0/CURRENT", "redaction-key"] {
        let desk = used();
        let _ok = desk.run(&format!("{RUN} --redact-values")).ok();
        let (path, away) = (desk.path("store").join(place), desk.path("away"));
        fs::rename(&path, &away).unwrap();
        symlink(&away, &path).unwrap();
        let before: Vec<_> = all(&away).iter().map(|path| fs::read(path).ok()).collect();
        for trust in ["", "--trust-store-owner"] {
            desk.run(&format!("{RUN} --redact-values {trust}")).refused(5, &[place, "symbolic link"]);
        }
        assert!(all(&away).iter().map(|path| fs::read(path).ok()).collect::<Vec<_>>() == before, "{place}: followed");
    }
    // The operator's own link to the whole is as good as the directory.
    let desk = used();
    fs::rename(desk.path("store"), desk.path("elsewhere")).unwrap();
    symlink("elsewhere", desk.path("store")).unwrap();
    let _ok = desk.run(&format!("{RUN} --report report")).ok();
    assert_eq!(desk.report(), counts(0, 1));
}

fn a_directory_that_anybody_can_exchange_is_refused() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    fs::create_dir(desk.path("open")).unwrap();
    let run = || end(desk.dedup_in("open/store", RUN));
    set_mode(&desk.path("open"), 0o777);
    run().refused(5, &["open", "mode 777", "sticky", "--trust-store-owner"]);
    assert!(!desk.path("open/store").exists());
    set_mode(&desk.path("open"), 0o1777);
    let _ok = run().ok();
}

fn the_default_place_is_not_shared() {
    let desk = Desk::new();
    let shown = |variables: &[(&str, &str)]| {
        let mut command = desk.command("config --plugin none.wasm");
        command.envs(variables.iter().copied());
        let text = end(command).ok().stdout;
        text.lines().find(|line| line.starts_with("store_path")).unwrap().to_owned()
    };
    let line = shown(&[("HOME", "/home/somebody")]);
    assert!(!line.contains("/tmp"), "{line}");
    assert!(line.contains("/var/lib/dedup-host") || line.contains("/home/somebody/.local/state/dedup-host"), "{line}");
    let line = shown(&[("STATE_DIRECTORY", "/var/lib/service")]);
    assert!(line.contains("\"/var/lib/service\"") && line.contains("STATE_DIRECTORY"), "{line}");
    let line = shown(&[("STORE_PATH", "/tmp/deduplication-store"), ("HOME", "/home/somebody")]);
    assert!(line.contains("\"/tmp/deduplication-store\""), "{line}");
}

fn keys_are_shown_under_a_secret() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":\"ada@example.com\"}\n{\"a\":\"ada@example.com\"}\n");
    let shown = |store: &str, words: &str| {
        let _ok = end(desk.dedup_in(store, &format!("{RUN} --redact-values --duplicates d --overwrite {words}"))).ok();
        desk.json_lines("d").last().unwrap()["key"].as_str().unwrap().to_owned()
    };
    let first = shown("store", "");
    assert!(first.starts_with("hmac-sha256:") && first.len() == 76, "{first}");
    assert_eq!(shown("store", ""), first, "a restart keeps it");
    let other = shown("other", "");
    assert_ne!(other, first, "the same key at another host, and no digest that could be looked up");
    let secret = "--redaction-key 0123456789abcdef0123456789abcdef";
    let chosen = shown("store", secret);
    assert_eq!(shown("other", secret), chosen, "hosts with one secret agree");
    assert!(![&first, &other].contains(&&chosen));
    let refused = desk.run(&format!("{RUN} --redact-values --redaction-key short-one"));
    refused.refused(2, &["--redaction-key", "16", "openssl rand"]);
    assert!(!refused.stderr.contains("short-one"), "{}", refused.stderr);
}
