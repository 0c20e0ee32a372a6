//! One bucket, each test below a prefix of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use checkpoint::{About, Control, Credentials, Depot, DepotError, Full, Limits, Place, S3Options};
use dedup_host_tests::Test;

pub(crate) const TESTS: &[Test] = &[
    ("the_store_honours_conditions", the_store_honours_conditions),
    (
        "what_was_published_comes_back_and_only_what_is_new_is_sent",
        what_was_published_comes_back_and_only_what_is_new_is_sent,
    ),
    ("files_of_several_parts_come_back", files_of_several_parts_come_back),
    ("eight_that_claim_at_once_get_eight_epochs", eight_that_claim_at_once_get_eight_epochs),
    ("of_many_that_publish_at_once_the_newest_epoch_wins", of_many_that_publish_at_once_the_newest_epoch_wins),
    ("an_upload_that_was_cancelled_is_gone_on_with", an_upload_that_was_cancelled_is_gone_on_with),
    ("the_newest_stay_whole_when_the_others_go", the_newest_stay_whole_when_the_others_go),
    ("what_is_wrong_with_the_bucket_is_said", what_is_wrong_with_the_bucket_is_said),
    ("a_hundred_megabytes_there_and_back", a_hundred_megabytes_there_and_back),
];

type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn endpoint() -> Option<String> {
    variable("ENDPOINT")
}

fn variable(name: &str) -> Option<String> {
    std::env::var(format!("TEST_S3_{name}")).ok().filter(|value| !value.is_empty())
}

/// A prefix that no other test has, in this run or another.
fn options() -> S3Options {
    static PREFIXES: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos();
    let credentials = Credentials {
        key: variable("KEY").expect("TEST_S3_KEY"),
        secret: variable("SECRET").expect("TEST_S3_SECRET"),
        token: None,
    };
    S3Options {
        bucket: variable("BUCKET").expect("TEST_S3_BUCKET"),
        prefix: format!("tests/{since}-{}", PREFIXES.fetch_add(1, Ordering::Relaxed)),
        region: "us-east-1".into(),
        endpoint: endpoint(),
        allow_http: true,
        credentials: Some(credentials),
    }
}

fn limits() -> Limits {
    Limits { timeout: Duration::from_secs(20), ..Limits::default() }
}

fn depot() -> Depot {
    Depot::s3(&options(), limits()).expect("a depot")
}

fn place() -> Place {
    Place { group: "dedup".into(), topic: "events.raw".into(), topic_id: Some("a+b/c=".into()), partition: 4 }
}

fn about(next_offset: u64, epoch: u64) -> About {
    About {
        identity: "tests".into(),
        next_offset: Some(next_offset),
        seed: "5eed".into(),
        taken_at_ms: 0,
        epoch,
        notes: BTreeMap::new(),
    }
}

fn state(next_offset: u64) -> Files {
    let table = |table: u64| (format!("{table:06}.sst"), format!("table {table} ").repeat(2_000).into_bytes());
    let mut files: Files = (next_offset / 10..next_offset / 10 + 4).map(table).collect();
    files.insert("CURRENT".into(), next_offset.to_string().into_bytes());
    files.insert("filters/1.0.filter".into(), Vec::new());
    files
}

fn snapshot(files: &Files) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }
    dir
}

fn publish(depot: &Depot, next_offset: u64, epoch: u64, full: Full) -> Result<checkpoint::Published, DepotError> {
    let dir = snapshot(&state(next_offset));
    depot.publish(&place(), dir.path(), &about(next_offset, epoch), full, &Control::default())
}

fn is_there(dir: &Path, files: &Files) {
    for (name, bytes) in files {
        assert!(fs::read(dir.join(name)).expect("a file") == *bytes, "{name} is another");
    }
}

