//! The golden vectors, run natively.

use dedup_plugin::testing::check_all;
use string_distance::StringDistance;

#[test]
fn golden_vectors() {
    let cases = check_all::<StringDistance>(include_str!("../golden.json")).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(cases >= 10, "only {cases} cases");
}
