//! A host that is gone, or stands still, or is not ready: the page says so, and does not pass old figures off as new.

use dedup_host_tests::Test;
use serde_json::json;

use crate::browser::Browser;
use crate::rendering::{usual, usual_page};

pub(crate) const TESTS: &[Test] = &[
    (
        "a_host_that_is_gone_is_said_to_be_gone_until_it_is_back",
        a_host_that_is_gone_is_said_to_be_gone_until_it_is_back,
    ),
    ("a_host_that_was_never_there_is_said_to_be_absent", a_host_that_was_never_there_is_said_to_be_absent),
    ("an_answer_that_is_no_status_is_no_answer", an_answer_that_is_no_status_is_no_answer),
    ("a_line_that_stands_still_is_not_live", a_line_that_stands_still_is_not_live),
    ("figures_that_do_not_move_on_are_old", figures_that_do_not_move_on_are_old),
    ("a_host_that_is_not_ready_says_why", a_host_that_is_not_ready_says_why),
    ("times_of_no_use_are_shown_with_their_partition", times_of_no_use_are_shown_with_their_partition),
    ("a_restart_makes_no_negative_rates", a_restart_makes_no_negative_rates),
    ("a_paused_page_asks_nothing", a_paused_page_asks_nothing),
];

fn wait_for_state(page: &Browser, state: &str) {
    page.wait(&format!("document.querySelector('#state').textContent === '{state}'"));
}

fn a_host_that_is_gone_is_said_to_be_gone_until_it_is_back() {
    let (host, page) = usual_page();
    host.answers().silent = true;
    wait_for_state(&page, "No answer");
    let detail = page.text("#detail");
    assert!(detail.contains("figures are of "), "{detail}");
    assert_eq!(page.see("document.querySelector('main').dataset.old"), json!("true"));
    assert!(page.see("document.title").as_str().is_some_and(|title| title.starts_with("No answer")));
    assert!(page.text("#partitions").contains("events[0]"), "the last figures stay to be read");
    host.answers().silent = false;
    wait_for_state(&page, "Live");
    assert_eq!(page.see("document.querySelector('main').dataset.old"), json!("false"));
}

fn a_host_that_was_never_there_is_said_to_be_absent() {
    let host = usual();
    host.answers().instead.insert("/api/status", (500, "{}".to_owned()));
    let page = Browser::open();
    page.go(&host.url());
    wait_for_state(&page, "No answer");
    let detail = page.text("#detail");
    assert!(detail.contains("no figures yet") && detail.contains("api/status answers 500"), "{detail}");
}

fn an_answer_that_is_no_status_is_no_answer() {
    let (host, page) = usual_page();
    host.answers().instead.insert("/api/status", (200, "<html>of a proxy".to_owned()));
    wait_for_state(&page, "No answer");
}

fn a_line_that_stands_still_is_not_live() {
    let (host, page) = usual_page();
    host.answers().status["heartbeat_age_ms"] = json!(31_000);
    wait_for_state(&page, "Stands still");
    assert!(page.text("#detail").contains("31\u{202f}s"), "{}", page.text("#detail"));
    assert_eq!(page.see("document.querySelector('main').dataset.old"), json!("true"));
}

fn figures_that_do_not_move_on_are_old() {
    let (host, page) = usual_page();
    host.answers().frozen = true;
    wait_for_state(&page, "Old figures");
    host.answers().frozen = false;
    wait_for_state(&page, "Live");
}

fn a_host_that_is_not_ready_says_why() {
    let (host, page) = usual_page();
    host.answers().status["ready"] = json!(false);
    host.answers().status["reasons"] = json!(["events[1] is replaying: 410 records to go", "second", "third"]);
    host.answers().status["partitions"][1]["phase"] = json!("replaying");
    wait_for_state(&page, "Not ready");
    assert_eq!(page.text("#detail"), "events[1] is replaying: 410 records to go; and 2 more");
    assert_eq!(page.text("#partitions > .summary"), "1 of 2 partitions live");
}

fn times_of_no_use_are_shown_with_their_partition() {
    let (host, page) = usual_page();
    {
        let mut answers = host.answers();
        let partition = &mut answers.status["partitions"][1];
        partition["event_times_unusable"] = json!({ "impossible_date": 1_700 });
        partition["decided_without_memory"] = json!(5);
        partition["clock_went_back"] = json!(1);
        partition["window_seconds"] = json!(null);
        partition["window_offsets"] = json!(70_000);
    }
    let said = "unusable event times: 1 700 impossible date; 5 decided without memory; the clock went back 1 time";
    page.wait(&format!("document.querySelector('#partitions').textContent.includes('{said}')"));
    assert!(page.text("#partitions").contains("70\u{202f}000 offsets"), "{}", page.text("#partitions"));
}

fn a_restart_makes_no_negative_rates() {
    let (host, page) = usual_page();
    page.wait("document.querySelector('#tile-in .number').textContent === '1\\u202f000'");
    {
        let mut answers = host.answers();
        answers.status["started_at"] = json!(1_767_229_999_000_u64);
        for name in ["consumed", "unique", "duplicate"] {
            answers.duplicates["totals"][name] = json!(0);
        }
    }
    for _ in 0..3 {
        page.wait_for_polls(1);
        let shown = page.text("#throughput");
        assert!(!shown.contains('-') && !shown.contains("NaN"), "{shown}");
    }
    page.wait("document.querySelector('#tile-in .number').textContent === '1\\u202f000'");
}

fn a_paused_page_asks_nothing() {
    let (host, page) = usual_page();
    page.click("#pause");
    wait_for_state(&page, "Paused");
    host.answers().status["partitions"] = json!([]);
    page.run("performance.clearResourceTimings()");
    std::thread::sleep(std::time::Duration::from_secs(3));
    // One round of four may have been under way.
    let asked = page.see("performance.getEntriesByType('resource').length").as_u64();
    assert!(asked.is_some_and(|asked| asked <= 4), "{asked:?}");
    assert!(page.text("#partitions").contains("events[0]"), "what was read stays");
    page.click("#pause");
    wait_for_state(&page, "Live");
    page.wait("!document.querySelector('#partitions').textContent.includes('events[0]')");
}
