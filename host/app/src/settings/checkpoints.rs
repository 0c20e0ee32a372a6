//! Settings of copies of the state. Not the copying.

use std::path::PathBuf;
use std::time::Duration;

use plain_text::Secret;
use setting::{Group, Runs, Setting, SettingsError, Taker, Typed, one, rows, secret, switch, units};

/// Copies of the state.
#[derive(Debug, Clone)]
pub struct CheckpointConfig {
    /// Time between two; zero: there are none.
    pub interval: Duration,
    /// Directory.
    pub local_dir: PathBuf,
    /// Whether the user named it.
    pub is_local_dir_given: bool,
    /// How many are kept.
    pub local_max: usize,
    /// Every n-th is whole.
    pub full_upload_every: u32,
    /// Most bytes a second that are sent.
    pub bandwidth: Option<u64>,
    /// Longest wait for the object store.
    pub timeout: Duration,
    /// The object store, if there is one.
    pub s3: Option<S3Config>,
}

/// An object store.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Bucket.
    pub bucket: String,
    /// Start of the object names.
    pub key_prefix: String,
    /// Region.
    pub region: String,
    /// Address, where it is not AWS.
    pub endpoint: Option<String>,
    /// Whether plain HTTP may be used.
    pub allow_http: bool,
    /// How many are kept.
    pub max: usize,
    /// Access key and its secret; `None`: the usual chain.
    pub credentials: Option<(String, Secret)>,
    /// Session token.
    pub session_token: Option<Secret>,
}

const GROUP: Group = Group { title: "Checkpoints", runs: Runs::Kafka, also: &[Taker::Checkpoint] };

rows!(pub(super),
    static CHECKPOINT_INTERVAL_SECS: Setting<Duration> = one(
        GROUP,
        "checkpoint-interval-secs",
        "SECS",
        units::seconds_or_none,
        "Time between two checkpoints of a partition; 0: none are made, and none restored\n\nA checkpoint is a copy of \
         a partition's state outside of --store-path. A host that gets a partition and has no state of it, or an old one, \
         restores the newest checkpoint that does not reach beyond the group's offset, and reads the rest from the topic. \
         A partition that is given up as planned, to another host or by a stop, leaves a checkpoint of all of its state, \
         if that takes no longer than 0.8 of --shutdown-timeout-secs.",
    )
    .or("300");
    static LOCAL_CHECKPOINT_DIR: Setting<PathBuf> = one(
        GROUP,
        "local-checkpoint-dir",
        "DIR",
        units::path,
        "Directory of the checkpoints\n\nHosts that share it, or the bucket, take partitions over from each other. Where \
         nobody names one and the default cannot be written, there is a warning; a directory that was named is refused.",
    )
    .or("./checkpoints");
    static MAX_LOCAL_CHECKPOINTS: Setting<usize> = one(
        GROUP,
        "max-local-checkpoints",
        "N",
        units::count,
        "Number of checkpoints of a partition to keep in the directory",
    )
    .or("5");
    static MAX_S3_CHECKPOINTS: Setting<usize> = one(
        GROUP,
        "max-s3-checkpoints",
        "N",
        units::count,
        "Number of checkpoints of a partition to keep in the bucket",
    )
    .or("10");
    static CHECKPOINT_BANDWIDTH: Setting<u64> = one(
        GROUP,
        "checkpoint-bandwidth",
        "BYTES",
        units::bytes,
        "Maximum bytes a second sent for checkpoints, to the directory and to the bucket each; unset: no limit",
    );
    static S3_BUCKET: Setting<String> =
        one(GROUP, "s3-bucket", "NAME", units::text, "Object store bucket for checkpoints; unset: local only");
    static S3_KEY_PREFIX: Setting<String> =
        one(GROUP, "s3-key-prefix", "TEXT", units::text, "Start of the object names").or("deduplication-checkpoints");
    static FULL_UPLOAD_INTERVAL: Setting<u32> =
        one(GROUP, "full-upload-interval", "N", units::small, "Every n-th checkpoint uploads everything again")
            .or("10");
    static S3_TIMEOUT_SECS: Setting<Duration> = one(
        GROUP,
        "s3-timeout-secs",
        "SECS",
        units::seconds,
        "Maximum time for the object store to answer\n\nAlso how long a partition without a state waits for a store that \
         cannot be reached, before its state is rebuilt from the topic.",
    )
    .or("300");
    static AWS_REGION: Setting<String> =
        one(GROUP, "aws-region", "NAME", units::text, "Region of the bucket").or("us-east-1");
    static AWS_ENDPOINT_URL: Setting<String> =
        one(GROUP, "aws-endpoint-url", "URL", units::text, "Address of an object store that is not AWS").env(&[
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT",
        ]);
    static AWS_ALLOW_HTTP: Setting<bool> = switch(GROUP, "aws-allow-http", "Allow an object store without TLS");
    static AWS_ACCESS_KEY_ID: Setting<String> = one(
        GROUP,
        "aws-access-key-id",
        "TEXT",
        units::text,
        "Access key; unset: a profile of ~/.aws, a web identity, a container's or the machine's role",
    );
    static AWS_SECRET_ACCESS_KEY: Setting<Secret> =
        secret(GROUP, "aws-secret-access-key", "TEXT", units::secret, "Secret of the access key");
    static AWS_SESSION_TOKEN: Setting<Secret> =
        secret(GROUP, "aws-session-token", "TEXT", units::secret, "Session token of the access key");
);

/// What the user said of checkpoints.
pub(super) fn config(typed: &Typed) -> Result<CheckpointConfig, SettingsError> {
    Ok(CheckpointConfig {
        interval: typed.need(&CHECKPOINT_INTERVAL_SECS)?,
        local_dir: typed.need(&LOCAL_CHECKPOINT_DIR)?,
        is_local_dir_given: typed.given(&LOCAL_CHECKPOINT_DIR),
        local_max: typed.need(&MAX_LOCAL_CHECKPOINTS)?,
        full_upload_every: typed.need(&FULL_UPLOAD_INTERVAL)?,
        bandwidth: typed.get(&CHECKPOINT_BANDWIDTH)?,
        timeout: typed.need(&S3_TIMEOUT_SECS)?,
        s3: s3(typed)?,
    })
}

fn s3(typed: &Typed) -> Result<Option<S3Config>, SettingsError> {
    let Some(bucket) = typed.get(&S3_BUCKET)? else { return Ok(None) };
    let id = typed.get(&AWS_ACCESS_KEY_ID)?;
    let key = typed.get(&AWS_SECRET_ACCESS_KEY)?;
    let credentials = match (id, key) {
        (Some(id), Some(key)) => Some((id, key)),
        (None, None) => None,
        (Some(_), None) => return Err(typed.wrong(&AWS_ACCESS_KEY_ID, "needs AWS_SECRET_ACCESS_KEY")),
        (None, Some(_)) => return Err(typed.wrong(&AWS_SECRET_ACCESS_KEY, "needs AWS_ACCESS_KEY_ID")),
    };
    Ok(Some(S3Config {
        bucket,
        key_prefix: typed.need(&S3_KEY_PREFIX)?,
        region: typed.need(&AWS_REGION)?,
        endpoint: typed.get(&AWS_ENDPOINT_URL)?,
        allow_http: typed.need(&AWS_ALLOW_HTTP)?,
        max: typed.need(&MAX_S3_CHECKPOINTS)?,
        credentials,
        session_token: typed.get(&AWS_SESSION_TOKEN)?,
    }))
}
