//! Settings from the outside: what is typed, and what comes of it or how it is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use connectors::{ByLane, Lane};
use file_connector::Existing;

use super::config::{ExplanationConfig, LatePolicy, LogFormat, Mode, OnMissingKey, OnPluginFailure, OnUnsendable};
use super::files::{FilesConfig, Stream};
use super::generate::GenerateTarget;
use super::kafka::{Delivery, KafkaConfig, OnLogGap, OnUnreadable, PropertyClient, SecurityProtocol};
use super::table::settings;
use super::*;
use crate::exit::ExitCode;
use ::plugin::Wasi;

fn invoke(line: &str, variables: &[(&str, &str)]) -> Result<Invocation, UsageError> {
    let words = std::iter::once("dedup-host").chain(line.split_whitespace()).map(OsString::from);
    let find =
        |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, text)| OsString::from(*text));
    read(words, &find)
}

fn run_with(line: &str, variables: &[(&str, &str)]) -> Config {
    match invoke(&format!("--plugin p.wasm {line}"), variables) {
        Ok(Invocation::Run(config)) => *config,
        other => panic!("{line}: {other:?}"),
    }
}

fn run(line: &str) -> Config {
    run_with(line, &[])
}

fn kafka(config: Config) -> KafkaConfig {
    match config.mode {
        Mode::Kafka(kafka) => *kafka,
        Mode::Files(files) => panic!("{files:?}"),
    }
}

fn files(config: Config) -> FilesConfig {
    match config.mode {
        Mode::Files(files) => files,
        Mode::Kafka(kafka) => panic!("{kafka:?}"),
    }
}

/// The refusal of a run says all of `parts`.
fn refused_with(line: &str, variables: &[(&str, &str)], parts: &[&str]) {
    let error = invoke(&format!("--plugin p.wasm {line}"), variables).unwrap_err();
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{line}: `{part}` is not in: {text}");
    }
    assert_eq!(error.report(), ExitCode::Usage);
}

fn refused(line: &str, parts: &[&str]) {
    refused_with(line, &[], parts);
}

