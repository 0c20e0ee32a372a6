//! Every setting of a run: the parts that have settings, in the order of the help text. A part that is added is named
//! here; a setting is not, it is a row of its part.

use setting::{AnySetting, Table};

use super::{checkpoints, components, explanation, files, http, kafka, limits, process, records, store, window};

/// Every setting, in the order of the help text.
pub(super) static TABLE: Table = Table::new(&[
    components::ROWS,
    window::ROWS,
    records::ROWS,
    explanation::ROWS,
    kafka::connection::ROWS,
    kafka::input::ROWS,
    kafka::output::ROWS,
    files::ROWS,
    store::ROWS,
    checkpoints::ROWS,
    limits::ROWS,
    http::ROWS,
    process::ROWS,
]);

/// All of [`TABLE`].
pub(super) fn settings() -> impl Iterator<Item = &'static dyn AnySetting> {
    TABLE.iter()
}
