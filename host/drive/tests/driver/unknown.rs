//! Nobody knows what became of a commit; and C that is not what it was.

use connectors::memory::{Call, Trouble};
use engine::protocol::Transaction;

use crate::host::{Host, Said};
use crate::reading::Left;
use crate::scene::{Scene, until};

#[test]
fn a_commit_that_ends_unknown_counts_once_whatever_became_of_it() {
    for (is_committed, pending) in [(true, 0), (false, 0), (true, 2), (false, 2)] {
        let scene = Scene::new(2);
        let host = Host::start(&scene, "a");
        (0..2).for_each(|partition| scene.append(partition, ["a", "b"]));
        scene.until_all_done();
        scene.system.trouble_once(Call::Commit, Trouble::Unknown { is_committed, pending });
        (0..2).for_each(|partition| scene.append(partition, ["a", "c", "c"]));
        let ended = if is_committed { Transaction::UnknownCommitted } else { Transaction::UnknownAborted };
        host.diary.until(&Said::Ended(ended));
        scene.until_all_done();
        host.stop_well();
        scene.check();
    }
}

#[test]
fn a_first_commit_that_ends_unknown_counts_once_too() {
    for is_committed in [true, false] {
        let scene = Scene::new(1);
        scene.append(0, ["a", "b", "a"]);
        scene.system.trouble_once(Call::Commit, Trouble::Unknown { is_committed, pending: 1 });
        let host = Host::start(&scene, "a");
        scene.until_all_done();
        host.stop_well();
        scene.check();
    }
}

#[test]
fn a_host_that_dies_with_a_commit_unknown_leaves_it_to_its_successor() {
    for is_committed in [true, false] {
        let scene = Scene::new(1);
        let a = Host::start(&scene, "a");
        scene.append(0, ["a", "b"]);
        scene.until_all_done();
        scene.system.trouble_with(move |host, call| {
            (host == "a" && call == Call::Commit).then_some(Trouble::Unknown { is_committed, pending: 3 })
        });
        scene.append(0, ["a", "c"]);
        assert!(until(|| a.diary.said().len() > 4 || !a.is_running()));
        a.crash();
        let b = Host::start(&scene, "b");
        scene.append(0, ["c", "d"]);
        scene.until_all_done();
        b.stop_well();
        scene.check();
    }
}

/// C goes back, and what follows it is decided and sent again as it was.
fn check_sent_again(scene: &Scene, before: Left, from: i64) {
    let again = scene.wanted(0, &[]).from(from);
    assert_eq!(scene.left(0).uncounted(), before.and(again).uncounted());
}

#[test]
fn c_that_goes_back_under_a_running_host_is_believed() {
    let scene = Scene::new(1);
    let host = Host::start(&scene, "a");
    for keys in [["a", "b"], ["a", "c"], ["d", "b"]] {
        scene.append(0, keys);
        scene.until_all_done();
    }
    let before = scene.left(0);
    let commits = scene.system.history(0);
    let lost = commits.iter().filter(|committed| committed.offset > 2).count();
    scene.system.lose_commits(0, lost);
    // It finds out when it asks, which it does after a failure.
    scene.system.trouble_once(Call::Commit, Trouble::Fails);
    scene.append(0, ["e"]);
    host.diary.until(&Said::WentBack(0, 6, 2));
    scene.until_all_done();
    host.stop_well();
    check_sent_again(&scene, before, 2);
}

#[test]
fn c_that_was_set_back_between_two_runs_is_believed() {
    let scene = Scene::new(1);
    let host = Host::start(&scene, "a");
    for keys in [["a", "b"], ["a", "c"], ["d", "b"]] {
        scene.append(0, keys);
        scene.until_all_done();
    }
    host.stop_well();
    let before = scene.left(0);
    let lost = scene.system.history(0).iter().filter(|committed| committed.offset > 2).count();
    scene.system.lose_commits(0, lost);
    let host = Host::start(&scene, "a");
    scene.append(0, ["e"]);
    scene.until_all_done();
    host.stop_well();
    check_sent_again(&scene, before, 2);
}

#[test]
fn c_that_somebody_else_moved_on_is_believed() {
    let scene = Scene::new(1);
    let host = Host::start(&scene, "a");
    scene.append(0, ["a", "b"]);
    scene.until_all_done();
    scene.system.trouble_once(Call::Commit, Trouble::Fails);
    scene.system.set_committed(0, connectors::Committed { offset: 4, metadata: String::new() });
    scene.append(0, ["c", "d", "c", "e"]);
    scene.until_all_done();
    host.stop_well();
    let left = scene.left(0);
    assert_eq!(
        (left.output, left.duplicates),
        (vec![0, 1, 5], vec![(4, 2, 1)]),
        "c and d were somebody else's to send"
    );
}
