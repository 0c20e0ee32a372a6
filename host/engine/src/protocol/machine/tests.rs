//! The machine, asked step by step. Not whole runs: those are the simulation's.

use super::*;
use crate::protocol::event::Failure;
use crate::protocol::recovery::Answer;
use crate::protocol::start::Start;
use crate::protocol::{Stage, fencing::FENCED_PERIOD};

const RULES: Rules = Rules {
    commit_interval: Duration::from_secs(1),
    transaction_records_max: 1_000,
    commit_failures_max: 3,
    text_chars_max: 400,
    text_chars_min: 100,
};

const NOW: Moment = Duration::ZERO;
const LATER: Moment = Duration::from_secs(2);

/// Partition 0 from offset 100 on, where the group is, and nothing under way.
fn live() -> Machine {
    let mut machine = Machine::new(RULES, 1);
    let start = Start::live(100);
    let effects = machine
        .on(NOW, Event::Opened(Opened { partition: 0, assignment: 7, start, group: Some(100), owes_record: false }));
    let read = Effect::Read { partition: 0, epoch: Epoch::first(7), from: 100, is_first: true };
    assert_eq!(effects, [Effect::Tell(Notice::Stage { partition: 0, stage: Stage::Live }), read]);
    machine
}

fn batch(epoch: Epoch, from: Offset) -> Event {
    Event::Batch(Batch { partition: 0, epoch, from, next: from + 10, records: 10 })
}

/// The same with a batch decided.
fn decided() -> Machine {
    let mut machine = live();
    let process = Effect::Process { partition: 0, live_from: 100, is_kept: false };
    assert_eq!(machine.on(NOW, batch(Epoch::first(7), 100)), [process]);
    machine.on(NOW, Event::Decided { is_crowded: false });
    machine
}

/// Answers questions in turn, and returns the last effects.
fn answer(machine: &mut Machine, events: impl IntoIterator<Item = Event>) -> Vec<Effect> {
    events.into_iter().fold(Vec::new(), |_, event| machine.on(LATER, event))
}

const TURN: Event = Event::Turn { plugins: 1 };

/// A commit, up to the look at what is owned.
fn up_to_the_look() -> Machine {
    let mut machine = decided();
    assert_eq!(machine.on(LATER, TURN), [Effect::Flush]);
    assert_eq!(machine.on(LATER, Event::Flushed), [Effect::TakeMembership]);
    assert_eq!(machine.on(LATER, Event::Membership(true)), [Effect::Look]);
    machine
}

fn is_commit(effect: &Effect) -> bool {
    matches!(effect, Effect::Commit { .. })
}

#[test]
fn the_membership_is_older_than_the_look_and_the_look_than_the_commit() {
    let mut machine = up_to_the_look();
    let effects = machine.on(LATER, Event::Looked(Vec::new()));
    assert_eq!(effects, [Effect::Commit { offsets: vec![(0, 110)] }]);
    let effects = machine.on(LATER, Event::Committed);
    assert!(effects.contains(&Effect::Apply { partition: 0, next: 110 }), "{effects:?}");
    assert!(!decided().on(NOW, TURN).iter().any(Effect::is_question), "not before its time");
}

#[test]
fn a_transaction_with_records_of_a_lost_partition_is_abandoned() {
    let mut machine = up_to_the_look();
    let effects = machine.on(LATER, Event::Looked(vec![(0, Standing::Lost)]));
    assert_eq!(effects, [Effect::Tell(Notice::Failing(Trouble::PartitionsLost)), Effect::Look]);
    let effects = machine.on(LATER, Event::Looked(vec![(0, Standing::Lost)]));
    assert!(effects.contains(&Effect::Release { partition: 0, is_lost: true }), "{effects:?}");
    assert_eq!(effects.last(), Some(&Effect::Connect { one_by_one: false }), "and nothing is committed");
}

#[test]
fn a_partition_that_leaves_is_committed_and_then_released() {
    let mut machine = decided();
    machine.on(NOW, Event::Looked(vec![(0, Standing::Leaving)]));
    assert_eq!(machine.on(NOW, batch(Epoch::first(7), 110)), [], "it takes no more batches");
    assert_eq!(machine.on(NOW, TURN), [Effect::Flush], "though no commit is due");
    let leaving = Event::Looked(vec![(0, Standing::Leaving)]);
    let effects = answer(&mut machine, [Event::Flushed, Event::Membership(true), leaving]);
    assert!(effects.iter().any(is_commit), "{effects:?}");
    let effects = machine.on(NOW, Event::Committed);
    let at = |wanted: Effect| effects.iter().position(|effect| *effect == wanted);
    let applied = at(Effect::Apply { partition: 0, next: 110 });
    assert!(applied.is_some() && applied < at(Effect::Release { partition: 0, is_lost: false }), "{effects:?}");
}

