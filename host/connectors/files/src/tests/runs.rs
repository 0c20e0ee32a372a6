//! Runs: how far they are is kept, an input is read from there, and outputs are cut back to there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors::{
    Assignments, ByLane, Committed, CommittingSink, Inquiry, Lane, Outgoing, Polled, Sink, Source, SourceFailure, Word,
};
use engine::record::Offset;

use super::*;

const WAIT: Duration = Duration::from_millis(20);

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn committed(offset: Offset, metadata: &str) -> Committed {
    Committed { offset, metadata: metadata.to_owned() }
}

/// A progress that is kept in a file of a directory.
fn kept(directory: &TempDir, progress: FileProgress) -> ProgressFile {
    let path = directory.path().join("progress");
    let file = path.clone();
    ProgressFile::begin(path, progress, move |bytes| fs::write(&file, bytes)).unwrap()
}

fn read_back(directory: &TempDir) -> FileProgress {
    let path = directory.path().join("progress");
    ProgressFile::read(&path, &fs::read(&path).unwrap()).unwrap()
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Assignments for Told {
    fn assigned(&self, partitions: &[i32]) {
        self.0.lock().unwrap().push(format!("assigned {partitions:?}"));
    }

    fn revoked(&self, partitions: &[i32], lost: bool) {
        self.0.lock().unwrap().push(format!("revoked {partitions:?} {lost}"));
    }
}

fn setup(path: &Path, progress: FileProgress) -> InputSetup {
    InputSetup { path: path.to_owned(), limits: ANY, progress, book: Book::default() }
}

/// Opened, and begun to be read there.
fn begun(setup: InputSetup, at: Offset) -> Result<FileInput, FileError> {
    let mut input = FileInput::open(setup, at)?.assigned_to(Arc::new(Told::default()));
    let since = Instant::now();
    while !input.wait_open(WAIT)? {
        assert!(since.elapsed() < LONG);
    }
    assert_eq!(input.poll(WAIT, |_, _| None).unwrap(), Polled::Nothing);
    assert!(input.begin(0, at).unwrap());
    Ok(input)
}

/// Polls until the input is over: what came, with offsets.
fn poll_all(input: &mut FileInput) -> Result<Vec<(Offset, String)>, FileError> {
    let mut batch = RecordBatch::new();
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < LONG);
        match input.poll(WAIT, |_, _| Some(&mut batch)) {
            Ok(Polled::Over) => break,
            Ok(_) => {}
            Err(failure) => return Err(failure.into_cause().unwrap()),
        }
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok(batch.iter().map(|record| (record.offset(), text(record.payload().unwrap()))).collect())
}

fn numbered(range: std::ops::Range<Offset>) -> Vec<(Offset, String)> {
    range.map(|offset| (offset, format!("{{\"a\":{offset}}}"))).collect()
}

fn text_of(records: &[(Offset, String)]) -> String {
    records.iter().map(|(_, line)| format!("{line}\n")).collect()
}

/// The progress of a run that committed at each of these numbers of records of `text`.
fn progress_at(directory: &TempDir, text: &str, base: Offset, commits: &[u64]) -> FileProgress {
    let file = kept(directory, FileProgress::starting("in".to_owned(), base));
    let book = Book::default();
    for records in commits {
        let before = text.split_inclusive('\n').take(usize::try_from(*records).unwrap());
        book.note(at(before.map(|line| line.len() as u64).sum(), *records));
        let offset = base + Offset::try_from(*records).unwrap();
        file.commit(&book, &committed(offset, ""), ByLane::default()).unwrap();
    }
    read_back(directory)
}

