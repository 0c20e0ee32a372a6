//! That the suite tries plugins that take values of one form, and refuse all others: what it learns of them, what they
//! declare to be the same, and what it says where nothing could be tried. The plugin has to be built before.
#![expect(clippy::expect_used, reason = "tests")]

mod common;
#[path = "../../../tests/shared/fault_table.rs"]
mod fault_table;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use common::{failed, for_tests, run, strict};
use conformance::{Golden, Level, Options, Report, SuiteError, Verdict};

fn declarations(form: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/forms/{form}.toml"));
    path.is_file().then_some(path)
}

/// Where the plugin is compiled: once.
fn cache() -> &'static Path {
    static CACHE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let cache = tempfile::tempdir().expect("a directory");
        run(&for_tests("forms"), &Options { rules: vec!["L1".to_owned()], ..strict(cache.path()) });
        cache
    });
    CACHE.path()
}

/// Tries the plugin in a form, perhaps with a fault, with what is declared for the form.
fn tried(form: &str, more: impl FnOnce(&mut Options)) -> Report {
    let form_alone = form.split(':').next().unwrap_or_default();
    let mut options =
        Options { extractor_config: Some(form.to_owned()), declarations: declarations(form_alone), ..strict(cache()) };
    more(&mut options);
    run(&for_tests("forms"), &options)
}

fn last_line(report: &Report) -> String {
    report.to_human(false).lines().last().unwrap_or_default().to_owned()
}

/// The groups that are about what an author declares.
fn of_keys(options: &mut Options) {
    options.rules = ["contract", "keys", "equalities"].map(str::to_owned).into();
}

#[test]
fn a_right_plugin_conforms_strictly() {
    let report = tried("address", |_| {});
    assert_eq!(last_line(&report), "conforms (strict)", "{}", report.to_human(false));
}

#[test]
fn rules_about_keys_are_tried_on_right_plugins() {
    for form in ["address", "account", "url", "instant", "name", "content", "near", "tag"] {
        let report = tried(form, of_keys);
        assert_eq!(last_line(&report), "conforms to contract, keys, equalities", "{form}\n{}", report.to_human(false));
        let passed = |id: &str| report.outcome(id).is_some_and(|outcome| outcome.verdict == Verdict::Passed);
        assert!(["K1", "K5", "K6", "K8"].iter().all(|id| passed(id)), "{form}\n{}", report.to_human(false));
        assert_eq!(passed("E1"), form != "account", "{form}");
        assert_eq!(passed("E3"), !["account", "near"].contains(&form), "{form}");
        assert_eq!(passed("K4"), ["account", "content"].contains(&form), "{form}\n{}", report.to_human(false));
    }
}

