//! What a consumer does when the group gives partitions or takes them away: it tells the [`Assignments`] and answers the
//! group, without waiting for any broker. Not which partitions are read, nor from where.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use connectors::Assignments;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::inspect::Words;
use crate::membership::Membership;

/// What this member has of the group.
#[derive(Default)]
struct Standing {
    /// As of the last rebalance; `None` where the member was thrown out.
    membership: Option<Arc<Membership>>,
    /// Partitions that the group has given and not taken, whether they are read or not.
    held: BTreeSet<i32>,
}

impl Standing {
    /// Takes up the membership of a rebalance. Returns whether what is held was held all the time: a member that was
    /// thrown out and came back is another one, and librdkafka may not have noticed that its partitions were another's
    /// meanwhile.
    fn renew(&mut self, now: Option<Membership>) -> bool {
        let same = match (&self.membership, &now) {
            (Some(before), Some(now)) => before.same_member(now),
            (None, _) | (_, None) => false,
        };
        self.membership = now.map(Arc::new);
        same || self.held.is_empty()
    }
}

/// What the client tells of, and what came of it.
pub(crate) struct Rebalances {
    assignments: Arc<dyn Assignments>,
    topic: String,
    /// Another client has taken its place: what the group gives or takes from now on concerns nobody.
    retired: AtomicBool,
    standing: Mutex<Standing>,
    failure: Mutex<Option<KafkaFailure>>,
    /// What librdkafka said of the last error.
    words: Words,
    said: Mutex<Said>,
}

/// Time between two log lines of the same error: a client that cannot go on says so several times a second.
const SAY_INTERVAL: Duration = Duration::from_secs(30);

/// Errors that were logged, and since then were not.
#[derive(Default)]
struct Said(Vec<(RDKafkaErrorCode, Instant, u64)>);

impl Said {
    /// Whether an error is to be logged now and, if so, how often it was not since the last time.
    fn may_say(&mut self, code: RDKafkaErrorCode) -> Option<u64> {
        let now = Instant::now();
        match self.0.iter_mut().find(|(said, ..)| *said == code) {
            Some((_, at, unsaid)) if now.duration_since(*at) < SAY_INTERVAL => {
                *unsaid += 1;
                None
            }
            Some((_, at, unsaid)) => {
                *at = now;
                Some(std::mem::take(unsaid))
            }
            None => {
                self.0.push((code, now, 0));
                Some(0)
            }
        }
    }
}

impl ClientContext for Rebalances {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is no error; the poll reports it too.
        let Some(code) = error.rdkafka_error_code().filter(|code| *code != RDKafkaErrorCode::PartitionEOF) else {
            return;
        };
        self.words.put(reason);
        let may_say = self.said.lock().unwrap_or_else(PoisonError::into_inner).may_say(code);
        if let Some(unsaid) = may_say {
            tracing::warn!(%error, reason, unsaid, "kafka consumer");
        }
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.retired.load(Ordering::Acquire) {
            let is_assign = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
            let answered = match is_assign {
                true => consumer.incremental_assign(&TopicPartitionList::new()),
                false => consumer.incremental_unassign(list),
            };
            // It is being closed, and whether it takes the answer concerns nobody either.
            return answered.unwrap_or_default();
        }
        let listed: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
        let assign = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if let Err(failure) = self.follow(consumer, assign, &listed) {
            self.fail(failure);
        }
    }
}

impl Rebalances {
    pub(crate) fn new(assignments: Arc<dyn Assignments>, topic: &str) -> Self {
        Self {
            assignments,
            topic: topic.to_owned(),
            retired: AtomicBool::new(false),
            standing: Mutex::default(),
            failure: Mutex::new(None),
            words: Words::default(),
            said: Mutex::default(),
        }
    }

    /// From now on it tells nobody of partitions. Answers who was told.
    pub(crate) fn retire(&self) -> Arc<dyn Assignments> {
        self.retired.store(true, Ordering::Release);
        Arc::clone(&self.assignments)
    }

    /// Who the member was in the last rebalance; `None` while it is out of the group.
    pub(crate) fn membership(&self) -> Option<Arc<Membership>> {
        self.standing().membership.clone()
    }

    /// Whether the group has given partitions and not taken them.
    pub(crate) fn holds_any(&self) -> bool {
        !self.standing().held.is_empty()
    }

    /// What went wrong in a rebalance.
    pub(crate) fn take_failure(&self) -> Option<KafkaFailure> {
        self.failure.lock().ok().and_then(|mut slot| slot.take())
    }

    /// What librdkafka said of the last error.
    pub(crate) fn take_words(&self) -> String {
        self.words.take()
    }

