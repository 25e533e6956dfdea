//! Counters and histograms of atomic numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::families::{OUTCOMES, RAN};

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: usize) {
        self.0.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters that differ in the value of one label. The last value stands for all values that are not listed.
#[derive(Debug)]
pub(super) struct Row {
    values: &'static [&'static str],
    counts: Box<[Count]>,
}

impl Row {
    pub(super) fn new(values: &'static [&'static str]) -> Self {
        Self {
            values,
            counts: values.iter().map(|_| Count::default()).collect(),
        }
    }

    pub(super) fn add(&self, value: &str) {
        let place = self.values.iter().position(|known| *known == value);
        let place = place.unwrap_or(self.values.len().saturating_sub(1));
        if let Some(count) = self.counts.get(place) {
            count.add(1);
        }
    }

    /// Returns each value of the label with its number.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.iter().map(Count::get);
        self.values.iter().copied().zip(counts)
    }
}

/// Counters that differ in the values of two labels.
#[derive(Debug)]
pub(super) struct Table {
    values: &'static [&'static str],
    rows: Box<[Row]>,
}

impl Table {
    pub(super) fn new(first: &'static [&'static str], second: &'static [&'static str]) -> Self {
        Self {
            values: first,
            rows: first.iter().map(|_| Row::new(second)).collect(),
        }
    }

    pub(super) fn add(&self, first: &str, second: &str) {
        let place = self.values.iter().position(|known| *known == first);
        let place = place.unwrap_or(self.values.len().saturating_sub(1));
        if let Some(row) = self.rows.get(place) {
            row.add(second);
        }
    }

    pub(super) fn read(&self) -> impl Iterator<Item = ([&'static str; 2], u64)> {
        let rows = self.values.iter().zip(&self.rows);
        rows.flat_map(|(first, row)| row.read().map(|(second, count)| ([*first, second], count)))
    }
}

/// Counters of rare events. The values of their labels are constants of the program.
#[derive(Debug)]
pub(super) struct Counters<const N: usize>(Mutex<BTreeMap<[&'static str; N], u64>>);

impl<const N: usize> Counters<N> {
    /// Makes counters that show these values from the start.
    pub(super) fn new(known: impl IntoIterator<Item = [&'static str; N]>) -> Self {
        Self(Mutex::new(
            known.into_iter().map(|labels| (labels, 0)).collect(),
        ))
    }

    pub(super) fn add(&self, labels: [&'static str; N]) {
        *self.lock().entry(labels).or_default() += 1;
    }

    pub(super) fn read(&self) -> BTreeMap<[&'static str; N], u64> {
        self.lock().clone()
    }

    /// Locks the counts. Ignores poisoning: no code panics while it holds this lock, so the counts cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<[&'static str; N], u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A histogram of durations.
#[derive(Debug)]
pub(super) struct Histogram {
    /// One count for each bound, and one for longer durations.
    buckets: Box<[Count]>,
    nanoseconds: AtomicU64,
}

/// The values of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    pub(super) sum: f64,
    pub(super) count: u64,
    /// The upper bound of each bucket, and the number of durations in that bucket only.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..=BOUNDS.len()).map(|_| Count::default()).collect(),
            nanoseconds: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.add(1);
        }
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Distribution {
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.buckets.iter().map(Count::get)).collect();
        Distribution {
            sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64(),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

/// The counters of one tool, prompt or resource.
#[derive(Debug)]
pub(super) struct CallCounts {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) outcomes: Row,
    pub(super) durations: Histogram,
}

impl CallCounts {
    pub(super) fn new(kind: &'static str, name: String) -> Self {
        Self {
            kind,
            name,
            outcomes: Row::new(OUTCOMES),
            durations: Histogram::default(),
        }
    }

    pub(super) fn count(&self, outcome: &'static str, duration: impl FnOnce() -> Duration) {
        self.outcomes.add(outcome);
        if RAN.contains(&outcome) {
            self.durations.observe(duration());
        }
    }
}

/// The upper bounds of the buckets, in seconds: the buckets that OpenTelemetry recommends for MCP, and three below
/// them, because most calls of this server take less than 10 ms.
///
/// Source: OpenTelemetry semantic conventions, MCP, `mcp.server.operation.duration`.
pub(super) const BOUNDS: [f64; 17] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0,
    300.0,
];
