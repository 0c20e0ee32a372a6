//! Every question of the dashboard and of the alerts, asked of a Prometheus that scrapes hosts at work: one that reads
//! a pipe, and two that share a topic.

use std::collections::BTreeSet;

use dedup_host_tests::Test;
use dedup_host_tests::program::get;
use dedup_host_tests::scene::{LANES, PATIENCE, Scene};

use crate::dashboard::{dashboard, filled_in, items, questions, words};
use crate::expressions::{known, selectors, shown};
use crate::feed::{PipeHost, TopicFeed, plugins};
use crate::prometheus::{Prometheus, until};

pub(crate) const TESTS: &[Test] = &[("a_host_that_reads_a_pipe_is_watched", a_host_that_reads_a_pipe_is_watched)];

/// These need a broker too.
pub(crate) const TESTS_OF_KAFKA: &[Test] =
    &[("two_hosts_that_share_a_topic_are_watched", two_hosts_that_share_a_topic_are_watched)];

/// Panels, by their titles, with the reason.
type Panels = &'static [(&'static str, &'static str)];

/// What is to be seen of hosts that are at work and well. Every other panel must show something above 0.
struct Expected {
    /// Panels that may show nothing but 0.
    quiet: Panels,
    /// Panels that may have nothing to show, not even 0.
    empty: Panels,
    /// Metrics that have no series at all.
    absent: &'static [&'static str],
}

const WELL: Panels = &[
    ("Lag", "the hosts keep up"),
    ("Undecided records", "there may be no batch in flight just now"),
    ("Restarts in the time shown", "nothing restarts"),
    ("Replay", "the hosts begin with an empty state"),
    ("Share that could not be decided", "generated events are in time and have keys"),
    ("Pauses", "no bound is reached"),
    ("Plugin failures", "the plugins are sound"),
    ("Plugin swaps", "no file changes"),
    ("Partitions that wait for a plugin", "the plugins are sound"),
    ("Duplicates forwarded", "--forward-below-similarity is not set"),
    ("Originals dropped early", "there is room"),
    ("Keys not on disk yet", "the state may have been persisted just now"),
    ("Records a restart would replay", "the state may have been persisted just now"),
    ("Time since the state was persisted", "the state may have been persisted just now"),
    ("Partitions not read yet", "all are read"),
    ("Longest wait of a partition", "none waits"),
    ("Offsets gone from the log", "the log is whole"),
    ("HTTP connections cut off", "nobody floods the port"),
    ("Group offsets that went back", "nobody sets them back"),
    ("Fenced", "each host has ids of its own"),
    ("Clients renewed", "no connection goes silent"),
    ("Headers that pose as the host's", "no record has a header"),
    ("Unusable event times", "generated events have good ones"),
    ("Decided without memory", "nothing is forgotten"),
    ("Clock set back", "no clock is wrong"),
    ("Distinct events not remembered", "--forward-below-similarity is not set"),
    ("Records not taken", "the topics take all that is generated"),
    ("Partitions that cannot be read on", "the log is sound"),
    ("Offsets passed over unread", "the log is sound"),
    ("Checkpoints passed over", "none is restored"),
];

/// Panels with quantiles of what has not happened.
const UNOBSERVED: Panels = &[("Time to restore", "the hosts begin with an empty state")];

const NO_CHECKPOINTS: &str = "a run over files makes no checkpoints";

const OF_A_PIPE: Expected = Expected {
    quiet: &[
        ("Transactions", "there are none without Kafka"),
        ("Rebalances", "there is no group without Kafka"),
        ("Age of checkpoints", NO_CHECKPOINTS),
        ("Size of checkpoints", NO_CHECKPOINTS),
        ("Checkpoints made", NO_CHECKPOINTS),
        ("Bytes sent for checkpoints", NO_CHECKPOINTS),
        ("Objects sent for checkpoints", NO_CHECKPOINTS),
        ("Where states came from", NO_CHECKPOINTS),
    ],
    empty: &[
        ("Records a take-over would replay", NO_CHECKPOINTS),
        ("A line stands still for a checkpoint", NO_CHECKPOINTS),
        ("Time to publish a checkpoint", NO_CHECKPOINTS),
        ("End to end", "lines have no time of their own at which they came in"),
        ("Partitions of the topic", "there is no topic without Kafka"),
        ("Offsets remembered", "nothing was evicted"),
    ],
    absent: &["dedup_host_input_partitions"],
};

