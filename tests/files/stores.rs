//! One store for several runs: what is remembered, and what it may not be used for.

use dedup_host_tests::Test;
use dedup_host_tests::program::plugin;

use super::desk::{Desk, counts, end};

pub(crate) const TESTS: &[Test] = &[
    ("a_second_file_is_held_against_the_first", a_second_file_is_held_against_the_first),
    (
        "duplicates_that_were_not_all_counted_are_told_without_a_count",
        duplicates_that_were_not_all_counted_are_told_without_a_count,
    ),
    ("the_same_file_again_is_all_duplicates", the_same_file_again_is_all_duplicates),
    ("another_store_knows_nothing", another_store_knows_nothing),
    ("another_plugin_configuration_is_refused", another_plugin_configuration_is_refused),
    ("another_plugin_is_refused", another_plugin_is_refused),
    ("another_window_is_refused", another_window_is_refused),
    ("another_meaning_of_time_is_refused", another_meaning_of_time_is_refused),
    ("a_damaged_store_is_refused", a_damaged_store_is_refused),
];

fn a_second_file_is_held_against_the_first() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n");
    assert_eq!(desk.counts("--plugin-config /a"), counts(2, 1));
    desk.write("in", "{\"a\":3}\n{\"a\":2}\n{\"a\":3}\n");
    assert_eq!(desk.counts("--plugin-config /a --duplicates duplicates"), counts(1, 2));
    assert_eq!(desk.text("out"), "{\"a\":3}\n");
    let letters = desk.json_lines("duplicates");
    // Events are counted on over the runs: the second file starts at 3.
    let offsets =
        letters.iter().map(|letter| (letter["duplicate"]["offset"].as_u64(), letter["original"]["offset"].as_u64()));
    assert_eq!(offsets.collect::<Vec<_>>(), [(Some(4), Some(1)), (Some(5), Some(3))]);
}

fn duplicates_that_were_not_all_counted_are_told_without_a_count() {
    let desk = Desk::new();
    let run = |keep: &str, unique, duplicate| {
        let arguments = format!("--plugin-config /a --duplicates duplicates --keep-originals {keep}");
        assert_eq!(desk.counts(&arguments), counts(unique, duplicate));
        desk.json_lines("duplicates").iter().map(|letter| letter["count"].as_u64()).collect::<Vec<_>>()
    };
    desk.write("in", "{\"a\":1}\n{\"a\":1}\n");
    assert_eq!(run("on", 1, 1), [Some(1)]);
    assert_eq!(run("off", 0, 2), [None, None]);
    desk.write("in", "{\"a\":1}\n{\"a\":2}\n{\"a\":2}\n");
    assert_eq!(run("on", 1, 2), [None, Some(1)]);
}

fn the_same_file_again_is_all_duplicates() {
    let desk = Desk::new();
    let truth = desk.generate(30_000, 11);
    assert_eq!(desk.counts(""), truth);
    assert_eq!(desk.counts(""), counts(0, truth.consumed));
    assert_eq!(desk.text("out"), "");
}

fn another_store_knows_nothing() {
    let desk = Desk::new();
    let truth = desk.generate(1_000, 12);
    assert_eq!(desk.counts(""), truth);
    std::fs::rename(desk.path("store"), desk.path("away")).unwrap();
    assert_eq!(desk.counts(""), truth);
}

fn another_plugin_configuration_is_refused() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1,\"b\":1}\n");
    assert_eq!(desk.counts("--plugin-config /a"), counts(1, 0));
    desk.write("out", "kept");
    desk.run("--input in --output out --plugin-config /b").refused(5, &["store", "--plugin-config", "--store-path"]);
    desk.run("--input in --output out --plugin-config /a --numbers canonical").refused(5, &["store", "--numbers"]);
    assert_eq!(desk.text("out"), "kept", "a refused run touches nothing");
    assert_eq!(desk.counts("--plugin-config /a"), counts(0, 1), "the store is unharmed");
}

fn another_plugin_is_refused() {
    let desk = Desk::new();
    desk.write("in", "{\"uuid\":\"a\"}\n");
    assert_eq!(desk.counts("--plugin-config /uuid"), counts(1, 0));
    let mut command = desk.command("--store-path store --input in");
    command.arg("--plugin").arg(plugin("multi_key"));
    end(command).refused(5, &["store", "plugin", "--store-path"]);
}

fn another_window_is_refused() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    assert_eq!(desk.counts("--plugin-config /a --window 2h"), counts(1, 0));
    desk.run("--input in --plugin-config /a --window 3h").refused(5, &["store", "window", "--store-path"]);
    assert_eq!(desk.counts("--plugin-config /a --window 120m"), counts(0, 1), "the same window in other words");
}

fn another_meaning_of_time_is_refused() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1,\"t\":1767268800000,\"u\":1767268800000}\n");
    let words = "--input in --plugin-config /a --event-time /t";
    let _ok = desk.run(words).ok();
    let also = |setting: &str| format!("{words} {setting}");
    for (words, setting) in [
        ("--input in --plugin-config /a --event-time /u".to_owned(), "--event-time: stored /t, wanted /u"),
        ("--input in --plugin-config /a".to_owned(), "--event-time: stored /t, wanted unset"),
        (also("--max-out-of-orderness 2m"), "--max-out-of-orderness: stored 60000 ms, wanted 120000 ms"),
        (also("--max-time-jump 2h"), "--max-time-jump: stored 3600000 ms, wanted 7200000 ms"),
        (also("--uuid-field /id"), "--uuid-field: stored /uuid, wanted /id"),
        (
            also(&format!("--forward-below-similarity 0.5 --plugin {}", plugin("property_similarity").display())),
            "--forward-below-similarity: stored unset, wanted 0.5 by property_similarity",
        ),
    ] {
        desk.run(&words).refused(5, &["store", setting, "--store-path", "to fix this"]);
    }
    let _ok = desk.run(&also("--max-out-of-orderness 60s --late drop")).ok();
}

fn a_damaged_store_is_refused() {
    let desk = Desk::new();
    desk.generate(5_000, 13);
    let _counts = desk.counts("");
    let files = std::fs::read_dir(desk.path("store/(files)/0")).unwrap();
    let current = files.map(|file| file.unwrap().path()).find(|path| path.ends_with("CURRENT"));
    std::fs::write(current.expect("a database"), "nonsense\n").unwrap();
    desk.run("--input in --output out").refused(5, &["store", "delete the directory"]);
}
