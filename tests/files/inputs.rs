//! Inputs as other programs leave them: padded, compressed twice, in other encodings, with byte order marks, with line
//! ends of two kinds. What can be read is read, what cannot is refused before anything is written.

use std::io::Write as _;
use std::process::Stdio;

use dedup_host_tests::Test;
use dedup_host_tests::program::Ended;

use super::desk::{Counts, Desk, counts, end};
use super::explained::scored;
use super::ordinary::gzip;

pub(crate) const TESTS: &[Test] = &[
    ("other_formats_are_refused_before_an_output_is_touched", other_formats_are_refused),
    ("other_formats_are_refused_in_a_pipe", other_formats_are_refused_in_a_pipe),
    ("padded_and_framed_archives_are_read", padded_and_framed_archives_are_read),
    ("what_stands_before_the_end_of_a_cut_archive_is_not_lost", what_stands_before_the_end_of_a_cut_archive),
    ("a_byte_order_mark_is_skipped_and_forwarded", a_byte_order_mark_is_skipped_and_forwarded),
    ("payloads_in_other_encodings_are_named", payloads_in_other_encodings_are_named),
    ("half_a_surrogate_pair_is_decided_and_explained", half_a_surrogate_pair_is_decided_and_explained),
    ("half_a_surrogate_pair_with_values_redacted", half_a_surrogate_pair_with_values_redacted),
    ("records_are_one_line_to_every_reader", records_are_one_line_to_every_reader),
    ("blank_lines_count_alike_whatever_ends_them", blank_lines_count_alike_whatever_ends_them),
    ("a_flood_of_blank_lines_is_counted_and_written_nowhere", a_flood_of_blank_lines),
    ("few_bytes_do_not_become_gigabytes", few_bytes_do_not_become_gigabytes),
    ("a_line_that_is_too_long_is_noted_by_its_place", a_line_that_is_too_long_is_noted_by_its_place),
];