    pub(crate) fn read<T>(&self, result: KafkaResult<T>) -> Result<T, KafkaFailure> {
        result.map_err(|error| KafkaFailure::Read { topic: self.topic.clone(), cause: error.to_string() })
    }

    /// Answers a rebalance without waiting for any broker. Partitions that come are not assigned to the client here, but
    /// one by one when it is known where to read them from: until then there is nothing to fetch, and heart-beats go on.
    fn follow(&self, consumer: &BaseConsumer<Self>, assign: bool, listed: &[i32]) -> Result<(), KafkaFailure> {
        // Before anything is released: until this returns, workers commit with the generation that takes partitions away.
        let (continuous, held) = {
            let mut standing = self.standing();
            (standing.renew(Membership::of(consumer)) && !consumer.assignment_lost(), standing.held.clone())
        };
        let Steps { going, coming } = steps(&held, continuous, assign, listed);
        if !going.is_empty() {
            self.assignments.revoked(&going, !continuous);
        }
        {
            let mut standing = self.standing();
            standing.held.retain(|partition| !going.contains(partition));
            standing.held.extend(&coming);
        }
        let unassigned = self.unassign(consumer, &going, assign);
        if assign {
            // The rebalance waits for this answer, though there is nothing to fetch yet.
            unassigned.and(self.read(consumer.incremental_assign(&TopicPartitionList::new())))?;
        } else {
            unassigned?;
        }
        if assign || !coming.is_empty() {
            self.assignments.assigned(&coming);
        }
        Ok(())
    }

    /// Partitions that go leave the client, as far as they are there. A revocation waits for this answer, even if none is.
    fn unassign(&self, consumer: &BaseConsumer<Self>, going: &[i32], assign: bool) -> Result<(), KafkaFailure> {
        let begun = self.read(consumer.assignment())?;
        let mut list = TopicPartitionList::new();
        for element in begun.elements().iter().filter(|element| going.contains(&element.partition())) {
            list.add_partition(&self.topic, element.partition());
        }
        if assign && list.count() == 0 {
            return Ok(());
        }
        self.read(consumer.incremental_unassign(&list))
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Whole after a panic, too: each change is one step.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: KafkaFailure) {
        tracing::error!(%failure, "rebalance");
        if let Ok(mut slot) = self.failure.lock() {
            slot.get_or_insert(failure);
        }
    }
}

/// What a rebalance comes to.
#[derive(Debug, PartialEq, Eq)]
struct Steps {
    /// Partitions that go.
    going: Vec<i32>,
    /// Partitions that come, after the others have gone.
    coming: Vec<i32>,
}

/// A member that was thrown out has lost all that it held. What the group leaves it with comes anew, though librdkafka,
/// which compares only what it is told to have, does not say so.
fn steps(held: &BTreeSet<i32>, continuous: bool, assign: bool, listed: &[i32]) -> Steps {
    let listed_too = |partition: &i32| listed.contains(partition);
    match (continuous, assign) {
        (true, true) => Steps {
            going: Vec::new(),
            coming: listed.iter().copied().filter(|partition| !held.contains(partition)).collect(),
        },
        (true, false) => Steps { going: listed.to_vec(), coming: Vec::new() },
        (false, true) => Steps {
            going: held.iter().copied().collect(),
            coming: held
                .iter()
                .copied()
                .filter(|partition| !listed_too(partition))
                .chain(listed.iter().copied())
                .collect(),
        },
        (false, false) => Steps {
            going: held.iter().copied().collect(),
            coming: held.iter().copied().filter(|partition| !listed_too(partition)).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(held: &[i32], continuous: bool, assign: bool, listed: &[i32], going: &[i32], coming: &[i32]) {
        let held = held.iter().copied().collect();
        let wanted = Steps { going: going.to_vec(), coming: coming.to_vec() };
        assert_eq!(steps(&held, continuous, assign, listed), wanted);
    }

    #[test]
    fn a_member_that_stayed_gets_and_gives_what_is_listed() {
        check(&[1, 2], true, true, &[5], &[], &[5]);
        check(&[1, 2], true, true, &[], &[], &[]);
        check(&[1, 2], true, false, &[2], &[2], &[]);
    }

    #[test]
    fn a_member_that_was_thrown_out_has_lost_what_it_held_and_opens_anew_what_it_keeps() {
        check(&[1, 2], false, false, &[1, 2], &[1, 2], &[]);
        check(&[1, 2], false, false, &[2], &[1, 2], &[1]);
        check(&[1, 2], false, true, &[5], &[1, 2], &[1, 2, 5]);
        check(&[1, 2], false, true, &[2], &[1, 2], &[1, 2]);
    }
}
