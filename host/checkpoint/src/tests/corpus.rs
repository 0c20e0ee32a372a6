//! A checkpoint that an earlier version wrote is read for ever, byte for byte.
//!
//! `WRITE_CORPUS=1` writes it anew, which only a new format may ask for, under a new name.

use std::fs;

use super::*;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/format-1")
}

#[test]
fn a_checkpoint_of_format_1_is_read() {
    let place = Place { group: "dedup".into(), topic: "events".into(), topic_id: None, partition: 0 };
    if std::env::var_os("WRITE_CORPUS").is_some() {
        let depot = in_directory(&corpus());
        for next_offset in [100, 110] {
            let dir = snapshot(&state(next_offset, "corpus"));
            depot.publish(&place, dir.path(), &about(next_offset, 7), Full::Every(9), &control()).unwrap();
        }
    }
    // A copy: the modes of a check-out are anybody's.
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("checkpoints");
    let files = crate::local::scan(&corpus()).unwrap();
    write(&root, &files.into_iter().map(|file| (file.name, fs::read(file.path).unwrap())).collect());
    let depot = Depot::directory(&root, Trust::Anyone, limits()).unwrap();
    let candidates = depot.candidates(&place, &control()).unwrap();
    assert!(candidates.damaged.is_empty() && candidates.pointer_damage.is_none());
    let abouts: Vec<_> = candidates.manifests.iter().map(|manifest| manifest.about().clone()).collect();
    assert_eq!(abouts, [about(110, 7), about(100, 7)]);
    for manifest in &candidates.manifests {
        assert_eq!(fetched(&depot, manifest).unwrap(), state(manifest.about().next_offset.unwrap(), "corpus"));
    }
    // And gone on from.
    let dir = snapshot(&state(120, "corpus"));
    let published = depot.publish(&place, dir.path(), &about(120, 7), Full::Every(9), &control()).unwrap();
    assert!(!published.is_full && published.sent_objects < published.files, "{published:?}");
}
