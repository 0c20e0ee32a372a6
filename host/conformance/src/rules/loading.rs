//! Rules about the component as it is loaded: what it is, who it says it is, how it takes its configuration.

use plugin::{Info, Input, LoadError, Probe, Role, Texts};

use crate::context::Context;
use crate::rule::{Concerns, Group, Level, Rule};
use crate::show::{cut, shown};
use crate::verdict::Stop;

/// A member that no plugin knows.
const UNKNOWN_MEMBER: &str = "dedup_host_conformance_unknown";

const fn rule(
    id: &'static str,
    level: Level,
    sentence: &'static str,
    reason: &'static str,
    run: fn(&mut Context<'_>, Role) -> Result<(), Stop>,
) -> Rule {
    let (group, concerns) = (Group::Loading, Concerns::Component);
    Rule { id, group, level, concerns, quick: true, follows: &[], sentence, reason, run }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "L1",
        Level::Required,
        "The file is a component.",
        "A core module has no types that the host could check; `componentize` makes a component of it.",
        is_component,
    ),
    rule(
        "L2",
        Level::Required,
        "It exports an interface of the contract, with exactly the types of its version.",
        "The host calls what it knows; a type that differs is a value that one of the two reads wrongly.",
        exports,
    ),
    rule(
        "L3",
        Level::Required,
        "It imports only the log, and what --plugin-wasi admits.",
        "A clock, a file or a random number would make two hosts decide differently.",
        imports,
    ),
    rule(
        "L4",
        Level::Required,
        "It starts and describes itself within the limits of time, memory, tables and stack.",
        "The host starts an instance for each partition, and again after each failure.",
        starts,
    ),
    Rule {
        follows: &["L4"],
        ..rule(
            "L5",
            Level::Required,
            "It accepts its configuration, and asks for input that the host can provide.",
            "Otherwise it could not run, and most rules could not be tried. --plugin-config and --scorer-config give \
             the text.",
            configures,
        )
    },
    Rule {
        concerns: Concerns::EachRole,
        follows: &["L4"],
        ..rule(
            "L6",
            Level::Required,
            "A configuration that makes no sense is refused with a message, or accepted, but does not cause a trap \
             or an endless loop.",
            "An operator who mistypes a configuration should read what is wrong, not where the plugin's code \
             stopped.",
            bad_configuration,
        )
    },
    Rule {
        concerns: Concerns::EachRole,
        follows: &["L5", "L6"],
        ..rule(
            "L7",
            Level::Strict,
            "Members of the configuration that it does not know are refused, by name.",
            "A mistyped member would silently mean the default.",
            unknown_members,
        )
    },
    Rule {
        concerns: Concerns::EachRole,
        follows: &["L5", "L6"],
        ..rule(
            "L8",
            Level::Required,
            "The same configuration gets the same answer in every instance.",
            "The host configures every instance with the same text, and reads the fields of the first for all.",
            same_configuration,
        )
    },
    Rule {
        concerns: Concerns::EachRole,
        follows: &["L4", "L5"],
        ..rule(
            "L9",
            Level::Required,
            "It describes itself in the same way before and after it is configured, and in every instance.",
            "The host compares key versions to see whether stored keys still hold.",
            describes_alike,
        )
    },
    Rule {
        concerns: Concerns::EachRole,
        follows: &["L4"],
        ..rule(
            "L10",
            Level::Required,
            "Its name has 1 to 64 ASCII letters, digits, `_`, `-` and `.`; so has its version, which may also \
             contain `+`.",
            "They appear in logs, metric labels, file names and duplicates records.",
            is_named,
        )
    },
    Rule {
        concerns: Concerns::EachRole,
        follows: &["L10"],
        ..rule(
            "L11",
            Level::Strict,
            "It says key version 1 if it only scores.",
            "The contract fixes the key version of scorers.",
            fixes_its_key_version,
        )
    },
    rule(
        "L12",
        Level::Strict,
        "It imports no WASI.",
        "A stubbed call traps, and an inert one returns an invented answer. All four SDKs build without WASI.",
        imports_no_wasi,
    ),
];

fn is_component(_: &mut Context<'_>, _: Role) -> Result<(), Stop> {
    // Anything else is refused when it is opened, so there is no candidate.
    Ok(())
}

fn exports(context: &mut Context<'_>, _: Role) -> Result<(), Stop> {
    let roles = context.candidate().roles().names();
    if roles.is_empty() {
        let exports = context.candidate().exports().join(", ");
        return Err(Stop::failed("the component", format!("it exports {exports}"), "an interface of the contract"));
    }
    context.remark(format!("{} of contract {}", roles.join(" and "), context.candidate().contract()));
    Ok(())
}

