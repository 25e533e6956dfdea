//! The values of all metrics of a server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::counts::{CallCounts, Count, Counters, Distribution, Histogram, Row, Table};
use super::families::{self as of, Family};

/// The version of the server, and the time of its start.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) server: String,
    pub(crate) server_version: String,
    /// In milliseconds since 1970.
    pub(crate) started_unix_ms: u64,
}

/// The values of all metrics of a server.
pub(super) struct Recorder {
    build: Build,
    pub(super) requests: Table,
    pub(super) responses: Row,
    pub(super) refusals: Counters<1>,
    pub(super) denials: Counters<1>,
    pub(super) tokens: Row,
    pub(super) refused_tokens: Counters<1>,
    pub(super) limits: Counters<1>,
    pub(super) unknown_calls: Counters<1>,
    pub(super) received: Count,
    pub(super) sent: Count,
    calls: Mutex<Vec<Arc<CallCounts>>>,
    operations: Mutex<BTreeMap<&'static str, Operation>>,
    watched: Mutex<Vec<Watched>>,
}

/// The requests of one kind to the identity provider.
#[derive(Debug, Default)]
struct Operation {
    results: BTreeMap<&'static str, u64>,
    durations: Histogram,
}

/// A value that is read for each scrape.
pub(super) struct Watched {
    pub(super) family: &'static Family,
    pub(super) label: &'static str,
    pub(super) read: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// The value of one series.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) family: &'static Family,
    /// One value for each label of the family.
    pub(super) labels: Vec<String>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Distribution(Distribution),
    Float(f64),
    Number(u64),
}

impl Recorder {
    #[cfg(feature = "metrics")]
    pub(super) fn new(build: Build, reasons: super::Reasons<'_>) -> Self {
        let known = |values: &[&'static str]| Counters::new(values.iter().map(|value| [*value]));
        Self {
            build,
            requests: Table::new(of::METHODS, of::REQUEST_OUTCOMES),
            responses: Row::new(of::STATUSES),
            refusals: known(&[]),
            denials: known(reasons.denials),
            tokens: Row::new(of::TOKEN_RESULTS),
            refused_tokens: known(reasons.tokens),
            limits: known(of::LIMITS),
            unknown_calls: known(&["prompt", "resource", "tool"]),
            received: Count::default(),
            sent: Count::default(),
            calls: Mutex::default(),
            operations: Mutex::default(),
            watched: Mutex::default(),
        }
    }

    pub(super) fn meter(&self, kind: &'static str, name: &str) -> Arc<CallCounts> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let known = calls
            .iter()
            .find(|one| one.kind == kind && one.name == name);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let counts = Arc::new(CallCounts::new(kind, name.to_owned()));
        calls.push(Arc::clone(&counts));
        counts
    }

    pub(super) fn outgoing(
        &self,
        operation: &'static str,
        result: &'static str,
        duration: Duration,
    ) {
        let operations = self.operations.lock();
        let mut operations = operations.unwrap_or_else(PoisonError::into_inner);
        let operation = operations.entry(operation).or_default();
        *operation.results.entry(result).or_default() += 1;
        operation.durations.observe(duration);
    }

    pub(super) fn watch(&self, watched: Watched) {
        let all = self.watched.lock();
        all.unwrap_or_else(PoisonError::into_inner).push(watched);
    }

    /// Returns the values of all series.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut add = |family, labels: &[&str], value| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            samples.push(Sample {
                family,
                labels,
                value,
            });
        };
        for (labels, count) in self.requests.read() {
            // Most pairs never occur, such as an accepted `tools/call`.
            if count > 0 || matches!(labels[1], "ok" | "error") {
                add(&of::REQUESTS, &labels, Value::Number(count));
            }
        }
        for (status, count) in self.responses.read() {
            add(&of::RESPONSES, &[status], Value::Number(count));
        }
        for (result, count) in self.tokens.read() {
            add(&of::TOKENS, &[result], Value::Number(count));
        }
        for (family, counters) in [
            (&of::REFUSALS, &self.refusals),
            (&of::DENIALS, &self.denials),
            (&of::TOKENS_REFUSED, &self.refused_tokens),
            (&of::LIMITS_HIT, &self.limits),
        ] {
            for (labels, count) in counters.read() {
                add(family, &labels, Value::Number(count));
            }
        }
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for counts in calls.iter() {
            let (kind, name) = (counts.kind, &*counts.name);
            for (outcome, count) in counts.outcomes.read() {
                add(&of::CALLS, &[kind, name, outcome], Value::Number(count));
            }
            let durations = Value::Distribution(counts.durations.read());
            add(&of::CALL_DURATION, &[kind, name], durations);
        }
        for ([kind], count) in self.unknown_calls.read() {
            let labels = [kind, "other", "unknown"];
            add(&of::CALLS, &labels, Value::Number(count));
        }
        let operations = self.operations.lock();
        for (name, operation) in &*operations.unwrap_or_else(PoisonError::into_inner) {
            for (result, count) in &operation.results {
                add(&of::OUTGOING, &[name, result], Value::Number(*count));
            }
            let durations = Value::Distribution(operation.durations.read());
            add(&of::OUTGOING_DURATION, &[name], durations);
        }
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        // A server that listens at two addresses has two sources of one series.
        let mut sums = Vec::<(&Watched, u64)>::new();
        for one in watched.iter() {
            let value = (one.read)();
            let is_same = |other: &Watched| {
                std::ptr::eq(other.family, one.family) && other.label == one.label
            };
            match sums.iter_mut().find(|(other, _)| is_same(other)) {
                Some((_, sum)) => *sum += value,
                None => sums.push((one, value)),
            }
        }
        for (one, sum) in sums {
            let label = [one.label];
            let labels = label.get(..one.family.labels.len()).unwrap_or_default();
            add(one.family, labels, Value::Number(sum));
        }
        add(&of::RECEIVED, &[], Value::Number(self.received.get()));
        add(&of::SENT, &[], Value::Number(self.sent.get()));
        let Build {
            server,
            server_version,
            started_unix_ms,
        } = &self.build;
        let versions = [env!("CARGO_PKG_VERSION"), server, server_version];
        add(&of::BUILD_INFO, &versions, Value::Number(1));
        let started = Duration::from_millis(*started_unix_ms).as_secs_f64();
        add(&of::START_TIME, &[], Value::Float(started));
        samples
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("build", &self.build)
            .finish_non_exhaustive()
    }
}
