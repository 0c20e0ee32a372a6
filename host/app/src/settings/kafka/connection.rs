//! Settings of how a broker is reached. Not the client: the connector turns them into properties.

use std::path::PathBuf;

use plain_text::secrets::{HIDDEN, hidden, is_secret};

use plain_text::Secret;
use setting::{Group, Row, Runs, Setting, SettingsError, Taker, Typed, many, one, rows, secret, switch, units};

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
        let value = if is_secret(&self.name) { HIDDEN.into() } else { hidden(&self.value) };
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

const GROUP: Group = Group { title: "Kafka connection", runs: Runs::Kafka, also: &[Taker::Generate] };

rows!(pub(in crate::settings),
    static KAFKA_HOSTS: Setting<String> =
        one(GROUP, "kafka-hosts", "HOST:PORT,...", units::text, "Bootstrap servers").or("localhost:9092");
    static KAFKA_SECURITY_PROTOCOL: Setting<SecurityProtocol> = one(
        GROUP,
        "kafka-security-protocol",
        "PROTOCOL",
        security_protocol,
        "plaintext, ssl, sasl_plaintext or sasl_ssl\n\nUnset: follows from --kafka-tls and --kafka-sasl-mechanism; a \
         mechanism alone means sasl_ssl.",
    );
    static KAFKA_TLS: Setting<bool> =
        switch(GROUP, "kafka-tls", "Encrypt the connection and verify the broker's certificate");
    static KAFKA_TLS_INSECURE: Setting<bool> = switch(
        GROUP,
        "kafka-tls-insecure",
        "Accept any certificate: the connection is encrypted, but anyone can pose as the broker",
    );
    static KAFKA_SSL_CA_LOCATION: Setting<PathBuf> =
        one(GROUP, "kafka-ssl-ca-location", "FILE", units::path, "Certificates to trust; unset: those of the system");
    static KAFKA_SSL_CERTIFICATE_LOCATION: Setting<PathBuf> =
        one(GROUP, "kafka-ssl-certificate-location", "FILE", units::path, "This client's certificate (PEM)");
    static KAFKA_SSL_KEY_LOCATION: Setting<PathBuf> =
        one(GROUP, "kafka-ssl-key-location", "FILE", units::path, "The private key of this client's certificate (PEM)");
    static KAFKA_SSL_KEY_PASSWORD: Setting<Secret> =
        secret(GROUP, "kafka-ssl-key-password", "TEXT", units::secret, "Password of the private key");
    static KAFKA_SASL_MECHANISM: Setting<&'static str> =
        one(GROUP, "kafka-sasl-mechanism", "NAME", mechanism, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER");
    static KAFKA_SASL_USERNAME: Setting<String> = one(GROUP, "kafka-sasl-username", "TEXT", units::text, "User name");
    static KAFKA_SASL_PASSWORD: Setting<Secret> = secret(
        GROUP,
        "kafka-sasl-password",
        "TEXT",
        units::secret,
        "Password\n\nPrefer the variable, because other users of the machine can read command lines.",
    );
    static KAFKA_PROPERTY: Setting<KafkaProperty> = many(
        GROUP,
        "kafka-property",
        "NAME=VALUE",
        ';',
        property,
        "Any other librdkafka property; repeat the flag for several\n\nA name that starts with `consumer.` or \
         `producer.` applies to that client alone. Properties that the host controls are refused. In the variable, \
         `;` separates them.",
    )
    .shown(property_without_secrets);
);

/// What the host must own, and the way out.
const PROPERTIES_OF_THE_HOST: &[(&str, &str)] = &[
    ("bootstrap.servers", "use --kafka-hosts"),
    ("metadata.broker.list", "use --kafka-hosts"),
    ("group.id", "use --kafka-consumer-group"),
    (
        "group.protocol",
        "the host speaks the classic protocol: with that of KIP-848 a member's epoch moves on without a word to the member, \
         and the broker refuses its transactions",
    ),
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

/// Fills in the protocol that follows from other settings.
pub(in crate::settings) fn derive_protocol(typed: &mut Typed) -> Result<(), SettingsError> {
    if typed.text(&KAFKA_SECURITY_PROTOCOL).is_some() {
        return Ok(());
    }
    let tls = typed.need(&KAFKA_TLS)?;
    let sasl = typed.text(&KAFKA_SASL_MECHANISM).is_some();
    let (protocol, reason) = match (tls, sasl) {
        (_, true) => (SecurityProtocol::SaslSsl, "a SASL mechanism is set, and passwords are sent encrypted"),
        (true, false) => (SecurityProtocol::Ssl, "kafka-tls is set"),
        (false, false) => (SecurityProtocol::Plaintext, "neither TLS nor SASL is asked for"),
    };
    typed.derive(&KAFKA_SECURITY_PROTOCOL, protocol.as_str(), reason);
    Ok(())
}

/// librdkafka has no users in addresses: it would look up a host of that name, and write its password to the log.
pub(in crate::settings) fn refuse_user_of_hosts(typed: &Typed) -> Result<(), SettingsError> {
    if !typed.text(&KAFKA_HOSTS).is_some_and(|hosts| hosts.contains('@')) {
        return Ok(());
    }
    let reason = "has an `@`, but an address names no user: give KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD";
    Err(typed.wrong(&KAFKA_HOSTS, reason))
}

/// What the user said of the connection.
pub(in crate::settings) fn connection(typed: &Typed) -> Result<KafkaConnection, SettingsError> {
    let protocol = protocol(typed)?;
    let certificate = match (typed.get(&KAFKA_SSL_CERTIFICATE_LOCATION)?, typed.get(&KAFKA_SSL_KEY_LOCATION)?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(typed.wrong(&KAFKA_SSL_CERTIFICATE_LOCATION, "needs --kafka-ssl-key-location"));
        }
        (None, Some(_)) => {
            return Err(typed.wrong(&KAFKA_SSL_KEY_LOCATION, "needs --kafka-ssl-certificate-location"));
        }
    };
    Ok(KafkaConnection {
        hosts: typed.need(&KAFKA_HOSTS)?,
        protocol,
        tls_insecure: typed.need(&KAFKA_TLS_INSECURE)?,
        ca: typed.get(&KAFKA_SSL_CA_LOCATION)?,
        certificate,
        key_password: typed.get(&KAFKA_SSL_KEY_PASSWORD)?,
        sasl: sasl(typed, protocol)?,
        properties: typed.all(&KAFKA_PROPERTY)?,
    })
}

/// The protocol, and no setting of TLS that it would silently ignore.
fn protocol(typed: &Typed) -> Result<SecurityProtocol, SettingsError> {
    let protocol = typed.need(&KAFKA_SECURITY_PROTOCOL)?;
    if protocol.has_tls() {
        return Ok(protocol);
    }
    let name = protocol.as_str();
    for switch in [&KAFKA_TLS, &KAFKA_TLS_INSECURE] {
        if typed.need(switch)? {
            let reason = format!("is set, but --kafka-security-protocol is {name}, which has no TLS");
            return Err(typed.wrong(switch, reason));
        }
    }
    let of_tls = [&KAFKA_SSL_CA_LOCATION, &KAFKA_SSL_CERTIFICATE_LOCATION, &KAFKA_SSL_KEY_LOCATION];
    match of_tls.into_iter().find(|file| typed.text(file).is_some()) {
        Some(file) => Err(typed.wrong(file, format!("is set, but the connection is {name}: add --kafka-tls"))),
        None => Ok(protocol),
    }
}

fn sasl(typed: &Typed, protocol: SecurityProtocol) -> Result<Option<Sasl>, SettingsError> {
    let mechanism = typed.get(&KAFKA_SASL_MECHANISM)?;
    let username = typed.get(&KAFKA_SASL_USERNAME)?;
    let password = typed.get(&KAFKA_SASL_PASSWORD)?;
    let Some(mechanism) = mechanism else {
        let needs = |row: &Row| Err(typed.wrong(row, "needs --kafka-sasl-mechanism"));
        return match (protocol.has_sasl(), username.is_some(), password.is_some()) {
            (true, ..) => needs(&KAFKA_SECURITY_PROTOCOL),
            (_, true, _) => needs(&KAFKA_SASL_USERNAME),
            (_, _, true) => needs(&KAFKA_SASL_PASSWORD),
            (false, false, false) => Ok(None),
        };
    };
    if !protocol.has_sasl() {
        let reason = format!("is set, but --kafka-security-protocol is {}: use sasl_ssl", protocol.as_str());
        return Err(typed.wrong(&KAFKA_SASL_MECHANISM, reason));
    }
    if mechanism != "OAUTHBEARER" && (username.is_none() || password.is_none()) {
        let reason = "needs --kafka-sasl-username and KAFKA_SASL_PASSWORD";
        return Err(typed.wrong(&KAFKA_SASL_MECHANISM, reason));
    }
    Ok(Some(Sasl { mechanism: mechanism.to_owned(), username, password }))
}

/// In capitals or not.
fn security_protocol(text: &str) -> Result<SecurityProtocol, String> {
    let all = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];
    units::one_of(&text.to_ascii_lowercase(), &all.map(|protocol| (protocol.as_str(), protocol)))
}

/// In capitals or not.
fn mechanism(text: &str) -> Result<&'static str, String> {
    let names = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
    units::one_of(&text.to_ascii_uppercase(), &names.map(|name| (name, name)))
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

/// `sasl.oauthbearer.client.secret=x` without the x.
fn property_without_secrets(text: &str) -> String {
    match text.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        Some((name, value)) => format!("{name}={}", hidden(value)),
        None => HIDDEN.to_owned(),
    }
}
