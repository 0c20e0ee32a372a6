//! Parts of flat batches as they cross to a plugin: views, but for ends, which count from the start of the part. It
//! checks that a part is there, and no more.

use std::ops::Range;

use engine::fields::Column;

use crate::bindings::types::ColumnParam;

/// These values of a column; `None` where there are none such. `buffer` keeps the ends if they have to be counted anew.
pub(crate) fn column<'a>(
    column: &'a Column,
    values: &Range<usize>,
    buffer: &'a mut Vec<u32>,
) -> Option<ColumnParam<'a>> {
    let ends = column.ends.get(values.clone())?;
    let start = start_of(&column.ends, values.start)?;
    let end = ends.last().copied().unwrap_or(start);
    let data = column.data.get(start as usize..end as usize)?;
    Some(ColumnParam { data, ends: counted_from(start, ends, buffer) })
}

/// Where value `index` starts: at the end of the one before.
pub(crate) fn start_of(ends: &[u32], index: usize) -> Option<u32> {
    match index.checked_sub(1) {
        Some(before) => ends.get(before).copied(),
        None => Some(0),
    }
}

/// Ends that count from `start` instead of from 0.
pub(crate) fn counted_from<'a>(start: u32, ends: &'a [u32], buffer: &'a mut Vec<u32>) -> &'a [u32] {
    if start == 0 {
        return ends;
    }
    buffer.clear();
    buffer.extend(ends.iter().map(|end| end.saturating_sub(start)));
    buffer
}
