//! One instance of the plugin in one of its roles, configured, and asked one batch after the other. It judges nothing but
//! what the host itself checks.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::fields::{Extraction, KeyStatus};
use engine::properties::{Comparisons, Verdict};
use plugin::{Cost, Fault, FaultKind, Input, Probe, Role};

use crate::deadline::Deadline;
use crate::feed::{Feed, Items, Laid, Text};
use crate::show::{cut, shown};
use crate::verdict::Stop;

/// Calls that take longer than this are remembered: one may be why a rule does not come to its end.
const SLOW: Duration = Duration::from_millis(100);

/// What a rule has used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) calls: u64,
    /// Of all calls; `None` where fuel is not counted.
    pub(crate) fuel: Option<u64>,
    /// The slowest call, and what it was about.
    pub(crate) slowest: Option<(Duration, String)>,
}

/// A configured instance.
pub(crate) struct Session {
    probe: Probe,
    role: Role,
    input: Input,
    feed: Feed,
    used: Rc<RefCell<Used>>,
    deadline: Deadline,
    keys: Extraction,
    scores: Comparisons,
}

/// What a plugin says of one event or pair.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Of an event.
    Keys {
        status: KeyStatus,
        /// In the plugin's order.
        keys: Vec<Vec<u8>>,
        note: Option<String>,
    },
    /// Of a pair.
    Score {
        similarity: f64,
        property_similarity: f64,
        /// One a row.
        verdicts: Vec<Verdict>,
    },
}

impl Used {
    fn add(&mut self, cost: Cost, time: Duration, items: &Items) {
        self.calls += 1;
        self.fuel = cost.fuel.map(|more| self.fuel.unwrap_or(0) + more).or(self.fuel);
        if time >= SLOW && self.slowest.as_ref().is_none_or(|(slowest, _)| *slowest < time) {
            let what = match items.len() {
                1 => items.shown(0),
                more => format!("a batch of {more} {}s, {}, ..", items.kind(), items.shown(0)),
            };
            self.slowest = Some((time, what));
        }
    }
}

impl Session {
    pub(crate) fn new(
        probe: Probe,
        role: Role,
        input: Input,
        feed: Feed,
        used: Rc<RefCell<Used>>,
        deadline: Deadline,
    ) -> Self {
        let (keys, scores) = (Extraction::default(), Comparisons::default());
        Self { probe, role, input, feed, used, deadline, keys, scores }
    }

    /// What the plugin asked for.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// Lays texts out for the plugin: see [`Feed::items`].
    pub(crate) fn items(&mut self, texts: impl IntoIterator<Item = Text>) -> Items {
        self.feed.items(texts)
    }

    /// An event that is not JSON, for a plugin of fields: see [`Feed::absent`].
    pub(crate) fn absent(&self, text: Text) -> Option<Items> {
        self.feed.absent(text)
    }

    /// Some of the items, in any order.
    pub(crate) fn choose(&mut self, items: &Items, places: impl IntoIterator<Item = usize>) -> Items {
        self.feed.choose(items, places)
    }

    /// A call that costs more fuel than this is stopped from here on, as one that takes too long.
    pub(crate) fn fuel_max(&mut self, max: u64) {
        self.probe.set_fuel_max(max);
    }

    /// One call, whose answers are checked as in a run, and not taken apart.
    ///
    /// # Errors
    /// The plugin trapped, took too long or too much, failed as a whole, or its answer breaks the contract. The session is
    /// of no more use then.
    pub(crate) fn call(&mut self, items: &Items) -> Result<Cost, Fault> {
        self.deadline.allows_call()?;
        let started = Instant::now();
        let answered = match &items.laid {
            Laid::Events(events) => self.probe.extract(events, &mut self.keys),
            Laid::Pairs(pairs) => self.probe.compare(pairs, &mut self.scores),
        };
        let cost = self.probe.cost();
        self.used.borrow_mut().add(cost, started.elapsed(), items);
        if answered.as_ref().is_err_and(|fault| fault.kind == FaultKind::TimedOut) {
            self.deadline.call_timed_out();
        }
        answered.map(|()| cost)
    }

