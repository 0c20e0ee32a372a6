//! The plugin `same_share`: two events are as alike as the share of their properties that agree. Not a shipped scorer:
//! an example, the same in every language. Configuration: nothing, or the places to look at, JSON pointers with commas
//! between.

use dedup_plugin::{
    Info, Input, Pair, Score, SimilarityScorer, Verdict, Verdicts, check_pointer, export_similarity_scorer,
};

/// The scorer. There is nothing that it keeps.
#[derive(Debug)]
pub struct SameShare;

export_similarity_scorer!(SameShare);

impl SimilarityScorer for SameShare {
    const INFO: Info = Info { name: "same_share", version: env!("CARGO_PKG_VERSION"), key_version: 1 };

    fn configure(config: &str) -> Result<(Self, Input), String> {
        if config.trim_start().starts_with(['{', '[']) {
            return Err(format!(
                "this plugin reads JSON pointers with commas between, such as /token; not JSON: {config}"
            ));
        }
        let pointers: Vec<String> = config.split(',').map(|pointer| pointer.trim().to_owned()).collect();
        pointers.iter().try_for_each(|pointer| check_pointer(pointer))?;
        Ok((Self, Input::Fields(pointers)))
    }

    #[inline]
    fn compare(&self, pair: &Pair<'_>, verdicts: &mut Verdicts) -> Score {
        let (mut same, mut properties, mut same_properties) = (0, 0, 0);
        for property in pair.properties() {
            let (is_same, is_property) = (property.is_same(), property.path.starts_with(b"/properties/"));
            same += usize::from(is_same);
            properties += usize::from(is_property);
            same_properties += usize::from(is_property && is_same);
            verdicts.push(if is_same { Verdict::Same } else { Verdict::Changed });
        }
        Score { similarity: share(same, pair.len()), property_similarity: share(same_properties, properties) }
    }
}

fn share(same: usize, rows: usize) -> f64 {
    if rows == 0 { 1.0 } else { same as f64 / rows as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dedup_plugin::testing::{Harness, check_all};

    fn refusal(config: &str) -> String {
        Harness::<SameShare>::new_scorer(config).err().unwrap()
    }

    #[test]
    fn golden_vectors() {
        let golden = include_str!("../../golden/same_share.json");
        let cases = check_all::<SameShare>(golden).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(cases >= 10, "only {cases} cases");
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        assert!(refusal(r#"{"weights": 1}"#).contains("not JSON: {\"weights\": 1}"));
        assert!(refusal("/a,uuid").contains("write \"/uuid\""));
    }

    #[test]
    fn no_configuration_is_the_whole_event() {
        assert_eq!(Harness::<SameShare>::new_scorer(" ").unwrap().fields(), [""]);
        assert_eq!(Harness::<SameShare>::new_scorer("/a, /b").unwrap().fields(), ["/a", "/b"]);
    }
}
