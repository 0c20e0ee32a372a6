//! Settings of a program that has four: where their texts are found, what comes of them, and how they are refused.

use std::ffi::OsString;

use plain_text::Secret;
use plain_text::secrets::HIDDEN;

use crate::{
    ConfigFile, Group, Layers, Origin, Rows, Runs, Setting, SettingsError, Table, Typed, many, one, rows, secret, show,
    switch, units,
};

const GROUP: Group = Group { title: "Of all", runs: Runs::All, also: &[] };

rows!(pub(super),
    static LIMIT: Setting<usize> = one(GROUP, "the-limit", "N", units::count, "Most").or("8");
    static SHARE: Setting<usize> = one(GROUP, "share", "N", units::count, "Most of one").env(&["A", "B"]).or("6");
    static NAMES: Setting<String> = many(GROUP, "names", "NAME", ',', units::text, "Names");
    static PASSWORD: Setting<Secret> = secret(GROUP, "password", "TEXT", units::secret, "Password");
    static LOUD: Setting<bool> = switch(GROUP, "loud", "Louder");
);

static PARTS: [Rows; 1] = [ROWS];
static TABLE: Table = Table::new(&PARTS);

fn file(text: &str) -> Result<ConfigFile, SettingsError> {
    ConfigFile::parse("f.toml".to_owned(), text, TABLE)
}

fn resolve(flags: &[(&str, &str)], variables: &[(&str, &str)], text: &str) -> Result<Typed, SettingsError> {
    let value = |said: &[(&str, &str)], name: &str| {
        said.iter().find(|(is, _)| *is == name).map(|(_, value)| (*value).to_owned())
    };
    let file = file(text)?;
    let flags = |name: &str| value(flags, name).map(|value| vec![value]);
    let environment = |name: &str| value(variables, name).map(OsString::from);
    Layers { flags: &flags, environment: &environment, file: Some(&file) }.resolve(TABLE.iter())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(refused: Result<T, SettingsError>, words: &str) {
    assert_eq!(refused.unwrap_err().to_string(), words);
}

#[test]
fn the_strongest_layer_that_says_something_counts() {
    let typed = resolve(
        &[("the-limit", "1")],
        &[("THE_LIMIT", "2"), ("A", ""), ("B", "3"), ("NAMES", "a, b,,")],
        "the_limit = 4\nshare = 5\nnames = [\"c\"]\nloud = true\n",
    )
    .unwrap();
    let origins = [typed.origin(&LIMIT), typed.origin(&SHARE), typed.origin(&LOUD), typed.origin(&PASSWORD)];
    let variable = Origin::Variable("B".to_owned());
    assert_eq!(origins, [&Origin::Flag, &variable, &Origin::File("f.toml".to_owned()), &Origin::Default]);
    assert_eq!((typed.need(&LIMIT).unwrap(), typed.need(&SHARE).unwrap()), (1, 3), "an empty variable is not set");
    assert_eq!((typed.all(&NAMES).unwrap(), typed.need(&LOUD).unwrap()), (vec!["a".to_owned(), "b".to_owned()], true));
    assert!(typed.given(&SHARE) && typed.on_command_line(&LIMIT) && !typed.on_command_line(&SHARE));
    assert!(typed.get(&PASSWORD).unwrap().is_none() && !typed.given(&PASSWORD));
    refused(typed.need(&PASSWORD), "--password (default) is needed and not set");
}

#[test]
fn a_setting_that_a_command_does_not_take_has_no_text() {
    let all = |name: &str| Some(vec![name.to_owned()]);
    let layers = Layers { flags: &all, environment: &|_| None, file: None };
    let typed = layers.resolve(TABLE.iter().filter(|setting| setting.flag == "names")).unwrap();
    assert_eq!((typed.text(&NAMES), typed.text(&LIMIT)), (Some("names"), None));
}

#[test]
fn a_file_is_refused_by_the_place_and_never_by_a_value() {
    refused(
        file("limit = 1"),
        "configuration file f.toml: `limit` is not a setting; `dedup-host config` prints all names",
    );
    refused(
        file("the-limit = 1"),
        "configuration file f.toml: `the-limit` is not a setting: in a file it is written `the_limit`",
    );
    refused(file("B = 1"), "configuration file f.toml: `B` is not a setting: in a file it is written `share`");
    refused(file("share = [1]"), "configuration file f.toml: `share` is of type array: write a string or a number");
    let words = file("the_limit = 1\npassword = \"hush").unwrap_err().to_string();
    assert!(words.starts_with("configuration file f.toml: is not TOML: line 2, column "), "{words}");
    assert!(words.contains(", at `password`: ") && !words.contains("hush"), "{words}");
}

#[test]
fn a_refusal_names_the_origin_and_hides_what_is_secret() {
    let typed = resolve(&[("the-limit", "0")], &[("PASSWORD", "hush"), ("A", "x")], "").unwrap();
    refused(typed.need(&LIMIT), "--the-limit (command line) must be at least 1");
    refused(typed.need(&SHARE), "--share (environment variable A) `x` is not a whole number");
    let words = typed.wrong(&PASSWORD, "is hush, or kafka://me:there@host").to_string();
    assert!(words.starts_with("--password (environment variable PASSWORD) is ") && words.contains(HIDDEN), "{words}");
    assert!(!words.contains("hush") && !words.contains("there"), "{words}");
}

#[test]
fn a_default_gives_way_to_a_bound_and_a_wish_does_not() {
    let mut typed = resolve(&[], &[("THE_LIMIT", "5")], "").unwrap();
    typed.keep_within(&SHARE, &LIMIT, &5).unwrap();
    assert_eq!(typed.need(&SHARE).unwrap(), 5);
    assert_eq!(typed.origin(&SHARE).to_string(), "default: not more than the-limit");
    let mut typed = resolve(&[("share", "6")], &[("THE_LIMIT", "5")], "").unwrap();
    refused(
        typed.keep_within(&SHARE, &LIMIT, &5),
        "--share (command line) is more than --the-limit, which is 5 (environment variable THE_LIMIT)",
    );
}

#[test]
fn what_is_shown_can_be_given_back_but_for_secrets() {
    let mut typed = resolve(&[("names", "a\u{202e}b")], &[("PASSWORD", "hush")], "loud = \"yes\"").unwrap();
    typed.explain(&SHARE, "nobody asked".to_owned());
    let shown = show(TABLE, &typed);
    let wanted = format!(
        "# Of all\nthe_limit = 8  # default\n# share is not set: nobody asked\nnames = [\"a\\U0000202Eb\"]  # command line\n\
         password = \"{HIDDEN}\"  # environment variable PASSWORD\nloud = true  # file f.toml\n"
    );
    assert_eq!(shown, wanted);
    let again = resolve(&[], &[], &shown).unwrap();
    assert_eq!((again.texts(&NAMES), again.text(&LOUD)), (typed.texts(&NAMES), Some("true")));
}