#[test]
fn an_input_is_one_partition_that_ends() {
    let directory = directory();
    let records = numbered(0..3_000);
    let path = file_of(&directory, "in", text_of(&records).as_bytes());
    let told = Arc::new(Told::default());
    let progress = FileProgress::starting("in".to_owned(), 0);
    let mut input = FileInput::open(setup(&path, progress), 0).unwrap().assigned_to(Arc::clone(&told) as Arc<_>);
    assert_eq!(input.poll(LONG, |_, _| None).unwrap(), Polled::Nothing);
    assert_eq!(*told.0.lock().unwrap(), ["assigned [0]"]);
    assert_eq!(input.poll(WAIT, |_, _| panic!("nobody has begun it")).unwrap(), Polled::Nothing);
    input.begin(0, 0).unwrap();
    input.pause(0);
    assert_eq!(input.poll(WAIT, |_, _| panic!("it is paused")).unwrap(), Polled::Nothing);
    input.resume(0);
    let mut batch = RecordBatch::new();
    let mut picked = Vec::new();
    let mut polls = 0;
    loop {
        let polled = input.poll(LONG, |partition, offset| {
            picked.push((partition, offset));
            // The first two are refused, and come again.
            (picked.len() > 2).then_some(&mut batch)
        });
        match polled.unwrap() {
            Polled::Records { partition: 0, next } => assert_eq!(next, batch.len() as Offset),
            Polled::Nothing => assert!(picked.len() <= 2),
            Polled::End { partition: 0 } => break,
            other @ (Polled::Records { .. } | Polled::End { .. } | Polled::Complaint(_) | Polled::Over) => {
                panic!("{other:?}")
            }
        }
        polls += 1;
    }
    assert_eq!(picked.first(), picked.get(2));
    assert!(polls > 3 && picked.iter().all(|(partition, _)| *partition == 0), "{polls}");
    let offsets: Vec<Offset> = batch.iter().map(|record| record.offset()).collect();
    assert_eq!(offsets, (0..3_000).collect::<Vec<_>>());
    for _ in 0..2 {
        assert_eq!(input.poll(LONG, |_, _| None).unwrap(), Polled::Over);
    }
    assert_eq!(
        input.so_far().get().map(|(read, total)| (read == total, total)),
        Some((true, fs::metadata(&path).unwrap().len()))
    );
    input.leave(LONG);
    assert_eq!(*told.0.lock().unwrap(), ["assigned [0]", "revoked [0] false"]);
}

#[test]
fn an_empty_batch_is_exchanged_and_not_filled() {
    let directory = directory();
    let path = file_of(&directory, "in", text_of(&numbered(0..2_000)).as_bytes());
    let mut input = begun(setup(&path, FileProgress::starting("in".to_owned(), 0)), 0).unwrap();
    let mut batch = RecordBatch::new();
    assert_eq!(input.poll(LONG, |_, _| Some(&mut batch)).unwrap(), Polled::Records { partition: 0, next: 1_024 });
    let first = batch.iter().next().unwrap().payload().unwrap().as_ptr();
    // The memory that was given comes back with other records.
    let mut others = std::mem::take(&mut batch);
    others.clear();
    assert_eq!(input.poll(LONG, |_, _| Some(&mut others)).unwrap(), Polled::Records { partition: 0, next: 2_000 });
    assert_ne!(others.iter().next().unwrap().payload().unwrap().as_ptr(), first);
}

#[test]
fn an_input_is_read_from_any_offset_whatever_is_known_of_it() {
    let directory = directory();
    let records = numbered(0..40);
    let text = text_of(&records);
    for (name, bytes) in
        [("in", text.clone().into_bytes()), ("in.gz", gzip(text.as_bytes())), ("in.zst", zstd(text.as_bytes()))]
    {
        let path = file_of(&directory, name, &bytes);
        for commits in [&[][..], &[40], &[7, 20], &[1, 2, 3, 30]] {
            for from in [0, 1, 7, 19, 20, 21, 30, 39, 40] {
                let progress = progress_at(&directory, &text, 1_000, commits);
                let mut input = begun(setup(&path, progress), 1_000 + from).unwrap();
                let expected = records.iter().filter(|(offset, _)| *offset >= from).cloned();
                let expected: Vec<_> = expected.map(|(offset, line)| (offset + 1_000, line)).collect();
                assert_eq!(poll_all(&mut input).unwrap(), expected, "{name} {commits:?} {from}");
            }
        }
    }
    let progress = progress_at(&directory, &text, 1_000, &[]);
    check_error(FileInput::open(setup(Path::new("in"), progress), 999).map(drop), &["offset 999", "begins at 1000"]);
}

