//! Settings as people get them wrong, what the program says of itself, and its port.

use std::net::TcpListener;

use dedup_host_tests::Test;
use dedup_host_tests::program::Ended;

use super::desk::{Desk, counts, end};

pub(crate) const TESTS: &[Test] = &[
    ("an_unknown_flag", an_unknown_flag),
    ("an_unknown_subcommand", an_unknown_subcommand),
    ("an_unknown_key_in_the_file", an_unknown_key_in_the_file),
    ("a_file_of_settings_that_is_no_toml", a_file_of_settings_that_is_no_toml),
    ("a_file_of_settings_that_is_not_there", a_file_of_settings_that_is_not_there),
    ("values_that_cannot_be", values_that_cannot_be),
    ("a_flag_wins_over_its_variable_and_that_over_the_file", a_flag_wins_over_its_variable_and_that_over_the_file),
    ("a_run_by_variables_alone", a_run_by_variables_alone),
    ("a_run_by_a_file_alone", a_run_by_a_file_alone),
    ("secrets_are_hidden", secrets_are_hidden),
    ("flags_of_kafka_beside_an_input_file", flags_of_kafka_beside_an_input_file),
    ("flags_of_files_without_an_input_file", flags_of_files_without_an_input_file),
    ("one_file_for_two_things", one_file_for_two_things),
    ("help_fits_and_tells_of_files", help_fits_and_tells_of_files),
    ("the_version", the_version),
    ("a_port_in_use", a_port_in_use),
    ("without_a_port_given_none_is_opened", without_a_port_given_none_is_opened),
];

fn an_unknown_flag() {
    let desk = Desk::new();
    desk.run("--input in --outptu out").refused(2, &["--outptu", "--output"]);
}

fn an_unknown_subcommand() {
    let desk = Desk::new();
    end(desk.command("frobnicate")).refused(2, &["frobnicate", "--help"]);
    end(desk.command("generat --events 1")).refused(2, &["generat"]);
}

fn an_unknown_key_in_the_file() {
    let desk = Desk::new();
    desk.write("settings.toml", "store_path = \"store\"\nkafka_host = \"x\"\n");
    desk.run("--config settings.toml --input in").refused(2, &["settings.toml", "kafka_host"]);
}

fn a_file_of_settings_that_is_no_toml() {
    let desk = Desk::new();
    desk.write("settings.toml", "store_path: store\n");
    desk.run("--config settings.toml --input in").refused(2, &["settings.toml", "line 1"]);
}

fn a_file_of_settings_that_is_not_there() {
    Desk::new().run("--config nowhere.toml --input in").refused(2, &["nowhere.toml", "No such file"]);
}

fn values_that_cannot_be() {
    let desk = Desk::new();
    let wrong = [
        ("--window 5", "duration"),
        ("--late", "--late"),
        ("--event-time t", "JSON pointer"),
        ("--numbers roman", "as-written"),
        ("--on-missing-key ignore", "dead-letter"),
        ("--on-plugin-failure retry", "dead-letter"),
        ("--bind-port 70000", "--bind-port"),
        ("--max-store-capacity much", "--max-store-capacity"),
    ];
    for (words, word) in wrong {
        desk.run(&format!("--input in {words}")).refused(2, &[word]);
    }
}

fn config(desk: &Desk, words: &str, variables: &[(&str, &str)]) -> Ended {
    let mut command = desk.command(&format!("config {words}"));
    command.envs(variables.iter().copied());
    end(command).ok()
}

fn says(ended: &Ended, line: &str) {
    assert!(ended.stdout.lines().any(|shown| shown.starts_with(line)), "no line {line:?} in:\n{}", ended.stdout);
}

fn a_flag_wins_over_its_variable_and_that_over_the_file() {
    let desk = Desk::new();
    desk.write("settings.toml", "window = \"3h\"\n");
    says(&config(&desk, "", &[]), "window = \"24h\"");
    says(&config(&desk, "--config settings.toml", &[]), "window = \"3h\"  # file settings.toml");
    says(
        &config(&desk, "--config settings.toml", &[("DEDUP_WINDOW", "2h")]),
        "window = \"2h\"  # environment variable DEDUP_WINDOW",
    );
    let all = config(&desk, "--config settings.toml --window 1h", &[("DEDUP_WINDOW", "2h")]);
    says(&all, "window = \"1h\"  # command line");
}

