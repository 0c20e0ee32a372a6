//! Settings as clap sees them. It checks names, not values: a wrong value is reported together with its origin, and
//! clap knows only the command line.

use clap::{Arg, ArgAction};
use setting::{AnySetting, Kind, Row};

/// Variable of `--config`.
pub(super) const CONFIG_VARIABLE: &str = "CONFIG_FILE";

/// `--config`.
pub(super) fn config_arg() -> Arg {
    Arg::new("config").long("config").value_name("FILE").help(format!("Settings as TOML [env: {CONFIG_VARIABLE}]"))
}

/// The flag of a setting.
pub(super) fn arg(setting: &dyn AnySetting) -> Arg {
    let arg = Arg::new(setting.flag).long(setting.flag).value_name(setting.value()).help_heading(setting.group.title);
    let arg = match setting.alias {
        Some(alias) => arg.visible_alias(alias),
        None => arg,
    };
    let arg = match setting.kind {
        Kind::One | Kind::Secret => arg,
        Kind::Many(_) => arg.action(ArgAction::Append),
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
    };
    let (first, more) = setting.help.split_once("\n\n").unwrap_or((setting.help, ""));
    let said = format!("{}{}", default(setting), environment(setting));
    match more {
        "" => arg.help(format!("{first}{said}")),
        more => arg.help(format!("{first}{said}")).long_help(format!("{first}{said}\n\n{more}")),
    }
}

fn default(setting: &Row) -> String {
    setting.default.map(|text| format!(" [default: {text}]")).unwrap_or_default()
}

fn environment(setting: &Row) -> String {
    format!(" [env: {}]", setting.variables().join(", "))
}
