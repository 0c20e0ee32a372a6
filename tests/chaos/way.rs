//! The way to a bucket, as bad as it is told to be: a proxy between hosts and a real store, which closes the door, is slow, or
//! lies. Not the store, and not what hosts make of it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{sleep, spawn};
use std::time::Duration;

use cases::Rng;

/// How bad the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Nobody is there: connections are closed, or nothing is ever answered.
    Away,
    /// Answers take their time, at times more than the host waits.
    Slow,
    /// Of three requests one meets a [`Lie`].
    Lying,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Well,
    Closed,
    Hangs,
    Late,
    Lie(Lie),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lie {
    Error500,
    SlowDown503,
    /// Of writes with a condition; others are told 500.
    Conflict409,
    Precondition412,
    /// It never reaches the store.
    CutBefore,
    /// It is done, and the answer is lost.
    CutAfter,
    Truncated,
    /// A byte of what was read is another; lists are left alone, as they have no digest.
    Changed,
}

const LIES: [Lie; 8] = [
    Lie::Error500,
    Lie::SlowDown503,
    Lie::Conflict409,
    Lie::Precondition412,
    Lie::CutBefore,
    Lie::CutAfter,
    Lie::Truncated,
    Lie::Changed,
];

/// How long nothing is answered: longer than hosts wait.
const HANG: Duration = Duration::from_secs(8);

const HEAD_BYTES_MAX: u64 = 64 << 10;

struct State {
    weather: Weather,
    rng: Rng,
    met: BTreeMap<Fate, u64>,
}

impl State {
    fn fate(&mut self) -> Fate {
        let fate = match self.weather {
            Weather::Fair => Fate::Well,
            Weather::Away if self.rng.chance(100) => Fate::Hangs,
            Weather::Away => Fate::Closed,
            Weather::Slow if self.rng.chance(50) => Fate::Hangs,
            Weather::Slow => Fate::Late,
            Weather::Lying if self.rng.chance(333) => Fate::Lie(self.rng.pick(&LIES).unwrap_or(Lie::Error500)),
            Weather::Lying => Fate::Well,
        };
        *self.met.entry(fate).or_default() += 1;
        fate
    }
}

/// See the module. It ends with the process.
pub(crate) struct Way {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Way {
    /// To the store at this address, `http://host:port`.
    pub(crate) fn to(endpoint: &str, rng: Rng) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let store = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let state = Arc::new(Mutex::new(State { weather: Weather::Fair, rng, met: BTreeMap::new() }));
        let shared = Arc::clone(&state);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let (store, state) = (store.clone(), Arc::clone(&shared));
                // A connection that fails is closed, which is an answer.
                spawn(move || drop(serve(client, &store, &state)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// How many requests met what.
    pub(crate) fn met(&self) -> BTreeMap<Fate, u64> {
        self.state().met.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("whole")
    }
}

struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn read(client: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(client.take(u64::MAX));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if (&mut reader).take(HEAD_BYTES_MAX).read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut request = Self { head, body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
        Ok(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn is(&self, method: &str) -> bool {
        self.head.split(' ').next() == Some(method)
    }

    fn has_condition(&self) -> bool {
        self.header("if-match").is_some() || self.header("if-none-match").is_some()
    }

    fn is_list(&self) -> bool {
        self.head.lines().next().is_some_and(|line| line.contains("list-type"))
    }

    /// What the store answers, whole.
    fn ask(&self, store: &str) -> io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(store)?;
        let head = self.head.trim_end();
        upstream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
        upstream.write_all(&self.body)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    fn refused(&self, status: &str, code: &str) -> Vec<u8> {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a lie</Message></Error>");
        let body = if self.is("HEAD") { String::new() } else { body };
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .into_bytes()
    }
}

fn serve(mut client: TcpStream, store: &str, state: &Mutex<State>) -> io::Result<()> {
    let fate = state.lock().expect("whole").fate();
    if fate == Fate::Closed {
        return Ok(());
    }
    let request = Request::read(&client)?;
    if fate == Fate::Hangs {
        sleep(HANG);
        return Ok(());
    }
    if fate == Fate::Late {
        let millis = state.lock().expect("whole").rng.below(1_500);
        sleep(Duration::from_millis(millis as u64));
    }
    let Fate::Lie(lie) = fate else { return client.write_all(&request.ask(store)?) };
    let place = state.lock().expect("whole").rng.below(usize::MAX);
    client.write_all(&lied(&request, lie, store, place)?)
}

/// The answer as the liar gives it; nothing: the connection is closed.
fn lied(request: &Request, lie: Lie, store: &str, place: usize) -> io::Result<Vec<u8>> {
    let error = || request.refused("500 Internal Server Error", "InternalError");
    Ok(match lie {
        Lie::Error500 => error(),
        Lie::SlowDown503 => request.refused("503 Slow Down", "SlowDown"),
        Lie::Conflict409 | Lie::Precondition412 if !request.has_condition() => error(),
        Lie::Conflict409 => request.refused("409 Conflict", "ConditionalRequestConflict"),
        Lie::Precondition412 => request.refused("412 Precondition Failed", "PreconditionFailed"),
        Lie::CutBefore => Vec::new(),
        Lie::CutAfter => {
            request.ask(store)?;
            Vec::new()
        }
        Lie::Truncated => {
            let mut answer = request.ask(store)?;
            answer.truncate(place % answer.len().max(1));
            answer
        }
        Lie::Changed => changed(request, request.ask(store)?, place),
    })
}

fn changed(request: &Request, mut answer: Vec<u8>, place: usize) -> Vec<u8> {
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    if request.is("GET") && !request.is_list() && body < answer.len() {
        let at = body + place % (answer.len() - body);
        answer[at] ^= 1 << (place % 8);
    }
    answer
}