#[test]
fn an_input_that_was_changed_before_the_commit_is_noticed_before_anything_behind_it_is_delivered() {
    let directory = directory();
    let records = numbered(0..40);
    let text = text_of(&records);
    let blank = |index: usize| {
        let mut lines: Vec<_> = text.lines().collect();
        lines.insert(index, " ");
        lines.join("\n") + "\n"
    };
    let changed = [
        (text.replacen("\"a\":25", "\"a\":1225", 1), "no longer"),
        (text.replacen("\"a\":25", "\"a\":5", 1), "shorter line"),
        (text.replacen("\"a\":25}\n", "      }", 1), "one line less"),
        (text.replacen("\"a\":25}", "\n  ", 1), "one line more"),
        (blank(22), "a blank line"),
        (text_of(&numbered(0..25)), "cut"),
        (String::new(), "emptied"),
    ];
    for (other, what) in changed {
        for (name, bytes) in [("in", other.clone().into_bytes()), ("in.gz", gzip(other.as_bytes()))] {
            let path = file_of(&directory, name, &bytes);
            let progress = progress_at(&directory, &text, 0, &[20, 30]);
            let mut delivered = 0;
            let read = begun(setup(&path, progress), 20).and_then(|mut input| {
                let mut batch = RecordBatch::new();
                loop {
                    match input.poll(WAIT, |_, _| Some(&mut batch)) {
                        Ok(Polled::Over) => return Ok(()),
                        Ok(_) => delivered = batch.iter().last().map_or(20, |last| last.offset() + 1),
                        Err(failure) => return Err(failure.into_cause::<FileError>().unwrap()),
                    }
                }
            });
            check_error(read, &[name, "cannot resume"]);
            assert!(delivered <= 30, "{what}: {delivered}");
        }
    }
    // What comes behind the commit may be anything, and blank lines before it were there.
    let path = file_of(&directory, "in", text.replacen("\"a\":35", "\"a\":1235", 1).as_bytes());
    let mut input = begun(setup(&path, progress_at(&directory, &text, 0, &[20, 30])), 20).unwrap();
    assert_eq!(poll_all(&mut input).unwrap().len(), 20);
    let path = file_of(&directory, "short", text_of(&numbered(0..25)).as_bytes());
    let progress = progress_at(&directory, &text, 0, &[20]);
    check_error(begun(setup(&path, progress), 30).map(drop), &["after 30 events", "only 25", "start over"]);
}

#[test]
fn a_regular_file_is_read_again_and_a_stream_is_not() {
    let directory = directory();
    let records = numbered(0..2_000);
    let path = file_of(&directory, "in", text_of(&records).as_bytes());
    let mut input = begun(setup(&path, FileProgress::starting("in".to_owned(), 0)), 0).unwrap();
    assert_eq!(poll_all(&mut input).unwrap(), records);
    assert!(input.seek(0, 500));
    assert_eq!(poll_all(&mut input).unwrap(), records[500..]);
    assert!(input.begin_anew(0, 2_000).unwrap());
    assert!(poll_all(&mut input).unwrap().is_empty());
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut writer = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    writer.write_all(b"{}\n{}\n").unwrap();
    let mut input = begun(setup(&pipe, FileProgress::starting("pipe".to_owned(), 0)), 0).unwrap();
    let mut batch = RecordBatch::new();
    assert_eq!(input.poll(LONG, |_, _| Some(&mut batch)).unwrap(), Polled::Records { partition: 0, next: 2 });
    let since = Instant::now();
    assert_eq!(input.poll(WAIT, |_, _| Some(&mut batch)).unwrap(), Polled::Nothing, "a silent pipe keeps nobody");
    assert!(since.elapsed() < LONG / 2);
    assert!(input.seek(0, 2), "it is there");
    assert_eq!(input.poll(WAIT, |_, _| Some(&mut batch)).unwrap(), Polled::Nothing);
    assert!(input.seek(0, 1));
    let refused =
        input.poll(WAIT, |_, _| Some(&mut batch)).map_err(|failure: SourceFailure| failure.into_cause().unwrap());
    check_error::<Polled>(refused, &["pipe", "cannot be read again"]);
}

