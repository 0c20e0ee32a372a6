//! Records, and texts beside offsets, that the system does not take.

use connectors::Lane;
use connectors::memory::{Lanes, Sent};

use crate::host::{Habits, Host, Said};
use crate::scene::{POISON, Scene, builds, lanes};

/// Events with this in them are refused by the output.
const REFUSED: &str = "not to be taken";

fn is_refused(lane: Lane, payload: Option<&[u8]>) -> bool {
    let payload = payload.map(String::from_utf8_lossy).unwrap_or_default();
    lane == Lane::Output && payload.contains(REFUSED)
}

fn letters(scene: &Scene) -> Vec<(i64, String)> {
    let stage = |sent: &Sent| sent.headers["dedup-host-stage"].clone();
    let visible = scene.system.visible();
    let letters = visible.iter().filter(|sent| sent.lane == Lane::DeadLetter);
    letters.map(|sent| (sent.origin.offset, stage(sent))).collect()
}

#[test]
fn records_that_are_refused_leave_as_letters_one_by_one_and_the_others_as_they_are() {
    let scene = Scene::new(2);
    scene.system.refuse_where(|lane, record| is_refused(lane, record.payload));
    for partition in 0..2 {
        scene.append(partition, ["a", "b"]);
        // Refused and first: no key of it is left, and the next copy is the first.
        scene.append_filled(partition, "c", REFUSED);
        scene.append(partition, ["c", "a", "c"]);
        // Refused if it were forwarded, but it is a duplicate.
        scene.append_filled(partition, "a", REFUSED);
        scene.append_filled(partition, "d", REFUSED);
        scene.append(partition, ["e"]);
    }
    let host = Host::start(&scene, "a");
    scene.until_all_done();
    (0..2).for_each(|partition| scene.append(partition, ["f", "d"]));
    scene.until_all_done();
    host.stop_well();
    scene.check();
    let wanted = |offset| (offset, "output".to_owned());
    let mut letters = letters(&scene);
    letters.sort_unstable();
    assert_eq!(letters, [2, 2, 7, 7].map(wanted));
    assert_eq!(scene.left(0).output, [0, 1, 3, 8, 9, 10]);
}

#[test]
fn a_limit_that_becomes_lower_is_found_out_and_then_known() {
    let scene = Scene::new(1);
    let host = Host::start(&scene, "a");
    let large = "x".repeat(2_000);
    scene.append_filled(0, "a", &large);
    scene.until_all_done();
    scene.system.set_lanes(lanes().up_to(Lane::Output, 1_000));
    scene.append_filled(0, "b", &large);
    scene.append(0, ["b", "c"]);
    scene.until_all_done();
    scene.append_filled(0, "d", &large);
    scene.append(0, ["d"]);
    scene.until_all_done();
    host.stop_well();
    scene.check();
    assert_eq!(scene.left(0).letters, [1, 4]);
}

#[test]
fn what_was_refused_is_an_exception_to_a_replay() {
    let scene = Scene::new(1);
    scene.system.refuse_where(|lane, record| is_refused(lane, record.payload));
    scene.append(0, ["a"]);
    scene.append_filled(0, "b", REFUSED);
    let host = Host::start(&scene, "a");
    scene.until_all_done();
    host.stop_well();
    // Another host has no state, and the output takes everything by then.
    scene.system.refuse_where(|_, _| false);
    let host = Host::start(&scene, "b");
    scene.append(0, ["b", "a"]);
    scene.until_all_done();
    host.stop_well();
    scene.check();
    assert_eq!(scene.left(0).output, [0, 2]);
}

#[test]
fn a_lane_that_nobody_listens_on_takes_nothing() {
    let scene = Scene::new(1);
    scene.system.set_lanes(Lanes::listening(&[Lane::Output]));
    scene.append(0, ["a", "b", "a"]);
    scene.append_no_event(0);
    let host = Host::start(&scene, "a");
    scene.until_all_done();
    host.stop_well();
    let left = scene.left(0);
    assert_eq!((left.duplicates.len(), left.letters.len()), (0, 0));
    assert_eq!(scene.committed(0), 4);
}

#[test]
fn texts_beside_offsets_are_as_short_as_they_have_to_be_and_what_has_no_room_is_read_back() {
    let scene = Scene::new(1);
    scene.system.set_text_chars_max(400);
    // Every other record is an exception, so that runs are many.
    for key in 0..300 {
        scene.append(0, [format!("good{key}").as_str(), format!("{POISON}{key}").as_str()]);
    }
    let host = Host::start_with(&scene, "a", Habits { plugins: builds().brittle.clone(), ..Habits::default() });
    scene.until_all_done();
    let shortened = |said: &Said| matches!(said, Said::Shortened(chars) if *chars <= 400);
    let said = host.diary.said();
    assert!(said.iter().any(shortened), "{said:?}");
    host.stop_well();
    assert!(scene.system.committed(0).expect("committed").metadata.len() <= 400);
    // Without a state, the letters say what the text has no room for.
    let host = Host::start(&scene, "b");
    scene.append(0, ["good7", "poison7", "new"]);
    scene.until_all_done();
    host.stop_well();
    scene.check();
}
