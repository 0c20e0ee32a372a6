//! A Prometheus of a test's own, with its data in a directory of the test's, and questions to it.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dedup_host_tests::program::{Running, free_port, get};
use dedup_host_tests::scene::PATIENCE;
use serde_json::Value;

use crate::dashboard::{items, path, words};

/// Whether the server and its tool can be started.
pub(crate) fn is_installed() -> bool {
    let starts = |program| {
        let status = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    starts("prometheus") && starts("promtool")
}

/// The server. Dropped, it is killed and its data are removed.
pub(crate) struct Prometheus {
    running: Running,
    port: u16,
    _dir: tempfile::TempDir,
}

/// The labels of a series, and its value.
pub(crate) type Sample = (String, f64);

impl Prometheus {
    /// Starts a server that scrapes the hosts of these ports every second and evaluates the alerts of the example.
    pub(crate) fn of_hosts(ports: &[u16]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let targets = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect::<Vec<_>>().join(", ");
        let alerts = path("alerts.yaml").canonicalize().expect("the alerts");
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs: [{{job_name: dedup-host, static_configs: [{{targets: [{targets}]}}]}}]\n",
            alerts.display()
        );
        let file = dir.path().join("prometheus.yaml");
        std::fs::write(&file, config).expect("a file");
        let port = free_port();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdin(Stdio::null());
        let mut running = Running::start_command(command);
        until("it is ready", || {
            assert!(running.is_running(), "Prometheus has ended:\n{}", running.stderr());
            matches!(get(port, "/-/ready"), Some((200, _))).then_some(()).ok_or_else(|| running.stderr())
        });
        Self { running, port, _dir: dir }
    }

    /// What the series of an expression are now; a message where Prometheus refuses it.
    pub(crate) fn ask(&self, expression: &str) -> Result<Vec<Sample>, String> {
        let answer = self.api(&format!("/api/v1/query?query={}", encoded(expression)));
        if answer["status"] != "success" {
            return Err(format!("{expression}\n{}", answer["error"]));
        }
        let data = &answer["data"];
        assert_eq!(data["resultType"], "vector", "{expression}");
        let value = |value: &Value| value[1].as_str().and_then(|text| text.parse().ok()).expect("a number");
        Ok(items(data, "result").iter().map(|one| (one["metric"].to_string(), value(&one["value"]))).collect())
    }

    /// The alerts, as the server evaluates them.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let answer = self.api("/api/v1/rules");
        let groups = items(&answer["data"], "groups");
        groups.iter().flat_map(|group| items(group, "rules")).cloned().collect()
    }

    /// The names of alerts that fire.
    pub(crate) fn firing(&self) -> Vec<String> {
        let rules = self.rules();
        let firing = rules.iter().filter(|rule| rule["state"] == "firing");
        firing.map(|rule| words(rule, "name").to_owned()).collect()
    }

    /// HTTP 1.0, because its answers come in one piece.
    fn api(&self, path: &str) -> Value {
        let fetch = || -> std::io::Result<String> {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            write!(socket, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = fetch().unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.running.stderr()));
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error} in\n{answer}"))
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _infallible = write!(encoded, "%{byte:02X}");
        encoded
    })
}

/// Tries until it succeeds, and fails with the last cause once patience is at its end.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(cause) => assert!(Instant::now() < deadline, "waited in vain until {what}: {cause}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
