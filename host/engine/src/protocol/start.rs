//! Where a partition starts, decided from the group's committed offset C, the offset A that the state contains, and
//! what the log still has. A pure function, so that every case is a test. Nothing here asks the broker.

use std::fmt;

use crate::record::{Millis, Offset};

/// What the broker says of a partition that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// Partition number.
    pub partition: i32,
    /// The group's committed offset, if there is one. Stable: no open transaction can still move it.
    pub committed: Option<Offset>,
    /// First offset that the log still has.
    pub log_start: Offset,
    /// Offset after the last record, whatever transactions are open.
    pub log_end: Offset,
    /// Offset up to which committed records can be read now.
    pub stable_end: Offset,
}

/// What becomes of a start for which the log no longer has all that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLogGap {
    /// The run ends and says what is missing.
    Stop,
    /// It goes on without, counted and with a warning.
    Skip,
}

/// Where to read from, and from where on outputs are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// First offset to read.
    pub read_from: Offset,
    /// Records before this are replayed into the state only: their outputs are committed.
    pub live_from: Offset,
    /// What the log no longer has, and the operator does without.
    pub gap: Gap,
}

/// Offsets that the log no longer has although they were needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// Never read: their records are lost.
    pub unread: i64,
    /// Read by an earlier run, and not in the state: duplicates of their records pass as unique.
    pub unlearned: i64,
}

/// What the operator and the topic's history say about starts.
#[derive(Debug, Clone, Copy)]
pub struct StartRules {
    /// Where a partition starts that the group has no offset for: its end when the group first started, if it was told
    /// to start there; `None`: the start of the log.
    pub latest_from: Option<Offset>,
    /// What becomes of a gap.
    pub on_log_gap: OnLogGap,
    /// A decision may need keys from this long before; `None`: every key there ever was.
    pub memory: Option<Millis>,
}

/// Event times that show how far the log reaches back; `None` where no record shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogTimes {
    /// Of the log's first records.
    pub first: Option<Millis>,
    /// Of the last records before the committed offset.
    pub committed: Option<Millis>,
}

/// State and topic do not agree, and going on could lose events or let duplicates through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A is beyond the end of the log.
    #[error(
        "partition {partition}: the state contains offsets up to {applied}, but the log ends at {log_end}; the topic \
         was recreated or cut. to fix this: delete the partition's directory under --store-path to start with the \
         new log, or read the right topic"
    )]
    BeyondLog {
        /// Partition number.
        partition: i32,
        /// A.
        applied: Offset,
        /// End of the log.
        log_end: Offset,
    },
    /// C is beyond the end of the log.
    #[error(
        "partition {partition}: the group committed offset {committed}, but the log ends at {log_end}; the topic was \
         recreated or cut. to fix this: reset the group's offsets, and delete the partition's directory under \
         --store-path"
    )]
    CommittedBeyondLog {
        /// Partition number.
        partition: i32,
        /// C.
        committed: Offset,
        /// End of the log.
        log_end: Offset,
    },
    /// Keys that the window needs are in neither the state nor the log.
    #[error(
        "partition {partition}: {} and the group committed {committed}, but the log starts at {log_start}: the \
         records between are gone, and with them keys that are still needed ({reach}). to fix this: restore a newer \
         copy of the state, or accept with --on-log-gap skip that duplicates of those records pass as unique: the \
         state is then rebuilt from what the log still has",
        known(*applied)
    )]
    Unlearned {
        /// Partition number.
        partition: i32,
        /// A; `None`: the state is empty.
        applied: Option<Offset>,
        /// C.
        committed: Offset,
        /// Start of the log.
        log_start: Offset,
        /// How far the log reaches back, and how far it should.
        reach: Reach,
    },
    /// C points before the log: records that were never decided are gone.
    #[error(
        "partition {partition}: the group committed offset {committed}, but the log starts at {log_start}: {} \
         records were removed before they were read, by retention or by hand. to fix this: accept the loss, with \
         --on-log-gap skip or by setting the group's offset to {log_start}",
        log_start - committed
    )]
    Unread {
        /// Partition number.
        partition: i32,
        /// C.
        committed: Offset,
        /// Start of the log.
        log_start: Offset,
    },
    /// There is state, but the group has no offset.
    #[error(
        "partition {partition}: the state contains offsets up to {applied}, but the group has no committed offset; \
         it was deleted, has expired, or the topic was recreated. to fix this: set the group's offset to {applied} \
         to continue, or delete the partition's directory under --store-path to start over"
    )]
    NoCommitted {
        /// Partition number.
        partition: i32,
        /// A.
        applied: Offset,
    },
}

fn known(applied: Option<Offset>) -> String {
    applied.map_or_else(|| "the state is empty".to_owned(), |applied| format!("the state ends at offset {applied}"))
}