fn imports(context: &mut Context<'_>, _: Role) -> Result<(), Stop> {
    let allowed = |name: &&String| name.starts_with("dedup:plugin/log@") || name.starts_with("wasi:");
    let others: Vec<&str> =
        context.candidate().imports().iter().filter(|name| !allowed(name)).map(String::as_str).collect();
    match others.as_slice() {
        [] => Ok(()),
        others => Err(Stop::failed("the component", format!("it imports {}", others.join(", ")), "no such import")),
    }
}

fn imports_no_wasi(context: &mut Context<'_>, _: Role) -> Result<(), Stop> {
    let imports = context.candidate().imports().iter().filter(|name| name.starts_with("wasi:"));
    match imports.cloned().collect::<Vec<_>>().as_slice() {
        [] => Ok(()),
        wasi => Err(Stop::failed("the component", format!("it imports {}", wasi.join(", ")), "no wasi:* import")),
    }
}

fn starts(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let failed =
        |step: &str, fault: &plugin::Fault| Stop::failed(step, fault.to_string(), "an answer within the limits");
    let mut probe = context.candidate().probe().map_err(|fault| failed("a new instance", &fault))?;
    let cost = probe.cost();
    probe.describe(role).map_err(|fault| failed("describe()", &fault))?;
    let memory = probe.cost().memory_bytes;
    context.remark(format!("started in {} µs with {} KiB of memory", cost.time.as_micros(), memory >> 10));
    Ok(())
}

fn configures(context: &mut Context<'_>, _: Role) -> Result<(), Stop> {
    let texts = Texts {
        extractor: context.options().extractor_config.as_deref(),
        scorer: context.options().scorer_config.as_deref(),
    };
    let input = format!("configuration {}", both_configs(texts));
    let wrong = |got: String| Stop::failed(input.clone(), got, "acceptance, and fields that are JSON pointers");
    match context.candidate().configured(texts) {
        // What it calls itself is the business of L10.
        Ok(_) | Err(LoadError::BadName { .. }) => {}
        Err(error) => return Err(wrong(error.to_string())),
    }
    for role in context.candidate().roles().iter() {
        let session = context.session(role).map_err(|stop| match stop {
            Stop::Blocked(why) | Stop::NotApplicable(why) | Stop::Untried(why) => wrong(why),
            failed @ Stop::Failed(_) => failed,
        })?;
        context.remark(match session.input() {
            Input::Payload => format!("{} reads the payload", role.name()),
            Input::Fields(fields) => format!("{} reads {}", role.name(), list(fields)),
        });
    }
    Ok(())
}

fn list(fields: &[String]) -> String {
    let named = |field: &String| if field.is_empty() { "the whole event" } else { field.as_str() }.to_owned();
    cut(&fields.iter().map(named).collect::<Vec<_>>().join(", "), 400)
}

fn both_configs(texts: Texts<'_>) -> String {
    let one = |name: &str, text: Option<&str>| match text {
        Some(text) => format!("{name} {}", shown(text.as_bytes())),
        None => format!("{name} empty"),
    };
    format!("{}, {}", one("of the extractor", texts.extractor), one("of the scorer", texts.scorer))
}

/// Texts that operators and their tools hand over by mistake.
fn bad_texts(config: &str) -> Vec<String> {
    let mut texts: Vec<String> = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "{\"",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "[1,",
        "nul",
        "null",
        "true",
        "0",
        "-",
        "1e999",
        "\"\"",
        "\"text\"",
        "[]",
        "{}",
        "[null]",
        "[[]]",
        "[{}]",
        "{\"\":\"\"}",
        "{\"a\":1,\"a\":2}",
        " ",
        "\n",
        "\t{}\n",
        "\u{feff}{}",
        "\0",
        "{}\0",
        "{} {}",
        "// comment",
        "a: b",
        "/",
        "//",
        "/~",
        "/a,",
        ",",
        "\\",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "😀",
        "{\"😀\":1}",
        "\u{7f}",
        "<xml/>",
    ]
    .map(str::to_owned)
    .into();
    texts.push("[".repeat(200));
    texts.push(format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100)));
    texts.push("x".repeat(1 << 16));
    texts.push(format!("\"{}\"", "é".repeat(1 << 15)));
    // Where its own configuration is cut short, at each of some places.
    let boundaries = config.char_indices().map(|(at, _)| at).skip(1);
    let step = config.len() / 16 + 1;
    texts.extend(boundaries.step_by(step).filter_map(|at| config.get(..at)).map(str::to_owned));
    texts
}

