//! `dedup-host generate`: gives the workbench what the settings say, and says which exit code a failure has. Does not make or
//! write events.

use kafka_connector::{KafkaFailure, KafkaSettings};
use workbench::generate::{self as events, GenerateError, GenerateFailure};

use crate::exit::ExitCode;
use crate::run::client_settings;
use crate::settings::generate::{GenerateConfig, GenerateTarget};
use drive::Stop;

/// Makes the events that were asked for, until all are written or a stop is asked for.
///
/// # Errors
/// The request cannot be met, or something cannot be written.
pub fn run(config: GenerateConfig, stop: &Stop) -> Result<(), GenerateFailure> {
    let target = match config.target {
        GenerateTarget::Stream(stream) => events::GenerateTarget::Stream(stream),
        GenerateTarget::Topic { topic, connection, producer } => {
            let settings = KafkaSettings { topic, ..client_settings(&connection, &producer) };
            events::GenerateTarget::Topic { settings: Box::new(settings), message_timeout: producer.message_timeout }
        }
    };
    let GenerateConfig { spec, truth, existing, .. } = config;
    events::run(&events::GenerateConfig { spec, truth, target, existing }, &stop.flag())
}

impl From<&GenerateFailure> for ExitCode {
    fn from(failure: &GenerateFailure) -> Self {
        match failure {
            GenerateFailure::Generate(GenerateError::Spec(_)) => Self::Usage,
            GenerateFailure::Generate(GenerateError::Write(_))
            | GenerateFailure::Open(_)
            | GenerateFailure::File { .. }
            | GenerateFailure::Kafka(KafkaFailure::Write { .. }) => Self::Output,
            GenerateFailure::Kafka(_) => Self::Input,
        }
    }
}