#[test]
fn a_pipe_that_says_nothing_is_waited_for_no_longer_than_wanted() {
    let directory = directory();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut input = FileInput::open(setup(&pipe, FileProgress::starting("pipe".to_owned(), 0)), 0).unwrap();
    let since = Instant::now();
    assert!(!input.wait_open(WAIT).unwrap());
    input.poll(WAIT, |_, _| None).unwrap();
    input.begin(0, 0).unwrap();
    assert_eq!(input.poll(WAIT, |_, _| None).unwrap(), Polled::Nothing);
    assert!(since.elapsed() < LONG / 2);
}

fn outgoing(payload: &str) -> Outgoing<'_> {
    Outgoing {
        origin: connectors::Origin::default(),
        key: None,
        payload: Some(payload.as_bytes()),
        timestamp: None,
        headers_of: None,
        extra_headers: &[],
    }
}

/// Two outputs of a run, and what it keeps.
fn run_of(directory: &TempDir) -> (CommittingLanes, ProgressFile, Book) {
    let path = |name: &str| directory.path().join(name);
    let names = [(Lane::Output, "out"), (Lane::Duplicates, "duplicates.gz")];
    let created = |(lane, name): (Lane, &str)| (lane, Some(FileSink::create(&path(name), NEW).unwrap()));
    let lanes = FileLanes::new(names.into_iter().map(created).collect());
    let named = |(lane, name): (Lane, &str)| (lane, Some((path(name).display().to_string(), 0)));
    let outputs = names.into_iter().map(named).collect();
    let progress = FileProgress { outputs, ..FileProgress::starting("in".to_owned(), 100) };
    let (file, book) = (kept(directory, progress), Book::default());
    (CommittingLanes::new(lanes, file.clone(), book.clone()), file, book)
}

#[test]
fn a_commit_keeps_offset_position_lengths_and_totals_together() {
    let directory = directory();
    let (mut sink, file, book) = run_of(&directory);
    assert!(sink.has(Lane::Output) && !sink.has(Lane::Late));
    let word = |offset, metadata: &str| vec![(0, Word::Stable(Some(committed(offset, metadata))))];
    assert_eq!(sink.committed(&[0], WAIT).unwrap(), word(100, ""));
    assert_eq!(read_back(&directory), file.get(), "it is kept before anything is written");
    book.note(at(30, 3));
    book.note(at(50, 5));
    sink.send(Lane::Output, &outgoing("first")).unwrap();
    sink.send(Lane::Duplicates, &outgoing("again")).unwrap();
    sink.flush().unwrap();
    file.set_totals(serde_json::json!({"events": 3}));
    sink.commit(&[(0, committed(103, "text"))]).unwrap();
    let size = |name: &str| fs::metadata(directory.path().join(name)).unwrap().len();
    let progress = read_back(&directory);
    assert_eq!(progress, file.get());
    assert_eq!((progress.next_offset(), progress.position, progress.metadata.as_str()), (103, at(30, 3), "text"));
    assert_eq!(progress.totals, serde_json::json!({"events": 3}));
    let sizes = [(Lane::Output, Some(size("out"))), (Lane::Duplicates, Some(size("duplicates.gz")))];
    assert_eq!(progress.lengths(), sizes.into_iter().collect());
    assert_eq!(FileInquiry::new(file.clone()).committed(&[0], WAIT).unwrap(), word(103, "text"));
    let bounds = FileInquiry::new(file.clone()).bounds(&[0], WAIT).unwrap();
    assert_eq!((bounds[0].1.log_start, bounds[0].1.log_end), (100, Offset::MAX));
    // A commit of nothing new, and one where no poll ended.
    sink.commit(&[(0, committed(103, "text"))]).unwrap();
    assert!(sink.commit(&[(0, committed(104, ""))]).unwrap_err().to_string().contains("offset 104"));
    assert!(
        sink.commit(&[(0, committed(105, ""))]).is_err() && sink.reconnect(false).is_err(),
        "nor is anything after it"
    );
    assert_eq!(read_back(&directory).next_offset(), 103);
}