fn bad_configuration(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let config = context.config(role);
    let mut refused = 0;
    let texts = bad_texts(config);
    for text in &texts {
        // A text that configures is a text that can be run with, so each gets an instance of its own.
        let mut probe = context.probe()?;
        match probe.configure(role, text) {
            Ok(answer) => refused += usize::from(answer.is_err()),
            Err(fault) => {
                let input = format!("configuration {}", shown(text.as_bytes()));
                return Err(Stop::failed(input, fault.to_string(), "a refusal with a message: err(failure)"));
            }
        }
    }
    context.remark(format!("{}: {refused} of {} odd texts are refused", role.name(), texts.len()));
    Ok(())
}

fn unknown_members(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let config = context.config(role).trim();
    let (with_unknown, is_object) = match config.strip_prefix('{').map(str::trim_start) {
        Some("}") => (format!("{{\"{UNKNOWN_MEMBER}\":1}}"), true),
        Some(rest) => (format!("{{\"{UNKNOWN_MEMBER}\":1,{rest}"), true),
        // Whoever takes no object at all need not name its members.
        None => {
            (format!("{{\"{UNKNOWN_MEMBER}\":1}}"), context.probe()?.configure(role, "{}").is_ok_and(|it| it.is_ok()))
        }
    };
    let input = format!("configuration {}", shown(with_unknown.as_bytes()));
    match context.probe()?.configure(role, &with_unknown) {
        Err(fault) => Err(Stop::failed(input, fault.to_string(), "a refusal with a message: err(failure)")),
        Ok(Ok(_)) => Err(Stop::failed(input, "it is accepted", format!("a refusal that names {UNKNOWN_MEMBER}"))),
        Ok(Err(refusal)) if is_object && !refusal.contains(UNKNOWN_MEMBER) => Err(Stop::failed(
            input,
            format!("the refusal {}", shown(refusal.as_bytes())),
            format!("a refusal that names {UNKNOWN_MEMBER}"),
        )),
        Ok(Err(_)) => Ok(()),
    }
}

fn same_configuration(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let config = context.config(role);
    for text in [config, "{", "{\"a\":[1,\"x\"]}"] {
        let answer = |probe: &mut Probe| {
            probe.configure(role, text).map_err(|fault| {
                Stop::blocked("L6", format_args!("the configuration {} fails: {fault}", shown(text.as_bytes())))
            })
        };
        let first = answer(&mut context.probe()?)?;
        for _ in 0..3 {
            let again = answer(&mut context.probe()?)?;
            if again != first {
                let input = format!("configuration {}, in two instances", shown(text.as_bytes()));
                return Err(Stop::failed(input, said(&again), said(&first)));
            }
        }
    }
    Ok(())
}

fn said(answer: &Result<Input, String>) -> String {
    match answer {
        Ok(Input::Payload) => "it asks for the payload".to_owned(),
        Ok(Input::Fields(fields)) => format!("it asks for {}", list(fields)),
        Err(refusal) => format!("it refuses: {}", shown(refusal.as_bytes())),
    }
}

fn describe(probe: &mut Probe, role: Role) -> Result<Info, Stop> {
    probe.describe(role).map_err(|fault| Stop::blocked("L4", format_args!("describe() fails: {fault}")))
}

fn who(info: &Info) -> String {
    let (name, version) = (shown(info.name.as_bytes()), shown(info.version.as_bytes()));
    format!("name {name}, version {version}, key version {}", info.key_version)
}

fn describes_alike(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let first = describe(&mut context.probe()?, role)?;
    let check = |info: Info, when: &str| {
        if info == first { Ok(()) } else { Err(Stop::failed(when, who(&info), who(&first))) }
    };
    for _ in 0..3 {
        check(describe(&mut context.probe()?, role)?, "describe() of another instance")?;
    }
    let mut session = context.session(role)?;
    check(describe(session.probe(), role)?, "describe() after configure")?;
    let items = context.ordinary(&mut session, 8);
    session.answers(&items)?;
    check(describe(session.probe(), role)?, "describe() after a batch")
}

fn is_named(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let info = describe(&mut context.probe()?, role)?;
    info.check().map_err(|cause| Stop::failed("describe()", cause, "a plain name and a plain version"))
}

fn fixes_its_key_version(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let info = describe(&mut context.probe()?, role)?;
    if !context.candidate().roles().extracts_keys && info.key_version != 1 {
        return Err(Stop::failed("describe()", format!("key version {}", info.key_version), "key version 1"));
    }
    Ok(())
}
