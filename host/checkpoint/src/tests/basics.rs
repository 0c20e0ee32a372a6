//! What callers do every day, in memory and in a directory.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::{Arc, Mutex};

use super::*;

fn both(check: impl Fn(Depot)) {
    check(in_memory().1);
    let dir = tempfile::tempdir().unwrap();
    check(in_directory(&dir.path().join("checkpoints")));
}

#[test]
fn what_was_published_comes_back_with_what_was_said_about_it() {
    both(|depot| {
        let epoch = depot.claim(&place(), 0, &control()).unwrap();
        assert_eq!(epoch, 1);
        let published = publish(&depot, 100, epoch, Full::Every(10)).unwrap();
        assert!(published.is_full && published.files == 8 && published.sent_objects == 8, "{published:?}");
        let (manifest, files) = restored(&depot).unwrap();
        assert_eq!(files, state(100, "w"));
        assert_eq!(manifest.about(), &about(100, epoch));
        assert_eq!(manifest.name(), published.name);
        assert!(manifest.is_newest() && manifest.is_full() && manifest.place() == &place());
        assert_eq!((manifest.files(), manifest.bytes()), (8, published.bytes));
        assert_eq!(depot.places(&control()).unwrap(), [place()]);
        depot.check(&control()).unwrap();
    });
}

#[test]
fn a_place_without_checkpoints_has_none() {
    both(|depot| {
        let candidates = depot.candidates(&place(), &control()).unwrap();
        assert!(candidates.manifests.is_empty() && candidates.damaged.is_empty());
        assert!(depot.places(&control()).unwrap().is_empty());
        assert!(depot.verify(&place(), &control()).unwrap().is_empty());
        assert_eq!(depot.prune(&place(), 5, &control()).unwrap(), crate::Pruned::default());
    });
}

#[test]
fn only_what_is_new_is_sent_and_every_nth_sends_everything_anew() {
    both(|depot| {
        let mut full = Vec::new();
        for next_offset in [100, 105, 110, 115, 120, 125] {
            let published = publish(&depot, next_offset, 1, Full::Every(3)).unwrap();
            // The file that says the offset, the filter, and every tenth offset a table.
            let expected = if published.is_full { 8 } else { 2 + usize::from(next_offset % 10 == 0) };
            assert_eq!(published.sent_objects, expected, "{next_offset}: {published:?}");
            full.push(published.is_full);
            assert_eq!(restored(&depot).unwrap().1, state(next_offset, "w"));
        }
        assert_eq!(full, [true, false, false, true, false, false]);
        let all = depot.candidates(&place(), &control()).unwrap().manifests;
        let offsets: Vec<_> = all.iter().map(|manifest| manifest.about().next_offset.unwrap()).collect();
        assert_eq!(offsets, [125, 120, 115, 110, 105, 100]);
        assert!(publish(&depot, 130, 1, Full::Always).unwrap().is_full);
        assert!(!publish(&depot, 135, 1, Full::Every(0)).unwrap().is_full);
        assert!(depot.verify(&place(), &control()).unwrap().iter().all(|checked| checked.result.is_ok()));
    });
}

#[test]
fn places_do_not_meet() {
    both(|depot| {
        let places: Vec<_> = [(None, 1), (Some("a"), 1), (Some("a"), 11)]
            .map(|(id, partition)| Place { topic_id: id.map(Into::into), partition, ..place() })
            .into();
        for (at, place) in places.iter().enumerate() {
            let next_offset = 100 + u64::try_from(at).unwrap();
            let dir = snapshot(&state(next_offset, "w"));
            depot.publish(place, dir.path(), &about(next_offset, 1), Full::Every(3), &control()).unwrap();
        }
        for place in &places {
            assert_eq!(depot.candidates(place, &control()).unwrap().manifests.len(), 1, "{place}");
        }
        let mut sorted = places.clone();
        sorted.sort();
        assert_eq!(depot.places(&control()).unwrap(), sorted);
    });
}

