//! What `dedup-host generate` was asked for. Not the generator.

use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches as _};
use file_connector::{Existing, Named, Stream, shared};
use setting::{SettingsError, Typed, units};
use workbench::generate::Spec;

use super::error::UsageError;
use super::files::sink;
use super::kafka::{self, KafkaConnection, ProducerConfig};

/// Flags of `generate`, beside the Kafka settings it shares with a run.
#[derive(Debug, Clone, Args)]
pub(super) struct GenerateArgs {
    /// Number of events, duplicates included
    #[arg(long, value_name = "N", default_value_t = Spec::default().events)]
    events: u64,
    /// Share of the events that repeat an earlier one
    #[arg(long, value_name = "SHARE", default_value_t = Spec::default().duplicates, value_parser = units::share)]
    duplicates: f64,
    /// Share of the duplicates that keep the uuid of their original
    #[arg(long, value_name = "SHARE", default_value_t = Spec::default().same_uuid, value_parser = units::share)]
    same_uuid: f64,
    /// Share of the duplicates whose properties differ from their original
    #[arg(long, value_name = "SHARE", default_value_t = Spec::default().altered, value_parser = units::share)]
    altered: f64,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = Spec::default().seed)]
    seed: u64,
    /// Number of partitions that the events are spread over
    #[arg(long, value_name = "N", default_value_t = Spec::default().partitions)]
    partitions: u32,
    /// Maximum number of events between a duplicate and its original
    #[arg(long, value_name = "N", default_value_t = *Spec::default().distance.end())]
    distance_max: u64,
    /// Events per second of event time; they are written as fast as possible
    #[arg(long, value_name = "N", default_value_t = Spec::default().events_per_second)]
    rate: u64,
    /// Maximum number of distinct ids
    #[arg(long, value_name = "N", default_value_t = Spec::default().users)]
    users: u64,
    /// Time of the first event: milliseconds since the epoch, or UTC such as 2026-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = instant)]
    start: u64,
    /// Where to write the truth: for each event, which one it repeats
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Newline-delimited JSON; `-` is standard output
    #[arg(long, value_name = "FILE|-", required_unless_present = "topic", conflicts_with = "topic", value_parser = sink)]
    output: Option<Stream>,
    /// Replace existing files that are not empty
    #[arg(long)]
    overwrite: bool,
    /// Topic to produce to
    #[arg(long, value_name = "TOPIC", value_parser = kafka::topic)]
    topic: Option<String>,
}

/// A request for synthetic events.
#[derive(Debug, Clone)]
pub struct GenerateConfig {
    /// Which events; the generator checks that they can be made.
    pub spec: Spec,
    /// Where the truth goes.
    pub truth: Option<PathBuf>,
    /// Where the events go.
    pub target: GenerateTarget,
    /// What becomes of files that hold something.
    pub existing: Existing,
}

/// Where synthetic events go.
#[derive(Debug, Clone)]
pub enum GenerateTarget {
    /// Lines.
    Stream(Stream),
    /// A topic.
    Topic {
        /// Its name.
        topic: String,
        /// How the broker is reached.
        connection: Box<KafkaConnection>,
        /// The producer.
        producer: ProducerConfig,
    },
}

impl GenerateConfig {
    pub(super) fn of(matches: &ArgMatches, typed: &mut Typed) -> Result<Self, UsageError> {
        let args = GenerateArgs::from_arg_matches(matches)?;
        check_apart(args.output.as_ref(), args.truth.as_ref())?;
        let existing = if args.overwrite { Existing::Replaced } else { Existing::Refused };
        let target = match (args.output, args.topic) {
            (Some(stream), _) => GenerateTarget::Stream(stream),
            (None, Some(topic)) => {
                kafka::derive_protocol(typed)?;
                kafka::refuse_user_of_hosts(typed)?;
                let connection = Box::new(kafka::connection(typed)?);
                GenerateTarget::Topic { topic, connection, producer: kafka::producer(typed)? }
            }
            (None, None) => return Err(SettingsError::Conflict("give --output FILE or --topic TOPIC".into()).into()),
        };
        let spec = Spec {
            events: args.events,
            duplicates: args.duplicates,
            seed: args.seed,
            same_uuid: args.same_uuid,
            altered: args.altered,
            partitions: args.partitions,
            distance: 1..=args.distance_max,
            start_ms: args.start,
            events_per_second: args.rate,
            users: args.users,
        };
        Ok(Self { spec, truth: args.truth, target, existing })
    }
}

fn check_apart(output: Option<&Stream>, truth: Option<&PathBuf>) -> Result<(), SettingsError> {
    let truth = truth.map(|path| Stream::File(path.clone()));
    let named = |flag, stream: Option<&Stream>| Some(Named { flag, stream: stream?.clone(), writes: true });
    let files: Vec<Named> = [named("output", output), named("truth", truth.as_ref())].into_iter().flatten().collect();
    match shared(&files) {
        Some((flag, other)) => {
            Err(SettingsError::Conflict(format!("--{flag} is the same as --{other}: give each its own file")))
        }
        None => Ok(()),
    }
}

/// Milliseconds since the epoch from a number or from `YYYY-MM-DDTHH:MM:SSZ`.
fn instant(text: &str) -> Result<u64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let wrong = || format!("`{text}` is not a time: write milliseconds, or UTC such as 2026-01-01T00:00:00Z");
    let shape = text.len() == 20
        && text.bytes().zip(*b"0000-00-00T00:00:00Z").all(|(is, wanted)| match wanted {
            b'0' => is.is_ascii_digit(),
            _ => is == wanted,
        });
    let number = |at: usize, length: usize| text.get(at..at + length).and_then(|digits| digits.parse::<i64>().ok());
    let parts = (number(0, 4), number(5, 2), number(8, 2), number(11, 2), number(14, 2), number(17, 2));
    let (
        Some(year),
        Some(month @ 1..=12),
        Some(day @ 1..=31),
        Some(hour @ 0..=23),
        Some(minute @ 0..=59),
        Some(second @ 0..=59),
    ) = parts
    else {
        return Err(wrong());
    };
    if !shape || day > days_of_month(year, month) {
        return Err(wrong());
    }
    let days = days_before(year, month) + day - 1;
    let millis = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
    u64::try_from(millis).map_err(|_| format!("`{text}` is before 1970"))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of the month, by counting leap years of the Gregorian calendar.
fn days_before(year: i64, month: i64) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + (1..month).map(|month| days_of_month(year, month)).sum::<i64>()
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_number_or_a_time_that_exists() {
        assert_eq!(instant("1735689600000"), Ok(1_735_689_600_000));
        assert_eq!(instant("2025-01-01T00:00:00Z"), Ok(1_735_689_600_000));
        assert_eq!(instant("2000-02-29T12:34:56Z"), Ok(951_827_696_000));
        assert!(instant("1969-12-31T23:59:59Z").unwrap_err().contains("before 1970"));
        assert_eq!(instant("2026-01-01T00:00:00Z"), Ok(Spec::default().start_ms), "the default as the help shows it");
        for wrong in [
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-01",
            "2025-01-01T24:00:00Z",
            "x",
            "2025-01-01T00:00:00é",
        ] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
