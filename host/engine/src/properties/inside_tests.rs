//! Properties inside strings that are JSON text, against those of the same events with objects in their place.

use proptest::prelude::*;

use super::*;
use crate::fields::Kind;
use crate::projection::tests::{Tree, spelled, tree};
use crate::projection::{JsonIn, Numbers, Projection};

/// A pointer, and kind and value in the original and in the duplicate.
type Row = (String, (u8, String), (u8, String));

struct Bench {
    roots: Vec<String>,
    projection: Projection,
    pairer: Pairer,
}

impl Bench {
    fn new(roots: &[&str], members: &[&str]) -> Self {
        let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
        let members = JsonIn::new(members).unwrap();
        let projection = Projection::compile_inside::<&str, _>(&[], &roots, &members, Numbers::Canonical).unwrap();
        Self { projection, pairer: Pairer::new_inside(Some(&roots), &members).unwrap(), roots }
    }

    /// What is kept, by either way of keeping.
    fn keep(&mut self, event: &str) -> Vec<u8> {
        self.projection.project(event.as_bytes(), &mut []).unwrap();
        let text = self.projection.spans_text().unwrap_or(event.as_bytes());
        let mut kept = Vec::new();
        self.pairer.keep(None, text, self.projection.spans(), &mut kept);
        let mut head = Vec::new();
        if let Some((body, tail)) = self.pairer.keep_around(None, text, self.projection.spans(), &mut head) {
            assert_eq!([&head, body, tail].concat(), kept);
        }
        kept
    }

    fn pair(&mut self, original: &str, duplicate: &str) -> Vec<Row> {
        let kept = self.keep(original);
        self.projection.project(duplicate.as_bytes(), &mut []).unwrap();
        let text = self.projection.spans_text().unwrap_or(duplicate.as_bytes());
        let mut out = PairBatch::default();
        self.pairer.pair(&Kept::decode(&kept).unwrap(), text, self.projection.spans(), &mut out).unwrap();
        let text = |column: &Column, at| String::from_utf8(column.get(at).unwrap().to_vec()).unwrap();
        let side = |kinds: &[u8], values: &Column, at: usize| (kinds[at], text(values, at));
        (0..out.paths.len())
            .map(|at| {
                let original = side(&out.original_kinds, &out.originals, at);
                (text(&out.paths, at), original, side(&out.duplicate_kinds, &out.duplicates, at))
            })
            .collect()
    }
}

fn string(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn properties_go_on_inside() {
    let event = |plan: &str| format!(r#"{{"x":1,"data":{}}}"#, string(&format!("{{\"p\":{{\n\"plan\":\"{plan}\"}}}}")));
    let (free, paid) = (event("free"), event("paid"));
    let value = |text: &str| (Kind::String as u8, text.to_owned());
    let plan = ("/data/p/plan".to_owned(), value("free"), value("paid"));
    for roots in [&["/data/p"][..], &["/data"], &["/data/p/plan"]] {
        assert_eq!(Bench::new(roots, &["/data"]).pair(&free, &paid), std::slice::from_ref(&plan), "{roots:?}");
    }
    let one = (Kind::Number as u8, "1".to_owned());
    let rows = [plan, ("/x".to_owned(), one.clone(), one)];
    for roots in [&[""][..], &["/x", "/data"], &["/data/p", "/x"]] {
        assert_eq!(Bench::new(roots, &["/data"]).pair(&free, &paid), rows, "{roots:?}");
    }
    // Where nobody names the member its string is one value.
    assert_eq!(Bench::new(&["/data"], &[]).pair(&free, &paid).len(), 1);
    assert_eq!(Bench::new(&["/data/p"], &[]).pair(&free, &paid), []);
}

#[test]
fn the_text_of_what_is_kept_is_one_line() {
    let mut bench = Bench::new(&["/data/p", "/data", "/x"], &["/data"]);
    let kept = bench.keep("{\"x\":[1],\"data\":\"{\\n\\\"p\\\":\\r\\n{\\\"a\\\":\\t\\\"\\\\n\\\"}}\"}");
    let mut out = Vec::new();
    assert!(fields_text(&Kept::decode(&kept).unwrap(), &bench.roots, &mut out));
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\n'), "{text}");
    let fields: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(fields["/data/p"]["a"], "\n");
}

const ROOTS: [&[&str]; 7] =
    [&[""], &["/data"], &["/data/p"], &["/data/a", "/data/p"], &["/x", "/data/p/a", ""], &["/data/p/b", "/x"], &["/x"]];

proptest! {
    #![proptest_config(cases::cases(1_000))]

    #[test]
    fn the_string_form_has_the_properties_of_the_plain_form(
        trees in proptest::collection::vec((tree(), tree()), 2),
        same: bool,
        roots in proptest::sample::select(ROOTS.to_vec()),
        long in prop_oneof![4 => Just(0usize), 1 => 60_000usize..80_000],
        seed: u64,
    ) {
        let forms = |(outer, inner): &(Tree, Tree), seed: u64| {
            // A string would have to be JSON text.
            let inner = if let Tree::Text(_) = inner { Tree::List(vec![inner.clone()]) } else { inner.clone() };
            let (outer, inner, padding) = (spelled(outer, seed), spelled(&inner, !seed), "v".repeat(long));
            let data = |p: &str| format!(r#"{{ "a":{outer}, "p":{p},"long":"{padding}" }}"#);
            let event = |data: &str| format!(r#"{{"data":{data},"x":[2.0]}}"#);
            [
                event(&data(&inner)),
                event(&string(&data(&string(&inner)))),
                event(&string(&data(&inner))),
                event(&data(&string(&inner))),
            ]
        };
        let duplicate = if same { &trees[0] } else { &trees[1] };
        let (originals, duplicates) = (forms(&trees[0], seed), forms(duplicate, seed.rotate_left(1)));
        let mut plain = Bench::new(roots, &[]);
        let mut inside = Bench::new(roots, &["/data", "/data/p"]);
        let expected = plain.pair(&originals[0], &duplicates[0]);
        for original in &originals {
            for duplicate in &duplicates {
                prop_assert_eq!(&inside.pair(original, duplicate), &expected, "{:?} {} {}", roots, original, duplicate);
            }
        }
    }
}
