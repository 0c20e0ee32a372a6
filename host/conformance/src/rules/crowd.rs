//! Rule K13: among many events, no two that differ share a key, and where keys are digests these are long enough. How long
//! they are is seen from how many characters stand at each place of them: collisions of 48 bits are too rare to be met.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use plugin::Role;

use super::distinct::{Distinct, Variant};
use crate::context::Context;
use crate::feed::Text;
use crate::samples::fill::{letters_of, random_text};
use crate::samples::{Draw, Slot};
use crate::session::Answer;
use crate::verdict::Stop;

/// Events for all slots together; among so many keys of 32 bits about a hundred meet.
const EVENTS: usize = 1_000_000;
/// Events of one call, and the fuel for all: a plugin that costs more is asked about fewer.
const CALL_ITEMS: usize = 1000;
const FUEL: u64 = 14_000_000_000;
/// Characters of a text that is drawn, fewer where the slot does not take so many.
const TEXT_BYTES: usize = 18;
/// Lengths of the values that show whether a key grows with its value, and how many there are of each.
const SHORT_BYTES: usize = 16;
const LONG_BYTES: usize = 1000;
const LENGTHS_EACH: usize = 4;
/// What a digest has at least: with 64 bits two of a thousand million keys meet once in forty times.
const DIGEST_BITS_MIN: f64 = 63.5;
/// Keys by which that is judged, and bytes of the longest that is looked at.
const JUDGED: usize = 20_000;
const KEY_BYTES_MAX: usize = 128;
/// Stands in the event where each text goes.
const MARKS: [&str; 2] = ["qxqzkwvjqxqz", "771300931177"];

type Hasher = BuildHasherDefault<DefaultHasher>;

/// Tries it.
pub(super) fn no_two_meet(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut all = Distinct::all(context, role)?;
    let count = all.len();
    let mut told = Vec::new();
    let events = context.options().reach.of(EVENTS);
    for distinct in &mut all {
        let draw = context.draw(&format!("crowd {}", distinct.slot.place));
        let mut crowd = Crowd::new(distinct, draw);
        let keyed = crowd.ask(events / count, FUEL / count as u64)?;
        if keyed < 2 {
            continue;
        }
        crowd.no_two()?;
        told.push(match crowd.digest_bits()? {
            Some(bits) => format!("{keyed} at {}, digests of about {bits:.0} bits", crowd.distinct.place()),
            None => format!("{keyed} at {}", crowd.distinct.place()),
        });
    }
    if told.is_empty() {
        return Err(Stop::untried("no event tried had a key"));
    }
    context.remark(format!("different keys: {}", told.join("; ")));
    Ok(())
}

struct Crowd<'d, 'a, 'c> {
    distinct: &'d mut Distinct<'a, 'c>,
    /// What is drawn from at the first text.
    start: Draw,
    /// A digest of each key, and which text it is of.
    keys: Vec<(u64, u32)>,
    /// The first keys as they are.
    judged: Vec<Vec<u8>>,
}

impl<'d, 'a, 'c> Crowd<'d, 'a, 'c> {
    fn new(distinct: &'d mut Distinct<'a, 'c>, start: Draw) -> Self {
        Self { distinct, start, keys: Vec::new(), judged: Vec::new() }
    }

    /// Different texts for the slot, the same each time.
    fn texts(&self) -> impl Iterator<Item = String> + use<> {
        let (slot, mut draw) = (self.distinct.slot.clone(), self.start.clone());
        let length = slot.takes.bytes_max.clamp(1, TEXT_BYTES);
        let mut before: HashSet<u64, Hasher> = HashSet::default();
        let all = (letters_of(&slot).len() as f64).powi(i32::try_from(length).unwrap_or(i32::MAX));
        // Of few texts that there are at all, draw not so often that hardly any is new.
        let most = if all < 1e9 { (all / 2.0) as usize } else { usize::MAX };
        let new = move |text: &String| before.insert(Hasher::default().hash_one(text));
        std::iter::repeat_with(move || random_text(&slot, length, &mut draw)).take(most).filter(new)
    }

    /// Asks about so many events; says how many have a key.
    fn ask(&mut self, count: usize, fuel_max: u64) -> Result<usize, Stop> {
        let (Some((before, after)), mut fuel) = (around(&self.distinct.slot), 0) else { return Ok(0) };
        let mut texts = self.texts().take(count);
        let mut first = 0_u32;
        let mut keyed = 0;
        while fuel <= fuel_max {
            let events = texts.by_ref().take(CALL_ITEMS).map(|text| [&before, text.as_bytes(), &after].concat());
            let items = self.distinct.session.items(events.map(Text::Event));
            if items.len() == 0 {
                break;
            }
            let answers = self.distinct.session.answers(&items)?;
            let cost = self.distinct.session.probe().cost();
            fuel += cost.fuel.unwrap_or_else(|| cost.time.as_micros() as u64 * 2000);
            for (text, answer) in (first..).zip(&answers).filter(|(_, answer)| answer.is_keyed()) {
                keyed += 1;
                self.note(text, answer);
            }
            first += u32::try_from(answers.len()).unwrap_or(u32::MAX);
            // Where the first hundreds have no key, the others will not.
            if keyed == 0 {
                break;
            }
        }
        Ok(keyed)
    }

