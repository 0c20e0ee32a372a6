//! Reports in each form, from outcomes of every kind, with everything in them that has to be escaped.

use std::time::Duration;

use plugin::Info;

use crate::report::{Outcome, Report, Subject};
use crate::rule::Level;
use crate::select::rules;
use crate::verdict::{Failure, Verdict};

const NASTY: &str = "a <b> & \"c\" 'd' # \\ \u{1}\n--- \u{1b}[31m ]]> é";

fn outcome(id: &str, verdict: Verdict) -> Outcome {
    let rule = rules().find(|rule| rule.id == id).unwrap();
    let remarks = if id == "C1" { vec![NASTY.to_owned(), "another".to_owned()] } else { Vec::new() };
    let rerun = format!("dedup-host plugin conformance 'a b.wasm' {id} --seed 7");
    Outcome { rule, verdict, time: Duration::from_millis(12), calls: 3, fuel: Some(450), remarks, rerun }
}

fn report() -> Report {
    let failure = Failure { input: NASTY.to_owned(), got: "<this>".to_owned(), wanted: "&that".to_owned() };
    let outcomes = vec![
        outcome("L1", Verdict::Passed),
        outcome("C1", Verdict::Passed),
        outcome("C2", Verdict::Failed(failure)),
        outcome("C3", Verdict::Blocked(format!("see # {NASTY}"))),
        outcome("S1", Verdict::NotApplicable(format!("it is # {NASTY}"))),
        outcome("K1", Verdict::Untried(NASTY.to_owned())),
    ];
    let info = Info { name: "a<b".to_owned(), version: "1.0".to_owned(), key_version: 3 };
    let subject = Subject {
        path: "a b&c.wasm".into(),
        sha256: "00ff".to_owned(),
        bytes: 123,
        info: Some(info),
        roles: vec!["key-extractor"],
        imports: vec!["dedup:plugin/log@1.0.0".to_owned()],
        contract: "1.0.0".to_owned(),
    };
    Report {
        subject,
        level: Level::Strict,
        seed: 7,
        chosen: Vec::new(),
        declarations: Some("conformance.toml".into()),
        quick: false,
        outcomes,
        time: Duration::from_millis(1500),
    }
}

#[test]
fn people_see_the_failure_and_how_to_repeat_it() {
    let text = report().to_human(false);
    for part in
        ["a<b 1.0, key version 3", "contract\n", "FAIL C2", "got: <this>", "wanted: &that", "--seed 7", "n/a  S1"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(
        text.ends_with(&format!("2 passed, 1 failed, 1 blocked, 1 not applicable, 1 not tried, in 1.5 s\ndoes not conform: C2; one rule could not be tried; not tried: K1 ({})\n",
            plain_text::line(NASTY)
        )),
        "{text}"
    );
    let good = |chosen: &[&str]| {
        let chosen = chosen.iter().map(ToString::to_string).collect();
        Report { outcomes: vec![outcome("L1", Verdict::Passed)], chosen, ..report() }.to_human(false)
    };
    assert!(good(&[]).ends_with("\nconforms (strict)\n"));
    assert!(good(&["L1", "keys"]).ends_with("\nconforms to L1, keys\n"));
    assert!(report().to_human(true).contains("\u{1b}[31mFAIL\u{1b}[0m"));
}

#[test]
fn tap_has_a_plan_a_line_a_rule_and_no_directive_by_chance() {
    let text = report().to_tap();
    let mut lines = text.lines();
    assert_eq!((lines.next(), lines.next()), (Some("TAP version 14"), Some("1..6")));
    let tests: Vec<&str> = text.lines().filter(|line| line.starts_with("ok") || line.starts_with("not ok")).collect();
    let starts = ["ok 1 - L1 ", "ok 2 - C1 ", "not ok 3 - C2 ", "not ok 4 - C3 ", "ok 5 - S1 ", "ok 6 - K1 "];
    assert_eq!(tests.len(), starts.len(), "{text}");
    tests.iter().zip(starts).for_each(|(line, start)| assert!(line.starts_with(start), "{line}"));
    assert!(tests[4].contains(" # SKIP it is \\# a <b>"), "{}", tests[4]);
    assert!(tests[..4].iter().all(|line| !line.contains(" # ")));
    // Whatever is not a test is a version, a plan, or belongs to a YAML block.
    let others = text.lines().skip(2).filter(|line| !line.starts_with("ok") && !line.starts_with("not ok"));
    others.for_each(|line| assert!(line.starts_with("  "), "{line:?}"));
    let yaml: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with("input: ")).collect();
    assert_eq!(serde_json::from_str::<String>(yaml[0].trim_start().strip_prefix("input: ").unwrap()).unwrap(), NASTY);
    assert_eq!(text.matches("  ---\n").count(), text.matches("  ...\n").count());
}