fn shown(line: &str, variables: &[(&str, &str)]) -> String {
    match invoke(&format!("config {line}"), variables) {
        Ok(Invocation::Show(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn toml_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn the_command_line_is_sound() {
    cli::command().debug_assert();
}

#[test]
fn no_flag_variable_or_key_has_two_meanings() {
    let flags = settings().flat_map(|setting| [Some(setting.flag), setting.alias]).flatten().collect::<Vec<_>>();
    let variables = settings().flat_map(|setting| setting.variables()).collect::<Vec<_>>();
    assert_eq!(flags.iter().collect::<BTreeSet<_>>().len(), flags.len());
    assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len());
}

/// What stands for a value in the help text names words in small letters, and kinds of values in capitals.
#[test]
fn every_default_and_every_word_of_the_help_is_a_value() {
    for setting in settings() {
        let (flag, value) = (setting.flag, setting.value());
        if let Some(default) = setting.default {
            assert_eq!(setting.check(default), Ok(()), "--{flag}");
        }
        let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        for word in value.split('|').filter(|word| is_word(word)) {
            assert_eq!(setting.check(word), Ok(()), "--{flag} {word}");
        }
        if value.split('|').all(is_word) {
            let reason = setting.check("nonsense").unwrap_err();
            assert!(reason.contains("nonsense"), "--{flag} {reason}");
        }
    }
}

/// Commands have arguments of their own beside these, some with the name of a setting, but under no heading of theirs.
#[test]
fn a_command_takes_the_settings_that_are_for_it_and_no_others() {
    let takers: [(Taker, &[&str]); 7] = [
        (Taker::Generate, &["generate"]),
        (Taker::Inspect, &["plugin", "inspect"]),
        (Taker::Test, &["plugin", "test"]),
        (Taker::Conformance, &["plugin", "conformance"]),
        (Taker::Bench, &["plugin", "bench"]),
        (Taker::Replay, &["plugin", "replay"]),
        (Taker::Checkpoint, &["checkpoint", "verify"]),
    ];
    let all = cli::command();
    for (taker, names) in takers {
        let command = names.iter().fold(&all, |command, name| command.find_subcommand(name).unwrap());
        for setting in settings() {
            let is_setting = |arg: &clap::Arg| arg.get_help_heading() == Some(setting.group.title);
            let taken = command.get_arguments().any(|arg| arg.get_long() == Some(setting.flag) && is_setting(arg));
            assert_eq!(taken, setting.is_for(taker), "{names:?} --{}", setting.flag);
        }
    }
}

#[test]
fn the_promised_variables_exist_with_their_defaults() {
    let promised = [
        ("KAFKA_HOSTS", Some("localhost:9092")),
        ("KAFKA_CONSUMER_GROUP", Some("kafka-deduplicator")),
        ("KAFKA_CONSUMER_TOPIC", Some("events")),
        ("INPUT_TOPIC", Some("events")),
        ("KAFKA_CONSUMER_OFFSET_RESET", Some("earliest")),
        ("KAFKA_CONSUMER_AUTO_COMMIT", Some("false")),
        // 20 was promised; README says why it is smaller.
        ("KAFKA_PRODUCER_LINGER_MS", Some("10")),
        ("KAFKA_PRODUCER_QUEUE_MIB", Some("400")),
        ("KAFKA_PRODUCER_QUEUE_MESSAGES", Some("10000000")),
        ("KAFKA_MESSAGE_TIMEOUT_MS", Some("20000")),
        ("KAFKA_COMPRESSION_CODEC", Some("snappy")),
        ("OUTPUT_TOPIC", None),
        ("DUPLICATES_TOPIC", None),
        ("LATE_TOPIC", None),
        ("DEAD_LETTER_TOPIC", None),
        // Promised was one in /tmp, where any user could put a state before the host does.
        ("STORE_PATH", None),
        ("MAX_STORE_CAPACITY", Some("1073741824")),
        // A hundred, and 64 MiB, were promised for these three; the help text says why they are larger.
        ("MAX_IN_FLIGHT_MESSAGES", Some("1000000")),
        ("MAX_IN_FLIGHT_MESSAGES_PER_PARTITION", Some("200000")),
        ("MAX_MEMORY_BYTES", Some("512MiB")),
        ("WORKER_THREADS", Some("4")),
        ("POLL_TIMEOUT_SECS", Some("1")),
        ("SHUTDOWN_TIMEOUT_SECS", Some("30")),
        ("BIND_HOST", Some("0.0.0.0")),
        ("BIND_PORT", Some("8080")),
        ("CHECKPOINT_INTERVAL_SECS", Some("300")),
        ("LOCAL_CHECKPOINT_DIR", Some("./checkpoints")),
        ("S3_BUCKET", None),
        ("S3_KEY_PREFIX", Some("deduplication-checkpoints")),
        ("FULL_UPLOAD_INTERVAL", Some("10")),
        ("AWS_REGION", Some("us-east-1")),
        ("MAX_LOCAL_CHECKPOINTS", Some("5")),
        ("S3_TIMEOUT_SECS", Some("300")),
    ];
    for (variable, default) in promised {
        let setting = settings().find(|setting| setting.variables().iter().any(|name| name == variable)).unwrap();
        assert_eq!(setting.default, default, "{variable}");
        let flag = variable.to_ascii_lowercase().replace('_', "-");
        assert!(setting.flag == flag || setting.alias == Some(flag.as_str()), "{variable}: --{}", setting.flag);
    }
}

#[test]
fn defaults_make_a_run_that_needs_only_a_plugin() {
    let config = run("");
    assert_eq!(config.plugin.files, [std::path::PathBuf::from("p.wasm")]);
    assert_eq!(config.plugin.on_failure, OnPluginFailure::DeadLetter);
    assert_eq!((config.plugin.time_limit, config.plugin.memory_bytes), (Duration::from_secs(1), 256 << 20));
    assert_eq!(config.window.window, Some(Duration::from_secs(24 * 3600)));
    assert_eq!((config.window.late, config.records.on_missing_key), (LatePolicy::Pass, OnMissingKey::Pass));
    assert_eq!((config.state.capacity_bytes, config.state.trust_owner), (1 << 30, false));
    assert!(
        config.state.path.is_absolute() && !config.state.path.starts_with("/tmp"),
        "{}",
        config.state.path.display()
    );
    assert_eq!((config.limits.in_flight_records, config.limits.in_flight_bytes), (1_000_000, 512 << 20));
    assert_eq!(config.http.as_ref().unwrap().port, 8080);
    assert_eq!(config.log.format, LogFormat::Auto);
    let kafka = kafka(config);
    assert_eq!((kafka.topics.input.as_str(), kafka.topics.outputs), ("events", ByLane::default()));
    assert_eq!(kafka.connection.protocol, SecurityProtocol::Plaintext);
    let error = invoke("", &[]).unwrap_err();
    assert!(error.to_string().contains("no plugin") && error.report() == ExitCode::Usage, "{error}");
}

#[test]
fn the_linger_depends_on_the_delivery_and_gives_way_to_what_is_said() {
    let linger = |line: &str| kafka(run(line)).producer.linger.as_millis();
    assert_eq!((linger(""), linger("--delivery at-least-once")), (10, 2));
    let said = "--kafka-producer-linger-ms 20";
    assert_eq!((linger(said), linger(&format!("{said} --delivery at-least-once"))), (20, 20));
}

#[test]
fn there_are_no_more_workers_than_processors_unless_said() {
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(run("").limits.worker_threads, processors.min(4));
    assert_eq!(run("--worker-threads 64").limits.worker_threads, 64);
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let file =
        toml_file("kafka_consumer_group = \"file\"\nkafka_hosts = \"file:1\"\nbind_port = 7\npoll_timeout_secs = 9\n");
    let line = format!("--config {} --kafka-consumer-group flag", file.path().display());
    let variables = [("KAFKA_CONSUMER_GROUP", "variable"), ("KAFKA_HOSTS", "variable:1"), ("BIND_PORT", "")];
    let config = run_with(&line, &variables);
    assert_eq!(config.http.as_ref().unwrap().port, 7, "an empty variable counts as not set");
    let kafka = kafka(config);
    assert_eq!((kafka.group.as_str(), kafka.connection.hosts.as_str()), ("flag", "variable:1"));
    assert_eq!((kafka.poll_timeout, kafka.commit_interval), (Duration::from_secs(9), Duration::from_millis(20)));
    let by_variable = run_with("", &[("CONFIG_FILE", &file.path().display().to_string())]);
    assert_eq!(by_variable.http.unwrap().port, 7);
}

#[test]
fn a_topic_has_two_flags_and_two_variables() {
    let topic = |line: &str, variables: &[(&str, &str)]| kafka(run_with(line, variables)).topics.input;
    assert_eq!(topic("--input-topic a", &[]), "a");
    assert_eq!(topic("", &[("INPUT_TOPIC", "b")]), "b");
    assert_eq!(topic("", &[("INPUT_TOPIC", "b"), ("KAFKA_CONSUMER_TOPIC", "c")]), "c");
}

#[test]
fn a_file_is_refused_by_the_name_of_the_key() {
    let refused_file = |text: &str, parts: &[&str]| {
        let file = toml_file(text);
        refused(&format!("--config {}", file.path().display()), parts);
    };
    refused_file("kafka_host = 1", &["configuration file", "`kafka_host` is not a setting", "dedup-host config"]);
    refused_file("kafka-hosts = 1", &["`kafka-hosts` is not a setting", "written `kafka_hosts`"]);
    refused_file("DEDUP_WINDOW = \"1h\"", &["written `window`"]);
    refused_file("window = [1]", &["`window` is of type array"]);
    refused_file("window = ", &["configuration file"]);
    refused_file("window = \"1\"", &["--window (file ", "`1` is not a duration"]);
    refused("--config /nowhere/x.toml", &["/nowhere/x.toml", "No such file"]);
}

#[test]
fn a_wrong_value_is_refused_with_where_it_comes_from() {
    refused("--window 24", &["--window (command line) `24` is not a duration", "24h"]);
    refused_with("", &[("DEDUP_WINDOW", "x")], &["--window (environment variable DEDUP_WINDOW)"]);
    refused("--window 0", &["remembers nothing"]);
    refused("--kafka-consumer-offset-reset never", &["`never` is not one of earliest, latest"]);
    refused("--worker-threads 0", &["must be at least 1"]);
    refused("--max-memory-bytes 1G", &["--max-memory-bytes (command line) `1G` is not a size"]);
    refused("--event-time time", &["is not a JSON pointer"]);
    refused("--log-level debgu", &["`debgu` is not error, warn"]);
    refused("--on-plugin-failure never", &["stop, dead-letter, pass"]);
    refused("--kafka-consumer-topic a/b", &["is not a topic's name"]);
    refused("--plugin-config @/nowhere.json", &["--plugin-config (command line) cannot read /nowhere.json"]);
    refused("--plugin-memory-mib 5000", &["4096 MiB"]);
    refused("--plugin-breaker 2", &["--plugin-breaker"]);
    refused("--plugin-wasi preview1", &["none, stub, inert"]);
    refused("--plugin-sha256 abc", &["64 hexadecimal digits", "sha256sum"]);
    refused("--plugin-watch maybe", &["on, off"]);
    refused("--kafka-compression-codec lzma", &["none, gzip, snappy, lz4, zstd"]);
    assert!(run_with("", &[("RUST_LOG", "info,rdkafka=debug")]).log.level.ends_with("debug"));
}

#[test]
fn what_surrounds_a_plugin_can_be_chosen() {
    let plugin = run("").plugin;
    assert_eq!((plugin.breaker, plugin.wasi, plugin.watch), (Some(0.5), Wasi::None, true));
    assert_eq!((plugin.sha256, plugin.dump_dir, plugin.dump_values), (vec![], None, false));
    let digest = "AB".repeat(32);
    let line = format!(
        "--plugin-breaker off --plugin-wasi inert --plugin-watch off --plugin-sha256 {digest} --plugin-cache-dir off \
         --plugin-dump-dir /d --plugin-dump-values"
    );
    let plugin = run(&line).plugin;
    assert_eq!((plugin.breaker, plugin.wasi, plugin.watch, plugin.cache_dir), (None, Wasi::Inert, false, None));
    assert_eq!((plugin.sha256, plugin.dump_values), (vec![digest.to_lowercase()], true));
    assert_eq!(run("--plugin-cache-dir /c").plugin.cache_dir, Some("/c".into()));
    let secret = run("--admin-token hush").http.and_then(|http| http.admin_token);
    assert_eq!(secret.map(|token| token.expose().to_owned()), Some("hush".to_owned()));
    let names = run("--http-allowed-hosts A.b,*.c --http-allowed-hosts d").http.map(|http| http.allowed_hosts);
    assert_eq!(names, Some(vec!["a.b".to_owned(), "*.c".to_owned(), "d".to_owned()]));
    let names = run_with("", &[("HTTP_ALLOWED_HOSTS", "a, b")]).http.map(|http| http.allowed_hosts);
    assert_eq!(names, Some(vec!["a".to_owned(), "b".to_owned()]));
    refused("--http-allowed-hosts a:80", &["--http-allowed-hosts", "not the name of a host"]);
}

#[test]
fn defaults_give_way_and_two_wishes_that_do_not_fit_are_refused() {
    assert_eq!(run("--window 10m").window.allowed_lateness, Duration::from_secs(600));
    assert_eq!(run("--window none").window.allowed_lateness, Duration::from_secs(3600));
    refused("--window 10m --allowed-lateness 1h", &["--allowed-lateness", "is more than --window, which is 10m"]);
    let limits = run_with("", &[("MAX_IN_FLIGHT_MESSAGES", "100")]).limits;
    assert_eq!((limits.in_flight_records, limits.in_flight_records_per_partition), (100, 100));
    refused(
        "--max-in-flight-messages 5 --max-in-flight-messages-per-partition 6",
        &["--max-in-flight-messages-per-partition", "which is 5 (command line)"],
    );
}

#[test]
fn a_message_never_waits_longer_than_its_transaction() {
    let timeouts = |line: &str, variables: &[(&str, &str)]| {
        let config = run_with(line, variables);
        let notes = config.notes.join("\n");
        let kafka = kafka(config);
        let transaction = match kafka.delivery {
            Delivery::ExactlyOnce { transaction_timeout, .. } => transaction_timeout.as_millis(),
            Delivery::AtLeastOnce => 0,
        };
        (kafka.producer.message_timeout.as_millis(), transaction, notes)
    };
    let (message, transaction, notes) = timeouts("", &[]);
    assert_eq!((message, transaction), (15_000, 15_000));
    assert!(notes.contains("kafka-message-timeout-ms is 15000 ms, lowered"), "{notes}");
    let (message, transaction, notes) = timeouts("", &[("KAFKA_MESSAGE_TIMEOUT_MS", "20000")]);
    assert_eq!((message, transaction), (20_000, 20_000));
    assert!(notes.contains("kafka-transaction-timeout-ms is 20000 ms, raised"), "{notes}");
    assert_eq!(timeouts("--kafka-transaction-timeout-ms 60000", &[]), (20_000, 60_000, String::new()));
    assert_eq!(timeouts("--delivery at-least-once", &[]), (20_000, 0, String::new()));
    refused(
        "--kafka-message-timeout-ms 30000 --kafka-transaction-timeout-ms 20000",
        &["--kafka-message-timeout-ms", "longer than --kafka-transaction-timeout-ms, 20000 ms (command line)"],
    );
}

#[test]
fn auto_commit_is_refused_with_the_reason_for_each_delivery() {
    let variables = [("KAFKA_CONSUMER_AUTO_COMMIT", "true")];
    refused_with("", &variables, &["KAFKA_CONSUMER_AUTO_COMMIT", "part of the transaction", "leave it false"]);
    refused_with("--delivery at-least-once", &variables, &["acknowledged", "leave it false", "--commit-interval-ms"]);
    let _accepted = run_with("", &[("KAFKA_CONSUMER_AUTO_COMMIT", "false")]);
}

#[test]
fn a_poll_timeout_may_be_short_and_a_long_one_is_told_from_what_is_done() {
    let config = run("--poll-timeout-secs 0.05");
    assert!(!config.notes.join("\n").contains("poll-timeout-secs"), "{:?}", config.notes);
    assert_eq!(kafka(config).poll_timeout, Duration::from_millis(50));
    let config = run_with("", &[("POLL_TIMEOUT_SECS", "2")]);
    assert!(config.notes.join("\n").contains("poll-timeout-secs is longer than 0.1 s"), "{:?}", config.notes);
    refused("--poll-timeout-secs 0", &["--poll-timeout-secs", "0.001 to 86400"]);
    refused("--poll-timeout-secs 5s", &["--poll-timeout-secs"]);
}

#[test]
fn settings_that_would_do_nothing_are_refused_or_said() {
    refused("--plugin-dump-values", &["--plugin-dump-values", "give --plugin-dump-dir"]);
    for flag in ["worker-threads", "max-in-flight-messages", "max-memory-bytes", "shutdown-timeout-secs"] {
        refused(&format!("--input a --{flag} 5"), &[&format!("--{flag} (command line)"), "combined with --input"]);
    }
    let line = "--delivery at-least-once --transactional-id-prefix p --kafka-transaction-timeout-ms 20000";
    let notes = run(line).notes.join("\n");
    for flag in ["transactional-id-prefix", "kafka-transaction-timeout-ms"] {
        assert!(notes.contains(&format!("{flag} has no effect with --delivery at-least-once")), "{notes}");
    }
}

#[test]
fn the_transactional_id_nobody_chose_is_kept_beside_the_state() {
    let prefix = |line: &str| match kafka(run(line)).delivery {
        Delivery::ExactlyOnce { transactional_id_prefix, .. } => transactional_id_prefix,
        Delivery::AtLeastOnce => panic!("transactions are the default"),
    };
    assert_eq!((prefix(""), prefix("--transactional-id-prefix mine").as_deref()), (None, Some("mine")));
    let text = shown("--store-path /var/lib/dedup", &[]);
    let line = "# transactional_id_prefix is not set: the group and the text in /var/lib/dedup/transactional-id, \
     which the first start generates";
    assert!(text.lines().any(|is| is == line), "{text}");
}

#[test]
fn a_gap_in_the_log_stops_the_run_unless_told_otherwise() {
    assert_eq!(kafka(run("")).on_log_gap, OnLogGap::Stop);
    assert_eq!(kafka(run("--on-log-gap skip")).on_log_gap, OnLogGap::Skip);
    refused("--on-log-gap pass", &["--on-log-gap", "stop, skip"]);
    assert_eq!(kafka(run("")).on_unreadable, OnUnreadable::Stop);
    assert_eq!(kafka(run("--on-unreadable skip")).on_unreadable, OnUnreadable::Skip);
    assert_eq!(run("").records.on_unsendable, OnUnsendable::Stop);
    assert_eq!(run("--on-unsendable skip").records.on_unsendable, OnUnsendable::Skip);
    refused("--on-unsendable dead-letter", &["--on-unsendable", "stop, skip"]);
}

#[test]
fn no_topic_is_used_twice() {
    refused("--output-topic events", &["--output-topic", "is events, the same as --kafka-consumer-topic"]);
    refused("--output-topic a --dead-letter-topic a", &["--dead-letter-topic", "the same as --output-topic"]);
    refused("--late-topic a --duplicates-topic a", &["--late-topic", "the same as --duplicates-topic"]);
}

#[test]
fn late_events_go_to_a_topic_that_exists() {
    let config = run("--late-topic later");
    assert_eq!(config.window.late, LatePolicy::Divert);
    assert_eq!(kafka(config).topics.outputs[Lane::Late].as_deref(), Some("later"));
    refused("--late topic", &["--late (command line) is topic, but there is none: give --late-topic"]);
    refused("--late drop --late-topic later", &["--late-topic", "sends nothing there"]);
    refused("--late later.ndjson", &["`later.ndjson` is not one of pass, drop, topic"]);
    refused("--on-missing-key dead-letter", &["--on-missing-key", "give --dead-letter-topic"]);
    assert!(run("--on-missing-key dead-letter --dead-letter-topic d").has_dead_letters());
}

#[test]
fn a_password_is_sent_encrypted_unless_asked_otherwise() {
    let secret = [("KAFKA_SASL_PASSWORD", "hunter2")];
    let line = "--kafka-sasl-mechanism scram-sha-512 --kafka-sasl-username me";
    let connection = kafka(run_with(line, &secret)).connection;
    assert_eq!((connection.protocol, connection.tls_insecure), (SecurityProtocol::SaslSsl, false));
    let sasl = connection.sasl.as_ref().unwrap();
    assert_eq!((sasl.mechanism.as_str(), sasl.password.as_ref().unwrap().expose()), ("SCRAM-SHA-512", "hunter2"));
    assert!(!format!("{connection:?}").contains("hunter2"));
    assert_eq!(kafka(run("--kafka-tls")).connection.protocol, SecurityProtocol::Ssl);
    assert_eq!(kafka(run_with("", &[("KAFKA_TLS", "true")])).connection.protocol, SecurityProtocol::Ssl);
    let open = kafka(run_with(&format!("{line} --kafka-security-protocol SASL_PLAINTEXT"), &secret)).connection;
    assert_eq!(open.protocol, SecurityProtocol::SaslPlaintext);
}

#[test]
fn security_that_would_be_ignored_is_refused() {
    refused("--kafka-ssl-ca-location ca.pem", &["--kafka-ssl-ca-location", "add --kafka-tls"]);
    refused("--kafka-tls-insecure", &["--kafka-tls-insecure", "plaintext"]);
    refused("--kafka-tls --kafka-security-protocol plaintext", &["--kafka-tls", "has no TLS"]);
    refused("--kafka-tls --kafka-ssl-certificate-location c.pem", &["needs --kafka-ssl-key-location"]);
    refused("--kafka-sasl-username me", &["needs --kafka-sasl-mechanism"]);
    refused("--kafka-sasl-mechanism PLAIN", &["needs --kafka-sasl-username"]);
    refused("--kafka-security-protocol sasl_ssl", &["needs --kafka-sasl-mechanism"]);
}

#[test]
fn properties_go_to_a_client_and_those_of_the_host_are_refused() {
    let line = "--kafka-property fetch.min.bytes=1 --kafka-property producer.batch.size=2=3";
    let properties = kafka(run(line)).connection.properties;
    let of = |at: usize| (properties[at].client, properties[at].name.as_str(), properties[at].value.as_str());
    assert_eq!(of(0), (PropertyClient::Both, "fetch.min.bytes", "1"));
    assert_eq!(of(1), (PropertyClient::Producer, "batch.size", "2=3"));
    let by_variable = kafka(run_with("", &[("KAFKA_PROPERTY", "a=1,2; consumer.b=3")])).connection.properties;
    assert_eq!((by_variable.len(), by_variable[1].client), (2, PropertyClient::Consumer));
    refused("--kafka-property consumer.group.protocol=consumer", &["`group.protocol` is set by the host", "KIP-848"]);
    refused("--kafka-property consumer.isolation.level=x", &["`isolation.level` is set by the host"]);
    refused("--kafka-property group.id=x", &["use --kafka-consumer-group"]);
    refused("--kafka-property nonsense", &["is not NAME=VALUE"]);
}

#[test]
fn input_chooses_files_and_leaves_kafka_and_http_alone() {
    let config = run_with("--input - --output out.ndjson --late late.ndjson --resume", &[("KAFKA_HOSTS", "h:1")]);
    assert_eq!((config.window.late, config.http.is_none()), (LatePolicy::Divert, true));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
    let files = files(config);
    assert_eq!((files.input, files.resume), (Stream::Standard, true));
    assert_eq!(files.lanes[Lane::Late], Some(Stream::File("late.ndjson".into())));
    let counting = run("--input a.ndjson --bind-port 0");
    assert_eq!(counting.notes, ["no --output: unique events are counted and not written"]);
    assert_eq!(counting.http.unwrap().port, 0);
    refused("--input a --kafka-hosts h:1", &["--kafka-hosts (command line)", "combined with --input"]);
    refused("--input a --output-topic b", &["--output-topic (command line)", "combined with --input"]);
    refused("--input a --late topic", &["name a file"]);
    refused("--input a --on-missing-key dead-letter", &["give --dead-letter FILE"]);
}

#[test]
fn files_without_input_are_refused() {
    refused("--output b", &["--output (command line) needs --input; for Kafka it is --output-topic"]);
    refused("--duplicates b", &["--duplicates-topic"]);
    for flag in ["--resume", "--overwrite", "--append"] {
        refused(flag, &[&format!("{flag} (command line) needs --input")]);
    }
    for flag in ["--input-expansion-max", "--input-line-bytes-max"] {
        refused(&format!("{flag} 10"), &[&format!("{flag} (command line) needs --input")]);
    }
    refused("--report r.json", &["--report (command line) needs --input"]);
}

#[test]
fn what_becomes_of_outputs_and_how_much_is_taken() {
    let config = files(run("--input a"));
    assert_eq!(
        (config.existing, config.line_bytes_max, config.expansion_max),
        (Existing::Refused, 256 << 20, Some(200))
    );
    let config = files(run("--input a --append --input-line-bytes-max 1MiB --input-expansion-max off"));
    assert_eq!((config.existing, config.line_bytes_max, config.expansion_max), (Existing::Kept, 1 << 20, None));
    assert_eq!(files(run("--input a --overwrite")).existing, Existing::Replaced);
    refused("--input a --overwrite --append", &["--overwrite", "--append"]);
    refused("--input a --input-line-bytes-max 0", &["--input-line-bytes-max", "`0`"]);
    refused("--input a --input-expansion-max 0", &["--input-expansion-max"]);
    assert_eq!(files(run("--input /dev/stdin --output /dev/stdout")).lanes[Lane::Output], Some(Stream::Standard));
}

#[test]
fn a_redaction_key_is_no_word_that_could_be_guessed() {
    let config = run("--redaction-key 0123456789abcdef");
    assert_eq!(config.redaction_key.unwrap().expose(), "0123456789abcdef");
    refused("--redaction-key 0123456789abcde", &["--redaction-key", "15 characters", "16"]);
    assert!(!shown("--redaction-key 0123456789abcdef", &[]).contains("0123456789"));
}

#[test]
fn no_file_is_written_twice_or_while_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.ndjson");
    std::fs::write(&file, "").unwrap();
    let (plain, dotted) = (file.display(), directory.path().join(".").join("a.ndjson").display().to_string());
    refused(&format!("--input {plain} --output {dotted}"), &["--output", "the same as --input"]);
    refused("--input a --output - --report -", &["--report", "the same as --output"]);
    refused("--input a --output b --duplicates ./b", &["--duplicates", "the same as --output"]);
    let nowhere = files(run("--input - --output - --duplicates /dev/null --dead-letter /dev/null"));
    assert_eq!(nowhere.lanes[Lane::Output], Some(Stream::Standard));
    assert_eq!(nowhere.lanes[Lane::Duplicates], nowhere.lanes[Lane::DeadLetter]);
}

#[test]
fn run_is_the_default_and_may_be_said() {
    assert!(matches!(invoke("run --plugin p.wasm", &[]), Ok(Invocation::Run(_))));
    let by_variable = invoke("", &[("PLUGIN", "key.wasm, score.wasm")]);
    assert!(matches!(by_variable, Ok(Invocation::Run(config)) if config.plugin.files.len() == 2));
    let repeated = run("--plugin q.wasm --plugin-config {\"fields\":[]}");
    assert_eq!(
        (repeated.plugin.files.len(), repeated.plugin.extractor_configuration.unwrap().as_str()),
        (2, "{\"fields\":[]}")
    );
}

#[test]
fn the_configuration_is_shown_with_origins_and_without_secrets() {
    let variables = [("KAFKA_SASL_PASSWORD", "hunter2"), ("KAFKA_CONSUMER_GROUP", "g\"\n#")];
    let line = "--kafka-sasl-mechanism PLAIN --kafka-sasl-username me --output-topic out \
                --kafka-property sasl.oauthbearer.client.secret=hunter3";
    let text = shown(line, &variables);
    assert!(!text.contains("hunter"), "{text}");
    for line in [
        "kafka_sasl_password = \"***\"  # environment variable KAFKA_SASL_PASSWORD",
        "output_topic = \"out\"  # command line",
        "window = \"24h\"  # default",
        "kafka_security_protocol = \"sasl_ssl\"  # default: a SASL mechanism is set, and passwords are sent encrypted",
        "# late_topic is not set",
        "bind_port = 8080  # default",
        "kafka_tls = false  # default",
        "kafka_property = [\"sasl.oauthbearer.client.secret=***\"]  # command line",
    ] {
        assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
    }
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["kafka_consumer_group"].as_str(), Some("g\"\n#"));
}

#[test]
fn the_shown_configuration_can_be_given_back() {
    let text = shown("--window 2h --output-topic out --plugin a --plugin b", &[]);
    let file = toml_file(&text);
    let again = shown(&format!("--config {}", file.path().display()), &[]);
    let values = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
    assert_eq!(values(&text), values(&again));
}

#[test]
fn a_name_of_digits_is_shown_as_it_is() {
    let text = shown("--kafka-consumer-topic 007 --kafka-consumer-group +7 --bind-port 8081", &[]);
    for line in ["kafka_consumer_topic = \"007\"", "kafka_consumer_group = \"+7\"", "bind_port = 8081"] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn synthetic_events_go_to_lines_or_to_a_topic() {
    let generate = |line: &str| match invoke(&format!("generate {line}"), &[("KAFKA_HOSTS", "h:1")]) {
        Ok(Invocation::Generate(config)) => Ok(*config),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let lines = generate("--events 10 --duplicates 0.5 --seed 7 --output -").unwrap();
    assert_eq!((lines.spec.events, lines.spec.duplicates, lines.spec.seed), (10, 0.5, 7));
    assert!(matches!(lines.target, GenerateTarget::Stream(Stream::Standard)));
    let topic = generate("--topic events --kafka-tls --partitions 4 --rate 1000 --truth t.ndjson").unwrap();
    let GenerateTarget::Topic { topic, connection, .. } = topic.target else { panic!() };
    assert_eq!((topic.as_str(), connection.hosts.as_str()), ("events", "h:1"));
    assert_eq!(connection.protocol, SecurityProtocol::Ssl);
    assert!(generate("--events 10").unwrap_err().contains("--output"));
    assert!(generate("--output - --duplicates 2").unwrap_err().contains("not a share"));
    assert!(generate("--output - --topic a").unwrap_err().contains("cannot be used"));
}

#[test]
fn help_names_every_setting_and_fits_a_hundred_columns() {
    let error = invoke("--help", &[]).unwrap_err();
    let UsageError::CommandLine(help) = &error else { panic!("{error}") };
    assert!(!help.use_stderr());
    let help = help.to_string();
    for setting in settings() {
        assert!(help.contains(&format!("--{}", setting.flag)), "--{}", setting.flag);
        assert!(help.contains(setting.group.title), "{}", setting.group.title);
        assert!(setting.variables().iter().all(|name| help.contains(name)), "{:?}", setting.variables());
    }
    for part in ["--input events.ndjson", "Exit codes:", "130  second interrupt", "a hundred records in flight"] {
        assert!(help.contains(part), "{part} is not in the help text");
    }
    let longest = help.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 100, "{longest} columns");
    let UsageError::CommandLine(version) = invoke("--version", &[]).unwrap_err() else { panic!() };
    assert_eq!(version.to_string().trim(), concat!("dedup-host ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn originals_are_kept_unless_the_operator_wants_only_the_decision() {
    let config = run("");
    assert_eq!(config.explanation, ExplanationConfig::default());
    let config = run("--keep-originals off --redact-values");
    assert_eq!(config.explanation, ExplanationConfig { keep_originals: false, forward_below: None, redact: true });
    assert_eq!(run("--forward-below-similarity 0.5").explanation.forward_below, Some(0.5));
    refused("--forward-below-similarity 1.5", &["forward-below-similarity", "0 to 1"]);
    refused(
        "--forward-below-similarity 0.5 --keep-originals off",
        &["forward-below-similarity", "leave --keep-originals on"],
    );
    refused("--keep-originals maybe", &["keep-originals", "on, off"]);
}

/// Everything that a refusal or the shown configuration says of what is typed.
fn said(line: &str, variables: &[(&str, &str)]) -> String {
    let said = |line: &str| match invoke(line, variables) {
        Ok(Invocation::Show(text)) => text,
        Ok(_) => String::new(),
        Err(error) => format!("{error} {error:?}"),
    };
    said(&format!("config {line}")) + &said(&format!("--plugin p.wasm {line}"))
}

#[test]
fn no_secret_is_repeated_wherever_it_was_typed() {
    let sasl = "--kafka-sasl-mechanism PLAIN --kafka-sasl-username me --kafka-sasl-password hunter2";
    let names = "--kafka-property sasl.oauthbearer.client.secret=hunter2 --kafka-property producer.ssl.key.pem=hunter2 \
                 --kafka-property ssl.key.passphrase=hunter2 --kafka-property x.endpoint=https://hunter2:hunter2@h";
    for line in [
        sasl,
        names,
        &format!("{sasl} --window 24"),
        "--aws-endpoint-url https://me:hunter2@host:9000/?token=hunter2",
        "--kafka-hosts sasl_ssl://me:hunter2@host:9092",
        "--kafka-hosts me:hunter2@host:9092,other:9092",
        "--aws-access-key-id a --aws-secret-access-key hunter2 --s3-bucket b --aws-session-token hunter2",
        "--admin-token hunter2hunter2hunter2hunter2hunter2 --bind-port x",
        "--plugin-config {\"password\":\"hunter2\",\"nested\":[{\"apiKey\":{\"a\":\"hunter2\"}}]}",
        "--plugin-config {\"url\":\"https://me:hunter2@host\"}",
        "--kafka-property hunter2",
        "--kafka-property =hunter2",
        "--bind-port https://me:hunter2@host",
        "--kafka-sasl-passwort=hunter2",
        "https://me:hunter2@host",
    ] {
        let said = said(line, &[]);
        assert!(!said.contains("hunter2"), "{line}:\n{said}");
    }
    let jaas = "org.apache.kafka.x.PlainLoginModule required username=\"me\" password=\"hunter2\";";
    for (name, value) in [
        ("KAFKA_PROPERTY", format!("sasl.jaas.config={jaas}")),
        ("KAFKA_PROPERTY", format!("sasl.jaas.config={}", jaas.replace("hunter2", "a;hunter2"))),
        ("KAFKA_PROPERTY", format!("unknown.to.us={jaas}")),
        ("KAFKA_SASL_PASSWORD", "hunter2".to_owned()),
        ("SCORER_CONFIG", "{\"token\": \"hunter2\"}".to_owned()),
    ] {
        let said = said("", &[(name, &value)]);
        assert!(!said.contains("hunter2"), "{name}={value}:\n{said}");
    }
    let properties = kafka(run(names)).connection.properties;
    assert!(!format!("{properties:?}").contains("hunter2"), "{properties:?}");
    let text = shown("--aws-endpoint-url https://me:hunter2@host:9000/a --kafka-property acks=all", &[]);
    assert!(text.contains("aws_endpoint_url = \"https://***@host:9000/a\""), "{text}");
    assert!(text.contains("kafka_property = [\"acks=all\"]"), "{text}");
    refused("--kafka-hosts me:hunter2@h:1", &["--kafka-hosts (command line) has an `@`", "KAFKA_SASL_PASSWORD"]);
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_what_it_says() {
    let refusal = |text: &str| {
        let file = toml_file(text);
        let error = invoke(&format!("--plugin p.wasm --config {}", file.path().display()), &[]).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter") && !text.contains('\n'), "{text}");
        text
    };
    let text = refusal("window = \"1h\"\nkafka_sasl_password = \"hunter2\nadmin_token = \"x\"\n");
    for part in ["configuration file", "is not TOML: line 2, column ", "at `kafka_sasl_password`"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(refusal("kafka_sasl_password = hunter2").contains("line 1, column 23, at `kafka_sasl_password`"));
    refusal("kafka_sasl_password = 'hunter2' 'hunter3'");
    refusal("kafka_sasl_password = \"hunter2\\q\"");
    refusal("kafka_sasl_password = \"\"\"\nhunter2 = hunter3\n\"\"\"\"\"\"\n");
    refusal("kafka_sasl_password = \"hunter2\"\nkafka_sasl_password = \"hunter3\"");
    refusal("kafka_sasl_password = 2026-hunter2");
    refusal("kafka_sasl_password = [\"hunter2\"");
    refusal("kafka_sasl_password = { hunter2 = 1, hunter2 = 2 }");
    refusal("é = \"hunter2");
    refusal("kafka_sasl_password = \"hunter2\u{1}\"");
}

#[test]
#[cfg(unix)]
fn what_is_no_text_is_refused_by_its_name() {
    use std::os::unix::ffi::OsStringExt as _;
    let broken = || OsString::from_vec(b"hunter\xff2".to_vec());
    let words = |line: &str| -> Vec<OsString> { line.split_whitespace().map(OsString::from).collect() };
    let set = |set: &'static str| move |name: &str| (name == set).then(broken);
    for name in ["KAFKA_SASL_PASSWORD", "OUTPUT_TOPIC", "CONFIG_FILE", "RUST_LOG"] {
        let error = read(words("dedup-host --plugin p.wasm"), &set(name)).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "environment variable {name} is not UTF-8 text, as every setting must be: encode it as UTF-8, or leave it out"
            )
        );
    }
    // Where a flag counts, nobody asks for the variable.
    assert!(read(words("dedup-host --plugin p.wasm --output-topic t"), &set("OUTPUT_TOPIC")).is_ok());
    let refusal = |words: Vec<OsString>| read(words, &|_| None).unwrap_err().to_string();
    let value = [words("dedup-host --plugin p.wasm --kafka-sasl-password"), vec![broken()]].concat();
    assert!(
        refusal(value).starts_with("argument 4 of the command line, the value of --kafka-sasl-password, is not UTF-8")
    );
    let joined = OsString::from_vec(b"--output-topic=hunter\xff".to_vec());
    assert!(
        refusal([words("dedup-host"), vec![joined]].concat())
            .contains("argument 1 of the command line, the value of --output-topic,")
    );
    let number = [words("dedup-host plugin new"), vec![broken()]].concat();
    assert!(refusal(number).starts_with("argument 3 of the command line is not UTF-8"));
}

#[test]
fn the_shown_configuration_has_nothing_unseen_and_no_line_of_others() {
    let nasty = "g\u{202e}\u{9b}1m\u{7f}\nwindow = \"1ms\"\u{e0041}\"\\";
    let text = shown("", &[("KAFKA_CONSUMER_GROUP", nasty), ("STORE_PATH", "/x\nwindow = \"1ms\" #\u{1b}[2J")]);
    assert!(text.chars().all(|char| char == '\n' || !plain_text::is_unseen(char)), "{text:?}");
    assert_eq!(text.lines().filter(|line| line.starts_with("window = ")).count(), 1, "{text}");
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["kafka_consumer_group"].as_str(), Some(nasty));
}
