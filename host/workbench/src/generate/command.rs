//! `dedup-host generate`: writes synthetic events to their target. The generator decides what they are.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use connectors::{Lane, Origin, Outgoing};
use file_connector::{Existing, FileError, OutputOptions, Stream, check_output, open_output};
use kafka_connector::{Delivery, KafkaFailure, KafkaProducer, KafkaSettings, check_topics};

use super::generator::{Event, Generator};
use super::spec::Spec;
use super::truth::{GenerateError, Truth};

/// Which events, and where they go.
#[derive(Debug)]
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
#[derive(Debug)]
pub enum GenerateTarget {
    /// Lines.
    Stream(Stream),
    /// The topic of these settings.
    Topic {
        /// How the broker is reached.
        settings: Box<KafkaSettings>,
        /// How long a record may wait for its acknowledgement.
        message_timeout: Duration,
    },
}

/// Why events could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateFailure {
    /// The request cannot be met, or a standard stream not written.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A file cannot be opened, or holds something that is not to be replaced.
    #[error(transparent)]
    Open(#[from] FileError),
    /// A file cannot be written.
    #[error("cannot write {path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The topic cannot be written.
    #[error(transparent)]
    Kafka(#[from] KafkaFailure),
}

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// Makes the events and says on standard error what they were. Once `stop` is set, those that are made are the last.
///
/// # Errors
/// The request cannot be met, or something cannot be written.
pub fn run(config: &GenerateConfig, stop: &AtomicBool) -> Result<(), GenerateFailure> {
    let started = Instant::now();
    let mut generator = Generator::new(config.spec.clone()).map_err(GenerateError::from)?;
    if let Some(truth) = &config.truth {
        check_output(truth, config.existing)?;
    }
    let mut target = Target::open(config)?;
    let create = |path: &Path| Output::create(path, config.existing);
    let mut truth_file = config.truth.as_deref().map(create).transpose()?;
    let (mut truth, mut payload, mut line) = (Truth::default(), Vec::new(), Vec::new());
    while !stop.load(Ordering::SeqCst) {
        payload.clear();
        let Some(event) = generator.next(&mut payload) else { break };
        truth.count(&event);
        target.send(&event, &mut payload)?;
        if let Some(file) = &mut truth_file {
            line.clear();
            event.write_truth(&mut line);
            file.write(&line)?;
        }
    }
    target.finish()?;
    if let Some(file) = &mut truth_file {
        line.clear();
        truth.write_line(&mut line);
        file.write(&line)?;
        file.finish()?;
    }
    let seconds = started.elapsed().as_secs_f64();
    terminal::note(&format!(
        "{} events: {} unique, {} duplicates ({} with the uuid of the original, {} altered) in {seconds:.1} s",
        truth.events, truth.unique, truth.duplicates, truth.same_uuid, truth.altered
    ));
    Ok(())
}

enum Target {
    Lines(Output),
    Topic { producer: Box<KafkaProducer>, topic: String },
}

impl Target {
    fn open(config: &GenerateConfig) -> Result<Self, GenerateFailure> {
        match &config.target {
            GenerateTarget::Stream(Stream::Standard) => Ok(Self::Lines(Output::standard())),
            GenerateTarget::Stream(Stream::File(path)) => Ok(Self::Lines(Output::create(path, config.existing)?)),
            GenerateTarget::Topic { settings, message_timeout } => {
                check_topics(settings, &[])?;
                let producer = KafkaProducer::connect(settings, &Delivery::AtLeastOnce, *message_timeout)?;
                Ok(Self::Topic { producer: Box::new(producer), topic: settings.topic.clone() })
            }
        }
    }

    /// Records get the time of their sending, as broker retention goes by it; the event's time is in the payload.
    fn send(&mut self, event: &Event, payload: &mut Vec<u8>) -> Result<(), GenerateFailure> {
        match self {
            Self::Lines(output) => {
                payload.push(b'\n');
                output.write(payload)
            }
            Self::Topic { producer, topic } => {
                let record = Outgoing {
                    origin: Origin::default(),
                    key: payload.get(event.distinct_id.clone()),
                    payload: Some(payload),
                    timestamp: None,
                    headers_of: None,
                    extra_headers: &[],
                };
                let partition = i32::try_from(event.partition).ok();
                Ok(producer.send_to(topic, partition, Lane::Output, &record)?)
            }
        }
    }

    fn finish(&mut self) -> Result<(), GenerateFailure> {
        match self {
            Self::Lines(output) => output.finish(),
            Self::Topic { producer, .. } => Ok(producer.flush()?),
        }
    }
}

struct Output {
    path: PathBuf,
    writer: BufWriter<Box<dyn Write>>,
}

impl Output {
    #[expect(clippy::disallowed_methods, reason = "records, whose bytes nobody changes")]
    fn standard() -> Self {
        let writer: Box<dyn Write> = Box::new(io::stdout());
        Self { path: PathBuf::from("standard output"), writer: BufWriter::with_capacity(BUFFER_BYTES, writer) }
    }

    fn create(path: &Path, existing: Existing) -> Result<Self, GenerateFailure> {
        let file = open_output(path, OutputOptions { existing, mode: None })?;
        let writer: Box<dyn Write> = Box::new(file);
        Ok(Self { path: path.to_owned(), writer: BufWriter::with_capacity(BUFFER_BYTES, writer) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), GenerateFailure> {
        self.writer.write_all(bytes).map_err(|cause| self.failure(cause))
    }

    fn finish(&mut self) -> Result<(), GenerateFailure> {
        self.writer.flush().map_err(|cause| self.failure(cause))
    }

    fn failure(&self, cause: io::Error) -> GenerateFailure {
        GenerateFailure::File { path: self.path.display().to_string(), cause }
    }
}
