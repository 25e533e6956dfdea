//! Writes all values in the text formats of Prometheus and OpenMetrics.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet,
    prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{self, Registry};

use super::families::{ALL, Kind, Unit};
use super::recorder::{Recorder, Sample, Value};

/// The format of a scrape.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    /// Returns the format that the header `Accept` of a request asks for. Prometheus sends OpenMetrics first in its list
    /// if it prefers OpenMetrics, and every client reads the format of Prometheus.
    pub(crate) fn accepted(accept: &str) -> Self {
        let mut first = None;
        for part in accept.split(',') {
            let (media, parameters) = part.split_once(';').unwrap_or((part, ""));
            let format = match media.trim() {
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" => Self::Prometheus,
                _ => continue,
            };
            let quality = parameters.split(';').find_map(|parameter| {
                let quality = parameter.trim().strip_prefix("q=")?;
                quality.parse::<f32>().ok()
            });
            let quality = quality.unwrap_or(1.0);
            if quality > 0.0 && first.is_none_or(|(_, best)| quality > best) {
                first = Some((format, quality));
            }
        }
        first.map_or(Self::Prometheus, |(format, _)| format)
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// Writes all values.
pub(super) fn write(recorder: &Arc<Recorder>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Values(Arc::clone(recorder))));
    let mut written = String::new();
    let outcome = match format {
        Format::OpenMetrics => text::encode(&mut written, &registry),
        Format::Prometheus => prometheus_text::encode(&mut written, &registry),
    };
    // Writing into a `String` does not fail.
    outcome.map_or_else(|_| String::new(), |()| written)
}

#[derive(Debug)]
struct Values(Arc<Recorder>);

impl Collector for Values {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = self.0.samples();
        for family in ALL {
            let mut of_family = samples
                .iter()
                .filter(|sample| std::ptr::eq(sample.family, *family))
                .peekable();
            if of_family.peek().is_none() {
                continue;
            }
            let unit = match family.unit {
                Unit::Bytes => Some(registry::Unit::Bytes),
                Unit::None => None,
                Unit::Seconds => Some(registry::Unit::Seconds),
            };
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric =
                encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
            for sample in of_family {
                if sample.labels.is_empty() {
                    encode(&mut metric, sample)?;
                } else {
                    let labels = Labels(sample);
                    encode(&mut metric.encode_family(&labels)?, sample)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(metric: &mut MetricEncoder<'_>, sample: &Sample) -> fmt::Result {
    match (&sample.value, sample.family.kind) {
        (Value::Distribution(of), _) => {
            metric.encode_histogram::<NoLabelSet>(of.sum, of.count, &of.buckets, None)
        }
        (Value::Number(value), Kind::Counter) => {
            metric.encode_counter::<NoLabelSet, u64, f64>(value, None)
        }
        (Value::Number(value), Kind::Gauge | Kind::Histogram) => metric.encode_gauge(value),
        (Value::Float(value), _) => metric.encode_gauge(value),
    }
}

/// The labels of a sample.
struct Labels<'a>(&'a Sample);

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let names = self.0.family.labels.iter();
        for (name, value) in names.zip(&self.0.labels) {
            (*name, value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
