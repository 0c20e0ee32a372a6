//! Settings of Kafka: connection, topics, delivery. Not the client: the connector turns them into properties.

use std::path::PathBuf;
use std::time::Duration;

pub use engine::protocol::start::OnLogGap;
use plain_text::secrets;

use super::SettingsError;
use super::config::{Secret, path, secret};
use super::typed::Typed;
use super::units;

/// A run over topics.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// How the broker is reached.
    pub connection: KafkaConnection,
    /// Consumer group.
    pub group: String,
    /// Where to start without an offset.
    pub offset_reset: OffsetReset,
    /// What becomes of records that the log no longer has.
    pub on_log_gap: OnLogGap,
    /// What becomes of a place in the log that cannot be read.
    pub on_unreadable: OnUnreadable,
    /// What to do where a replay would have to guess.
    pub on_incomplete_progress: OnIncompleteProgress,
    /// Longest wait of one poll.
    pub poll_timeout: Duration,
    /// What is read and written.
    pub topics: Topics,
    /// How surely.
    pub delivery: Delivery,
    /// How long outputs are gathered.
    pub commit_interval: Duration,
    /// The producer.
    pub producer: ProducerConfig,
}

/// How a broker is reached, for a consumer, a producer or an admin client.
#[derive(Debug, Clone)]
pub struct KafkaConnection {
    /// `host:port,...`
    pub hosts: String,
    /// Protocol.
    pub protocol: SecurityProtocol,
    /// Whether any certificate is taken.
    pub tls_insecure: bool,
    /// Certificates to trust.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Password of the key.
    pub key_password: Option<Secret>,
    /// Who we are.
    pub sasl: Option<Sasl>,
    /// Further properties, in the order given.
    pub properties: Vec<KafkaProperty>,
}

/// The values of librdkafka's `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// TLS.
    Ssl,
    /// Authenticated, not encrypted.
    SaslPlaintext,
    /// TLS, authenticated.
    SaslSsl,
}

impl SecurityProtocol {
    /// As librdkafka writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// SASL credentials.
#[derive(Debug, Clone)]
pub struct Sasl {
    /// Mechanism, as librdkafka writes it.
    pub mechanism: String,
    /// User name; `None` only with OAUTHBEARER.
    pub username: Option<String>,
    /// Password; `None` only with OAUTHBEARER.
    pub password: Option<Secret>,
}

/// One property of librdkafka.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaProperty {
    /// Which client it is for.
    pub client: PropertyClient,
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

impl std::fmt::Debug for KafkaProperty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = if secrets::is_secret(&self.name) { secrets::HIDDEN.into() } else { secrets::hidden(&self.value) };
        write!(f, "{:?} {}={value}", self.client, self.name)
    }
}

/// Which client a property is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyClient {
    /// All clients.
    Both,
    /// The consumer.
    Consumer,
    /// The producer.
    Producer,
}

/// Where a group without offsets starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the start of the log.
    Earliest,
    /// At its end.
    Latest,
}

/// What becomes of a place in the log that the client cannot take in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnreadable {
    /// Its partition stops there, and is not ready; the others go on.
    Stop,
    /// It is passed over: a dead letter says where.
    Skip,
}

/// A poll never waits longer, whatever the setting: workers ask for rewinds and operators for a stop meanwhile.
pub const POLL_WAIT_MAX: Duration = Duration::from_millis(100);

/// What to do where a replay would have to guess which records went out undecided, or cannot decide one as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnIncompleteProgress {
    /// Refuse to start, or wait for a plugin that works.
    Stop,
    /// Decide by what the plugin says now.
    Accept,
}

/// What is read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Source.
    pub input: String,
    /// Unique events; `None`: metrics only.
    pub output: Option<String>,
    /// Explained duplicates.
    pub duplicates: Option<String>,
    /// Late events.
    pub late: Option<String>,
    /// Dead letters.
    pub dead_letter: Option<String>,
}

/// How surely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Outputs and offsets in one transaction.
    ExactlyOnce {
        /// Start of the transactional ids; `None`: the one that is kept beside the state.
        transactional_id_prefix: Option<String>,
        /// After this the broker aborts.
        transaction_timeout: Duration,
    },
    /// Outputs first, then offsets.
    AtLeastOnce,
}

/// The producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    /// `linger.ms`
    pub linger: Duration,
    /// `queue.buffering.max.kbytes`, in MiB here.
    pub queue_mib: u32,
    /// `queue.buffering.max.messages`
    pub queue_messages: u32,
    /// `message.timeout.ms`
    pub message_timeout: Duration,
    /// `compression.codec`
    pub compression: String,
}

