//! What happens in a round, drawn from a seed. Not the doing.

use std::fmt;

use cases::Rng;

use crate::way::Weather;

/// Hosts that are there all the time.
pub(crate) const MEMBERS: [&str; 3] = ["a", "b", "c"];

/// What all rounds of a scene have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) partitions: i32,
    /// A short one ends while rounds go on, so that what a state has forgotten and when counts as much as what it knows.
    pub(crate) window: &'static str,
    /// Hosts have one directory of checkpoints, which is lost to none of them.
    pub(crate) shares_directory: bool,
}

impl Terms {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let partitions = rng.pick(&[3, 4, 6]).unwrap_or(4);
        let window = rng.pick(&["24h", "24h", "none", "30s", "60s"]).unwrap_or("24h");
        Self { partitions, window, shares_directory: rng.chance(300) }
    }
}

/// What becomes of a host's disk while it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    Nothing,
    /// The state; its checkpoints on this disk stay.
    Store,
    /// All that it has.
    Disk,
    Checkpoints,
    /// An earlier copy takes its place, if there is one.
    PutBack,
}

/// What is done to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strike {
    /// `kill -9`
    Kill(Loss),
    /// SIGTERM
    Leave(Loss),
    /// SIGSTOP until the end of the round, and so long at least, in milliseconds.
    Stop(u64),
}

/// What is done to the broker, and for how many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    Hangs(u64),
    Killed(u64),
    /// In good order.
    Ended(u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) weather: Weather,
    pub(crate) outage: Option<Outage>,
    /// Of which of [`MEMBERS`], what, and whether it is started again at once; else at the end of the round.
    pub(crate) strikes: Vec<(usize, Strike, bool)>,
    /// Hosts that come and go one after the other, with empty disks; whether each is killed.
    pub(crate) visits: Vec<bool>,
    /// The disk of the last member is full until the end of the round.
    pub(crate) fills_disk: bool,
}

impl Round {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let weathers = [Weather::Fair, Weather::Fair, Weather::Away, Weather::Slow, Weather::Lying, Weather::Lying];
        let weather = rng.pick(&weathers).unwrap_or(Weather::Fair);
        let outage = rng.chance(220).then(|| outage(rng));
        let strikes = (0..=rng.below(3)).map(|_| (rng.below(MEMBERS.len()), strike(rng), rng.chance(600))).collect();
        let visits = if rng.chance(250) { (0..=rng.below(3)).map(|_| rng.chance(500)).collect() } else { Vec::new() };
        Self { weather, outage, strikes, visits, fills_disk: rng.chance(150) }
    }
}

fn millis(rng: &mut Rng, max: usize) -> u64 {
    rng.below(max) as u64
}

fn outage(rng: &mut Rng) -> Outage {
    match rng.below(3) {
        0 => Outage::Hangs(millis(rng, 6_000)),
        1 => Outage::Killed(millis(rng, 2_000)),
        _ => Outage::Ended(millis(rng, 2_000)),
    }
}

fn strike(rng: &mut Rng) -> Strike {
    let losses = [Loss::Nothing, Loss::Nothing, Loss::Store, Loss::Disk, Loss::Disk, Loss::Checkpoints, Loss::PutBack];
    let loss = rng.pick(&losses).unwrap_or(Loss::Nothing);
    match rng.below(10) {
        0..5 => Strike::Kill(loss),
        5..7 => Strike::Leave(loss),
        // Past the session, and at times past the time-out of a transaction.
        _ => Strike::Stop(1_600 + millis(rng, 5_000)),
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3 {:?}", self.weather)?;
        if let Some(outage) = self.outage {
            write!(f, "; broker {outage:?} ms")?;
        }
        for (member, strike, _) in &self.strikes {
            write!(f, "; {} {strike:?}", MEMBERS[*member])?;
        }
        if !self.visits.is_empty() {
            write!(f, "; {} visits", self.visits.len())?;
        }
        if self.fills_disk {
            write!(f, "; disk of c full")?;
        }
        Ok(())
    }
}

/// Of the draws alone, without a host.
pub(crate) fn a_seed_draws_the_same_rounds() {
    let rounds = |seed| {
        let mut rng = Rng::new(seed);
        (0..300).map(|_| Round::draw(&mut rng)).collect::<Vec<_>>()
    };
    let drawn = rounds(1);
    assert_eq!(drawn, rounds(1));
    assert_ne!(drawn, rounds(2));
    let words: String = drawn.iter().map(|round| format!("{round}\n")).collect();
    for fault in ["Away", "Slow", "Lying", "Hangs", "Killed", "Ended", "Kill(Disk)", "Leave(Disk)", "Kill(PutBack)"] {
        assert!(words.contains(fault), "{fault} never comes");
    }
    for fault in ["Kill(Store)", "Kill(Checkpoints)", "Stop(", "visits", "disk of c full"] {
        assert!(words.contains(fault), "{fault} never comes");
    }
}