    fn note(&mut self, text: u32, answer: &Answer) {
        for key in self.distinct.own(answer) {
            self.keys.push((Hasher::default().hash_one(key), text));
            if self.judged.len() < JUDGED {
                self.judged.push(key.clone());
            }
        }
    }

    fn no_two(&mut self) -> Result<(), Stop> {
        self.keys.sort_unstable();
        let pairs = self.keys.iter().zip(self.keys.iter().skip(1));
        let met = |((one, first), (two, second)): &(&(u64, u32), &(u64, u32))| one == two && first != second;
        let met: Vec<(u32, u32)> = pairs.filter(met).map(|((_, first), (_, second))| (*first, *second)).collect();
        let Some((first, second)) = met.iter().min().copied() else { return Ok(()) };
        let text = |at: u32| self.texts().nth(at as usize).unwrap_or_default();
        let (one, other) = (Variant::new("", text(first)), Variant::new("", text(second)));
        if self.distinct.may_meet(&one.text, &other.text) {
            return Ok(());
        }
        let answers = self.distinct.answers(&[&one.text, &other.text])?;
        let [Some(here), Some(there)] = answers.as_slice() else { return Ok(()) };
        let shared = self.distinct.own(here).find(|key| there.keys().contains(key));
        let Some(key) = shared else { return Ok(()) };
        let what = format!("{} of {} keys meet, first texts", met.len(), self.keys.len());
        self.distinct.confirm(&what, &one, &other, key)
    }

    /// About how many bits the keys have, if they are digests.
    ///
    /// # Errors
    /// They are too few.
    fn digest_bits(&mut self) -> Result<Option<f64>, Stop> {
        if !self.grows_not()? {
            return Ok(None);
        }
        let bits = bits(&self.judged);
        if bits >= DIGEST_BITS_MIN {
            return Ok(Some(bits));
        }
        let keys = 2_f64.powf(bits / 2.0);
        Err(Stop::failed(
            format!("{} keys for different texts at {}", self.judged.len(), self.distinct.place()),
            format!("digests of about {bits:.0} bits: two of about {keys:.0} events share one by chance"),
            "64 bits or more, better 128",
        ))
    }

    /// Whether a key that the slot changes is as long for a long text as for a short one.
    fn grows_not(&mut self) -> Result<bool, Stop> {
        if self.distinct.slot.takes.bytes_max < LONG_BYTES {
            return Ok(false);
        }
        let mut draw = self.start.clone();
        let mut longest = |length: usize, distinct: &mut Distinct<'_, '_>| -> Result<Option<usize>, Stop> {
            let texts: Vec<String> =
                (0..LENGTHS_EACH).map(|_| random_text(&distinct.slot, length, &mut draw)).collect();
            let given: Vec<&str> = texts.iter().map(String::as_str).collect();
            let answers = distinct.answers(&given)?;
            Ok(answers.iter().flatten().flat_map(|answer| distinct.own(answer)).map(Vec::len).max())
        };
        let short = longest(SHORT_BYTES, self.distinct)?;
        let long = longest(LONG_BYTES, self.distinct)?;
        Ok(short.zip(long).is_some_and(|(short, long)| long <= short + LONG_BYTES / 4))
    }
}

/// The event before and after the text of the slot; `None` where the text cannot be found in it.
fn around(slot: &Slot) -> Option<(Vec<u8>, Vec<u8>)> {
    let find = |mark: &str| {
        let event = slot.text(mark);
        let at = event.windows(mark.len()).position(|window| window == mark.as_bytes())?;
        Some((event.get(..at)?.to_vec(), event.get(at + mark.len()..)?.to_vec()))
    };
    MARKS.into_iter().find_map(find)
}

/// How many bits keys have at most, from how many bytes were seen at each place of them; that one is shorter counts as one.
fn bits(keys: &[Vec<u8>]) -> f64 {
    let longest = keys.iter().map(Vec::len).max().unwrap_or_default().min(KEY_BYTES_MAX);
    let seen = |place: usize| keys.iter().map(|key| key.get(place)).collect::<HashSet<_>>().len();
    (0..longest).map(|place| (seen(place) as f64).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: impl Fn(u64) -> Vec<u8>) -> Vec<Vec<u8>> {
        let mut draw = Draw::new(1, "test");
        (0..JUDGED).map(|_| key((draw.below(1 << 32) as u64) << 32 | draw.below(1 << 32) as u64)).collect()
    }

    #[test]
    fn bits_are_those_of_the_digest_however_it_is_written() {
        let is = |wanted: f64, key: &dyn Fn(u64) -> Vec<u8>| {
            let got = bits(&keys(key));
            assert!((got - wanted).abs() < 4.0, "{got} for {wanted}");
        };
        is(64.0, &|hash| hash.to_le_bytes().to_vec());
        is(64.0, &|hash| format!("id:{hash:016x}").into_bytes());
        is(64.0, &|hash| hash.to_string().into_bytes());
        is(48.0, &|hash| format!("{:012x}", hash >> 16).into_bytes());
        is(32.0, &|hash| (hash as u32).to_be_bytes().to_vec());
        is(53.0, &|hash| (hash >> 11).to_string().into_bytes());
        is(128.0, &|hash| format!("{hash:016x}{:016x}", hash.rotate_left(7) ^ 0x55).into_bytes());
    }
}
