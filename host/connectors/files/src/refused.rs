//! Input formats other than lines of text, and the commands that convert them. It opens nothing.

use std::path::Path;

use engine::looks::Looks;

use crate::error::FileError;
use crate::paths::{is_standard_stream, shown};

/// How lines are made of a format.
enum Way {
    /// A command that is given a file, and what it is called where it reads standard input.
    Command(&'static str, &'static str),
    /// A command that cannot do without a file.
    OfFile(&'static str),
    /// There is no one command.
    Convert,
}

/// The refusal of an input that looks like this, `within` data that was decompressed by `gzip` or `zstd`.
pub(crate) fn not_lines(path: &Path, within: Option<&'static str>, looks: Looks) -> FileError {
    FileError::NotLines { path: shown(path), looks, within, way_out: way_out(path, within, looks) }
}

fn way_out(path: &Path, within: Option<&str>, looks: Looks) -> String {
    const RUN: &str = "dedup-host --input -";
    let is_stream = is_standard_stream(path);
    let file = quoted(&shown(path));
    match (way(looks), within) {
        (Way::Command(_, piped), None) if is_stream => format!("convert it on the way: ... | {piped} | {RUN}"),
        (Way::Command(_, piped), Some(format)) if is_stream => {
            format!("convert it on the way: ... | {format} -dc | {piped} | {RUN}")
        }
        (Way::Command(_, piped), Some(format)) => format!("convert it: {format} -dc {file} | {piped} | {RUN}"),
        (Way::OfFile(command), _) if is_stream => format!("save it as a file first: {command} FILE | {RUN}"),
        (Way::OfFile(command), Some(format)) => {
            format!("convert it: {format} -dc {file} > FILE, then {command} FILE | {RUN}")
        }
        (Way::Command(command, _) | Way::OfFile(command), None) => format!("convert it: {command} {file} | {RUN}"),
        (Way::Convert, _) => "convert it to one JSON object a line, in UTF-8".to_owned(),
    }
}

fn way(looks: Looks) -> Way {
    let same = |command| Way::Command(command, command);
    match looks {
        Looks::Gzip => same("gzip -dc"),
        Looks::Zstd | Looks::OldZstd => same("zstd -dc"),
        Looks::Bzip2 => same("bzip2 -dc"),
        Looks::Xz => same("xz -dc"),
        Looks::Lzma => same("xz --format=lzma -dc"),
        Looks::Lzip => same("lzip -dc"),
        Looks::Lzop => same("lzop -dc"),
        Looks::Lz4 => same("lz4 -dc"),
        Looks::Compress => same("gzip -dc"),
        Looks::Snappy => same("snzip -dc"),
        Looks::SnappyJava => same("snzip -t snappy-java -dc"),
        Looks::Zlib => same("pigz -dc"),
        Looks::Zip => Way::OfFile("unzip -p"),
        Looks::SevenZip => Way::OfFile("7z x -so"),
        Looks::Rar => Way::OfFile("unrar p -inul"),
        Looks::Tar => Way::Command("tar -xOf", "tar -xOf -"),
        Looks::Parquet => Way::OfFile("parquet-tools cat --json"),
        Looks::Avro => Way::OfFile("avro-tools tojson"),
        Looks::Orc => Way::OfFile("orc-contents"),
        Looks::Utf16 { marked: true, .. } => same("iconv -f UTF-16 -t UTF-8"),
        Looks::Utf16 { big_endian: false, .. } => same("iconv -f UTF-16LE -t UTF-8"),
        Looks::Utf16 { big_endian: true, .. } => same("iconv -f UTF-16BE -t UTF-8"),
        Looks::Utf32 { marked: true, .. } => same("iconv -f UTF-32 -t UTF-8"),
        Looks::Utf32 { big_endian: false, .. } => same("iconv -f UTF-32LE -t UTF-8"),
        Looks::Utf32 { big_endian: true, .. } => same("iconv -f UTF-32BE -t UTF-8"),
        Looks::Arrow
        | Looks::SequenceFile
        | Looks::Sqlite
        | Looks::Hdf5
        | Looks::Pdf
        | Looks::SchemaRegistry { .. }
        | Looks::GlueRegistry
        | Looks::Bson
        | Looks::MessagePack
        | Looks::Cbor
        | Looks::Smile
        | Looks::Ion
        | Looks::Java
        | Looks::Protobuf
        | Looks::Binary => Way::Convert,
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:@%".contains(&byte) || byte >= 0x80;
    if path.bytes().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
