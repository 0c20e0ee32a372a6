//! Why a run ended before its time: what the shell and the operator are told. Not where it is found.

use std::io;
use std::time::Duration;

use connectors::{NoAnswer, Remedy, SinkFailure, SourceFailure};
use drive::{Cause, Failure, RecallError};
use engine::protocol::start::StartError;
use file_connector::FileError;
use http_server::HttpError;
use kafka_connector::KafkaFailure;
use line::LineError;
use private_files::PrivateError;
use reload::PluginsError;
use state::{OpenError, StateError};

use crate::exit::ExitCode;

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A plugin cannot be used, or not together with another.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaFailure),
    /// The input file.
    #[error(transparent)]
    Input(FileError),
    /// An output file.
    #[error(transparent)]
    Output(FileError),
    /// The state cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state cannot be written or read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The state and the topic do not agree on where to go on.
    #[error("{0}")]
    Start(#[from] StartError),
    /// Checkpoints cannot be kept where the user said.
    #[error("{0}")]
    Checkpoints(String),
    /// What has to be kept beside the state cannot be.
    #[error("{0}")]
    Kept(String),
    /// Another host uses our transactional id.
    #[error(
        "fenced by another host with the transactional id {transactional_id}, {times} times within {} s: two hosts \
         with one id abort each other's transactions; nothing was lost or committed twice. to fix this: stop the \
         other host, or give each its own id ({way_out})",
        within.as_secs()
    )]
    Fenced {
        /// The id that both use.
        transactional_id: String,
        /// How often.
        times: usize,
        /// Within this time.
        within: Duration,
        /// Where this host's id comes from.
        way_out: String,
    },
    /// A replay would have to guess.
    #[error("{0}")]
    Recall(#[from] RecallError),
    /// A question about the input, or about how far it is done, is refused.
    #[error("{0}")]
    Refused(NoAnswer),
    /// An earlier run over files did not end.
    #[error("{0}")]
    Interrupted(String),
    /// The HTTP server.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Something that has no code of its own.
    #[error("{0}")]
    Other(String),
}

impl RunError {
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(super) fn no_thread(error: io::Error) -> Self {
        Self::Other(format!("cannot start a thread: {error}"))
    }

    /// What the shell is told.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Plugins(_) | Self::Line(LineError::Roots(_) | LineError::Load(_) | LineError::Plugin(_)) => {
                ExitCode::Plugin
            }
            Self::Line(LineError::Sink(failure)) if failure.remedy == Remedy::Fenced => ExitCode::Fenced,
            Self::Fenced { .. } | Self::Kafka(KafkaFailure::Fenced { .. }) => ExitCode::Fenced,
            Self::Kafka(KafkaFailure::Settings(_)) | Self::Line(LineError::Pointer(_)) | Self::Checkpoints(_) => {
                ExitCode::Usage
            }
            // Kept beside the state, and written by the sink.
            Self::Output(FileError::NotKept { .. } | FileError::NotProgress { .. }) => ExitCode::State,
            Self::Kafka(KafkaFailure::Write { .. } | KafkaFailure::Refused { .. } | KafkaFailure::Records { .. })
            | Self::Output(_)
            | Self::Line(LineError::Sink(_) | LineError::Unsendable { .. }) => ExitCode::Output,
            Self::Kafka(KafkaFailure::Replaced { .. } | KafkaFailure::Kept(_)) | Self::Kept(_) => ExitCode::State,
            Self::Kafka(_) | Self::Input(_) | Self::Refused(_) => ExitCode::Input,
            Self::Open(_)
            | Self::State(_)
            | Self::Start(_)
            | Self::Recall(_)
            | Self::Line(LineError::State(_) | LineError::Elders { .. }) => ExitCode::State,
            Self::Line(LineError::PoisonRecord { .. } | LineError::Breaker { .. } | LineError::Replay { .. }) => {
                ExitCode::PluginFailure
            }
            Self::Interrupted(_) => ExitCode::Interrupted,
            Self::Http(_) => ExitCode::Address,
            Self::Other(_) => ExitCode::Internal,
        }
    }
}

