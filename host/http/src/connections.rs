//! Listening, accepting, and one request per connection, within bounds of number, size and time. Not what is answered.
//!
//! A connection is closed after its answer, so that none is held open without need and no request waits behind another.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use observe::metrics::{HttpCutOff, Metrics};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::config::HttpConfig;
use crate::error::HttpError;
use crate::room::{Place, Room};
use crate::seldom::Seldom;
use crate::unhurried::Unhurried;

/// Connections that the system queues until they are accepted; its own bound may be smaller.
const BACKLOG: u32 = 4_096;

/// Bytes that the system buffers: of what a client sends until we read it, and of what we send until the client reads it.
const RECEIVED_BYTES_MAX: u32 = 32 << 10;
const SENT_BYTES_MAX: u32 = 128 << 10;

/// Bytes of a request without its body, which nobody reads.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long accepting pauses when the system has run out of files or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a stop waits for requests that are under way.
pub(crate) const STOP_WAIT_MAX: Duration = Duration::from_secs(2);

/// Listens on the first available address of the configured name. To be called inside the runtime.
pub(crate) fn bind(config: &HttpConfig) -> Result<TcpListener, HttpError> {
    let address = format!("{}:{}", config.host, config.port);
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let known = (config.host.as_str(), config.port).to_socket_addrs();
    for one in known.map_err(|cause| HttpError::Bind { address: address.clone(), cause })? {
        match listen(one) {
            Ok(listener) => return Ok(listener),
            Err(cause) => refused = cause,
        }
    }
    if refused.kind() == io::ErrorKind::AddrInUse {
        return Err(HttpError::AddressInUse(address));
    }
    Err(HttpError::Bind { address, cause: refused })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Each connection inherits them.
    socket.set_recv_buffer_size(RECEIVED_BYTES_MAX)?;
    socket.set_send_buffer_size(SENT_BYTES_MAX)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What every connection needs.
#[derive(Clone)]
struct Serving {
    answers: TowerToHyperService<Router>,
    metrics: Metrics,
}

/// Answers until `stopped` fires or is dropped, then finishes the requests that are under way.
pub(crate) async fn serve(
    listener: TcpListener,
    answers: Router,
    room: Arc<Room>,
    metrics: Metrics,
    stopped: oneshot::Receiver<()>,
) {
    let serving = Serving { answers: TowerToHyperService::new(answers), metrics };
    tokio::select! {
        () = accept(&listener, &serving, &room) => {}
        _ = stopped => {}
    }
    drop(listener);
    if !room.close(STOP_WAIT_MAX).await {
        tracing::warn!("cut off http requests that were still open at the stop");
    }
}

/// Neither a client nor a shortage in the system ends this loop.
async fn accept(listener: &TcpListener, serving: &Serving, room: &Arc<Room>) {
    let without = Seldom::default();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let Some(place) = room.enter(from.ip()).await else { return };
                drop(tokio::spawn(converse(stream, serving.clone(), place)));
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                serving.metrics.process.http_cut_off.inc(HttpCutOff::Refused);
                let _made = room.make_room();
                if let Some(times) = without.happened() {
                    tracing::warn!(%error, times, "http: the system accepts no more connections");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether an error concerns only the connection that was being accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Reads one request and answers it. The place is given back after the socket is closed.
async fn converse(stream: TcpStream, serving: Serving, place: Place) {
    let answer = service_fn(|mut request: Request<Incoming>| {
        place.seat.asked();
        request.extensions_mut().insert(Arc::clone(&place.seat));
        let (answer, seat) = (serving.answers.call(request), Arc::clone(&place.seat));
        async move {
            let answer = answer.await;
            seat.answered();
            answer
        }
    });
    let mut connection = http1::Builder::new()
        .keep_alive(false)
        // The seat bounds the time, that of the answer too.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Unhurried::new(stream, || place.seat.is_asking())), answer);
    let cut_off = tokio::select! {
        // A client that can be answered is answered, even if its place is needed.
        biased;
        _ = &mut connection => return,
        reason = place.seat.must_leave() => reason,
    };
    serving.metrics.process.http_cut_off.inc(cut_off);
    // So that the system does not keep trying to send what nobody reads.
    let _reset = connection.into_parts().io.into_inner().into_inner().set_zero_linger();
}
