//! What bytes look like that are no lines of JSON: compressed files, archives, tables, other encodings of text, binary
//! messages. It names them for people. It is not a parser, and it decides nothing about an event that is JSON.

mod shape;

use std::fmt;

/// Bytes at the beginning that are looked at.
pub const HEAD_BYTES_MAX: usize = 4096;

/// A kind of data that is not JSON text in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Looks {
    /// RFC 1952.
    Gzip,
    /// RFC 8878, or a skippable frame before it.
    Zstd,
    /// Zstandard before its format was settled (0.1 to 0.7).
    OldZstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// LZMA alone, as `lzma` and old versions of xz write it.
    Lzma,
    /// lzip.
    Lzip,
    /// lzop.
    Lzop,
    /// LZ4, its frames of today or those of old.
    Lz4,
    /// `compress`, `.Z`.
    Compress,
    /// Snappy in frames.
    Snappy,
    /// Snappy as the Java library writes streams of it.
    SnappyJava,
    /// RFC 1950: deflate with a header of two bytes.
    Zlib,
    /// ZIP, and what is built on it.
    Zip,
    /// 7-Zip.
    SevenZip,
    /// RAR.
    Rar,
    /// tar.
    Tar,
    /// Apache Parquet.
    Parquet,
    /// A file of Apache Avro records.
    Avro,
    /// Apache ORC.
    Orc,
    /// Apache Arrow, a file or a stream.
    Arrow,
    /// A sequence file of Hadoop.
    SequenceFile,
    /// SQLite.
    Sqlite,
    /// HDF5.
    Hdf5,
    /// PDF.
    Pdf,
    /// Text in UTF-16.
    Utf16 {
        /// Whether the high byte of each unit comes first.
        big_endian: bool,
        /// Whether it says so itself.
        marked: bool,
    },
    /// Text in UTF-32.
    Utf32 {
        /// Whether the high bytes of each character come first.
        big_endian: bool,
        /// Whether it says so itself.
        marked: bool,
    },
    /// A message behind the five bytes by which Confluent's schema registry knows its schema.
    SchemaRegistry {
        /// The number of the schema.
        id: u32,
    },
    /// A message behind the header of AWS Glue's schema registry.
    GlueRegistry,
    /// BSON.
    Bson,
    /// MessagePack.
    MessagePack,
    /// CBOR.
    Cbor,
    /// Smile.
    Smile,
    /// Amazon Ion in its binary form.
    Ion,
    /// An object of Java's own serialization.
    Java,
    /// A message of Protocol Buffers.
    Protobuf,
    /// None of these, and no text either.
    Binary,
}

/// Bytes at the very beginning that tell what follows. A longer one stands before one that it begins with.
const BEGINNINGS: [(&[u8], Looks); 34] = [
    (b"\x1f\x8b", Looks::Gzip),
    (b"\x28\xb5\x2f\xfd", Looks::Zstd),
    (b"\xfd7zXZ\0", Looks::Xz),
    (b"\x5d\0\0", Looks::Lzma),
    (b"LZIP\x01", Looks::Lzip),
    (b"LZIP\0", Looks::Lzip),
    (b"\x89LZO\0\r\n\x1a\n", Looks::Lzop),
    (b"\x04\x22\x4d\x18", Looks::Lz4),
    (b"\x02\x21\x4c\x18", Looks::Lz4),
    (b"\x1f\x9d", Looks::Compress),
    (b"\x1f\xa0", Looks::Compress),
    (b"\xff\x06\0\0sNaPpY", Looks::Snappy),
    (b"\x82SNAPPY\0", Looks::SnappyJava),
    (b"PK\x03\x04", Looks::Zip),
    (b"PK\x05\x06", Looks::Zip),
    (b"PK\x07\x08", Looks::Zip),
    (b"7z\xbc\xaf\x27\x1c", Looks::SevenZip),
    (b"Rar!\x1a\x07", Looks::Rar),
    (b"PAR1", Looks::Parquet),
    (b"Obj\x01", Looks::Avro),
    (b"ARROW1\0", Looks::Arrow),
    (b"\xff\xff\xff\xff", Looks::Arrow),
    (b"SEQ\x06", Looks::SequenceFile),
    (b"SEQ\x05", Looks::SequenceFile),
    (b"SQLite format 3\0", Looks::Sqlite),
    (b"\x89HDF\r\n\x1a\n", Looks::Hdf5),
    (b"%PDF-", Looks::Pdf),
    (b"\xff\xfe\0\0", Looks::Utf32 { big_endian: false, marked: true }),
    (b"\0\0\xfe\xff", Looks::Utf32 { big_endian: true, marked: true }),
    (b"\xff\xfe", Looks::Utf16 { big_endian: false, marked: true }),
    (b"\xfe\xff", Looks::Utf16 { big_endian: true, marked: true }),
    (b"\xe0\x01\x00\xea", Looks::Ion),
    (b"\xac\xed\0\x05", Looks::Java),
    (b"\xd9\xd9\xf7", Looks::Cbor),
];

