//! Settings that anybody may have written, in a file, in variables and as values: each is what it says or is refused in
//! words, and nothing that is secret is repeated.

use std::ffi::OsString;
use std::time::Duration;

use engine::projection::{JsonIn, Numbers, Projection};
use proptest::prelude::*;

use super::file::ConfigFile;
use super::row::{AnySetting, Kind};
use super::table::settings;
use super::units::{self, DURATION_MAX_MS};
use super::{HIDDEN, Invocation, read};

const SECRET: &str = "hunter2hunter2";

/// What people, programs and attackers write for a value.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "", "0", "1", "-1", "+5", "7", "1000", "18446744073709551616", "2147483648", "0.5", "-0", "1e3", "NaN", "inf", "1h",
            "24h", "1h30m", "9999999999d", "none", "off", "on", "true", "no", "1GiB", "64 MB", "99999999TiB", "a,b", "a=b;c=d",
            "/a/b", "/a~2", "*.x", "localhost:9092", "pass", "drop", "stop", "divert", "dead-letter", "{\"a\":1}", "@", "é",
            "a\u{202e}b", "a\nb", "_", "1__0", "exactly-once", "at-least-once", "earliest", "latest", "json", "sasl.password=x",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ]
}

/// The lines of a configuration that say something, without where it comes from.
fn values(shown: &str) -> Vec<&str> {
    let said = shown.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    said.map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value)).collect()
}