/// What the host must own, and the way out.
const PROPERTIES_OF_THE_HOST: &[(&str, &str)] = &[
    ("bootstrap.servers", "use --kafka-hosts"),
    ("metadata.broker.list", "use --kafka-hosts"),
    ("group.id", "use --kafka-consumer-group"),
    ("auto.offset.reset", "use --kafka-consumer-offset-reset"),
    ("enable.auto.commit", "use --kafka-consumer-auto-commit"),
    ("auto.commit.enable", "use --kafka-consumer-auto-commit"),
    ("enable.auto.offset.store", "the host stores offsets itself"),
    ("isolation.level", "exactly-once reads committed records only"),
    ("transactional.id", "use --transactional-id-prefix"),
    ("transaction.timeout.ms", "use --kafka-transaction-timeout-ms"),
    ("enable.idempotence", "the host needs it, and sets it"),
    ("message.timeout.ms", "use --kafka-message-timeout-ms"),
    ("delivery.timeout.ms", "use --kafka-message-timeout-ms"),
    ("linger.ms", "use --kafka-producer-linger-ms"),
    ("queue.buffering.max.ms", "use --kafka-producer-linger-ms"),
    ("queue.buffering.max.kbytes", "use --kafka-producer-queue-mib"),
    ("queue.buffering.max.messages", "use --kafka-producer-queue-messages"),
    ("compression.codec", "use --kafka-compression-codec"),
    ("compression.type", "use --kafka-compression-codec"),
    ("security.protocol", "use --kafka-security-protocol"),
    ("enable.ssl.certificate.verification", "use --kafka-tls-insecure"),
    ("ssl.ca.location", "use --kafka-ssl-ca-location"),
    ("ssl.certificate.location", "use --kafka-ssl-certificate-location"),
    ("ssl.key.location", "use --kafka-ssl-key-location"),
    ("ssl.key.password", "use --kafka-ssl-key-password"),
    ("sasl.mechanism", "use --kafka-sasl-mechanism"),
    ("sasl.mechanisms", "use --kafka-sasl-mechanism"),
    ("sasl.username", "use --kafka-sasl-username"),
    ("sasl.password", "use --kafka-sasl-password"),
];

const LINGER: &str = "kafka-producer-linger-ms";

/// The default at least once, where an event is seen as soon as it is sent. With exactly-once it is seen when its
/// transaction is committed, which sends what has been gathered, so that a longer wait only saves requests.
const LINGER_AT_LEAST_ONCE_MS: &str = "2";

/// Fills in what follows from other settings, and says so.
pub(super) fn derive(typed: &mut Typed, notes: &mut Vec<String>) -> Result<(), SettingsError> {
    if typed.text("late-topic").is_some() && !typed.given("late") {
        typed.derive("late", "topic".into(), "late-topic is set".into());
    }
    derive_protocol(typed)?;
    derive_workers(typed)?;
    if exactly_once(typed)? {
        derive_timeouts(typed, notes)?;
        explain_prefix(typed);
    } else {
        let unused = ["transactional-id-prefix", "kafka-transaction-timeout-ms"].into_iter();
        notes.extend(
            unused
                .filter(|flag| typed.given(flag))
                .map(|flag| format!("{flag} has no effect with --delivery at-least-once, which has no transactions")),
        );
        if !typed.given(LINGER) {
            typed.derive(LINGER, LINGER_AT_LEAST_ONCE_MS.into(), "at least once, nothing waits for a commit".into());
        }
    }
    if typed.given("poll-timeout-secs") && poll_timeout(typed)? > POLL_WAIT_MAX {
        notes.push("poll-timeout-secs is longer than 0.1 s, the longest that a poll ever waits".into());
    }
    Ok(())
}

fn exactly_once(typed: &Typed) -> Result<bool, SettingsError> {
    typed.need("delivery", |text| units::one_of(text, &[("exactly-once", true), ("at-least-once", false)]))
}

/// More workers than processors decide no faster, and each has transactions of its own, which all cost the broker work.
fn derive_workers(typed: &mut Typed) -> Result<(), SettingsError> {
    const WORKERS: &str = "worker-threads";
    let processors = std::thread::available_parallelism().map_or(usize::MAX, usize::from);
    if !typed.given(WORKERS) && typed.need(WORKERS, units::count)? > processors {
        typed.derive(WORKERS, processors.to_string(), "there are no more processors".into());
    }
    Ok(())
}

