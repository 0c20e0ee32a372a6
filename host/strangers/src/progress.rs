//! The metadata beside a group's offset, which anybody may have written who may commit, put to the reader of progress
//! records.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::fingerprint::Seed;
use engine::growth::{Growth, Layout};
use engine::progress::{LAYOUT_CHARS_MAX, Ledger, Missing, Progress, Proof, Ranges, TEXT_CHARS_MAX, TEXT_CHARS_MIN};
use engine::record::Offset;
use siphasher::sip::SipHasher13;

/// What a record begins with.
const HEAD: &str = "dedup-host/1:";

/// A text as it is, beside an offset.
pub(crate) fn metadata(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for committed in [0, 1, 1_000, Offset::MAX - 1] {
        read(&text, committed);
    }
}

/// Eight bytes are the offset; the others are sections, which get the right checksum, or nothing would pass it.
pub(crate) fn sections(bytes: &[u8]) {
    let Some((committed, sections)) = bytes.split_first_chunk::<8>() else { return };
    let committed = (u64::from_le_bytes(*committed) >> 2).cast_signed();
    read(&sealed(sections), committed);
}

/// Sections as the text of a record.
fn sealed(sections: &[u8]) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(sections);
    let frame = [sections, &hasher.finish().to_le_bytes()[..4]].concat();
    format!("{HEAD}{}", URL_SAFE_NO_PAD.encode(frame))
}

/// The sections of a text that is a record.
fn sections_of(text: &str) -> Vec<u8> {
    let mut frame = URL_SAFE_NO_PAD.decode(text.strip_prefix(HEAD).expect("a record")).expect("base64");
    frame.truncate(frame.len() - 4);
    frame
}

fn read(text: &str, committed: Offset) {
    let Ok(Some(progress)) = Progress::read(text, committed) else { return };
    assert!(progress.exceptions().last().is_none_or(|last| last < committed), "what is decided anew is no exception");
    assert!((0..=committed).contains(&progress.complete_from()));
    let again = progress.text(committed);
    assert_eq!(Progress::read(&again, committed), Ok(Some(progress.clone())), "what is written is read as it was");
    let Missing { dropped, unknown_below } = progress.missing(0);
    assert!(unknown_below.is_none_or(|below| below <= progress.complete_from()));
    assert!(dropped.windows(2).all(|pair| pair[0].to <= pair[1].from));
    assert!(dropped.iter().all(|dropped| dropped.from >= 0 && dropped.to <= progress.complete_from()));
    // Letters that claim all of it are compared as soon as letters of one are.
    let mut all = Ranges::default();
    all.insert_range(0, committed);
    all.insert_range(committed / 2, committed);
    assert_eq!(all.count(), committed.unsigned_abs());
    for dropped in &dropped {
        let is_all = dropped.count == dropped.to.abs_diff(dropped.from);
        assert!(is_all || dropped.compare(&all) == Proof::More);
    }
    goes_on(progress, committed);
}

/// A run goes on from a record, whatever it says: it stays within its bound, and comes back.
fn goes_on(progress: Progress, committed: Offset) {
    let mut ledger = Ledger::new(progress, 0);
    ledger.decide_from(committed);
    for chars_max in [TEXT_CHARS_MAX, TEXT_CHARS_MIN + LAYOUT_CHARS_MAX] {
        ledger.note(committed);
        let next = committed + 1;
        let text = ledger.offer(next, 0, chars_max).expect("any record can be put so");
        assert!(text.len() <= chars_max, "{} characters", text.len());
        ledger.settle();
        assert_eq!(Progress::read(&text, next).as_ref(), Ok(&Some(ledger.settled().clone())));
        ledger.decide_from(committed);
    }
}

/// Texts of records, as they are.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    records().into_iter().map(|(_, text)| text.into_bytes()).collect()
}

/// An offset, and the sections of its record.
pub(crate) fn framed() -> Vec<Vec<u8>> {
    let of =
        |(next, text): (Offset, String)| [&(next.cast_unsigned() << 2).to_le_bytes()[..], &sections_of(&text)].concat();
    records().into_iter().map(of).collect()
}

fn records() -> Vec<(Offset, String)> {
    let with = |start: Offset, offsets: &[(Offset, Offset)], chars_max: usize| {
        let progress = Progress::starting_at(start);
        let progress = if start > 0 { progress.with_seed(Seed([0xa5; 16])) } else { progress };
        let mut ledger = Ledger::new(progress, start);
        offsets.iter().for_each(|(from, to)| ledger.note_range(*from, *to));
        let next = offsets.last().map_or(start, |(_, to)| *to) + 10;
        (next, ledger.offer(next, start, chars_max).expect("room"))
    };
    let growth = Growth { before: 4, after: 6, from: 150, to: 170, time: Some(1_700_000_000_000) };
    let grown = |growth| {
        let layout = Some(Layout { partitions: 6, growth });
        (200, Progress::starting_at(100).with_seed(Seed([0xa5; 16])).with_layout(layout).text(200))
    };
    let many: Vec<_> = (0..600).map(|n| (n * 70, n * 70 + 1 + n % 3)).collect();
    vec![
        with(0, &[], TEXT_CHARS_MAX),
        with(100, &[(103, 106), (900, 901)], TEXT_CHARS_MAX),
        with(0, &[(5, 1 << 40), (1 << 41, 1 << 42)], TEXT_CHARS_MAX),
        with(0, &many, TEXT_CHARS_MAX),
        with(0, &many, 400),
        with(0, &many, TEXT_CHARS_MIN),
        grown(None),
        grown(Some(growth)),
    ]
}