const OF_KAFKA: Expected = Expected {
    quiet: &[
        ("Rebalances", "the group may have been settled before the first scrape"),
        ("Where states came from", "they may have been opened before the first scrape"),
        ("Age of checkpoints", "they may have been made just now"),
        ("Checkpoints made", "none fails, which is asked here too; what was sent for them has a panel of its own"),
        ("Records a take-over would replay", "checkpoints may have been made just now"),
        ("Partitions of the topic", "it does not grow"),
    ],
    empty: &[
        ("Look-ups answered by a filter", "keys are found in memory for the first half minute"),
        ("Offsets remembered", "nothing was evicted"),
    ],
    absent: &[],
};

fn a_host_that_reads_a_pipe_is_watched() {
    let host = PipeHost::start();
    let prometheus = Prometheus::of_hosts(&[host.port]);
    let answered = every_question_has_an_answer(&prometheus, &OF_A_PIPE);
    answered.unwrap_or_else(|cause| panic!("{cause}\n{}", host.said()));
    every_selector_finds_something(&prometheus, &OF_A_PIPE);
    every_metric_is_shown(host.port, &OF_A_PIPE);
    the_alerts_work(&prometheus, &[]);

    host.feed.spoil();
    until("the spoiled line raises an alert", || {
        let firing = prometheus.firing();
        if firing == ["DedupHostDeadLetters"] { Ok(()) } else { Err(format!("these fire: {firing:?}")) }
    });
    host.end();
    let down = rule(&prometheus, "DedupHostDown");
    until("the host is seen to be gone", || match prometheus.ask(&down)?.len() {
        1 => Ok(()),
        found => Err(format!("{found} hosts")),
    });
}

fn two_hosts_that_share_a_topic_are_watched() {
    let scene = Scene::new("monitoring", 4);
    let plugins = plugins();
    let checkpoints = scene.path("checkpoints").display().to_string();
    let mut extra = vec!["--checkpoint-interval-secs", "1", "--local-checkpoint-dir", &checkpoints];
    extra.extend(plugins.iter().flat_map(|plugin| ["--plugin", plugin]));
    let mut hosts = ["a", "b"].map(|member| scene.start_member(member, LANES, &extra));
    hosts.iter_mut().for_each(|host| host.ready());
    let feed = TopicFeed::start(&scene);
    let ports = hosts.each_ref().map(|host| host.port);
    let prometheus = Prometheus::of_hosts(&ports);
    let both = "count(sum by (instance) (dedup_host_decisions_total) > 0) == 2";
    until("both hosts decide", || prometheus.ask(both)?.pop().map(drop).ok_or_else(|| "not yet".to_owned()));
    let answered = every_question_has_an_answer(&prometheus, &OF_KAFKA);
    answered
        .unwrap_or_else(|cause| panic!("{cause}\n{}", hosts.each_ref().map(|host| host.running.stderr()).join("\n")));
    every_selector_finds_something(&prometheus, &OF_KAFKA);
    let persisted = "count(dedup_host_stage_seconds_count{stage=\"persist\"} > 0) == 2";
    until("both hosts have persisted while they were fed", || {
        let said = || hosts.each_ref().map(|host| host.running.stderr()).join("\n");
        prometheus.ask(persisted)?.pop().map(drop).ok_or_else(said)
    });
    ports.iter().for_each(|port| every_metric_is_shown(*port, &OF_KAFKA));
    the_alerts_work(&prometheus, &[]);
    feed.end();
    for host in hosts {
        let _ended = host.running.stop(PATIENCE).ok();
    }
}

fn named(panels: Panels, title: &str) -> bool {
    panels.iter().any(|(named, _)| *named == title)
}