pub(super) fn derive_protocol(typed: &mut Typed) -> Result<(), SettingsError> {
    if typed.text("kafka-security-protocol").is_some() {
        return Ok(());
    }
    let tls = typed.need("kafka-tls", units::switch)?;
    let sasl = typed.text("kafka-sasl-mechanism").is_some();
    let (protocol, reason) = match (tls, sasl) {
        (_, true) => ("sasl_ssl", "a SASL mechanism is set, and passwords are sent encrypted"),
        (true, false) => ("ssl", "kafka-tls is set"),
        (false, false) => ("plaintext", "neither TLS nor SASL is asked for"),
    };
    typed.derive("kafka-security-protocol", protocol.into(), reason.into());
    Ok(())
}

/// librdkafka refuses a message timeout longer than the transaction's: whichever of the two is a default gives way.
fn derive_timeouts(typed: &mut Typed, notes: &mut Vec<String>) -> Result<(), SettingsError> {
    const MESSAGE: &str = "kafka-message-timeout-ms";
    const TRANSACTION: &str = "kafka-transaction-timeout-ms";
    let (message, transaction) = (typed.need(MESSAGE, units::millis)?, typed.need(TRANSACTION, units::millis)?);
    if message <= transaction {
        return Ok(());
    }
    if typed.given(MESSAGE) && typed.given(TRANSACTION) {
        let (limit, origin) = (transaction.as_millis(), typed.origin(TRANSACTION));
        let reason = format!("is longer than --{TRANSACTION}, {limit} ms ({origin}): with exactly-once it cannot be");
        return Err(typed.wrong(MESSAGE, reason));
    }
    let (flag, other, to, change) = match typed.given(MESSAGE) {
        true => (TRANSACTION, MESSAGE, message, "raised"),
        false => (MESSAGE, TRANSACTION, transaction, "lowered"),
    };
    let reason = format!("{change} to {other}: with exactly-once a message cannot wait longer than its transaction");
    notes.push(format!("{flag} is {} ms, {reason}", to.as_millis()));
    typed.derive(flag, to.as_millis().to_string(), reason);
    Ok(())
}

/// The prefix is kept beside the state, where nothing is looked up before a run: this is what is said of it until then.
fn explain_prefix(typed: &mut Typed) {
    if typed.text("transactional-id-prefix").is_none() {
        let store = typed.text("store-path").unwrap_or_default();
        let reason = format!("the group and the text in {store}/transactional-id, which the first start generates");
        typed.explain("transactional-id-prefix", reason);
    }
}

/// The name of this machine, if the system tells it.
pub(crate) fn host_name() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let named = files.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let asked = || String::from_utf8(std::process::Command::new("hostname").output().ok()?.stdout).ok();
    named.or_else(asked).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

