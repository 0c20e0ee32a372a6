//! What is said of a store by those who only look at it.

use state::inspect;

use crate::common::{applied, fill, identity, open};

#[test]
fn a_store_is_looked_at_while_it_is_open_and_so_is_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (path, snapshot) = (dir.path().join("0"), dir.path().join("snapshot"));
    let mut store = open(&path);
    assert_eq!(inspect(&path).unwrap().next_offset, None);
    fill(&mut store, 0..500, 12_000);
    store.commit(applied(500, Some(12_000)));
    store.persist().unwrap();
    store.capture(&snapshot).unwrap();
    for at in [&path, &snapshot] {
        let found = inspect(at).unwrap();
        assert_eq!((found.next_offset, found.watermark, found.identity), (Some(500), Some(12_000), identity()));
        assert!(found.buckets == 1 && found.files > 3 && found.bytes > 1_000, "{:?} {}", found.files, found.bytes);
    }
    drop(store);
    let refused = inspect(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("no directory of a state"), "{refused}");
}