proptest! {
    #![proptest_config(cases::cases(2_000))]

    #[test]
    fn durations_are_the_sum_of_their_parts_and_nothing_else(
        parts in prop::collection::vec((prop_oneof![0..100_u64, any::<u64>()], 0..5_usize), 1..4),
        junk in "[0-9a-z. _+٣-]{0,10}", cut: prop::sample::Index,
    ) {
        const UNITS: [(&str, u128); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let text: String = parts.iter().map(|(number, unit)| format!("{number}{}", UNITS[*unit].0)).collect();
        let sum: u128 = parts.iter().map(|(number, unit)| u128::from(*number) * UNITS[*unit].1).sum();
        let expected = u64::try_from(sum).ok().filter(|sum| *sum <= DURATION_MAX_MS).map(Duration::from_millis);
        prop_assert_eq!(units::duration(&text).ok(), expected);
        for text in [junk.as_str(), &text[..cut.index(text.len())]] {
            if let Ok(duration) = units::duration(text) {
                let ends = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(['s', 'm', 'h', 'd']);
                prop_assert!(ends || text == "0", "{}", text);
                prop_assert!(duration.as_millis() <= u128::from(DURATION_MAX_MS));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || b"msdh".contains(&byte)));
            }
        }
    }

    #[test]
    fn sizes_are_a_number_and_a_unit(number in prop_oneof![0..5_000_u64, any::<u64>()], unit in 0..9_usize, upper: bool, space in " {0,2}") {
        const UNITS: [(&str, u128); 9] = [
            ("", 1), ("kb", 1_000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000),
            ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
        ];
        let (name, scale) = UNITS[unit];
        let name = if upper { name.to_ascii_uppercase() } else { name.to_owned() };
        let expected = u64::try_from(u128::from(number) * scale).ok();
        prop_assert_eq!(units::bytes(&format!("{number}{space}{name}")).ok(), expected);
    }

    #[test]
    fn any_text_is_a_value_within_bounds_or_refused(text in value()) {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        prop_assert!(units::count(&text).is_ok_and(|count| count >= 1 && digits > 0) || units::count(&text).is_err());
        prop_assert!(units::small(&text).map_or(true, |small| (1..=i32::MAX as u32).contains(&small)));
        prop_assert!(units::share(&text).map_or(true, |share| (0.0..=1.0).contains(&share)));
        prop_assert!(units::seconds_or_less(&text).map_or(true, |time| time.as_micros() >= 1_000 && time.as_secs() <= 86_400));
        prop_assert!(units::bytes(&text).is_err() || digits > 0);
        prop_assert!(units::port(&text).is_err() || digits > 0);
        prop_assert!(units::bound(&text).map_or(true, |bound| bound.is_some() || text == "none" || text == "unlimited"));
        prop_assert!(units::token(&text).map_or(true, |token| token.bytes().all(|byte| byte.is_ascii_graphic())));
        let _switch = units::switch(&text);
        if let Ok(name) = units::host_name(&text) {
            prop_assert!(name == text.to_ascii_lowercase() && !name.contains(['/', ':', '@', ' ', '[', ']']));
        }
    }

    /// What a setting takes for a pointer is one to those who look by it.
    #[test]
    fn a_pointer_is_one_to_all_of_the_host(text in "[/~01a2é]{0,8}") {
        let is_pointer = Projection::compile(&[&[&text]], Numbers::AsWritten).is_ok();
        prop_assert_eq!(JsonIn::new(&[&text]).is_ok(), is_pointer);
        prop_assert_eq!(units::pointer(&text).is_ok(), is_pointer && !text.is_empty());
    }

    #[test]
    fn a_damaged_file_is_read_or_refused_without_its_secrets(
        keys in prop::collection::vec(any::<prop::sample::Index>(), 0..5), values in prop::collection::vec(value(), 5),
        at: prop::sample::Index, length in 0..30_usize, put in "[\"'\\[\\]{}#\\\\\n,.é\u{0}\u{1b}]{0,3}",
    ) {
        let all: Vec<&dyn AnySetting> = settings().collect();
        let mut text = String::new();
        for (key, value) in keys.iter().zip(&values) {
            text += &format!("{} = {}\n", key.get(&all).key(), toml::Value::String(value.clone()));
        }
        text += &format!("kafka_sasl_password = \"{SECRET}\"\nadmin_token = '{SECRET}'\nstore_path = \"/tmp/é\"\n");
        let place = |at: usize| (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let from = place(at.index(text.len()));
        let to = place((from + length).min(text.len()));
        let mut damaged = text.clone();
        damaged.replace_range(from..to, &put);
        if let Err(error) = ConfigFile::parse("a.toml".to_owned(), &damaged) {
            let words = error.to_string();
            prop_assert!(words.contains("a.toml") && words.len() < 1_000);
            prop_assert!(!words.contains(SECRET), "{}", words);
        }
    }

    #[test]
    fn any_variables_make_a_configuration_or_are_refused_by_name(
        said in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..6), in_files: bool,
    ) {
        let all: Vec<&dyn AnySetting> = settings().collect();
        let variables: Vec<(String, String)> = said
            .iter()
            .map(|(at, value)| {
                let setting = at.get(&all);
                let is_secret = setting.kind == Kind::Secret;
                (setting.variables().swap_remove(0), if is_secret { SECRET.to_owned() } else { value.clone() })
            })
            .collect();
        let find = |name: &str| {
            let found = variables.iter().find(|(variable, _)| variable == name).map(|(_, text)| OsString::from(text));
            found.or_else(|| (in_files && name == "INPUT_FILE").then(|| OsString::from("in.ndjson")))
        };
        match read(["dedup-host", "config"].map(OsString::from), &find) {
            Ok(Invocation::Show(text)) => {
                prop_assert!(!text.contains(SECRET), "{}", text);
                // What is shown can be given back, and says the same; but for secrets, which are not shown.
                let again = ConfigFile::parse("shown".to_owned(), &text);
                prop_assert!(again.is_ok(), "{:?}\n{}", again, text);
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), &text).unwrap();
                let arguments = ["dedup-host", "config", "--config"].map(OsString::from).into_iter();
                let again = read(arguments.chain([file.path().into()]), &|_| None);
                if let (Ok(Invocation::Show(again)), false) = (again, text.contains(HIDDEN)) {
                    prop_assert_eq!(values(&again), values(&text));
                }
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(error) => {
                let words = error.to_string();
                prop_assert!(!words.is_empty() && !words.contains(SECRET), "{}", words);
            }
        }
    }
}