    /// One call: an answer for each item.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub(crate) fn ask(&mut self, items: &Items) -> Result<Vec<Answer>, Fault> {
        self.call(items)?;
        Ok(match &items.laid {
            Laid::Events(_) => answers_of_keys(&self.keys),
            Laid::Pairs(pairs) => {
                let scores = self.scores.scores.iter().enumerate();
                let score = scores.filter_map(|(pair, score)| {
                    let verdicts = self.scores.verdicts.get(pairs.rows(pair)).unwrap_or_default().to_vec();
                    let score = (*score)?;
                    let (similarity, property_similarity) = (score.similarity, score.property_similarity);
                    Some(Answer::Score { similarity, property_similarity, verdicts })
                });
                score.collect()
            }
        })
    }

    /// As [`Session::ask`], of items that the plugin has to answer: rule C1 sees to it that it does.
    ///
    /// # Errors
    /// The rule is blocked where it does not.
    pub(crate) fn answers(&mut self, items: &Items) -> Result<Vec<Answer>, Stop> {
        self.ask(items).map_err(|fault| Stop::no_answer(&fault))
    }

    /// Lays texts out and asks; see [`Session::answers`].
    ///
    /// # Errors
    /// The rule is blocked where the plugin has no answer.
    pub(crate) fn answers_to(&mut self, texts: impl IntoIterator<Item = Text>) -> Result<(Items, Vec<Answer>), Stop> {
        let items = self.items(texts);
        let answers = self.answers(&items)?;
        Ok((items, answers))
    }

    /// The role it plays.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The instance, for what a session has no words for.
    pub(crate) fn probe(&mut self) -> &mut Probe {
        &mut self.probe
    }
}

fn answers_of_keys(extraction: &Extraction) -> Vec<Answer> {
    let mut keys: Vec<Vec<Vec<u8>>> = vec![Vec::new(); extraction.status.len()];
    for (index, owner) in extraction.owners.iter().enumerate() {
        let key = extraction.keys.get(index).unwrap_or_default().to_vec();
        keys.get_mut(*owner as usize).into_iter().for_each(|keys| keys.push(key.clone()));
    }
    let mut notes: Vec<Option<String>> = vec![None; extraction.status.len()];
    for (event, note) in &extraction.notes {
        notes.get_mut(*event as usize).into_iter().for_each(|place| *place = Some(note.clone()));
    }
    let each = extraction.status.iter().zip(keys).zip(notes);
    each.map(|((status, keys), note)| Answer::Keys { status: *status, keys, note }).collect()
}

impl Answer {
    /// The keys of an event; none where it has none, and of a pair.
    pub(crate) fn keys(&self) -> &[Vec<u8>] {
        match self {
            Self::Keys { keys, .. } => keys,
            Self::Score { .. } => &[],
        }
    }

    /// Bytes of the keys and the note, or of the scores and verdicts.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Keys { keys, note, .. } => {
                keys.iter().map(Vec::len).sum::<usize>() + note.as_ref().map_or(0, String::len)
            }
            Self::Score { verdicts, .. } => 2 * size_of::<f64>() + verdicts.len(),
        }
    }

    /// Whether the event has a key, or the pair a score.
    pub(crate) fn is_keyed(&self) -> bool {
        !matches!(self, Self::Keys { status: KeyStatus::NoKey | KeyStatus::Invalid, .. })
    }

    /// Whether the host would do the same with both: they agree in all but notes, numbers bit by bit.
    pub(crate) fn same_decision(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keys { status, keys, .. }, Self::Keys { status: others, keys: other_keys, .. }) => {
                status == others && keys == other_keys
            }
            (
                Self::Score { similarity, property_similarity, verdicts },
                Self::Score { similarity: other, property_similarity: other_properties, verdicts: others },
            ) => {
                let bits = |score: &f64| score.to_bits();
                bits(similarity) == bits(other)
                    && bits(property_similarity) == bits(other_properties)
                    && verdicts == others
            }
            _ => false,
        }
    }

    /// Whether they agree in everything, notes too.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let note = |answer: &Self| match answer {
            Self::Keys { note, .. } => note.clone(),
            Self::Score { .. } => None,
        };
        self.same_decision(other) && note(self) == note(other)
    }
}

/// For people: what is long is cut.
impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 8;
        match self {
            Self::Keys { status, keys, note } => {
                match status {
                    KeyStatus::Keyed if keys.len() == 1 => out.write_str("the key")?,
                    KeyStatus::Keyed => write!(out, "{} keys", keys.len())?,
                    KeyStatus::NoKey => out.write_str("no key")?,
                    KeyStatus::Invalid => out.write_str("invalid")?,
                }
                for key in keys.iter().take(SHOWN_MAX) {
                    write!(out, " {}", shown(key))?;
                }
                note.as_ref().map_or(Ok(()), |note| write!(out, " (\"{}\")", cut(note, 200)))
            }
            Self::Score { similarity, property_similarity, verdicts } => {
                let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
                let (same, changed) = (count(Verdict::Same), count(Verdict::Changed));
                write!(
                    out,
                    "similarity {similarity:?}, property similarity {property_similarity:?}, of {} rows {same} same, \
                     {changed} changed, {} not looked at",
                    verdicts.len(),
                    count(Verdict::Ignored)
                )
            }
        }
    }
}
