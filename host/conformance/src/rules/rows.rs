//! Pairs of events with 0 to 128 properties in every mix of same, changed, and only in one of the two: for the rules of
//! the group `scores`, whose sums are right for ten properties and not for forty-nine. Not the rules.

use plugin::Input;

use crate::feed::Text;
use crate::samples::{Draw, Json};

/// Properties of the largest events.
pub(super) const ROWS_MAX: usize = 128;

/// How many properties there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mix {
    pub(super) same: usize,
    changed: usize,
    removed: usize,
    added: usize,
}

impl Mix {
    /// Of which all are the same.
    pub(super) fn same(rows: usize) -> Self {
        Self { same: rows, changed: 0, removed: 0, added: 0 }
    }

    /// In words.
    pub(super) fn words(self) -> String {
        let Self { same, changed, removed, added } = self;
        format!(
            "{same} properties the same, {changed} changed, {removed} only in the original, {added} only in the duplicate"
        )
    }

    /// Mixes of so many properties: all of one kind, all but one, halves, and two that are drawn.
    pub(super) fn of(rows: usize, draw: &mut Draw) -> Vec<Self> {
        let kinds: [fn(usize) -> Self; 4] = [
            Self::same,
            |changed| Self { changed, ..Self::same(0) },
            |removed| Self { removed, ..Self::same(0) },
            |added| Self { added, ..Self::same(0) },
        ];
        let mut mixes: Vec<Self> = kinds.iter().map(|kind| kind(rows)).collect();
        for other in kinds.iter().skip(1).filter(|_| rows > 1) {
            for part in [1, rows / 2] {
                mixes.push(Self { same: rows - part, ..other(part) });
            }
        }
        for _ in 0..2 {
            let mut cuts = [draw.below(rows + 1), draw.below(rows + 1), draw.below(rows + 1)];
            cuts.sort_unstable();
            let [first, second, third] = cuts;
            let (changed, removed, added) = (second - first, third - second, rows - third);
            mixes.push(Self { same: first, changed, removed, added });
        }
        mixes
    }

    /// A pair with such properties, at one of the places that the scorer reads.
    pub(super) fn pair(self, input: &Input) -> Text {
        let rows = self.same + self.changed + self.removed + self.added;
        let (mut original, mut duplicate) = (Vec::new(), Vec::new());
        for row in 0..rows {
            // Kinds stand between each other: of 49 properties the first are not all the same.
            let name = format!("m{:03}", row * 37 % 1009);
            let value = |other: &str| {
                if row % 3 == 0 { Json::number(row + other.len()) } else { Json::string(format!("v{row}{other}")) }
            };
            if row < self.same + self.changed + self.removed {
                original.push((name.clone(), value("")));
            }
            if row < self.same {
                duplicate.push((name, value("")));
            } else if row < self.same + self.changed || row >= self.same + self.changed + self.removed {
                duplicate.push((name, value("x")));
            }
        }
        let event = |members: Vec<(String, Json)>| in_place(members, input, rows).text();
        Text::Pair(event(original), event(duplicate))
    }
}

/// An event with these members at one of the places that are asked for; where that is the whole event, sometimes below
/// `properties`.
fn in_place(members: Vec<(String, Json)>, input: &Input, rows: usize) -> Json {
    let members = Json::Object(members);
    let roots: &[String] = match input {
        Input::Fields(roots) => roots,
        Input::Payload => &[],
    };
    let root = roots.get(rows % roots.len().max(1)).map_or("", String::as_str);
    let root = if root.is_empty() && rows % 2 == 1 { "/properties" } else { root };
    let mut event = Json::Object(Vec::new());
    event.set(root, members);
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Feed, Laid};
    use plugin::Role;

    #[test]
    fn pairs_have_as_many_rows_as_the_mix_says() {
        let mut draw = Draw::new(1, "test");
        for root in ["", "/properties"] {
            let input = Input::Fields(vec![root.to_owned()]);
            let mut feed = Feed::new(Role::SimilarityScorer, &input).unwrap();
            for rows in [2, 3, 49, 64, ROWS_MAX] {
                for mix in Mix::of(rows, &mut draw) {
                    let items = feed.items([mix.pair(&input)]);
                    let Laid::Pairs(batch) = &items.laid else { panic!("pairs") };
                    let same =
                        batch.rows(0).filter(|row| batch.originals.get(*row) == batch.duplicates.get(*row)).count();
                    let whole = mix.removed < rows && mix.added < rows;
                    assert_eq!((items.len(), same), (1, mix.same), "{mix:?}");
                    assert!(!whole || batch.rows(0).len() == rows, "{mix:?}: {} rows", batch.rows(0).len());
                }
            }
        }
    }
}
