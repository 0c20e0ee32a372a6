//! Rules of the group `keys` on the values of one place: that different ones give different keys, however long they are,
//! whatever number they spell and whatever letters they have, and however many there are. The texts are put where the
//! plugin is known to take them.

use std::collections::BTreeSet;

use plugin::Role;

use super::distinct::{Distinct, Variant};
use super::{crowd, decoys, nested, undeclared};
use crate::context::Context;
use crate::rule::{Concerns, Group, Level, Rule};
use crate::samples::fill::{letters_of, random_text};
use crate::session::Answer;
use crate::show::shown;
use crate::verdict::Stop;

/// Lengths of texts, each a little beyond one at which people cut.
const LENGTHS: [usize; 13] = [17, 33, 65, 101, 129, 257, 513, 1025, 2049, 4097, 8200, 16_400, 65_600];
/// Places beside those near the ends and the middle at which a text is changed.
const DRAWN_PLACES: usize = 6;
/// Letters without case, or of one case, from first to last.
const LETTERS: [(char, char); 6] = [
    // All last bytes of three and of four in UTF-8, and letters that differ in their first bytes alone.
    ('\u{4e80}', '\u{4ebf}'),
    ('\u{1f600}', '\u{1f63f}'),
    // Latin, Greek and Cyrillic, lower case.
    ('\u{e0}', '\u{f6}'),
    ('\u{3b1}', '\u{3c1}'),
    ('\u{430}', '\u{44f}'),
    ('\u{5d0}', '\u{5ea}'),
];
/// Letters that are the same in eight bits, in sixteen, or in their last bytes.
const ALIKE: [char; 10] =
    ['a', 'å', '\u{161}', '\u{4e61}', '\u{5e85}', '\u{6e85}', '\u{7e85}', '\u{10330}', '\u{330}', '\u{fffd}'];
/// Texts that a second reading of escapes takes for the same, or that end early.
const ESCAPES: [&str; 14] =
    ["\\n", "\n", "\\t", "\t", "\\\"", "\"", "\\\\", "\\", "\\/", "/", "\\u0062", "b", "\0", "\0c"];
/// Letters of one case and their other form, beyond ASCII.
const CASES: [(char, char); 10] = [
    ('é', 'É'),
    ('ä', 'Ä'),
    ('ñ', 'Ñ'),
    ('ø', 'Ø'),
    ('ć', 'Ć'),
    ('ж', 'Ж'),
    ('λ', 'Λ'),
    ('ա', 'Ա'),
    ('ａ', 'Ａ'),
    ('\u{10428}', '\u{10400}'),
];

