//! The pair does what real systems do, by itself: a driver over it is tested elsewhere.

use std::sync::Mutex;
use std::time::Duration;

use engine::record::{NewRecord, Offset, RecordBatch, TopicPartition};

use super::*;
use crate::{
    Assignments, Bounds, Committed, CommittingSink, Inquiry, Lane, Origin, Outgoing, Polled, Remedy, Sight, Sink,
    SinkFailure, Source, Word,
};

const WAIT: Duration = Duration::from_millis(1);

/// Notes what comes and goes.
#[derive(Default)]
struct Noted(Mutex<Vec<String>>);

impl Assignments for Noted {
    fn assigned(&self, partitions: &[i32]) {
        self.0.lock().unwrap().push(format!("+{partitions:?}"));
    }

    fn revoked(&self, partitions: &[i32], lost: bool) {
        let what = if lost { "lost" } else { "-" };
        self.0.lock().unwrap().push(format!("{what}{partitions:?}"));
    }
}

/// A host: its source, and what it was told.
struct Host {
    source: MemorySource,
    noted: std::sync::Arc<Noted>,
}

impl Host {
    fn join(system: &MemorySystem, name: &str) -> Self {
        let noted = std::sync::Arc::new(Noted::default());
        Self { source: MemorySource::join(system, name, std::sync::Arc::clone(&noted) as _), noted }
    }

    fn poll(&mut self) -> (Polled, Vec<Offset>) {
        let mut batch = RecordBatch::new();
        let polled = self.source.poll(WAIT, |_, _| Some(&mut batch)).unwrap();
        (polled, batch.iter().map(|record| record.offset()).collect())
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.noted.0.lock().unwrap())
    }
}

/// Hosts poll until none is told anything.
fn rebalance(hosts: &mut [&mut Host]) {
    for _ in 0..8 {
        hosts.iter_mut().for_each(|host| drop(host.poll()));
    }
}

fn system(partitions: usize) -> MemorySystem {
    MemorySystem::new(partitions, Lanes::listening(&[Lane::Output, Lane::DeadLetter]))
}

fn append(system: &MemorySystem, partition: i32, count: usize) {
    for _ in 0..count {
        system.append(partition, &NewRecord { payload: Some(b"{}"), ..NewRecord::default() });
    }
}

/// The host `a`, which owns everything, and a sink of it.
fn alone(system: &MemorySystem) -> (Host, MemorySink) {
    let mut host = Host::join(system, "a");
    rebalance(&mut [&mut host]);
    (host, MemorySink::connect(system, "a", "a-0").unwrap())
}

fn send(sink: &mut MemorySink, offset: Offset) -> Result<(), SinkFailure> {
    let origin = Origin { partition: 0, offset };
    let record =
        Outgoing { origin, key: None, payload: Some(b"{}"), timestamp: None, headers_of: None, extra_headers: &[] };
    sink.send(Lane::Output, &record)
}

fn at(offset: Offset) -> Committed {
    Committed { offset, metadata: "m".to_owned() }
}

fn commit(sink: &mut MemorySink, offset: Offset) -> Result<(), SinkFailure> {
    sink.flush()?;
    assert!(sink.take_membership());
    sink.commit(&[(0, at(offset))])
}

fn seen(system: &MemorySystem) -> Vec<Offset> {
    system.visible().iter().map(|sent| sent.origin.offset).collect()
}

#[test]
fn a_partition_is_read_from_where_it_is_begun_and_its_end_is_told_once() {
    let system = system(1);
    let (mut host, _) = alone(&system);
    assert_eq!(host.told(), ["+[0]"]);
    append(&system, 0, 3);
    assert_eq!(host.poll(), (Polled::Nothing, vec![]), "it has not begun");
    assert!(host.source.begin(0, 1).unwrap() && !host.source.begin(7, 0).unwrap());
    assert_eq!(host.poll(), (Polled::Records { partition: 0, next: 3 }, vec![1, 2]));
    assert_eq!([host.poll().0, host.poll().0], [Polled::End { partition: 0 }, Polled::Nothing]);
    assert!(host.source.seek(0, 0));
    assert_eq!(host.poll().1, [0, 1, 2]);
    host.source.pause(0);
    append(&system, 0, 1);
    assert_eq!(host.poll().0, Polled::Nothing);
    host.source.resume(0);
    assert_eq!(host.poll().1, [3]);
}

