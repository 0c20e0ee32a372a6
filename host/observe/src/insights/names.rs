//! Which properties are shown by name: few, and for a long time. Names come from events, and there may be millions: a series
//! for each would overwhelm any monitoring.
//!
//! Names without a place are counted by a sketch: Space-Saving (Metwally, Agrawal, El Abbadi: Efficient
//! Computation of Frequent and Top-k Elements in Data Streams, 2005), fed with the exact counts of a commit at a time
//! as one merges summaries (Agarwal et al.: Mergeable Summaries, 2012). It gives each name a count that was surely
//! reached.

use std::collections::HashMap;

use engine::findings::PropertyCounts;

use super::text::OTHER;

/// Properties that are shown by name.
pub(super) const NAMES_SHOWN_MAX: usize = 100;
/// Names that the sketch counts between commits.
const SKETCH_MAX: usize = 1000;

/// Changes of a name that has no place: at most `count`, and at least `count - error`.
#[derive(Debug, Clone, Copy, Default)]
struct Estimate {
    count: u64,
    error: u64,
}

impl Estimate {
    fn sure(self) -> u64 {
        self.count.saturating_sub(self.error)
    }
}

/// A name with a place.
#[derive(Debug, Clone, Copy, Default)]
struct Named {
    /// Since it has had the place.
    counts: PropertyCounts,
    /// Changes before and since.
    changes: Estimate,
}

/// Comparisons by name, and those of all names without a place.
///
/// As long as there is room, every name gets a place. After that, a name must certainly have more than twice the changes of
/// the least changed name that has one. The changes that it takes to hold a place therefore at least double each time it
/// changes hands, and names that occur once cannot displace any. The counts of a name that loses its place are added to
/// those of the others: the sum over all is exact at any time, and each count only grows while it is shown.
#[derive(Debug, Default)]
pub(super) struct Names {
    named: HashMap<String, Named>,
    other: PropertyCounts,
    sketch: HashMap<String, Estimate>,
    /// No name outside the sketch has had more changes than this.
    floor: u64,
}

impl Names {
    /// Adds the counts of a commit, by label.
    pub(super) fn merge(&mut self, names: Vec<(String, PropertyCounts)>, other: &PropertyCounts) {
        self.other.add(other);
        let mut risen = Vec::new();
        for (label, counts) in names {
            let changes = counts.changes();
            if let Some(named) = self.named.get_mut(&label) {
                named.counts.add(&counts);
                named.changes.count += changes;
            } else if label != OTHER && self.named.len() < NAMES_SHOWN_MAX {
                self.named.insert(label, Named { counts, changes: Estimate { count: changes, error: 0 } });
            } else {
                self.other.add(&counts);
                if changes > 0 && label != OTHER {
                    risen.push((self.estimate(&label, changes), label));
                }
            }
        }
        self.promote(risen);
        self.prune();
    }

    /// Counts changes of a name in the sketch.
    fn estimate(&mut self, label: &str, changes: u64) -> Estimate {
        if let Some(known) = self.sketch.get_mut(label) {
            known.count += changes;
            return *known;
        }
        let new = Estimate { count: self.floor + changes, error: self.floor };
        self.sketch.insert(label.to_owned(), new);
        new
    }

    fn promote(&mut self, mut risen: Vec<(Estimate, String)>) {
        let Some((_, least)) = self.weakest() else { return };
        risen.retain(|(changes, _)| changes.sure() > 2 * least);
        risen.sort_by(|(a, a_label), (b, b_label)| b.sure().cmp(&a.sure()).then_with(|| a_label.cmp(b_label)));
        for (changes, label) in risen {
            let Some((weakest, least)) = self.weakest() else { return };
            if self.named.contains_key(&label) || changes.sure() <= 2 * least {
                continue;
            }
            if let Some(gone) = self.named.remove(&weakest) {
                self.other.add(&gone.counts);
                self.sketch.insert(weakest, gone.changes);
            }
            self.sketch.remove(&label);
            self.named.insert(label, Named { counts: PropertyCounts::default(), changes });
        }
    }

    fn weakest(&self) -> Option<(String, u64)> {
        let weights = self.named.iter().map(|(label, named)| (named.changes.sure(), label));
        weights.min().map(|(sure, label)| (label.clone(), sure))
    }

    /// Drops the least changed names from the sketch.
    fn prune(&mut self) {
        if self.sketch.len() <= SKETCH_MAX {
            return;
        }
        let mut all: Vec<_> = std::mem::take(&mut self.sketch).into_iter().collect();
        all.select_nth_unstable_by(SKETCH_MAX, |(a_label, a), (b_label, b)| {
            b.count.cmp(&a.count).then_with(|| a_label.cmp(b_label))
        });
        let gone = all.split_off(SKETCH_MAX);
        self.floor = gone.iter().map(|(_, estimate)| estimate.count).fold(self.floor, u64::max);
        self.sketch = all.into_iter().collect();
    }

