//! What a row's values are written through: one series, one for each value of a closed set, or as many as are asked for.
//! A handle is resolved once; using it is an atomic operation.

use std::marker::PhantomData;

use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};

use super::family::{Family, apart};
use super::labels::Label;
use super::row::{Kind, Row};

/// What the values of a row are written through.
pub trait Handle: Sized {
    /// Its type to Prometheus.
    const KIND: Kind;

    /// How many labels a row with it has besides those of its section.
    const LABELS: usize;

    /// Whether the values of these labels are known.
    const IS_CLOSED: bool;

    /// What is registered.
    type Family: Collector + Clone + std::fmt::Debug + 'static;

    /// The family of a row.
    ///
    /// # Errors
    /// Only if Prometheus did not accept the row's name or labels.
    fn family(row: &Row) -> prometheus::Result<Self::Family>;

    /// The handle for these values of the family's first labels.
    fn resolve(family: &Self::Family, values: &[&str]) -> Self;

    /// Removes its series.
    fn remove(family: &Self::Family, values: &[&str]);
}

/// Handles that are one series.
macro_rules! series {
    ($($handle:ident: $vec:ident, $kind:ident, $opts:ident;)+) => {$(
        impl Handle for $handle {
            const KIND: Kind = Kind::$kind;
            const LABELS: usize = 0;
            const IS_CLOSED: bool = true;
            type Family = Family<$vec>;

            fn family(row: &Row) -> prometheus::Result<Self::Family> {
                $vec::new(row.$opts()?, &row.labels().collect::<Vec<_>>()).map(Family)
            }

            fn resolve(Family(series): &Self::Family, values: &[&str]) -> Self {
                series.with_label_values(&apart(values))
            }

            fn remove(Family(series): &Self::Family, values: &[&str]) {
                // An error means that the series does not exist, which is the aim.
                let _ = series.remove_label_values(&apart(values));
            }
        }
    )+};
}

series! {
    IntCounter: IntCounterVec, Counter, opts;
    Counter: CounterVec, Counter, opts;
    IntGauge: IntGaugeVec, Gauge, opts;
    Gauge: GaugeVec, Gauge, opts;
    Histogram: HistogramVec, Histogram, histogram_opts;
}

/// A series for each value of a closed set. All exist from the start, so that a rate over their first increment is right.
#[derive(Debug, Clone)]
pub struct By<L, H> {
    /// In the order of [`Label::VALUES`].
    series: Vec<H>,
    label: PhantomData<L>,
}

impl<L: Label, H: Handle> Handle for By<L, H> {
    const KIND: Kind = H::KIND;
    const LABELS: usize = 1 + H::LABELS;
    const IS_CLOSED: bool = H::IS_CLOSED;
    type Family = H::Family;

    fn family(row: &Row) -> prometheus::Result<H::Family> {
        H::family(row)
    }

    fn resolve(family: &H::Family, values: &[&str]) -> Self {
        let series = L::VALUES.iter().map(|value| H::resolve(family, &[values, &[value.text()]].concat())).collect();
        Self { series, label: PhantomData }
    }

    fn remove(family: &H::Family, values: &[&str]) {
        L::VALUES.iter().for_each(|value| H::remove(family, &[values, &[value.text()]].concat()));
    }
}

impl<L: Label, H> By<L, H> {
    fn of(&self, value: L) -> Option<&H> {
        self.series.get(value.number())
    }
}

impl<L: Label> By<L, IntCounter> {
    /// Adds one to this value.
    pub fn inc(&self, value: L) {
        self.inc_by(value, 1);
    }

    /// Adds this many to this value.
    pub fn inc_by(&self, value: L, count: u64) {
        if let Some(counter) = self.of(value) {
            counter.inc_by(count);
        }
    }
}

impl<L: Label> By<L, IntGauge> {
    /// Sets the number of this value.
    pub fn set(&self, value: L, to: i64) {
        if let Some(gauge) = self.of(value) {
            gauge.set(to);
        }
    }

    /// 1 for this value and 0 for the others.
    pub fn set_only(&self, value: Option<L>) {
        let only = value.map(Label::number);
        self.series.iter().enumerate().for_each(|(number, gauge)| gauge.set(i64::from(only == Some(number))));
    }
}

impl<L: Label> By<L, Histogram> {
    /// Counts a measured value.
    pub fn observe(&self, value: L, measured: f64) {
        if let Some(histogram) = self.of(value) {
            histogram.observe(measured);
        }
    }
}

/// A handle for each combination of values of `N` labels, made on request: callers that use one often keep it. Not for
/// values that outsiders can make up.
#[derive(Debug, Clone)]
pub struct Open<H: Handle, const N: usize> {
    family: H::Family,
    first: Vec<String>,
}

impl<H: Handle, const N: usize> Handle for Open<H, N> {
    const KIND: Kind = H::KIND;
    const LABELS: usize = N + H::LABELS;
    const IS_CLOSED: bool = false;
    type Family = H::Family;

    fn family(row: &Row) -> prometheus::Result<H::Family> {
        H::family(row)
    }

    fn resolve(family: &H::Family, values: &[&str]) -> Self {
        Self { family: family.clone(), first: values.iter().copied().map(str::to_owned).collect() }
    }

    fn remove(_: &H::Family, _: &[&str]) {}
}

impl<H: Handle, const N: usize> Open<H, N> {
    /// The handle for these values.
    #[must_use]
    pub fn with(&self, values: [&str; N]) -> H {
        H::resolve(&self.family, &self.first.iter().map(String::as_str).chain(values).collect::<Vec<_>>())
    }
}

impl<const N: usize> Open<IntGauge, N> {
    /// Removes the series that were asked for so far, in every section.
    pub fn clear(&self) {
        self.family.0.reset();
    }
}
