//! How alike two strings are, by the Levenshtein distance of their beginnings. Characters are Unicode scalar values:
//! not bytes, and not what a reader takes for one character.

/// Characters of a string that are compared one by one; what comes after is the same or it is not. A pair of strings
/// costs at most 512 steps of 8 words.
const CHARACTERS_MAX: usize = 512;

/// Two strings: 1 if they are the same, 0 if nothing of one is left in the other.
///
/// With a₁ the first 512 characters of a and a₂ the others, and |a| its length in characters:
///
/// 1 − (levenshtein(a₁, b₁) + (0 if a₂ = b₂, else max(|a₂|, |b₂|))) / max(|a|, |b|)
#[must_use]
pub fn likeness(left: &str, right: &str) -> f64 {
    let ((left, left_rest), (right, right_rest)) = (split(left), split(right));
    let (left_rest_count, right_rest_count) = (left_rest.chars().count(), right_rest.chars().count());
    let longest = (left.len() + left_rest_count).max(right.len() + right_rest_count);
    if longest == 0 {
        return 1.0;
    }
    let beyond = if left_rest == right_rest { 0 } else { left_rest_count.max(right_rest_count) };
    let edits = levenshtein(&left, &right) + beyond;
    1.0 - edits as f64 / longest as f64
}

/// The characters that are compared one by one, and the rest.
fn split(text: &str) -> (Vec<char>, &str) {
    let end = text.char_indices().nth(CHARACTERS_MAX).map_or(text.len(), |(at, _)| at);
    let (beginning, rest) = text.split_at(end);
    (beginning.chars().collect(), rest)
}

/// The fewest insertions, removals and replacements of one character that make one text of the other: 64 cells of the
/// usual table at a time (Myers 1999, "A fast bit-vector algorithm for approximate string matching", in the form of
/// Hyyrö 2003, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances").
fn levenshtein(left: &[char], right: &[char]) -> usize {
    let (left, right) = without_common_ends(left, right);
    let (Some(last), false) = (left.len().checked_sub(1), right.is_empty()) else { return left.len().max(right.len()) };
    let places = Places::of(left);
    // Whether the distance rises or falls from one row to the next, a bit a row.
    let mut columns = vec![Column { rises: u64::MAX, falls: 0 }; places.words];
    let (mut rises, mut falls) = (0, 0);
    for &character in right {
        let (mut rise, mut fall) = (1, 0);
        let mut across = Across::default();
        for (column, places) in columns.iter_mut().zip(places.of_character(character)) {
            across = column.step(*places, rise, fall);
            (rise, fall) = (across.rises >> 63, across.falls >> 63);
        }
        let last_row = last % 64;
        rises += (across.rises >> last_row & 1) as usize;
        falls += (across.falls >> last_row & 1) as usize;
    }
    left.len() + rises - falls
}

fn without_common_ends<'a>(left: &'a [char], right: &'a [char]) -> (&'a [char], &'a [char]) {
    let start = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let (left, right) = (left.get(start..).unwrap_or_default(), right.get(start..).unwrap_or_default());
    let end = left.iter().rev().zip(right.iter().rev()).take_while(|(left, right)| left == right).count();
    (left.get(..left.len() - end).unwrap_or_default(), right.get(..right.len() - end).unwrap_or_default())
}

/// Where each character of a text stands, a bit a place.
struct Places {
    /// The text's characters, ascending, each once.
    alphabet: Vec<char>,
    words: usize,
    /// For each character of the alphabet its words; at the end those of a character that is not in it.
    bits: Vec<u64>,
}

impl Places {
    fn of(text: &[char]) -> Self {
        let mut alphabet = text.to_vec();
        alphabet.sort_unstable();
        alphabet.dedup();
        let words = text.len().div_ceil(64);
        let mut bits = vec![0; (alphabet.len() + 1) * words];
        for (place, character) in text.iter().enumerate() {
            let row = alphabet.binary_search(character).unwrap_or(alphabet.len());
            if let Some(word) = bits.get_mut(row * words + place / 64) {
                *word |= 1 << (place % 64);
            }
        }
        Self { alphabet, words, bits }
    }