/// What the unanswered ones were, otherwise.
fn every_question_has_an_answer(prometheus: &Prometheus, expected: &Expected) -> Result<(), String> {
    let questions = questions();
    let titles: BTreeSet<_> = questions.iter().map(|(title, _)| title.as_str()).collect();
    for (title, _) in [WELL, UNOBSERVED, expected.quiet, expected.empty].concat() {
        assert!(titles.contains(title), "there is no panel {title:?}");
    }
    let mut unanswered = Vec::new();
    for (title, question) in &questions {
        let quiet = named(WELL, title) || named(expected.quiet, title);
        let answer = || {
            let samples = prometheus.ask(question)?;
            let finite = !samples.iter().any(|(_, value)| value.is_infinite());
            // A quantile of nothing is no number, which no panel shows.
            let mut shown = samples.iter().map(|(_, value)| *value).filter(|value| !value.is_nan());
            let may_be_empty = named(expected.empty, title) || named(UNOBSERVED, title);
            let enough = may_be_empty || shown.any(|value| quiet || value > 0.0);
            if finite && enough { Ok(()) } else { Err(format!("{title}: {question}\n{samples:?}")) }
        };
        if let Err(cause) = patient(unanswered.is_empty(), answer) {
            unanswered.push(cause);
        }
    }
    if unanswered.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {}:\n{}", unanswered.len(), questions.len(), unanswered.join("\n")))
}

/// Waits for the answer only while all is well: a second failure needs no patience.
fn patient(wait: bool, mut attempt: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let result = attempt();
        if result.is_ok() || !wait || std::time::Instant::now() > deadline {
            return result;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// What the alerts ask, by their names.
fn alerts(prometheus: &Prometheus) -> Vec<(String, String)> {
    let rules = prometheus.rules();
    rules.iter().map(|rule| (words(rule, "name").to_owned(), words(rule, "query").to_owned())).collect()
}

fn rule(prometheus: &Prometheus, name: &str) -> String {
    let alert = alerts(prometheus).into_iter().find(|(alert, _)| alert == name);
    alert.unwrap_or_else(|| panic!("there is no alert {name}")).1
}

/// A label's value that no series has would make an alert that never fires.
fn every_selector_finds_something(prometheus: &Prometheus, expected: &Expected) {
    let expressions = questions().into_iter().chain(alerts(prometheus));
    let wanted: BTreeSet<_> = expressions.flat_map(|(_, expression)| selectors(&expression)).collect();
    let is_absent = |selector: &str| expected.absent.iter().any(|metric| selector.starts_with(metric));
    let wanted = wanted.iter().filter(|selector| !is_absent(selector));
    let nothing: Vec<_> = wanted.filter(|selector| found_nothing(prometheus, selector)).collect();
    assert!(nothing.is_empty(), "no series for {nothing:#?}");
    for variable in items(&dashboard()["templating"], "list").iter().filter(|variable| variable["type"] == "query") {
        let question = filled_in(words(&variable["query"], "query"));
        let inside = question.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (selector, label) =
            inside.and_then(|inside| inside.rsplit_once(", ")).expect("label_values(selector, label)");
        let values = prometheus.ask(&format!("count by ({label}) ({selector})")).expect("a selector");
        assert!(
            !values.is_empty() && values.iter().all(|(labels, _)| labels.contains(label)),
            "{question}: {values:?}"
        );
    }
}

fn found_nothing(prometheus: &Prometheus, selector: &str) -> bool {
    // Alerts leave files out; what is left is asked of Kafka's topics.
    let selector = selector.replace("topic!=\"(files)\"", "");
    prometheus.ask(&selector).expect("a selector").is_empty()
}

/// What the dashboard is held against is what a host at work shows.
fn every_metric_is_shown(port: u16, expected: &Expected) {
    let (code, body) = get(port, "/metrics").expect("it answers");
    assert_eq!(code, 200, "{body}");
    let mut wanted = known();
    wanted.retain(|name| !expected.absent.contains(&name.as_str()));
    assert_eq!(shown(&body), wanted);
}

/// Prometheus evaluates every alert without an error, and none but these fires.
fn the_alerts_work(prometheus: &Prometheus, firing: &[&str]) {
    until("all alerts were evaluated", || {
        let rules = prometheus.rules();
        let wrong = rules.iter().find(|rule| rule["health"] != "ok");
        wrong.map_or(Ok(()), |rule| Err(rule.to_string()))
    });
    assert_eq!(prometheus.firing(), firing);
    for rule in prometheus.rules() {
        let name = words(&rule, "name");
        assert!(["critical", "warning"].contains(&words(&rule["labels"], "severity")), "{name}: which severity?");
        assert!(words(&rule["annotations"], "summary").len() > 10, "{name} has no summary");
        assert!(words(&rule["annotations"], "description").len() > 100, "{name} does not say what to do");
    }
}
