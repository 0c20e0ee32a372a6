//! The closed list of settings: name, default, help text. The flag is the name; the variable and the key of the
//! configuration file follow from it. Not their meaning: `config` decides that.

/// A heading of `--help` and of `dedup-host config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Components and what they may use.
    Plugins,
    /// What a duplicate is, and for how long.
    Deduplication,
    /// How alike a duplicate and its original are.
    Explanation,
    /// Broker addresses, TLS, SASL, properties.
    KafkaConnection,
    /// What is read.
    KafkaInput,
    /// What is written, and how surely.
    KafkaOutput,
    /// Newline-delimited JSON in the place of Kafka.
    Files,
    /// The keys seen.
    State,
    /// Copies of the state.
    Checkpoints,
    /// What bounds memory and work.
    Limits,
    /// HTTP, log, shutdown.
    Operation,
}

impl Group {
    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Plugins => "Plugins",
            Self::Deduplication => "Deduplication",
            Self::Explanation => "Explaining duplicates",
            Self::KafkaConnection => "Kafka connection",
            Self::KafkaInput => "Kafka input",
            Self::KafkaOutput => "Kafka output and delivery",
            Self::Files => "Files instead of Kafka",
            Self::State => "State",
            Self::Checkpoints => "Checkpoints (accepted and checked; this version makes none)",
            Self::Limits => "Limits",
            Self::Operation => "HTTP, log and shutdown",
        }
    }
}

/// How many values a setting takes, and whether they may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    One,
    /// One value that is never shown.
    Secret,
    /// A flag that needs no value: `--resume` is `--resume=true`.
    Switch,
    /// The flag may be repeated; in a variable this character separates the values; in a file it is an array.
    Many(char),
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The flag without its dashes. The key in a file is the same with `_` for `-`.
    pub flag: &'static str,
    /// A second name of the flag.
    pub alias: Option<&'static str>,
    /// Environment variables, the first one set wins; empty: the key in upper case.
    pub env: &'static [&'static str],
    /// What stands for the value in the help text.
    pub value: &'static str,
    /// What holds when nobody says anything.
    pub default: Option<&'static str>,
    /// Its heading.
    pub group: Group,
    /// Number of values and secrecy.
    pub kind: Kind,
    /// The first paragraph is the short help.
    pub help: &'static str,
}

impl Setting {
    /// The key in a configuration file.
    #[must_use]
    pub fn key(&self) -> String {
        self.flag.replace('-', "_")
    }

    /// Its environment variables, the strongest first.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        match self.env {
            [] => vec![self.key().to_ascii_uppercase()],
            names => names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn env(mut self, names: &'static [&'static str]) -> Self {
        self.env = names;
        self
    }

    const fn alias(mut self, name: &'static str) -> Self {
        self.alias = Some(name);
        self
    }

    const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}

const fn plain(group: Group, flag: &'static str, value: &'static str, help: &'static str) -> Setting {
    Setting { flag, alias: None, env: &[], value, default: None, group, kind: Kind::One, help }
}

/// The setting with this flag.
#[must_use]
pub fn find(flag: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.flag == flag)
}

use Group::{
    Checkpoints, Deduplication, Explanation, Files, KafkaConnection, KafkaInput, KafkaOutput, Limits, Operation,
    Plugins, State,
};
use Kind::{Many, Secret, Switch};

