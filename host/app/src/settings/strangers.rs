//! Settings that anybody may have written, in a file, in variables and as values: each is what it says or is refused in
//! words, and nothing that is secret is repeated.

use std::ffi::OsString;

use engine::projection::{JsonIn, Numbers, Projection};
use proptest::prelude::*;
use setting::{AnySetting, ConfigFile, Kind, units};

use super::table::{TABLE, settings};
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
        if let Err(error) = ConfigFile::parse("a.toml".to_owned(), &damaged, TABLE) {
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
                let again = ConfigFile::parse("shown".to_owned(), &text, TABLE);
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