#[test]
fn tap_of_nothing_says_so() {
    let empty = Report { outcomes: Vec::new(), ..report() };
    assert_eq!(empty.to_tap(), "TAP version 14\n1..0 # SKIP no rule was chosen\n");
}

/// Reads XML as far as these reports use it, and checks that it is well-formed: gives elements with their attributes.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").expect("a declaration");
    let (mut open, mut found) = (Vec::new(), Vec::new());
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>') && unescape(&rest[..start]).is_some(), "text {:?}", &rest[..start]);
        assert!(rest[..start].trim().is_empty() || !open.is_empty());
        let end = rest[start..].find('>').expect("an end") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in order");
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut values = Vec::new();
        while let Some((key, after)) = attributes.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a quote");
            values.push((key.trim().to_owned(), unescape(value).expect("a value")));
            attributes = after;
        }
        assert!(attributes.trim().is_empty(), "{attributes}");
        found.push((name.to_owned(), values));
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    found
}

fn unescape(text: &str) -> Option<String> {
    if text.contains(['<', '>', '"']) || text.chars().any(|c| c.is_control() && c != '\n') {
        return None;
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#10;", "\n"), ("&#9;", "\t"), ("&#13;", "\r")];
    let text = entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain));
    let without = text.replace("&amp;", "");
    (!without.contains('&')).then(|| text.replace("&amp;", "&"))
}

#[test]
fn junit_is_well_formed_whatever_is_in_it() {
    let elements = elements(&report().to_junit());
    let named =
        |wanted: &str| elements.iter().filter(|(name, _)| name == wanted).map(|(_, values)| values).collect::<Vec<_>>();
    let value = |values: &[(String, String)], key: &str| {
        values.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()).unwrap()
    };
    let suites = named("testsuites")[0];
    let counts = ["tests", "failures", "errors", "skipped"].map(|key| value(suites, key));
    assert_eq!(counts, ["6", "1", "1", "2"]);
    assert_eq!(value(suites, "name"), "a<b");
    assert_eq!(
        named("testsuite").iter().map(|suite| value(suite, "name")).collect::<Vec<_>>(),
        ["loading", "contract", "keys", "scores"]
    );
    assert_eq!(named("testcase").len(), 6);
    assert_eq!(value(named("failure")[0], "message"), "got <this>, wanted &that");
    let expected = NASTY.replace(['\u{1}', '\u{1b}'], "\u{fffd}");
    assert_eq!(value(named("error")[0], "message"), format!("see # {expected}"));
    assert_eq!(value(named("skipped")[1], "message"), format!("it is # {expected}"));
    assert_eq!(value(named("property")[0], "value"), "a b&c.wasm");
}

#[test]
fn json_has_everything_there_is_to_know() {
    let json: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!((&json["plugin"]["sha256"], &json["plugin"]["contract"]), (&"00ff".into(), &"1.0.0".into()));
    assert_eq!(json["plugin"]["key_version"], 3);
    assert_eq!((&json["seed"], &json["level"]), (&7.into(), &"strict".into()));
    assert_eq!(json["host"]["version"], env!("CARGO_PKG_VERSION"));
    let rules = json["rules"].as_array().unwrap();
    let verdicts: Vec<&str> = rules.iter().map(|rule| rule["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["passed", "passed", "failed", "blocked", "not-applicable", "untried"]);
    assert_eq!(
        (&rules[2]["input"], &rules[2]["fuel"], &rules[2]["time_ms"]),
        (&NASTY.into(), &450.into(), &12.0.into())
    );
    assert_eq!(rules[2]["again"], "dedup-host plugin conformance 'a b.wasm' C2 --seed 7");
    assert_eq!((&json["summary"]["conforms"], &json["summary"]["failed"]), (&false.into(), &1.into()));
}
