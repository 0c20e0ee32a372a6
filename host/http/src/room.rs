//! The places for connections: how many there are, who has one, and who loses it when all are taken or its time is
//! over. Not what is sent over them.
//!
//! No client can keep its place at the expense of others: when all are taken, a new connection replaces the oldest one of
//! the address that has the most. A flood therefore costs only its own connections, and a client that sends its request at
//! once, as probes do, is answered at once.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use observe::metrics::HttpCutOff;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::seldom::Seldom;

/// The most places; each costs some 20 KiB, and up to 300 KiB in the system if its client reads slowly.
const PLACES_MAX: usize = 512;

/// The fewest places, however few files may be open.
const PLACES_MIN: usize = 16;

/// One in this many of the files that may be open may be a connection; the others are for state and broker.
const SHARE: u64 = 4;

/// How long a request may take to arrive after its connection was accepted.
pub(crate) const ASKING_TIME_MAX: Duration = Duration::from_secs(5);

/// How long it may take to make the answer, and then for the client to read it.
pub(crate) const ANSWERING_TIME_MAX: Duration = Duration::from_secs(30);

/// How often it is checked whether a connection without a deadline has been given one.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The client, as far as an address identifies it: with IPv6, each is given 64 bits of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How long connections may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) asking: Duration,
    pub(crate) answering: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The request is not complete.
    Asking,
    /// The answer is being made.
    Answering,
    /// The same, for a caller who has sent the token: it stays until it is answered.
    Kept,
    /// The answer is being sent.
    Sending,
}

/// What is known about one connection. Its request carries it along.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) peer: Peer,
    times: Times,
    /// When the connection is cut off unless something changes.
    stage: Mutex<(Stage, Instant)>,
    leave: Notify,
}

impl Seat {
    fn new(peer: Peer, times: Times) -> Self {
        Self { peer, times, stage: Mutex::new((Stage::Asking, Instant::now() + times.asking)), leave: Notify::new() }
    }

    /// The request is complete.
    pub(crate) fn asked(&self) {
        self.enter(Stage::Answering);
    }

    /// The caller may wait for as long as it takes.
    pub(crate) fn keep(&self) {
        self.enter(Stage::Kept);
    }

    /// The answer is complete.
    pub(crate) fn answered(&self) {
        self.enter(Stage::Sending);
    }

    fn enter(&self, stage: Stage) {
        *lock(&self.stage) = (stage, Instant::now() + self.times.answering);
    }

    /// Whether the request is not complete.
    pub(crate) fn is_asking(&self) -> bool {
        self.stage() == Stage::Asking
    }

    fn stage(&self) -> Stage {
        lock(&self.stage).0
    }

    fn until(&self) -> Instant {
        let (stage, until) = *lock(&self.stage);
        if stage == Stage::Kept { Instant::now() + LOOK_INTERVAL } else { until }
    }

    /// Waits until the connection has to go, and says why.
    pub(crate) async fn must_leave(&self) -> HttpCutOff {
        loop {
            tokio::select! {
                () = self.leave.notified() => return HttpCutOff::Room,
                () = tokio::time::sleep_until(self.until()) => {}
            }
            if self.until() <= Instant::now() {
                return HttpCutOff::Slow;
            }
        }
    }
}

/// All places of the server.
#[derive(Debug)]
pub(crate) struct Room {
    places: u32,
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
    times: Times,
    full: Seldom,
}

#[derive(Debug, Default)]
struct Taken {
    /// In order of arrival.
    seats: VecDeque<Arc<Seat>>,
    by_peer: HashMap<Peer, usize>,
}

impl Taken {
    fn add(&mut self, seat: Arc<Seat>) {
        *self.by_peer.entry(seat.peer).or_default() += 1;
        self.seats.push_back(seat);
    }

    fn remove(&mut self, position: usize) -> Option<Arc<Seat>> {
        let seat = self.seats.remove(position)?;
        if let Some(count) = self.by_peer.get_mut(&seat.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&seat.peer);
            }
        }
        Some(seat)
    }

    /// The oldest of the address that has the most; one of another address if all of those have to stay.
    fn to_go(&self) -> Option<usize> {
        let most = self.by_peer.values().max();
        let may_go = |seat: &Arc<Seat>| seat.stage() != Stage::Kept;
        let has_most = |seat: &Arc<Seat>| self.by_peer.get(&seat.peer) == most;
        let of_most = self.seats.iter().position(|seat| has_most(seat) && may_go(seat));
        of_most.or_else(|| self.seats.iter().position(may_go))
    }
}

/// A place that is taken; dropping this frees it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) seat: Arc<Seat>,
    room: Arc<Room>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.room.taken);
        let position = taken.seats.iter().position(|seat| Arc::ptr_eq(seat, &self.seat));
        let _seat = position.and_then(|position| taken.remove(position));
    }
}

/// How many connections there may be if this many files may be open.
pub(crate) fn places(open_files: u64) -> usize {
    usize::try_from(open_files / SHARE).unwrap_or(PLACES_MAX).clamp(PLACES_MIN, PLACES_MAX)
}

impl Room {
    pub(crate) fn new(places: usize, times: Times) -> Self {
        let free = Arc::new(Semaphore::new(places));
        Self {
            places: u32::try_from(places).unwrap_or(u32::MAX),
            free,
            taken: Mutex::default(),
            times,
            full: Seldom::default(),
        }
    }

