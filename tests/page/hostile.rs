//! What producers send is shown, and never obeyed.

use dedup_host_tests::Test;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::figures;
use crate::fixture::Fixture;
use crate::rendering::usual;

pub(crate) const TESTS: &[Test] = &[
    ("text_of_events_is_shown_literally_wherever_it_appears", text_of_events_is_shown_literally_wherever_it_appears),
    ("what_cannot_be_seen_is_spelled_out", what_cannot_be_seen_is_spelled_out),
    ("a_mebibyte_is_cut_and_more_of_it_can_be_seen", a_mebibyte_is_cut_and_more_of_it_can_be_seen),
    ("answers_of_another_shape_do_not_stop_the_page", answers_of_another_shape_do_not_stop_the_page),
    ("the_browser_would_refuse_to_run_what_slipped_in", the_browser_would_refuse_to_run_what_slipped_in),
];

const ATTACKS: [&str; 4] = [
    "<script>window.attacked = 1</script>",
    "<img src=x onerror=\"window.attacked = 2\">",
    "\"'><svg onload='window.attacked = 3'>&lt;b&gt;&amp;",
    "javascript:window.attacked=4//{{constructor}}${window.attacked=5}__proto__",
];

/// A host where everything that others can name is named like this.
fn host_of(text: &str) -> Fixture {
    let host = usual();
    {
        let mut answers = host.answers();
        let [change, add] = ["changed", "added"].map(|change| json!(change));
        let rows = [
            figures::row(text, change, json!(text), json!(format!("{text}!"))),
            figures::row("/b", add, Value::Null, json!(text)),
        ];
        let mut duplicate = figures::duplicate(7, text, &rows);
        for name in ["scorer", "outcome", "topic"] {
            duplicate[name] = json!(text);
        }
        answers.latest = json!({ "duplicates": [duplicate], "redacted": false });
        answers.keys = json!({ "keys": [figures::key(1, text)] });
        answers.duplicates["properties"][0]["path"] = json!(text);
        for (list, names) in [("partitions", ["topic", "reason", "phase"]), ("plugins", ["name", "version", "digest"])]
        {
            for name in names {
                answers.status[list][0][name] = json!(text);
            }
        }
        answers.status["version"] = json!(text);
    }
    host
}

fn text_of_events_is_shown_literally_wherever_it_appears() {
    let page = Browser::open();
    for attack in ATTACKS {
        let host = host_of(attack);
        page.go_live(&host.url());
        page.click("#duplicates summary");
        page.wait("document.querySelector('.beside') !== null");
        for place in [
            "#keys tbody",
            "#properties tbody",
            "#partitions tbody",
            "#plugins tbody",
            "#duplicates summary",
            ".beside",
            "#version",
        ] {
            // A key is cut in the list, and a value around its difference; the beginning is there in any case.
            let text = page.text(place);
            assert!(text.contains(&attack[..20]), "{attack} in {place}: {text}");
        }
        page.wait_for_polls(2);
        assert_eq!(page.see("window.attacked === undefined"), json!(true), "{attack}");
        let made = page.see("document.querySelectorAll('main script, main img, main svg[onload], main b').length");
        assert_eq!(made, json!(0), "{attack}");
        assert_eq!(page.complaints(), Vec::<String>::new(), "{attack}");
    }
}

fn what_cannot_be_seen_is_spelled_out() {
    let host = host_of("a\u{202e}gpj.exe\u{0}b\u{200b}c\u{2066}d\u{a0}e\nf\u{feff}\u{e0041}עברית");
    let page = Browser::open();
    page.go_live(&host.url());
    let key = page.text("#keys tbody th");
    assert_eq!(key, "a\\u202egpj.exe\\u0000b\\u200bc\\u2066d\\u00a0e\\nf\\ufeff\\u{e0041}עברית");
    assert_eq!(page.text("#keys tbody th .named"), "\\u202e", "and does not look like text that says so");
    let kept_apart = page.see("getComputedStyle(document.querySelector('#keys .literal')).unicodeBidi");
    assert_eq!(kept_apart, json!("isolate"), "letters that run to the left turn nothing around them");
    assert!(!page.see("document.title").as_str().unwrap_or_default().contains('\u{202e}'));
}