    /// The names that have a place, with their counts since they got it; the most changed first.
    pub(super) fn shown(&self) -> Vec<(&str, PropertyCounts)> {
        let mut shown: Vec<_> = self.named.iter().map(|(label, named)| (label.as_str(), named.counts)).collect();
        shown.sort_by(|(a_label, a), (b_label, b)| b.changes().cmp(&a.changes()).then_with(|| a_label.cmp(b_label)));
        shown
    }

    /// The counts of all names without a place, and of the others from before they got theirs.
    pub(super) fn other(&self) -> PropertyCounts {
        self.other
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn changed(label: impl Into<String>, changed: u64) -> (String, PropertyCounts) {
        (label.into(), PropertyCounts { changed, ..PropertyCounts::default() })
    }

    fn total(names: &Names) -> u64 {
        names.shown().iter().map(|(_, counts)| counts.changes()).sum::<u64>() + names.other().changes()
    }

    #[test]
    fn heavy_names_that_come_late_are_shown_among_a_million_that_come_once() {
        let mut names = Names::default();
        let (mut before, mut arrivals, mut fed) = (HashSet::new(), 0, 0);
        for commit in 0..1000_u64 {
            let mut found: Vec<_> = (0..1000).map(|number| changed(format!("/once/{commit}/{number}"), 1)).collect();
            if commit >= 500 {
                found.extend((0..20_u64).map(|number| changed(format!("/heavy/{number}"), 1 + (commit + number) % 3)));
            }
            fed += found.iter().map(|(_, counts)| counts.changes()).sum::<u64>();
            names.merge(found, &PropertyCounts::default());
            let shown: HashSet<String> = names.shown().into_iter().map(|(label, _)| label.to_owned()).collect();
            assert!(shown.len() <= NAMES_SHOWN_MAX && names.sketch.len() <= SKETCH_MAX && total(&names) == fed);
            arrivals += shown.difference(&before).count();
            before = shown;
        }
        assert!((0..20).all(|number| before.contains(&format!("/heavy/{number}"))));
        assert_eq!(arrivals, NAMES_SHOWN_MAX + 20, "only the heavy ones turned anybody out");
        assert!(names.shown().iter().take(20).all(|(label, _)| label.starts_with("/heavy/")));
    }

    #[test]
    fn what_is_shown_never_falls_and_what_is_sure_is_true() {
        let mut random = 7_u64;
        let (mut names, mut truth, mut before) = (Names::default(), HashMap::new(), HashMap::new());
        for _ in 0..400 {
            let mut found = Vec::new();
            for _ in 0..300 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // About one over the rank: many light names, few heavy ones.
                let rank = (50_000.0_f64.powf((random >> 11) as f64 / 2_f64.powi(53))) as u64;
                found.push(changed(format!("/{rank}"), 1));
                *truth.entry(format!("/{rank}")).or_insert(0) += 1;
            }
            names.merge(found, &PropertyCounts::default());
            let now: HashMap<String, u64> =
                names.shown().into_iter().map(|(label, counts)| (label.to_owned(), counts.changes())).collect();
            assert!(now.iter().all(|(label, count)| before.get(label).is_none_or(|before| before <= count)));
            before = now;
        }
        assert_eq!(total(&names), 120_000);
        assert!(
            names
                .sketch
                .iter()
                .all(|(label, estimate)| estimate.sure() <= truth[label] && truth[label] <= estimate.count)
        );
        assert!((1..=20).all(|rank| before.contains_key(&format!("/{rank}"))), "{before:?}");
    }

    #[test]
    fn a_place_changes_hands_only_for_more_than_twice_the_changes() {
        let mut names = Names::default();
        let held = (0..NAMES_SHOWN_MAX).map(|number| changed(format!("/{number:03}"), 10)).collect();
        names.merge(held, &PropertyCounts::default());
        let shows = |names: &Names, label: &str| names.shown().iter().any(|(shown, _)| *shown == label);
        names.merge(vec![changed("/new", 20)], &PropertyCounts::default());
        assert!(!shows(&names, "/new"));
        names.merge(vec![changed("/new", 1)], &PropertyCounts::default());
        assert!(shows(&names, "/new") && !shows(&names, "/000"));
        // A name that lost its place keeps its changes, and needs as many more as any other.
        names.merge(vec![changed("/000", 10)], &PropertyCounts::default());
        assert!(!shows(&names, "/000"));
        names.merge(vec![changed("/000", 1)], &PropertyCounts::default());
        assert!(shows(&names, "/000"));
    }

    #[test]
    fn a_name_that_never_changes_makes_room_for_one_that_does() {
        let mut names = Names::default();
        let same = |label: String| (label, PropertyCounts { same: 9, ..PropertyCounts::default() });
        names.merge(
            (0..NAMES_SHOWN_MAX).map(|number| same(format!("/{number:03}"))).collect(),
            &PropertyCounts::default(),
        );
        names.merge(vec![changed("/new", 1), changed(OTHER, 5)], &PropertyCounts::default());
        let shown = names.shown();
        assert!(shown.len() == NAMES_SHOWN_MAX && shown.iter().any(|(label, _)| *label == "/new"));
        assert!(shown.iter().all(|(label, _)| *label != OTHER && *label != "/000"));
        assert_eq!((names.other().same, names.other().changed), (9, 6));
    }
}