const fn rule(
    id: &'static str,
    sentence: &'static str,
    reason: &'static str,
    run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
) -> Rule {
    let (group, level, concerns) = (Group::Keys, Level::Strict, Concerns::Extractor);
    Rule { id, group, level, concerns, quick: false, follows: &["C2", "T1", "D6", "E3"], sentence, reason, run }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "K9",
        "Long values that differ in one character, wherever it stands, give different keys, up to 64 KiB.",
        "A value that is cut, or of which only the ends count, makes duplicates of events that have a beginning in \
         common; use a digest of the whole.",
        long_values,
    ),
    rule(
        "K10",
        "Different numbers give different keys: neighbours beyond 2^32, 2^53 and 2^64, decimals, and ones beyond doubles; \
         also as strings.",
        "An id that passes through a double or 32 bits becomes the id of another event; keep its text.",
        numbers,
    ),
    rule(
        "K11",
        "Different letters give different keys, and none is cut in two: at the beginning, inside and at the end of a \
         value, in scripts of one to four bytes, and beside escapes and NUL.",
        "Code that trims, cuts or reads bytes takes a part of a letter for white space or for an end.",
        letters,
    ),
    Rule {
        follows: &["C2", "T1", "D6", "E3", "K11"],
        ..rule(
            "K12",
            "A plugin that takes upper and lower case for the same does so for letters beyond ASCII, too.",
            "Otherwise it finds the duplicates of some users and not those of others.",
            cases,
        )
    },
    rule(
        "K13",
        "Among 1,000,000 different events no two share a key, and a key that is a digest has 64 bits or more.",
        "Of digests with 32 bits two are the same among 77,000 events, with 48 bits among 20 million: as many as come in \
         an hour.",
        crowd::no_two_meet,
    ),
    Rule {
        follows: &["C2", "T1", "D6", "E3", "K2"],
        ..rule(
            "K14",
            "A plugin that picks members of the payload is not misled by what looks like them elsewhere: in another object, \
             an array, a text, under a longer name.",
            "A search in the text finds what stands first, and anyone who can send events can put something there.",
            decoys::found_where_they_stand,
        )
    },
    Rule {
        follows: &["C2", "T1", "D6", "E3", "K2", "K3", "K4", "K9", "K10", "K11", "K12", "K14"],
        ..rule(
            "K15",
            "Values that differ only in case, white space, an accent, punctuation, zeros, a beginning, an end or one part \
             have different keys, unless conformance.toml declares them the same.",
            "What is folded or trimmed on purpose is an equality that operators have to know of; what happens by itself \
             makes duplicates of events that are none.",
            undeclared::nearly_the_same,
        )
    },
    Rule {
        follows: &["C2", "T1", "D6", "E3", "K4"],
        ..rule(
            "K16",
            "Different arrays and objects give different keys where the plugin makes keys of them: whatever separates \
             elements stands in one, whatever number is inside.",
            "An array that is joined with commas, or an object that becomes a word, is the array or object of another \
             event.",
            nested::told_apart,
        )
    },
];

/// Runs something for each slot, which says how much it tried.
fn each(
    context: &mut Context<'_>,
    role: Role,
    what: &str,
    mut run: impl FnMut(&mut Distinct<'_, '_>) -> Result<usize, Stop>,
) -> Result<(), Stop> {
    let mut told = Vec::new();
    for mut distinct in Distinct::all(context, role)? {
        let tried = run(&mut distinct)?;
        if tried > 1 {
            told.push(format!("{tried} at {}", distinct.place()));
        }
    }
    if told.is_empty() {
        return Err(Stop::not_applicable(format!("no {what} tried had a key")));
    }
    context.remark(format!("{what}: {}", told.join(", ")));
    Ok(())
}

fn long_values(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut draw = context.draw("long values");
    each(context, role, "long values", |distinct| {
        let (mut tried, longest) = (0, distinct.slot.takes.bytes_max);
        for length in LENGTHS.into_iter().filter(|length| *length <= longest) {
            let text = random_text(&distinct.slot, length, &mut draw);
            let mut places = BTreeSet::from([0, 1, length / 4, length / 2, length * 3 / 4, length - 2, length - 1]);
            places.extend((3..17).map(|power| 1 << power).filter(|place| *place < length));
            places.extend((0..DRAWN_PLACES).map(|_| draw.below(length)));
            let mut variants = vec![Variant::new("the first", text.clone())];
            let others = places.into_iter().map(|place| {
                let name = format!("it has another character at byte {place}");
                Variant::new(name, changed(&text, place, letters_of(&distinct.slot)))
            });
            variants.extend(others);
            variants.push(Variant::new("it has one more character at its end", format!("{text}7")));
            variants.extend(moved(&text));
            tried += distinct.hold(&format!("texts of {length} bytes"), &variants)?;
        }
        Ok(tried)
    })
}