#[test]
fn a_place_whose_names_are_too_long_is_found() {
    both(|depot| {
        let place = Place { group: "g".repeat(500), ..place() };
        depot.claim(&place, 4, &control()).unwrap();
        assert_eq!(depot.places(&control()).unwrap(), [place]);
    });
}

#[test]
fn an_older_epoch_publishes_nothing_and_an_older_offset_of_the_same_neither() {
    both(|depot| {
        let zombie = depot.claim(&place(), 0, &control()).unwrap();
        publish(&depot, 100, zombie, Full::Every(3)).unwrap();
        refused(publish(&depot, 90, zombie, Full::Every(3)), &["reaches offset 100", "only 90"]);
        let owner = depot.claim(&place(), 0, &control()).unwrap();
        assert_eq!(owner, 2);
        assert_eq!(restored(&depot).unwrap().0.about().next_offset, Some(100), "a claim moves nothing");
        refused(publish(&depot, 200, zombie, Full::Every(3)), &["group dedup, events.raw/3", "epoch 2", "epoch 1"]);
        // A rewind on purpose.
        publish(&depot, 50, owner, Full::Every(3)).unwrap();
        let all = depot.candidates(&place(), &control()).unwrap().manifests;
        let seen: Vec<_> = all.iter().map(|manifest| (manifest.about().next_offset, manifest.is_newest())).collect();
        assert_eq!(seen, [(Some(100), false), (Some(50), true)]);
        publish(&depot, 50, owner, Full::Every(3)).unwrap();
        assert_eq!(depot.claim(&place(), 9, &control()).unwrap(), 9);
    });
}

#[test]
fn what_is_at_hand_is_not_fetched_whatever_it_is_called() {
    both(|depot| {
        publish(&depot, 100, 1, Full::Every(3)).unwrap();
        let old = snapshot(&state(95, "w"));
        // Of the right size, and another.
        fs::write(old.path().join("CURRENT"), "100 x\n").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("into");
        let manifest = depot.candidates(&place(), &control()).unwrap().manifests.remove(0);
        let have = [dir.path().join("not there"), old.path().to_owned()];
        let fetched = depot.fetch(&manifest, &into, &have, &control()).unwrap();
        assert_eq!(read(&into), state(100, "w"));
        assert_eq!((fetched.files, fetched.fetched_files), (8, 3), "one table, CURRENT and the filter: {fetched:?}");
        // Again into the same, of which one file is damaged and one is left over.
        fs::write(into.join("000009.sst"), "x").unwrap();
        fs::write(into.join("left over"), "x").unwrap();
        fs::write(into.join("CURRENT.fetching"), "x").unwrap();
        let again = depot.fetch(&manifest, &into, &[], &control()).unwrap();
        assert_eq!((read(&into), again.fetched_files), (state(100, "w"), 1));
        // Another checkpoint into the same.
        publish(&depot, 160, 1, Full::Every(3)).unwrap();
        let newer = depot.candidates(&place(), &control()).unwrap().manifests.remove(0);
        depot.fetch(&newer, &into, &[], &control()).unwrap();
        assert_eq!(read(&into), state(160, "w"));
    });
}

#[test]
fn nothing_is_removed_from_a_directory_that_no_fetch_made() {
    let (_store, depot) = in_memory();
    publish(&depot, 100, 1, Full::Every(3)).unwrap();
    let manifest = depot.candidates(&place(), &control()).unwrap().manifests.remove(0);
    let dir = snapshot(&Files::from([("thesis.txt".into(), b"mine".to_vec())]));
    refused(depot.fetch(&manifest, dir.path(), &[], &control()), &["thesis.txt", "give an empty one"]);
    assert_eq!(fs::read(dir.path().join("thesis.txt")).unwrap(), b"mine");
}

