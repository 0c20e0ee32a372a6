//! What the page shows of what the host answers.

use dedup_host_tests::Test;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::figures;
use crate::fixture::Fixture;

pub(crate) const TESTS: &[Test] = &[
    ("figures_are_grouped_and_have_units", figures_are_grouped_and_have_units),
    ("throughput_is_the_difference_of_two_answers", throughput_is_the_difference_of_two_answers),
    ("a_host_without_data_shows_nothing_as_nothing", a_host_without_data_shows_nothing_as_nothing),
    (
        "both_events_are_side_by_side_and_differences_are_marked",
        both_events_are_side_by_side_and_differences_are_marked,
    ),
    ("hidden_values_are_said_to_be_hidden", hidden_values_are_said_to_be_hidden),
    ("the_list_stands_still_while_somebody_reads_in_it", the_list_stands_still_while_somebody_reads_in_it),
    ("a_part_that_is_not_answered_does_not_hide_the_others", a_part_that_is_not_answered_does_not_hide_the_others),
];

/// A host with the usual figures.
pub(crate) fn usual() -> Fixture {
    Fixture::start(figures::status(), figures::duplicates(), figures::keys(), figures::latest())
}

/// The same, opened.
pub(crate) fn usual_page() -> (Fixture, Browser) {
    let (host, page) = (usual(), Browser::open());
    page.go_live(&host.url());
    (host, page)
}

/// The cells of the first row of a table whose heading is this.
fn row(page: &Browser, section: &str, heading: &str) -> Vec<String> {
    let cells = page.see(&format!(
        "[...document.querySelectorAll('#{section} tbody tr')].map((row) => [...row.cells].map((cell) => \
         cell.textContent)).find((cells) => cells[0].startsWith({}))",
        json!(heading)
    ));
    let text = |cell: &Value| cell.as_str().unwrap_or_default().replace('\u{202f}', " ");
    cells.as_array().unwrap_or_else(|| panic!("no row {heading} in {section}")).iter().map(text).collect()
}

