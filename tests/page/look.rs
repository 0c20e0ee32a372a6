//! How the page meets its readers: on a phone, in the dark, at the keyboard, through a screen reader, without scripts.

use dedup_host_tests::Test;
use serde_json::{Value, json};

use crate::browser::{Browser, ENTER, TAB};
use crate::figures;
use crate::rendering::{usual, usual_page};

pub(crate) const TESTS: &[Test] = &[
    ("a_phone_need_not_scroll_sideways", a_phone_need_not_scroll_sideways),
    ("text_can_be_read_by_day_and_in_the_dark", text_can_be_read_by_day_and_in_the_dark),
    ("everything_can_be_reached_and_used_from_the_keyboard", everything_can_be_reached_and_used_from_the_keyboard),
    ("what_is_drawn_is_also_said", what_is_drawn_is_also_said),
    ("new_figures_do_not_move_what_is_read", new_figures_do_not_move_what_is_read),
    ("the_page_is_small_and_asks_nobody_else", the_page_is_small_and_asks_nobody_else),
    ("without_scripts_the_status_is_there", without_scripts_the_status_is_there),
];

const OPEN_ALL: &str = "for (let round = 0; round < 3; round += 1) \
                        document.querySelectorAll('main details').forEach((one) => { one.open = true })";

fn a_phone_need_not_scroll_sideways() {
    let host = usual();
    let long = "/properties/".repeat(30);
    let rows = [
        figures::row(&long, json!("changed"), json!("m".repeat(2_000_000)), json!("n".repeat(2_000_000))),
        figures::row("/a", json!("added"), Value::Null, json!("1")),
    ];
    host.answers().latest = json!({ "duplicates": [figures::duplicate(1 << 50, &long, &rows)], "redacted": false });
    host.answers().keys = json!({ "keys": [figures::key(1, &long)] });
    host.answers().status["partitions"][0]["topic"] = json!("a.topic-with.a-long_name".repeat(10));
    host.answers().duplicates["totals"]["consumed"] = json!(987_654_321_098_u64);
    let page = Browser::open_sized(360, 740);
    page.go_live(&host.url());
    for _ in 0..3 {
        page.run(OPEN_ALL);
        page.wait_for_polls(1);
    }
    page.wait("document.querySelectorAll('.beside').length > 0");
    page.run("document.querySelectorAll('.more').forEach((button) => button.click())");
    let wide = page.see(
        "[...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > 361 && \
         !one.closest('.scroll, .key-text, svg')).map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`)",
    );
    assert_eq!(page.see("[document.documentElement.scrollWidth, innerWidth]"), json!([360, 360]), "{wide}");
    assert_eq!(wide, json!([]));
    let small = page.see(
        "[...document.querySelectorAll('main *')].filter((one) => one.childElementCount === 0 && one.textContent && \
         one.getClientRects().length && parseFloat(getComputedStyle(one).fontSize) < 11).map((one) => one.textContent)",
    );
    assert_eq!(small, json!([]), "letters of at least eleven pixels");
}