    /// Takes a place for a connection from this address; if none is free, the place of another. Never `None` while the
    /// server runs.
    pub(crate) async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                if let Some(times) = self.full.happened() {
                    let places = self.places;
                    tracing::warn!(%address, places, times, "http: all connections are taken; new ones replace the \
                     oldest");
                }
                let _made = self.make_room();
                // The other has to close its socket first: there are never more sockets than places.
                Arc::clone(&self.free).acquire_owned().await.ok()?
            }
        };
        let seat = Arc::new(Seat::new(Peer::of(address), self.times));
        lock(&self.taken).add(Arc::clone(&seat));
        Some(Place { seat, room: Arc::clone(self), _permit: permit })
    }

    /// Closes one connection; false if none may be closed.
    pub(crate) fn make_room(&self) -> bool {
        let mut taken = lock(&self.taken);
        let position = taken.to_go();
        Self::send_away(&mut taken, position)
    }

    /// Closes the connection that has been reading its answer for the longest time; false if there is none.
    pub(crate) fn drop_an_answer(&self) -> bool {
        let mut taken = lock(&self.taken);
        let position = taken.seats.iter().position(|seat| seat.stage() == Stage::Sending);
        Self::send_away(&mut taken, position)
    }

    fn send_away(taken: &mut Taken, position: Option<usize>) -> bool {
        let seat = position.and_then(|position| taken.remove(position));
        seat.as_ref().inspect(|seat| seat.leave.notify_one()).is_some()
    }

    /// Closes connections without a complete request, and waits until all others have their answers; false if that takes
    /// longer than `wait_max`.
    pub(crate) async fn close(&self, wait_max: Duration) -> bool {
        for seat in lock(&self.taken).seats.iter().filter(|seat| seat.stage() == Stage::Asking) {
            seat.leave.notify_one();
        }
        tokio::time::timeout(wait_max, self.free.acquire_many(self.places)).await.is_ok()
    }
}

/// A thread that panicked while it held the lock left a consistent value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { asking: ASKING_TIME_MAX, answering: ANSWERING_TIME_MAX };

    fn room(places: usize) -> Arc<Room> {
        Arc::new(Room::new(places, TIMES))
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    async fn enter(room: &Arc<Room>, address: &str) -> Place {
        room.enter(address.parse().unwrap()).await.unwrap()
    }

    /// Whether the connection has lost its place.
    async fn is_sent_away(place: &Place) -> bool {
        tokio::time::timeout(Duration::from_millis(10), place.seat.must_leave()).await == Ok(HttpCutOff::Room)
    }

    #[test]
    fn a_part_of_the_open_files_is_for_connections() {
        let of = [64, 256, 1_024, 4_096, 1 << 20, u64::MAX].map(places);
        assert_eq!(of, [16, 64, 256, 512, 512, 512]);
    }

    #[test]
    fn addresses_of_one_network_are_one_peer() {
        let of = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::9"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn the_longest_of_the_address_with_the_most_goes() {
        run(async {
            let room = room(4);
            let other = enter(&room, "192.0.2.9").await;
            let flood =
                [enter(&room, "192.0.2.1").await, enter(&room, "192.0.2.1").await, enter(&room, "192.0.2.1").await];
            flood[0].seat.answered();
            assert!(room.make_room());
            assert!(is_sent_away(&flood[0]).await, "reading an answer slowly is no way to stay");
            assert!(room.make_room());
            assert!(is_sent_away(&flood[1]).await && !is_sent_away(&flood[2]).await && !is_sent_away(&other).await);
        });
    }

    #[test]
    fn a_newcomer_waits_until_the_place_is_really_free() {
        run(async {
            let room = room(1);
            let first = enter(&room, "192.0.2.1").await;
            let second = tokio::spawn({
                let room = Arc::clone(&room);
                async move { enter(&room, "192.0.2.1").await }
            });
            assert!(is_sent_away(&first).await && !second.is_finished(), "its socket is still open");
            drop(first);
            let second = second.await.unwrap();
            assert!(!is_sent_away(&second).await);
            assert_eq!(lock(&room.taken).seats.len(), 1);
        });
    }

    #[test]
    fn who_has_shown_the_token_stays_until_it_is_answered() {
        run(async {
            let room = Arc::new(Room::new(2, Times { asking: Duration::ZERO, answering: Duration::ZERO }));
            let kept = enter(&room, "192.0.2.1").await;
            kept.seat.keep();
            assert!(!room.make_room(), "and there is nobody else");
            let leaves = tokio::time::timeout(2 * LOOK_INTERVAL, kept.seat.must_leave());
            assert!(leaves.await.is_err(), "no time is up for it");
            kept.seat.answered();
            assert_eq!(kept.seat.must_leave().await, HttpCutOff::Slow);
        });
    }

    #[test]
    fn answers_that_are_not_taken_go_before_others_are_made() {
        run(async {
            let room = room(4);
            let asking = enter(&room, "192.0.2.1").await;
            assert!(!room.drop_an_answer());
            let sending = enter(&room, "192.0.2.2").await;
            sending.seat.answered();
            assert!(room.drop_an_answer() && !room.drop_an_answer());
            assert!(is_sent_away(&sending).await && !is_sent_away(&asking).await);
        });
    }
}
