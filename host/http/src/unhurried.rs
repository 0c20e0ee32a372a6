//! A connection whose request is read only so often: a client that sends it byte by byte, however fast, costs no more than
//! one that sends it slowly. Not a time limit: that is `room`.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Time between two successful reads. A request usually arrives in one piece and needs one read.
const PAUSE: Duration = Duration::from_millis(100);

/// See the module. After the request, a read can only find that the client has gone, which has to be noticed at once.
pub(super) struct Unhurried<F> {
    stream: TcpStream,
    is_asking: F,
    /// When it may be read again; `None` before the first successful read.
    next: Option<Pin<Box<Sleep>>>,
}

impl<F> Unhurried<F> {
    pub(super) fn new(stream: TcpStream, is_asking: F) -> Self {
        Self { stream, is_asking, next: None }
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl<F: Fn() -> bool + Unpin> AsyncRead for Unhurried<F> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(next) = &mut this.next
            && !next.is_elapsed()
            && (this.is_asking)()
        {
            ready!(next.as_mut().poll(cx));
        }
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        if buf.filled().len() > before {
            match &mut this.next {
                Some(next) => next.as_mut().reset(Instant::now() + PAUSE),
                None => this.next = Some(Box::pin(sleep(PAUSE))),
            }
        }
        Poll::Ready(result)
    }
}

impl<F: Unpin> AsyncWrite for Unhurried<F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    const BYTES: usize = 60;

    /// Sends one byte every few milliseconds.
    fn trickle() -> std::net::TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut client = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        client.set_nodelay(true).expect("an option");
        std::thread::spawn(move || {
            for _ in 0..BYTES {
                client.write_all(b"x").expect("taken");
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        listener.accept().expect("accepted").0
    }

    /// Reads to the end; returns how many reads succeeded, and how many bytes they returned.
    async fn read_all(mut stream: Unhurried<fn() -> bool>) -> (u32, usize) {
        let (mut reads, mut bytes) = (0, 0);
        loop {
            let mut space = [0; 256];
            let mut buf = ReadBuf::new(&mut space);
            poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buf)).await.expect("read");
            if buf.filled().is_empty() {
                return (reads, bytes);
            }
            reads += 1;
            bytes += buf.filled().len();
        }
    }

    #[test]
    fn a_client_that_sends_byte_by_byte_is_read_seldom_and_completely() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let stream = trickle();
        stream.set_nonblocking(true).expect("an option");
        let begun = Instant::now();
        let (reads, bytes) = runtime.block_on(async {
            read_all(Unhurried::new(TcpStream::from_std(stream).expect("a stream"), || true)).await
        });
        assert_eq!(bytes, BYTES);
        let most = 1 + begun.elapsed().as_millis() / PAUSE.as_millis();
        assert!(u128::from(reads) <= most, "{reads} reads where {most} are allowed");
        assert!(reads < 60, "each byte was read by itself");
    }
}