fn a_run_by_variables_alone() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n{\"a\":1}\n");
    let mut command = desk.command("");
    command.env("PLUGIN", dedup_host_tests::program::plugin("composite_key"));
    let variables = [("INPUT_FILE", "in"), ("REPORT_FILE", "report"), ("STORE_PATH", "store"), ("PLUGIN_CONFIG", "/a")];
    command.envs(variables);
    let _ok = end(command).ok();
    assert_eq!(desk.report(), counts(1, 1));
}

fn a_run_by_a_file_alone() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n{\"a\":1}\n");
    let plugin = dedup_host_tests::program::plugin("composite_key");
    let settings = format!(
        "plugin = {plugin:?}\nplugin_config = \"/a\"\ninput = \"in\"\nreport = \"report\"\nstore_path = \"store\"\n"
    );
    desk.write("settings.toml", settings);
    let _ok = end(desk.command("--config settings.toml")).ok();
    assert_eq!(desk.report(), counts(1, 1));
}

fn secrets_are_hidden() {
    let desk = Desk::new();
    let secrets = [
        ("KAFKA_SASL_MECHANISM", "PLAIN"),
        ("KAFKA_SASL_USERNAME", "someone"),
        ("KAFKA_SASL_PASSWORD", "hunter2"),
        ("KAFKA_SSL_KEY_PASSWORD", "hunter3"),
        ("AWS_SECRET_ACCESS_KEY", "hunter4"),
        ("AWS_SESSION_TOKEN", "hunter5"),
        ("KAFKA_PROPERTY", "sasl.oauthbearer.client.secret=hunter6"),
    ];
    let ended = config(&desk, "", &secrets);
    assert!(!ended.stdout.contains("hunter"), "{}", ended.stdout);
    for name in ["kafka_sasl_password", "kafka_ssl_key_password", "aws_secret_access_key", "aws_session_token"] {
        says(&ended, &format!("{name} = "));
    }
}

fn flags_of_kafka_beside_an_input_file() {
    let desk = Desk::new();
    desk.run("--input in --kafka-hosts localhost:9092").refused(2, &["--kafka-hosts", "--input"]);
    desk.run("--input in --output-topic unique").refused(2, &["--output-topic", "--input"]);
    // Variables are often the same for all that runs on a machine.
    desk.write("in", "{\"a\":1}\n");
    let mut command = desk.dedup("--plugin-config /a --input in --report report");
    command.env("KAFKA_HOSTS", "localhost:1");
    let _ok = end(command).ok();
    assert_eq!(desk.report(), counts(1, 0));
}

fn flags_of_files_without_an_input_file() {
    let desk = Desk::new();
    desk.run("--output out").refused(2, &["--output", "--input", "--output-topic"]);
    desk.run("--report report").refused(2, &["--report", "--input"]);
    desk.run("--resume").refused(2, &["--resume", "--input"]);
}

fn one_file_for_two_things() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    std::os::unix::fs::symlink(desk.path("in"), desk.path("link")).unwrap();
    for words in
        ["--output in", "--output ./in", "--output link", "--output x --duplicates x", "--output x --report ./x"]
    {
        desk.run(&format!("--input in {words}")).refused(2, &["is the same as", "its own file"]);
    }
    desk.run("--input in --output - --duplicates -").refused(2, &["is the same as"]);
    assert_eq!(desk.text("in"), "{\"a\":1}\n");
}

fn help_fits_and_tells_of_files() {
    let desk = Desk::new();
    for words in ["--help", "-h", "generate --help", "config --help"] {
        let help = end(desk.command(words)).ok().stdout;
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long.is_empty(), "{words}: lines longer than 100 columns: {long:#?}");
    }
    let help = end(desk.command("--help")).ok().stdout;
    for word in ["--input <FILE|->", "Without Kafka", "--resume", "Exit codes"] {
        assert!(help.contains(word), "no {word} in:\n{help}");
    }
    let short = end(desk.command("-h")).ok().stdout;
    assert!(short.contains("--input"), "{short}");
}

fn the_version() {
    let ended = end(Desk::new().command("--version")).ok();
    assert!(ended.stdout.starts_with("dedup-host 0."), "{}", ended.stdout);
}

fn a_port_in_use() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let ended = desk.run(&format!("--input in --output out --bind-host 127.0.0.1 --bind-port {port}"));
    ended.refused(8, &[&port.to_string(), "in use", "--bind-port"]);
    assert!(!desk.path("out").exists());
}

fn without_a_port_given_none_is_opened() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut command = desk.dedup("--plugin-config /a --input in --report report");
    command.env("BIND_PORT", port);
    let _ok = end(command).ok();
    assert_eq!(desk.report(), counts(1, 0));
}