fn a_mebibyte_is_cut_and_more_of_it_can_be_seen() {
    let long = "x".repeat(1 << 20);
    let rows = [
        figures::row("/body", json!("changed"), json!(format!("{long}a{long}")), json!(format!("{long}b{long}"))),
        figures::row("/new", json!("added"), Value::Null, json!("\u{1}y".repeat(1 << 19))),
    ];
    let host = usual();
    host.answers().latest = json!({ "duplicates": [figures::duplicate(7, &long, &rows)], "redacted": false });
    host.answers().keys = json!({ "keys": [figures::key(1, &long)] });
    host.answers().status["plugins"][0]["name"] = json!(long);
    let page = Browser::open();
    page.go_live(&host.url());
    let shown = page.text("main").len();
    assert!(shown < 20_000, "{shown} characters");
    page.click("#duplicates summary");
    page.wait("document.querySelector('.beside') !== null");
    let around = page.text(".beside td");
    assert!(around.starts_with("…xxx") && around.contains("xaxx") && around.len() < 300, "{around}");
    assert_eq!(page.text(".beside td mark"), "a", "the difference is seen, a mebibyte into the text");
    assert!(around.ends_with("Show first 65\u{202f}536 of 2\u{202f}097\u{202f}153 characters"), "{around}");
    page.click(".beside td .more");
    let whole = page.see("document.querySelector('.beside td .whole').textContent.length");
    assert_eq!(whole, json!(65_537), "and one for the sign that there is more");
    assert_eq!(page.text(".beside td .more"), "Show less");
    assert_eq!(page.see("document.activeElement.className"), json!("more"), "focus stays");
    page.click(".beside tr:nth-child(2) .more");
    page.wait("document.querySelectorAll('.beside .whole').length === 2");
    page.wait_for_polls(1);
    assert_eq!(page.text("#state"), "Live", "half a million controls do not hold the page up");
}

fn answers_of_another_shape_do_not_stop_the_page() {
    let host = usual();
    {
        let mut answers = host.answers();
        answers.keys = json!({ "keys": null });
        answers.latest = json!([1, "two", null]);
        answers.duplicates = json!({ "at_ms": 5, "totals": { "consumed": "many", "unique": 1e300, "duplicate": -3 },
            "properties": [{ "path": "/p" }], "gap_seconds": { "bounds": ["a"], "counts": [] }, "outcomes": [] });
        answers.frozen = true;
        answers.status["partitions"][0]["lag"] = json!("<b>");
        answers.status["plugins"] = json!([{ "name": "only a name" }]);
    }
    let page = Browser::open();
    page.go_live(&host.url());
    page.wait_for_polls(2);
    let text = page.text("main");
    for word in ["NaN", "undefined", "[object"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("events[1]") && text.contains("only a name"), "{text}");
}

fn the_browser_would_refuse_to_run_what_slipped_in() {
    let host = usual();
    let page = Browser::open();
    page.go_live(&host.url());
    let refused = "try { document.body.insertAdjacentHTML('beforeend', '<img>'); return false } catch {} \
                   try { document.body.innerHTML = '<p>'; return false } catch { return true }";
    assert_eq!(page.run(refused), json!(true), "no way from text to nodes");
    page.run("try { document.body.setAttribute('onclick', 'window.attacked = 1') } catch {} document.body.click()");
    assert_eq!(page.see("window.attacked === undefined"), json!(true), "no script inside of elements");
    let elsewhere = "fetch('http://127.0.0.1:9/').catch((error) => { window.refused = String(error) })";
    page.run(elsewhere);
    page.wait("window.refused !== undefined");
    let complaints = page.complaints().join("\n");
    assert!(complaints.contains("connect-src"), "nothing is sent elsewhere: {complaints}");
}