/// How a block and the end of bzip2 begin: the digits of pi, and of its square root.
const BZIP2_BLOCKS: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];

/// Where `ustar` stands in the header of an archive.
const TAR_MARK: std::ops::Range<usize> = 257..262;

impl Looks {
    /// What `bytes` look like, whole or cut off after [`HEAD_BYTES_MAX`]; `None` where they may well be lines of text in
    /// UTF-8, or in another encoding that leaves ASCII as it is.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
        let begins = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning)).map(|(_, looks)| *looks);
        begins
            .or_else(|| by_shape(head))
            .or_else(|| shape::is_binary(head).then(|| shape::message(bytes).unwrap_or(Self::Binary)))
    }

    /// Whether enough of an input is known to ask [`Looks::of`]: a line that is not blank, or as much as is looked at.
    #[must_use]
    pub fn is_settled(head: &[u8]) -> bool {
        let blank = head.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        head.len() >= HEAD_BYTES_MAX || head.get(blank..).is_some_and(|rest| memchr::memchr(b'\n', rest).is_some())
    }
}

/// What is told by more than a fixed beginning.
fn by_shape(head: &[u8]) -> Option<Looks> {
    // Text may say so in this very place; the names and numbers of a header end with a zero byte each.
    let has_mark = head.get(TAR_MARK) == Some(b"ustar");
    if has_mark && head.iter().take(TAR_MARK.start).any(|byte| *byte == 0) {
        return Some(Looks::Tar);
    }
    match head {
        [b'B', b'Z', b'h', b'1'..=b'9', block @ ..] if BZIP2_BLOCKS.iter().any(|mark| block.starts_with(mark)) => {
            Some(Looks::Bzip2)
        }
        [b'O', b'R', b'C', 0..0x20 | 0x7f.., ..] => Some(Looks::Orc),
        [b':', b')', b'\n', 0..0x08, ..] => Some(Looks::Smile),
        [0x1e | 0x22..=0x27, 0xb5, 0x2f, 0xfd, ..] => Some(Looks::OldZstd),
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(if frames_are_lz4(head) { Looks::Lz4 } else { Looks::Zstd }),
        [0x81..=0x8f, length @ 0xa1..=0xbf, rest @ ..] => {
            shape::name(rest, length - 0xa0).then_some(Looks::MessagePack)
        }
        [0xa1..=0xb7 | 0xbf, length @ 0x61..=0x77, rest @ ..] => {
            shape::name(rest, length - 0x60).then_some(Looks::Cbor)
        }
        _ => shape::wide(head),
    }
}

/// Whether a frame stands here that decoders of zstd and LZ4 alike are to skip (RFC 8878, section 3.1.2): `pzstd` writes
/// one before each of its own.
#[must_use]
pub fn skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Whether the first frame that is not skipped is one of LZ4.
fn frames_are_lz4(bytes: &[u8]) -> bool {
    bytes.get(after_skippable(bytes)..).is_some_and(|frame| frame.starts_with(b"\x04\x22\x4d\x18"))
}

