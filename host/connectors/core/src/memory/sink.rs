//! A sink over the system: one worker's. What it sent is seen when it is committed, with C, or never.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::record::{Offset, Outline};

use super::group::Membership;
use super::lanes::{Lanes, bytes};
use super::outbox::Sent;
use super::producers::Refused;
use super::system::{MemorySystem, World};
use super::trouble::{Call, Trouble};
use crate::failure::{Remedy, SinkFailure};
use crate::inquiry::{Committed, Word};
use crate::lane::Lane;
use crate::outgoing::{Origin, Outgoing};
use crate::refusal::{Refusal, Unsendable};
use crate::refused::RefusedRecord;
use crate::sink::{CommittingSink, Sink};

/// A record that was sent and has not arrived.
struct OnItsWay {
    sent: Sent,
    bytes: usize,
    /// Why it will be refused, if it will be.
    refused: Option<Unsendable>,
}

/// See the module.
pub struct MemorySink {
    system: MemorySystem,
    host: String,
    /// Its name, which is one producer's at a time.
    name: String,
    /// `None` after a failure, until it has connected again.
    epoch: Option<u64>,
    one_by_one: bool,
    /// What the lanes take, as far as this sink knows.
    lanes: Lanes,
    on_its_way: Vec<OnItsWay>,
    set_aside: BTreeMap<(Origin, Lane), Unsendable>,
    membership: Option<Membership>,
}

impl MemorySink {
    /// Connects as a worker of a host. A sink that has the same name is fenced.
    ///
    /// # Errors
    /// As [`CommittingSink::reconnect`].
    pub fn connect(system: &MemorySystem, host: &str, name: &str) -> Result<Self, SinkFailure> {
        let mut sink = Self {
            system: system.clone(),
            host: host.to_owned(),
            name: name.to_owned(),
            epoch: None,
            one_by_one: false,
            lanes: Lanes::default(),
            on_its_way: Vec::new(),
            set_aside: BTreeMap::new(),
            membership: None,
        };
        sink.reconnect(false)?;
        Ok(sink)
    }

    /// Its connection, where what it calls goes well up to here.
    fn call(&mut self, call: Call) -> Result<u64, SinkFailure> {
        match self.system.called(&self.host, call) {
            None => {}
            Some(Trouble::Fenced) => self.system.fence(&self.name),
            Some(Trouble::Hopeless) => return Err(SinkFailure::new(Remedy::None, format!("{call:?} is refused"))),
            Some(Trouble::Fails | Trouble::Unknown { .. } | Trouble::Waits) => return Err(retry(&format!("{call:?}"))),
        }
        self.epoch.ok_or_else(|| retry("it has failed, and has not connected again"))
    }

    /// A failure of a call: nothing is committed by this connection any more.
    fn checked<T>(&mut self, result: Result<T, SinkFailure>) -> Result<T, SinkFailure> {
        if result.is_err() {
            self.epoch = None;
        }
        result
    }

    fn try_send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        self.call(Call::Send)?;
        let world = self.system.world();
        let unsaid = world.refuse_where.as_ref().is_some_and(|is_refused| is_refused(lane, record));
        let unsaid = unsaid.then(|| Unsendable { reason: Refusal::Broker, cause: "it is refused".to_owned() });
        let refused = world.lanes.refusal(lane, record).or(unsaid);
        drop(world);
        self.on_its_way.push(OnItsWay { sent: Sent::of(lane, record), bytes: bytes(record), refused });
        Ok(())
    }

    fn try_flush(&mut self) -> Result<u64, SinkFailure> {
        let epoch = self.call(Call::Flush)?;
        let refused = self.refused();
        if !refused.is_empty() {
            let cause = format!("{} records were refused", refused.len());
            return Err(SinkFailure::new(Remedy::SetAside(refused), cause));
        }
        let arrived = self.on_its_way.drain(..).map(|on_its_way| on_its_way.sent).collect();
        self.system.world().producers.send(&self.name, epoch, arrived).map_err(refused_producer)?;
        Ok(epoch)
    }

    /// What is refused of what is on its way. A record takes along all others of its lane, unless they go one by one.
    fn refused(&self) -> Vec<RefusedRecord> {
        let refused = |record: &OnItsWay| {
            let of_lane = |other: &&OnItsWay| other.sent.lane == record.sent.lane;
            let others = || self.on_its_way.iter().filter(of_lane).find_map(|other| other.refused.clone());
            let why = record.refused.clone().or_else(|| others().filter(|_| !self.one_by_one))?;
            let Origin { partition, offset } = record.sent.origin;
            let offset = offset.cast_unsigned() & ((1 << RefusedRecord::OFFSET_BITS) - 1);
            let (lane, bytes, is_alone) = (record.sent.lane, record.bytes, self.one_by_one);
            Some(RefusedRecord { partition, offset, lane, why, bytes, is_alone })
        };
        self.on_its_way.iter().filter_map(refused).collect()
    }

    fn try_commit(&mut self, frontier: &[(i32, Committed)]) -> Result<(), SinkFailure> {
        let membership = self.membership.take();
        let epoch = self.try_flush()?;
        // It is asked before the end is on its way: a call that waits is overtaken by what happens meanwhile.
        let end = match self.system.called(&self.host, Call::Commit) {
            Some(Trouble::Unknown { is_committed, pending }) => Some((is_committed, pending)),
            Some(Trouble::Fenced) => {
                self.system.fence(&self.name);
                None
            }
            Some(Trouble::Hopeless) => return Err(SinkFailure::new(Remedy::None, "the commit is refused")),
            Some(Trouble::Fails | Trouble::Waits) => return Err(retry("the commit has failed")),
            None => None,
        };
        let mut world = self.system.world();
        check(&world, membership, frontier)?;
        match end {
            None => world.producers.commit(&self.name, epoch, frontier).map_err(refused_producer),
            Some((is_committed, pending)) => {
                let ended = world.producers.end(&self.name, epoch, frontier, is_committed, pending);
                ended.map_err(refused_producer).and(Err(retry("nobody knows what became of the commit")))
            }
        }
    }

    fn try_connect(&mut self) -> Result<u64, SinkFailure> {
        match self.system.called(&self.host, Call::Connect) {
            None => {}
            Some(Trouble::Hopeless) => return Err(SinkFailure::new(Remedy::None, "no connection is made")),
            Some(_) => return Err(retry("there is no connection now")),
        }
        self.system.world().producers.connect(&self.name).map_err(refused_producer)
    }
}

