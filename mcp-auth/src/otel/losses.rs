//! Counts the spans that were not exported, and logs their number at most once a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_sdk::error::OTelSdkError;

use crate::clock::{Clock, SystemClock};
use crate::identity::LogThrottle;

/// The numbers of lost spans, by reason.
#[derive(Debug)]
pub(crate) struct Losses {
    /// Spans for which the queue had no room.
    pub(super) queue_full: AtomicU64,
    /// Spans in requests that the collector did not answer with success.
    pub(super) export_failed: AtomicU64,
    /// Spans that the collector received and did not accept.
    pub(super) rejected: AtomicU64,
    /// The number of rejected spans in the last response of the collector. The collector can claim any number.
    pub(super) claimed: Arc<AtomicU64>,
    /// The number of lost spans in the log lines so far.
    logged: AtomicU64,
    throttle: LogThrottle,
    clock: SystemClock,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self {
            queue_full: AtomicU64::new(0),
            export_failed: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            claimed: Arc::default(),
            logged: AtomicU64::new(0),
            throttle: LogThrottle::default(),
            clock: SystemClock::new(),
        }
    }

    /// Returns the numbers, with the names of their reasons in metrics.
    pub(crate) fn by_reason(&self) -> [(&'static str, u64); 3] {
        let [export_failed, queue_full, rejected] = LOSSES;
        [
            (export_failed, self.export_failed.load(Ordering::Relaxed)),
            (queue_full, self.queue_full.load(Ordering::Relaxed)),
            (rejected, self.rejected.load(Ordering::Relaxed)),
        ]
    }

    /// Counts the lost spans of a request to the collector, which had this number of spans. The collector cannot reject
    /// more spans than the request had.
    pub(super) fn count(&self, spans: u64, is_exported: bool) {
        let claimed = self.claimed.swap(0, Ordering::Relaxed);
        let (counter, lost) = match is_exported {
            true => (&self.rejected, claimed.min(spans)),
            false => (&self.export_failed, spans),
        };
        counter.fetch_add(lost, Ordering::Relaxed);
    }

    /// Logs the spans that were lost since the last line, if a line is due. Only the thread of the exporter calls this
    /// method, because a log line must not begin while a span ends.
    pub(super) fn log(&self, error: Option<&OTelSdkError>) {
        let by_reason = self.by_reason();
        let spans = by_reason.iter().map(|(_, spans)| *spans);
        let total = spans.fold(0, u64::saturating_add);
        if total == self.logged.load(Ordering::Relaxed)
            || !self.throttle.is_due(self.clock.uptime())
        {
            return;
        }
        let spans = total.saturating_sub(self.logged.swap(total, Ordering::Relaxed));
        let [(_, export_failed), (_, queue_full), (_, rejected)] = by_reason;
        tracing::warn!(
            target: "mcp_auth",
            spans,
            export_failed,
            queue_full,
            rejected,
            // The exporter leaves URLs, headers and responses out of its errors.
            error = error.map(tracing::field::display),
            fact = "spans_lost",
            "spans were not exported"
        );
    }
}

/// The reasons for which a span is lost.
pub(crate) const LOSSES: [&str; 3] = ["export_failed", "queue_full", "rejected"];
