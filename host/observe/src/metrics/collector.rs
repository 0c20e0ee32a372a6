//! Exports what is known about duplicates. It is read at the moment of the scrape: the line knows nothing about it.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{MetricFamily, MetricType};

use super::row::Kind;
use super::table::{Collected, OF_DUPLICATES};
use crate::insights::{Insights, Scrape};

/// Exports [`Insights`].
#[derive(Debug)]
pub(super) struct InsightsCollector {
    insights: Arc<Insights>,
    descriptions: Vec<Desc>,
}

impl InsightsCollector {
    /// A collector, to be registered once.
    ///
    /// # Errors
    /// Only if Prometheus did not accept a name of ours.
    pub(super) fn new(insights: Arc<Insights>) -> prometheus::Result<Self> {
        let descriptions = OF_DUPLICATES.iter().map(|is| is.row.describe()).collect::<prometheus::Result<_>>()?;
        Ok(Self { insights, descriptions })
    }
}

impl Collector for InsightsCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = self.insights.scrape();
        OF_DUPLICATES.iter().map(|is| family(is, &now)).collect()
    }
}

fn family(is: &Collected, now: &Scrape) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(is.row.name.to_owned());
    family.set_help(is.row.help.to_owned());
    family.set_field_type(match is.row.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric((is.series)(now));
    family
}
