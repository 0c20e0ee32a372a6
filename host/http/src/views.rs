//! Answers that are expensive to compute. They are computed one at a time on a separate thread, each once for all clients
//! that wait for it, and no more often than its cost allows. Not the addresses that serve them.
//!
//! Computing them takes locks that the line takes too: for at most a tenth of the time, however many clients ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use observe::insights::Insights;
use observe::metrics::Metrics;
use observe::status::{Snapshot, Status};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::as_json::{self, refuse};
use crate::page;
use crate::room::Room;
use crate::text::{now_ms, plain};

/// After each answer, none is made for this many times as long as it took.
const REST: u32 = 9;

/// But for no longer than this.
const REST_MAX: Duration = Duration::from_millis(250);

/// Bytes of answers that clients have not read yet. Beyond this, the clients that have been reading for longest are cut off.
const BYTES_MAX: usize = 64 << 20;

/// One of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The live page.
    Page,
    /// The status, for people at a terminal.
    Text,
    /// The status, for programs.
    Status,
    /// Whether the host is ready.
    Readiness,
    /// What Prometheus scrapes.
    Metrics,
    /// What duplicates are like.
    Duplicates,
    /// The keys with the most duplicates.
    Keys,
    /// The latest duplicates.
    Latest,
}

/// What answers are made from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What the host is doing.
    pub status: Arc<Status>,
    /// What it counts and measures.
    pub metrics: Metrics,
    /// What its duplicates are like.
    pub insights: Arc<Insights>,
}

/// An answer; clones share its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) code: StatusCode,
    content_type: &'static str,
    bytes: Bytes,
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        (self.code, [(header::CONTENT_TYPE, self.content_type)], self.bytes).into_response()
    }
}