pub(super) fn config(typed: &Typed) -> Result<KafkaConfig, SettingsError> {
    refuse_auto_commit(typed)?;
    let offset_reset = [("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest)];
    let on_unreadable = [("stop", OnUnreadable::Stop), ("skip", OnUnreadable::Skip)];
    let on_incomplete = [("stop", OnIncompleteProgress::Stop), ("accept", OnIncompleteProgress::Accept)];
    Ok(KafkaConfig {
        connection: connection(typed)?,
        group: typed.need("kafka-consumer-group", units::text)?,
        offset_reset: typed.need("kafka-consumer-offset-reset", |text| units::one_of(text, &offset_reset))?,
        on_log_gap: typed
            .need("on-log-gap", |text| units::one_of(text, &[("stop", OnLogGap::Stop), ("skip", OnLogGap::Skip)]))?,
        on_unreadable: typed.need("on-unreadable", |text| units::one_of(text, &on_unreadable))?,
        on_incomplete_progress: typed.need("on-incomplete-progress", |text| units::one_of(text, &on_incomplete))?,
        poll_timeout: poll_timeout(typed)?,
        topics: topics(typed)?,
        delivery: delivery(typed)?,
        commit_interval: typed.need("commit-interval-ms", units::millis)?,
        producer: producer(typed)?,
    })
}

/// Known to users of other consumers, and so accepted; but only one thing is true of this one.
fn refuse_auto_commit(typed: &Typed) -> Result<(), SettingsError> {
    if !typed.need("kafka-consumer-auto-commit", units::switch)? {
        return Ok(());
    }
    let reason = match exactly_once(typed)? {
        true => {
            "is true, and with exactly-once the offsets are part of the transaction that writes the outputs: a \
             separate commit would lose or repeat events; leave it false"
        }
        false => {
            "is true, and the host commits offsets itself, once the outputs before them are acknowledged: a client that \
             commits on its own could lose events; leave it false (--commit-interval-ms says how often)"
        }
    };
    Err(typed.wrong("kafka-consumer-auto-commit", reason.into()))
}

fn poll_timeout(typed: &Typed) -> Result<Duration, SettingsError> {
    typed.need("poll-timeout-secs", units::seconds_or_less)
}

fn delivery(typed: &Typed) -> Result<Delivery, SettingsError> {
    if !exactly_once(typed)? {
        return Ok(Delivery::AtLeastOnce);
    }
    Ok(Delivery::ExactlyOnce {
        transactional_id_prefix: typed.get("transactional-id-prefix", units::text)?,
        transaction_timeout: typed.need("kafka-transaction-timeout-ms", units::millis)?,
    })
}

fn topics(typed: &Typed) -> Result<Topics, SettingsError> {
    let topics = Topics {
        input: typed.need("kafka-consumer-topic", topic)?,
        output: typed.get("output-topic", topic)?,
        duplicates: typed.get("duplicates-topic", topic)?,
        late: typed.get("late-topic", topic)?,
        dead_letter: typed.get("dead-letter-topic", topic)?,
    };
    let mut seen = vec![("kafka-consumer-topic", topics.input.as_str())];
    let outputs = [
        ("output-topic", &topics.output),
        ("duplicates-topic", &topics.duplicates),
        ("late-topic", &topics.late),
        ("dead-letter-topic", &topics.dead_letter),
    ];
    for (flag, name) in outputs.into_iter().filter_map(|(flag, name)| Some((flag, name.as_deref()?))) {
        if let Some((other, _)) = seen.iter().find(|(_, before)| *before == name) {
            return Err(typed.wrong(flag, format!("is {name}, the same as --{other}: give each its own topic")));
        }
        seen.push((flag, name));
    }
    match (typed.text("late"), &topics.late) {
        (Some("topic"), None) => {
            Err(typed.wrong("late", "is topic, but there is none: give --late-topic TOPIC".into()))
        }
        (Some("pass" | "drop"), Some(_)) => {
            Err(typed.wrong("late-topic", "is set, but --late sends nothing there: leave one of them out".into()))
        }
        _ => Ok(topics),
    }
}

/// Kafka's own rule for a topic's name.
pub(super) fn topic(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 249 || !text.chars().all(legal) || matches!(text, "." | "..") {
        return Err(format!("`{text}` is not a topic's name: 1 to 249 letters, digits, `.`, `_` or `-`"));
    }
    Ok(text.to_owned())
}

pub(super) fn producer(typed: &Typed) -> Result<ProducerConfig, SettingsError> {
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"].map(|codec| (codec, codec));
    let queue_mib = typed.need("kafka-producer-queue-mib", units::small)?;
    if queue_mib >= 1 << 21 {
        return Err(
            typed.wrong("kafka-producer-queue-mib", "is more than the 2097151 MiB that librdkafka accepts".into())
        );
    }
    Ok(ProducerConfig {
        linger: Duration::from_millis(
            typed
                .need(LINGER, |text| {
                    text.parse::<u32>()
                        .ok()
                        .filter(|&ms| ms <= 900_000)
                        .ok_or_else(|| format!("`{text}` is not 0 to 900000"))
                })?
                .into(),
        ),
        queue_mib,
        queue_messages: typed.need("kafka-producer-queue-messages", units::small)?,
        message_timeout: typed.need("kafka-message-timeout-ms", units::millis)?,
        compression: typed.need("kafka-compression-codec", |text| units::one_of(text, &codecs))?.to_owned(),
    })
}

/// librdkafka has no users in addresses: it would look up a host of that name, and write its password to the log.
pub(super) fn refuse_user_of_hosts(typed: &Typed) -> Result<(), SettingsError> {
    if !typed.text("kafka-hosts").is_some_and(|hosts| hosts.contains('@')) {
        return Ok(());
    }
    let reason = "has an `@`, but an address names no user: give KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD";
    Err(typed.wrong("kafka-hosts", reason.into()))
}

pub(super) fn connection(typed: &Typed) -> Result<KafkaConnection, SettingsError> {
    let protocol = protocol(typed)?;
    let certificate = typed.get("kafka-ssl-certificate-location", path)?;
    let key = typed.get("kafka-ssl-key-location", path)?;
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(typed.wrong("kafka-ssl-certificate-location", "needs --kafka-ssl-key-location".into()));
        }
        (None, Some(_)) => {
            return Err(typed.wrong("kafka-ssl-key-location", "needs --kafka-ssl-certificate-location".into()));
        }
    };
    Ok(KafkaConnection {
        hosts: typed.need("kafka-hosts", units::text)?,
        protocol,
        tls_insecure: typed.need("kafka-tls-insecure", units::switch)?,
        ca: typed.get("kafka-ssl-ca-location", path)?,
        certificate,
        key_password: typed.get("kafka-ssl-key-password", secret)?,
        sasl: sasl(typed, protocol)?,
        properties: properties(typed)?,
    })
}

