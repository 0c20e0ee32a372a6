//! Names that data gets, a kind at a time, and text that gets none.

use super::*;

fn looks(bytes: impl AsRef<[u8]>) -> Option<Looks> {
    Looks::of(bytes.as_ref())
}

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expected: Looks) {
    let bytes = bytes.as_ref();
    assert_eq!(looks(bytes), Some(expected), "{}", bytes.escape_ascii());
}

#[track_caller]
fn check_text(text: impl AsRef<[u8]>) {
    assert_eq!(looks(text.as_ref()), None, "{}", text.as_ref().escape_ascii());
}

#[test]
fn every_beginning_is_known_by_itself() {
    for (at, (beginning, expected)) in BEGINNINGS.iter().enumerate() {
        check(beginning, *expected);
        check([beginning, &b"{\"a\":1}\n"[..]].concat(), *expected);
        let hidden = BEGINNINGS.iter().take(at).any(|(before, _)| beginning.starts_with(before));
        assert!(!hidden, "{} is never reached", beginning.escape_ascii());
    }
}

#[test]
fn archives_and_frames() {
    check(b"BZh91AY&SY\x01\x02", Looks::Bzip2);
    check(b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0", Looks::Bzip2);
    let mut tar = [0; 512];
    tar[..13].copy_from_slice(b"events.ndjson");
    tar[257..262].copy_from_slice(b"ustar");
    check(tar, Looks::Tar);
    let text = format!("{{\"a\":\"{}ustar\"}}", "x".repeat(251));
    assert_eq!(&text[257..262], "ustar");
    assert_eq!(Looks::of(text.as_bytes()), None, "an event that says so in this very place");
    check(b"ORC\x0a\x05", Looks::Orc);
    let skipped = |next: &[u8]| [b"\x5a\x2a\x4d\x18\x02\0\0\0ab", next].concat();
    check(skipped(b"\x28\xb5\x2f\xfd"), Looks::Zstd);
    check(skipped(b""), Looks::Zstd);
    check(skipped(b"\x04\x22\x4d\x18"), Looks::Lz4);
    check(skipped(&skipped(b"\x04\x22\x4d\x18")), Looks::Lz4);
    check(b"\x25\xb5\x2f\xfdxx", Looks::OldZstd);
}

fn wide(text: &str, width: usize, big_endian: bool) -> Vec<u8> {
    let encode = |value: u32| {
        let bytes = value.to_be_bytes();
        let mut bytes = bytes[4 - width..].to_vec();
        if !big_endian {
            bytes.reverse();
        }
        bytes
    };
    match width {
        2 => text.encode_utf16().flat_map(|unit| encode(u32::from(unit))).collect(),
        _ => text.chars().flat_map(|character| encode(u32::from(character))).collect(),
    }
}

#[test]
fn wide_encodings_with_and_without_a_mark() {
    for text in ["{\"a\":1}", "{\"caf\u{e9}\":\"\u{65e5}\u{672c}\"}", " [\n", "1", "{\"\u{1f600}\":\"b\"}\r\n"] {
        for big_endian in [false, true] {
            check(wide(text, 2, big_endian), Looks::Utf16 { big_endian, marked: false });
            check(wide(text, 4, big_endian), Looks::Utf32 { big_endian, marked: false });
            let marked = format!("\u{feff}{text}");
            check(wide(&marked, 2, big_endian), Looks::Utf16 { big_endian, marked: true });
            check(wide(&marked, 4, big_endian), Looks::Utf32 { big_endian, marked: true });
        }
    }
}

#[test]
fn messages() {
    check(b"\0\0\0\0\x07\x02\x06abc", Looks::SchemaRegistry { id: 7 });
    check(b"\0\0\x01\x86\xa1{\"a\":1}", Looks::SchemaRegistry { id: 100_001 });
    check(b"\x03\0aaaaaaaaaaaaaaaa\x02", Looks::GlueRegistry);
    check(b"\x78\x9c\x4b\x04\0\0", Looks::Zlib);
    check(b"\x0e\0\0\0\x02a\0\x02\0\0\0b\0\0", Looks::Bson);
    check(b"\x82\xa4uuid\xa1x\xa1n\x01", Looks::MessagePack);
    check(b"\xa2\x64uuid\x61x\x61n\x01", Looks::Cbor);
    check(b"\x08\x96\x01\x12\x07testing", Looks::Protobuf);
    check(b"\x0a\x05hello\x10\x01", Looks::Protobuf);
    check(b"\x22\x05hello\x10\x01", Looks::Protobuf);
    check(b"\0", Looks::Binary);
    check(b"\0\0\0\0\0\0\0", Looks::Binary);
    check(b"\x0a\x05hello\x10", Looks::Binary);
    check(b"caf\xe9 \x05\x06", Looks::Binary);
    // Messages behind their lengths, as many programs write files of them: some lengths look like text.
    for length in [b'\x1b', b'{', b'[', b'"', b'5', b't', b'a', b'\n', b' '] {
        check(
            [&[length], &b"\x0a\x2401936f4e-0000-7000-8000-000000000001\x12\x05click\x1a\x05me"[..]].concat(),
            Looks::Binary,
        );
    }
}

#[test]
fn what_may_be_lines_of_text() {
    for text in [
        "",
        "\n",
        " \t\r\n",
        "{\"a\":1}\n",
        "\u{feff}{\"a\":1}",
        "[1]",
        "\"text\"",
        "-1",
        "true",
        "nope",
        "plain words, and tabs\t",
        "<event/>",
        "a,b\n1,2\n",
        "PK is a country",
        "BZh9 is a word",
        "ORC and more",
        "7z",
        "a\u{1}b\u{2}c\n",
        "\u{1b}[1mbold",
        "\u{1e}{\"a\":1}",
        "日本語",
    ] {
        check_text(text);
    }
    check_text(b"caf\xe9 in Latin-1");
    // One bad event does not make a file binary.
    check_text(b"{\"a\":\"x\0y\"}\n");
    check_text(b"{\"a\":\"\xff\"}\n\0\0\0\n");
    check_text(b"{\"a\":1}\0\n{\"a\":2}\0\n");
    check_text(b"{\"a\":{\"b\":\"}\x05\"}}\n\x05\x05\x05\n");
    check_text(b"words\n\0\n\xff\xfe bytes\n");
}

#[test]
fn an_input_is_settled_by_a_line_or_by_its_length() {
    assert!(!Looks::is_settled(b""));
    assert!(!Looks::is_settled(b" \n\n"));
    assert!(!Looks::is_settled(b"{\"a\":1}"));
    assert!(Looks::is_settled(b"\n{\"a\":1}\n"));
    assert!(Looks::is_settled(&[0; HEAD_BYTES_MAX]));
}

#[test]
fn names_for_people() {
    assert_eq!(Looks::Utf16 { big_endian: false, marked: true }.to_string(), "UTF-16 text (little-endian)");
    assert!(Looks::SchemaRegistry { id: 7 }.to_string().contains("(magic byte 0, schema id 7)"));
    assert_eq!(Looks::Parquet.to_string(), "a Parquet file");
}
