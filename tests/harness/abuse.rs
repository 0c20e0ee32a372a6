//! Clients of the HTTP server that mean harm, or are broken: they hold connections, ask without end, guess and send
//! nonsense until they are dropped. Not what must hold meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Connections that are held without asking anything, and with an answer that is not taken.
const HELD: usize = 500;
const NOT_TAKEN: usize = 100;

/// Time between two rounds over the connections that are held.
const TRICKLE: Duration = Duration::from_millis(20);

/// Clients that go on until they are dropped.
pub struct Abuse {
    wanted: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// One way to do harm: what it holds between two rounds is its own.
type Way = fn(&Attacker);

/// What each of them needs.
struct Attacker {
    port: u16,
    wanted: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
}

const WAYS: &[Way] = &[hold_half_open, hold_answers, come_and_go, ask_without_end, guess, talk_nonsense];

impl Abuse {
    /// Everything at once against this port of this machine.
    #[must_use]
    pub fn start(port: u16) -> Self {
        let (wanted, connections) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let thread = |way: &Way| {
            let (way, wanted, connections) = (*way, Arc::clone(&wanted), Arc::clone(&connections));
            std::thread::spawn(move || {
                let attacker = Attacker { port, wanted, connections };
                while attacker.wanted.load(Ordering::Relaxed) {
                    way(&attacker);
                }
            })
        };
        let threads = WAYS.iter().map(thread).collect();
        Self { wanted, connections, threads }
    }

    /// Connections that were opened so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Abuse {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl Attacker {
    /// Opens a connection and says this, without reading anything.
    fn say(&self, words: &[u8]) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.set_write_timeout(Some(Duration::from_secs(2))).ok()?;
        let _closed = stream.write_all(words);
        Some(stream)
    }

    /// And takes the answer.
    fn ask(&self, words: &[u8]) {
        if let Some(mut stream) = self.say(words) {
            let _closed = stream.read_to_end(&mut Vec::new());
        }
    }

    /// Holds so many connections on which this was said, and says a little more on each now and then.
    fn hold(&self, count: usize, words: &[u8], more: &[u8]) {
        let mut held: Vec<TcpStream> = Vec::new();
        while self.wanted.load(Ordering::Relaxed) {
            held.retain_mut(|stream| stream.write_all(more).is_ok());
            held.extend((held.len()..count).map_while(|_| self.say(words)));
            std::thread::sleep(TRICKLE);
        }
    }
}

fn hold_half_open(attacker: &Attacker) {
    attacker.hold(HELD, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n", b"X-Y: z\r\n");
}

fn hold_answers(attacker: &Attacker) {
    attacker.hold(NOT_TAKEN, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", b"");
}

/// Not faster, as the machine would have no ports left for those who mean no harm.
fn come_and_go(attacker: &Attacker) {
    drop(attacker.say(b""));
    std::thread::sleep(Duration::from_millis(1));
}

fn ask_without_end(attacker: &Attacker) {
    for path in ["/", "/metrics", "/_readiness", "/api/status", "/api/duplicates", "/api/keys", "/api/latest"] {
        attacker.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    }
}

fn guess(attacker: &Attacker) {
    let head = "POST /admin/plugins/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guess\r\n\r\n";
    attacker.ask(head.as_bytes());
    attacker.ask(b"GET /api/latest HTTP/1.1\r\nHost: evil.example\r\n\r\n");
}

fn talk_nonsense(attacker: &Attacker) {
    attacker.ask(&[0; 4_096]);
    attacker.ask(&[b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 1 << 18]].concat());
    attacker.ask(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nhello");
    attacker.ask(&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000));
}
