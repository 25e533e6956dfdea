//! Counts each message once, by its method and its outcome.

use crate::metrics::Metrics;

use super::super::envelope::Message;

/// Counts a message when its response is known, or as cancelled when its client leaves before that.
pub(super) struct CountedRequest<'a> {
    metrics: &'a Metrics,
    message: &'a Message<'a>,
    pub(super) outcome: &'static str,
}

impl<'a> CountedRequest<'a> {
    pub(super) fn begin(metrics: &'a Metrics, message: &'a Message<'a>) -> Self {
        Self {
            metrics,
            message,
            outcome: "cancelled",
        }
    }
}

impl Drop for CountedRequest<'_> {
    fn drop(&mut self) {
        self.metrics.request(&self.message.method, self.outcome);
    }
}