#[test]
fn gaps_are_passed_over_and_what_cannot_be_read_is_not() {
    let system = system(1);
    let (mut host, _) = alone(&system);
    append(&system, 0, 1);
    system.append_gap(0);
    append(&system, 0, 1);
    assert_eq!([(); 2].map(|()| system.append_unreadable(0)), [3, 4]);
    append(&system, 0, 1);
    host.source.begin(0, 0).unwrap();
    assert_eq!([host.poll().1, host.poll().1], [[0], [2]]);
    assert!(matches!(host.poll().0, Polled::Complaint(complaint) if complaint.offset == Some(3)));
    assert_eq!(host.poll().0, Polled::Nothing);
    let inquiry = MemoryInquiry::new(&system, "a");
    assert_eq!(inquiry.inspect(0, 0..6, &|| false).unwrap(), Sight::Readable);
    let Sight::Unreadable(part) = inquiry.inspect(0, 3..6, &|| false).unwrap() else { panic!("readable") };
    assert_eq!((part.from, part.next), (3, 5));
    assert_eq!(inquiry.peek(0, 1..6, 9).unwrap().iter().map(|record| record.offset()).collect::<Vec<_>>(), [2, 5]);
    host.source.seek(0, part.next);
    assert_eq!(host.poll().1, [5]);
}

#[test]
fn an_open_transaction_upstream_hides_what_follows_and_what_has_expired_is_a_failure() {
    let system = system(1);
    let (mut host, _) = alone(&system);
    append(&system, 0, 4);
    system.hold_back(0, Some(2));
    host.source.begin(0, 0).unwrap();
    assert_eq!((host.poll().1, host.poll().0), (vec![0, 1], Polled::End { partition: 0 }));
    assert_eq!(system.bounds(0), Some(Bounds { log_start: 0, log_end: 4, stable_end: 2 }));
    system.hold_back(0, None);
    assert_eq!(host.poll().1, [2, 3]);
    system.expire(0, 3);
    host.source.seek(0, 2);
    let failure = host.source.poll(WAIT, |_, _| None).unwrap_err();
    assert!(failure.to_string().contains("offset 2"), "{failure}");
}

#[test]
fn an_input_that_is_over_is_over_at_the_end_of_all_that_is_read_and_says_so_again() {
    let system = system(1);
    let (mut host, _) = alone(&system);
    append(&system, 0, 1);
    system.end_input();
    assert_eq!(host.poll().0, Polled::Nothing, "what has not begun is not over");
    host.source.begin(0, 0).unwrap();
    assert_eq!((host.poll().1, host.poll().0), (vec![0], Polled::End { partition: 0 }));
    assert_eq!([host.poll().0, host.poll().0], [Polled::Over, Polled::Over]);
    host.source.seek(0, 0);
    assert_eq!(host.poll().1, [0]);
}

#[test]
fn partitions_move_in_two_rounds_and_only_those_that_have_to() {
    let system = system(4);
    let (mut a, _) = alone(&system);
    assert_eq!(a.told(), ["+[0, 1, 2, 3]"]);
    let mut b = Host::join(&system, "b");
    drop(b.poll());
    assert_eq!(b.told(), [""; 0], "not before a has given them back");
    rebalance(&mut [&mut a, &mut b]);
    assert_eq!((a.told(), b.told()), (vec!["-[2, 3]".to_owned(), "+[]".to_owned()], vec!["+[2, 3]".to_owned()]));
    system.wish(3, "a");
    rebalance(&mut [&mut a, &mut b]);
    // Each keeps its share, so another goes the other way.
    assert_eq!((a.told().concat(), b.told().concat()), ("-[1]+[3]".to_owned(), "-[3]+[1]".to_owned()));
    b.source.leave(WAIT);
    rebalance(&mut [&mut a]);
    assert_eq!((a.told().concat(), b.told().concat()), ("+[1, 2]".to_owned(), "-[1, 2]".to_owned()));
    system.add_partitions(1);
    rebalance(&mut [&mut a]);
    assert_eq!(a.told(), ["+[4]"]);
}

