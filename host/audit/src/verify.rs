//! `dedup-host verify`: reads what a run read and what it wrote, and says whether the one follows from the other. It shares
//! with the run how JSON and times are read and how the plugin is asked, and nothing of how records are decided.
//!
//! In steps, each of which sorts rows by what meets in the next: input and lanes are read; lanes that name records meet
//! the input by place; events meet by key; their decisions meet them by place; they meet the output by content; the output is
//! looked at in its order.

use std::collections::{BTreeMap, BTreeSet};

use connectors::Lane;
use plugin::Input;

use crate::chain::follow;
use crate::config::{Places, VerifyConfig};
use crate::digest::Digester;
use crate::error::AuditError;
use crate::events::Events;
use crate::expected::Lawful;
use crate::facts::Place;
use crate::findings::Findings;
use crate::join::Join;
use crate::judge::Judge;
use crate::order::look;
use crate::pairs::Pairs;
use crate::passes::{InputPass, LanePass, Rows};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::reading::{plan, read_again};
use crate::report::Report;
use crate::row::Pen;
use crate::sorted::{Room, Sorter};
use crate::told::Teller;
use crate::weigh::Weigh;

/// Sorters that hold rows at the same time, with what merging takes.
const SORTERS: usize = 6;

/// Of one sorter, whose rows have places of 32 bits.
const SORTER_BYTES_MAX: usize = 2 << 30;

/// Verifies.
///
/// # Errors
/// No verdict can be given: nothing is known then.
pub fn verify(config: &VerifyConfig) -> Result<Report, AuditError> {
    if !config.places.has(Lane::Output) {
        let none = "there is no output: name the topic or the file that unique events went to";
        return Err(AuditError::Impossible(none.to_owned()));
    }
    let no_chance = |error| AuditError::Impossible(format!("the system has no random bytes: {error}"));
    let digester = Digester::new().map_err(no_chance)?;
    let plan = plan(config)?;
    Verifier {
        config,
        plan,
        digester,
        room: Room { dir: config.temp_dir.clone(), bytes: (config.memory_bytes / SORTERS).min(SORTER_BYTES_MAX) },
        findings: Findings::new(config.shown_max),
        progress: Progress::new(),
    }
    .run()
}

struct Verifier<'a> {
    config: &'a VerifyConfig,
    plan: Plan,
    digester: Digester,
    room: Room,
    findings: Findings,
    progress: Progress,
}

impl Verifier<'_> {
    fn run(mut self) -> Result<Report, AuditError> {
        let config = self.config;
        let lanes = Lane::ALL.into_iter().filter(|lane| config.places.has(*lane)).collect();
        let lawful = Lawful { rules: &config.rules, lanes };
        let mut rows = Rows { by_place: self.sorter(), by_content: self.sorter(), by_order: self.sorter() };
        let keeps_times = self.read_lanes(&mut rows)?;
        let records = self.decide(rows.by_place)?;
        self.progress.next("putting records beside what was decided");
        let mut weigh =
            Weigh { lawful: &lawful, digester: &self.digester, keeps_times, contents: &mut rows.by_content };
        weigh.run(&mut records.finish()?)?;
        self.progress.next("comparing input and outputs");
        let mut pairs =
            Pairs { is_lines: self.is_lines(), is_whole: self.plan.is_whole(), lost: Vec::new(), foreign: Vec::new() };
        let mut judge = Judge {
            lawful: &lawful,
            findings: &mut self.findings,
            pairs: &mut pairs,
            by_order: &mut rows.by_order,
            judged: 0,
            pen: Pen::default(),
        };
        judge.run(&mut rows.by_content.finish()?)?;
        let judged = judge.judged;
        self.progress.next("looking at the order");
        let mut unordered = Findings::new(0);
        let ordered = if config.rules.at_least_once { &mut unordered } else { &mut self.findings };
        let gaps = look(&mut rows.by_order.finish()?, &self.plan, ordered)?;
        pairs.finish(&gaps, &mut self.findings);
        self.name_keys()?;
        Ok(Report::new(config.places.clone(), self.findings, judged))
    }

    fn sorter(&self) -> Sorter {
        Sorter::new(&self.room)
    }

    fn is_lines(&self) -> bool {
        matches!(self.config.places, Places::Files(_))
    }

    /// Reads the lanes; answers whether the output and the late lane keep the times of records.
    fn read_lanes(&mut self, rows: &mut Rows) -> Result<bool, AuditError> {
        let config = self.config;
        let teller = Teller {
            digester: &self.digester,
            source: config.places.source(),
            is_opaque: config.extractor.input() == &Input::Payload,
            is_lines: self.is_lines(),
        };
        let pass = LanePass { places: &config.places, plan: &self.plan, teller };
        let mut keeps_times = true;
        for lane in Lane::ALL {
            let Some(name) = config.places.name(lane) else { continue };
            self.progress.next(format!("reading {name}"));
            let has_append_time = pass.run(lane, rows, &mut self.findings, &mut self.progress)?;
            keeps_times &= !has_append_time || !matches!(lane, Lane::Output | Lane::Late);
        }
        self.findings
            .note("lanes whose topic gives records times of its own, which are not compared", u64::from(!keeps_times));
        Ok(keeps_times)
    }

    /// Reads the input, and decides it anew. Returns records, and what their keys come to, by place.
    fn decide(&mut self, mut by_place: Sorter) -> Result<Sorter, AuditError> {
        let config = self.config;
        self.progress.next(format!("reading {}", config.places.input()));
        let events = Events::new(&config.rules, &config.extractor, self.is_lines(), self.digester.clone())?;
        let pass = InputPass { places: &config.places, plan: &self.plan, rules: &config.rules, events };
        let reach = pass.run(&mut by_place, &self.digester, &mut self.findings, &mut self.progress)?;
        self.progress.next("putting lanes beside the input");
        let (mut keys, mut records) = (self.sorter(), self.sorter());
        let mut join = Join {
            plan: &self.plan,
            digester: &self.digester,
            source: config.places.source(),
            hides_values: config.rules.hides_values,
            findings: &mut self.findings,
            keys: &mut keys,
            records: &mut records,
            pen: Pen::default(),
        };
        join.run(&mut by_place.finish()?)?;
        self.progress.next("following keys");
        follow(&mut keys.finish()?, config.rules.window, &reach, &mut records)?;
        Ok(records)
    }

    /// Gives the violations that are shown the keys of their records, which are read again for that.
    fn name_keys(&mut self) -> Result<(), AuditError> {
        let wanted: BTreeSet<Place> = self.findings.shown_mut().filter_map(|violation| violation.input).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.progress.next("reading the records in question again");
        let config = self.config;
        let mut events = Events::new(&config.rules, &config.extractor, self.is_lines(), self.digester.clone())?;
        let mut known = BTreeMap::new();
        read_again(&config.places, &wanted, &mut |record| {
            events.push(record, true);
            events.understand(|record| {
                let keys: Vec<String> = record.keys.iter().map(|key| shown(key)).collect();
                known.insert(record.place, keys.join(", "));
                Ok(())
            })
        })?;
        for violation in self.findings.shown_mut() {
            let key = violation.input.and_then(|place| known.get(&place)).filter(|keys| !keys.is_empty());
            violation.key = key.cloned().filter(|_| !config.rules.hides_values);
        }
        Ok(())
    }
}

/// Characters of a key that are shown.
const KEY_CHARS_MAX: usize = 200;

fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().take(KEY_CHARS_MAX).collect()
}
