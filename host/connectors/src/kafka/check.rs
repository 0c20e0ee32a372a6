//! Questions asked before anything is read: does the broker answer, are the topics there, can the input be replayed?

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::topic_id::topic_id;
use super::{KafkaFailure, KafkaSettings};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// What the check found of the input topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicCheck {
    /// Number of partitions.
    pub partitions: usize,
    /// The id of the topic, where the broker gives one.
    pub topic_id: Option<String>,
}

/// Checks the broker, the input topic and the output topics.
///
/// # Errors
/// No broker, a topic that does not exist, or a compacted input topic.
pub fn check_topics(settings: &KafkaSettings, outputs: &[&str]) -> Result<TopicCheck, KafkaFailure> {
    let client: AdminClient<DefaultClientContext> =
        settings.client().create().map_err(|error: KafkaError| KafkaFailure::Settings(error.to_string()))?;
    let input = partitions(&client, settings, &settings.topic)?;
    for topic in outputs {
        partitions(&client, settings, topic)?;
    }
    if let Some(policy) = cleanup_policy(&client, &settings.topic)
        && policy.contains("compact")
    {
        return Err(KafkaFailure::Compacted { topic: settings.topic.clone(), policy });
    }
    let topic_id = topic_id(client.inner(), &settings.topic, ANSWER_TIMEOUT);
    Ok(TopicCheck { partitions: input, topic_id })
}

fn partitions(
    client: &AdminClient<DefaultClientContext>,
    settings: &KafkaSettings,
    topic: &str,
) -> Result<usize, KafkaFailure> {
    let metadata = client
        .inner()
        .fetch_metadata(Some(topic), ANSWER_TIMEOUT)
        .map_err(|error| KafkaFailure::Unreachable { hosts: settings.hosts.clone(), cause: error.to_string() })?;
    let missing = || KafkaFailure::NoTopic { topic: topic.to_owned(), hosts: settings.hosts.clone() };
    let found = metadata.topics().iter().find(|found| found.name() == topic).ok_or_else(missing)?;
    match found.error().map(RDKafkaErrorCode::from) {
        None if !found.partitions().is_empty() => Ok(found.partitions().len()),
        None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Err(missing()),
        Some(code) => Err(KafkaFailure::Read { topic: topic.to_owned(), cause: code.to_string() }),
    }
}

/// `None` where the broker does not say, for instance because we may not ask.
fn cleanup_policy(client: &AdminClient<DefaultClientContext>, topic: &str) -> Option<String> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT));
    let answer = pollster::block_on(client.describe_configs([&ResourceSpecifier::Topic(topic)], &options));
    let resource = answer.ok()?.into_iter().next()?.ok()?;
    resource.get("cleanup.policy")?.value.clone()
}