/// How far the log reaches back from the committed offset, against how far keys are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    log: Option<Millis>,
    memory: Option<Millis>,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.memory {
            None => write!(f, "with --window none every key is needed")?,
            Some(memory) => write!(f, "window, lateness and out-of-orderness together need {}", Span(memory))?,
        }
        match self.log {
            _ if self.memory.is_none() => Ok(()),
            Some(log) => write!(f, ", the log reaches back {}", Span(log)),
            None => write!(f, ", and no record before the committed offset shows how far the log reaches back"),
        }
    }
}

/// A length of time in its two largest units.
struct Span(Millis);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.max(0) / 1_000;
        match seconds {
            86_400.. => write!(f, "{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
            3_600.. => write!(f, "{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
            60.. => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(f, "{seconds} s"),
        }
    }
}

/// The cases of a start; `applied` is `None` for a new store. `times` is asked only where the log has lost records that
/// the state does not know.
///
/// # Errors
/// The topic, the group and the state do not agree, or `times` fails.
pub fn start<E: From<StartError>>(
    assigned: &Assigned,
    applied: Option<Offset>,
    rules: &StartRules,
    times: impl FnOnce() -> Result<LogTimes, E>,
) -> Result<Start, E> {
    let Assigned { partition, committed, log_start, log_end, .. } = *assigned;
    match (committed, applied) {
        (_, Some(applied)) if applied > log_end => Err(StartError::BeyondLog { partition, applied, log_end }.into()),
        (Some(committed), _) if committed > log_end => {
            Err(StartError::CommittedBeyondLog { partition, committed, log_end }.into())
        }
        (None, _) => Ok(first_start(assigned, applied, rules)?),
        (Some(committed), _) if committed < log_start => Ok(past_unread(assigned, committed, applied, rules)?),
        (Some(committed), Some(applied)) if applied >= committed => Ok(Start::live(committed)),
        // Never on an empty store past what was committed: the keys before C are read again, outputs off.
        (Some(committed), _) => match applied.unwrap_or(0) {
            from if from >= log_start => Ok(Start { read_from: from, live_from: committed, gap: Gap::default() }),
            _ => Ok(from_log_start(assigned, committed, applied, rules, times()?)?),
        },
    }
}

impl Start {
    /// Reads and sends from an offset on.
    #[must_use]
    pub fn live(at: Offset) -> Self {
        Self { read_from: at, live_from: at, gap: Gap::default() }
    }
}

/// The group has no offset: the operator's choice, unless there is state that says how far another run came.
fn first_start(assigned: &Assigned, applied: Option<Offset>, rules: &StartRules) -> Result<Start, StartError> {
    let Assigned { partition, log_start, stable_end, .. } = *assigned;
    let from = rules.latest_from.map_or(log_start, |end| end.min(stable_end).max(log_start));
    match applied {
        Some(applied) if applied != from => Err(StartError::NoCommitted { partition, applied }),
        Some(_) | None => Ok(Start::live(from)),
    }
}

/// Records from C on are gone, and nobody has decided them.
fn past_unread(
    assigned: &Assigned,
    committed: Offset,
    applied: Option<Offset>,
    rules: &StartRules,
) -> Result<Start, StartError> {
    let Assigned { partition, log_start, .. } = *assigned;
    match rules.on_log_gap {
        OnLogGap::Stop => Err(StartError::Unread { partition, committed, log_start }),
        OnLogGap::Skip => {
            let gap = Gap { unread: log_start - committed, unlearned: (committed - applied.unwrap_or(0)).max(0) };
            Ok(Start { gap, ..Start::live(log_start) })
        }
    }
}

