//! The closed list of settings: name, default, words for help. The flag is the name, the variable and the key of the
//! configuration file follow from it. Not their meaning: that is decided in `config`.

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
    plain(Plugins, "plugin", "FILE", "A wasm component; repeat the flag to give the key extractor and the scorer apart")
        .kind(Many(',')),
    plain(Plugins, "plugin-config", "JSON|@FILE", "Configuration that is handed to the key extractor as it is"),
    plain(Plugins, "scorer-config", "JSON|@FILE", "Configuration that is handed to the similarity scorer as it is"),
    plain(Plugins, "plugin-time-limit-ms", "MS", "Longest time of one call of a plugin, for a batch of 1 MiB or less")
        .or("1000"),
    plain(Plugins, "plugin-memory-mib", "MIB", "Most memory one plugin instance may use; there is one a partition").or("256"),
    plain(
        Plugins,
        "on-plugin-failure",
        "stop|dead-letter|pass",
        "What becomes of a record that a plugin fails on\n\ndead-letter without a dead-letter topic or file passes the \
         record on unchanged and counts it: nothing is lost.",
    )
    .or("dead-letter"),
    plain(
        Plugins,
        "plugin-breaker",
        "SHARE|off",
        "Share of a partition's latest events on which a plugin may fail before it is not called any more\n\nA plugin that \
         fails on more is broken, and its events are no dead letters. On Kafka the partition then waits, holding its \
         place, until the plugin works again or another takes its place; a run over files ends. `off` never waits.",
    )
    .or("0.5"),
    plain(
        Plugins,
        "plugin-wasi",
        "none|stub|inert",
        "What a component gets that was built with WASI\n\nnone refuses it. stub lets it load; calling WASI is a trap. \
         inert gives it a WASI without files, network, arguments and variables, whose clocks stand still and whose random \
         numbers are always the same; what it prints goes to the log.",
    )
    .or("none"),
    plain(
        Plugins,
        "plugin-sha256",
        "HEX",
        "Load only components with this SHA-256; repeat the flag for several",
    )
    .kind(Many(',')),
    plain(
        Plugins,
        "plugin-cache-dir",
        "DIR|auto|off",
        "Where compiled components are kept, so that a start does not compile them again\n\nOnly this user may be able to \
         write there. auto is dedup-host/components in the user's cache directory.",
    )
    .or("auto"),
    plain(
        Plugins,
        "plugin-compile-memory-mib",
        "MIB",
        "Most memory that compiling one component may take\n\nA process of its own compiles it, and is stopped where it \
         wants more.",
    )
    .or("2048"),
    plain(
        Plugins,
        "plugin-compile-timeout-secs",
        "SECS",
        "Longest time that compiling one component may take",
    )
    .or("120"),
    plain(
        Plugins,
        "plugin-watch",
        "on|off",
        "Whether a new file at a plugin's path takes the old one's place while the host runs\n\nIt is compiled and tried \
         in the background, and takes over between two batches; where anything fails the old one stays. SIGHUP, and POST \
         /admin/plugins/reload with --admin-token, do the same at once.",
    )
    .or("on"),
    plain(
        Plugins,
        "plugin-dump-dir",
        "DIR",
        "Where a record that a plugin fails on is written down, for `dedup-host plugin replay`; unset: nowhere\n\nWithout \
         the values of its fields, unless --plugin-dump-values is given. At most 100 files.",
    ),
    plain(Plugins, "plugin-dump-values", "true|false", "Whether dumps hold the values of events").kind(Switch).or("false"),
    plain(
        Deduplication,
        "window",
        "DURATION|none",
        "How long a key is remembered after its first event\n\nUnits are ms, s, m, h, d; `none` or `unlimited` remembers \
         for ever. The variable is not WINDOW, because terminal multiplexers set that one.",
    )
    .env(&["DEDUP_WINDOW"])
    .or("24h"),
    plain(Deduplication, "allowed-lateness", "DURATION", "How far behind the watermark an event may be and still be decided")
        .or("1h"),
    plain(
        Deduplication,
        "max-out-of-orderness",
        "DURATION",
        "How far the watermark stays behind the partition's clock\n\nThe clock is the median time of the partition's last 4096 \
         records, so that wrong clocks of some producers move it nowhere. Before it has seen as many nothing is late.",
    )
    .or("1m"),
    plain(
        Deduplication,
        "max-time-jump",
        "DURATION",
        "How far ahead of its record's timestamp the time in a payload may be\n\nOne that is further ahead comes of a wrong \
         clock: the record's timestamp is used instead, and counted. It has no effect without --event-time, and none on \
         records without a timestamp, as those of files are.",
    )
    .or("1h"),
    plain(
        Deduplication,
        "late",
        "pass|drop|topic|FILE",
        "What becomes of an event later than the allowed lateness\n\nThey are counted whatever happens to them. `topic` \
         sends them to --late-topic. With --input any other value is the file they are written to (./pass for a file of \
         that name).",
    )
    .or("pass"),
    plain(
        Deduplication,
        "event-time",
        "POINTER",
        "Where the event time is in the payload; unset: the record's timestamp\n\nRFC 3339, ISO 8601, RFC 2822, what databases, \
         loggers and languages print by default, or a number since the epoch in seconds, milliseconds, micro- or \
         nanoseconds, by its size. UTC where there is no offset. Where it is of no use the record's timestamp stands in, \
         then the partition's clock; it is counted by reason.",
    ),
    plain(Deduplication, "uuid-field", "POINTER", "Where an event's uuid is; it becomes the key of the output record\n\nAny string that is not empty, number or \
         boolean there is one. Spellings of one uuid (capitals, hyphens, braces, urn:uuid:) are compared as the same, and \
         the key is what is written.")
        .or("/uuid"),
    plain(
        Deduplication,
        "json-in",
        "POINTER",
        "A member whose string is JSON text, as PostHog's `data` is; repeat the flag for several\n\nPointers to what lies \
         below it then go on inside the string, as if it were the value it spells: --json-in /data, and the plugin, \
         --uuid-field, --event-time and the scorer find /data/event. Events are still forwarded as they came. A member that \
         is no string is used as it is; an event with a string that is not JSON is a dead letter. Strings inside such a \
         string are named one by one: --json-in /data --json-in /data/properties. Plugins that read the whole payload get \
         it as it came.",
    )
    .kind(Many(',')),
    plain(
        Deduplication,
        "numbers",
        "as-written|canonical",
        "Whether 1 and 1.0 are the same to a key\n\nas-written hands a plugin the digits as they stand, canonical the \
         number they mean.",
    )
    .or("as-written"),
    plain(Deduplication, "on-missing-key", "pass|dead-letter|drop", "What becomes of a record that has no key").or("pass"),
    plain(
        Explanation,
        "keep-originals",
        "on|off",
        "Whether originals and the counts of their duplicates are kept beside the keys\n\noff is for those who need only \
         the decision: duplicates are then neither counted by key nor scored, and what was kept is deleted. Originals \
         are kept only where a plugin scores, only what it asks for, and only in the room that keys leave under \
         --max-store-capacity.",
    )
    .or("on"),
    plain(
        Explanation,
        "forward-below-similarity",
        "0..1",
        "Forward duplicates that are less alike to every original of their key than this\n\nThey go to the output as \
         distinct events, are counted apart, and are originals of their key from then on, so that copies of them are held \
         back. A key has 16 originals at most. Needs a plugin that scores. A duplicate that could not be scored is not \
         forwarded.",
    ),
    plain(
        Explanation,
        "redact-values",
        "true|false",
        "Hide the values of events in duplicates records and on the page\n\nPaths, scores, counts, uuids and coordinates \
         stay; events and what changed do not, and keys are shown as digests under --redaction-key.",
    )
    .kind(Switch)
    .or("false"),
    plain(
        Explanation,
        "redaction-key",
        "TEXT",
        "Secret of the digests that --redact-values shows in the place of keys; at least 16 characters\n\nHosts with the \
         same one show a key as the same digest. Unset: a random one in the file redaction-key in --store-path, made at \
         the first run. Prefer the variable: other users of the machine can read command lines.",
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
        "Accept any certificate: encrypted, but anyone can be the broker",
    )
    .kind(Switch)
    .or("false"),
    plain(KafkaConnection, "kafka-ssl-ca-location", "FILE", "Certificates to trust; unset: those of the system"),
    plain(KafkaConnection, "kafka-ssl-certificate-location", "FILE", "Our own certificate (PEM)"),
    plain(KafkaConnection, "kafka-ssl-key-location", "FILE", "The private key of our certificate (PEM)"),
    plain(KafkaConnection, "kafka-ssl-key-password", "TEXT", "Password of the private key").kind(Secret),
    plain(KafkaConnection, "kafka-sasl-mechanism", "NAME", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
    plain(KafkaConnection, "kafka-sasl-username", "TEXT", "User name"),
    plain(
        KafkaConnection,
        "kafka-sasl-password",
        "TEXT",
        "Password\n\nPrefer the variable: other users of the machine can read command lines.",
    )
    .kind(Secret),
    plain(
        KafkaConnection,
        "kafka-property",
        "NAME=VALUE",
        "Any further librdkafka property; may be repeated\n\nA name that starts with `consumer.` or `producer.` goes to \
         that client alone. Properties the host must own are refused. In the variable, `;` separates them.",
    )
    .kind(Many(';')),
    plain(KafkaInput, "kafka-consumer-topic", "TOPIC", "Topic to read")
        .alias("input-topic")
        .env(&["KAFKA_CONSUMER_TOPIC", "INPUT_TOPIC"])
        .or("events"),
    plain(KafkaInput, "kafka-consumer-group", "GROUP", "Consumer group").or("kafka-deduplicator"),
    plain(KafkaInput, "kafka-consumer-offset-reset", "earliest|latest", "Where to start when the group has no offset\n\n\
         latest is where the topic ended when the group first started. Partitions that are added later are read from their \
         start in any case.")
        .or("earliest"),
    plain(
        KafkaInput,
        "on-incomplete-progress",
        "stop|accept",
        "What to do where a replay would have to guess which records below the committed offset went out undecided\n\nstop \
         refuses to start where they are known to exist and cannot be found, and holds a partition where the plugin fails on \
         a record that was decided before. accept decides them by what the plugin says now: a mended copy of such a record \
         may then be dropped as its duplicate, or a duplicate may pass.",
    )
    .or("stop"),
    plain(
        KafkaInput,
        "kafka-consumer-auto-commit",
        "true|false",
        "Only false is accepted: the host itself commits offsets, together with or after the outputs",
    )
    .kind(Switch)
    .or("false"),
    plain(
        KafkaInput,
        "on-log-gap",
        "stop|skip",
        "What to do at a start when the log has lost records that are still needed\n\nThat is so when the group's offset \
         lies before the start of the log, so that records were removed unread; and when the state is lost or behind, and \
         the log no longer reaches back as far as keys are remembered. skip goes on with what there is, counted: unread \
         records are lost, and duplicates of records that cannot be learned again pass.",
    )
    .or("stop"),
    plain(
        KafkaInput,
        "on-unreadable",
        "stop|skip",
        "What becomes of records that the client cannot take in: damaged, not to be decompressed, or larger than its limits\n\n\
         stop stops their partition there, which is then not ready and says why, while the others go on; it is tried again \
         now and then. skip passes over them, counted, and says where they are in a dead letter, where there is a topic for \
         it. The limit is --kafka-property consumer.receive.message.max.bytes, for what a batch comes to when it is \
         decompressed, too.",
    )
    .or("stop"),
    plain(
        KafkaInput,
        "poll-timeout-secs",
        "SECS",
        "Longest wait of one poll; may have a fraction, such as 0.05\n\nNo poll waits longer than 0.1 s, whatever is said \
         here: workers and a stop must be heard meanwhile.",
    )
    .or("1"),
    plain(KafkaOutput, "output-topic", "TOPIC", "Topic of the unique events; unset: nothing is forwarded, metrics only"),
    plain(KafkaOutput, "duplicates-topic", "TOPIC", "Topic of the explained duplicates"),
    plain(KafkaOutput, "late-topic", "TOPIC", "Topic of late events; setting it means --late topic"),
    plain(KafkaOutput, "dead-letter-topic", "TOPIC", "Topic of records that cannot be decoded or decided"),
    plain(
        KafkaOutput,
        "on-unsendable",
        "stop|skip",
        "What becomes of a record that its topic does not take, where there is no dead-letter topic\n\nA record is not taken \
         that is larger than the topic or the producer allows (max.message.bytes, message.max.bytes), or that has a time that \
         the topic does not allow. With --dead-letter-topic it goes there without its payload: where it was, how large its \
         parts are, why, and a digest. Without, stop ends the run and says so, and skip drops and counts the record.",
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
        "Start of the transactional ids; unset: the group and a text kept in --store-path\n\nIt must stay the same over \
         restarts, so that a new process shuts out the one before it, and differ between hosts that run at the same time. \
         The text is made at the first run, in the file transactional-id.",
    ),
    plain(
        KafkaOutput,
        "kafka-transaction-timeout-ms",
        "MS",
        "After this the broker aborts a transaction\n\nRaised to KAFKA_MESSAGE_TIMEOUT_MS where only that one is set.",
    )
    .or("15000"),
    plain(KafkaOutput, "commit-interval-ms", "MS", "How long outputs are gathered into one transaction\n\nMost of an event's way \
         through the host with exactly-once. Shorter: earlier, and more work for the broker.")
        .or("20"),
    plain(KafkaOutput, "kafka-producer-linger-ms", "MS", "How long the producer waits to fill a request; 2 unless exactly-once\n\n\
         With exactly-once a commit sends what has been gathered, so that a longer wait costs nothing.")
        .or("10"),
    plain(KafkaOutput, "kafka-producer-queue-mib", "MIB", "Most memory of the producer's queue").or("400"),
    plain(KafkaOutput, "kafka-producer-queue-messages", "N", "Most messages in the producer's queue").or("10000000"),
    plain(
        KafkaOutput,
        "kafka-message-timeout-ms",
        "MS",
        "How long a message may take to be acknowledged\n\nWith exactly-once it cannot be longer than the transaction \
         timeout: the default is lowered to that, and said in the log.",
    )
    .or("20000"),
    plain(KafkaOutput, "kafka-compression-codec", "none|gzip|snappy|lz4|zstd", "Compression of what is produced").or("snappy"),
    plain(Files, "input", "FILE|-", "Newline-delimited JSON to read; `-` is standard input").env(&["INPUT_FILE"]),
    plain(Files, "output", "FILE|-", "Unique events; without it the run only counts").env(&["OUTPUT_FILE"]),
    plain(Files, "duplicates", "FILE|-", "Explained duplicates").env(&["DUPLICATES_FILE"]),
    plain(Files, "dead-letter", "FILE|-", "Records that cannot be decoded or decided").env(&["DEAD_LETTER_FILE"]),
    plain(Files, "report", "FILE|-", "A summary of the run as JSON").env(&["REPORT_FILE"]),
    plain(Files, "resume", "true|false", "Go on with a run that was interrupted, from what it had committed")
        .kind(Switch)
        .or("false"),
    plain(
        Files,
        "overwrite",
        "true|false",
        "Replace outputs that are there already\n\nWithout it, --append or --resume, an output that is there and is not \
         empty is refused before anything is touched.",
    )
    .env(&["OUTPUT_OVERWRITE"])
    .kind(Switch)
    .or("false"),
    plain(Files, "append", "true|false", "Write behind what outputs hold already")
        .env(&["OUTPUT_APPEND"])
        .kind(Switch)
        .or("false"),
    plain(
        Files,
        "input-line-bytes-max",
        "BYTES",
        "Longest line, in bytes or with a unit\n\nA longer one is a dead letter that says where it stands, without its \
         bytes; without --dead-letter it ends the run.",
    )
    .or("256MiB"),
    plain(
        Files,
        "input-expansion-max",
        "N|off",
        "Most bytes that compressed input may become for each of its own\n\nBeyond it the run ends: a few kilobytes that \
         become gigabytes are an attack or a mistake. The first 8 MiB are free. Events are seldom compressed to less than a \
         fiftieth; the same line over and over again is.",
    )
    .or("200"),
    plain(
        State,
        "store-path",
        "DIR",
        "Directory of the state, made with mode 0700; unset: a place of this user's own\n\nThat is $STATE_DIRECTORY where \
         the service manager names one, /var/lib/dedup-host for root, else dedup-host in $XDG_STATE_HOME or \
         ~/.local/state. A directory that others can write, or that belongs to another user, is refused.",
    ),
    plain(
        State,
        "trust-store-owner",
        "true|false",
        "Believe a state whoever owns it or may write it\n\nFor shared volumes that cannot be otherwise, such as those \
         that Kubernetes makes writable by a group (fsGroup). Whoever can write there decides what counts as seen.",
    )
    .kind(Switch)
    .or("false"),
    plain(State, "max-store-capacity", "BYTES", "Most disk a partition's state may use, in bytes or with a unit\n\nOver \
        it the oldest keys are forgotten early, and the window really in force is a metric.")
        .or("1073741824"),
    plain(Checkpoints, "checkpoint-interval-secs", "SECS", "Time between two checkpoints").or("300"),
    plain(Checkpoints, "local-checkpoint-dir", "DIR", "Directory of the checkpoints").or("./checkpoints"),
    plain(Checkpoints, "max-local-checkpoints", "N", "How many are kept").or("5"),
    plain(Checkpoints, "s3-bucket", "NAME", "Object store bucket for checkpoints; unset: local only"),
    plain(Checkpoints, "s3-key-prefix", "TEXT", "Start of the object names").or("deduplication-checkpoints"),
    plain(Checkpoints, "full-upload-interval", "N", "Every n-th checkpoint uploads everything again").or("10"),
    plain(Checkpoints, "s3-timeout-secs", "SECS", "Longest time of one request to the object store").or("300"),
    plain(Checkpoints, "aws-region", "NAME", "Region of the bucket").or("us-east-1"),
    plain(Checkpoints, "aws-endpoint-url", "URL", "Address of an object store that is not AWS")
        .env(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]),
    plain(Checkpoints, "aws-allow-http", "true|false", "Allow an object store without TLS").kind(Switch).or("false"),
    plain(Checkpoints, "aws-access-key-id", "TEXT", "Access key; unset: the usual chain of AWS"),
    plain(Checkpoints, "aws-secret-access-key", "TEXT", "Secret of the access key").kind(Secret),
    plain(Checkpoints, "aws-session-token", "TEXT", "Session token of the access key").kind(Secret),
    plain(
        Limits,
        "max-in-flight-messages",
        "N",
        "Most records read and not yet committed, over all partitions\n\nLarge, because a batch is decided and committed \
         as one: a hundred records in flight would make every transaction a hundred records long. Memory is bounded by \
         --max-memory-bytes.",
    )
    .or("1000000"),
    plain(
        Limits,
        "max-in-flight-messages-per-partition",
        "N",
        "Most records of one partition read and not yet committed\n\nLarge for the same reason as \
         --max-in-flight-messages; a partition at its bound is paused, the others go on.",
    )
    .or("200000"),
    plain(
        Limits,
        "max-memory-bytes",
        "BYTES",
        "Most memory of the records in flight, in bytes or with a unit\n\nLarge enough that it is this bound, and not the \
         count, that holds big events back. The state's memory is not part of it.",
    )
    .or("512MiB"),
    plain(Limits, "worker-threads", "N", "Threads that decide batches; a partition belongs to one of them\n\nOr as many as \
         there are processors, where these are fewer: each has transactions of its own.")
        .or("4"),
    plain(
        Operation,
        "bind-host",
        "HOST",
        "Address of the HTTP server\n\nOn any but a loopback address, whoever reaches the port reads the values of events: \
         hide them with --redact-values, or bind to 127.0.0.1.",
    )
    .or("0.0.0.0"),
    plain(
        Operation,
        "bind-port",
        "PORT",
        "Port of the HTTP server; 0 takes a free one\n\nWith --input there is no HTTP server unless one of --bind-host \
         and --bind-port is given on the command line.",
    )
    .or("8080"),
    plain(
        Operation,
        "http-allowed-hosts",
        "NAME,...",
        "Names by which the HTTP server may be asked, beside addresses, localhost and a name in --bind-host\n\nRequests \
         whose Host header has another name are refused, because a foreign page in somebody's browser can make a name of its \
         own point here. *.example.com is every name below example.com. /_liveness and /_readiness answer to any name, but \
         with no more than yes or no.",
    )
    .kind(Many(',')),
    plain(
        Operation,
        "admin-token",
        "TOKEN",
        "What a caller of the addresses under /admin has to show, as `Authorization: Bearer TOKEN`; unset: there are \
         none\n\nVisible ASCII characters without spaces; 16 of them or more, at random, cannot be guessed.",
    )
    .kind(Secret),
    plain(Operation, "shutdown-timeout-secs", "SECS", "How long a stop may drain before it gives up").or("30"),
    plain(
        Operation,
        "log-format",
        "auto|human|json",
        "auto and human are lines for people, coloured on a terminal; json is one object a line",
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