#[test]
fn a_batch_of_another_epoch_is_stale_and_one_out_of_turn_is_a_bug() {
    let mut machine = live();
    for epoch in [Epoch::first(6), Epoch::first(8), Epoch::first(7).next()] {
        assert_eq!(machine.on(NOW, batch(epoch, 100)), [], "{epoch:?}");
    }
    assert!(matches!(machine.on(NOW, batch(Epoch::first(7), 105))[..], [Effect::End(End::Bug(_))]));
    assert_eq!(machine.on(NOW, batch(Epoch::first(7), 100)), [], "the run is over");
}

/// A commit of unknown outcome, up to the question to the group.
fn unknown() -> Machine {
    let mut machine = up_to_the_look();
    let failed = Event::Failed(Failure::Other);
    let effects = answer(&mut machine, [Event::Looked(Vec::new()), failed, Event::Looked(Vec::new())]);
    assert_eq!(effects, [Effect::Connect { one_by_one: false }], "the old producer is fenced first");
    assert_eq!(machine.on(LATER, Event::Connected), [Effect::Ask { partitions: vec![0] }]);
    machine
}

#[test]
fn the_group_says_what_became_of_a_commit() {
    let answered = |answer| unknown().on(LATER, Event::Answered(BTreeMap::from([(0, answer)])));
    let effects = answered(Answer::At(110));
    assert!(effects.contains(&Effect::Apply { partition: 0, next: 110 }), "{effects:?}");
    for (group, from) in [(100, 100), (60, 60)] {
        let effects = answered(Answer::At(group));
        let read = Effect::Read { partition: 0, epoch: Epoch::first(7).next(), from, is_first: false };
        assert!(effects.contains(&Effect::RollBack { partition: 0 }) && effects.contains(&read), "{effects:?}");
    }
    let effects = answered(Answer::Nothing);
    assert!(matches!(effects[..], [Effect::End(End::NoCommitted { partition: 0, applied: 100 })]), "{effects:?}");
}

#[test]
fn a_seed_is_owed_until_a_commit_is_known_to_have_said_it() {
    let mut machine = Machine::new(RULES, 1);
    let opened = Opened { partition: 0, assignment: 7, start: Start::live(100), group: Some(100), owes_record: true };
    machine.on(NOW, Event::Opened(opened));
    let up_to_the_commit = || [TURN, Event::Flushed, Event::Membership(true), Event::Looked(Vec::new())];
    let commit = [Effect::Commit { offsets: vec![(0, 100)] }];
    assert_eq!(answer(&mut machine, up_to_the_commit()), commit);
    // The group's offset is what it was before: it does not tell whether the commit went through.
    let failed = [Event::Failed(Failure::Other), Event::Looked(Vec::new()), Event::Connected];
    assert_eq!(answer(&mut machine, failed), [Effect::Ask { partitions: vec![0] }]);
    machine.on(LATER, Event::Answered(BTreeMap::from([(0, Answer::At(100))])));
    let later = LATER * 2;
    machine.on(later, TURN);
    let again = [Event::Flushed, Event::Membership(true), Event::Looked(Vec::new())];
    assert_eq!(answer(&mut machine, again), commit);
    machine.on(LATER, Event::Committed);
    assert_eq!(machine.on(LATER * 3, TURN), []);
}

#[test]
fn a_pending_offset_is_waited_for_with_yet_another_producer() {
    let mut machine = unknown();
    let pending = Event::Answered(BTreeMap::from([(0, Answer::Pending)]));
    assert_eq!(machine.on(LATER, pending), [Effect::Look]);
    let effects = machine.on(LATER, Event::Looked(Vec::new()));
    assert_eq!(effects.last(), Some(&Effect::Pause));
    assert_eq!(machine.on(LATER, Event::Waited), [Effect::Connect { one_by_one: false }]);
    let effects = machine.on(LATER, Event::NotYet { is_stopping: true });
    assert_eq!(effects, [Effect::End(End::Stopped)]);
}