/// The code, the kind and the text of an answer.
type Text = (StatusCode, &'static str, Vec<u8>);

fn json_text(code: StatusCode, answer: &impl Serialize) -> Text {
    match as_json::text(answer) {
        Ok(text) => (code, as_json::CONTENT_TYPE, text),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(reason: &str) -> Text {
    let text = as_json::text(&json!({ "error": reason })).unwrap_or_default();
    (StatusCode::INTERNAL_SERVER_ERROR, as_json::CONTENT_TYPE, text)
}

impl View {
    fn text(self, facts: &Facts) -> Text {
        let snapshot = || facts.status.snapshot();
        match self {
            Self::Page => (StatusCode::OK, "text/html; charset=utf-8", page::index(&snapshot()).into_bytes()),
            Self::Text => (StatusCode::OK, "text/plain; charset=utf-8", plain(&snapshot()).into_bytes()),
            Self::Status => json_text(StatusCode::OK, &snapshot()),
            Self::Readiness => {
                let Snapshot { ready, reasons, notes, partitions, .. } = snapshot();
                let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                let answer = json!({ "ready": ready, "reasons": reasons, "notes": notes, "partitions": partitions });
                json_text(code, &answer)
            }
            Self::Metrics => match facts.metrics.render() {
                Ok(text) => (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes()),
                Err(error) => failed(&error.to_string()),
            },
            Self::Duplicates => json_text(StatusCode::OK, &facts.insights.duplicates(now_ms())),
            Self::Keys => json_text(StatusCode::OK, &facts.insights.keys()),
            Self::Latest => json_text(StatusCode::OK, &facts.insights.latest()),
        }
    }
}

/// The bytes of an answer, counted for as long as anybody holds them.
struct Counted {
    text: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl Counted {
    fn new(text: Vec<u8>, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(text.len(), Ordering::Relaxed);
        Self { text, held: Arc::clone(held) }
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.text.len(), Ordering::Relaxed);
    }
}

/// A client that waits for an answer.
type Waiting = (View, oneshot::Sender<Made>);

/// Asks for answers. Clones ask the same threads.
#[derive(Debug, Clone)]
pub(crate) struct Views {
    readiness: mpsc::UnboundedSender<Waiting>,
    others: mpsc::UnboundedSender<Waiting>,
}

impl Views {
    /// Starts the threads that make answers. Readiness has a thread of its own, so that it waits for no other answer.
    pub(crate) fn start(facts: &Facts, room: &Arc<Room>) -> Self {
        let held = Arc::new(AtomicUsize::new(0));
        let maker = || {
            let (ask, asked) = mpsc::unbounded_channel();
            let maker = Maker { facts: facts.clone(), room: Arc::clone(room), held: Arc::clone(&held), asked };
            drop(tokio::spawn(maker.run()));
            ask
        };
        Self { readiness: maker(), others: maker() }
    }

    /// The answer as of a moment after this call. At most one waits for each connection.
    pub(crate) async fn get(&self, view: View) -> Result<Made, Response> {
        let (answer, made) = oneshot::channel();
        let maker = if view == View::Readiness { &self.readiness } else { &self.others };
        let asked = maker.send((view, answer)).is_ok();
        let made = if asked { made.await.ok() } else { None };
        made.ok_or_else(|| {
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "cannot produce the answer: see the log of the host")
        })
    }
}

struct Maker {
    facts: Facts,
    room: Arc<Room>,
    held: Arc<AtomicUsize>,
    asked: mpsc::UnboundedReceiver<Waiting>,
}

impl Maker {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                match self.asked.recv().await {
                    Some(first) => waiting.push(first),
                    None => return,
                }
            }
            while let Ok(more) = self.asked.try_recv() {
                waiting.push(more);
            }
            waiting.retain(|(_, answer)| !answer.is_closed());
            // The client that has waited longest comes first, so that no view starves another.
            let Some(&(view, _)) = waiting.first() else { continue };
            let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(wanted, _)| *wanted == view);
            waiting = later;
            self.make_for(view, now).await;
        }
    }

    async fn make_for(&self, view: View, waiting: Vec<Waiting>) {
        while self.held.load(Ordering::Relaxed) > BYTES_MAX && self.room.drop_an_answer() {
            tokio::task::yield_now().await;
        }
        let (facts, held) = (self.facts.clone(), Arc::clone(&self.held));
        let begun = Instant::now();
        let made = tokio::task::spawn_blocking(move || {
            let (code, content_type, text) = view.text(&facts);
            Made { code, content_type, bytes: Bytes::from_owner(Counted::new(text, &held)) }
        });
        match made.await {
            Ok(made) => waiting.into_iter().for_each(|(_, answer)| drop(answer.send(made.clone()))),
            Err(error) => tracing::error!(%error, ?view, "cannot produce an answer over http"),
        }
        tokio::time::sleep((begun.elapsed() * REST).min(REST_MAX)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{ANSWERING_TIME_MAX, ASKING_TIME_MAX, Times};

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    fn facts() -> Facts {
        let (status, insights) = (Arc::new(Status::new()), Arc::new(Insights::new(false)));
        Facts { status, metrics: Metrics::new().unwrap(), insights }
    }

    fn room() -> Arc<Room> {
        Arc::new(Room::new(4, Times { asking: ASKING_TIME_MAX, answering: ANSWERING_TIME_MAX }))
    }

    #[test]
    fn many_who_ask_at_once_share_few_answers_and_each_is_of_after_it_was_asked() {
        run(async {
            let (facts, asked) = (facts(), 500_u64);
            let views = Views::start(&facts, &room());
            let ask = |number: u16| {
                let (views, metrics) = (views.clone(), facts.metrics.clone());
                tokio::spawn(async move {
                    metrics.http_request("/", number);
                    let made = views.get(View::Metrics).await.unwrap();
                    assert!(String::from_utf8_lossy(&made.bytes).contains(&format!("code=\"{number}\"")));
                    made.bytes.as_ptr() as usize
                })
            };
            let answers: Vec<_> = (0..asked).map(|number| ask(u16::try_from(number).unwrap())).collect();
            let mut distinct = std::collections::BTreeSet::new();
            for answer in answers {
                distinct.insert(answer.await.unwrap());
            }
            assert!(distinct.len() <= 3, "{} answers were made for {asked}", distinct.len());
        });
    }

    #[test]
    fn no_view_starves_another() {
        run(async {
            let views = Views::start(&facts(), &room());
            let greedy = tokio::spawn({
                let views = views.clone();
                async move {
                    loop {
                        drop(views.get(View::Metrics).await);
                    }
                }
            });
            for view in
                [View::Page, View::Text, View::Status, View::Readiness, View::Duplicates, View::Keys, View::Latest]
            {
                let made = tokio::time::timeout(Duration::from_secs(5), views.get(view)).await;
                assert!(made.is_ok_and(|made| made.is_ok()), "{view:?}");
            }
            greedy.abort();
        });
    }

    #[test]
    fn bytes_that_nobody_takes_are_counted_until_the_last_has_gone() {
        let held = Arc::new(AtomicUsize::new(0));
        let bytes = Bytes::from_owner(Counted::new(vec![0; 1_000], &held));
        let other = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(held.load(Ordering::Relaxed), 1_000);
        drop(other);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn too_many_bytes_that_are_not_taken_cost_the_place_of_who_holds_them() {
        run(async {
            let (room, held) = (room(), Arc::new(AtomicUsize::new(0)));
            let place = room.enter("192.0.2.1".parse().unwrap()).await.unwrap();
            place.seat.answered();
            let hoard = Bytes::from_owner(Counted::new(vec![0; BYTES_MAX + 1], &held));
            let (_ask, asked) = mpsc::unbounded_channel();
            let maker = Maker { facts: facts(), room: Arc::clone(&room), held: Arc::clone(&held), asked };
            let slow = tokio::spawn(async move {
                let left = place.seat.must_leave().await;
                drop(hoard);
                left
            });
            let (answer, made) = oneshot::channel();
            maker.make_for(View::Text, vec![(View::Text, answer)]).await;
            assert!(made.await.is_ok() && slow.is_finished());
            assert!(held.load(Ordering::Relaxed) <= BYTES_MAX);
        });
    }
}
