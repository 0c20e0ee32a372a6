//! Every setting of a run: the parts that have settings, in the order of the help text. A part that is added is named
//! here; a setting is not, it is a row of its part.

use super::row::{AnySetting, Rows};
use super::{checkpoints, components, explanation, files, http, kafka, limits, process, records, store, window};

static PARTS: [Rows; 13] = [
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
];

/// Every setting, in the order of the help text.
pub(super) fn settings() -> impl Iterator<Item = &'static dyn AnySetting> {
    PARTS.iter().flat_map(|rows| rows.iter().copied())
}
