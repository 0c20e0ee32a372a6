//! How many bytes a record takes on the wire, alone in a batch, as librdkafka writes it; every record near the limit of
//! a topic is sent like that, because batches are kept below the limit. Not what the limits are.

use connectors::Outgoing;

/// Bytes of an empty batch (record batch of version 2, with its offset and length).
pub(crate) const BATCH_OVERHEAD: usize = 61;

/// What librdkafka adds at most to a record, and takes a record to have where it checks `message.max.bytes`.
const RECORD_OVERHEAD_MAX: usize = 36;

/// What it adds at most to a header.
const HEADER_OVERHEAD_MAX: usize = 10;

/// Other libraries of the same codec, and other versions, come to about the same size: part of it, and bytes.
const CODEC_MARGIN: (usize, usize) = (20, 128);

/// Compression of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// As `compression.codec` has it.
    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "gzip" => Self::Gzip,
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => Self::None,
        }
    }

    /// As a topic's `compression.type` has it; `None` where the broker leaves batches as they come.
    pub(crate) fn stored(name: &str) -> Option<Self> {
        (name != "producer").then(|| Self::of_name(name))
    }

    /// Bytes that `text` comes to, at the quickest level, which is the one that compresses least; `None`: as many.
    fn bytes(self, text: &[u8]) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Gzip => {
                let encoder = flate2::read::GzEncoder::new(text, flate2::Compression::fast());
                count(encoder)
            }
            Self::Snappy => snap::raw::Encoder::new().compress_vec(text).ok().map(|bytes| bytes.len()),
            Self::Lz4 => Some(lz4_flex::block::compress(text).len()),
            Self::Zstd => zstd::bulk::compress(text, 1).ok().map(|bytes| bytes.len()),
        }
    }
}

fn count(mut reader: impl std::io::Read) -> Option<usize> {
    let bytes = std::io::copy(&mut reader, &mut std::io::sink()).ok()?;
    usize::try_from(bytes).ok()
}

/// Bytes of a batch of one record with so many bytes of key, payload and headers; never too few.
pub(crate) fn at_most(bytes: usize, headers: usize) -> usize {
    BATCH_OVERHEAD + RECORD_OVERHEAD_MAX + bytes + headers * HEADER_OVERHEAD_MAX
}

/// Bytes of names and values of headers.
pub(crate) fn headers(record: &Outgoing<'_>) -> usize {
    all_headers(record).map(|(name, value)| name + value.unwrap_or(0)).sum()
}

/// Bytes that librdkafka holds against `message.max.bytes`.
pub(crate) fn of_client(record: &Outgoing<'_>) -> usize {
    let headers = headers(record) + all_headers(record).count() * HEADER_OVERHEAD_MAX;
    RECORD_OVERHEAD_MAX + record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len) + headers
}

/// Bytes of a batch of this record alone, not compressed.
pub(crate) fn of_batch(record: &Outgoing<'_>) -> usize {
    let field = |bytes: Option<usize>| bytes.map_or(1, |bytes| varint(bytes) + bytes);
    let headers: usize = all_headers(record).map(|(name, value)| field(Some(name)) + field(value)).sum();
    // Attributes, and the distances from the batch's time and offset, which are none.
    let body = 3
        + field(record.key.map(<[u8]>::len))
        + field(record.payload.map(<[u8]>::len))
        + varint(all_headers(record).count())
        + headers;
    BATCH_OVERHEAD + varint(body) + body
}

/// Bytes of the same with the codec; `plain` is [`of_batch`]. On the side of too many: only the payload counts as
/// compressed, and a margin is added.
pub(crate) fn compressed(record: &Outgoing<'_>, codec: Codec, plain: usize) -> usize {
    let payload = record.payload.unwrap_or_default();
    let Some(bytes) = codec.bytes(payload) else { return plain };
    let (part, more) = CODEC_MARGIN;
    // librdkafka sends as it is what its codec does not make smaller.
    (plain - payload.len() + bytes + bytes / part + more).min(plain)
}

/// Lengths of the name and the value of each header.
fn all_headers(record: &Outgoing<'_>) -> impl Iterator<Item = (usize, Option<usize>)> {
    let own = record.headers_of.into_iter().flat_map(|record| record.headers());
    let own = own.map(|(name, value)| (name.len(), value.map(<[u8]>::len)));
    own.chain(record.extra_headers.iter().map(|(name, value)| (name.len(), Some(value.len()))))
}

/// Bytes of a length as a variable-length, zig-zag number.
fn varint(length: usize) -> usize {
    let bits = usize::BITS - (length << 1).leading_zeros();
    (bits.div_ceil(7) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_a_byte_for_each_seven_bits_with_one_bit_lost_to_the_sign() {
        for (length, bytes) in [(0, 1), (63, 1), (64, 2), (8_191, 2), (8_192, 3), (1_048_575, 3), (1_048_576, 4)] {
            assert_eq!(varint(length), bytes, "{length}");
        }
    }

    #[test]
    fn every_codec_counts_what_it_makes_of_a_text() {
        let text = b"{\"event\":\"click\"}".repeat(10_000);
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bytes = codec.bytes(&text).unwrap();
            assert!(bytes > 10 && bytes < text.len() / 10, "{codec:?}: {bytes}");
        }
        assert_eq!(Codec::None.bytes(&text), None);
        assert_eq!((Codec::stored("producer"), Codec::stored("uncompressed")), (None, Some(Codec::None)));
    }
}