    fn of_character(&self, character: char) -> &[u64] {
        let row = self.alphabet.binary_search(&character).unwrap_or(self.alphabet.len());
        self.bits.get(row * self.words..(row + 1) * self.words).unwrap_or_default()
    }
}

/// 64 rows of a column of the table: where the distance is one more, or one less, than in the row above.
#[derive(Clone, Copy)]
struct Column {
    rises: u64,
    falls: u64,
}

/// Where it is one more, or one less, than in the column before.
#[derive(Clone, Copy, Default)]
struct Across {
    rises: u64,
    falls: u64,
}

impl Column {
    /// Goes to the next column. `rise` and `fall` are what the row above these did, 0 or 1.
    fn step(&mut self, places: u64, rise: u64, fall: u64) -> Across {
        let matches = places | fall;
        let diagonal = ((matches & self.rises).wrapping_add(self.rises) ^ self.rises) | matches | self.falls;
        let across = Across { rises: self.falls | !(diagonal | self.rises), falls: diagonal & self.rises };
        let (rises, falls) = (across.rises << 1 | rise, across.falls << 1 | fall);
        self.rises = falls | !(diagonal | rises);
        self.falls = rises & diagonal;
        across
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table itself, cell by cell.
    fn by_the_table(left: &[char], right: &[char]) -> usize {
        let mut above: Vec<usize> = (0..=right.len()).collect();
        for (row, a) in left.iter().enumerate() {
            let mut cells = vec![row + 1];
            for (column, b) in right.iter().enumerate() {
                let replaced = above[column] + usize::from(a != b);
                cells.push(replaced.min(above[column + 1] + 1).min(cells[column] + 1));
            }
            above = cells;
        }
        above[right.len()]
    }

    #[test]
    fn distances_are_those_of_the_table() {
        let mut state = 5_u64;
        let mut below = |end: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % end
        };
        for round in 0..3000 {
            let alphabet: &[char] = [&['a', 'b'][..], &['a', 'b', 'c', 'é', '😀', 'z', ' ']][round % 2];
            let longest = [5, 70, 200][round % 3];
            let mut text = || -> Vec<char> { (0..below(longest)).map(|_| alphabet[below(alphabet.len())]).collect() };
            let (left, right) = (text(), text());
            assert_eq!(levenshtein(&left, &right), by_the_table(&left, &right), "{left:?} {right:?}");
        }
        for length in [63, 64, 65, 127, 128, 129, 512] {
            let (left, right) = (vec!['a'; length], vec!['b'; length + 1]);
            assert_eq!(levenshtein(&left, &right), length + 1);
            assert_eq!(levenshtein(&right, &left), length + 1);
        }
    }

    #[test]
    fn likeness_of_short_strings() {
        let check = |left, right, expected: f64| {
            assert!((likeness(left, right) - expected).abs() < 1e-12, "{left} {right}");
            assert!((likeness(right, left) - expected).abs() < 1e-12, "{right} {left}");
        };
        check("", "", 1.0);
        check("abc", "abc", 1.0);
        check("abc", "", 0.0);
        check("abc", "xyz", 0.0);
        check("kitten", "sitting", 1.0 - 3.0 / 7.0);
        check("home", "hame", 0.75);
        check("été", "ete", 1.0 / 3.0);
        check("ab", "ba", 0.0);
    }

    #[test]
    fn beyond_the_limit_strings_are_the_same_or_not() {
        let long = "x".repeat(CHARACTERS_MAX);
        let check = |left: String, right: String, edits: f64, length: f64| {
            assert!((likeness(&left, &right) - (1.0 - edits / length)).abs() < 1e-12);
            assert!((likeness(&right, &left) - (1.0 - edits / length)).abs() < 1e-12);
        };
        check(format!("{long}tail"), format!("{long}tail"), 0.0, 516.0);
        check(format!("{long}tail"), format!("{long}tael"), 4.0, 516.0);
        check(format!("{long}tail"), long.clone(), 4.0, 516.0);
        check(format!("y{}tail", &long[1..]), format!("{long}tail"), 1.0, 516.0);
        check(format!("{long}éé"), format!("{long}é"), 2.0, 514.0);
        check("y".repeat(1000), "x".repeat(600), 1000.0, 1000.0);
    }
}
