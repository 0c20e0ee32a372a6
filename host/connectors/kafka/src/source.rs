//! The consumer: one group member, one polling thread. It counts offsets itself and never trusts stored positions.
//! It does not decide where a partition starts: that is asked of [`Assignments`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::record::{NewRecord, Offset, RecordBatch};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::inquiry::{GroupAnswer, GroupOffset, Inquiry, NoAnswer};
use crate::inspect::{ReadComplaint, Words};
use crate::membership::Membership;
use crate::settings::KafkaSettings;

/// Time for librdkafka to take up a seek, which it does by itself: no broker is asked.
const SEEK_TIMEOUT: Duration = Duration::from_millis(200);

/// A partition that this member was given, and what the broker knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Partition number.
    pub partition: i32,
    /// The group's committed offset, if there is one. Stable: no open transaction can still move it.
    pub committed: Option<Offset>,
    /// The text beside the committed offset, which anybody may have written; empty where there is none.
    pub metadata: String,
    /// First offset that the log still has.
    pub log_start: Offset,
    /// Offset after the last record, whatever transactions are open: the high watermark.
    pub log_end: Offset,
    /// Offset up to which committed records can be read now: the last stable offset.
    pub stable_end: Offset,
}

/// Told of partitions that come and go, on the polling thread. Polling waits while these run.
pub trait Assignments: Send + Sync {
    /// Partitions come. Nothing of them is read before [`KafkaSource::begin`].
    fn assigned(&self, partitions: &[i32]);
    /// Partitions go. When this returns, nothing more may be committed for them. `lost`: another member may own them
    /// already, so nothing may be committed even now.
    fn revoked(&self, partitions: &[i32], lost: bool);
}

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

struct Rebalances {
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

    fn read<T>(&self, result: KafkaResult<T>) -> Result<T, KafkaFailure> {
        result.map_err(|error| KafkaFailure::Read { topic: self.topic.clone(), cause: error.to_string() })
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

fn offsets_failure(group: &str, error: &KafkaError) -> KafkaFailure {
    KafkaFailure::Offsets { group: group.to_owned(), cause: error.to_string() }
}

/// The failure where the broker finds the text beside an offset too long.
pub(crate) fn metadata_too_large(error: &KafkaError, offsets: &[(i32, GroupOffset)]) -> Option<KafkaFailure> {
    let chars = offsets.iter().map(|(_, offset)| offset.metadata.len()).max().unwrap_or(0);
    let is_too_large = error.rdkafka_error_code() == Some(RDKafkaErrorCode::OffsetMetadataTooLarge);
    is_too_large.then_some(KafkaFailure::MetadataTooLarge { chars })
}

/// What a poll brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// A record, appended to the batch that was picked for its partition.
    Record {
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: Offset,
    },
    /// All that can be read of this partition has been: what follows, if anything, are markers of transactions.
    End {
        /// The partition.
        partition: i32,
    },
    /// The client could not take in something that it read.
    Complaint(ReadComplaint),
    /// Nothing within the time given, or an event that needs no action.
    Nothing,
}

type Client = BaseConsumer<Rebalances>;

/// The client that is the member now, for all who ask the group.
type Seat = Arc<Mutex<Arc<Client>>>;

/// The consumer of the input topic.
pub struct KafkaSource {
    /// The one in the seat; polling takes no lock.
    consumer: Arc<Client>,
    seat: Seat,
    inquiry: Arc<Inquiry>,
    settings: KafkaSettings,
}

/// A client that joins the group.
fn join(settings: &KafkaSettings, assignments: Arc<dyn Assignments>) -> Result<Arc<Client>, KafkaFailure> {
    let context = Rebalances {
        assignments,
        topic: settings.topic.clone(),
        retired: AtomicBool::new(false),
        standing: Mutex::default(),
        failure: Mutex::new(None),
        words: Words::default(),
        said: Mutex::default(),
    };
    let refused = KafkaFailure::of_settings;
    // Without it a replay could wait for a record where there is only the marker of a transaction.
    let mut config = settings.consumer_config();
    config.set("enable.partition.eof", "true");
    let consumer: Client = config.create_with_context(context).map_err(refused)?;
    consumer.subscribe(&[&settings.topic]).map_err(refused)?;
    Ok(Arc::new(consumer))
}

impl KafkaSource {
    /// Joins the group. Assignments arrive while polling.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn connect(
        settings: &KafkaSettings,
        assignments: Arc<dyn Assignments>,
        inquiry: Arc<Inquiry>,
    ) -> Result<Self, KafkaFailure> {
        let consumer = join(settings, assignments)?;
        let seat = Arc::new(Mutex::new(Arc::clone(&consumer)));
        Ok(Self { consumer, seat, inquiry, settings: settings.clone() })
    }

