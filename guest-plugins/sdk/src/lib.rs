//! The Rust SDK for dedup-host plugins: a trait, a macro, and a harness for unit tests. It hides how values are laid
//! out on their way to the plugin and back. Not the host, and not needed by plugins in other languages.
//!
//! A whole plugin:
//!
//! ```
//! use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, export_key_extractor};
//!
//! struct ById;
//!
//! impl KeyExtractor for ById {
//!     const INFO: Info = Info { name: "by_id", version: env!("CARGO_PKG_VERSION"), key_version: 1 };
//!
//!     fn configure(_config: &str) -> Result<(Self, Input), String> {
//!         Ok((ById, Input::Fields(vec!["/id".to_owned()])))
//!     }
//!
//!     fn key(&self, event: &Event<'_>, keys: &mut Keys) {
//!         keys.push(event.value(0).bytes);
//!     }
//! }
//!
//! export_key_extractor!(ById);
//! ```
//!
//! Make it a `cdylib`, build it for `wasm32-unknown-unknown`, and turn the module into a component with `componentize`.
//! On any other target the macro exports nothing, so the same crate is unit-tested natively, with [`testing`].

#[doc(hidden)]
pub mod bindings;
mod event;
#[doc(hidden)]
pub mod export;
mod keys;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tuple;

pub use bindings::types::{Change, Comparison, Input};
pub use event::{Event, Kind, Value};
pub use keys::Keys;

/// What a plugin says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// A short name, as it stands in logs and metrics.
    pub name: &'static str,
    /// The plugin's version, for people: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// Raise it when the same events get other keys than before.
    pub key_version: u32,
}

/// Decides what makes two events the same: they are if they have a key in common.
///
/// It must be pure: the keys of an event depend on the configuration and that event only. The host may drop the value
/// at any moment, configure another with the same text and show it the same events again. A panic costs the event that
/// caused it (it becomes a dead letter), but is slow: answer [`Keys::invalid`] instead.
pub trait KeyExtractor: Sized + 'static {
    /// Who the plugin is.
    const INFO: Info;

    /// Reads the operator's text, empty where none was given, and says what to read of each event.
    ///
    /// # Errors
    /// What is wrong with the text and what would be right; the operator reads it. Refuse unknown members by name.
    fn configure(config: &str) -> Result<(Self, Input), String>;

    /// Gives `keys` the key of one event, or several; none, or [`Keys::no_key`], where it has no identity.
    fn key(&self, event: &Event<'_>, keys: &mut Keys);
}

/// Says how alike two events are that share a key. Pure, as a [`KeyExtractor`] is.
pub trait SimilarityScorer: Sized + 'static {
    /// Who the plugin is.
    const INFO: Info;

    /// Reads the operator's text, empty where none was given, and says what to read of each event.
    ///
    /// # Errors
    /// What is wrong with the text and what would be right; the operator reads it. Refuse unknown members by name.
    fn configure(config: &str) -> Result<(Self, Input), String>;

    /// Compares a duplicate with the first event that had its key.
    fn compare(&self, original: &Event<'_>, duplicate: &Event<'_>) -> Comparison;
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Trace = 0,
    Debug = 1,
    Information = 2,
    Warning = 3,
    Error = 4,
}

/// Writes a line to the host's log, or to standard error where there is no host. The host keeps a bounded number of
/// bytes a call.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    bindings::log::write(level as u8, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// Makes a [`KeyExtractor`] the one this component exports. Does nothing where the target is not wasm.
#[macro_export]
macro_rules! export_key_extractor {
    ($extractor:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::{key, types};

            ::std::thread_local! {
                static CONFIGURED: $crate::export::Slot<$extractor> = const { $crate::export::Slot::new() };
            }
            struct Exported;

            impl key::exports::dedup::plugin::key_extractor::Guest for Exported {
                fn describe() -> types::Info {
                    $crate::export::describe(<$extractor as $crate::KeyExtractor>::INFO)
                }
                fn configure(config: String) -> Result<types::Input, types::Failure> {
                    CONFIGURED.with(|slot| slot.put(<$extractor as $crate::KeyExtractor>::configure(&config)))
                }
                fn extract(events: types::Batch) -> Result<types::Extraction, types::Failure> {
                    CONFIGURED.with(|slot| slot.with(|extractor| $crate::export::extract(extractor, &events)))
                }
            }
    key::export_key!(Exported with_types_in $crate::bindings::key);
        };
    };
}

/// Makes a [`SimilarityScorer`] the one this component exports. Does nothing where the target is not wasm.
#[macro_export]
macro_rules! export_similarity_scorer {
    ($scorer:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::{scoring, types};

            ::std::thread_local! {
                static CONFIGURED: $crate::export::Slot<$scorer> = const { $crate::export::Slot::new() };
            }
            struct Exported;

            impl scoring::exports::dedup::plugin::similarity_scorer::Guest for Exported {
                fn describe() -> types::Info {
                    $crate::export::describe(<$scorer as $crate::SimilarityScorer>::INFO)
                }
                fn configure(config: String) -> Result<types::Input, types::Failure> {
                    CONFIGURED.with(|slot| slot.put(<$scorer as $crate::SimilarityScorer>::configure(&config)))
                }
                fn compare(
                    originals: types::Batch,
                    duplicates: types::Batch,
                ) -> Result<Vec<types::Comparison>, types::Failure> {
                    CONFIGURED.with(|slot| slot.with(|scorer| $crate::export::compare(scorer, &originals, &duplicates)))
                }
            }
    scoring::export_scoring!(Exported with_types_in $crate::bindings::scoring);
        };
    };
}
