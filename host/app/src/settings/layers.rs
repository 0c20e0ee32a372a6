//! Where the text of a setting is looked for: the command line, the environment, the configuration file, the defaults.
//! Not what it means.

use std::ffi::OsString;

use clap::ArgMatches;

use super::error::SettingsError;
use super::file::ConfigFile;
use super::origin::Origin;
use super::row::{Kind, Row};
use super::table::settings;
use super::typed::Typed;

/// The environment as an argument, so that tests need no process of their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A flag wins over a variable, a variable over the file, the file over the default. A variable that is set but empty
/// counts as not set, which is what orchestrators mean by it. `takes` says which settings the command has.
///
/// # Errors
/// A variable that would count is no text.
pub(super) fn resolve(
    takes: impl Fn(&Row) -> bool,
    flags: &ArgMatches,
    environment: Environment<'_>,
    file: Option<&ConfigFile>,
) -> Result<Typed, SettingsError> {
    let mut typed = Typed::default();
    for setting in settings().filter(|setting| takes(setting)) {
        if let Some((values, origin)) = strongest(setting, flags, environment, file)? {
            typed.put(setting, values, origin);
        }
    }
    Ok(typed)
}

fn strongest(
    setting: &Row,
    flags: &ArgMatches,
    environment: Environment<'_>,
    file: Option<&ConfigFile>,
) -> Result<Option<(Vec<String>, Origin)>, SettingsError> {
    if let Some(values) = flags.get_many::<String>(setting.flag) {
        return Ok(Some((values.cloned().collect(), Origin::Flag)));
    }
    for name in setting.variables() {
        if let Some(text) = variable_text(environment, &name)? {
            return Ok(Some((said_at_once(setting, text), Origin::Variable(name))));
        }
    }
    let in_file = file.and_then(|file| Some((file.texts(setting)?.to_vec(), Origin::File(file.path().to_owned()))));
    Ok(in_file.or_else(|| Some((vec![setting.default?.to_owned()], Origin::Default))))
}

/// What a variable says; `None` where it is not set, or empty.
pub(super) fn variable_text(environment: Environment<'_>, name: &str) -> Result<Option<String>, SettingsError> {
    let Some(text) = environment(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let not_text = |_| SettingsError::NotText { what: format!("environment variable {name}") };
    text.into_string().map(Some).map_err(not_text)
}

/// The values of one text, as a variable has it.
fn said_at_once(setting: &Row, text: String) -> Vec<String> {
    match setting.kind {
        Kind::Many(separator) => {
            text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        Kind::One | Kind::Secret | Kind::Switch => vec![text],
    }
}
