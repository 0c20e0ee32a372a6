//! How an operator reloads plugins over HTTP: requests go from the server to the part that reloads plugins, and results come
//! back. Neither the reload itself nor who may ask for it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;

/// Requests that wait for their turn.
const WAITING_MAX: usize = 8;

/// How long a request waits for its answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// What became of a swap that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Swap {
    /// Other plugins are in force.
    Swapped {
        /// Their number.
        generation: u64,
        /// Name, version and digest of each.
        plugins: Vec<String>,
    },
    /// The files are those of the plugins in force.
    Unchanged {
        /// The number of the plugins in force.
        generation: u64,
    },
    /// The plugins in force stay.
    Refused {
        /// Their number.
        generation: u64,
        /// Why, and what can be done.
        reason: String,
    },
    /// It takes longer than a caller waits. It goes on, and the status says how it ended.
    Pending,
}

/// Asks for a swap from another thread. Clones ask the same.
#[derive(Debug, Clone)]
pub struct ReloadClient(SyncSender<ReloadRequest>);

/// Where requests arrive.
#[derive(Debug)]
pub struct ReloadRequests(Receiver<ReloadRequest>);

/// One request; whoever made it waits for the answer.
#[derive(Debug)]
pub struct ReloadRequest(oneshot::Sender<Swap>);

/// Every [`ReloadClient`] is gone, so that there will be no more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody can ask for a reload any more")]
pub struct Disconnected;

/// The two ends of a queue of requests.
#[must_use]
pub fn reload_channel() -> (ReloadClient, ReloadRequests) {
    let (ask, asked) = sync_channel(WAITING_MAX);
    (ReloadClient(ask), ReloadRequests(asked))
}

impl ReloadRequests {
    /// The next request; `None` if none comes within `time`.
    ///
    /// # Errors
    /// Nobody can ask any more.
    pub fn next(&self, time: Duration) -> Result<Option<ReloadRequest>, Disconnected> {
        match self.0.recv_timeout(time) {
            Ok(request) => Ok(Some(request)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Disconnected),
        }
    }
}

impl ReloadRequest {
    /// Whether the caller has gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }

    /// Says what became of it, if anybody still waits.
    pub fn answer(self, swap: Swap) {
        drop(self.0.send(swap));
    }
}

impl ReloadClient {
    /// Waits until the swap is done or refused, or takes too long. `None`: nobody takes requests now, or too many are
    /// waiting.
    pub async fn ask(&self) -> Option<Swap> {
        self.ask_for(ANSWER_TIME_MAX).await
    }

    async fn ask_for(&self, time_max: Duration) -> Option<Swap> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(ReloadRequest(reply)).ok()?;
        match tokio::time::timeout(time_max, answer).await {
            Ok(answer) => answer.ok(),
            Err(_) => Some(Swap::Pending),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_ever_and_who_gave_up_is_not_answered() {
        let (client, requests) = reload_channel();
        assert_eq!(client.ask_for(Duration::from_millis(20)).await, Some(Swap::Pending));
        assert!(requests.next(Duration::ZERO).unwrap().unwrap().is_abandoned());
        assert!(requests.next(Duration::ZERO).unwrap().is_none());
        drop(requests);
        assert_eq!(client.ask_for(Duration::from_secs(60)).await, None);
    }

    #[test]
    fn requests_end_with_the_last_client() {
        let (client, requests) = reload_channel();
        let other = client.clone();
        drop(client);
        assert!(requests.next(Duration::ZERO).is_ok());
        drop(other);
        assert_eq!(requests.next(Duration::from_secs(60)).err(), Some(Disconnected));
    }
}