#[test]
fn wrong_plugins_are_told_by_the_rule_they_break() {
    let broken = [
        ("address:local", "E3", "Of an address only the name counts."),
        ("address:tag", "E3", "The tag of an address does not count, which is not declared."),
        ("address:upper", "E2", "An address in upper case is another, though case is declared not to count."),
        ("account:joined", "K4", "A name and an address are joined without a separator."),
        ("url:query", "E3", "No parameter counts, though only those of campaigns are declared not to."),
        ("url:path", "E1", "The path is folded, though an example says that case counts there."),
        ("instant:offset", "E1", "The offset of a time is cut off."),
        ("instant:minute", "E1", "Seconds do not count, though an example says that they do."),
        ("name:trimmed", "E3", "Dots at the ends do not count, which is not declared."),
        ("name:ascii", "E2", "Case is declared not to count, and is folded in ASCII alone."),
        ("name:words", "E3", "Only the first part of a double name counts."),
        ("near:first", "E1", "Of a text only one word counts."),
    ];
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (form, rule, words) in broken {
        let report = tried(form, of_keys);
        match report.outcome(rule).map(|outcome| &outcome.verdict) {
            Some(Verdict::Failed(failure)) if failed(&report) == [rule] => {
                rows.push(fault_table::row(&format!("{rule} {form}"), words, &failure.input, &failure.got));
            }
            _ => wrong.push(format!("{form}, not by {rule}:\n{}", report.to_human(false))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    fault_table::check("Values of one form", &rows, true);
}

#[test]
fn a_plugin_that_gives_no_event_a_key_does_not_conform_strictly() {
    let report = tried("secret", |_| {});
    assert_eq!(failed(&report), ["K8"], "{}", report.to_human(false));
    let line = last_line(&report);
    assert!(line.starts_with("does not conform: K8; not tried: K1"), "{line}");
    let required = tried("secret", |options| options.level = Level::Required);
    let line = last_line(&required);
    assert!(line.starts_with("conforms (required); not tried: K1, K4, K6 (none of the events"), "{line}");
    let golden = |code: &str| {
        let text = format!(r#"[{{"event": {{"code": "{code}"}}, "keys": ["111111"]}}]"#);
        Golden::parse(Path::new("golden.json"), text.as_bytes()).expect("golden vectors")
    };
    // The sum of the digits is 294, and 294 % 26 is 8.
    let shown = tried("secret", |options| options.golden = vec![golden("QZ/111111I")]);
    // One event is enough to conform, and too little to try other texts.
    assert!(last_line(&shown).starts_with("conforms (strict); not tried: K9"), "{}", shown.to_human(false));
}

#[test]
fn golden_cases_beside_the_component_are_learned_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let component = dir.path().join("secret.wasm");
    std::fs::copy(for_tests("forms"), &component).expect("a copy");
    std::fs::write(
        dir.path().join("golden.json"),
        r#"[{"event": {"code": "QZ/111111I"}, "keys": ["of another version"]}]"#,
    )
    .expect("golden vectors");
    let options = Options { extractor_config: Some("secret".to_owned()), ..strict(cache()) };
    assert!(last_line(&run(&component, &options)).starts_with("conforms (strict)"));
    // What is declared is read from there, too.
    std::fs::write(dir.path().join("conformance.toml"), "[[equal]]\nat = \"/code\"\nby = \"letters\"").expect("a file");
    let error = conformance::run(&component, &options, &mut |_| {}).expect_err("an error");
    assert!(matches!(error, SuiteError::Declared(_)), "{error}");
    assert!(error.to_string().contains("conformance.toml") && error.to_string().contains("letters"), "{error}");
}

#[test]
fn an_example_that_does_not_hold_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("conformance.toml");
    let with = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        tried("address", |options| options.declarations = Some(path.clone()))
    };
    let report = with(
        "[[equal]]\nat = \"/email\"\nby = \"examples\"\nexamples = [\"a@b.example\", \"c@d.example\"]\ndifferent = [\"e@f.example\"]",
    );
    let Some(Verdict::Failed(failure)) = report.outcome("E1").map(|outcome| &outcome.verdict) else {
        panic!("no failure")
    };
    assert!(failure.input.contains("[[equal]] 1") && failure.input.contains("example 2"), "{failure:?}");
    assert!(failure.wanted.contains("one key"), "{failure:?}");
    let report = with("[[equal]]\nat = \"/email\"\nby = \"case\"\nexamples = [\"nobody\", \"Nobody\"]");
    let Some(Verdict::Failed(failure)) = report.outcome("E1").map(|outcome| &outcome.verdict) else {
        panic!("no failure")
    };
    assert_eq!(failure.got, "no key");
}

#[test]
fn a_run_whose_time_is_up_says_what_took_it() {
    let report = tried("address", |options| options.time_max = Some(Duration::ZERO));
    assert!(!report.passed());
    let Some(Verdict::Blocked(why)) = report.bad().next().map(|outcome| &outcome.verdict) else {
        panic!("not blocked")
    };
    assert!(why.starts_with("the time for all rules, 0 s, is up after 0 calls"), "{why}");
    let report = tried("address", |options| options.rule_time_max = Some(Duration::from_nanos(1)));
    assert!(last_line(&report).contains("rules could not be tried"), "{}", last_line(&report));
}
