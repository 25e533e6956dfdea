//! Error responses of Clerk, and their log lines.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde_json::error::Category;

use crate::clerk::outgoing::{ClerkResponse, OutgoingError};
use crate::identity::{Clock, LogThrottle, LookupError};

/// Converts Clerk's error responses to errors of look-ups, and logs them. There is one reporter for
/// each kind of data.
#[derive(Debug)]
pub(super) struct ErrorReporter {
    /// The data that was requested, for the log.
    what: &'static str,
    /// The name of the setting with the key.
    key: &'static str,
    clock: Arc<dyn Clock>,
    key_refused: LogThrottle,
    declined: LogThrottle,
}

impl ErrorReporter {
    /// Creates a reporter for requests about `what`, which use the key of the setting `key`.
    pub(super) fn about(what: &'static str, key: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            what,
            key,
            clock,
            key_refused: LogThrottle::default(),
            declined: LogThrottle::default(),
        }
    }

    /// Returns the error for a response whose status says that there is no result. Clients can cause some of the
    /// log lines with made-up tokens, so these lines are written at most once a minute.
    pub(super) fn refused(&self, answer: &ClerkResponse) -> LookupError {
        let what = self.what;
        match answer.status {
            401 => self.key_refused(),
            429 => {
                tracing::warn!(target: "mcp_auth", what, "Clerk limits the rate of requests");
                LookupError::Throttled(answer.retry_after.unwrap_or(Duration::from_secs(1)))
            }
            status @ 400..500 => {
                if self.declined.is_due(self.clock.uptime()) {
                    tracing::warn!(target: "mcp_auth", what, status, "Clerk declined a request");
                }
                LookupError::Declined
            }
            status => self.failed(&OutgoingError::Status(status)),
        }
    }

    /// Returns the error for a key that Clerk does not accept.
    pub(super) fn key_refused(&self) -> LookupError {
        let Self { what, key, .. } = self;
        if self.key_refused.is_due(self.clock.uptime()) {
            tracing::error!(
                target: "mcp_auth",
                "Clerk does not accept {key}, so {what} cannot be looked up; copy the key from the dashboard \
                 again"
            );
        }
        LookupError::KeyRefused
    }

    /// Returns the error for a key of another instance. Responses to such a key must not be
    /// trusted.
    pub(super) fn key_of_another(&self) -> LookupError {
        let Self { what, key, .. } = self;
        if self.key_refused.is_due(self.clock.uptime()) {
            tracing::error!(
                target: "mcp_auth",
                "{key} does not belong to the instance that issues the tokens, so {what} cannot be looked up; copy \
                 the key of that instance from the dashboard"
            );
        }
        LookupError::KeyRefused
    }

    /// Returns the error for a response that is JSON of an unexpected form. The error is [`LookupError::Declined`],
    /// and is logged at most once a minute.
    pub(super) fn odd(&self, error: &(dyn Error + 'static)) -> LookupError {
        if self.declined.is_due(self.clock.uptime()) {
            tracing::warn!(target: "mcp_auth", what = self.what, error, "Clerk's response has an unexpected form");
        }
        LookupError::Declined
    }

    /// Returns the error for a response that cannot be parsed.
    pub(super) fn unreadable(&self, error: &serde_json::Error) -> LookupError {
        self.failed(&Unreadable::from(error))
    }

    /// Returns the error for a request without a usable response.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) -> LookupError {
        tracing::warn!(target: "mcp_auth", what = self.what, error, "a look-up at Clerk failed");
        LookupError::Failed
    }
}

/// The place at which a response cannot be parsed. The text at this place is left out, because it
/// may contain secrets or personal data.
#[derive(Debug, thiserror::Error)]
#[error("the response can't be read: {category:?} at line {line}, column {column}")]
pub(super) struct Unreadable {
    category: Category,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for Unreadable {
    fn from(error: &serde_json::Error) -> Self {
        Self {
            category: error.classify(),
            line: error.line(),
            column: error.column(),
        }
    }
}