/// Between the end of the state and the start of the log records are gone. They are a gap unless the log still has all
/// that a decision after C may need.
fn from_log_start(
    assigned: &Assigned,
    committed: Offset,
    applied: Option<Offset>,
    rules: &StartRules,
    times: LogTimes,
) -> Result<Start, StartError> {
    let Assigned { partition, log_start, .. } = *assigned;
    let log = times.committed.zip(times.first).map(|(committed, first)| committed.saturating_sub(first));
    let reaches = log.zip(rules.memory).is_some_and(|(log, memory)| log >= memory);
    let unlearned = if reaches { 0 } else { log_start - applied.unwrap_or(0) };
    if unlearned > 0 && rules.on_log_gap == OnLogGap::Stop {
        let reach = Reach { log, memory: rules.memory };
        return Err(StartError::Unlearned { partition, applied, committed, log_start, reach });
    }
    Ok(Start { read_from: log_start, live_from: committed, gap: Gap { unread: 0, unlearned } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;
    const RULES: StartRules = StartRules { latest_from: None, on_log_gap: OnLogGap::Stop, memory: Some(25 * HOUR) };
    const SKIP: StartRules = StartRules { on_log_gap: OnLogGap::Skip, ..RULES };
    const NO_GAP: Gap = Gap { unread: 0, unlearned: 0 };

    fn assigned(committed: Option<Offset>) -> Assigned {
        Assigned { partition: 3, committed, log_start: 100, log_end: 900, stable_end: 800 }
    }

    /// The log reaches back this many hours from C.
    fn reaching(hours: Millis) -> LogTimes {
        LogTimes { first: Some(1_000 * HOUR), committed: Some((1_000 + hours) * HOUR) }
    }

    fn with(
        committed: Option<Offset>,
        applied: Option<Offset>,
        rules: &StartRules,
        times: LogTimes,
    ) -> Result<Start, StartError> {
        start(&assigned(committed), applied, rules, || Ok(times))
    }

    /// A case in which the log's times do not matter, and so are not asked.
    fn check(committed: Option<Offset>, applied: Option<Offset>) -> Result<Start, StartError> {
        let never = || -> Result<LogTimes, StartError> { panic!("the broker is asked for nothing") };
        start(&assigned(committed), applied, &RULES, never)
    }

    fn from(read_from: Offset, live_from: Offset) -> Result<Start, StartError> {
        Ok(Start { read_from, live_from, gap: NO_GAP })
    }

    fn skipping(read_from: Offset, live_from: Offset, unread: i64, unlearned: i64) -> Result<Start, StartError> {
        Ok(Start { read_from, live_from, gap: Gap { unread, unlearned } })
    }

    #[test]
    fn a_first_start_reads_what_the_operator_chose() {
        assert_eq!(check(None, None), from(100, 100));
        let latest = |end| {
            let rules = StartRules { latest_from: Some(end), ..RULES };
            with(None, None, &rules, LogTimes::default())
        };
        assert_eq!(latest(700), from(700, 700), "where it ended when the group first started, whatever came since");
        assert_eq!(latest(850), from(800, 800), "never past a transaction that is still open");
        assert_eq!(latest(20), from(100, 100), "what was there then is gone");
    }

    #[test]
    fn state_that_is_level_with_the_group_goes_on() {
        assert_eq!(check(Some(500), Some(500)), from(500, 500));
        assert_eq!(check(Some(100), Some(100)), from(100, 100), "though the log starts here");
    }

    #[test]
    fn state_that_is_behind_is_replayed_with_outputs_off() {
        assert_eq!(check(Some(500), Some(400)), from(400, 500));
        assert_eq!(check(Some(500), Some(100)), from(100, 500), "the log starts just where the state ends");
    }

    #[test]
    fn an_empty_store_is_rebuilt_from_the_start_of_a_whole_log() {
        let assigned = Assigned { log_start: 0, ..assigned(Some(500)) };
        let never = || -> Result<LogTimes, StartError> { panic!("nothing was ever removed") };
        assert_eq!(start(&assigned, None, &RULES, never), from(0, 500));
    }

    #[test]
    fn state_that_is_ahead_is_allowed_by_the_rule() {
        assert_eq!(check(Some(500), Some(700)), from(500, 500));
        assert_eq!(check(Some(500), Some(850)), from(500, 500));
    }

    #[test]
    fn an_offset_behind_an_open_transaction_is_no_recreated_topic() {
        assert_eq!(check(Some(850), Some(850)), from(850, 850));
        assert_eq!(check(Some(900), Some(900)), from(900, 900));
    }

    #[test]
    fn disagreements_stop_the_run_whatever_the_policy() {
        for rules in [RULES, SKIP] {
            let of = |committed, applied| with(committed, applied, &rules, reaching(0));
            assert!(matches!(of(Some(500), Some(901)), Err(StartError::BeyondLog { .. })));
            assert!(matches!(of(None, Some(901)), Err(StartError::BeyondLog { .. })));
            assert!(matches!(of(Some(901), Some(500)), Err(StartError::CommittedBeyondLog { .. })));
            assert!(matches!(of(Some(901), None), Err(StartError::CommittedBeyondLog { .. })));
            assert!(matches!(of(None, Some(500)), Err(StartError::NoCommitted { .. })));
            assert!(matches!(of(None, Some(99)), Err(StartError::NoCommitted { .. })), "[99, 100) was never read");
        }
    }

    #[test]
    fn without_an_offset_state_goes_on_only_from_where_it_ends() {
        assert_eq!(check(None, Some(100)), from(100, 100));
        let latest = StartRules { latest_from: Some(700), ..RULES };
        assert!(matches!(with(None, Some(100), &latest, reaching(0)), Err(StartError::NoCommitted { .. })));
        assert_eq!(with(None, Some(700), &latest, reaching(0)), from(700, 700));
    }

    #[test]
    fn an_empty_store_and_one_behind_the_log_are_treated_alike() {
        for (applied, lost) in [(None, 100), (Some(0), 100), (Some(40), 60), (Some(99), 1)] {
            let of = |rules, times| with(Some(500), applied, rules, times);
            assert_eq!(of(&RULES, reaching(25)), from(100, 500), "{applied:?}: all that is needed is there");
            assert_eq!(of(&RULES, reaching(1_000)), from(100, 500), "{applied:?}");
            let short = of(&RULES, reaching(24));
            assert!(matches!(short, Err(StartError::Unlearned { .. })), "{applied:?}: {short:?}");
            assert_eq!(of(&SKIP, reaching(24)), skipping(100, 500, 0, lost), "{applied:?}");
            assert_eq!(of(&SKIP, reaching(25)), from(100, 500), "{applied:?}: nothing is missing, nothing is counted");
        }
    }

    #[test]
    fn what_shows_no_time_shows_no_reach() {
        let first = LogTimes { first: Some(HOUR), committed: None };
        let committed = LogTimes { first: None, committed: Some(100 * HOUR) };
        for times in [LogTimes::default(), first, committed, reaching(-30)] {
            assert!(matches!(with(Some(500), None, &RULES, times), Err(StartError::Unlearned { .. })), "{times:?}");
            assert_eq!(with(Some(500), None, &SKIP, times), skipping(100, 500, 0, 100));
        }
        // Nothing is left before C: what was there cannot show how old it was.
        assert!(matches!(with(Some(100), None, &RULES, LogTimes::default()), Err(StartError::Unlearned { .. })));
        assert_eq!(with(Some(100), None, &SKIP, LogTimes::default()), skipping(100, 100, 0, 100));
    }

    #[test]
    fn a_window_without_end_needs_every_record_there_was() {
        let forever = StartRules { memory: None, ..RULES };
        assert!(matches!(with(Some(500), None, &forever, reaching(100_000)), Err(StartError::Unlearned { .. })));
        let skip = StartRules { on_log_gap: OnLogGap::Skip, ..forever };
        assert_eq!(with(Some(500), Some(40), &skip, reaching(100_000)), skipping(100, 500, 0, 60));
    }

    #[test]
    fn records_that_were_removed_before_they_were_read_stop_the_run_or_are_skipped() {
        for (applied, unlearned) in [(None, 70), (Some(70), 0), (Some(50), 20), (Some(400), 0)] {
            assert!(matches!(check(Some(70), applied), Err(StartError::Unread { .. })), "{applied:?}");
            assert_eq!(with(Some(70), applied, &SKIP, reaching(0)), skipping(100, 100, 30, unlearned), "{applied:?}");
        }
        assert!(matches!(check(Some(99), None), Err(StartError::Unread { .. })));
        assert_eq!(check(Some(100), Some(100)), from(100, 100));
    }

    #[test]
    fn a_topic_that_never_lost_a_record_has_no_gap() {
        for committed in [0, 1, 500] {
            for applied in [None, Some(0), Some(1), Some(400)] {
                let assigned = Assigned { log_start: 0, ..assigned(Some(committed)) };
                let never = || -> Result<LogTimes, StartError> { panic!("nothing was ever removed") };
                assert!(start(&assigned, applied, &RULES, never).is_ok_and(|start| start.gap == NO_GAP));
            }
        }
    }

    #[test]
    fn the_broker_that_cannot_tell_its_times_stops_the_start() {
        let failing = || Err(StartError::NoCommitted { partition: 9, applied: 9 });
        assert!(matches!(
            start(&assigned(Some(500)), None, &RULES, failing),
            Err(StartError::NoCommitted { partition: 9, .. })
        ));
    }

    #[test]
    fn refusals_say_how_far_the_log_reaches_and_the_ways_out() {
        let says = |error: Result<Start, StartError>, words: &[&str]| {
            let text = error.unwrap_err().to_string();
            for word in words {
                assert!(text.contains(word), "{word:?} is not in: {text}");
            }
        };
        says(
            with(Some(500), None, &RULES, reaching(3)),
            &["partition 3: the state is empty", "need 1 d 1 h", "reaches back 3 h 0 min", "--on-log-gap skip"],
        );
        says(
            with(Some(500), Some(40), &RULES, LogTimes::default()),
            &["the state ends at offset 40", "no record before"],
        );
        says(
            with(Some(500), None, &StartRules { memory: None, ..RULES }, reaching(3)),
            &["--window none every key is needed)"],
        );
        says(check(Some(70), None), &["30 records were removed", "--on-log-gap skip", "set", "offset to 100"]);
    }
}
