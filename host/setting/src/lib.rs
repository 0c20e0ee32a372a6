//! What a setting is: one typed row, from which its flag, its variable, its key in a file and its help follow; and where the
//! text of it comes from. Not which settings there are, and not how a command line is read: it is given what stands there.
//!
//! A setting is a row of the part that it configures, where it is to stand in the help text:
//!
//! ```
//! use setting::{Group, Runs, Setting, one, units};
//!
//! const GROUP: Group = Group { title: "Limits", runs: Runs::All, also: &[] };
//!
//! setting::rows!(pub(crate),
//!     static MAX_MEMORY_BYTES: Setting<u64> =
//!         one(GROUP, "max-memory-bytes", "BYTES", units::bytes, "Maximum memory for the records in flight").or("512MiB");
//! );
//!
//! assert_eq!(MAX_MEMORY_BYTES.variables(), ["MAX_MEMORY_BYTES"]);
//! assert_eq!(MAX_MEMORY_BYTES.parse("1KiB"), Ok(1_024));
//! ```
//!
//! and is read where that part is built: `typed.need(&MAX_MEMORY_BYTES)?`.

#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod error;
mod file;
mod layers;
mod origin;
mod row;
mod show;
#[cfg(test)]
mod strangers;
mod table;
#[cfg(test)]
mod tests;
mod typed;
pub mod units;

pub use error::SettingsError;
pub use file::ConfigFile;
pub use layers::{Environment, Layers, variable_text};
pub use origin::Origin;
pub use row::{AnySetting, Group, Kind, ON_OFF, Row, Rows, Runs, Setting, Taker, many, one, one_of, secret, switch};
pub use show::show;
pub use table::Table;
pub use typed::Typed;
