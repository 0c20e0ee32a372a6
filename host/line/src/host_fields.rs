//! The fields that the host itself reads of an event: its uuid, and its time where that stands in the payload. Not those
//! that a plugin asks for.

use std::borrow::Cow;

use engine::fields::{FieldBatch, Kind};
use engine::identity;

/// Index of the host's group of fields; the plugin's is 0.
pub(crate) const HOST_FIELDS: usize = 1;

/// The uuid of an event as it stands there.
#[inline]
pub(crate) fn uuid(host_fields: &FieldBatch, event: usize) -> Option<&[u8]> {
    let (kind, value) = uuid_field(host_fields, event)?;
    identity::as_written(kind, value)
}

/// The uuid of an event as it is compared.
pub(crate) fn compared_uuid(host_fields: &FieldBatch, event: usize) -> Option<Cow<'_, [u8]>> {
    let (kind, value) = uuid_field(host_fields, event)?;
    identity::identity(kind, value)
}

#[inline]
fn uuid_field(host_fields: &FieldBatch, event: usize) -> Option<(u8, &[u8])> {
    let field = event * host_fields.width as usize;
    Some((*host_fields.kinds.get(field)?, host_fields.values.get(field)?))
}

/// The kind of that number; absent where there is none.
#[must_use]
pub fn kind_of(number: u8) -> Kind {
    let kinds = [Kind::Null, Kind::Bool, Kind::Number, Kind::String, Kind::Json, Kind::Bytes];
    kinds.into_iter().find(|kind| *kind as u8 == number).unwrap_or(Kind::Absent)
}
