//! Why a verdict cannot be given. Not what is wrong with what was read.

use file_connector::FileError;
use kafka_connector::KafkaFailure;
use plugin::{LoadError, PluginFailure};

use crate::sorted::TempError;

/// Nothing is known of the outputs then.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A topic cannot be read.
    #[error(transparent)]
    Kafka(#[from] KafkaFailure),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Rows cannot be sorted.
    #[error(transparent)]
    Temp(#[from] TempError),
    /// The plugin cannot be used.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// The plugin gives no answer.
    #[error("{0}")]
    PluginFailed(#[from] PluginFailure),
    /// What was asked for cannot be done.
    #[error("{0}")]
    Impossible(String),
}
