//! Answers that any component may give: what is honest comes through as it was meant, and what is taken of the rest keeps
//! every promise of `Extraction` and `Comparisons`.

use proptest::prelude::*;

use super::*;

const LIMITS: fn() -> Limits =
    || Limits { keys_per_event_max: 4, key_bytes_max: 10, note_bytes_max: 12, ..Limits::default() };

/// What a component means to say of one event.
type Meant = (KeyStatus, Vec<Vec<u8>>, Option<String>);

fn meant() -> impl Strategy<Value = Vec<Meant>> {
    let keys = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 1..5);
    let event = (0..4_u8, keys, prop::option::weighted(0.2, "(\\PC|[\\n\u{202e}]){0,20}"));
    let event = event.prop_map(|(status, keys, note)| match status {
        0 | 1 => (KeyStatus::Keyed, keys, note),
        2 => (KeyStatus::NoKey, Vec::new(), note),
        _ => (KeyStatus::Invalid, Vec::new(), note),
    });
    prop::collection::vec(event, 0..6)
}

/// The answer that says so; with `one_each` the short form, where it can be said in it.
fn said(meant: &[Meant], one_each: bool) -> types::Extraction {
    // No owners mean one key an event, so that there is no other form where there are no keys.
    let short = meant.iter().all(|(_, keys, _)| keys.len() <= usize::from(one_each));
    let (mut data, mut ends, mut owners, mut notes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, (_, keys, note)) in (0..).zip(meant) {
        for key in keys {
            data.extend_from_slice(key);
            ends.push(data.len() as u32);
            owners.push(index);
        }
        if short && keys.is_empty() {
            ends.push(data.len() as u32);
        }
        notes.extend(note.iter().map(|message| types::Note { index, message: message.clone() }));
    }
    if short {
        owners.clear();
    }
    let status = meant.iter().map(|(status, ..)| *status as u8).collect();
    types::Extraction { keys: types::ColumnResult { data, ends }, owners, status, notes }
}

/// What must come of it.
fn expected(meant: &[Meant]) -> Extraction {
    let mut all = Extraction::default();
    for (index, (status, keys, note)) in (0..).zip(meant) {
        for key in keys {
            all.keys.push(key);
            all.owners.push(index);
        }
        all.status.push(*status);
        all.notes.extend(note.iter().map(|note| (index, clean(note, 12))));
    }
    all
}

fn keeps_its_promises(all: &Extraction) -> bool {
    let Extraction { keys, owners, status, notes } = all;
    let is_keyed = |event: &u32| status.get(*event as usize) == Some(&KeyStatus::Keyed);
    let owned = |event: u32| owners.iter().filter(|owner| **owner == event).count();
    keys.ends.is_sorted()
        && keys.ends.last().map_or(0, |end| *end as usize) == keys.data.len()
        && owners.len() == keys.ends.len()
        && owners.is_sorted()
        && owners.iter().all(is_keyed)
        && (0..).zip(status).all(|(event, status)| (*status == KeyStatus::Keyed) == (1..=4).contains(&owned(event)))
        && notes.is_sorted_by(|one, next| one.0 < next.0)
        && notes.iter().all(|(event, note)| (*event as usize) < status.len() && note.len() <= 12)
}

/// A lie, or none: a list by its number, a place in it, and what is put there, or taken out.
fn tampered(mut answer: types::Extraction, lies: &[(u8, prop::sample::Index, u32)]) -> types::Extraction {
    fn at<T>(list: &mut Vec<T>, place: &prop::sample::Index, put: Option<T>) {
        let place = place.index(list.len() + 1);
        match put {
            Some(value) if place < list.len() => list[place] = value,
            Some(value) => list.push(value),
            None if place < list.len() => drop(list.remove(place)),
            None => {}
        }
    }
    for (list, place, number) in lies {
        let small = number.checked_sub(1);
        match list {
            0 => at(&mut answer.keys.ends, place, small),
            1 => at(&mut answer.owners, place, small),
            2 => at(&mut answer.status, place, small.map(|number| number as u8)),
            3 => at(&mut answer.keys.data, place, small.map(|number| number as u8)),
            4 => answer.owners.clear(),
            _ => at(&mut answer.notes, place, small.map(|index| types::Note { index, message: "x\ny".repeat(9) })),
        }
    }
    answer
}

