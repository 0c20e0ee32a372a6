//! The page of a host that really runs: [`check`] is what must be true of it, whatever it has read.

use dedup_host_tests::Test;
use dedup_host_tests::generated::generate;
use dedup_host_tests::program::plugin;
use dedup_host_tests::scene::{LANES, Scene};
use serde_json::{Value, json};

use crate::browser::Browser;

pub(crate) const TESTS: &[Test] = &[("the_page_of_a_host_on_kafka", the_page_of_a_host_on_kafka)];

fn the_page_of_a_host_on_kafka() {
    let scene = Scene::new("page", 2);
    let (unique, duplicates) = generate(&scene, 20_000, 7).counts();
    assert!(unique > 10_000 && duplicates > 1_000, "the scene shows something");
    let (extractor, scorer) = (plugin("composite_key"), plugin("property_similarity"));
    let (extractor, scorer) = (extractor.display().to_string(), scorer.display().to_string());
    let mut host = scene.start_member("", LANES, &["--plugin", &extractor, "--plugin", &scorer]);
    scene.drain(&mut [&mut host]);
    let _settled = host.settled();
    check(&format!("http://127.0.0.1:{}/", host.port), &scene.input);
    let _ended = host.stop();
}

/// Opens the page of the host at `url` (with a `/` at its end), which owns `topic` and has found duplicates, and checks
/// that it shows what the host answers.
fn check(url: &str, topic: &str) {
    let page = Browser::open_sized(360, 740);
    page.go_live(url);
    page.wait_for_polls(3);
    let text = page.text("main");
    for word in ["NaN", "undefined", "[object", "not available", "not kept by this host"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert!(page.text("#partitions").contains(&format!("{topic}[0]live")), "{text}");
    assert_ne!(page.text("#count-duplicate .number"), "0", "{text}");
    assert_ne!(page.see("document.querySelectorAll('#plugins tbody tr').length"), json!(0), "{text}");
    page.click("#duplicates summary");
    page.wait("document.querySelector('.comparison') !== null");
    let wide = page.see(
        "[...document.querySelectorAll('body *')].filter((node) => !node.closest('.scroll') && \
         node.getBoundingClientRect().right > 360).map((node) => `${node.tagName}.${node.className} \
         ${node.textContent.slice(0, 60)}`).slice(0, 4)",
    );
    assert_eq!(page.see("document.documentElement.scrollWidth"), json!(360), "too wide: {wide}");
    let fields =
        "fetch('api/duplicates').then((answer) => answer.json()).then((answer) => { window.answered = answer })";
    page.run(fields);
    page.wait("window.answered !== undefined");
    let histograms = [
        "similarity",
        "property_similarity",
        "uuid_similarity",
        "duplicates_per_key",
        "distinct_uuids_per_key",
        "gap_seconds",
    ];
    for name in histograms {
        let counts = page.see(&format!("window.answered.{name}.counts.length - window.answered.{name}.bounds.length"));
        assert_eq!(counts, Value::from(1), "{name}: a count for each bound and one above");
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}