/// The offsets of all checkpoints, the furthest first, each fetched and compared.
fn all_whole(depot: &Depot) -> Vec<u64> {
    let candidates = depot.candidates(&place(), &Control::default()).expect("candidates");
    assert!(candidates.damaged.is_empty() && candidates.pointer_damage.is_none(), "{candidates:?}");
    let offset = |manifest: &checkpoint::Manifest| {
        let next_offset = manifest.about().next_offset.expect("an offset");
        let dir = tempfile::tempdir().expect("a directory");
        let fetched = depot.fetch(manifest, dir.path(), &[], &Control::default()).expect("a whole checkpoint");
        assert_eq!(fetched.fetched_files, state(next_offset).len());
        is_there(dir.path(), &state(next_offset));
        next_offset
    };
    candidates.manifests.iter().map(offset).collect()
}

fn the_store_honours_conditions() {
    depot().check(&Control::default()).expect("a store that can be used");
}

fn what_was_published_comes_back_and_only_what_is_new_is_sent() {
    let depot = depot();
    let epoch = depot.claim(&place(), 0, &Control::default()).expect("an epoch");
    let sent: Vec<_> = [100, 110, 120, 130]
        .map(|next_offset| publish(&depot, next_offset, epoch, Full::Every(3)).expect("a checkpoint").sent_objects)
        .into();
    assert_eq!(sent, [6, 2, 2, 6]);
    assert_eq!(all_whole(&depot), [130, 120, 110, 100]);
    assert_eq!(depot.places(&Control::default()).expect("places"), [place()]);
    let checked = depot.verify(&place(), &Control::default()).expect("verdicts");
    assert!(checked.len() == 4 && checked.iter().all(|checked| checked.result.is_ok()), "{checked:?}");
}

fn files_of_several_parts_come_back() {
    let depot = depot();
    let bytes = |count: usize| (0..count).map(|at| u8::try_from(at % 253).expect("small")).collect::<Vec<u8>>();
    let files = Files::from([("large".into(), bytes(20 << 20)), ("one part".into(), bytes(8 << 20))]);
    let dir = snapshot(&files);
    depot.publish(&place(), dir.path(), &about(1, 1), Full::Always, &Control::default()).expect("a checkpoint");
    let manifest = depot.candidates(&place(), &Control::default()).expect("candidates").manifests.remove(0);
    let into = tempfile::tempdir().expect("a directory");
    depot.fetch(&manifest, into.path(), &[], &Control::default()).expect("a whole checkpoint");
    is_there(into.path(), &files);
}

fn eight_that_claim_at_once_get_eight_epochs() {
    let options = options();
    let claimed = || {
        let depot = Depot::s3(&options, limits()).expect("a depot");
        (0..4).map(|_| depot.claim(&place(), 0, &Control::default()).expect("an epoch")).collect::<Vec<_>>()
    };
    let epochs: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(claimed)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(epochs.iter().collect::<BTreeSet<_>>().len(), 32, "{epochs:?}");
}