#[test]
fn a_host_that_was_thrown_out_has_lost_what_it_held_and_can_commit_nothing_of_it() {
    let system = system(1);
    let (mut a, mut sink) = alone(&system);
    let mut b = Host::join(&system, "b");
    system.throw_out("a");
    rebalance(&mut [&mut b]);
    assert_eq!(system.owners()[&0], "b");
    send(&mut sink, 0).unwrap();
    assert_eq!(commit(&mut sink, 1).unwrap_err().remedy, Remedy::Retry, "a zombie's commit");
    assert_eq!((a.told().len(), seen(&system).len()), (1, 0), "and it does not know");
    rebalance(&mut [&mut a, &mut b]);
    assert_eq!(a.told()[0], "lost[0]");
}

#[test]
fn a_commit_of_an_earlier_generation_is_refused_and_one_inside_the_revocation_is_not() {
    let system = system(1);
    let (mut a, mut sink) = alone(&system);
    send(&mut sink, 0).unwrap();
    sink.flush().unwrap();
    assert!(sink.take_membership());
    let mut b = Host::join(&system, "b");
    drop(b.poll());
    assert_eq!(sink.commit(&[(0, at(1))]).unwrap_err().remedy, Remedy::Retry);
    sink.reconnect(false).unwrap();
    drop(a.poll());
    send(&mut sink, 0).unwrap();
    commit(&mut sink, 1).unwrap();
    assert_eq!(seen(&system), [0]);
}

#[test]
fn what_is_sent_is_seen_with_its_commit_or_never() {
    let system = system(1);
    let (_host, mut sink) = alone(&system);
    send(&mut sink, 0).unwrap();
    sink.flush().unwrap();
    assert_eq!((seen(&system), system.committed(0)), (vec![], None));
    commit(&mut sink, 1).unwrap();
    assert_eq!((seen(&system), system.committed(0)), (vec![0], Some(at(1))));
    send(&mut sink, 1).unwrap();
    sink.reconnect(false).unwrap();
    send(&mut sink, 2).unwrap();
    commit(&mut sink, 3).unwrap();
    assert_eq!(seen(&system), [0, 2]);
    system.lose_commits(0, 1);
    assert_eq!(sink.committed(&[0], WAIT).unwrap(), [(0, Word::Stable(Some(at(1))))]);
}

#[test]
fn a_successor_fences_and_what_its_predecessor_had_open_is_gone() {
    let system = system(1);
    let (_host, mut sink) = alone(&system);
    send(&mut sink, 0).unwrap();
    sink.flush().unwrap();
    let mut successor = MemorySink::connect(&system, "a", "a-0").unwrap();
    assert!(sink.take_membership());
    assert_eq!(sink.commit(&[(0, at(1))]).unwrap_err().remedy, Remedy::Fenced);
    commit(&mut successor, 0).unwrap();
    assert_eq!(seen(&system), [0; 0]);
    assert_eq!(send(&mut sink, 1).unwrap_err().remedy, Remedy::Retry, "it has to connect anew first");
}

#[test]
fn a_commit_that_ends_unknown_is_pending_and_then_committed_or_not() {
    for is_committed in [true, false] {
        let system = system(1);
        let (_host, mut sink) = alone(&system);
        system.trouble_once(Call::Commit, Trouble::Unknown { is_committed, pending: 2 });
        send(&mut sink, 0).unwrap();
        assert_eq!(commit(&mut sink, 1).unwrap_err().remedy, Remedy::Retry);
        assert_eq!(sink.reconnect(false).unwrap_err().remedy, Remedy::Retry, "its predecessor is ending");
        assert_eq!(sink.committed(&[0], WAIT).unwrap(), [(0, Word::Pending)]);
        sink.reconnect(false).unwrap();
        let word = Word::Stable(is_committed.then(|| at(1)));
        assert_eq!(sink.committed(&[0], WAIT).unwrap(), [(0, word)]);
        assert_eq!(seen(&system).len(), usize::from(is_committed));
    }
}