#[test]
fn what_is_not_committed_is_cut_off_and_written_again() {
    let directory = directory();
    let (mut sink, _, book) = run_of(&directory);
    let long = "x".repeat(1_000);
    for round in 1..4 {
        book.note(at(10 * round, round));
        sink.send(Lane::Output, &outgoing(&long)).unwrap();
        sink.send(Lane::Duplicates, &outgoing(&long)).unwrap();
        sink.reconnect(false).unwrap();
        sink.send(Lane::Output, &outgoing("kept")).unwrap();
        sink.send(Lane::Duplicates, &outgoing("kept too")).unwrap();
        sink.commit(&[(0, committed(100 + Offset::try_from(round).unwrap(), ""))]).unwrap();
    }
    let read = |name: &str| read_all(&directory.path().join(name)).unwrap();
    assert_eq!(read("out"), lines("kept\nkept\nkept\n"));
    assert_eq!(read("duplicates.gz"), lines("kept too\nkept too\nkept too\n"));
    let (reader, writer) = io::pipe().unwrap();
    let output = Some(FileSink::over(Path::new("-"), Output::Stream(Box::new(writer))));
    let outputs = ByLane::from_iter([(Lane::Output, Some(("-".to_owned(), 0)))]);
    let progress = FileProgress { outputs, ..FileProgress::starting("in".to_owned(), 0) };
    let lanes = FileLanes::new(ByLane::from_iter([(Lane::Output, output)]));
    let mut sink = CommittingLanes::new(lanes, kept(&directory, progress), Book::default());
    sink.send(Lane::Output, &outgoing("x")).unwrap();
    sink.reconnect(false).unwrap();
    sink.send(Lane::Output, &outgoing(&long)).unwrap();
    assert!(sink.reconnect(false).unwrap_err().to_string().contains("a stream cannot be cut back"));
    drop(reader);
}

#[test]
fn a_progress_that_cannot_be_kept_ends_the_sink() {
    let directory = directory();
    let path = directory.path().join("progress");
    let (mut sink, ..) = run_of(&directory);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let failure = sink.commit(&[(0, committed(100, ""))]).unwrap_err();
    assert!(failure.to_string().contains("which says how far the run is"), "{failure}");
    assert_eq!(failure.remedy, connectors::Remedy::None);
    fs::remove_dir(&path).unwrap();
    assert!(sink.commit(&[(0, committed(100, ""))]).unwrap_err().to_string().contains("an earlier write failed"));
    let begun =
        ProgressFile::begin(path, FileProgress::starting(String::new(), 0), |_| Err(ErrorKind::StorageFull.into()));
    check_error(begun.map(drop), &["cannot write", "progress", "free space there"]);
}

#[test]
fn a_progress_that_is_damaged_or_of_a_later_version_is_refused() {
    let directory = directory();
    let _ = kept(&directory, FileProgress::starting("in".to_owned(), 7));
    let path = directory.path().join("progress");
    let text = fs::read_to_string(&path).unwrap();
    let refused = |text: &str, words: &[&str]| check_error(ProgressFile::read(&path, text.as_bytes()), words);
    refused(&text[..20], &["progress", "cannot be used", "start over with another --store-path"]);
    refused(&text.replace("\"format\":1", "\"format\":2"), &["its format is 2", "format 1"]);
    refused("", &["cannot be used"]);
}

#[test]
fn the_end_keeps_blank_lines_behind_the_last_record() {
    let directory = directory();
    let path = file_of(&directory, "in", b"{}\n\n \n{}\n\n\n");
    let file = kept(&directory, FileProgress::starting("in".to_owned(), 0));
    let setup = setup(&path, file.get());
    let book = setup.book.clone();
    let mut input = begun(setup, 0).unwrap();
    assert_eq!(poll_all(&mut input).unwrap().len(), 2);
    file.commit(&book, &committed(2, ""), ByLane::default()).unwrap();
    let progress = file.finish(&book).unwrap();
    assert_eq!(progress.position, FilePosition { bytes: 11, records: 2, blank_lines: 4 });
    assert!(progress.finished && read_back(&directory) == progress);
}

#[test]
fn places_of_the_last_commits_are_kept_and_no_more() {
    let directory = directory();
    let commits: Vec<u64> = (1..=200).collect();
    let progress = progress_at(&directory, &text_of(&numbered(0..200)), 0, &commits);
    assert_eq!(progress.nearest(200).records, 200);
    assert_eq!(progress.nearest(150).records, 150);
    assert_eq!(progress.nearest(100).records, 0, "from the start of the file");
    assert!(fs::metadata(directory.path().join("progress")).unwrap().len() < 8 << 10);
}
