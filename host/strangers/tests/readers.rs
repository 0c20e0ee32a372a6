//! Every check of this crate on any bytes, on damage to what was written, and, for events, on JSON of every kind.
//! `PROPTEST_CASES` says how many of each.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot set its scene fails loudly")]

#[path = "readers/damage.rs"]
mod damage;
#[path = "readers/text.rs"]
mod text;

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use damage::Damage;

/// Nothing that is read takes longer, on a machine that others use too.
const TIME_MAX: Duration = Duration::from_secs(20);

fn check(name: &str, bytes: &[u8]) {
    let start = Instant::now();
    strangers::check(name, bytes);
    assert!(start.elapsed() < TIME_MAX, "it took {:?}", start.elapsed());
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let check = strangers::CHECKS.iter().find(|check| check.name == name).unwrap();
    (check.seeds)()
}

#[test]
fn every_seed_passes_its_check_and_so_does_all_that_it_begins_with() {
    for strangers::Check { name, seeds, .. } in strangers::CHECKS {
        for seed in seeds() {
            // Of a long one not every beginning.
            let step = seed.len() / 500 + 1;
            (0..seed.len()).step_by(step).for_each(|end| check(name, &seed[..end]));
            check(name, &seed);
        }
    }
}

#[test]
fn every_check_has_a_fuzz_target_and_is_tried_here() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let mut names: Vec<&str> = strangers::CHECKS.iter().map(|check| check.name).collect();
    let targets: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/")?.strip_suffix(".rs\"")).collect();
    assert_eq!(targets, names);
    for name in &names {
        let source = std::fs::read_to_string(fuzz.join(format!("targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("strangers::check(\"{name}\", bytes)")), "{name}");
    }
    let mut tried = TRIED.to_vec();
    tried.sort_unstable();
    names.sort_unstable();
    assert_eq!(tried, names);
}

macro_rules! readers {
    ($($name:ident: $cases:expr;)*) => {
        const TRIED: &[&str] = &[$(stringify!($name)),*];
        $(
            mod $name {
                use super::*;

                const NAME: &str = stringify!($name);

                proptest! {
                    #![proptest_config(cases::cases($cases))]

                    #[test]
                    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
                        check(NAME, &bytes);
                    }

                    #[test]
                    fn damage_to_what_was_written(seed: prop::sample::Index, damage in damage::any()) {
                        let seeds = seeds(NAME);
                        let whole = seed.get(&seeds).clone();
                        check(NAME, &Damage::all(&damage, whole, &seeds));
                    }
                }
            }
        )*
    };
}

readers! {
    projection: 1_000;
    inside: 1_000;
    clock: 200;
    history: 1_000;
    kept: 500;
    metadata: 500;
    sections: 1_000;
    times: 1_000;
    looks: 500;
    shown: 500;
    strings: 500;
}

proptest! {
    #![proptest_config(cases::cases(2_000))]

    #[test]
    fn any_event_agrees_with_the_reference(event in text::event()) {
        check("projection", event.as_bytes());
    }

    #[test]
    fn any_damaged_event_agrees_with_the_reference(event in text::event(), damage in damage::any()) {
        check("projection", &Damage::all(&damage, event.into_bytes(), &seeds("projection")));
    }

    #[test]
    fn any_event_with_json_in_strings_agrees_with_the_reference(members: u8, event in text::event_inside()) {
        check("inside", &[&[members][..], event.as_bytes()].concat());
    }

    #[test]
    fn any_damaged_event_with_json_in_strings_agrees_with_the_reference(
        members: u8, event in text::event_inside(), damage in damage::any(),
    ) {
        let event = Damage::all(&damage, event.into_bytes(), &seeds("projection"));
        check("inside", &[&[members][..], &event].concat());
    }

    #[test]
    fn bytes_of_the_grammar_agree_with_the_reference(
        members: u8, event in prop::collection::vec(prop::sample::select(br#"{}[]:,"" 01-.eatrue\nul/ab"#.to_vec()), 0..40),
    ) {
        check("projection", &event);
        check("inside", &[&[members][..], &event].concat());
    }

    #[test]
    fn any_text_that_looks_like_a_time(text in "[0-9:+TZ/., \\-\\[\\]()JanUTCGMm=e]{0,40}") {
        check("times", text.as_bytes());
    }

    #[test]
    fn any_text_that_means_to_deceive(text in "[a=:@/?&'\"\\\\ \n\u{1b}\\[0-9;m\u{9b}\u{202e}\u{2028}pwd{}]{0,40}") {
        check("shown", text.as_bytes());
        check("strings", text.as_bytes());
    }

    #[test]
    fn any_number(number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][-+]?[0-9]{1,25})?") {
        check("projection", number.as_bytes());
        check("projection", format!("[{number}]").as_bytes());
        check("strings", number.as_bytes());
        check("times", number.as_bytes());
    }
}