/// The protocol, and no setting of TLS that it would silently ignore.
fn protocol(typed: &Typed) -> Result<SecurityProtocol, SettingsError> {
    let all = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];
    let choices = all.map(|protocol| (protocol.as_str(), protocol));
    let protocol = typed.need("kafka-security-protocol", |text| units::one_of(&text.to_ascii_lowercase(), &choices))?;
    if protocol.has_tls() {
        return Ok(protocol);
    }
    let name = protocol.as_str();
    for flag in ["kafka-tls", "kafka-tls-insecure"] {
        if typed.need(flag, units::switch)? {
            return Err(typed.wrong(flag, format!("is set, but --kafka-security-protocol is {name}, which has no TLS")));
        }
    }
    let of_tls = ["kafka-ssl-ca-location", "kafka-ssl-certificate-location", "kafka-ssl-key-location"];
    match of_tls.into_iter().find(|flag| typed.text(flag).is_some()) {
        Some(flag) => Err(typed.wrong(flag, format!("is set, but the connection is {name}: add --kafka-tls"))),
        None => Ok(protocol),
    }
}

fn sasl(typed: &Typed, protocol: SecurityProtocol) -> Result<Option<Sasl>, SettingsError> {
    let mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"].map(|name| (name, name));
    let mechanism = typed.get("kafka-sasl-mechanism", |text| units::one_of(&text.to_ascii_uppercase(), &mechanisms))?;
    let username = typed.get("kafka-sasl-username", units::text)?;
    let password = typed.get("kafka-sasl-password", secret)?;
    let Some(mechanism) = mechanism else {
        return match (protocol.has_sasl(), username.is_some(), password.is_some()) {
            (true, ..) => Err(typed.wrong("kafka-security-protocol", "needs --kafka-sasl-mechanism".into())),
            (_, true, _) => Err(typed.wrong("kafka-sasl-username", "needs --kafka-sasl-mechanism".into())),
            (_, _, true) => Err(typed.wrong("kafka-sasl-password", "needs --kafka-sasl-mechanism".into())),
            (false, false, false) => Ok(None),
        };
    };
    if !protocol.has_sasl() {
        let reason = format!("is set, but --kafka-security-protocol is {}: use sasl_ssl", protocol.as_str());
        return Err(typed.wrong("kafka-sasl-mechanism", reason));
    }
    if mechanism != "OAUTHBEARER" && (username.is_none() || password.is_none()) {
        return Err(typed.wrong("kafka-sasl-mechanism", "needs --kafka-sasl-username and KAFKA_SASL_PASSWORD".into()));
    }
    Ok(Some(Sasl { mechanism: mechanism.to_owned(), username, password }))
}

fn properties(typed: &Typed) -> Result<Vec<KafkaProperty>, SettingsError> {
    let properties = typed.all("kafka-property").iter().map(|text| property(text));
    properties.collect::<Result<_, _>>().map_err(|reason| typed.wrong("kafka-property", reason))
}

fn property(text: &str) -> Result<KafkaProperty, String> {
    let Some((name, value)) = text.split_once('=') else {
        // What it says is not repeated: it may be the rest of a value with the separator in it.
        return Err("has an entry that is not NAME=VALUE; in the variable, `;` separates entries".to_owned());
    };
    let (client, name) = match name.split_once('.') {
        Some(("consumer", rest)) => (PropertyClient::Consumer, rest),
        Some(("producer", rest)) => (PropertyClient::Producer, rest),
        _ => (PropertyClient::Both, name),
    };
    match PROPERTIES_OF_THE_HOST.iter().find(|(owned, _)| *owned == name) {
        Some((_, way_out)) => Err(format!("`{name}` is set by the host: {way_out}")),
        None if name.is_empty() => Err("has an entry without a name before its `=`".to_owned()),
        None => Ok(KafkaProperty { client, name: name.to_owned(), value: value.to_owned() }),
    }
}
