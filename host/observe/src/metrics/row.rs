//! What a row of the table says. Neither the rows, which are in `table`, nor how their values are written.

use std::collections::HashMap;

use prometheus::core::Desc;
use prometheus::{HistogramOpts, Opts, exponential_buckets};

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Values in buckets.
    Histogram,
}

/// Upper bounds of a histogram that grow by a factor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exponential {
    pub(super) first: f64,
    pub(super) factor: f64,
    pub(super) count: usize,
}

/// A metric as the table declares it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The exported name: a contract with dashboards and alerts.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it counts or measures.
    pub help: &'static str,
    /// Labels of all rows of its section, then its own.
    pub(super) labels: [&'static [&'static str]; 2],
    /// Bounds, for histograms.
    pub(super) buckets: Option<Exponential>,
}

impl Row {
    /// A row whose series are made at the moment of the scrape.
    pub(super) const fn collected(
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind, help, labels: [&[], labels], buckets: None }
    }

    /// Names of its labels.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.labels.into_iter().flatten().copied()
    }

    pub(super) fn opts(&self) -> prometheus::Result<Opts> {
        Ok(Opts::new(self.name, self.help))
    }

    pub(super) fn histogram_opts(&self) -> prometheus::Result<HistogramOpts> {
        let opts = HistogramOpts::new(self.name, self.help);
        let Some(Exponential { first, factor, count }) = self.buckets else { return Ok(opts) };
        Ok(opts.buckets(exponential_buckets(first, factor, count)?))
    }

    pub(super) fn describe(&self) -> prometheus::Result<Desc> {
        let labels = self.labels().map(str::to_owned).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, HashMap::new())
    }
}
