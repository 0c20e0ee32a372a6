//! The operator's Kafka settings as librdkafka properties. The connector adds the host's own defaults.

use std::time::Duration;

use kafka_connector::{KafkaFailure, KafkaSettings, Prefix};
use private_files::PrivateDir;

use crate::settings::kafka::{self as settings, KafkaConfig, KafkaConnection, ProducerConfig, PropertyClient};

/// The operator's prefix, else the one beside the state; `None` without transactions.
pub(super) fn prefix(kafka: &KafkaConfig, store: &PrivateDir) -> Result<Option<Prefix>, KafkaFailure> {
    match &kafka.delivery {
        settings::Delivery::ExactlyOnce { transactional_id_prefix: Some(prefix), .. } => {
            Ok(Some(Prefix::chosen(prefix)))
        }
        settings::Delivery::ExactlyOnce { transactional_id_prefix: None, .. } => {
            Prefix::kept(store, &kafka.group, settings::host_name().as_deref()).map(Some)
        }
        settings::Delivery::AtLeastOnce => Ok(None),
    }
}

pub(crate) fn kafka_settings(kafka: &KafkaConfig) -> KafkaSettings {
    let transaction_timeout = match &kafka.delivery {
        settings::Delivery::ExactlyOnce { transaction_timeout, .. } => *transaction_timeout,
        settings::Delivery::AtLeastOnce => Duration::ZERO,
    };
    KafkaSettings {
        group: kafka.group.clone(),
        topic: kafka.topics.input.clone(),
        transaction_timeout_ms: u64::try_from(transaction_timeout.as_millis()).unwrap_or(u64::MAX),
        ..client_settings(&kafka.connection, &kafka.producer)
    }
}

/// What consumers and producers of any purpose need to reach the cluster.
pub(crate) fn client_settings(connection: &KafkaConnection, producer: &ProducerConfig) -> KafkaSettings {
    let mut producer_properties = vec![
        pair("linger.ms", producer.linger.as_millis()),
        pair("queue.buffering.max.kbytes", u64::from(producer.queue_mib) * 1024),
        pair("queue.buffering.max.messages", producer.queue_messages),
        pair("message.timeout.ms", producer.message_timeout.as_millis()),
        pair("compression.codec", &producer.compression),
    ];
    let mut consumer_properties = Vec::new();
    for property in &connection.properties {
        let named = pair(&property.name, &property.value);
        if property.client != PropertyClient::Producer {
            consumer_properties.push(named.clone());
        }
        if property.client != PropertyClient::Consumer {
            producer_properties.push(named);
        }
    }
    KafkaSettings {
        hosts: connection.hosts.clone(),
        security: security(connection),
        consumer: consumer_properties,
        producer: producer_properties,
        ..KafkaSettings::default()
    }
}

fn pair(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// Certificates are verified, host names too, unless the operator says otherwise.
fn security(connection: &KafkaConnection) -> Vec<(String, String)> {
    let mut properties = vec![pair("security.protocol", connection.protocol.as_str())];
    if connection.tls_insecure {
        properties.push(pair("enable.ssl.certificate.verification", false));
    }
    let path = |name, path: &std::path::Path| pair(name, path.display());
    properties.extend(connection.ca.as_deref().map(|ca| path("ssl.ca.location", ca)));
    if let Some((certificate, key)) = &connection.certificate {
        properties.push(path("ssl.certificate.location", certificate));
        properties.push(path("ssl.key.location", key));
    }
    properties.extend(connection.key_password.as_ref().map(|secret| pair("ssl.key.password", secret.expose())));
    if let Some(sasl) = &connection.sasl {
        properties.push(pair("sasl.mechanism", &sasl.mechanism));
        properties.extend(sasl.username.as_ref().map(|name| pair("sasl.username", name)));
        properties.extend(sasl.password.as_ref().map(|secret| pair("sasl.password", secret.expose())));
    }
    properties
}