impl From<PrivateError> for RunError {
    fn from(error: PrivateError) -> Self {
        Self::Open(error.into())
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Source(failure) => of_source(failure),
            Failure::Sink(failure) => of_sink(failure),
            Failure::Refused(no_answer) => Self::Refused(no_answer),
            Failure::Open(cause) => cause.downcast::<OpenError>().map_or_else(other, |error| Self::Open(*error)),
            Failure::State(cause) => cause.downcast::<StateError>().map_or_else(other, |error| Self::State(*error)),
            Failure::Line(error) => Self::Line(error),
            Failure::Start(error) => Self::Start(error),
            Failure::Recall(error) => Self::Recall(error),
            failure @ (Failure::Fenced { .. } | Failure::GaveUp(_)) => {
                let remedy = if matches!(failure, Failure::GaveUp(_)) { Remedy::Retry } else { Remedy::Fenced };
                Self::Line(LineError::Sink(SinkFailure::new(remedy, failure)))
            }
            failure @ (Failure::Stalled { .. } | Failure::NotDrained { .. } | Failure::Thread(_) | Failure::Bug(_)) => {
                Self::Other(failure.to_string())
            }
        }
    }
}

/// The error of a connector.
fn of_source(failure: SourceFailure) -> RunError {
    let failure = match failure.into_cause::<KafkaFailure>() {
        Ok(failure) => return RunError::Kafka(failure),
        Err(failure) => failure,
    };
    match failure.into_cause::<FileError>() {
        Ok(error) => RunError::Input(error),
        Err(failure) => RunError::Other(failure.to_string()),
    }
}

fn of_sink(failure: SinkFailure) -> RunError {
    let failure = match failure.into_cause::<KafkaFailure>() {
        Ok(failure) => return RunError::Kafka(failure),
        Err(failure) => failure,
    };
    match failure.into_cause::<FileError>() {
        Ok(error) => RunError::Output(error),
        Err(failure) => RunError::Line(LineError::Sink(failure)),
    }
}

fn other(cause: Cause) -> RunError {
    RunError::Other(cause.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(failure: Failure) -> (ExitCode, String) {
        let error = RunError::from(failure);
        (error.exit_code(), error.to_string())
    }

    fn sink(remedy: Remedy) -> SinkFailure {
        SinkFailure::new(remedy, "no")
    }

    #[test]
    fn what_ends_a_run_has_the_code_of_the_part_that_failed() {
        let read = KafkaFailure::Read { topic: "t".to_owned(), cause: "gone".to_owned() };
        let write = || KafkaFailure::Write { step: "commit", cause: "late".to_owned() };
        let (times, within) = (3, Duration::from_secs(60));
        let replaced = KafkaFailure::Replaced { topic: "t".to_owned(), change: "it was deleted".to_owned() };
        let kept = KafkaFailure::Kept("cannot write".to_owned());
        let refused = NoAnswer { cause: "not allowed".to_owned(), hopeless: true };
        let in_use = OpenError::InUse { dir: "store".into(), is_here: false };
        let cases = [
            (Failure::Source(SourceFailure::new(read)), ExitCode::Input, "cannot read topic t: gone"),
            (Failure::Source(SourceFailure::new(replaced)), ExitCode::State, "topic t was replaced"),
            (Failure::Source(SourceFailure::new(kept)), ExitCode::State, "cannot write"),
            (Failure::Refused(refused), ExitCode::Input, "not allowed"),
            (Failure::Sink(SinkFailure::new(Remedy::Retry, write())), ExitCode::Output, "commit: late"),
            (Failure::Sink(sink(Remedy::None)), ExitCode::Output, "no"),
            (Failure::GaveUp(sink(Remedy::Retry)), ExitCode::Output, "commit, after several attempts: no"),
            (Failure::Fenced { times, within, cause: sink(Remedy::Fenced) }, ExitCode::Fenced, "3 times within 60 s"),
            (Failure::Open(in_use.into()), ExitCode::State, "store"),
            (Failure::Line(LineError::Sink(sink(Remedy::Fenced))), ExitCode::Fenced, "no"),
            (Failure::Start(StartError::NoCommitted { partition: 7, applied: 9 }), ExitCode::State, "partition 7"),
            (Failure::Stalled { partition: 7, offset: 9 }, ExitCode::Internal, "offset 9"),
            (Failure::Bug("odd".to_owned()), ExitCode::Internal, "odd: this is a bug"),
        ];
        for (failure, code, words) in cases {
            let (got, text) = of(failure);
            assert!(got == code && text.contains(words), "{got:?} {text}, and not {code:?} {words}");
        }
    }
}