#[test]
fn plugins_are_swapped_when_all_before_is_committed() {
    let mut machine = decided();
    assert_eq!(machine.on(NOW, Event::Turn { plugins: 2 }), [Effect::Flush]);
    answer(&mut machine, [Event::Flushed, Event::Membership(true), Event::Looked(Vec::new())]);
    let effects = machine.on(NOW, Event::Committed);
    assert_eq!(effects.last(), Some(&Effect::Swap { plugins: 2 }));
    assert_eq!(machine.on(NOW, Event::Turn { plugins: 2 }), []);
}

#[test]
fn a_held_batch_is_tried_again_and_what_comes_after_it_is_stale() {
    let mut machine = live();
    machine.on(NOW, batch(Epoch::first(7), 100));
    let effects = machine.on(NOW, Event::Stuck { soon: false });
    assert!(effects.contains(&Effect::StopReading { partition: 0, at: 100 }), "{effects:?}");
    assert_eq!(machine.on(NOW, batch(Epoch::first(7), 110)), []);
    assert_eq!(machine.on(NOW, TURN), [], "not yet");
    assert_eq!(machine.idle_for(NOW), Some(Duration::from_secs(1)));
    assert_eq!(machine.on(LATER, TURN), [Effect::TakeMembership], "what is open is committed before");
    let effects = answer(&mut machine, [Event::Membership(true), Event::Looked(Vec::new())]);
    assert_eq!(effects.last(), Some(&Effect::Process { partition: 0, live_from: 100, is_kept: true }));
    let effects = machine.on(LATER, Event::Decided { is_crowded: false });
    let read = Effect::Read { partition: 0, epoch: Epoch::first(7).next(), from: 110, is_first: false };
    assert!(effects.contains(&read), "{effects:?}");
    assert_eq!(effects.last(), Some(&Effect::Flush), "and what comes of it is committed at once");
}

#[test]
fn to_be_fenced_is_borne_unless_it_goes_on() {
    let mut machine = live();
    let mut ended = None;
    for (second, epoch) in (0..3).zip([Epoch::first(7), Epoch::first(7).next(), Epoch::first(7).next().next()]) {
        let now = FENCED_PERIOD / 10 * second;
        machine.on(now, batch(epoch, 100));
        let effects = machine.on(now, Event::Failed(Failure::Fenced));
        ended = effects.into_iter().find(|effect| matches!(effect, Effect::End(_)));
        let answered = Event::Answered(BTreeMap::from([(0, Answer::At(100))]));
        answer(&mut machine, [Event::Looked(Vec::new()), Event::Connected, answered]);
    }
    assert_eq!(ended, Some(Effect::End(End::Fenced { times: 3 })));
}

#[test]
fn what_does_not_answer_the_question_ends_the_run() {
    let mut machine = decided();
    machine.on(LATER, TURN);
    assert!(matches!(machine.on(LATER, Event::Committed)[..], [Effect::End(End::Bug(_))]));
}

#[test]
fn the_end_of_the_input_is_committed_at_once_and_then_all_is_settled() {
    let mut machine = decided();
    assert_eq!(machine.settled(0), None, "it is decided and not committed");
    assert_eq!(machine.on(NOW, Event::Over), [Effect::Flush]);
    let looked = Event::Looked(Vec::new());
    answer(&mut machine, [Event::Flushed, Event::Membership(true), looked, Event::Committed]);
    assert_eq!((machine.settled(0), machine.settled(1)), (Some(110), None));
    let effects = answer(&mut machine, [Event::Over, Event::Membership(true), Event::Looked(Vec::new())]);
    assert!(
        !effects.iter().any(|effect| is_commit(effect) || effect.is_question()),
        "there is nothing more: {effects:?}"
    );
}

#[test]
fn a_commit_at_the_end_that_failed_settles_nothing_until_it_is_read_again() {
    let mut machine = decided();
    let looked = || Event::Looked(Vec::new());
    answer(&mut machine, [Event::Over, Event::Flushed, Event::Membership(true), looked()]);
    let answers = [(0, Answer::At(100))].into_iter().collect();
    let failed = [Event::Failed(Failure::Other), looked(), Event::Connected, Event::Answered(answers)];
    let effects = answer(&mut machine, failed);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Read { from: 100, .. })), "{effects:?}");
    assert_eq!(machine.settled(0), Some(100));
}
