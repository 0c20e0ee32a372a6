//! The plugin without a fault: it keeps to every rule. Not an example to follow, as it has two of everything for faults
//! to show in: two ways of reading events, and both roles.

use dedup_plugin::tuple::{Kinds, Missing, Tuple};
use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, Kind, Pair, Score, SimilarityScorer, Verdict, Verdicts};
use serde::Deserialize;

use crate::config::{Config, Fault};

/// Who the plugin is, in both roles.
pub const INFO: Info = Info { name: "faulty", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

/// The fields that make the key.
const FIELDS: [&str; 3] = ["/id", "/user/name", "/at"];

/// Extracts keys without a fault.
#[derive(Debug)]
pub struct Extractor {
    tuple: Tuple,
    /// What it was told.
    pub config: Config,
}

impl KeyExtractor for Extractor {
    const INFO: Info = INFO;

    fn configure(config: &str) -> Result<(Self, Input), String> {
        let config = Config::parse(config)?;
        let parts: Vec<Vec<String>> = FIELDS.iter().map(|field| vec![(*field).to_owned()]).collect();
        let mut fields = Vec::new();
        let tuple = Tuple::new(&parts, Missing::Marked, Kinds::Distinct, &mut fields)?;
        let input = match config.fault {
            Some(Fault::RefusesConfig) => return Err("no configuration is good enough".to_owned()),
            Some(Fault::NoPointer) => Input::Fields(vec!["id".to_owned()]),
            _ if config.payload => Input::Payload,
            _ => Input::Fields(fields),
        };
        Ok((Self { tuple, config }, input))
    }

    fn key(&self, event: &Event<'_>, keys: &mut Keys) {
        if event.value(0).kind == Kind::Bytes {
            return key_of_payload(event.value(0).bytes, keys);
        }
        if event.values().all(|value| value.is_missing()) {
            return keys.no_key("it has none of the fields");
        }
        if keys.try_write(|out| self.tuple.write(event, out)).is_err() {
            keys.invalid("a field is missing, which cannot be");
        }
    }
}

/// The members that make the key where the payload is read. A repeated one is refused.
#[derive(Deserialize)]
struct Ids {
    event: Option<String>,
    distinct_id: Option<String>,
}

fn key_of_payload(payload: &[u8], keys: &mut Keys) {
    match serde_json::from_slice(payload) {
        Ok(Ids { event: Some(event), distinct_id: Some(user) }) => keys.push(&key_of_ids(&event, &user)),
        Ok(_) => keys.no_key("it lacks event or distinct_id"),
        Err(error) => keys.invalid(error.to_string()),
    }
}

/// The length first, so that no two pairs of texts meet.
pub(crate) fn key_of_ids(event: &str, user: &str) -> Vec<u8> {
    format!("{}:{event}{user}", event.len()).into_bytes()
}

/// Scores without a fault: the share of properties that are the same.
#[derive(Debug)]
pub struct Scorer {
    /// What it was told.
    pub config: Config,
}

impl SimilarityScorer for Scorer {
    const INFO: Info = INFO;

    fn configure(config: &str) -> Result<(Self, Input), String> {
        let config = Config::parse(config)?;
        let input = if config.payload { Input::Payload } else { Input::Fields(vec![String::new()]) };
        Ok((Self { config }, input))
    }

    fn compare(&self, pair: &Pair<'_>, verdicts: &mut Verdicts) -> Score {
        let mut same = 0;
        for property in pair.properties() {
            same += u32::from(property.is_same());
            verdicts.push(if property.is_same() { Verdict::Same } else { Verdict::Changed });
        }
        let share = if pair.is_empty() { 1.0 } else { f64::from(same) / pair.len() as f64 };
        Score { similarity: share, property_similarity: share }
    }
}
