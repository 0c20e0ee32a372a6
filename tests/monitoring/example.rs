//! The script of the README: a host and a Prometheus that watches it, until it is told to end.

use std::process::Command;

use dedup_host_tests::Test;
use dedup_host_tests::program::{Running, binary, free_port, get, plugin};
use dedup_host_tests::scene::PATIENCE;

use crate::dashboard::path;
use crate::prometheus::until;

pub(crate) const TESTS: &[Test] = &[("the_script_shows_a_watched_host_and_cleans_up", the_script)];

fn the_script() {
    let dir = tempfile::tempdir().expect("a directory");
    let (host, prometheus) = (free_port(), free_port());
    let plugins = plugin("composite_key").canonicalize().expect("the plugins");
    let mut script = Command::new(path("run.sh").canonicalize().expect("the script"));
    script.env("DEDUP_HOST_BIN", binary().canonicalize().expect("the program"));
    script.env("DEDUP_PLUGINS_DIR", plugins.parent().expect("a directory")).env("TMPDIR", dir.path());
    script.env("HOST_PORT", host.to_string()).env("PROMETHEUS_PORT", prometheus.to_string());
    let mut running = Running::start_command(script);
    until("Prometheus counts duplicates", || {
        assert!(running.is_running(), "the script has ended:\n{}", running.stderr());
        let question = "/api/v1/query?query=sum(dedup_host_decisions_total%7Boutcome=%22duplicate%22%7D)%3E0";
        let answer = get(prometheus, question);
        let found = answer.as_ref().is_some_and(|(_, body)| body.contains("\"value\":"));
        if found { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    running.signal("TERM");
    let ended = running.wait(PATIENCE);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    for port in [host, prometheus] {
        assert!(get(port, "/").is_none(), "something listens on {port} still");
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0, "files are left");
}