fn lies() -> impl Strategy<Value = Vec<(u8, prop::sample::Index, u32)>> {
    let number = prop_oneof![4 => 0..8_u32, 1 => any::<u32>()];
    prop::collection::vec((0..6_u8, any::<prop::sample::Index>(), number), 0..3)
}

proptest! {
    #![proptest_config(cases::cases(2_000))]

    #[test]
    fn what_is_honest_comes_through_as_it_was_meant(slices in prop::collection::vec(meant(), 1..4), one_each: bool) {
        let mut out = Extraction::default();
        for slice in &slices {
            let within = slice.iter().all(|(_, keys, _)| keys.iter().map(Vec::len).sum::<usize>() <= 10);
            let before = out.clone();
            let taken = absorb_keys(said(slice, one_each), slice.len(), |_| 0, &LIMITS(), &mut out);
            prop_assert_eq!(taken.is_ok(), within, "{:?}", taken);
            if !within {
                prop_assert_eq!(&out, &before);
                return Ok(());
            }
        }
        prop_assert!(keeps_its_promises(&out), "{:?}", out);
        prop_assert_eq!(out, expected(&slices.concat()));
    }

    #[test]
    fn what_is_taken_of_a_lie_keeps_every_promise(
        before in meant(), slice in meant(), one_each: bool, lies in lies(), events in prop::option::weighted(0.1, 0..8_usize),
    ) {
        let mut out = Extraction::default();
        let _may_be_too_long = absorb_keys(said(&before, one_each), before.len(), |_| 0, &LIMITS(), &mut out);
        let honest = out.clone();
        let answer = tampered(said(&slice, one_each), &lies);
        let events = events.unwrap_or(slice.len());
        match absorb_keys(answer, events, |event| event, &LIMITS(), &mut out) {
            Ok(()) => {
                prop_assert!(keeps_its_promises(&out), "{:?}", out);
                prop_assert_eq!(out.status.len(), honest.status.len() + events);
                prop_assert_eq!(&out.status[..honest.status.len()], &honest.status[..]);
            }
            Err(lie) => {
                prop_assert!(!lie.is_empty() && lie.len() < 300);
                prop_assert_eq!(out, honest, "nothing is taken of it");
            }
        }
    }

    #[test]
    fn scores_are_numbers_from_0_to_1_or_a_lie(
        scores in prop::collection::vec((prop_oneof![3 => 0.0..=1.0_f64, 1 => any::<f64>(), 1 => Just(-0.0)], 0.0..=1.0_f64), 0..5),
        verdicts in prop::collection::vec(prop_oneof![6 => 0..3_u8, 1 => any::<u8>()], 0..9),
        pairs in prop::option::weighted(0.2, 0..6_usize), rows in prop::option::weighted(0.2, 0..9_usize),
    ) {
        let (similarity, property_similarity): (Vec<f64>, Vec<f64>) = scores.iter().copied().unzip();
        let answer = types::Comparisons { similarity, property_similarity, verdicts: verdicts.clone() };
        let (pairs, rows) = (pairs.unwrap_or(scores.len()), rows.unwrap_or(verdicts.len()));
        let is_honest = pairs == scores.len()
            && rows == verdicts.len()
            && scores.iter().all(|(score, _)| *score >= 0.0 && *score <= 1.0)
            && verdicts.iter().all(|verdict| *verdict < 3);
        let mut out = Comparisons::default();
        prop_assert_eq!(absorb_scores(&answer, pairs, rows, &mut out).is_ok(), is_honest);
        if is_honest {
            let found = out.scores.iter().flatten();
            prop_assert!(found.clone().all(|score| score.similarity.is_sign_positive()));
            prop_assert!(found.zip(&scores).all(|(found, said)| (found.similarity, found.property_similarity) == *said));
            prop_assert!(out.verdicts.iter().zip(&verdicts).all(|(found, said)| *found as u8 == *said));
            prop_assert_eq!((out.scores.len(), out.verdicts.len()), (pairs, rows));
        } else {
            prop_assert_eq!(out, Comparisons::default());
        }
    }
}
