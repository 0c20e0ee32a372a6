//! Outputs that are there already, and files with more than one name: nothing that somebody has is lost by a second run.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;

use dedup_host_tests::Test;

use super::desk::{Desk, end};

pub(crate) const TESTS: &[Test] = &[
    ("the_same_command_twice_empties_nothing", the_same_command_twice_empties_nothing),
    ("one_output_that_is_there_keeps_all_from_being_touched", one_output_that_is_there),
    ("append_writes_behind_and_overwrite_in_the_place", append_writes_behind_and_overwrite_in_the_place),
    ("an_empty_output_that_is_there_is_taken", an_empty_output_that_is_there_is_taken),
    ("resume_without_a_run_before_leaves_outputs_alone", resume_without_a_run_before_leaves_outputs_alone),
    ("no_name_of_an_input_is_written", no_name_of_an_input_is_written),
    ("no_two_names_of_one_file_are_written", no_two_names_of_one_file_are_written),
    ("standard_streams_are_files_too", standard_streams_are_files_too),
    ("pipes_and_devices_are_written_as_ever", pipes_and_devices_are_written_as_ever),
    ("two_runs_at_once_do_not_share_an_output", two_runs_at_once_do_not_share_an_output),
    ("generate_replaces_nothing_unless_told", generate_replaces_nothing_unless_told),
    ("a_new_output_has_the_mode_that_the_user_gives_files", a_new_output_has_the_mode_that_the_user_gives_files),
];

/// One unique, one duplicate, one dead letter, one late.
const EVENTS: &str = "{\"a\":1}\n{\"a\":1}\nnope\n";

const ALL: &str = "--plugin-config /a --input in --output out --duplicates duplicates --late late --dead-letter dead \
                   --report report";
const NAMES: [&str; 5] = ["out", "duplicates", "late", "dead", "report"];

fn held(desk: &Desk) -> Vec<Option<Vec<u8>>> {
    NAMES.map(|name| fs::read(desk.path(name)).ok()).into()
}

fn the_same_command_twice_empties_nothing() {
    for store in ["store", "another"] {
        let desk = Desk::new();
        desk.write("in", EVENTS);
        let _ok = desk.run(ALL).ok();
        let before = held(&desk);
        assert_eq!(desk.text("out"), "{\"a\":1}\n");
        let again = end(desk.dedup_in(store, ALL));
        again.refused(6, &["out", "already exists", "8 bytes", "--append", "--overwrite", "--resume"]);
        assert!(held(&desk) == before, "a refused run touches nothing");
    }
}

fn one_output_that_is_there() {
    for (at, there) in NAMES.iter().enumerate() {
        let desk = Desk::new();
        desk.write("in", EVENTS);
        desk.write(there, "mine\n");
        desk.run(ALL).refused(6, &[there, "already exists"]);
        assert_eq!(desk.text(there), "mine\n");
        for (other, name) in NAMES.iter().enumerate() {
            assert!(other == at || !desk.path(name).exists(), "{name} was made though {there} was refused");
        }
        // Nothing was decided either: the events are new to the next run.
        let _ok = desk.run(&format!("{ALL} --overwrite")).ok();
        assert_eq!(desk.text("out"), "{\"a\":1}\n", "{there}");
    }
}

fn append_writes_behind_and_overwrite_in_the_place() {
    for name in ["out", "out.gz", "out.zst"] {
        let desk = Desk::new();
        let run = |event: &str, flag: &str| {
            desk.write("in", event);
            desk.run(&format!("--plugin-config /a --input in --output {name} {flag}"))
        };
        let read = || {
            let file = fs::File::open(desk.path(name)).unwrap();
            let text = match name {
                "out.gz" => std::io::read_to_string(flate2::read::MultiGzDecoder::new(file)),
                "out.zst" => std::io::read_to_string(zstd::Decoder::new(file).unwrap()),
                _ => std::io::read_to_string(file),
            };
            text.unwrap()
        };
        let _ok = run("{\"a\":1}\n", "--append").ok();
        let _ok = run("{\"a\":2}\n{\"a\":1}\n", "--append").ok();
        assert_eq!(read(), "{\"a\":1}\n{\"a\":2}\n", "{name}");
        let _ok = run("{\"a\":3}\n", "--overwrite").ok();
        assert_eq!(read(), "{\"a\":3}\n", "{name}");
        run("", "--append --overwrite").refused(2, &["--overwrite", "--append"]);
    }
    let desk = Desk::new();
    desk.write("in", EVENTS);
    desk.write("out", "no end");
    desk.run("--plugin-config /a --input in --output out --append").refused(6, &["out", "does not end in a newline"]);
    assert_eq!(desk.text("out"), "no end");
}

