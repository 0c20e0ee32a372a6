//! What the user typed: for every setting its text, and where that came from. Nothing is checked before a part asks for
//! a value. Not where the texts are looked for: that is `layers`.

use std::collections::BTreeMap;

use plain_text::secrets;

use crate::error::SettingsError;
use crate::origin::Origin;
use crate::row::{Kind, Row, Setting};

#[derive(Debug, Clone)]
struct Text {
    values: Vec<String>,
    origin: Origin,
}

/// Every setting as text, with its origin.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    texts: BTreeMap<&'static str, Text>,
}

impl Typed {
    /// Sets the texts of a setting.
    pub fn put(&mut self, row: &Row, values: Vec<String>, origin: Origin) {
        self.texts.insert(row.flag, Text { values, origin });
    }

    /// The text of a setting, if it has one.
    #[must_use]
    pub fn text(&self, row: &Row) -> Option<&str> {
        self.texts(row).last().map(String::as_str)
    }

    /// All texts of a setting that may be repeated.
    #[must_use]
    pub fn texts(&self, row: &Row) -> &[String] {
        self.texts.get(row.flag).map(|text| text.values.as_slice()).unwrap_or_default()
    }

    /// Where the text comes from.
    #[must_use]
    pub fn origin(&self, row: &Row) -> &Origin {
        self.texts.get(row.flag).map_or(&Origin::Default, |text| &text.origin)
    }

    /// Whether the user said it, anywhere.
    #[must_use]
    pub fn given(&self, row: &Row) -> bool {
        !matches!(self.origin(row), Origin::Default | Origin::Derived(_))
    }

    /// Whether the user said it on the command line.
    #[must_use]
    pub fn on_command_line(&self, row: &Row) -> bool {
        *self.origin(row) == Origin::Flag
    }

    /// Replaces what nobody said by what follows from other settings.
    pub fn derive(&mut self, row: &Row, value: impl Into<String>, reason: impl Into<String>) {
        self.put(row, vec![value.into()], Origin::Derived(reason.into()));
    }

    /// Says what takes the place of what nobody said, where that is not known before a run.
    pub fn explain(&mut self, row: &Row, reason: String) {
        self.put(row, Vec::new(), Origin::Derived(reason));
    }

    /// A default that is larger than `bound`, which is the value of another setting, becomes that bound.
    ///
    /// # Errors
    /// The user said both, and they do not fit.
    pub fn keep_within<T: Clone + PartialOrd>(
        &mut self,
        setting: &Setting<T>,
        larger: &Row,
        bound: &T,
    ) -> Result<(), SettingsError> {
        if self.need(setting)? <= *bound {
            return Ok(());
        }
        let text = self.text(larger).unwrap_or_default().to_owned();
        if self.given(setting) {
            let reason = format!("is more than --{}, which is {text} ({})", larger.flag, self.origin(larger));
            return Err(self.wrong(setting, reason));
        }
        self.derive(setting, text, format!("not more than {}", larger.flag));
        Ok(())
    }

    /// The value of a setting that may be absent.
    ///
    /// # Errors
    /// Names the setting and where its text comes from.
    pub fn get<T: Clone>(&self, setting: &Setting<T>) -> Result<Option<T>, SettingsError> {
        self.text(setting).map(|text| self.parse(setting, text)).transpose()
    }

    /// The value of a setting that must be there.
    ///
    /// # Errors
    /// As [`Typed::get`], and when it is not set.
    pub fn need<T: Clone>(&self, setting: &Setting<T>) -> Result<T, SettingsError> {
        self.get(setting)?.ok_or_else(|| self.wrong(setting, "is needed and not set"))
    }

    /// All values of a setting that may be repeated.
    ///
    /// # Errors
    /// As [`Typed::get`], for the first that does not hold.
    pub fn all<T: Clone>(&self, setting: &Setting<T>) -> Result<Vec<T>, SettingsError> {
        self.texts(setting).iter().map(|text| self.parse(setting, text)).collect()
    }

    fn parse<T: Clone>(&self, setting: &Setting<T>, text: &str) -> Result<T, SettingsError> {
        setting.parse(text).map_err(|reason| self.wrong(setting, reason))
    }

    /// The error that names the setting and where it comes from. A reason may repeat a text: secrets in it are hidden.
    pub fn wrong(&self, row: &Row, reason: impl Into<String>) -> SettingsError {
        let secret = row.kind == Kind::Secret;
        let texts = self.texts(row).iter().filter(|text| secret && !text.trim().is_empty());
        let reason = texts.fold(reason.into(), |reason, text| reason.replace(text, secrets::HIDDEN));
        let reason = secrets::hidden(&reason).into_owned();
        SettingsError::Setting { flag: row.flag, origin: self.origin(row).clone(), reason }
    }
}
