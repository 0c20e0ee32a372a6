//! A bucket of an S3-compatible store. Not its objects.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::credentials::{self, Credentials};
use crate::error::DepotError;
use crate::store::Limits;

/// The longest that it may take to reach the store.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// Where the bucket is.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// Its name.
    pub bucket: String,
    /// What all objects' names begin with.
    pub prefix: String,
    /// Its region.
    pub region: String,
    /// The address of the store, where it is not AWS.
    pub endpoint: Option<String>,
    /// Whether plain HTTP will do.
    pub allow_http: bool,
    /// `None`: what the environment gives: variables, a profile of the AWS tools, a web identity, a container's role, the
    /// machine's.
    pub credentials: Option<Credentials>,
}

impl S3Options {
    pub(crate) fn describe(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }

    fn root(&self) -> Result<Path, DepotError> {
        let unusable =
            |error| DepotError::Config(format!("objects' names cannot begin with {:?}: {error}", self.prefix));
        Path::parse(&self.prefix).map_err(unusable)
    }
}

pub(crate) fn open(options: &S3Options, limits: &Limits) -> Result<(Arc<dyn ObjectStore>, Path), DepotError> {
    let client = ClientOptions::new()
        .with_timeout(limits.timeout)
        .with_connect_timeout(limits.timeout.min(CONNECT_TIMEOUT_MAX))
        .with_allow_http(options.allow_http);
    // Requests are made again by `Store`, which knows what they were for.
    let retry = RetryConfig { max_retries: 0, retry_timeout: limits.timeout, backoff: BackoffConfig::default() };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&options.bucket)
        .with_region(&options.region)
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &options.endpoint {
        // What the caller says counts for more than AWS_ENDPOINT_URL_S3.
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    let credentials = match &options.credentials {
        Some(given) => Some(given.clone()),
        None => credentials::of_profile(&|name| std::env::var(name).ok())?,
    };
    if let Some(Credentials { key, secret, token }) = &credentials {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        if let Some(token) = token {
            builder = builder.with_token(token);
        }
    }
    let name = options.describe();
    let store = builder.build().map_err(|error| DepotError::Config(format!("cannot use {name}: {error}")))?;
    Ok((Arc::new(store), options.root()?))
}
