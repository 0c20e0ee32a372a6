//! A pair of events as a scorer sees it: the properties of both, side by side, and what it says of each. Not JSON: the
//! host has taken the events apart.

use std::ops::Range;

use crate::Value;
use crate::bindings::types::{Column, Comparisons, Pairs};
use crate::event::Kind;

/// One place in the two events of a pair: something is there in at least one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property<'a> {
    /// JSON pointer of the place, UTF-8. Given as bytes, because checking that costs more than comparing most values.
    pub path: &'a [u8],
    /// What the original has there.
    pub original: Value<'a>,
    /// What the duplicate has there.
    pub duplicate: Value<'a>,
}

impl<'a> Property<'a> {
    /// The JSON pointer as text.
    #[must_use]
    pub fn pointer(&self) -> &'a str {
        std::str::from_utf8(self.path).unwrap_or_default()
    }

    /// Whether both have the same, in kind and text; numbers and JSON come canonical from the host.
    #[inline]
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.original == self.duplicate
    }
}

/// What is said of one property. The numbers are those of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Both events have the same there.
    Same = 0,
    /// They differ there.
    Changed = 1,
    /// It was not looked at.
    Ignored = 2,
}

/// How alike two events are; each from 0 to 1, 1 for an event and itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Over all that the scorer looks at.
    pub similarity: f64,
    /// Over the properties alone, as the scorer understands that word.
    pub property_similarity: f64,
}

/// A duplicate, and the first event that had its key.
#[derive(Debug, Clone)]
pub struct Pair<'a> {
    pairs: &'a Pairs,
    rows: Range<usize>,
}

impl<'a> Pair<'a> {
    /// The pairs of a batch, in order.
    pub(crate) fn all(pairs: &'a Pairs) -> impl Iterator<Item = Pair<'a>> {
        let starts = std::iter::once(0).chain(pairs.ends.iter().copied());
        let ranges = starts.zip(&pairs.ends).map(|(start, end)| start as usize..*end as usize);
        ranges.map(move |rows| Pair { pairs, rows })
    }

    /// Number of properties.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether neither event has any property.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The properties of both events, ascending by the bytes of their pointers, no pointer twice.
    #[inline]
    pub fn properties(&self) -> impl ExactSizeIterator<Item = Property<'a>> + use<'a> {
        let Pairs { paths, original_kinds, originals, duplicate_kinds, duplicates, .. } = self.pairs;
        let originals = values(original_kinds, originals, &self.rows);
        let duplicates = values(duplicate_kinds, duplicates, &self.rows);
        let rows = texts(paths, &self.rows).zip(originals).zip(duplicates);
        rows.map(|((path, original), duplicate)| Property { path, original, duplicate })
    }
}

#[inline]
fn values<'a>(
    kinds: &'a [u8],
    column: &'a Column,
    rows: &Range<usize>,
) -> impl ExactSizeIterator<Item = Value<'a>> + use<'a> {
    let kinds = kinds.get(rows.clone()).unwrap_or_default();
    kinds.iter().zip(texts(column, rows)).map(|(kind, bytes)| Value { kind: Kind::of(*kind), bytes })
}

#[inline]
fn texts<'a>(column: &'a Column, rows: &Range<usize>) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
    let before = rows.start.checked_sub(1).and_then(|before| column.ends.get(before));
    let mut start = before.map_or(0, |end| *end as usize);
    column.ends.get(rows.clone()).unwrap_or_default().iter().map(move |end| {
        let text = column.data.get(start..*end as usize).unwrap_or_default();
        start = *end as usize;
        text
    })
}

/// Takes one verdict for each property of a pair, in their order. Properties at the end that get none were not looked at.
#[derive(Debug)]
pub struct Verdicts {
    numbers: Vec<u8>,
    /// Where those of the current pair start.
    first: usize,
}

impl Verdicts {
    pub(crate) fn for_batch(pairs: &Pairs) -> Self {
        Self { numbers: Vec::with_capacity(pairs.paths.ends.len()), first: 0 }
    }

    /// What is said of the next property.
    #[inline]
    pub fn push(&mut self, verdict: Verdict) {
        self.numbers.push(verdict as u8);
    }

    /// Closes a pair of so many properties.
    ///
    /// # Panics
    /// There are more verdicts than properties: which belongs to which is lost.
    pub(crate) fn end_pair(&mut self, properties: usize) {
        let given = self.numbers.len() - self.first;
        assert!(given <= properties, "the scorer gave {given} verdicts for {properties} properties");
        self.first += properties;
        self.numbers.resize(self.first, Verdict::Ignored as u8);
    }

    pub(crate) fn into_comparisons(self, scores: &[Score]) -> Comparisons {
        Comparisons {
            similarity: scores.iter().map(|score| score.similarity).collect(),
            property_similarity: scores.iter().map(|score| score.property_similarity).collect(),
            verdicts: self.numbers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Harness, no_pairs, push_rows};
    use crate::{Info, Input, SimilarityScorer};

    /// Gives as many verdicts as the configuration says, whatever there is.
    struct Fixed(u32);

    impl SimilarityScorer for Fixed {
        const INFO: Info = Info { name: "fixed", version: "1", key_version: 1 };

        fn configure(config: &str) -> Result<(Self, Input), String> {
            let verdicts = config.parse().map_err(|_| "give a number".to_owned())?;
            Ok((Self(verdicts), Input::Fields(vec![String::new()])))
        }

        fn compare(&self, pair: &Pair<'_>, verdicts: &mut Verdicts) -> Score {
            (0..self.0).for_each(|_| verdicts.push(Verdict::Changed));
            let first = pair.properties().next().map_or(1.0, |property| f64::from(u8::from(property.is_same())));
            Score { similarity: first, property_similarity: 1.0 }
        }
    }

    const ONE: Value<'_> = Value::new(Kind::Number, "1");

    #[test]
    fn pairs_of_a_batch_keep_to_their_own_rows() {
        let scorer = Harness::<Fixed>::new_scorer("0").unwrap();
        let mut pairs = no_pairs();
        push_rows(&mut pairs, [("/a", ONE, ONE), ("/b", ONE, Value::ABSENT)]);
        push_rows(&mut pairs, []);
        push_rows(&mut pairs, [("/c", ONE, Value::new(Kind::String, "1"))]);
        push_rows(&mut pairs, [("/d", Value::NULL, Value::NULL)]);
        let answer = scorer.compare(&pairs);
        assert_eq!(answer.similarity, [1.0, 1.0, 0.0, 1.0]);
        assert_eq!(answer.verdicts, [2, 2, 2, 2]);
        let pointers: Vec<Vec<&str>> =
            Pair::all(&pairs).map(|pair| pair.properties().map(|property| property.pointer()).collect()).collect();
        assert_eq!(pointers, [vec!["/a", "/b"], vec![], vec!["/c"], vec!["/d"]]);
    }

    #[test]
    fn properties_without_a_verdict_were_not_looked_at() {
        let said = Harness::<Fixed>::new_scorer("1").unwrap().compare_rows(&[("/a", ONE, ONE), ("/b", ONE, ONE)]);
        assert_eq!(
            (said.changed.concat(), said.same.concat(), said.ignored.concat()),
            ("/a".into(), "".into(), "/b".into())
        );
    }

    #[test]
    #[should_panic(expected = "the scorer gave 2 verdicts for 1 properties")]
    fn more_verdicts_than_properties() {
        let _ = Harness::<Fixed>::new_scorer("2").unwrap().compare_rows(&[("/a", ONE, ONE)]);
    }
}
