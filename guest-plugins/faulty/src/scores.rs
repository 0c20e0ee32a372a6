//! Puts faults into the answers of the scorer.

use dedup_plugin::bindings::types::{Column, Comparisons, Pairs};

use crate::config::{Config, Fault};
use crate::memory::Memory;
use crate::waste;

/// The numbers of the contract.
const ABSENT: u8 = 0;
const CHANGED: u8 = 1;
const IGNORED: u8 = 2;
const STRING: u8 = 4;

/// Does what the fault does before there is an answer.
pub fn before(config: &Config, pairs: &Pairs) {
    if config.is(Fault::QuadraticRows) {
        for rows in ranges(pairs) {
            waste::instructions(32 * (rows.len() * rows.len()) as u64);
        }
    }
}

fn ranges(pairs: &Pairs) -> impl Iterator<Item = std::ops::Range<usize>> {
    let starts = std::iter::once(0).chain(pairs.ends.iter().copied());
    starts.zip(&pairs.ends).map(|(start, end)| start as usize..*end as usize)
}

/// Puts the fault into the answer.
pub fn after(config: &Config, memory: &Memory, pairs: &Pairs, answer: &mut Comparisons) {
    match config.fault {
        Some(Fault::ScoreMissing) => _ = answer.similarity.pop(),
        Some(Fault::VerdictMissing) => _ = answer.verdicts.pop(),
        Some(Fault::VerdictUnknown) => answer.verdicts.last_mut().into_iter().for_each(|verdict| *verdict = 3),
        Some(Fault::Relative) => {
            let best = answer.similarity.iter().copied().fold(0.0, f64::max);
            each(answer, |_, score| if best > 0.0 { score / best } else { score });
        }
        Some(Fault::NotANumber) => nothing_in_common(pairs, answer, f64::NAN),
        Some(Fault::BelowZero) => nothing_in_common(pairs, answer, -1e-9),
        Some(Fault::AlmostItself) => {
            where_there_are_rows(pairs, answer, |score| if score < 1.0 { score } else { 0.999 })
        }
        Some(Fault::Asymmetric) => asymmetric(pairs, answer),
        Some(Fault::OneSided) => {
            for (verdict, kind) in answer.verdicts.iter_mut().zip(&pairs.duplicate_kinds) {
                *verdict = if *kind == ABSENT { IGNORED } else { *verdict };
            }
        }
        Some(Fault::NoRows) => {
            let empty: Vec<bool> = ranges(pairs).map(|rows| rows.is_empty()).collect();
            each(answer, |pair, score| if empty.get(pair) == Some(&true) { 0.0 } else { score });
        }
        Some(Fault::SumAbove) => by_rows(pairs, answer, |rows, score| match score {
            1.0 if rows.len() > 64 => 1.0 + f64::from(f32::EPSILON),
            other => other,
        }),
        Some(Fault::Product) => by_rows(pairs, answer, |rows, score| match score {
            1.0 if !rows.is_empty() => rows.len() as f64 * (1.0 / rows.len() as f64),
            other => other,
        }),
        Some(Fault::Additions) => by_rows(pairs, answer, |rows, score| {
            let kinds = pairs.original_kinds.get(rows.clone()).unwrap_or_default();
            let there = kinds.iter().filter(|kind| **kind != ABSENT).count();
            if rows.len() > 40 && there > 0 { (score * rows.len() as f64 / there as f64).min(1.0) } else { score }
        }),
        Some(Fault::PairCounter) => {
            let late: Vec<bool> = pairs.ends.iter().map(|_| memory.comes_round()).collect();
            each(answer, |pair, score| if late.get(pair) == Some(&true) { score / 2.0 } else { score });
        }
        Some(Fault::AlwaysChanged) => {
            always_changed(pairs, answer, |text| text.bytes().any(|byte| byte.is_ascii_digit()))
        }
        Some(Fault::FoldsChanged) => always_changed(pairs, answer, folds_to_another),
        Some(Fault::AlmostFolds) => {
            let both = texts(&pairs.originals).zip(texts(&pairs.duplicates));
            let folds: Vec<bool> = both.map(|(one, other)| one == other && folds_to_another(one)).collect();
            by_rows(pairs, answer, |rows, score| match folds.get(rows.clone()) {
                Some(rows) if rows.contains(&true) => score * 0.99,
                _ => score,
            });
        }
        Some(Fault::MoreAlike) => each(answer, |_, score| if score < 1.0 { 1.0 - score } else { 1.0 }),
        _ => {}
    }
}

fn each(answer: &mut Comparisons, change: impl Fn(usize, f64) -> f64) {
    for scores in [&mut answer.similarity, &mut answer.property_similarity] {
        scores.iter_mut().enumerate().for_each(|(pair, score)| *score = change(pair, *score));
    }
}

/// Changes scores by the rows of their pair.
fn by_rows(pairs: &Pairs, answer: &mut Comparisons, change: impl Fn(&std::ops::Range<usize>, f64) -> f64) {
    let all: Vec<std::ops::Range<usize>> = ranges(pairs).collect();
    each(answer, |pair, score| all.get(pair).map_or(score, |rows| change(rows, score)));
}

fn nothing_in_common(pairs: &Pairs, answer: &mut Comparisons, instead: f64) {
    where_there_are_rows(pairs, answer, |score| if score == 0.0 { instead } else { score });
}

fn where_there_are_rows(pairs: &Pairs, answer: &mut Comparisons, change: impl Fn(f64) -> f64) {
    let has_rows: Vec<bool> = ranges(pairs).map(|rows| !rows.is_empty()).collect();
    each(answer, |pair, score| if has_rows.get(pair) == Some(&true) { change(score) } else { score });
}

/// Takes a little off where the original has more bytes than the duplicate.
fn asymmetric(pairs: &Pairs, answer: &mut Comparisons) {
    let end = |ends: &[u32], row: usize| row.checked_sub(1).and_then(|row| ends.get(row)).map_or(0, |end| *end);
    let bytes = |ends: &[u32], rows: &std::ops::Range<usize>| end(ends, rows.end) - end(ends, rows.start);
    let longer: Vec<bool> =
        ranges(pairs).map(|rows| bytes(&pairs.originals.ends, &rows) > bytes(&pairs.duplicates.ends, &rows)).collect();
    each(answer, |pair, score| if longer.get(pair) == Some(&true) { score * 0.999 } else { score });
}

/// Reports strings that are such as changed.
fn always_changed(pairs: &Pairs, answer: &mut Comparisons, is_such: impl Fn(&str) -> bool) {
    let rows = texts(&pairs.originals).zip(&pairs.original_kinds);
    for ((text, kind), verdict) in rows.zip(&mut answer.verdicts) {
        if *kind == STRING && is_such(text) {
            *verdict = CHANGED;
        }
    }
}

fn texts(column: &Column) -> impl Iterator<Item = &str> {
    let starts = std::iter::once(0).chain(column.ends.iter().copied());
    let bytes = starts.zip(&column.ends).map(|(start, end)| column.data.get(start as usize..*end as usize));
    bytes.map(|bytes| std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default())
}

fn folds_to_another(text: &str) -> bool {
    text.to_lowercase() != text.to_uppercase().to_lowercase()
}
