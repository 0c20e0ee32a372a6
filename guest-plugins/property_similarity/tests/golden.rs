//! The golden vectors, run natively. A plugin of your own that promises the same is held to them with the same line.

use dedup_plugin::testing::check_all;
use property_similarity::PropertySimilarity;

#[test]
fn golden_vectors() {
    let cases =
        check_all::<PropertySimilarity>(include_str!("../golden.json")).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(cases >= 25, "only {cases} cases");
}

#[test]
fn a_wrong_answer_is_told() {
    let text = include_str!("../golden.json").replacen("\"similarity\": 1,", "\"similarity\": 0.5,", 1);
    let wrong = check_all::<PropertySimilarity>(&text).unwrap_err();
    assert!(wrong.starts_with("an event and itself:"), "{wrong}");
    let text = include_str!("../golden.json").replacen("\"/uuid\"", "\"/uid\"", 1);
    check_all::<PropertySimilarity>(&text).unwrap_err();
    Some(check_all::<PropertySimilarity>("[{}]").unwrap_err()).filter(|wrong| wrong.contains("lacks")).unwrap();
}
