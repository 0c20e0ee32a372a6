//! The stage that asks the state for the keys of a batch, with one call. What the answer means is the decision's business.

use engine::fingerprint::Fingerprinter;
use engine::record::RecordBatch;
use engine::state::PartitionState;

use crate::error::LineError;
use crate::scratch::Scratch;

/// Hashes the keys of the batch, each with the record that it belongs to.
pub(crate) fn hash_keys(scratch: &mut Scratch, fingerprinter: &Fingerprinter) {
    scratch.owners.clear();
    scratch.keys.clear();
    for (key, owner) in scratch.extraction.owners.iter().enumerate() {
        let record = scratch.decoded.get(*owner as usize).copied();
        if let (Some(bytes), Some(record)) = (scratch.extraction.keys.get(key), record) {
            scratch.owners.push(record);
            scratch.keys.push(fingerprinter.fingerprint(bytes));
        }
    }
}

/// What the state knows of the keys.
pub(crate) fn look_up<S: PartitionState>(
    batch: &RecordBatch,
    scratch: &mut Scratch,
    state: &mut S,
) -> Result<(), LineError> {
    let first_offset = batch.get(0).map_or(0, |record| record.offset());
    state.lookup(&scratch.keys, first_offset, &mut scratch.found).map_err(LineError::state)
}
