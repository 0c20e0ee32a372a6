//! Values like one that is there: of the same form, and other. What a plugin makes of the one it most likely makes of the
//! others.

use super::draw::Draw;
use super::json::Json;

/// Parts of a text that are changed.
const PARTS_MAX: usize = 10;

/// What a part is cut at by those who take what follows for less.
const MARKS: [char; 8] = ['+', '.', '-', '_', ' ', '%', '/', ','];
/// What is added at either end of a text.
const ENDS: [&str; 8] = [" ", ".", "/", "-", "0", "x", "\t", "é"];

/// The runs of letters and digits in a text, with what stands before and after each.
pub(crate) fn parts(text: &str) -> Vec<(&str, &str, &str)> {
    let mut parts = Vec::new();
    let mut start = None;
    let ends = text.char_indices().map(|(at, char)| (at, char.is_alphanumeric())).chain([(text.len(), false)]);
    for (at, inside) in ends {
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                let (before, rest) = text.split_at(from);
                let (part, after) = rest.split_at(at - from);
                parts.push((before, part, after));
                start = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    parts
}

/// Texts to put where `like` stands: of its length and of others, of letters and of digits.
pub(crate) fn texts(like: &str, draw: &mut Draw) -> Vec<String> {
    let length = like.chars().count().clamp(1, 64);
    let mut texts = Vec::new();
    for alphabet in ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"] {
        let letters: Vec<char> = alphabet.chars().collect();
        for length in [length, length, length, length, 1, 3, 8] {
            texts.push((0..length).filter_map(|_| draw.of(&letters)).collect());
        }
        // Of some forms only few are valid: with luck the last character can be another.
        let head: String = like.chars().take(length - 1).collect();
        if like.chars().all(|char| letters.contains(&char)) {
            texts.extend((0..6).filter_map(|_| draw.of(&letters)).map(|last| format!("{head}{last}")));
        }
    }
    texts
}

/// Values that differ from one in a character, a part, or a number; not all of them need make sense.
pub(crate) fn neighbours(value: &Json, draw: &mut Draw) -> Vec<Json> {
    match value {
        Json::String(text) => texts_near(text, draw).into_iter().map(Json::String).collect(),
        Json::Raw(text) => texts_near(text, draw).into_iter().map(Json::Raw).collect(),
        Json::Number(text) => {
            let (head, dot) =
                (text.trim_end_matches(|char: char| char.is_ascii_digit()), if text.contains('.') { "" } else { ".5" });
            let digits =
                |draw: &mut Draw| (0..text.len() - head.len()).map(|_| draw.below(10).to_string()).collect::<String>();
            let mut numbers: Vec<Json> = (0..8).map(|_| Json::number(format!("{head}1{}", digits(draw)))).collect();
            numbers.push(Json::number(format!("{text}{dot}")));
            numbers
        }
        Json::Array(values) => {
            let mut more = values.clone();
            more.push(Json::string("qxq"));
            let fewer = values.split_last().map(|(_, fewer)| fewer.to_vec()).unwrap_or_default();
            vec![Json::Array(more), Json::Array(fewer)]
        }
        Json::Null | Json::Bool(_) | Json::Object(_) => Vec::new(),
    }
}

fn texts_near(text: &str, draw: &mut Draw) -> Vec<String> {
    let mut near = Vec::new();
    for (before, part, after) in parts(text).into_iter().take(PARTS_MAX) {
        near.extend(texts(part, draw).into_iter().map(|other| format!("{before}{other}{after}")));
        near.push(format!("{before}{part}{part}{after}"));
        near.extend(MARKS.map(|mark| format!("{before}{part}{mark}qx{after}")));
    }
    for end in ENDS {
        near.extend([format!("{text}{end}"), format!("{end}{text}")]);
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_of_runs_of_letters_and_digits() {
        assert_eq!(parts("a1@b.c"), [("", "a1", "@b.c"), ("a1@", "b", ".c"), ("a1@b.", "c", "")]);
        assert_eq!(parts("--"), []);
        assert_eq!(parts("é-1"), [("", "é", "-1"), ("é-", "1", "")]);
    }

    #[test]
    fn texts_are_like_the_one_that_stands_there() {
        let texts = texts("07", &mut Draw::new(1, "test"));
        assert!(texts.iter().any(|text| text.len() == 2 && text.starts_with('0')), "{texts:?}");
        assert!(texts.iter().any(|text| text.chars().all(|char| char.is_ascii_lowercase())));
    }

    #[test]
    fn neighbours_are_json_of_the_same_type() {
        let mut draw = Draw::new(1, "test");
        for number in ["1", "-2.5", "1700000000"] {
            for near in neighbours(&Json::number(number), &mut draw) {
                assert!(Json::parse(&near.text()).is_some(), "{near:?}");
            }
        }
        assert!(neighbours(&Json::string("a@b"), &mut draw).contains(&Json::string("aa@b")));
    }
}
