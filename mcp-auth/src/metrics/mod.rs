//! Counts what happens in a server, for the operator's monitoring.
//!
//! Every other module reports events to [`Metrics`]. A server without an address for metrics has no
//! [`Recorder`], and a report then costs one comparison: no clock is read and no memory is written. Calls are counted
//! by a [`CallMeter`] that each primitive keeps, so a call looks no name up.
//!
//! INVARIANT: the value of a label is a constant of the program or the name of a declared tool, prompt or resource. No
//! text of a client becomes a label, so clients cannot add series.

#[cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, reason = "without the feature nothing makes a recorder")
)]
mod counts;
#[cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, reason = "without the feature nothing writes the metrics")
)]
mod families;
#[cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, reason = "without the feature nothing makes a recorder")
)]
mod recorder;
#[cfg(feature = "metrics")]
mod scrape;
#[cfg(all(test, feature = "metrics"))]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::counts::CallCounts;
use self::recorder::{Recorder, Watched};

#[cfg(feature = "otel")]
pub(crate) use self::families::SPANS_LOST;
pub(crate) use self::families::{
    AUDIT_LOST, BUDGET_SPENT, CALLS_IN_FLIGHT, CERTIFICATE_EXPIRES, CERTIFICATE_RELOADS,
    CIRCUIT_OPEN, CIRCUIT_OPENINGS, CONNECTIONS, Family, KEY_REFRESHES, KEYS, READY, SESSIONS,
    SUBSCRIPTIONS, TASKS, method,
};
#[cfg(feature = "metrics")]
pub(crate) use self::recorder::Build;
#[cfg(feature = "metrics")]
pub(crate) use self::scrape::Format;

/// The counters of a server. Cloning is cheap. The default counts nothing.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Option<Arc<Recorder>>);

/// The counters of one tool, prompt or resource. The default counts nothing.
#[derive(Clone, Default)]
pub(crate) struct CallMeter(Option<Arc<CallCounts>>);

/// The names of the reasons that a server can count, so that a scrape shows each of them from the start with 0.
#[cfg(feature = "metrics")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reasons<'a> {
    /// The kinds of denials.
    pub(crate) denials: &'a [&'static str],
    /// The reasons for which a token is refused.
    pub(crate) tokens: &'a [&'static str],
}

impl Metrics {
    /// Makes counters that start with 0.
    #[cfg(feature = "metrics")]
    pub(crate) fn new(build: Build, reasons: Reasons<'_>) -> Self {
        Self(Some(Arc::new(Recorder::new(build, reasons))))
    }

    /// Returns true if the server counts.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the counters of a tool, a prompt or a resource. `kind` is `tool`, `prompt` or `resource`.
    pub(crate) fn meter(&self, kind: &'static str, name: &str) -> CallMeter {
        CallMeter(self.0.as_ref().map(|recorder| recorder.meter(kind, name)))
    }

    /// Counts a call of a name that does not exist.
    pub(crate) fn unknown_call(&self, kind: &'static str) {
        self.with(|recorder| recorder.unknown_calls.add([kind]));
    }

    /// Counts the response to a JSON-RPC message. A method that MCP does not have is counted as `other`.
    pub(crate) fn request(&self, method: &str, outcome: &'static str) {
        self.with(|recorder| recorder.requests.add(method, outcome));
    }

    /// Counts an HTTP response of the endpoint.
    pub(crate) fn response(&self, status: u16) {
        self.with(|recorder| recorder.responses.add(families::status(status)));
    }

    /// Counts a request that got no response of its method, such as a 401.
    pub(crate) fn refusal(&self, reason: &'static str) {
        self.with(|recorder| recorder.refusals.add([reason]));
    }

    /// Counts a denial. `requirement` is the kind of the requirement that the caller does not meet.
    pub(crate) fn denial(&self, requirement: &'static str) {
        self.with(|recorder| recorder.denials.add([requirement]));
    }

    /// Counts a request with a token.
    pub(crate) fn token(&self, result: &'static str) {
        self.with(|recorder| recorder.tokens.add(result));
    }

    /// Counts a refused token.
    pub(crate) fn refused_token(&self, reason: &'static str) {
        self.with(|recorder| recorder.refused_tokens.add([reason]));
    }

    /// Counts a request, a call or a connection that exceeded a limit. The name of the limit is the name of its setting.
    pub(crate) fn limit_hit(&self, limit: &'static str) {
        self.with(|recorder| recorder.limits.add([limit]));
    }

    /// Counts a request to the identity provider.
    pub(crate) fn outgoing(
        &self,
        operation: &'static str,
        result: &'static str,
        duration: Duration,
    ) {
        self.with(|recorder| recorder.outgoing(operation, result, duration));
    }

    /// Counts bytes that a connection received.
    pub(crate) fn received(&self, bytes: usize) {
        self.with(|recorder| recorder.received.add(bytes));
    }

    /// Counts bytes that a connection sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.with(|recorder| recorder.sent.add(bytes));
    }

    /// Reads a value for each scrape. `label` is the value of the label of `family`, if `family` has a label.
    pub(crate) fn watch(
        &self,
        family: &'static Family,
        label: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let read = Box::new(read);
        self.with(|recorder| {
            recorder.watch(Watched {
                family,
                label,
                read,
            });
        });
    }

    /// Writes all values.
    #[cfg(feature = "metrics")]
    pub(crate) fn scrape(&self, format: Format) -> String {
        self.0
            .as_ref()
            .map_or_else(String::new, |recorder| scrape::write(recorder, format))
    }

    fn with(&self, record: impl FnOnce(&Recorder)) {
        if let Some(recorder) = &self.0 {
            record(recorder);
        }
    }
}

impl CallMeter {
    /// Counts a call with its outcome. The duration counts if the function ran.
    pub(crate) fn count(&self, outcome: &'static str, duration: impl FnOnce() -> Duration) {
        if let Some(counts) = &self.0 {
            counts.count(outcome, duration);
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metrics").field(&self.is_on()).finish()
    }
}

impl fmt::Debug for CallMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallMeter").field(&self.0.is_some()).finish()
    }
}
