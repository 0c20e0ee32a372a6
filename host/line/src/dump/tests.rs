//! Dumps written and read back, and what they do not contain.

use std::os::unix::fs::PermissionsExt;

use engine::fields::Kind;
use plugin_dump::{DumpBatch, DumpConfig, DumpLimits, DumpPlugin, DumpRole};
use private_files::replace;

use super::*;

/// A dumper of a plugin that reads `/id` and `/name`, or of a scorer.
fn dumper(dir: &Path, with_values: bool, role: DumpRole) -> Dumper {
    let text = "{\"token\":\"a secret\"}";
    let head = Dump {
        version: 1,
        host: "0.0.1".to_owned(),
        plugin: DumpPlugin {
            name: "p".to_owned(),
            version: "1".to_owned(),
            key_version: 3,
            sha256: "0123456789abcdef".to_owned(),
            path: "p.wasm".into(),
        },
        role,
        config: DumpConfig {
            sha256: "digest".to_owned(),
            bytes: text.len() as u64,
            text: with_values.then(|| text.to_owned()),
        },
        topic: "(files)".to_owned(),
        partition: 2,
        offset: -1,
        cause: String::new(),
        limits: DumpLimits::of(&plugin::Limits::default()),
        fields: Some(vec!["/id".to_owned(), "/name".to_owned()]),
        values_left_out: None,
        values: Vec::new(),
        rows: Vec::new(),
    };
    Dumper { dumps: Arc::new(Dumps::new(dir.to_owned(), with_values, replace)), head }
}

/// Three events: the second has a value that is no UTF-8, and one that is absent.
fn events() -> FieldBatch {
    let mut events = FieldBatch::new(2);
    for (kind, value) in [
        (Kind::Number, b"1".as_slice()),
        (Kind::String, b"private Ann"),
        (Kind::Bytes, b"\xff\xfe\x00"),
        (Kind::Absent, b""),
        (Kind::String, "p\u{e9}\"\n".as_bytes()),
        (Kind::Json, b"[1,2]"),
    ] {
        events.push(kind, value);
    }
    events
}

fn one(events: &FieldBatch, event: usize) -> FieldBatch {
    let mut one = FieldBatch::new(events.width);
    for value in event * 2..event * 2 + 2 {
        one.values.push(events.values.get(value).unwrap());
        one.kinds.push(events.kinds[value]);
    }
    one
}

/// Two pairs, of two rows and of none.
fn pairs() -> PairBatch {
    let mut pairs = PairBatch::default();
    for (path, original, duplicate) in [("/private/a", "1", "2"), ("/private/b", "secret", "secret")] {
        pairs.paths.push(path.as_bytes());
        pairs.originals.push(original.as_bytes());
        pairs.original_kinds.push(Kind::Number as u8);
        pairs.duplicates.push(duplicate.as_bytes());
        pairs.duplicate_kinds.push(Kind::String as u8);
    }
    pairs.ends.extend([2, 2]);
    pairs
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn failed(items: impl IntoIterator<Item = u32>) -> Vec<(u32, String)> {
    items.into_iter().map(|item| (item, format!("cause {item}"))).collect()
}

#[test]
fn events_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/on/demand");
    let events = events();
    dumper(&dir, true, DumpRole::KeyExtractor).events(&failed(0..3), &events, |event| 100 + Offset::from(event));
    let names = files(&dir);
    assert_eq!(names.len(), 3);
    assert_eq!(names[1].file_name().unwrap(), "files-2-101-key-extractor-01234567.json");
    for (event, path) in names.iter().enumerate() {
        let dump = Dump::read(path).unwrap();
        assert_eq!((dump.offset, dump.cause.as_str()), (100 + event as i64, format!("cause {event}").as_str()));
        assert_eq!((dump.topic.as_str(), dump.partition), ("(files)", 2));
        assert_eq!(dump.batch().unwrap(), DumpBatch::Event(one(&events, event)));
        assert_eq!(dump.config.text.as_deref(), Some("{\"token\":\"a secret\"}"));
        assert_eq!(dump.limits.to_limits(&plugin::Limits::default()), plugin::Limits::default());
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn pairs_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = pairs();
    dumper(dir.path(), true, DumpRole::SimilarityScorer).pairs(&failed(0..2), &pairs, Offset::from);
    let dumps = files(dir.path()).into_iter().map(|path| Dump::read(&path).unwrap().batch().unwrap());
    let empty = PairBatch { ends: vec![0], ..PairBatch::default() };
    let first = PairBatch { ends: vec![2], ..pairs.clone() };
    assert_eq!(dumps.collect::<Vec<_>>(), [DumpBatch::Pair(first), DumpBatch::Pair(empty)]);
}

#[test]
fn values_are_not_written_unless_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    dumper(dir.path(), false, DumpRole::KeyExtractor).events(&failed(0..3), &events(), Offset::from);
    dumper(dir.path(), false, DumpRole::SimilarityScorer).pairs(&failed(0..2), &pairs(), Offset::from);
    assert_eq!(files(dir.path()).len(), 5);
    for path in files(dir.path()) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("private") && !text.contains("secret") && !text.contains("[1,2]"), "{text}");
        let error = Dump::read(&path).unwrap().batch().unwrap_err().to_string();
        assert!(error.contains("--plugin-dump-values"), "{error}");
    }
    let dump = Dump::read(&files(dir.path())[0]).unwrap();
    let shape: Vec<(&str, u64)> = dump.values.iter().map(|value| (value.kind.as_str(), value.bytes)).collect();
    assert_eq!(shape, [("number", 1), ("string", 11)]);
    assert_eq!((dump.config.sha256.as_str(), dump.config.bytes, &dump.config.text), ("digest", 20, &None));
}