/// Whether a commit is of this generation of the group, and its texts are short enough.
fn check(world: &World, membership: Option<Membership>, frontier: &[(i32, Committed)]) -> Result<(), SinkFailure> {
    if !membership.is_some_and(|membership| world.group.is_member(membership)) {
        return Err(retry("the commit is of no generation that the group knows"));
    }
    let chars = frontier.iter().map(|(_, committed)| committed.metadata.chars().count()).max().unwrap_or(0);
    if chars > world.text_chars_max {
        return Err(SinkFailure::new(Remedy::Shorten { chars }, format!("a text of {chars} characters is too long")));
    }
    Ok(())
}

fn retry(cause: &str) -> SinkFailure {
    SinkFailure::new(Remedy::Retry, cause)
}

fn refused_producer(refused: Refused) -> SinkFailure {
    match refused {
        Refused::Fenced => SinkFailure::new(Remedy::Fenced, "another sink has this one's name"),
        Refused::Ending => retry("what was begun under this sink's name is still ending"),
    }
}

impl Sink for MemorySink {
    fn has(&self, lane: Lane) -> bool {
        self.lanes.has(lane)
    }

    fn takes_all(&self, _records: &Outline) -> bool {
        self.set_aside.is_empty() && self.lanes.take_all()
    }

    fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let set_aside = self.set_aside.get(&(record.origin, lane)).cloned();
        set_aside.or_else(|| self.lanes.refusal(lane, record))
    }

    fn send(&mut self, lane: Lane, record: &Outgoing<'_>) -> Result<(), SinkFailure> {
        if !self.has(lane) {
            return Ok(());
        }
        let sent = self.try_send(lane, record);
        self.checked(sent)
    }
}

impl CommittingSink for MemorySink {
    fn flush(&mut self) -> Result<(), SinkFailure> {
        let flushed = self.try_flush().map(drop);
        self.checked(flushed)
    }

    fn take_membership(&mut self) -> bool {
        self.membership = self.system.world().group.standing(&self.host);
        self.membership.is_some()
    }

    fn commit(&mut self, frontier: &[(i32, Committed)]) -> Result<(), SinkFailure> {
        let committed = self.try_commit(frontier);
        self.checked(committed)
    }

    fn reconnect(&mut self, one_by_one: bool) -> Result<(), SinkFailure> {
        self.epoch = None;
        self.on_its_way.clear();
        self.epoch = Some(self.try_connect()?);
        self.one_by_one = one_by_one;
        self.ask_limits();
        Ok(())
    }

    fn committed(&mut self, partitions: &[i32], _wait: Duration) -> Result<Vec<(i32, Word)>, SinkFailure> {
        match self.system.called(&self.host, Call::Committed) {
            None => Ok(self.system.world().producers.words(partitions)),
            Some(Trouble::Hopeless) => Err(SinkFailure::new(Remedy::None, "nobody says how far the input is done")),
            Some(_) => Err(retry("nobody says how far the input is done now")),
        }
    }

    fn pending(&self, partition: i32) -> SinkFailure {
        retry(&format!("a transaction that commits partition {partition} has not ended"))
    }

    fn set_aside(&mut self, origin: Origin, record: &RefusedRecord) {
        self.set_aside.insert((origin, record.lane), record.why.clone());
    }

    fn settle(&mut self, partition: i32, below: Offset) {
        self.set_aside.retain(|(origin, _), _| origin.partition != partition || origin.offset >= below);
    }

    fn ask_limits(&mut self) {
        self.lanes = self.system.world().lanes.clone();
    }
}