/// Ratios as WCAG 2 defines them, of each text to what lies behind it; 4.5 is what it asks for.
const CONTRASTS: &str = r"
const channels = (colour) => { const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
const light = (rgb) => rgb.map((part) => part / 255).map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const { rgb, a } = channels(getComputedStyle(at).backgroundColor);
    if (a === 1) return rgb;
  }
  return [255, 255, 255];
};
const poor = [];
for (const node of document.querySelectorAll('body *')) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
  if (!own || !node.getClientRects().length || node.closest('noscript, button:disabled')) continue;
  const [text, ground] = [light(channels(getComputedStyle(node).color).rgb), light(behind(node))];
  const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
  if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}`);
}
return poor;";

fn text_can_be_read_by_day_and_in_the_dark() {
    let (host, page) = usual_page();
    page.click("#duplicates summary");
    page.wait("document.querySelector('.beside') !== null");
    let ground = "getComputedStyle(document.documentElement).backgroundColor";
    for (scheme, expected) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")] {
        page.prefer(scheme);
        assert_eq!(page.see(ground), json!(expected));
        assert_eq!(page.run(CONTRASTS), json!([]), "{scheme}");
    }
    host.answers().silent = true;
    page.wait("document.querySelector('#state').textContent === 'No answer'");
    for scheme in ["light", "dark"] {
        page.prefer(scheme);
        assert_eq!(page.run(CONTRASTS), json!([]), "{scheme}, with the host gone");
    }
}

fn everything_can_be_reached_and_used_from_the_keyboard() {
    let (_host, page) = usual_page();
    page.press(TAB);
    assert_eq!(page.see("document.activeElement.textContent"), json!("Skip to the figures"));
    assert_eq!(page.see("document.activeElement.getBoundingClientRect().left >= 0"), json!(true), "and it is seen");
    page.press(TAB);
    assert_eq!(page.see("document.activeElement.id"), json!("pause"));
    page.press(ENTER);
    assert_eq!(page.text("#state"), "Paused");
    page.press(" ");
    page.wait("document.querySelector('#state').textContent === 'Live'");
    let wanted = "main a, main summary, main button:enabled, footer a";
    let reachable =
        page.see(&format!("[...document.querySelectorAll('{wanted}')].filter((one) => one.checkVisibility()).length"));
    let mut met = 0;
    for _ in 0..100 {
        page.press(TAB);
        if page.see("document.activeElement === document.body || document.activeElement.matches('.skip')")
            == json!(true)
        {
            break;
        }
        let ring = page.see("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(ring, json!("solid"), "{}", page.see("document.activeElement.outerHTML"));
        met += u64::from(page.see(&format!("document.activeElement.matches('{wanted}')")) == json!(true));
    }
    assert_eq!(json!(met), reachable, "each once");
    page.run("document.querySelector('#duplicates summary').focus()");
    page.press(ENTER);
    page.wait("document.querySelector('#duplicates details').open && document.querySelector('.beside') !== null");
    page.wait_for_polls(2);
    assert_eq!(page.see("document.activeElement.closest('#duplicates') !== null"), json!(true), "focus stays");
}

fn what_is_drawn_is_also_said() {
    let (_host, page) = usual_page();
    page.run(OPEN_ALL);
    page.wait("document.querySelector('.beside') !== null");
    let unnamed = page
        .see("[...document.querySelectorAll('[role=img]')].filter((one) => !one.getAttribute('aria-label')).length");
    assert_eq!(unnamed, json!(0), "each drawing has words");
    let tables = page.see(
        "[...document.querySelectorAll('main table')].filter((one) => !one.getAttribute('aria-label') || \
         !one.tHead.rows[0].cells.length || [...one.tHead.rows[0].cells].some((cell) => cell.scope !== 'col') || \
         [...one.tBodies[0].rows].some((row) => row.cells[0].scope !== 'row')).map((one) => one.outerHTML.slice(0, 200))",
    );
    assert_eq!(tables, json!([]), "each table has a name, and heads of columns and rows");
    let titles = page.see("[...document.querySelectorAll('h1, h2, h3')].map((one) => one.tagName).join(' ')");
    assert!(titles.as_str().is_some_and(|titles| titles.starts_with("H1 ") && titles.matches("H1").count() == 1));
    assert_eq!(page.see("document.documentElement.lang"), json!("en"));
    assert_eq!(page.see("document.querySelector('#state').getAttribute('role')"), json!("status"));
    let names = page
        .see("[...document.querySelectorAll('button, a, summary')].filter((one) => !one.textContent.trim()).length");
    assert_eq!(names, json!(0));
}

fn new_figures_do_not_move_what_is_read() {
    let (host, page) = usual_page();
    let watch = "window.shifts = []; new PerformanceObserver((list) => list.getEntries().forEach((one) => \
                 window.shifts.push([one.value, ...one.sources.map((source) => source.node?.outerHTML?.slice(0, 80))])))\
                 .observe({ type: 'layout-shift', buffered: true })";
    page.run(watch);
    for round in 1..=4_u64 {
        page.wait_for_polls(1);
        let mut answers = host.answers();
        for partition in 0..2 {
            answers.status["partitions"][partition]["lag"] = json!(7_u64.pow(u32::try_from(round).expect("small") * 2));
            answers.status["partitions"][partition]["state_bytes"] = json!(999_u64 << (round * 8));
        }
        answers.status["uptime_seconds"] = json!(59 * 60_u64.pow(u32::try_from(round).expect("small") - 1));
        answers.duplicates["outcomes"]["same_event"] = json!(10_u64.pow(u32::try_from(round).expect("small") * 2));
    }
    page.wait_for_polls(2);
    let moved = page.see("window.shifts.reduce((sum, [value]) => sum + value, 0)").as_f64().expect("a sum");
    assert!(moved < 0.02, "a tenth is what is called bad: {moved}, {}", page.see("window.shifts"));
}

fn the_page_is_small_and_asks_nobody_else() {
    let (host, page) = usual_page();
    let fetched = page.see("performance.getEntriesByType('resource').map((one) => [one.name, one.decodedBodySize])");
    let of_page =
        fetched.as_array().expect("a list").iter().filter(|one| !one[0].as_str().unwrap_or("").contains("/api/"));
    let bytes: u64 = of_page.map(|one| one[1].as_u64().unwrap_or_default()).sum();
    assert!((10_000..100_000).contains(&bytes), "{bytes} bytes");
    for one in fetched.as_array().expect("a list") {
        assert!(one[0].as_str().is_some_and(|name| name.starts_with(&host.url())), "{one}");
    }
}

fn without_scripts_the_status_is_there() {
    let host = usual();
    let page = Browser::open();
    page.tool("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    page.go(&host.url());
    let tree = page.tool("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().expect("a tree").iter();
    let text: Vec<&str> = nodes.filter_map(|node| node["name"]["value"].as_str()).collect();
    let text = text.join("\n");
    for words in ["not ready: no partitions have been assigned yet", "heartbeat", "metrics", "position"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("Where events went"), "and no empty figures: {text}");
}
