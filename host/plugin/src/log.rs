//! What one instance says, bounded a call: to the host's log, or kept for whoever asked for it. Not the host's own words.

use std::time::Instant;

use crate::allowance::Allowance;
use crate::bindings::log;
use crate::words::{clean, cut};

/// Longest part of a plugin's last words that goes into a reason.
const LAST_WORDS_BYTES_MAX: usize = 512;

/// What a line costs beside its text: a time, a level and a name stand before it in the host's log.
const LINE_BYTES: usize = 64;

/// The log of one instance.
#[derive(Debug)]
pub(crate) struct Log {
    plugin: String,
    /// What it shares with other instances.
    allowance: Allowance,
    bytes_per_call_max: usize,
    /// Written in this call, what was cut included.
    bytes: usize,
    bytes_cut: usize,
    bytes_left: usize,
    last_words: Option<String>,
    /// Lines of this call with their levels; `None`: they go to the host's log.
    kept: Option<Vec<(u8, String)>>,
}

impl Log {
    /// The log of an instance of this plugin, which goes to the host's.
    pub(crate) fn new(plugin: &str, bytes_per_call_max: usize, allowance: Allowance) -> Self {
        Self {
            plugin: plugin.to_owned(),
            allowance,
            bytes_per_call_max,
            bytes: 0,
            bytes_cut: 0,
            bytes_left: bytes_per_call_max,
            last_words: None,
            kept: None,
        }
    }

    /// A log that goes nowhere: its lines are kept until the next call.
    pub(crate) fn kept(plugin: &str, bytes_per_call_max: usize) -> Self {
        let allowance = Allowance::new(Instant::now());
        Self { kept: Some(Vec::new()), ..Self::new(plugin, bytes_per_call_max, allowance) }
    }

    pub(crate) fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Bytes written in the last call, what was cut included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lines of the last call, if they are kept.
    pub(crate) fn take(&mut self) -> Vec<(u8, String)> {
        self.kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The last error of this call, on one line.
    pub(crate) fn last_words(&self) -> Option<String> {
        self.last_words.as_ref().map(|words| clean(words, LAST_WORDS_BYTES_MAX))
    }

    pub(crate) fn begin_call(&mut self) {
        (self.bytes, self.bytes_cut, self.bytes_left) = (0, 0, self.bytes_per_call_max);
        self.last_words = None;
        self.kept.iter_mut().for_each(Vec::clear);
    }

    pub(crate) fn end_call(&self) {
        let Self { plugin, bytes_cut, kept, .. } = self;
        if *bytes_cut == 0 || kept.is_some() {
            return;
        }
        if let Some(bytes_cut) = self.allowance.cut(*bytes_cut, Instant::now()) {
            let plugin = plugin.as_str();
            tracing::warn!(plugin, bytes_cut, "the plugin's log was cut: it wrote too much, in one call or over time");
        }
    }

    /// Takes a message down, or as much of it as fits.
    pub(crate) fn line(&mut self, level: u8, message: &str) {
        let line = self.allowed(level, cut(message, self.bytes_left));
        self.bytes_left = self.bytes_left.saturating_sub(line.len() + LINE_BYTES);
        self.bytes = self.bytes.saturating_add(message.len());
        self.bytes_cut = self.bytes_cut.saturating_add(message.len() - line.len());
        if level >= 4 {
            self.last_words = Some(cut(message, LAST_WORDS_BYTES_MAX).to_owned());
        }
        if line.is_empty() {
            return;
        }
        let (plugin, line) = (self.plugin.as_str(), clean(line, line.len()));
        match (&mut self.kept, level) {
            (Some(kept), _) => kept.push((level, line)),
            (None, 0) => tracing::trace!(plugin, "{line}"),
            (None, 1) => tracing::debug!(plugin, "{line}"),
            (None, 2) => tracing::info!(plugin, "{line}"),
            (None, 3) => tracing::warn!(plugin, "{line}"),
            (None, _) => tracing::error!(plugin, "{line}"),
        }
    }

    /// The line, or none of it where instances of the plugin wrote too much lately. What nobody hears costs nothing.
    fn allowed<'a>(&self, level: u8, line: &'a str) -> &'a str {
        let is_heard = match level {
            0 => tracing::enabled!(tracing::Level::TRACE),
            1 => tracing::enabled!(tracing::Level::DEBUG),
            2 => tracing::enabled!(tracing::Level::INFO),
            3 => tracing::enabled!(tracing::Level::WARN),
            _ => tracing::enabled!(tracing::Level::ERROR),
        };
        let counts = self.kept.is_none() && is_heard && !line.is_empty();
        if counts && !self.allowance.take(line.len() + LINE_BYTES, Instant::now()) { "" } else { line }
    }

    /// Takes down that so many bytes were written and are gone.
    pub(crate) fn cut(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes_cut = self.bytes_cut.saturating_add(bytes);
    }

    /// The last words of this call, unless there are others.
    pub(crate) fn end_with(&mut self, words: &str) {
        self.last_words.get_or_insert_with(|| cut(words, LAST_WORDS_BYTES_MAX).to_owned());
    }
}

impl log::Host for Log {
    fn write(&mut self, level: u8, message: String) {
        self.line(level, &message);
    }
}
