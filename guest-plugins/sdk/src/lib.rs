//! The Rust SDK for dedup-host plugins: a trait a role, a macro, and a harness for unit tests. It hides how values are
//! laid out on their way to the plugin and back. Not the host, and not needed by plugins in other languages.
//!
//! A whole plugin that says what makes two events the same:
//!
//! ```
//! use dedup_plugin::{Event, Info, Input, KeyExtractor, Keys, export_key_extractor};
//!
//! struct ById;
//!
//! impl KeyExtractor for ById {
//!     const INFO: Info = Info { name: "by_id", version: env!("CARGO_PKG_VERSION"), key_version: 1 };
//!
//!     fn configure(config: &str) -> Result<(Self, Input), String> {
//!         if !config.is_empty() {
//!             return Err(format!("there is nothing to configure: {config}"));
//!         }
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
//! A whole plugin that says how alike a duplicate and its original are, with a test of it:
//!
//! ```
//! use dedup_plugin::{Info, Input, Pair, Score, SimilarityScorer, Verdict, Verdicts, export_similarity_scorer};
//!
//! struct ShareOfSame;
//!
//! impl SimilarityScorer for ShareOfSame {
//!     const INFO: Info = Info { name: "share_of_same", version: env!("CARGO_PKG_VERSION"), key_version: 1 };
//!
//!     fn configure(config: &str) -> Result<(Self, Input), String> {
//!         if !config.is_empty() {
//!             return Err(format!("there is nothing to configure: {config}"));
//!         }
//!         Ok((ShareOfSame, Input::Fields(vec!["/properties".to_owned()])))
//!     }
//!
//!     fn compare(&self, pair: &Pair<'_>, verdicts: &mut Verdicts) -> Score {
//!         let mut same = 0;
//!         for property in pair.properties() {
//!             same += u32::from(property.is_same());
//!             verdicts.push(if property.is_same() { Verdict::Same } else { Verdict::Changed });
//!         }
//!         let share = if pair.is_empty() { 1.0 } else { f64::from(same) / pair.len() as f64 };
//!         Score { similarity: share, property_similarity: share }
//!     }
//! }
//!
//! export_similarity_scorer!(ShareOfSame);
//!
//! use dedup_plugin::testing::Harness;
//! let original = r#"{"uuid": "1", "properties": {"url": "/home", "width": 1024}}"#;
//! let duplicate = r#"{"uuid": "2", "properties": {"width": 800, "url": "/home"}}"#;
//! let said = Harness::<ShareOfSame>::new_scorer("").unwrap().compare_events(original, duplicate).unwrap();
//! assert_eq!(said.score.similarity, 0.5);
//! assert_eq!((said.changed.concat().as_str(), said.same.concat().as_str()), ("/properties/width", "/properties/url"));
//! ```
//!
//! Make it a `cdylib`, build it for `wasm32-unknown-unknown`, and turn the module into a component with `componentize`.
//! On any other target the macro exports nothing, so the same crate is unit-tested natively, with [`testing`].

#[doc(hidden)]
pub mod bindings;
mod event;
#[doc(hidden)]
pub mod export;
pub mod instant;
mod keys;
mod pair;
mod pointers;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod tuple;
pub mod written;

pub use bindings::types::Input;
pub use event::{Event, Kind, Value};
pub use keys::Keys;
pub use pair::{Pair, Property, Score, Verdict, Verdicts};
pub use pointers::{Pointers, check as check_pointer, covers as pointer_covers};

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

/// Says how alike two events are that share a key.
///
/// Pure, as a [`KeyExtractor`] is. It has no say in what is a duplicate; it explains those that are. A panic leaves the
/// pair that caused it without a score, but is slow.
pub trait SimilarityScorer: Sized + 'static {
    /// Who the plugin is.
    const INFO: Info;

    /// Reads the operator's text, empty where none was given, and says what to read of each event: a field stands for
    /// all properties at and below it, `""` for those of the whole event.
    ///
    /// # Errors
    /// What is wrong with the text and what would be right; the operator reads it. Refuse unknown members by name.
    fn configure(config: &str) -> Result<(Self, Input), String>;

    /// Says how alike the events of a pair are, and gives `verdicts` one verdict for each of [`Pair::properties`], in
    /// their order. The answer must not change when the two events change places, and is 1 for an event and itself.
    fn compare(&self, pair: &Pair<'_>, verdicts: &mut Verdicts) -> Score;
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
                fn compare(pairs: types::Pairs) -> Result<types::Comparisons, types::Failure> {
                    CONFIGURED.with(|slot| slot.with(|scorer| $crate::export::compare(scorer, &pairs)))
                }
            }
    scoring::export_scoring!(Exported with_types_in $crate::bindings::scoring);
        };
    };
}