#[test]
fn a_record_that_is_refused_takes_its_lane_along_unless_they_go_one_by_one() {
    let system = system(1);
    let (_host, mut sink) = alone(&system);
    system.refuse_where(|_, record| record.origin.offset == 1);
    let refused = |sink: &mut MemorySink, one_by_one| {
        sink.reconnect(one_by_one).unwrap();
        (0..3).for_each(|offset| send(sink, offset).unwrap());
        let Remedy::SetAside(refused) = sink.flush().unwrap_err().remedy else { panic!("another remedy") };
        refused
    };
    assert!(
        refused(&mut sink, false)
            .iter()
            .map(|record| (record.offset, record.is_alone))
            .eq((0..3).map(|at| (at, false)))
    );
    let alone = refused(&mut sink, true);
    assert_eq!((alone.len(), alone[0].offset_near(0), alone[0].is_alone), (1, 1, true));
    let origin = Origin { partition: 0, offset: 1 };
    let record = Outgoing { origin, key: None, payload: None, timestamp: None, headers_of: None, extra_headers: &[] };
    assert_eq!(sink.refusal(Lane::Output, &record), None);
    sink.set_aside(origin, &alone[0]);
    assert!(sink.refusal(Lane::Output, &record).is_some() && sink.refusal(Lane::DeadLetter, &record).is_none());
    sink.settle(0, 2);
    assert_eq!(sink.refusal(Lane::Output, &record), None);
}

#[test]
fn what_the_lanes_take_is_known_when_it_is_asked_and_texts_have_a_length() {
    let system = system(1);
    let (_host, mut sink) = alone(&system);
    system.set_lanes(Lanes::listening(&[Lane::Output]).up_to(Lane::Output, 1));
    send(&mut sink, 0).unwrap();
    assert!(matches!(sink.flush().unwrap_err().remedy, Remedy::SetAside(_)), "it does not know yet");
    sink.reconnect(false).unwrap();
    assert!(!sink.has(Lane::DeadLetter) && !sink.takes_all(&RecordBatch::new().outline()));
    system.set_text_chars_max(0);
    assert_eq!(commit(&mut sink, 1).unwrap_err().remedy, Remedy::Shorten { chars: 1 });
}

#[test]
fn a_host_that_is_cut_off_gets_nothing_through_and_the_others_do() {
    let system = system(1);
    let (mut host, mut sink) = alone(&system);
    append(&system, 0, 1);
    host.source.begin(0, 0).unwrap();
    system.cut_off("a", true);
    assert_eq!(host.poll().0, Polled::Nothing);
    assert!(send(&mut sink, 0).is_err() && sink.reconnect(false).is_err() && sink.committed(&[0], WAIT).is_err());
    assert!(MemoryInquiry::new(&system, "a").bounds(&[0], WAIT).is_err());
    assert_eq!(MemoryInquiry::new(&system, "b").bounds(&[0, 9], WAIT).unwrap().len(), 1);
    system.cut_off("a", false);
    assert_eq!(host.poll().1, [0]);
}

#[test]
fn a_call_that_waits_is_overtaken() {
    let system = system(1);
    let (_host, mut sink) = alone(&system);
    send(&mut sink, 0).unwrap();
    system.trouble_once(Call::Commit, Trouble::Waits);
    let committing = std::thread::spawn(move || commit(&mut sink, 1));
    assert!(system.waits(1, Duration::from_secs(20)));
    system.throw_out("a");
    system.release();
    assert_eq!(committing.join().unwrap().unwrap_err().remedy, Remedy::Retry);
    assert_eq!(seen(&system), [0; 0]);
}

#[test]
fn letters_of_what_was_not_decided_are_found() {
    let system = system(1);
    let (_host, mut sink) = alone(&system);
    let mut letter = |offset: Offset, headers: &[(&'static str, &str)]| {
        let origin = Origin { partition: 0, offset };
        let text = offset.to_string();
        let headers = [&[(crate::headers::OFFSET_HEADER, text.as_str())], headers].concat();
        let record =
            Outgoing { origin, key: None, payload: None, timestamp: None, headers_of: None, extra_headers: &headers };
        sink.send(Lane::DeadLetter, &record).unwrap();
    };
    letter(1, &[]);
    letter(3, &[(crate::headers::STAGE_HEADER, "late")]);
    letter(5, &[(crate::headers::STAGE_HEADER, "read"), (crate::headers::NEXT_HEADER, "8")]);
    commit(&mut sink, 9).unwrap();
    let source = TopicPartition { topic: "t".to_owned(), partition: 0 };
    let find = || MemoryInquiry::new(&system, "a").letters(&source, 0..7, &|| false).unwrap().unwrap();
    assert_eq!((find().offsets, find().is_whole), ([1, 5, 6].into_iter().collect(), true));
    system.delete_letters();
    assert_eq!((find().offsets.count(), find().is_whole), (0, false));
}
