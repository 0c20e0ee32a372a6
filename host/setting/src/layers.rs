//! Where the text of a setting is looked for: the command line, the environment, the configuration file, the defaults.
//! Not what it means.

use std::ffi::OsString;

use crate::error::SettingsError;
use crate::file::ConfigFile;
use crate::origin::Origin;
use crate::row::{AnySetting, Kind, Row};
use crate::typed::Typed;

/// The environment as an argument, so that tests need no process of their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What the user may have said something in.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// The values of a flag, where it is on the command line.
    pub flags: &'a dyn Fn(&str) -> Option<Vec<String>>,
    /// The environment.
    pub environment: Environment<'a>,
    /// The configuration file, where there is one.
    pub file: Option<&'a ConfigFile>,
}

impl Layers<'_> {
    /// Finds the texts of these settings. A flag wins over a variable, a variable over the file, the file over the default.
    /// A variable that is set but empty counts as not set, which is what orchestrators mean by it.
    ///
    /// # Errors
    /// A variable that would count is no text.
    pub fn resolve(self, settings: impl IntoIterator<Item = &'static dyn AnySetting>) -> Result<Typed, SettingsError> {
        let mut typed = Typed::default();
        for setting in settings {
            if let Some((values, origin)) = self.strongest(setting)? {
                typed.put(setting, values, origin);
            }
        }
        Ok(typed)
    }

    fn strongest(self, setting: &Row) -> Result<Option<(Vec<String>, Origin)>, SettingsError> {
        if let Some(values) = (self.flags)(setting.flag) {
            return Ok(Some((values, Origin::Flag)));
        }
        for name in setting.variables() {
            if let Some(text) = variable_text(self.environment, &name)? {
                return Ok(Some((said_at_once(setting, text), Origin::Variable(name))));
            }
        }
        let of_file = |file: &ConfigFile| Some((file.texts(setting)?.to_vec(), Origin::File(file.path().to_owned())));
        let in_file = self.file.and_then(of_file);
        Ok(in_file.or_else(|| Some((vec![setting.default?.to_owned()], Origin::Default))))
    }
}

/// What a variable says; `None` where it is not set, or empty.
///
/// # Errors
/// It is no text.
pub fn variable_text(environment: Environment<'_>, name: &str) -> Result<Option<String>, SettingsError> {
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