fn an_empty_output_that_is_there_is_taken() {
    let desk = Desk::new();
    desk.write("in", EVENTS);
    NAMES.iter().for_each(|name| desk.write(name, ""));
    let _ok = desk.run(ALL).ok();
    assert_eq!(desk.text("out"), "{\"a\":1}\n");
}

fn resume_without_a_run_before_leaves_outputs_alone() {
    let desk = Desk::new();
    desk.write("in", EVENTS);
    desk.write("out", "mine\n");
    desk.run(&format!("{ALL} --resume")).refused(6, &["out", "already exists"]);
    let _ok = desk.run("--plugin-config /a --input in --output first --report report").ok();
    // That run is complete, and another report is none of it.
    desk.write("notes", "{\"mine\":1}\n");
    desk.run("--plugin-config /a --input in --output first --report notes --resume").refused(6, &["notes"]);
    let _ok = desk.run("--plugin-config /a --input in --output first --report report --resume").ok();
    assert_eq!((desk.text("out").as_str(), desk.text("notes").as_str()), ("mine\n", "{\"mine\":1}\n"));
}

fn no_name_of_an_input_is_written() {
    for flag in ["--output", "--duplicates", "--late", "--dead-letter", "--report"] {
        for name in ["in", "hard", "soft", "./in", "sub/../in"] {
            let desk = Desk::new();
            desk.write("in", EVENTS);
            fs::hard_link(desk.path("in"), desk.path("hard")).unwrap();
            symlink("in", desk.path("soft")).unwrap();
            fs::create_dir(desk.path("sub")).unwrap();
            for how in ["", "--overwrite", "--append", "--resume"] {
                let words = format!("--plugin-config /a --input in {flag} {name} {how}");
                desk.run(&words).refused(2, &[flag, "the same as --input", "its own file"]);
            }
            assert_eq!(desk.text("in"), EVENTS);
        }
    }
    let desk = Desk::new();
    desk.write("in", EVENTS);
    let plugin = desk.path("plugin.wasm");
    fs::copy(dedup_host_tests::program::plugin("composite_key"), &plugin).unwrap();
    symlink("plugin.wasm", desk.path("soft")).unwrap();
    let command = desk.command("--store-path store --input in --plugin plugin.wasm --output soft --overwrite");
    end(command).refused(2, &["--output", "the same as --plugin"]);
    assert!(fs::metadata(&plugin).unwrap().len() > 1_000);
}

fn no_two_names_of_one_file_are_written() {
    let desk = Desk::new();
    desk.write("in", EVENTS);
    desk.write("file", "mine\n");
    fs::hard_link(desk.path("file"), desk.path("hard")).unwrap();
    symlink("file", desk.path("soft")).unwrap();
    symlink("new", desk.path("to-new")).unwrap();
    fs::create_dir(desk.path("sub")).unwrap();
    symlink(".", desk.path("here")).unwrap();
    for (one, other) in [
        ("file", "hard"),
        ("hard", "soft"),
        ("file", "here/file"),
        ("new", "to-new"),
        ("to-new", "sub/../new"),
        ("new", "here/new"),
    ] {
        for how in ["", "--overwrite", "--append"] {
            for flag in ["--duplicates", "--report"] {
                let words = format!("--plugin-config /a --input in --output {one} {flag} {other} {how}");
                desk.run(&words).refused(2, &[flag, "the same as --output"]);
            }
        }
    }
    assert_eq!(desk.text("file"), "mine\n");
    assert!(!desk.path("new").exists());
}