#[test]
fn no_link_is_followed() {
    let (_store, depot) = in_memory();
    publish(&depot, 100, 1, Full::Every(3)).unwrap();
    let elsewhere = snapshot(&Files::from([("secret".into(), b"theirs".to_vec())]));
    let dir = snapshot(&state(110, "w"));
    symlink(elsewhere.path().join("secret"), dir.path().join("link")).unwrap();
    let publish = |dir: &Path| depot.publish(&place(), dir, &about(110, 1), Full::Every(3), &control());
    refused(publish(dir.path()), &["link", "no file"]);
    fs::remove_file(dir.path().join("link")).unwrap();
    symlink(elsewhere.path(), dir.path().join("more")).unwrap();
    refused(publish(dir.path()), &["more", "no file"]);
    let manifest = depot.candidates(&place(), &control()).unwrap().manifests.remove(0);
    let into = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), into.path().join("filters")).unwrap();
    refused(depot.fetch(&manifest, into.path(), &[], &control()), &["filters"]);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_is_for_this_user_alone_and_its_links_lead_nowhere() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("checkpoints");
    let depot = in_directory(&root);
    publish(&depot, 100, 1, Full::Every(3)).unwrap();
    let prefix = root.join(place().prefix());
    for path in ["", "objects", "manifests"] {
        assert_eq!(fs::metadata(prefix.join(path)).unwrap().permissions().mode() & 0o777, 0o700, "{path}");
    }
    assert_eq!(fs::metadata(prefix.join("newest")).unwrap().permissions().mode() & 0o777, 0o600);
    // A directory of objects that leads elsewhere is not used.
    let elsewhere = outer.path().join("elsewhere");
    fs::rename(prefix.join("objects"), &elsewhere).unwrap();
    symlink(&elsewhere, prefix.join("objects")).unwrap();
    assert!(restored(&depot).is_none());
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
    refused(Depot::directory(&root, Trust::Ours, limits()), &["chmod -R go-w"]);
}

#[test]
fn tables_are_linked_into_a_directory_and_not_copied() {
    let outer = tempfile::tempdir().unwrap();
    let depot = in_directory(&outer.path().join("checkpoints"));
    let dir = outer.path().join("snapshot");
    write(&dir, &state(100, "w"));
    depot.publish(&place(), &dir, &about(100, 1), Full::Every(3), &control()).unwrap();
    assert_eq!(fs::metadata(dir.join("000010.sst")).unwrap().nlink(), 2);
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(restored(&depot).unwrap().1, state(100, "w"));
}

#[test]
fn where_no_links_can_be_made_files_are_copied() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        return println!("NOT RUN: there is no second file system");
    };
    let outer = tempfile::tempdir().unwrap();
    let depot = in_directory(&outer.path().join("checkpoints"));
    let mut files = state(100, "w");
    files.insert("large".into(), vec![3; usize::try_from(crate::local::PART_BYTES).unwrap() + 5]);
    write(elsewhere.path(), &files);
    depot.publish(&place(), elsewhere.path(), &about(100, 1), Full::Every(3), &control()).unwrap();
    assert_eq!(restored(&depot).unwrap().1, files);
}

#[test]
fn a_file_of_several_parts_comes_back() {
    both(|depot| {
        let part = usize::try_from(crate::local::PART_BYTES).unwrap();
        let large: Vec<u8> = (0..part * 2 + 12_345).map(|at| u8::try_from(at % 253).unwrap()).collect();
        let files = Files::from([("large".into(), large), ("whole part".into(), vec![7; part])]);
        let dir = snapshot(&files);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (told, patient) = (Arc::clone(&seen), Control::default());
        let progress = move |transfer| told.lock().unwrap().push(transfer);
        let told = Control { progress: Some(Arc::new(progress)), ..patient };
        depot.publish(&place(), dir.path(), &about(1, 1), Full::Every(3), &told).unwrap();
        let last = *seen.lock().unwrap().last().unwrap();
        assert_eq!((last.files_done, last.files, last.bytes_done), (2, 2, last.bytes));
        assert_eq!(restored(&depot).unwrap().1, files);
    });
}