    /// Leaves the group and joins it again with a new client, on new connections: for when this one has stopped fetching.
    /// All partitions are revoked within this call, which lasts `timeout` at most; what the group gives the new client
    /// arrives while polling.
    ///
    /// # Errors
    /// librdkafka makes no client.
    pub fn renew(&mut self, timeout: Duration) -> Result<(), KafkaFailure> {
        self.leave(timeout);
        let context = self.consumer.context();
        context.retired.store(true, Ordering::Release);
        let consumer = join(&self.settings, Arc::clone(&context.assignments))?;
        let old = std::mem::replace(&mut self.consumer, Arc::clone(&consumer));
        *self.seat.lock().unwrap_or_else(PoisonError::into_inner) = consumer;
        // Closing a client may wait for a broker that does not answer, which polling must not.
        let closing = std::thread::Builder::new().name("old-client".to_owned()).spawn(move || drop(old));
        closing.map(drop).map_err(|error| KafkaFailure::Settings(format!("cannot start a thread: {error}")))
    }

    /// What workers need of the group: its offsets, and the identity that fences their transactions.
    #[must_use]
    pub fn group(&self) -> GroupHandle {
        GroupHandle {
            seat: Arc::clone(&self.seat),
            inquiry: Arc::clone(&self.inquiry),
            topic: self.settings.topic.clone(),
            group: self.settings.group.clone(),
        }
    }

    /// Waits for the next record and appends it to the batch that `pick` returns for its partition; `pick` may refuse
    /// it. Rebalances happen inside this call.
    ///
    /// # Errors
    /// Failures that waiting does not cure. Lost connections are not: librdkafka comes back by itself.
    pub fn poll<'a>(
        &self,
        timeout: Duration,
        pick: impl FnOnce(i32, Offset) -> Option<&'a mut RecordBatch>,
    ) -> Result<Polled, KafkaFailure> {
        let polled = self.consumer.poll(timeout);
        if let Some(failure) = self.consumer.context().failure.lock().ok().and_then(|mut slot| slot.take()) {
            return Err(failure);
        }
        match polled {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(batch) = pick(partition, offset) else { return Ok(Polled::Nothing) };
                append(batch, &message);
                Ok(Polled::Record { partition, offset })
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End { partition }),
            Some(Err(error)) => self.consider(&error),
        }
    }

    /// That the topic is unknown is no failure: a broker that has just come back may not know its topics yet. Who watches
    /// the topic finds out whether it is gone.
    fn consider(&self, error: &KafkaError) -> Result<Polled, KafkaFailure> {
        let code = error.rdkafka_error_code();
        let hopeless = matches!(
            code,
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::AutoOffsetReset
                    | RDKafkaErrorCode::OffsetOutOfRange
                    | RDKafkaErrorCode::Fatal
                    | RDKafkaErrorCode::InconsistentGroupProtocol
            )
        );
        if hopeless {
            return Err(KafkaFailure::Read { topic: self.settings.topic.clone(), cause: error.to_string() });
        }
        let words = self.consumer.context().words.take();
        let complaint = code.and_then(|code| ReadComplaint::of(code, &words));
        Ok(complaint.map_or(Polled::Nothing, Polled::Complaint))
    }

    /// Begins to read a partition that was assigned. `false`: not yet, as the group is just taking everything away; to be
    /// tried again unless the partition goes.
    ///
    /// # Errors
    /// The client refuses.
    pub fn begin(&self, partition: i32, offset: Offset) -> Result<bool, KafkaFailure> {
        // An assignment would make librdkafka forget that it has lost what it had.
        if self.consumer.assignment_lost() {
            return Ok(false);
        }
        let mut list = TopicPartitionList::new();
        let context = self.consumer.context();
        context.read(list.add_partition_offset(&self.settings.topic, partition, KafkaOffset::Offset(offset)))?;
        context.read(self.consumer.incremental_assign(&list)).map(|()| true)
    }

    /// Lets go of a partition that has begun and begins it anew, for when the client has stopped fetching it without a word,
    /// as it may after a broker was away. Asks no broker. `false`: not now, as the group is just taking everything away.
    ///
    /// # Errors
    /// The client refuses.
    pub fn begin_anew(&self, partition: i32, offset: Offset) -> Result<bool, KafkaFailure> {
        if self.consumer.assignment_lost() {
            return Ok(false);
        }
        self.consumer.context().read(self.consumer.incremental_unassign(&self.one(partition)))?;
        self.begin(partition, offset)
    }

    /// Goes back, or forth, to an offset of a partition that has begun. Asks no broker. `false`: not yet, as the client is
    /// still busy with an earlier change of the partition; to be tried again, and nothing read meanwhile counts.
    #[must_use]
    pub fn seek(&self, partition: i32, offset: Offset) -> bool {
        let sought = self.consumer.seek(&self.settings.topic, partition, KafkaOffset::Offset(offset), SEEK_TIMEOUT);
        if let Err(error) = &sought {
            tracing::debug!(%error, partition, offset, "seek; trying again");
        }
        sought.is_ok()
    }

    /// Stops fetching a partition. What was fetched and not polled is fetched again later.
    pub fn pause(&self, partition: i32) {
        if let Err(error) = self.consumer.pause(&self.one(partition)) {
            tracing::warn!(%error, partition, "pause");
        }
    }

    /// Undoes [`KafkaSource::pause`].
    pub fn resume(&self, partition: i32) {
        if let Err(error) = self.consumer.resume(&self.one(partition)) {
            tracing::warn!(%error, partition, "resume");
        }
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.settings.topic, partition);
        list
    }

    /// Leaves the group: all partitions are revoked while polling goes on for at most `timeout`.
    pub fn leave(&self, timeout: Duration) {
        let deadline = std::time::Instant::now() + timeout;
        self.consumer.unsubscribe();
        while !self.consumer.context().standing().held.is_empty() && std::time::Instant::now() < deadline {
            // Records that still arrive belong to partitions that are going.
            drop(self.consumer.poll(Duration::from_millis(20)));
        }
    }
}

