//! Questions that are asked before anything is read: does the broker answer, do the topics exist, can the input be
//! replayed?

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use crate::failure::KafkaFailure;
use crate::settings::KafkaSettings;
use crate::topic_id::topic_id;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long we ask why there was no answer.
const REASON_TIMEOUT: Duration = Duration::from_secs(5);

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
    let client: AdminClient<DefaultClientContext> = settings.client().create().map_err(KafkaFailure::of_settings)?;
    let input = partitions(&client, settings, &settings.topic)?;
    for topic in outputs {
        partitions(&client, settings, topic)?;
    }
    match cleanup_policy(&client, &settings.topic) {
        Ok(policy) if policy.contains("compact") => {
            return Err(KafkaFailure::Compacted { topic: settings.topic.clone(), policy });
        }
        Ok(_) => {}
        Err(cause) => tracing::warn!(
            topic = settings.topic,
            cause,
            "cannot tell whether the input topic is compacted: a compacted topic cannot be replayed, and lost state \
             would be rebuilt without the keys that are gone. Make sure that its cleanup.policy is delete, and allow \
             DescribeConfigs on it so that the host can check this"
        ),
    }
    let topic_id = topic_id(client.inner(), &settings.topic, ANSWER_TIMEOUT);
    Ok(TopicCheck { partitions: input, topic_id })
}

fn partitions(
    client: &AdminClient<DefaultClientContext>,
    settings: &KafkaSettings,
    topic: &str,
) -> Result<usize, KafkaFailure> {
    let metadata =
        client.inner().fetch_metadata(Some(topic), ANSWER_TIMEOUT).map_err(|error| unreachable(settings, &error))?;
    let missing = || KafkaFailure::NoTopic { topic: topic.to_owned(), hosts: settings.hosts.clone() };
    let found = metadata.topics().iter().find(|found| found.name() == topic).ok_or_else(missing)?;
    match found.error().map(RDKafkaErrorCode::from) {
        None if !found.partitions().is_empty() => Ok(found.partitions().len()),
        None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Err(missing()),
        Some(code) => Err(KafkaFailure::Read { topic: topic.to_owned(), cause: code.to_string() }),
    }
}

/// A request that fails knows only that there was no answer. What became of the connection, such as a certificate or a
/// password that was refused, is told to clients that poll, so one of them tries again.
fn unreachable(settings: &KafkaSettings, error: &KafkaError) -> KafkaFailure {
    let reason = connection_error(settings).unwrap_or_else(|| error.to_string());
    KafkaFailure::Unreachable { hosts: settings.hosts.clone(), cause: reason }
}

fn connection_error(settings: &KafkaSettings) -> Option<String> {
    let client: BaseProducer<Complaint> = settings.client().create_with_context(Complaint::default()).ok()?;
    let deadline = Instant::now() + REASON_TIMEOUT;
    while Instant::now() < deadline {
        client.poll(Duration::from_millis(50));
        if let Some(reason) = client.context().0.lock().ok().and_then(|mut reason| reason.take()) {
            return Some(reason);
        }
    }
    None
}

/// The first thing that librdkafka says of its connections.
#[derive(Default)]
struct Complaint(Mutex<Option<String>>);

impl ClientContext for Complaint {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    fn error(&self, _error: KafkaError, reason: &str) {
        if let Ok(mut first) = self.0.lock() {
            first.get_or_insert_with(|| reason.to_owned());
        }
    }
}

impl ProducerContext for Complaint {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

/// The topic's `cleanup.policy`, or why it is not known: we may not ask, or the broker does not say.
fn cleanup_policy(client: &AdminClient<DefaultClientContext>, topic: &str) -> Result<String, String> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT));
    let answer = pollster::block_on(client.describe_configs([&ResourceSpecifier::Topic(topic)], &options));
    let answer = answer.map_err(|error| error.to_string())?;
    let resource = answer.into_iter().next().ok_or_else(|| "the broker's answer is empty".to_owned())?;
    let resource = resource.map_err(|code| code.to_string())?;
    let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.clone());
    policy.ok_or_else(|| "the broker does not say its cleanup.policy".to_owned())
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    /// The mock answers no question for configurations, as a broker that does not let us ask.
    #[test]
    fn a_policy_that_may_not_be_asked_for_is_told_from_one_that_is_not_compact() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", 1, 1).unwrap();
        let settings =
            KafkaSettings { hosts: cluster.bootstrap_servers(), topic: "events".into(), ..Default::default() };
        let client: AdminClient<DefaultClientContext> = settings.client().create().unwrap();
        let cause = cleanup_policy(&client, "events").unwrap_err();
        assert!(!cause.is_empty());
        assert_eq!(check_topics(&settings, &[]).unwrap().partitions, 1, "said, and no reason to stop");
    }
}