/// Where the first frame begins that is not to be skipped; that may lie beyond the bytes given.
#[must_use]
pub fn after_skippable(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    while let Some(frame) = bytes.get(at..).filter(|frame| skippable(frame)) {
        let Some(size) = frame.get(4..).and_then(|size| size.first_chunk::<4>()) else { return at + 8 };
        at = at.saturating_add(8).saturating_add(u32::from_le_bytes(*size) as usize);
    }
    at
}

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Self::Utf16 { big_endian, .. } | Self::Utf32 { big_endian, .. } = self {
            return write!(f, " ({})", endian(*big_endian));
        }
        if let Self::SchemaRegistry { id } = self {
            return write!(
                f,
                " (magic byte 0, schema id {id}), as serializers of Avro, Protobuf and JSON Schema write it"
            );
        }
        Ok(())
    }
}

fn endian(big: bool) -> &'static str {
    if big { "big-endian" } else { "little-endian" }
}

impl Looks {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip data",
            Self::Zstd => "zstd data",
            Self::OldZstd => "zstd data of a version before 0.8",
            Self::Bzip2 => "bzip2 data",
            Self::Xz => "xz data",
            Self::Lzma => "LZMA data",
            Self::Lzip => "lzip data",
            Self::Lzop => "lzop data",
            Self::Lz4 => "LZ4 data",
            Self::Compress => "data of compress (.Z)",
            Self::Snappy | Self::SnappyJava => "Snappy data",
            Self::Zlib => "zlib data",
            Self::Zip => "a ZIP archive",
            Self::SevenZip => "a 7-Zip archive",
            Self::Rar => "a RAR archive",
            Self::Tar => "a tar archive",
            Self::Parquet => "a Parquet file",
            Self::Avro => "an Avro file",
            Self::Orc => "an ORC file",
            Self::Arrow => "Arrow data",
            Self::SequenceFile => "a Hadoop sequence file",
            Self::Sqlite => "an SQLite database",
            Self::Hdf5 => "an HDF5 file",
            Self::Pdf => "a PDF file",
            Self::Utf16 { .. } => "UTF-16 text",
            Self::Utf32 { .. } => "UTF-32 text",
            Self::SchemaRegistry { .. } => "a message in Confluent's wire format",
            Self::GlueRegistry => "a message in the wire format of AWS Glue's schema registry",
            Self::Bson => "BSON",
            Self::MessagePack => "MessagePack",
            Self::Cbor => "CBOR",
            Self::Smile => "Smile",
            Self::Ion => "binary Ion",
            Self::Java => "a serialized Java object",
            Self::Protobuf => "a Protobuf message",
            Self::Binary => "binary data",
        }
    }

    /// What whoever sends such an event may do.
    #[must_use]
    pub fn advice_to_senders(self) -> &'static str {
        match self {
            Self::Gzip
            | Self::Zstd
            | Self::OldZstd
            | Self::Bzip2
            | Self::Xz
            | Self::Lzma
            | Self::Lzip
            | Self::Lzop
            | Self::Lz4
            | Self::Compress
            | Self::Snappy
            | Self::SnappyJava
            | Self::Zlib
            | Self::Zip
            | Self::SevenZip
            | Self::Rar
            | Self::Tar => "send JSON text; Kafka compresses it by the producer's compression.type",
            Self::Utf16 { .. } | Self::Utf32 { .. } => "send it as UTF-8",
            Self::Parquet
            | Self::Avro
            | Self::Orc
            | Self::Arrow
            | Self::SequenceFile
            | Self::Sqlite
            | Self::Hdf5
            | Self::Pdf
            | Self::SchemaRegistry { .. }
            | Self::GlueRegistry
            | Self::Bson
            | Self::MessagePack
            | Self::Cbor
            | Self::Smile
            | Self::Ion
            | Self::Java
            | Self::Protobuf
            | Self::Binary => "send JSON text, or use a plugin that reads the whole payload",
        }
    }
}

#[cfg(test)]
mod tests;
