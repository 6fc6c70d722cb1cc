use std::fmt;

use jiff::Timestamp;
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

/// Families of metrics that are being told. Each is told once, with all of its series.
#[derive(Debug)]
pub struct Families<'a>(DescriptorEncoder<'a>);

/// Seconds since 1970, with milliseconds; 0 for what never was.
pub fn seconds(instant: Option<Timestamp>) -> f64 {
    instant.map_or(0.0, |instant| instant.as_millisecond() as f64 / 1e3)
}

/// A label's name and its value. No value is ever a student's id or name, or anything else that grows.
pub type Label<'a> = (&'static str, &'a str);

/// What a histogram has observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Each bucket's upper bound, and how many observations lie in it and in none before it. The last bound is
    /// infinity.
    pub buckets: Vec<(f64, u64)>,
    /// Of all observations.
    pub sum: f64,
}

impl<'a> Families<'a> {
    pub(super) fn told_to(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A family of what only grows. Its name ends in `_total`.
    pub fn counter<'l, V: EncodeGaugeValue, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([Label<'l>; LABELS], V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, series)
    }

    /// A family of what goes up and down.
    pub fn gauge<'l, V: EncodeGaugeValue, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([Label<'l>; LABELS], V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, series)
    }

    /// A family of histograms.
    pub fn histogram<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([Label<'l>; LABELS], Observed)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, Observed { buckets, sum }) in series {
            let count = buckets.iter().map(|(_, observations)| observations).sum();
            labelled(&mut family, labels, |series| {
                series.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            })?;
        }
        Ok(())
    }

    fn family<'l, V: EncodeGaugeValue, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        series: impl IntoIterator<Item = ([Label<'l>; LABELS], V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in series {
            // In this format a counter is written as a gauge is: its name says `_total` in every line.
            labelled(&mut family, labels, |series| series.encode_gauge(&value))?;
        }
        Ok(())
    }
}

/// Without labels there are no braces either.
fn labelled<const LABELS: usize>(
    family: &mut MetricEncoder<'_>,
    labels: [Label<'_>; LABELS],
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if LABELS == 0 { encode(family) } else { encode(&mut family.encode_family(&labels)?) }
}