fn standard_streams_are_files_too() {
    let desk = Desk::new();
    desk.write("in", EVENTS);
    let mut command = desk.dedup("--plugin-config /a --input - --output in --append");
    command.stdin(fs::File::open(desk.path("in")).unwrap());
    end(command).refused(2, &["--output", "the same as --input"]);
    // As `>> in` does it.
    let mut command = desk.dedup("--plugin-config /a --input in --output -");
    command.stdout(OpenOptions::new().append(true).open(desk.path("in")).unwrap()).stderr(Stdio::piped());
    end(command).refused(2, &["--output", "the same as --input"]);
    assert_eq!(desk.text("in"), EVENTS);
    // As `>> log` does it, whatever is in it.
    desk.write("log", "before\n");
    for name in ["-", "/dev/stdout"] {
        let store = format!("store-{}", name.len());
        let mut command = desk.dedup_in(&store, &format!("--plugin-config /a --input in --output {name}"));
        command.stdout(OpenOptions::new().append(true).open(desk.path("log")).unwrap());
        assert_eq!(end(command).code, Some(0), "{name}");
    }
    assert_eq!(desk.text("log"), "before\n{\"a\":1}\nnope\n{\"a\":1}\nnope\n");
}

fn pipes_and_devices_are_written_as_ever() {
    let desk = Desk::new();
    desk.write("in", EVENTS);
    let made = std::process::Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap();
    assert!(made.success());
    let path = desk.path("pipe");
    let reader = std::thread::spawn(move || fs::read_to_string(path).unwrap());
    let _ok =
        desk.run("--plugin-config /a --input in --output pipe --duplicates /dev/null --dead-letter /dev/null").ok();
    assert_eq!(reader.join().unwrap(), "{\"a\":1}\n");
    let ended = desk.run("--plugin-config /a --input in --duplicates /dev/stdout").ok();
    assert_eq!(ended.stdout.lines().count(), 2);
    desk.run("--plugin-config /a --input in --output pipe --duplicates pipe").refused(2, &["the same as --output"]);
}

fn two_runs_at_once_do_not_share_an_output() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut first = desk.dedup("--plugin-config /a --input - --output out");
    first.stdin(reader);
    let mut first = dedup_host_tests::program::Running::start_command(first);
    std::io::Write::write_all(&mut &writer, b"{\"a\":1}\n").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while desk.size("out") < 8 {
        assert!(first.is_running() && std::time::Instant::now() < deadline, "{}", first.stderr());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    desk.write("in", "{\"a\":2}\n");
    for how in ["--append", "--overwrite"] {
        let second = desk.dedup_in("other", &format!("--plugin-config /a --input in --output out {how}"));
        end(second).refused(6, &["out", "another run"]);
    }
    drop(writer);
    assert_eq!(first.wait(std::time::Duration::from_secs(60)).code, Some(0));
    assert_eq!(desk.text("out"), "{\"a\":1}\n");
}

fn generate_replaces_nothing_unless_told() {
    let desk = Desk::new();
    let run = |words: &str| end(desk.command(&format!("generate --events 100 {words}")));
    let _ok = run("--seed 1 --output in --truth truth").ok();
    let before = (desk.read("in"), desk.read("truth"));
    run("--seed 2 --output in --truth other").refused(6, &["in", "already exists", "--overwrite"]);
    run("--seed 2 --output other --truth truth").refused(6, &["truth", "already exists"]);
    assert!((desk.read("in"), desk.read("truth")) == before && !desk.path("other").exists());
    fs::hard_link(desk.path("in"), desk.path("hard")).unwrap();
    symlink("new", desk.path("to-new")).unwrap();
    run("--output in --truth hard --overwrite").refused(2, &["--truth", "the same as --output"]);
    run("--output new --truth to-new").refused(2, &["--truth", "the same as --output"]);
    assert!(desk.read("in") == before.0);
    let _ok = run("--seed 2 --output in --truth truth --overwrite").ok();
    assert!(desk.read("in") != before.0);
}

fn a_new_output_has_the_mode_that_the_user_gives_files() {
    for (mask, wanted) in [("022", 0o644), ("027", 0o640), ("002", 0o664)] {
        let desk = Desk::new();
        desk.write("in", EVENTS);
        let script = format!(r#"umask {mask}; exec "$0" --store-path store --plugin "$1" {ALL}"#);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).arg(dedup_host_tests::program::binary());
        command.arg(dedup_host_tests::program::plugin("composite_key")).current_dir(desk.path(""));
        let _ok = end(command).ok();
        for name in NAMES {
            assert_eq!(fs::metadata(desk.path(name)).unwrap().mode() & 0o777, wanted, "{name}, umask {mask}");
        }
    }
}
