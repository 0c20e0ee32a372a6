//! Who may change something: callers that send the token. Guesses are delayed and logged. Not what is changed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plain_text::Secret;
use sha2::{Digest, Sha256};

use crate::room::Peer;
use crate::seldom::Seldom;

/// Shorter tokens can be guessed.
const CHARACTERS_MIN: usize = 16;

/// How long an address waits after its first wrong token; each further one doubles it.
const WAIT: Duration = Duration::from_millis(100);

/// But no longer than this.
const WAIT_MAX: Duration = Duration::from_secs(6);

/// An address that has sent no wrong token for this long is forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// Addresses that are remembered.
const PEERS_MAX: usize = 1_024;

/// The wrong tokens that one address has sent.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    times: u32,
    /// No token is checked before this time.
    until: Instant,
}

/// What becomes of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    /// It is wrong, and is answered after this time.
    Wrong(Duration),
    /// It was not checked.
    TooSoon(Duration),
}

/// Knows the token by its digest.
#[derive(Debug)]
pub(crate) struct Gate {
    token: [u8; 32],
    wrong: Mutex<HashMap<Peer, Wrong>>,
    log: Seldom,
}

impl Gate {
    pub(crate) fn new(token: &Secret) -> Self {
        if token.expose().len() < CHARACTERS_MIN {
            tracing::warn!(
                "--admin-token has fewer than {CHARACTERS_MIN} characters and could be guessed: use a random one, \
                 such as from `openssl rand -hex 32`"
            );
        }
        Self { token: digest(token.expose()), wrong: Mutex::default(), log: Seldom::default() }
    }

    /// Lets callers pass who send the token. All others get an answer that reveals nothing, later each time; until then none
    /// of their tokens is checked, however many they send.
    pub(crate) async fn pass(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Response> {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(shown) = shown.and_then(|shown| shown.strip_prefix("Bearer ")) else {
            return Err((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response());
        };
        match self.judge(peer, shown.trim(), Instant::now()) {
            Verdict::Right => Ok(()),
            Verdict::Wrong(wait) => {
                if let Some(times) = self.log.happened() {
                    tracing::warn!(%peer, times, "a client sent a wrong admin token");
                }
                tokio::time::sleep(wait).await;
                Err(StatusCode::FORBIDDEN.into_response())
            }
            Verdict::TooSoon(wait) => {
                let seconds = wait.as_secs() + 1;
                Err((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())]).into_response())
            }
        }
    }

    fn judge(&self, peer: Peer, shown: &str, now: Instant) -> Verdict {
        let mut known = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(&peer).copied().filter(|wrong| now < wrong.until + FORGIVEN_AFTER);
        if let Some(wait) =
            before.and_then(|wrong| wrong.until.checked_duration_since(now)).filter(|wait| !wait.is_zero())
        {
            return Verdict::TooSoon(wait);
        }
        if is_same(&digest(shown), &self.token) {
            known.remove(&peer);
            return Verdict::Right;
        }
        let times = before.map_or(0, |wrong| wrong.times).saturating_add(1);
        let wait = WAIT.saturating_mul(2_u32.saturating_pow(times - 1)).min(WAIT_MAX);
        if known.len() >= PEERS_MAX && !known.contains_key(&peer) {
            forget_one(&mut known);
        }
        known.insert(peer, Wrong { times, until: now + wait });
        Verdict::Wrong(wait)
    }
}

/// Forgets the address whose last wrong token is the oldest.
fn forget_one(known: &mut HashMap<Peer, Wrong>) {
    let oldest = known.iter().min_by_key(|(_, wrong)| wrong.until).map(|(peer, _)| *peer);
    oldest.and_then(|peer| known.remove(&peer));
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Takes the same time wherever they differ. It compares digests, so that the length reveals nothing either.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differing, (one, other)| std::hint::black_box(differing | (one ^ other))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u16) -> Peer {
        Peer::of(std::net::Ipv4Addr::new(10, 0, number.to_be_bytes()[0], number.to_be_bytes()[1]).into())
    }

    fn gate() -> Gate {
        Gate::new(&Secret::new("a right token".into()))
    }

    #[test]
    fn each_wrong_token_costs_twice_the_time_of_the_one_before() {
        let (gate, mut now) = (gate(), Instant::now());
        for wait in [100, 200, 400, 800, 1_600, 3_200, 6_000, 6_000] {
            let wait = Duration::from_millis(wait);
            assert_eq!(gate.judge(peer(1), "wrong", now), Verdict::Wrong(wait));
            assert_eq!(gate.judge(peer(1), "wrong", now), Verdict::TooSoon(wait));
            assert_eq!(gate.judge(peer(1), "a right token", now), Verdict::TooSoon(wait), "it is not looked at");
            now += wait;
        }
        assert_eq!(gate.judge(peer(2), "a right token", now), Verdict::Right, "others do not wait");
        assert_eq!(gate.judge(peer(1), "a right token", now), Verdict::Right);
        assert_eq!(gate.judge(peer(1), "wrong", now), Verdict::Wrong(WAIT), "and all is forgiven");
    }

    #[test]
    fn what_was_long_ago_is_forgiven() {
        let (gate, now) = (gate(), Instant::now());
        for times in 0..5 {
            gate.judge(peer(1), "wrong", now + times * WAIT_MAX);
        }
        assert_eq!(gate.judge(peer(1), "wrong", now + 2 * FORGIVEN_AFTER), Verdict::Wrong(WAIT));
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let (gate, now) = (gate(), Instant::now());
        for number in 0..5_000 {
            gate.judge(peer(number), "wrong", now + Duration::from_millis(number.into()));
        }
        let known = gate.wrong.lock().unwrap();
        assert!(known.len() == PEERS_MAX && known.contains_key(&peer(4_999)) && !known.contains_key(&peer(0)));
    }
}