/// Every setting of a run, in the order of the help text.
pub const SETTINGS: &[Setting] = &[
    plain(
        Plugins,
        "plugin",
        "FILE",
        "A WebAssembly component; repeat the flag to give the key extractor and the scorer separately",
    )
    .kind(Many(',')),
    plain(Plugins, "plugin-config", "JSON|@FILE", "Configuration that the key extractor gets unchanged"),
    plain(Plugins, "scorer-config", "JSON|@FILE", "Configuration that the similarity scorer gets unchanged"),
    plain(Plugins, "plugin-time-limit-ms", "MS", "Maximum time for one call of a plugin, for a batch of up to 1 MiB")
        .or("1000"),
    plain(Plugins, "plugin-memory-mib", "MIB", "Maximum memory of one plugin instance; each partition has one")
        .or("256"),
    plain(
        Plugins,
        "on-plugin-failure",
        "stop|dead-letter|pass",
        "What to do with a record that a plugin fails on\n\nWithout a dead-letter topic or file, dead-letter passes \
         the record on unchanged and counts it: nothing is lost.",
    )
    .or("dead-letter"),
    plain(
        Plugins,
        "plugin-breaker",
        "SHARE|off",
        "Share of a partition's latest events that a plugin may fail on before the host stops calling it\n\nA plugin \
         that fails on more is broken, and its events do not become dead letters. On Kafka, the partition then keeps \
         its position and waits until the plugin works again or another one replaces it; a run over files ends. \
         `off` never waits.",
    )
    .or("0.5"),
    plain(
        Plugins,
        "plugin-wasi",
        "none|stub|inert",
        "What a component that was built with WASI gets\n\nnone refuses it. stub lets it load, and traps when it \
         calls WASI. inert provides a WASI without files, network, arguments or variables, whose clocks stand still \
         and whose random numbers are always the same; what the component prints goes to the log.",
    )
    .or("none"),
    plain(Plugins, "plugin-sha256", "HEX", "Load only components with this SHA-256; repeat the flag for several")
        .kind(Many(',')),
    plain(
        Plugins,
        "plugin-cache-dir",
        "DIR|auto|off",
        "Where compiled components are cached, so that a start does not compile them again\n\nOnly this user may \
         have write access. auto means dedup-host/components in the user's cache directory.",
    )
    .or("auto"),
    plain(
        Plugins,
        "plugin-compile-memory-mib",
        "MIB",
        "Maximum memory for compiling one component\n\nA separate process compiles it, and is stopped if it needs \
         more.",
    )
    .or("2048"),
    plain(
        Plugins,
        "plugin-compile-timeout-secs",
        "SECS",
        "Maximum time for compiling one component\n\nIn a hot swap the line goes first, and compiling may take up to ten \
         times as long.",
    )
    .or("120"),
    plain(
        Plugins,
        "plugin-watch",
        "on|off",
        "Whether a new file at a plugin's path replaces the running plugin\n\nThe host compiles and checks it in the \
         background, and switches between two batches; if anything fails, the old plugin stays. SIGHUP, and POST \
         /admin/plugins/reload with --admin-token, trigger the same at once.",
    )
    .or("on"),
    plain(
        Plugins,
        "plugin-dump-dir",
        "DIR",
        "Where to write records that a plugin fails on, for `dedup-host plugin replay`; unset: nowhere\n\nThe values \
         of their fields are left out unless --plugin-dump-values is set. At most 100 files are written.",
    ),
    plain(Plugins, "plugin-dump-values", "true|false", "Whether dumps contain the values of events")
        .kind(Switch)
        .or("false"),
    plain(
        Deduplication,
        "window",
        "DURATION|none",
        "How long a key is remembered after its first event\n\nUnits are ms, s, m, h, d; `none` or `unlimited` \
         remembers keys for ever. The variable is not WINDOW, because terminal multiplexers set that one.",
    )
    .env(&["DEDUP_WINDOW"])
    .or("24h"),
    plain(
        Deduplication,
        "allowed-lateness",
        "DURATION",
        "How far behind the watermark an event may be and still be decided",
    )
    .or("1h"),
    plain(
        Deduplication,
        "max-out-of-orderness",
        "DURATION",
        "How far the watermark stays behind the partition's clock\n\nThe clock is the median time of the partition's \
         last 4096 records, so that a few producers with wrong clocks cannot move it. Until it has seen that many \
         records, nothing is late.",
    )
    .or("1m"),
    plain(
        Deduplication,
        "max-time-jump",
        "DURATION",
        "How far the time in a payload may be ahead of its record's timestamp\n\nA time further ahead comes from a \
         wrong clock: the record's timestamp is used instead, and the event is counted. Has no effect without \
         --event-time, nor on records without a timestamp, such as lines of a file.",
    )
    .or("1h"),
    plain(
        Deduplication,
        "late",
        "pass|drop|topic|FILE",
        "What to do with an event that is later than the allowed lateness\n\nLate events are counted in any case. \
         `topic` sends them to --late-topic. With --input, any other value is the file that they are written to \
         (./pass for a file of that name).",
    )
    .or("pass"),
    plain(
        Deduplication,
        "event-time",
        "POINTER",
        "Where the payload contains the event time; unset: the record's timestamp\n\nAccepts RFC 3339, ISO 8601, RFC \
         2822, the default formats of databases, loggers and languages, or a number since the epoch, whose size \
         tells whether it counts seconds, milliseconds, microseconds or nanoseconds. Times without an offset are \
         UTC. If the time is unusable, the record's timestamp is used, then the partition's clock; this is counted \
         by reason.",
    ),
    plain(
        Deduplication,
        "uuid-field",
        "POINTER",
        "Where an event contains its uuid, which becomes the key of the output record\n\nAny number, boolean or \
         non-empty string is a uuid. Spellings of one uuid (capitals, hyphens, braces, urn:uuid:) are compared as \
         the same; the key is the text as written.",
    )
    .or("/uuid"),
    plain(
        Deduplication,
        "json-in",
        "POINTER",
        "A member whose string value is JSON text, such as PostHog's `data`; repeat the flag for several\n\nPointers \
         then continue inside the string as if it were the value it encodes: with --json-in /data, the plugin, \
         --uuid-field, --event-time and the scorer find /data/event. Events are still forwarded unchanged. A member \
         that is not a string is used as it is; an event whose string is not JSON becomes a dead letter. Name \
         strings inside such a string one by one: --json-in /data --json-in /data/properties. A plugin that reads \
         the whole payload gets it unchanged.",
    )
    .kind(Many(',')),
    plain(
        Deduplication,
        "numbers",
        "as-written|canonical",
        "Whether 1 and 1.0 give the same key\n\nas-written passes a plugin the digits as they are, canonical the \
         number that they mean.",
    )
    .or("as-written"),
    plain(Deduplication, "on-missing-key", "pass|dead-letter|drop", "What to do with a record that has no key")
        .or("pass"),
    plain(
        Explanation,
        "keep-originals",
        "on|off",
        "Whether to store originals and the counts of their duplicates beside the keys\n\nChoose off if all you need \
         is the decision: duplicates are then neither counted by key nor scored, and what was stored is deleted. \
         Originals are stored only if a plugin scores, only the fields that it asks for, and only in the space that \
         keys leave under --max-store-capacity.",
    )
    .or("on"),
    plain(
        Explanation,
        "forward-below-similarity",
        "0..1",
        "Forward duplicates that are less similar than this to every original of their key\n\nThey go to the output \
         as distinct events, are counted separately, and become originals of their key, so that copies of them are \
         held back. A key has at most 16 originals. Requires a plugin that scores. A duplicate that could not be \
         scored is not forwarded.",
    ),
    plain(
        Explanation,
        "redact-values",
        "true|false",
        "Hide the values of events in duplicates records and on the page\n\nPaths, scores, counts, uuids and \
         coordinates remain; events and changed values do not, and keys are shown as digests under --redaction-key.",
    )
    .kind(Switch)
    .or("false"),
    plain(
        Explanation,
        "redaction-key",
        "TEXT",
        "Secret for the digests that --redact-values shows instead of keys; at least 16 characters\n\nHosts with the \
         same secret show a key as the same digest. Unset: a random secret, generated at the first start and kept in \
         the file redaction-key in --store-path. Prefer the variable, because other users of the machine can read \
         command lines.",
    )
    .kind(Secret),
    plain(KafkaConnection, "kafka-hosts", "HOST:PORT,...", "Bootstrap servers").or("localhost:9092"),
    plain(
        KafkaConnection,
        "kafka-security-protocol",
        "PROTOCOL",
        "plaintext, ssl, sasl_plaintext or sasl_ssl\n\nUnset: follows from --kafka-tls and --kafka-sasl-mechanism; a \
         mechanism alone means sasl_ssl.",
    ),
    plain(KafkaConnection, "kafka-tls", "true|false", "Encrypt the connection and verify the broker's certificate")
        .kind(Switch)
        .or("false"),
    plain(
        KafkaConnection,
        "kafka-tls-insecure",
        "true|false",
        "Accept any certificate: the connection is encrypted, but anyone can pose as the broker",
    )
    .kind(Switch)
    .or("false"),
    plain(KafkaConnection, "kafka-ssl-ca-location", "FILE", "Certificates to trust; unset: those of the system"),
    plain(KafkaConnection, "kafka-ssl-certificate-location", "FILE", "This client's certificate (PEM)"),
    plain(KafkaConnection, "kafka-ssl-key-location", "FILE", "The private key of this client's certificate (PEM)"),
    plain(KafkaConnection, "kafka-ssl-key-password", "TEXT", "Password of the private key").kind(Secret),
    plain(KafkaConnection, "kafka-sasl-mechanism", "NAME", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
    plain(KafkaConnection, "kafka-sasl-username", "TEXT", "User name"),
    plain(
        KafkaConnection,
        "kafka-sasl-password",
        "TEXT",
        "Password\n\nPrefer the variable, because other users of the machine can read command lines.",
    )
    .kind(Secret),
    plain(
        KafkaConnection,
        "kafka-property",
        "NAME=VALUE",
        "Any other librdkafka property; repeat the flag for several\n\nA name that starts with `consumer.` or \
         `producer.` applies to that client alone. Properties that the host controls are refused. In the variable, \
         `;` separates them.",
    )
    .kind(Many(';')),
    plain(KafkaInput, "kafka-consumer-topic", "TOPIC", "Topic to read")
        .alias("input-topic")
        .env(&["KAFKA_CONSUMER_TOPIC", "INPUT_TOPIC"])
        .or("events"),
    plain(KafkaInput, "kafka-consumer-group", "GROUP", "Consumer group").or("kafka-deduplicator"),
    plain(
        KafkaInput,
        "kafka-consumer-offset-reset",
        "earliest|latest",
        "Where to start when the group has no offset\n\nlatest is where the topic ended when the group first \
         started. Partitions that are added later are always read from their start.",
    )
    .or("earliest"),
    plain(
        KafkaInput,
        "on-incomplete-progress",
        "stop|accept",
        "What to do if a replay would have to guess which records below the committed offset went out \
         undecided\n\nstop refuses to start if such records are known to exist and cannot be found, and holds a \
         partition if the plugin fails on a record that was decided before. accept decides them by what the plugin \
         says now: a corrected copy of such a record may then be dropped as its duplicate, or a duplicate may pass.",
    )
    .or("stop"),
    plain(
        KafkaInput,
        "kafka-consumer-auto-commit",
        "true|false",
        "Only false is accepted: the host itself commits offsets, together with the outputs or after them",
    )
    .kind(Switch)
    .or("false"),
    plain(
        KafkaInput,
        "on-log-gap",
        "stop|skip",
        "What to do at a start if the log has lost records that are still needed\n\nThis happens when the group's \
         offset lies before the start of the log, so that records were removed unread, or when the state is lost or \
         behind and the log no longer reaches back as far as keys are remembered. skip continues with what is left, \
         and counts the gap: unread records are lost, and duplicates of records that cannot be learned again pass.",
    )
    .or("stop"),
    plain(
        KafkaInput,
        "on-unreadable",
        "stop|skip",
        "What to do with records that the client cannot read: damaged, not decompressible, or larger than its \
         limits\n\nstop stops their partition there, which is then not ready and says why; the other partitions \
         continue, and the host retries from time to time. skip passes over the records, counts them, and writes \
         their offsets to a dead letter if there is a topic for it. The limit is --kafka-property \
         consumer.receive.message.max.bytes, which also applies to the decompressed size of a batch.",
    )
    .or("stop"),
    plain(
        KafkaInput,
        "poll-timeout-secs",
        "SECS",
        "Maximum wait of one poll; may have a fraction, such as 0.05\n\nNo poll waits longer than 0.1 s whatever \
         this says, because the host must react to workers and to a stop meanwhile.",
    )
    .or("1"),
    plain(KafkaOutput, "output-topic", "TOPIC", "Topic for unique events; unset: nothing is forwarded, metrics only"),
    plain(KafkaOutput, "duplicates-topic", "TOPIC", "Topic for explained duplicates"),
    plain(KafkaOutput, "late-topic", "TOPIC", "Topic for late events; setting it implies --late topic"),
    plain(KafkaOutput, "dead-letter-topic", "TOPIC", "Topic for records that cannot be decoded or decided"),
    plain(
        KafkaOutput,
        "on-unsendable",
        "stop|skip",
        "What to do with a record that its topic does not accept, if there is no dead-letter topic\n\nA topic does \
         not accept a record that is larger than the topic or the producer allows (max.message.bytes, \
         message.max.bytes), or whose timestamp is out of range. With --dead-letter-topic, the record goes there \
         without its payload: its position, the size of its parts, the reason, and a digest. Without one, stop ends \
         the run and says so, and skip drops and counts the record.",
    )
    .or("stop"),
    plain(
        KafkaOutput,
        "delivery",
        "exactly-once|at-least-once",
        "exactly-once commits outputs and offsets in one transaction",
    )
    .or("exactly-once"),
    plain(
        KafkaOutput,
        "transactional-id-prefix",
        "TEXT",
        "Start of the transactional ids; unset: the group and a text kept in --store-path\n\nIt must stay the same \
         across restarts, so that a new process fences its predecessor, and must differ between hosts that run at \
         the same time. The text is generated at the first start, in the file transactional-id.",
    ),
    plain(
        KafkaOutput,
        "kafka-transaction-timeout-ms",
        "MS",
        "Time after which the broker aborts a transaction\n\nRaised to KAFKA_MESSAGE_TIMEOUT_MS if only that one is \
         set.",
    )
    .or("15000"),
    plain(
        KafkaOutput,
        "commit-interval-ms",
        "MS",
        "How long outputs are collected into one transaction\n\nWith exactly-once, this is most of the time that an \
         event spends in the host. Shorter intervals lower the latency and mean more work for the broker.",
    )
    .or("20"),
    plain(
        KafkaOutput,
        "kafka-producer-linger-ms",
        "MS",
        "How long the producer waits to fill a request; 2 unless exactly-once\n\nWith exactly-once, a commit sends \
         what has been collected, so a longer wait costs nothing.",
    )
    .or("10"),
    plain(KafkaOutput, "kafka-producer-queue-mib", "MIB", "Maximum memory of the producer's queue").or("400"),
    plain(KafkaOutput, "kafka-producer-queue-messages", "N", "Maximum number of messages in the producer's queue")
        .or("10000000"),
    plain(
        KafkaOutput,
        "kafka-message-timeout-ms",
        "MS",
        "Maximum time until a message is acknowledged\n\nWith exactly-once, it cannot exceed the transaction \
         timeout: the default is lowered to that, and the log says so.",
    )
    .or("20000"),
    plain(KafkaOutput, "kafka-compression-codec", "none|gzip|snappy|lz4|zstd", "Compression of the output")
        .or("snappy"),
    plain(Files, "input", "FILE|-", "Newline-delimited JSON to read; `-` is standard input").env(&["INPUT_FILE"]),
    plain(Files, "output", "FILE|-", "Unique events; without it, the run only counts").env(&["OUTPUT_FILE"]),
    plain(Files, "duplicates", "FILE|-", "Explained duplicates").env(&["DUPLICATES_FILE"]),
    plain(Files, "dead-letter", "FILE|-", "Records that cannot be decoded or decided").env(&["DEAD_LETTER_FILE"]),
    plain(Files, "report", "FILE|-", "A summary of the run as JSON").env(&["REPORT_FILE"]),
    plain(Files, "resume", "true|false", "Continue an interrupted run from what it had committed")
        .kind(Switch)
        .or("false"),
    plain(
        Files,
        "overwrite",
        "true|false",
        "Replace existing outputs\n\nWithout this, --append or --resume, an output that exists and is not empty is \
         refused before anything is touched.",
    )
    .env(&["OUTPUT_OVERWRITE"])
    .kind(Switch)
    .or("false"),
    plain(Files, "append", "true|false", "Append to existing outputs").env(&["OUTPUT_APPEND"]).kind(Switch).or("false"),
    plain(
        Files,
        "input-line-bytes-max",
        "BYTES",
        "Maximum length of a line, in bytes or with a unit\n\nA longer line becomes a dead letter that says where it \
         is, without its bytes; without --dead-letter, it ends the run.",
    )
    .or("256MiB"),
    plain(
        Files,
        "input-expansion-max",
        "N|off",
        "How many times its size compressed input may expand to\n\nBeyond this, the run ends: a few kilobytes that \
         become gigabytes are an attack or a mistake. The first 8 MiB are exempt. Events rarely compress to less \
         than a fiftieth; the same line over and over again does.",
    )
    .or("200"),
    plain(
        State,
        "store-path",
        "DIR",
        "Directory of the state, created with mode 0700; unset: a directory that belongs to this user\n\nThat is \
         $STATE_DIRECTORY if the service manager sets it, /var/lib/dedup-host for root, otherwise dedup-host in \
         $XDG_STATE_HOME or ~/.local/state. A directory that others can write to, or that belongs to another user, \
         is refused.",
    ),
    plain(
        State,
        "trust-store-owner",
        "true|false",
        "Trust a state whoever owns it or can write to it\n\nFor shared volumes that cannot be private, such as \
         those that Kubernetes makes writable by a group (fsGroup). Whoever can write there decides what counts as \
         seen.",
    )
    .kind(Switch)
    .or("false"),
    plain(
        State,
        "max-store-capacity",
        "BYTES",
        "Maximum disk space for the state of a partition, in bytes or with a unit\n\nBeyond it, the oldest keys are \
         forgotten early; a metric shows the window in force.",
    )
    .or("1073741824"),
    plain(Checkpoints, "checkpoint-interval-secs", "SECS", "Time between two checkpoints").or("300"),
    plain(Checkpoints, "local-checkpoint-dir", "DIR", "Directory of the checkpoints").or("./checkpoints"),
    plain(Checkpoints, "max-local-checkpoints", "N", "Number of checkpoints to keep").or("5"),
    plain(Checkpoints, "s3-bucket", "NAME", "Object store bucket for checkpoints; unset: local only"),
    plain(Checkpoints, "s3-key-prefix", "TEXT", "Start of the object names").or("deduplication-checkpoints"),
    plain(Checkpoints, "full-upload-interval", "N", "Every n-th checkpoint uploads everything again").or("10"),
    plain(Checkpoints, "s3-timeout-secs", "SECS", "Maximum time for one request to the object store").or("300"),
    plain(Checkpoints, "aws-region", "NAME", "Region of the bucket").or("us-east-1"),
    plain(Checkpoints, "aws-endpoint-url", "URL", "Address of an object store that is not AWS").env(&[
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT",
    ]),
    plain(Checkpoints, "aws-allow-http", "true|false", "Allow an object store without TLS").kind(Switch).or("false"),
    plain(Checkpoints, "aws-access-key-id", "TEXT", "Access key; unset: the usual AWS chain"),
    plain(Checkpoints, "aws-secret-access-key", "TEXT", "Secret of the access key").kind(Secret),
    plain(Checkpoints, "aws-session-token", "TEXT", "Session token of the access key").kind(Secret),
    plain(
        Limits,
        "max-in-flight-messages",
        "N",
        "Maximum number of records read and not yet committed, over all partitions\n\nLarge, because a batch is \
         decided and committed as one: a hundred records in flight would make every transaction a hundred records \
         long. --max-memory-bytes limits the memory.",
    )
    .or("1000000"),
    plain(
        Limits,
        "max-in-flight-messages-per-partition",
        "N",
        "Maximum number of records of one partition read and not yet committed\n\nLarge for the same reason as \
         --max-in-flight-messages; a partition at its limit is paused, and the others continue.",
    )
    .or("200000"),
    plain(
        Limits,
        "max-memory-bytes",
        "BYTES",
        "Maximum memory for the records in flight, in bytes or with a unit\n\nLarge enough that this limit, not the \
         count, holds back big events. The memory of the state is not included.",
    )
    .or("512MiB"),
    plain(
        Limits,
        "worker-threads",
        "N",
        "Threads that decide batches; each partition belongs to one of them\n\nLimited to the number of processors, \
         because each worker has its own transactions.",
    )
    .or("4"),
    plain(
        Operation,
        "bind-host",
        "HOST",
        "Address of the HTTP server\n\nOn any but a loopback address, everyone who can reach the port can read the \
         values of events: hide them with --redact-values, or bind to 127.0.0.1.",
    )
    .or("0.0.0.0"),
    plain(
        Operation,
        "bind-port",
        "PORT",
        "Port of the HTTP server; 0 picks a free one\n\nWith --input, there is no HTTP server unless --bind-host or \
         --bind-port is given on the command line.",
    )
    .or("8080"),
    plain(
        Operation,
        "http-allowed-hosts",
        "NAME,...",
        "Host names that the HTTP server answers to, besides addresses, localhost and a name in \
         --bind-host\n\nRequests with any other Host header are refused, because a foreign page in somebody's \
         browser can point a name of its choice here. *.example.com means every name below example.com. /_liveness \
         and /_readiness answer to any name, but only with yes or no.",
    )
    .kind(Many(',')),
    plain(
        Operation,
        "admin-token",
        "TOKEN",
        "Token for everything under /admin, sent as `Authorization: Bearer TOKEN`; unset: /admin is off\n\nVisible \
         ASCII characters without spaces; 16 or more random ones cannot be guessed.",
    )
    .kind(Secret),
    plain(
        Operation,
        "shutdown-timeout-secs",
        "SECS",
        "How long a stop may drain before it gives up\n\nAlso how long a worker may take to release partitions in a \
         rebalance; what it has not committed by then is abandoned and read again.",
    )
    .or("30"),
    plain(
        Operation,
        "log-format",
        "auto|human|json",
        "auto and human write lines for people, coloured on a terminal; json writes one object per line",
    )
    .or("auto"),
    plain(
        Operation,
        "log-level",
        "LEVEL",
        "error, warn, info, debug, trace, or a filter such as info,dedup_host=debug",
    )
    .env(&["LOG_LEVEL", "RUST_LOG"])
    .or("info"),
];