pub(crate) fn append(batch: &mut RecordBatch, message: &BorrowedMessage<'_>) {
    batch.push(NewRecord {
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key(),
        payload: message.payload(),
    });
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        batch.push_header(header.key, header.value);
    }
}

/// The group as workers see it. May be used from any thread.
#[derive(Clone)]
pub struct GroupHandle {
    seat: Seat,
    inquiry: Arc<Inquiry>,
    topic: String,
    group: String,
}

impl GroupHandle {
    /// The group's committed offset of each partition.
    ///
    /// # Errors
    /// The broker does not answer within `timeout`, or refuses.
    pub fn committed(&self, partitions: &[i32], timeout: Duration) -> Result<Vec<(i32, GroupAnswer)>, NoAnswer> {
        self.inquiry.committed(partitions, timeout)
    }

    /// Who this member was in the last rebalance. To be taken *before* looking whether the partitions of a transaction are
    /// still owned: then it is of a time when they were. `None` while the member is out of the group.
    #[must_use]
    pub fn membership(&self) -> Option<Arc<Membership>> {
        self.client().context().standing().membership.clone()
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.seat.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Commits offsets outside of any transaction (delivery at least once), and waits.
    pub(crate) fn commit(&self, offsets: &[(i32, GroupOffset)]) -> Result<(), KafkaFailure> {
        let list = self.list(offsets)?;
        self.client().commit(&list, CommitMode::Sync).map_err(|error| {
            metadata_too_large(&error, offsets).unwrap_or_else(|| offsets_failure(&self.group, &error))
        })
    }

    pub(crate) fn list(&self, offsets: &[(i32, GroupOffset)]) -> Result<TopicPartitionList, KafkaFailure> {
        let mut list = TopicPartitionList::new();
        for (partition, committed) in offsets {
            let mut element = list.add_partition(&self.topic, *partition);
            element
                .set_offset(KafkaOffset::Offset(committed.offset))
                .map_err(|error| offsets_failure(&self.group, &error))?;
            if !committed.metadata.is_empty() {
                element.set_metadata(&committed.metadata);
            }
        }
        Ok(list)
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
