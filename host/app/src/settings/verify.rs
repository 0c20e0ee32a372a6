//! What `dedup-host verify` was asked for, beside the settings of the run that it verifies. Not the verifying.

use std::path::PathBuf;

use audit::{At, Bound};
use clap::{ArgMatches, Args, FromArgMatches as _};
use setting::units;

use super::config::Config;
use super::error::UsageError;

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub(super) struct VerifyArgs {
    /// First record that is judged: an offset, PARTITION:OFFSET (repeatable), or the time of a record. Those before it are
    /// read, for what they say of the ones behind it
    #[arg(long, value_name = "OFFSET|P:OFFSET|TIME", value_parser = bound)]
    from: Vec<Bound>,
    /// The record behind the last that is judged; on Kafka never beyond what the group has committed
    #[arg(long, value_name = "OFFSET|P:OFFSET|TIME", value_parser = bound)]
    to: Vec<Bound>,
    /// Offset of the first record of --input, where earlier runs over the same state came before
    #[arg(long, value_name = "OFFSET", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    first_offset: i64,
    /// Memory for sorting; what does not fit goes to --temp-dir
    #[arg(long, value_name = "BYTES", default_value = "512MiB", value_parser = memory)]
    memory: u64,
    /// Where sorted rows are kept meanwhile: about 600 bytes for each record of the input
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// How many violations of each kind are shown; all are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A request to verify a run.
#[derive(Debug, Clone)]
pub struct VerifyConfig {
    /// The settings of the run.
    pub run: Config,
    /// Records before these are not judged.
    pub from: Vec<Bound>,
    /// Records from these on are not judged.
    pub to: Vec<Bound>,
    /// Offset of the first record of a file.
    pub first_offset: i64,
    /// Bytes for sorting.
    pub memory_bytes: u64,
    /// Where sorted rows are kept meanwhile.
    pub temp_dir: PathBuf,
    /// Violations of each kind that are shown.
    pub shown_max: usize,
    /// Whether the answer is JSON.
    pub json: bool,
}

impl VerifyConfig {
    pub(super) fn of(matches: &ArgMatches, run: Config) -> Result<Self, UsageError> {
        let args = VerifyArgs::from_arg_matches(matches)?;
        run.require_plugin()?;
        Ok(Self {
            run,
            from: args.from,
            to: args.to,
            first_offset: args.first_offset,
            memory_bytes: args.memory,
            temp_dir: args.temp_dir.unwrap_or_else(std::env::temp_dir),
            shown_max: args.show,
            json: args.json,
        })
    }
}

/// Less would make too many files of any large topic.
const MEMORY_BYTES_MIN: u64 = 1 << 20;

fn memory(text: &str) -> Result<u64, String> {
    match units::bytes(text)? {
        bytes @ MEMORY_BYTES_MIN.. => Ok(bytes),
        _ => Err("is less than 1MiB".to_owned()),
    }
}

fn bound(text: &str) -> Result<Bound, String> {
    let wrong = || format!("`{text}` is no offset, PARTITION:OFFSET, or time such as 2026-01-01T00:00:00Z");
    if let Ok(offset) = text.parse::<i64>() {
        return Ok(Bound { partition: None, at: At::Offset(offset) });
    }
    if let Some((partition, offset)) = text.split_once(':')
        && let (Ok(partition), Ok(offset)) = (partition.parse(), offset.parse())
    {
        return Ok(Bound { partition: Some(partition), at: At::Offset(offset) });
    }
    let time = engine::time::parse_event_time(engine::fields::Kind::String, text.as_bytes()).map_err(|_| wrong())?;
    Ok(Bound { partition: None, at: At::Time(time) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_span_are_offsets_for_all_or_one_partition_or_times() {
        let of = |text| bound(text).map(|bound| (bound.partition, bound.at));
        assert_eq!(of("17"), Ok((None, At::Offset(17))));
        assert_eq!(of("3:17"), Ok((Some(3), At::Offset(17))));
        assert_eq!(of("2026-01-01T00:00:00Z"), Ok((None, At::Time(1_767_225_600_000))));
        for wrong in ["", "yesterday", "a:1", "1:b"] {
            assert!(of(wrong).unwrap_err().contains("is no offset"), "{wrong}");
        }
        assert!(memory("1000").is_err() && memory("1MiB") == Ok(1 << 20));
    }
}
