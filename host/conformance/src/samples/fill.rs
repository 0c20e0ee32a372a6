//! Texts that fill a slot, drawn. Not where slots are.

use super::draw::Draw;
use super::slot::Slot;

/// A text of so many letters and digits, as far as the slot takes them.
pub(crate) fn random_text(slot: &Slot, length: usize, draw: &mut Draw) -> String {
    let letters = letters_of(slot);
    let mut text = String::with_capacity(length);
    for at in 0..length {
        // Numbers begin with no zero.
        let drawn = draw.of(letters).copied().unwrap_or(b'7');
        text.push(char::from(if at == 0 && drawn == b'0' { b'1' } else { drawn }));
    }
    text
}

/// Letters and digits that a slot takes; of letters those of one case, as plugins may take both for the same.
pub(crate) fn letters_of(slot: &Slot) -> &'static [u8] {
    let takes = &slot.takes;
    match (takes.lower && !slot.is_number, takes.upper && !slot.is_number, takes.digits || slot.is_number) {
        (true, _, true) => b"abcdefghijklmnopqrstuvwxyz0123456789",
        (true, _, false) => b"abcdefghijklmnopqrstuvwxyz",
        (false, true, true) => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        (false, true, false) => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (false, false, _) => b"0123456789",
    }
}