fn figures_are_grouped_and_have_units() {
    let host = usual();
    host.answers().frozen = true;
    let page = Browser::open();
    page.go_live(&host.url());
    let text = |selector: &str| page.text(selector).replace('\u{202f}', " ");
    assert_eq!(text("#outcomes > .summary"), "1 234 567 events read, 1.0 GiB, since the host began");
    let counted = text("#count-dead_letter");
    assert!(counted.contains('7') && counted.contains("<0.1 %"), "not 0 % where there are some: {counted}");
    assert!(text("#count-same_event").contains("80 000"), "{}", text("#count-same_event"));
    let partition =
        ["events[1]", "live", "1 201", "41 230 001", "41 229 000", "40 110 000", "40 100 000", "20 123 000"];
    assert_eq!(row(&page, "partitions", "events[1]")[..8], partition);
    assert_eq!(row(&page, "partitions", "events[1]")[8..11], ["700 MiB", "30.0 MiB", "1 d"]);
    let why = row(&page, "partitions", "events[1]").concat();
    assert!(why.contains("checkpoints fail (s3, 2 h old): no answer"), "{why}");
    assert_eq!(row(&page, "plugins", "property")[1..7], ["similarity-scorer", "0.2.0", "500", "1 ms", "2 µs", "2"]);
    let plugins = text("#plugins > .summary");
    assert!(plugins.contains("refused at") && plugins.contains("by file: it is not a wasm file"), "{plugins}");
    assert_eq!(row(&page, "properties", "/properties/$lib")[2..], ["40.0 %", "300", "50", "50", "600"]);
    let first = page.text("#properties tbody tr th");
    assert_eq!(first, "/uuid", "what changes most comes first");
    let key = row(&page, "keys", "user-2");
    assert_eq!(key[..3], ["user-2", "381", "≈3"], "an estimate is said to be one");
    assert!(text("#alike").contains("130 000 observed, mean 0.99, half up to 1"), "{}", text("#alike"));
    let heights = page.see(
        "[...document.querySelectorAll('.histogram')][3].querySelectorAll('.fill').values().toArray()\
         .map((column) => column.getBoundingClientRect().height)",
    );
    let heights: Vec<f64> = heights.as_array().expect("columns").iter().filter_map(Value::as_f64).collect();
    assert!(heights.is_sorted_by(|one, next| one >= next) && heights[0] > 50.0 && heights[4] >= 2.0, "{heights:?}");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

fn throughput_is_the_difference_of_two_answers() {
    let (_host, page) = usual_page();
    page.wait("document.querySelector('#tile-in .number').textContent === '1\\u202f000'");
    assert_eq!(page.text("#tile-out .number"), "900");
    assert_eq!(page.text("#tile-duplicates .number"), "100");
    assert_eq!(page.text("#tile-share .number"), "10.0\u{202f}%");
    assert_eq!(page.text("#tile-lag .number"), "2\u{202f}401");
    page.wait("/^M.+L.+/.test(document.querySelector('#tile-in .line').getAttribute('d'))");
    let said = page.see("document.querySelector('#tile-in svg').getAttribute('aria-label')");
    assert!(said.as_str().is_some_and(|said| said.starts_with("In: now 1\u{202f}000, at most 1\u{202f}0")), "{said}");
}

fn a_host_without_data_shows_nothing_as_nothing() {
    let [status, duplicates, keys, latest] = figures::nothing();
    let host = Fixture::start(status, duplicates, keys, latest);
    host.answers().frozen = true;
    let page = Browser::open();
    page.go_live(&host.url());
    let text = page.text("main");
    for word in ["NaN", "undefined", "null", "Infinity", "[object"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    for words in ["no duplicates yet", "this host owns no partition", "no observations yet", "no plugin is loaded"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}

fn both_events_are_side_by_side_and_differences_are_marked() {
    let (_host, page) = usual_page();
    page.click("#duplicates summary");
    page.wait("document.querySelector('.beside') !== null");
    let rows = page.see(
        "[...document.querySelectorAll('.comparison > .beside tbody tr')].map((row) => [...row.cells].map((cell) => \
         cell.textContent))",
    );
    let url = ["/properties/url ≠ changed", "\"https://x.example/a?p=1\"", "\"https://x.example/b?p=1\""];
    let expected = json!([
        ["/properties/$lib + added", "not there", "\"web\""],
        ["/properties/old − removed", "17", "not there"],
        url
    ]);
    assert_eq!(rows, expected);
    let marked = page.see("[...document.querySelectorAll('.comparison mark')].map((mark) => mark.textContent)");
    assert_eq!(marked, json!(["a", "b"]), "only what differs is marked");
    page.click(".same summary");
    page.wait("document.querySelector('.same .beside') !== null");
    assert!(page.text(".same").contains("/event = same"));
    page.click("#duplicates > li:nth-child(2) summary");
    page.wait("document.querySelector('#duplicates > li:nth-child(2) .comparison') !== null");
    assert!(page.text("#duplicates > li:nth-child(2)").contains("not compared"));
}

fn hidden_values_are_said_to_be_hidden() {
    let host = usual();
    let change = figures::row("/properties/email", json!("changed"), Value::Null, Value::Null);
    host.answers().latest = json!({ "duplicates": [figures::duplicate(5, "k", &[change])], "redacted": true });
    let page = Browser::open();
    page.go_live(&host.url());
    page.click("#duplicates summary");
    page.wait("document.querySelector('.beside') !== null");
    assert_eq!(page.text(".beside td"), "redacted");
}

fn the_list_stands_still_while_somebody_reads_in_it() {
    let (host, page) = usual_page();
    page.click("#duplicates summary");
    page.wait("document.querySelector('.beside') !== null");
    let before = page.text("#duplicates");
    let newest = [101, 100].map(|offset| figures::duplicate(offset, "newer", &[]));
    host.answers().latest = json!({ "duplicates": newest, "redacted": false });
    page.wait("document.querySelector('#newer').textContent === 'Show 2 newer'");
    assert_eq!(page.text("#duplicates"), before);
    page.click("#newer");
    assert!(page.text("#duplicates").contains("newer") && !page.text("#duplicates").contains("user-1"));
    assert_eq!(page.see("document.querySelector('#newer').disabled"), json!(true));
}

fn a_part_that_is_not_answered_does_not_hide_the_others() {
    let host = usual();
    host.answers().instead.insert("/api/keys", (404, "{}".to_owned()));
    host.answers().instead.insert("/api/latest", (200, "{\"duplicates\":[".to_owned()));
    host.answers().duplicates["similarity"] = Value::Null;
    let page = Browser::open();
    page.go_live(&host.url());
    assert_eq!(page.text("#keys > .summary"), "not available: api/keys answers 404");
    assert!(page.text("#latest > .summary").starts_with("not available: "));
    assert!(page.text("#alike").contains("not kept by this host"));
    assert!(page.text("#properties").contains("/properties/$lib") && page.text("#partitions").contains("events[0]"));
}
