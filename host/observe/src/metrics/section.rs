//! The macro that turns a section of the table into handles, and how they are registered. It has no rows of its own.

use prometheus::Registry;

use super::handles::Handle;
use super::row::{Exponential, Kind, Row};

/// Rows that share labels, as families in the registry.
pub(super) trait Section: Sized {
    /// The handles of one set of values of the shared labels.
    type Handles;

    /// The rows of the table.
    const ROWS: &'static [&'static Row];

    /// Whether the values of all labels but the shared ones are known, so that nothing is left behind by
    /// [`Section::remove`].
    const IS_CLOSED: bool;

    /// Registers the families.
    fn register(registry: &Registry) -> prometheus::Result<Self>;

    /// The handles for these values of the shared labels; their series are exported from now on.
    fn resolve(&self, shared: &[&str]) -> Self::Handles;

    /// Removes the series of these values.
    fn remove(&self, shared: &[&str]);
}

/// A row that is written through a handle. One that does not fit its handle does not compile.
pub(super) const fn row_of<H: Handle>(
    name: &'static str,
    labels: [&'static [&'static str]; 2],
    help: &'static str,
    buckets: Option<Exponential>,
) -> Row {
    let [_, own] = labels;
    assert!(own.len() == H::LABELS, "the row has other labels than its handle");
    assert!(matches!(H::KIND, Kind::Histogram) == buckets.is_some(), "buckets are for histograms");
    Row { name, kind: H::KIND, help, labels, buckets }
}

/// The family of a row, registered.
pub(super) fn registered<H: Handle>(registry: &Registry, row: &Row) -> prometheus::Result<H::Family> {
    let family = H::family(row)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

/// A section of the table: a struct of handles, a struct of their families, and how the families make the handles.
macro_rules! section {
    (
        $(#[$doc:meta])*
        $handles:ident of $families:ident, by $shared:expr;
        $(
            $(#[$more:meta])*
            $vis:vis $field:ident: $handle:ty = $name:literal, [$($label:literal),*], $help:literal $(, $buckets:expr)?;
        )+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $handles {
            $(#[doc = $help] $(#[doc = ""] #[$more])* $vis $field: $handle,)+
        }

        #[derive(Debug, Clone)]
        pub(super) struct $families {
            $($field: <$handle as Handle>::Family,)+
        }

        #[expect(non_upper_case_globals, reason = "a row is called as its handle is")]
        impl $families {
            $(const $field: Row =
                row_of::<$handle>($name, [&$shared, &[$($label),*]], $help, section!(@buckets $($buckets)?));)+
        }

        impl Section for $families {
            type Handles = $handles;

            const ROWS: &'static [&'static Row] = &[$(&Self::$field,)+];

            const IS_CLOSED: bool = true $(&& <$handle as Handle>::IS_CLOSED)+;

            fn register(registry: &Registry) -> prometheus::Result<Self> {
                Ok(Self { $($field: registered::<$handle>(registry, &Self::$field)?,)+ })
            }

            fn resolve(&self, shared: &[&str]) -> $handles {
                $handles { $($field: <$handle as Handle>::resolve(&self.$field, shared),)+ }
            }

            fn remove(&self, shared: &[&str]) {
                $(<$handle as Handle>::remove(&self.$field, shared);)+
            }
        }
    };
    (@buckets) => { None };
    (@buckets $buckets:expr) => { Some($buckets) };
}

pub(super) use section;