/// The text with another letter at a place.
fn changed(text: &str, place: usize, letters: &[u8]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(byte) = bytes.get_mut(place) {
        let is_other = |letter: &&u8| **letter != *byte && **letter != b'0';
        *byte = letters.iter().find(is_other).copied().unwrap_or(b'8');
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The text with the same characters in another order, and with one of them twice.
fn moved(text: &str) -> Vec<Variant> {
    let (head, tail) = text.split_at(text.len() / 2);
    let mut swapped = text.to_owned().into_bytes();
    let differ = |place: &usize| swapped.get(*place) != swapped.get(place + 1);
    let place = (text.len() / 3..text.len() - 1).find(differ).unwrap_or_default();
    swapped.swap(place, place + 1);
    let swapped = String::from_utf8(swapped).unwrap_or_default();
    let last = head.chars().last().map(String::from).unwrap_or_default();
    vec![
        Variant::new(format!("two characters after byte {place} stand the other way round"), swapped),
        Variant::new("its halves stand the other way round", format!("{tail}{head}")),
        Variant::new("a character in its middle stands twice", format!("{head}{last}{tail}")),
    ]
}

fn numbers(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    each(context, role, "numbers", |distinct| {
        let mut tried = 0;
        // What takes any text takes numbers as well as strings of digits.
        let ways = if distinct.slot.is_free() { vec![false, true] } else { vec![distinct.slot.is_number] };
        for is_number in ways {
            distinct.slot.is_number = is_number;
            let what = if is_number { "numbers" } else { "numbers as strings" };
            tried += distinct.hold(what, &Variant::plain(whole_numbers()))?;
            tried += distinct.hold(what, &Variant::plain(decimals()))?;
        }
        Ok(tried)
    })
}

/// Whole numbers around those at which people's numbers end, and ones that come to the same beyond them.
fn whole_numbers() -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for bits in [7, 8, 15, 16, 24, 31, 32, 53, 54, 63, 64, 96, 126] {
        let end = 1_u128 << bits;
        numbers.extend((end - 3..end + 4).map(|number| number.to_string()));
        numbers.extend([7, 123_456].map(|low: u128| (end + low).to_string()));
    }
    numbers.extend([7_u128, 123_456].map(|low| low.to_string()));
    for digits in [18, 25, 39, 40] {
        let head = "9182736450".repeat(4);
        numbers.extend((0..10).filter_map(|last| Some(format!("{}{last}", head.get(..digits)?))));
    }
    numbers
}

fn decimals() -> BTreeSet<String> {
    let texts = [
        "0.1",
        "0.10000000000000001",
        "0.3",
        "0.30000000000000004",
        "1",
        "1.0000000000000002",
        "1.2",
        "1.5",
        "1.7",
        "2",
        "19.98",
        "19.99",
        "20",
        "-1",
        "-1.5",
        "100.001",
        "100.002",
        "0.000001",
        "0.000002",
        "9007199254740992.5",
        "9007199254740993.5",
        "123456789.123456789",
        "123456789.123456788",
        // As doubles they are infinite, or nothing.
        "1e400",
        "1e401",
        "-1e402",
        "1e-400",
        "1e-401",
    ];
    texts.map(str::to_owned).into()
}

fn letters(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    each(context, role, "texts with letters of many scripts", |distinct| {
        let takes_letters = distinct.slot.takes.lower && !distinct.slot.is_number;
        if !takes_letters {
            return Ok(0);
        }
        let mut tried = 0;
        let ranges = LETTERS.iter().map(|(first, last)| (*first..=*last).collect::<Vec<char>>());
        for letters in ranges.chain([ALIKE.to_vec()]) {
            for (before, after) in [("vo", ""), ("", "vo"), ("v", "o")] {
                let texts: Vec<String> = letters.iter().map(|letter| format!("{before}{letter}{after}")).collect();
                let plain = format!("{before}{after}");
                stay_whole(distinct, &texts)?;
                tried += distinct.hold("letters", &Variant::plain(texts.into_iter().chain([plain])))?;
            }
        }
        for (before, after) in [("x", "y"), ("x", "")] {
            let texts = ESCAPES.iter().map(|escape| format!("{before}{escape}{after}"));
            tried += distinct.hold("escapes", &Variant::plain(texts.chain([format!("{before}{after}")])))?;
        }
        Ok(tried)
    })
}

/// Where a key has the value's text in it, every letter is whole there.
fn stay_whole(distinct: &mut Distinct<'_, '_>, texts: &[String]) -> Result<(), Stop> {
    let plain = ["vodqa", "qvxdo", "vqo"];
    let is_text = |text: &str, key: &Vec<u8>| std::str::from_utf8(key).is_ok_and(|key| key.contains(text));
    let answers = distinct.answers(&plain)?;
    let mut each = plain.iter().zip(&answers);
    if !each
        .all(|(text, answer)| answer.as_ref().is_some_and(|answer| distinct.own(answer).any(|key| is_text(text, key))))
    {
        return Ok(());
    }
    let given: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answers = distinct.answers(&given)?;
    let is_cut = |text: &str, key: &[u8]| match std::str::from_utf8(key) {
        Ok(key) => key.contains('\u{fffd}') && !text.contains('\u{fffd}'),
        Err(_) => true,
    };
    for (text, answer) in given.iter().zip(&answers) {
        let keys = answer.as_ref().map(Answer::keys).unwrap_or_default();
        if let Some(key) = keys.iter().find(|key| is_cut(text, key)) {
            return Err(Stop::failed(
                format!("{} at {}", shown(text.as_bytes()), distinct.place()),
                format!("the key {}, in which a letter is cut", shown(key)),
                "whole letters, as the key has the value as text",
            ));
        }
    }
    Ok(())
}

fn cases(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut folds = 0;
    let mut tried = 0;
    for mut distinct in Distinct::all(context, role)? {
        let slot = &distinct.slot;
        if !(slot.takes.lower && slot.takes.upper) || slot.is_number || distinct.may_meet("abz", "ABZ") {
            continue;
        }
        tried += 1;
        let answers = distinct.answers(&["abz", "ABZ", "xyk"])?;
        let [Some(lower), Some(upper), Some(other)] = answers.as_slice() else { continue };
        if !lower.same_decision(upper) || lower.same_decision(other) {
            continue;
        }
        folds += 1;
        for (small, large) in CASES {
            let (low, high) = (format!("a{small}z"), format!("A{large}Z"));
            let answers = distinct.answers(&[&low, &high])?;
            let [Some(one), Some(two)] = answers.as_slice() else { continue };
            if !one.same_decision(two) {
                let input = format!("\"{low}\" and \"{high}\" at {}", distinct.place());
                let wanted = "one key, as \"abz\" and \"ABZ\" have: fold the case of all letters, or say in \
                              conformance.toml which are the same";
                return Err(Stop::failed(input, format!("{one}; {two}"), wanted));
            }
        }
    }
    match (tried, folds) {
        (0, _) => Err(Stop::not_applicable("no place takes letters of both cases, or what is the same is declared")),
        (_, 0) => Err(Stop::not_applicable("it tells upper from lower case")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_tried_are_all_different() {
        let numbers = whole_numbers();
        assert!(numbers.len() > 140, "{}", numbers.len());
        assert!(numbers.contains("9007199254740993") && numbers.contains("4294967303"));
        assert!(numbers.iter().all(|number| number == "0" || !number.starts_with('0')));
        let as_doubles: BTreeSet<String> =
            numbers.iter().map(|number| number.parse::<f64>().unwrap().to_string()).collect();
        assert!(as_doubles.len() < numbers.len() - 30, "doubles tell {} apart", as_doubles.len());
        assert_eq!(decimals().len(), 28);
    }

    #[test]
    fn characters_move_and_none_is_lost() {
        let sorted = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.sort_unstable();
            bytes
        };
        let moved = moved("aabbccdd7");
        assert!(moved.iter().all(|variant| variant.text != "aabbccdd7"));
        let [swapped, halves, twice] = moved.as_slice() else { panic!("{}", moved.len()) };
        assert_eq!(sorted(&swapped.text), sorted("aabbccdd7"));
        assert_eq!(halves.text, "ccdd7aabb");
        assert_eq!(twice.text, "aabbbccdd7");
    }

    #[test]
    fn one_character_becomes_another() {
        for place in [0, 1, 4] {
            let other = changed("12345", place, b"0123456789");
            assert_eq!(other.len(), 5);
            assert_eq!(other.bytes().zip("12345".bytes()).filter(|(one, two)| one != two).count(), 1);
            assert!(!other.starts_with('0'));
        }
    }
}
