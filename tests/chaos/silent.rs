//! Connections that carry nothing any more and stay open, as behind a firewall that has forgotten them: a proxy stands between
//! the host and a broker, and swallows the answers of those connections that records are fetched on.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use dedup_host_tests::broker::Broker;

use crate::own_broker::OwnBroker;
use crate::{Chaos, SETTINGS};

const SILENCES: usize = 2;

/// Longer than the test lasts: the client does not give a silent connection up by itself.
const NEVER_GIVE_UP: &[&str] = &["--kafka-property", "consumer.socket.timeout.ms=300000"];

/// Fetch, in the first two bytes of a request after its length.
const FETCH: [u8; 2] = [0, 1];

pub(crate) fn a_connection_that_goes_silent_is_given_up() {
    let proxy = Proxy::listen();
    let broker = OwnBroker::start_behind(proxy.port());
    proxy.forward_to(&broker.hosts);
    let mut chaos = Chaos::at(Broker::connect_to(&broker.hosts, "silent"), "silent");
    let mut host = chaos.scene.start(&[SETTINGS, NEVER_GIVE_UP].concat());
    let mut silenced = 0;
    for _ in 0..SILENCES {
        chaos.some_progress(SILENCES + 1, &mut [&mut host]);
        let now = proxy.silence_who_fetch();
        println!("  {now} connections went silent at {} of {} committed records", chaos.at, chaos.events);
        silenced += now;
    }
    assert!(silenced > 0, "nothing was silenced");
    chaos.scene.drain(&mut [&mut host]);
    let renewed = host.metrics().count("dedup_host_clients_renewed_total", &[]);
    println!("  the client was renewed {renewed} times");
    assert!(renewed > 0, "nothing was to be outlived:\n{}", host.running.stderr());
    chaos.finish(vec![host]);
}

/// One connection through the proxy.
#[derive(Default)]
struct Line {
    fetches: AtomicBool,
    silent: AtomicBool,
}

struct Proxy {
    port: u16,
    broker: Arc<Mutex<Option<String>>>,
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
}

impl Proxy {
    fn listen() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (broker, lines) = (Arc::<Mutex<Option<String>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (to, all) = (Arc::clone(&broker), Arc::clone(&lines));
        spawn(move || {
            for client in listener.incoming().flatten() {
                let broker = to.lock().expect("whole").clone();
                // Not forwarding yet: hung up on, and tried again.
                let Some(Ok(broker)) = broker.map(TcpStream::connect) else { continue };
                let line = Arc::new(Line::default());
                all.lock().expect("whole").push(Arc::clone(&line));
                connect(client, broker, &line);
            }
        });
        Self { port, broker, lines }
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn forward_to(&self, hosts: &str) {
        *self.broker.lock().expect("whole") = Some(hosts.to_owned());
    }

    /// From now on, no answer arrives on connections that have asked for records. Returns how many went silent.
    fn silence_who_fetch(&self) -> usize {
        let lines = self.lines.lock().expect("whole");
        let fetching = lines.iter().filter(|line| line.fetches.load(Ordering::Relaxed));
        fetching.filter(|line| !line.silent.swap(true, Ordering::Relaxed)).count()
    }
}

fn connect(client: TcpStream, broker: TcpStream, line: &Arc<Line>) {
    let (from_client, to_broker) = (client.try_clone().expect("a handle"), broker.try_clone().expect("a handle"));
    let asking = Arc::clone(line);
    spawn(move || requests(from_client, to_broker, &asking));
    let line = Arc::clone(line);
    spawn(move || answers(broker, client, &line));
}

fn requests(mut from: TcpStream, mut to: TcpStream, line: &Line) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("a length")];
        if from.read_exact(&mut request).is_err() {
            break;
        }
        line.fetches.fetch_or(request.starts_with(&FETCH), Ordering::Relaxed);
        if to.write_all(&[&length[..], &request].concat()).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Both);
}

fn answers(mut from: TcpStream, mut to: TcpStream, line: &Line) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        let answer = piece.get(..read).expect("read no more than there is room");
        if !line.silent.load(Ordering::Relaxed) && to.write_all(answer).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Both);
}