fn of_many_that_publish_at_once_the_newest_epoch_wins() {
    let options = options();
    let run = |writer: u64| {
        let depot = Depot::s3(&options, limits()).expect("a depot");
        let epoch = depot.claim(&place(), 0, &Control::default()).expect("an epoch");
        for round in 0..4 {
            match publish(&depot, 100 + round * 10 + writer, epoch, Full::Every(3)) {
                Ok(_) | Err(DepotError::Fenced { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        epoch
    };
    let newest = thread::scope(|scope| {
        let threads: Vec<_> = (0..5).map(|writer| scope.spawn(move || run(writer))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).max().expect("an epoch")
    });
    let depot = Depot::s3(&options, limits()).expect("a depot");
    assert!(!all_whole(&depot).is_empty());
    let candidates = depot.candidates(&place(), &Control::default()).expect("candidates");
    let pointed = candidates.manifests.iter().find(|manifest| manifest.is_newest()).expect("a newest one");
    assert_eq!(pointed.about().epoch, newest);
}

fn an_upload_that_was_cancelled_is_gone_on_with() {
    let options = options();
    let slow =
        Depot::s3(&options, Limits { parallel: 1, bytes_per_second: Some(200_000), ..limits() }).expect("a depot");
    let dir = snapshot(&(0..8_u8).map(|at| (at.to_string(), vec![at; 100_000])).collect());
    let control = Control::default();
    thread::scope(|scope| {
        let publishing = scope.spawn(|| slow.publish(&place(), dir.path(), &about(1, 1), Full::Always, &control));
        thread::sleep(Duration::from_millis(1_800));
        control.cancel.cancel();
        assert!(matches!(publishing.join().expect("no panic"), Err(DepotError::Cancelled)));
    });
    assert!(slow.candidates(&place(), &Control::default()).expect("candidates").manifests.is_empty());
    let depot = Depot::s3(&options, limits()).expect("a depot");
    let published = depot.publish(&place(), dir.path(), &about(1, 1), Full::Always, &Control::default());
    let sent = published.expect("a checkpoint").sent_objects;
    assert!((1..8).contains(&sent), "{sent} of 8 were sent again");
}

fn the_newest_stay_whole_when_the_others_go() {
    let depot = Depot::s3(&options(), Limits { grace: Duration::ZERO, ..limits() }).expect("a depot");
    for next_offset in [100, 110, 120, 130, 140] {
        publish(&depot, next_offset, 1, Full::Every(3)).expect("a checkpoint");
    }
    let pruned = depot.prune(&place(), 2, &Control::default()).expect("a pruned place");
    assert_eq!((pruned.checkpoints, pruned.kept), (3, 2));
    assert!(pruned.objects > 5 && pruned.bytes > 0, "{pruned:?}");
    assert_eq!(all_whole(&depot), [140, 130]);
}

fn what_is_wrong_with_the_bucket_is_said() {
    let said = |options: &S3Options| {
        let impatient = Limits { attempts: 2, timeout: Duration::from_secs(5), ..limits() };
        let depot = Depot::s3(options, impatient).expect("a depot");
        depot.check(&Control::default()).expect_err("it cannot be used").to_string()
    };
    let wrong = Credentials { key: variable("KEY").expect("a key"), secret: "wrong".into(), token: None };
    let denied = said(&S3Options { credentials: Some(wrong), ..options() });
    assert!(denied.contains("not allowed") && denied.contains("check the credentials"), "{denied}");
    assert!(!denied.contains("wrong"), "a secret is shown: {denied}");
    let nobody = said(&S3Options { endpoint: Some("http://127.0.0.1:9".into()), ..options() });
    assert!(nobody.contains("check the network, the endpoint"), "{nobody}");
    let plain = S3Options { allow_http: false, ..options() };
    let refused = said(&plain);
    assert!(refused.contains("cannot use"), "{refused}");
}

/// Told, so that a person can see what the code can do.
fn a_hundred_megabytes_there_and_back() {
    let depot = depot();
    let table = |table: u8| (format!("{table:06}.sst"), vec![table; 4 << 20]);
    let dir = snapshot(&(0..25).map(table).collect());
    let began = Instant::now();
    let published =
        depot.publish(&place(), dir.path(), &about(1, 1), Full::Always, &Control::default()).expect("a checkpoint");
    let there = began.elapsed();
    let manifest = depot.candidates(&place(), &Control::default()).expect("candidates").manifests.remove(0);
    let into = tempfile::tempdir().expect("a directory");
    let began = Instant::now();
    let fetched = depot.fetch(&manifest, into.path(), &[], &Control::default()).expect("a whole checkpoint");
    assert_eq!((published.sent_bytes, fetched.fetched_bytes), (100 << 20, 100 << 20));
    println!("100 MiB in 25 objects: published in {there:.2?}, fetched in {:.2?}", began.elapsed());
}