const EVENT: &str = "{\"a\":1}";

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Files that are no lines, what the refusal calls them, and its way out.
fn others() -> Vec<(&'static str, Vec<u8>, &'static str, &'static str)> {
    let mut tar = vec![0; 1024];
    tar[..2].copy_from_slice(b"in");
    tar[257..262].copy_from_slice(b"ustar");
    vec![
        ("events.bz2", b"BZh91AY&SY\x8b\x0e\n\x80".to_vec(), "bzip2 data", "bzip2 -dc"),
        ("events.xz", b"\xfd7zXZ\0\0\x04\xe6\n".to_vec(), "xz data", "xz -dc"),
        ("events.lz4", b"\x04\x22\x4d\x18\x64\x40\n".to_vec(), "LZ4 data", "lz4 -dc"),
        ("events.zip", b"PK\x03\x04\x14\0\n".to_vec(), "a ZIP archive", "unzip -p"),
        ("events.tar.gz", gzip(&tar), "a tar archive", "tar -xOf -"),
        ("events.parquet", b"PAR1\x15\x04\n".to_vec(), "a Parquet file", "parquet-tools"),
        ("events.avro", b"Obj\x01\x04\x16avro.schema\n".to_vec(), "an Avro file", "avro-tools tojson"),
        ("events.pb", b"\x1b\x0a\x05hello\x10\x01\n".to_vec(), "binary data", "one JSON object a line"),
        ("utf16", utf16(&format!("\u{feff}{EVENT}\r\n")), "UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
        ("utf16-without-a-mark.gz", gzip(&utf16(&format!("{EVENT}\n"))), "UTF-16 text", "iconv -f UTF-16LE -t UTF-8"),
    ]
}

fn other_formats_are_refused() {
    for (name, bytes, looks, way_out) in others() {
        let desk = Desk::new();
        // By its own name, and by one that says it were plain.
        for input in [name, "events.ndjson"] {
            desk.write(input, &bytes);
            desk.write("out", "of an earlier run\n");
            let words = format!(
                "--plugin-config /a --input {input} --output out --duplicates duplicates --dead-letter dead --report report \
                 --overwrite"
            );
            desk.run(&words).refused(4, &[input, looks, way_out]);
            assert_eq!(desk.text("out"), "of an earlier run\n", "{input}");
            for made in ["duplicates", "dead", "report"] {
                assert!(!desk.path(made).exists(), "{made} was made for {input}");
            }
        }
        // The store was not spoilt by it.
        desk.write("in", format!("{EVENT}\n"));
        assert_eq!(desk.counts("--plugin-config /a"), counts(1, 0), "{name}");
    }
}

fn piped(desk: &Desk, words: &str, name: &str) -> Ended {
    let mut command = desk.dedup(words);
    command.stdin(std::fs::File::open(desk.path(name)).unwrap()).stdout(Stdio::piped());
    end(command)
}

fn other_formats_are_refused_in_a_pipe() {
    let desk = Desk::new();
    for (name, bytes, looks, way_out) in others() {
        desk.write(name, bytes);
        piped(&desk, "--plugin-config /a --input - --output out", name).refused(4, &[looks, way_out]);
        assert!(!desk.path("out").exists(), "{name}");
    }
}

fn padded_and_framed_archives_are_read() {
    let plain = "{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n";
    let skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd".as_slice();
    let (head, tail) = plain.as_bytes().split_at(11);
    let [zstd_head, zstd_tail] = [head, tail].map(|part| zstd::encode_all(part, 1).unwrap());
    let archives = [
        [gzip(plain.as_bytes()), vec![0; 10_240]].concat(),
        [gzip(head), vec![0; 512], gzip(tail), vec![0; 7]].concat(),
        [skipped, &zstd_head, skipped, &zstd_tail].concat(),
        [&zstd_head, skipped, &zstd_tail, skipped].concat(),
    ];
    for (number, archive) in archives.into_iter().enumerate() {
        let desk = Desk::new();
        desk.write("in", &archive);
        assert_eq!(desk.counts("--plugin-config /a"), counts(2, 1), "archive {number}");
        assert_eq!(desk.text("out"), "{\"a\":1}\n{\"a\":2}\n");
        let desk = Desk::new();
        desk.write("in", &archive);
        let _ok = piped(&desk, "--plugin-config /a --input - --output out", "in").ok();
        assert_eq!(desk.text("out"), "{\"a\":1}\n{\"a\":2}\n");
    }
}

fn what_stands_before_the_end_of_a_cut_archive() {
    let lines: String = (0..3_000).map(|number| format!("{{\"a\":{number}}}\n")).collect();
    let whole = [gzip(lines.as_bytes()), gzip(b"{\"a\":\"last\"}\n")].concat();
    let cut = &whole[..whole.len() - 14];
    for (bytes, words) in [
        (cut, "ends too early"),
        (&[gzip(lines.as_bytes()), b"junk".to_vec()].concat(), "followed, from compressed byte"),
    ] {
        let desk = Desk::new();
        desk.write("in", bytes);
        desk.run("--plugin-config /a --input in --output out --report report").refused(4, &["in: ", words]);
        assert_eq!(desk.text("out"), lines, "all that could be read");
        // The whole file goes on where the cut one ended, and nothing is done twice.
        desk.write("in", &whole);
        let _ok = desk.run("--plugin-config /a --input in --output out --report report --resume").ok();
        assert_eq!(desk.text("out"), lines.clone() + "{\"a\":\"last\"}\n");
        assert_eq!(desk.report(), counts(3_001, 0));
    }
}

fn a_byte_order_mark_is_skipped_and_forwarded() {
    let marked = format!("\u{feff}{EVENT}\r\n{{\"a\":2}}\r\n\u{feff} {{\"a\":2}}\r\n\u{feff}{{\"a\":3}}");
    for (name, bytes) in [("in", marked.clone().into_bytes()), ("in.gz", gzip(marked.as_bytes()))] {
        let desk = Desk::new();
        desk.write(name, bytes);
        let words = format!("--plugin-config /a --input {name} --output out --duplicates duplicates --report report");
        let _ok = desk.run(&words).ok();
        assert_eq!(desk.report(), counts(3, 1));
        // It stays with the event that it came with, wherever that goes.
        assert_eq!(desk.text("out"), format!("\u{feff}{EVENT}\r\n{{\"a\":2}}\r\n\u{feff}{{\"a\":3}}\n"));
        assert_eq!(desk.json_lines("duplicates")[0]["duplicate"]["event"]["a"], 2);
        assert!(!desk.text("duplicates").contains('\u{feff}'));
    }
    let desk = Desk::new();
    desk.write("in", "\u{feff}\n\u{feff}\u{feff}{}\n\u{feff}nope\n{\"a\":1}\n");
    let expected = Counts { consumed: 4, dead_letter: 3, ..counts(1, 0) };
    assert_eq!(desk.counts("--plugin-config /a --dead-letter dead"), expected);
    let reasons = desk.json_lines("dead").into_iter().map(|letter| letter["reason"].as_str().unwrap().to_owned());
    let words = ["empty", "byte 3", "byte 3"];
    assert!(reasons.zip(words).all(|(reason, word)| reason.contains(word)), "{}", desk.text("dead"));
}

fn payloads_in_other_encodings_are_named() {
    let payloads = [
        (utf16(EVENT), "UTF-16"),
        (utf16(&format!("\u{feff}{EVENT}")), "UTF-16"),
        (EVENT.encode_utf16().flat_map(u16::to_be_bytes).collect(), "UTF-16"),
        (EVENT.chars().flat_map(|character| u32::from(character).to_le_bytes()).collect(), "UTF-32"),
        (gzip(EVENT.as_bytes()).into_iter().filter(|byte| *byte != b'\n').collect(), "gzip"),
        (b"\0\0\0\0\x07\x02\x06abc".to_vec(), "schema id 7"),
        (b"\x08\x96\x01\x12\x07testing".to_vec(), "Protobuf"),
        (b"Obj\x01\x04".to_vec(), "Avro"),
        (b"\0\x01\x02".to_vec(), "binary"),
    ];
    let desk = Desk::new();
    let lines = payloads.iter().flat_map(|(payload, _)| [payload.as_slice(), b"\n"].concat());
    desk.write("in", format!("{EVENT}\n").into_bytes().into_iter().chain(lines).collect::<Vec<_>>());
    let dead_letter = payloads.len() as u64;
    let expected = Counts { consumed: dead_letter + 1, unique: 1, dead_letter, ..Counts::default() };
    assert_eq!(desk.counts("--plugin-config /a --dead-letter dead"), expected);
    for (letter, (_, looks)) in desk.json_lines("dead").iter().zip(payloads) {
        let reason = letter["reason"].as_str().unwrap();
        assert!(reason.contains("looks like") && reason.contains(looks), "{looks}: {letter}");
    }
}

/// Events with halves of surrogate pairs, and of each the number of an earlier one that is equal.
const HALVES: [(&str, Option<usize>); 12] = [
    (r#"{"a":"\ud83d","uuid":"u"}"#, None),
    (r#"{"a":"\uD83D","uuid":"u"}"#, Some(0)),
    (r#"{"a":"\ud83e","uuid":"u"}"#, None),
    (r#"{"a":"\\ud83d","uuid":"u"}"#, None),
    (r#"{"a":"\"\\ud83d\"","uuid":"u"}"#, None),
    (r#"{"a":"\ufffd","uuid":"u"}"#, None),
    (r#"{"a":["\ud83d"],"uuid":"\ude00"}"#, None),
    (r#"{"uuid":"\uDE00", "a" : [ "\uD83D" ]}"#, Some(6)),
    (r#"{"a":{"\ud83d":1},"uuid":"u"}"#, None),
    (r#"{"a":{"\ud83d":2},"uuid":"u"}"#, None),
    (r#"{"a":7,"uuid":"\ude00","properties":{"x\ud83d":"\ud83d"}}"#, None),
    (r#"{"a":7,"uuid":"\ude01","properties":{"x\ud83d":"\ud83e"}}"#, Some(10)),
];

fn with_halves(words: &str) -> Desk {
    let desk = Desk::new();
    let line = |(event, _): &(&str, Option<usize>)| format!("{event}\n");
    desk.write("in", HALVES.iter().map(line).collect::<String>());
    let _ok = end(scored(
        &desk,
        &format!("--plugin-config /a --input in --output out --duplicates duplicates --report report {words}"),
    ))
    .ok();
    assert_eq!(desk.report(), counts(9, 3));
    let unique = HALVES.iter().filter(|(_, original)| original.is_none());
    assert_eq!(desk.text("out"), unique.map(line).collect::<String>(), "byte for byte");
    desk
}

/// A line of JSON with a letter in the place of every half, so that a parser of text reads it.
fn readable(line: &str) -> serde_json::Value {
    let whole = ["ud83d", "uD83D", "ud83e", "uD83E", "ude00", "uDE00", "ude01"]
        .iter()
        .fold(line.replace(r"\\", "BACKSLASH"), |line, half| line.replace(&format!("\\{half}"), &half.to_uppercase()));
    serde_json::from_str(&whole).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn half_a_surrogate_pair_is_decided_and_explained() {
    let desk = with_halves("");
    let text = desk.text("duplicates");
    let records: Vec<_> = text.lines().map(readable).collect();
    let originals: Vec<_> = records.iter().map(|record| record["original"]["offset"].as_u64()).collect();
    assert_eq!(originals, [Some(0), Some(6), Some(10)]);
    for record in &records[..2] {
        assert_eq!((&record["outcome"], &record["similarity"]), (&"same_event".into(), &1.0.into()), "{record}");
        assert_eq!(record["distinct_uuids"], 1, "{record}");
    }
    let differs = &records[2];
    assert_eq!((&differs["outcome"], &differs["distinct_uuids"]), (&"content_differs".into(), &2.into()), "{differs}");
    let changed: Vec<_> = differs["changed"].as_array().unwrap().iter().map(|change| change["path"].as_str()).collect();
    assert_eq!(changed, [Some("/properties/x~ud83d"), Some("/uuid")]);
    assert_eq!(differs["changed"][0]["original"], "UD83D");
    assert_eq!(differs["duplicate"]["event"]["properties"]["xUD83D"], "UD83E");
}

fn half_a_surrogate_pair_with_values_redacted() {
    let desk = with_halves("--redact-values");
    let text = desk.text("duplicates");
    for line in text.lines() {
        let record = readable(line);
        assert!(record["key"].as_str().unwrap().starts_with("hmac-sha256:"), "{record}");
        assert!(record["duplicate"]["event"].is_null(), "{record}");
    }
    assert_eq!(text.lines().count(), 3);
}

/// What some readers of lines take for the end of one: `str.splitlines` of Python takes all of them.
const LINE_ENDS: [char; 8] = ['\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}'];

fn records_are_one_line_to_every_reader() {
    let odd = "{\"a\":\"\u{85}\u{2028}\u{2029}\",\r\"\u{2029}\": \r1\r}\r";
    let desk = Desk::new();
    desk.write("in", format!("{odd}\n{odd}\n\r{odd}\r\n{{\r\"a\u{85}\u{2028}\n\u{2029}\r\n"));
    let expected = Counts { consumed: 5, dead_letter: 2, ..counts(1, 2) };
    let words = "--plugin-config /a --input in --output out --duplicates duplicates --dead-letter dead --report report";
    let _ok = end(scored(&desk, words)).ok();
    assert_eq!(desk.report(), expected);
    assert_eq!(desk.text("out"), format!("{odd}\n"), "byte for byte");
    for (name, lines) in [("duplicates", 2), ("dead", 2), ("report", 1)] {
        let text = desk.text(name);
        assert!(!text.contains(LINE_ENDS) && !text.contains('\u{2029}'), "{name}: {text:?}");
        let is_pretty = name == "report";
        assert!(is_pretty || text.matches('\n').count() == lines, "{name}: {text:?}");
    }
    let event: serde_json::Value = serde_json::from_str(odd.trim()).unwrap();
    for record in desk.json_lines("duplicates") {
        assert_eq!((&record["duplicate"]["event"], &record["original"]["event"]), (&event, &event));
    }
    assert_eq!(desk.json_lines("dead")[1]["payload"], "\u{2029}\r");
}

fn blank_lines_count_alike_whatever_ends_them() {
    let text = "\n{\"a\":1}\n\n  \n\t\n{\"a\":1}\nnope\n{\"b\":1}\n{\"a\":2}";
    let expected = Counts { consumed: 5, dead_letter: 1, keyless: 1, ..counts(2, 1) };
    for ending in ["\n", "\r\n"] {
        for last in ["", ending] {
            let desk = Desk::new();
            let input = text.replace('\n', ending) + last;
            desk.write("in", &input);
            assert_eq!(desk.counts("--plugin-config /a --dead-letter dead --duplicates duplicates"), expected);
            let reasons: Vec<_> = desk.json_lines("dead").iter().map(|letter| letter["reason"].clone()).collect();
            assert_eq!(reasons, ["not JSON at byte 0: expected true, false or null"]);
            assert_eq!(desk.whole_report()["blank_lines"], 4);
            let kept = ["{\"a\":1}", "{\"b\":1}", "{\"a\":2}"].map(|line| line.to_owned() + ending).concat();
            let kept = if last.is_empty() { kept.trim_end().to_owned() + "\n" } else { kept };
            assert_eq!(desk.text("out"), kept);
        }
    }
}

fn a_flood_of_blank_lines() {
    let desk = Desk::new();
    desk.write("in.gz", gzip(&[b"{\"a\":1}\n".as_slice(), &vec![b'\n'; 30 << 20], b" \r\n\t{\"a\":2}\n \n"].concat()));
    let words =
        "--plugin-config /a --input in.gz --output out --dead-letter dead --report report --input-expansion-max off";
    let ended = desk.run(words).ok();
    assert!(ended.stderr.contains("which are not events: 31457282"), "{}", ended.stderr);
    assert_eq!((desk.report(), desk.size("dead")), (counts(2, 0), 0));
    assert_eq!(desk.whole_report()["blank_lines"], (30 << 20) + 2);
    assert_eq!(desk.text("out"), "{\"a\":1}\n\t{\"a\":2}\n");
}

fn few_bytes_do_not_become_gigabytes() {
    let bytes = b"nope\n".repeat((20 << 20) / 5);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&bytes).unwrap();
    for (name, bomb) in
        [("in.gz", packed.finish().unwrap()), ("in.zst", zstd::encode_all(bytes.as_slice(), 1).unwrap())]
    {
        let desk = Desk::new();
        desk.write(name, &bomb);
        let words = format!("--plugin-config /a --input {name} --output out --report report");
        desk.run(&words).refused(4, &[name, "more than 200 times their size", "--input-expansion-max", "--resume"]);
        // It is the compressed bytes that bound what comes of them, and all of it is decided.
        let most = bomb.len() as u64 * 200 + (8 << 20) + (512 << 10);
        assert!((1..=most).contains(&desk.size("out")), "{} of {} bytes", desk.size("out"), bomb.len());
        let mut piped = desk.dedup_in("other", "--plugin-config /a --input - --output piped --input-expansion-max 9");
        piped.stdin(std::fs::File::open(desk.path(name)).unwrap());
        end(piped).refused(4, &["more than 9 times their size"]);
        let _ok = desk.run(&format!("{words} --resume --input-expansion-max off")).ok();
        assert!(desk.read("out") == bytes, "all of it, once");
    }
    // What is small is read.
    let desk = Desk::new();
    desk.write("in", gzip(&b"{\"a\":1}\n".repeat(1_000_000)));
    assert_eq!(desk.counts("--plugin-config /a"), counts(1, 999_999));
}

fn a_line_that_is_too_long_is_noted_by_its_place() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
    let text = format!("{{\"a\":1}}\n\n{long}\n{{\"a\":2}}\n{long}");
    for name in ["in", "in.gz"] {
        let desk = Desk::new();
        desk.write(name, if name == "in" { text.clone().into_bytes() } else { gzip(text.as_bytes()) });
        let words = format!(
            "--plugin-config /a --input {name} --output out --report report --input-line-bytes-max 1MiB \
             --input-expansion-max off"
        );
        end(desk.dedup_in("stopped", &words))
            .refused(4, &["line 3", "byte 9", "1048576", "--input-line-bytes-max", "--dead-letter FILE"]);
        assert_eq!(desk.text("out"), "{\"a\":1}\n", "what came before it");
        let _ok = desk.run(&format!("{words} --dead-letter dead --overwrite")).ok();
        assert_eq!(desk.report(), Counts { consumed: 4, dead_letter: 2, ..counts(2, 0) });
        assert_eq!(desk.text("out"), "{\"a\":1}\n{\"a\":2}\n");
        let letters = desk.json_lines("dead");
        let reason = format!("line 3, which starts at byte 9, has {} bytes", long.len());
        assert!(letters[0]["reason"].as_str().unwrap().contains(&reason), "{}", letters[0]);
        for letter in &letters {
            assert!(letter.get("payload").is_none() && letter.to_string().len() < 400, "{letter}");
        }
        let whole = end(desk.dedup_in("whole-store", &format!("--plugin-config /a --input {name} --output whole")));
        assert_eq!((whole.code, desk.size("whole")), (Some(0), text.len() as u64 - long.len() as u64 - 1));
    }
    let desk = Desk::new();
    desk.write("in", "{}\n");
    for wrong in ["0", "x"] {
        desk.run(&format!("--input in --input-line-bytes-max {wrong}")).refused(2, &["--input-line-bytes-max"]);
    }
}
