//! A real browser, driven through WebDriver by the smallest client there is. Not a test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a page may take to show something.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The key that WebDriver calls Tab.
pub(crate) const TAB: &str = "\u{e004}";
/// Enter.
pub(crate) const ENTER: &str = "\u{e007}";

/// What is not there, in words.
pub(crate) fn missing() -> Option<&'static str> {
    if found(&["chromedriver"]).is_none() {
        return Some("there is no chromedriver here");
    }
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    found(&browsers).is_none().then_some("there is no Chromium here")
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let at = |name: &&str| std::env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file());
    names.iter().find_map(at)
}

/// One window. Dropped, the browser ends.
pub(crate) struct Browser {
    driver: Child,
    /// Kept open: a driver that cannot speak ends.
    _said: BufReader<ChildStdout>,
    port: u16,
    session: String,
}

/// How often a driver is started before it is given up.
const DRIVER_STARTS_MAX: usize = 5;

impl Browser {
    /// A desk's window.
    pub(crate) fn open() -> Self {
        Self::open_sized(1280, 900)
    }

    /// A window of this many CSS pixels.
    pub(crate) fn open_sized(width: u32, height: u32) -> Self {
        let started = (0..DRIVER_STARTS_MAX).find_map(|_| start_driver());
        let (driver, port, said) = started.expect("chromedriver says its port");
        let mut browser = Self { driver, _said: said, port, session: String::new() };
        // Only our own page is opened, and a container has no sandbox to offer.
        let options = json!({ "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let made = browser.ask("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        browser.tool("Emulation.setDeviceMetricsOverride", &screen);
        browser
    }

    /// As a reader with this setting, `light` or `dark`, sees it.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tool("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// A command of the browser's own protocol.
    pub(crate) fn tool(&self, command: &str, parameters: &Value) -> Value {
        self.on_session("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Opens a page.
    pub(crate) fn go(&self, url: &str) {
        self.on_session("POST", "/url", &json!({ "url": url }));
    }

    /// Opens a page and waits for its first figures.
    pub(crate) fn go_live(&self, url: &str) {
        self.go(url);
        self.wait("document.querySelector('#state').dataset.state === 'live'");
    }

    /// What a function body returns.
    pub(crate) fn run(&self, body: &str) -> Value {
        self.on_session("POST", "/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// What an expression is.
    pub(crate) fn see(&self, expression: &str) -> Value {
        self.run(&format!("return {expression};"))
    }

    /// The text of the first element of a selector, as it is in the document.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.see(&format!("document.querySelector({})?.textContent", json!(selector)));
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&self, expression: &str) {
        let deadline = Instant::now() + WAIT_MAX;
        while self.see(expression) != json!(true) {
            assert!(Instant::now() < deadline, "never true: {expression}\n{}", self.text("body"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the page has asked the host this many times more, and shown what it was told.
    pub(crate) fn wait_for_polls(&self, polls: u32) {
        // The browser keeps a bounded list of what was fetched, so it is emptied first.
        self.run("performance.clearResourceTimings()");
        let fetched =
            "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('api/latest')).length";
        self.wait(&format!("{fetched} >= {polls}"));
        std::thread::sleep(Duration::from_millis(100));
    }

    /// Clicks, as a mouse would.
    pub(crate) fn click(&self, selector: &str) {
        let found = json!({ "using": "css selector", "value": selector });
        let element = self.on_session("POST", "/element", &found);
        let id = element.as_object().and_then(|one| one.values().next()).and_then(Value::as_str).expect("an element");
        self.on_session("POST", &format!("/element/{id}/click"), &json!({}));
    }

    /// Presses and releases a key.
    pub(crate) fn press(&self, key: &str) {
        let keys = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.on_session(
            "POST",
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] }),
        );
    }

    /// What the browser complained of since it was last asked.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.on_session("POST", "/se/log", &json!({ "type": "browser" }));
        let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        log.as_array().expect("a list").iter().map(message).collect()
    }

    fn on_session(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}{path}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (code, answer) = self.exchange(method, path, body).expect("chromedriver answers");
        assert_eq!(code, 200, "{method} {path} {body}: {answer}");
        answer["value"].clone()
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let body = body.to_string();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut answer = BufReader::new(socket);
        let (mut code, mut length) = (0, 0);
        for line in answer.by_ref().lines() {
            let line = line?;
            if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
                code = status.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            } else if line.is_empty() {
                break;
            }
        }
        // The driver keeps the connection, whatever it was told.
        let mut body = Vec::new();
        answer.take(length).read_to_end(&mut body)?;
        Ok((code, serde_json::from_slice(&body)?))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser; a driver that is killed leaves it behind.
        drop(self.exchange("DELETE", &format!("/session/{}", self.session), &json!({})));
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// The port is in what it says when it has started. `None`: it has ended, as it does where the port that it was given for
/// IPv4 is taken for IPv6.
fn start_driver() -> Option<(Child, u16, BufReader<ChildStdout>)> {
    let mut driver = Command::new("chromedriver")
        .args(["--port=0"])
        .env("TZ", "UTC")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let mut said = BufReader::new(driver.stdout.take().expect("piped"));
    let port = |line: String| {
        let rest = line.split_once("started successfully on port ")?.1;
        rest.trim_end_matches('.').parse().ok()
    };
    let Some(port) = said.by_ref().lines().map_while(Result::ok).find_map(port) else {
        drop(driver.wait());
        return None;
    };
    Some((driver, port, said))
}