#[test]
fn a_record_too_large_is_there_without_its_values() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = FieldBatch::new(2);
    for bytes in [VALUE_BYTES_MAX, 0, VALUE_BYTES_MAX, 1] {
        events.push(Kind::String, "\n".repeat(bytes).as_bytes());
    }
    dumper(dir.path(), true, DumpRole::KeyExtractor).events(&failed(0..2), &events, Offset::from);
    let [fits, does_not] = files(dir.path()).try_into().unwrap();
    assert_eq!(Dump::read(&fits).unwrap().batch().unwrap(), DumpBatch::Event(one(&events, 0)));
    let error = Dump::read(&does_not).unwrap().batch().unwrap_err().to_string();
    assert!(error.contains("1048577 bytes"), "{error}");
}

#[test]
fn a_hundred_files_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = FieldBatch::new(2);
    (0..600).for_each(|_| events.push(Kind::Null, b""));
    let dumper = dumper(dir.path(), true, DumpRole::KeyExtractor);
    dumper.events(&failed(0..30), &events, Offset::from);
    dumper.events(&failed(0..300), &events, Offset::from);
    dumper.events(&failed(0..300), &events, Offset::from);
    assert_eq!(files(dir.path()).len(), FILES_MAX as usize);
}

#[test]
fn a_file_that_is_there_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("files-2-0-key-extractor-01234567.json");
    std::fs::write(&path, "kept").unwrap();
    dumper(dir.path(), true, DumpRole::KeyExtractor).events(&failed([0]), &events(), Offset::from);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn no_link_that_somebody_has_put_there_is_followed() {
    let (dir, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = theirs.path().join("victim");
    let names = [
        "files-2-0-key-extractor-01234567.json".to_owned(),
        format!("files-2-1-key-extractor-01234567.{}.tmp", std::process::id()),
        "files-2-1-key-extractor-01234567.json.part".to_owned(),
    ];
    names.iter().for_each(|name| std::os::unix::fs::symlink(&victim, dir.path().join(name)).unwrap());
    for held in [None, Some("theirs")] {
        if let Some(text) = held {
            std::fs::write(&victim, text).unwrap();
        }
        dumper(dir.path(), true, DumpRole::KeyExtractor).events(&failed(0..2), &events(), Offset::from);
        assert_eq!(std::fs::read_to_string(&victim).ok().as_deref(), held);
    }
    let written = dir.path().join("files-2-1-key-extractor-01234567.json");
    assert_eq!(Dump::read(&written).unwrap().offset, 1);
    assert_eq!(std::fs::symlink_metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_directory_that_cannot_be_had_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    dumper(&file, true, DumpRole::KeyExtractor).events(&failed(0..3), &events(), Offset::from);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn files_that_are_no_dumps_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    dumper(dir.path(), true, DumpRole::KeyExtractor).events(&failed([0]), &events(), Offset::from);
    let path = files(dir.path()).remove(0);
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to, words) in [
        ("\"version\": 1", "\"version\": 2", "dump of version 2"),
        ("\"number\"", "\"numbr\"", "no kind \"numbr\""),
        ("\"bytes\": 11", "\"bytes\": 12", "a value of 12 bytes has 11"),
        ("\"/id\",", "\"/id\", \"/more\",", "2 values for 3 fields"),
        ("\"text\": \"1\"", "\"base64\": \"1\"", "not base64"),
        ("\"text\": \"1\"", "\"unknown\": 1", "no text"),
        ("\"cause\"", "\"reason\"", "missing field `cause`"),
        ("{", "", "not a dump of dedup-host"),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let error = Dump::read(&path).and_then(|dump| dump.batch()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    std::fs::write(&path, good).unwrap();
    Dump::read(&path).unwrap().batch().unwrap();
    let error = Dump::read(Path::new("nowhere.json")).unwrap_err().to_string();
    assert!(error.contains("nowhere.json") && error.contains("--plugin-dump-dir"), "{error}");
}

mod strangers {
    use proptest::prelude::*;

    use super::*;

    /// A dump of an event or of a pair as it is written, its lines.
    fn written(role: DumpRole, which: usize) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let dumper = dumper(dir.path(), true, role);
        match role {
            DumpRole::KeyExtractor => dumper.events(&failed([which as u32 % 3]), &events(), Offset::from),
            DumpRole::SimilarityScorer => dumper.pairs(&failed([which as u32 % 2]), &pairs(), Offset::from),
        }
        let text = std::fs::read_to_string(&files(dir.path())[0]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn is_whole(batch: &DumpBatch, dump: &Dump) -> bool {
        let columns_end = |column: &engine::fields::Column| {
            column.ends.is_sorted() && column.ends.last().map_or(0, |end| *end as usize) == column.data.len()
        };
        match batch {
            DumpBatch::Event(event) => {
                let width = dump.fields.as_ref().map_or(1, Vec::len);
                event.events() == 1
                    && (event.width as usize, event.kinds.len(), event.values.len()) == (width, width, width)
                    && columns_end(&event.values)
            }
            DumpBatch::Pair(pair) => {
                let rows = dump.rows.len();
                let counts = [pair.paths.len(), pair.originals.len(), pair.duplicates.len()];
                pair.ends == [rows as u32]
                    && counts == [rows; 3]
                    && [pair.original_kinds.len(), pair.duplicate_kinds.len()] == [rows; 2]
                    && [&pair.paths, &pair.originals, &pair.duplicates].into_iter().all(columns_end)
            }
        }
    }

    proptest! {
        #![proptest_config(cases::cases(1_000))]

        /// Lines left out, repeated and changed, which leaves more of it JSON than damage to bytes does.
        #[test]
        fn any_damaged_dump_is_refused_or_whole(
            is_pair: bool, which in 0..3_usize,
            damage in prop::collection::vec((any::<prop::sample::Index>(), 0..6_u8, any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let role = if is_pair { DumpRole::SimilarityScorer } else { DumpRole::KeyExtractor };
            let mut lines = written(role, which);
            for (at, kind, other, byte) in damage {
                let (at, other) = (at.index(lines.len()), other.index(lines.len()));
                match kind {
                    0 => drop(lines.remove(at)),
                    1 => lines[at] = lines[other].clone(),
                    2 => lines[at] = lines[at].replace(|c: char| c.is_ascii_digit(), &u64::from(byte).pow(8).to_string()),
                    3 => lines[at] = lines[at].replace("\"text\"", "\"base64\""),
                    4 => lines[at] = lines[at].replace('"', &char::from(byte).to_string()),
                    _ => lines.truncate(at.max(1)),
                }
            }
            let Ok(dump) = Dump::parse(Path::new("a.json"), lines.join("\n").as_bytes()) else { return Ok(()) };
            if let Ok(batch) = dump.batch() {
                prop_assert!(is_whole(&batch, &dump), "{:?}", batch);
            }
            let (limits, default) = (dump.limits.to_limits(&plugin::Limits::default()), plugin::Limits::default());
            prop_assert!(limits.memory_bytes_max <= 4096 << 20 && limits.result_bytes_max <= default.result_bytes_max);
            prop_assert!(limits.time_to_start <= default.time_to_start && limits.stack_bytes_max >= 1);
            let name = dump.file_name();
            prop_assert!(!name.contains(['/', '\0']) && name.len() < 200 + dump.topic.len(), "{}", name);
            let again = serde_json::to_vec(&dump).unwrap();
            prop_assert_eq!(Dump::parse(Path::new("a.json"), &again).unwrap(), dump);
        }
    }

    #[test]
    fn an_event_of_no_fields_is_refused() {
        let text = written(DumpRole::KeyExtractor, 0).join("\n");
        let mut dump = Dump::parse(Path::new("a.json"), text.as_bytes()).unwrap();
        (dump.fields, dump.values) = (Some(Vec::new()), Vec::new());
        assert!(dump.batch().unwrap_err().to_string().contains("no fields"));
    }
}
