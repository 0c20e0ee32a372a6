//! A host that answers what a test wants it to: the page's own files and content policy as the program serves them, and
//! made-up figures. It can fall silent and come back. Not the program; that is in `program`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_server::page;
use observe::status::Status;
use serde_json::{Value, json};

/// What it answers now.
pub(crate) struct Answers {
    /// `/api/status`.
    pub(crate) status: Value,
    /// `/api/duplicates`.
    pub(crate) duplicates: Value,
    /// `/api/keys`.
    pub(crate) keys: Value,
    /// `/api/latest`.
    pub(crate) latest: Value,
    /// Takes the place of the answer at a path: a code and a body.
    pub(crate) instead: BTreeMap<&'static str, (u16, String)>,
    /// Whether connections are closed without a word.
    pub(crate) silent: bool,
    /// Whether the figures stay as they are. Else a thousand events come each second, a tenth of them duplicates.
    pub(crate) frozen: bool,
    begun: (Instant, u64),
}

impl Answers {
    fn of(&self, path: &str) -> Option<String> {
        Some(match path {
            "/api/status" => self.status.to_string(),
            "/api/duplicates" => self.moving().to_string(),
            "/api/keys" => self.keys.to_string(),
            "/api/latest" => self.latest.to_string(),
            _ => return None,
        })
    }

    fn moving(&self) -> Value {
        let mut duplicates = self.duplicates.clone();
        if self.frozen || !duplicates["totals"].is_object() {
            return duplicates;
        }
        // In whole tens, so that a tenth of them is whole.
        let passed = u64::try_from(self.begun.0.elapsed().as_millis()).expect("short") / 10 * 10;
        duplicates["at_ms"] = json!(self.begun.1 + passed);
        for (name, each_ms) in [("consumed", 10), ("unique", 9), ("duplicate", 1)] {
            let before = duplicates["totals"][name].as_u64().unwrap_or_default();
            duplicates["totals"][name] = json!(before + passed * each_ms / 10);
        }
        duplicates
    }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since_epoch.as_millis()).expect("for a while yet")
}

/// Listens until it is dropped.
pub(crate) struct Fixture {
    port: u16,
    answers: Arc<Mutex<Answers>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fixture {
    /// A host with these answers.
    pub(crate) fn start(status: Value, duplicates: Value, keys: Value, latest: Value) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (instead, begun) = (BTreeMap::new(), (Instant::now(), now_ms()));
        let answers = Answers { status, duplicates, keys, latest, instead, silent: false, frozen: false, begun };
        let (answers, stopped) = (Arc::new(Mutex::new(answers)), Arc::new(AtomicBool::new(false)));
        let (shared, stop) = (Arc::clone(&answers), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let answers = Arc::clone(&shared);
                // A browser opens connections that it may need later: none of them may hold up another.
                std::thread::spawn(move || drop(answer(socket, &answers)));
            }
        });
        Self { port, answers, stopped, thread: Some(thread) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// To change what it answers.
    pub(crate) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().expect("no answer panics")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn answer(mut socket: TcpStream, answers: &Mutex<Answers>) -> std::io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(socket.try_clone()?).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = asked.split(' ').nth(1).unwrap_or_default();
    let (code, content_type, body) = {
        let answers = answers.lock().expect("no answer panics");
        if answers.silent {
            return Ok(());
        }
        match (answers.instead.get(path), answers.of(path)) {
            (Some((code, body)), _) => (*code, "application/json", body.clone()),
            (None, Some(body)) => (200, "application/json", body),
            (None, None) => of_page(path),
        }
    };
    write!(
        socket,
        "HTTP/1.1 {code} \r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
        page::CONTENT_SECURITY_POLICY,
    )
}

fn of_page(path: &str) -> (u16, &'static str, String) {
    if path == "/" {
        return (200, "text/html; charset=utf-8", page::index(&Status::new().snapshot()));
    }
    let file = page::FILES.iter().find(|file| file.path == path);
    file.map_or((404, "text/plain", String::new()), |file| (200, file.content_type, file.text.to_owned()))
}
