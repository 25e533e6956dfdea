//! Answers of Clerk that are errors, and their log lines.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde_json::error::Category;

use crate::clerk::outgoing::{ClerkResponse, OutgoingError};
use crate::identity::{Clock, LogThrottle, LookupError};

/// Turns Clerk's error answers to one kind of question into errors of look-ups, and logs them.
#[derive(Debug)]
pub(super) struct ErrorReporter {
    /// The subject of the question, for the log.
    what: &'static str,
    /// The setting that holds the key.
    key: &'static str,
    clock: Arc<dyn Clock>,
    key_refused: LogThrottle,
    declined: LogThrottle,
}

impl ErrorReporter {
    /// A reporter for questions about `what`, which are asked with the key of the setting `key`.
    pub(super) fn about(what: &'static str, key: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            what,
            key,
            clock,
            key_refused: LogThrottle::default(),
            declined: LogThrottle::default(),
        }
    }

    /// The error for a status that is not a result. Log lines that strangers can cause, with
    /// made-up tokens, are written once a minute.
    pub(super) fn refused(&self, answer: &ClerkResponse) -> LookupError {
        let what = self.what;
        match answer.status {
            401 => self.key_refused(),
            429 => {
                tracing::warn!(target: "mcp_auth", what, "Clerk limits the rate of questions");
                LookupError::Throttled(answer.retry_after.unwrap_or(Duration::from_secs(1)))
            }
            status @ 400..500 => {
                if self.declined.is_due(self.clock.uptime()) {
                    tracing::warn!(target: "mcp_auth", what, status, "Clerk declines a question");
                }
                LookupError::Declined
            }
            status => self.failed(&OutgoingError::Status(status)),
        }
    }

    /// The error for a key that Clerk does not accept.
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

    /// The error for a key of another instance, whose answers must not be believed.
    pub(super) fn key_of_another(&self) -> LookupError {
        let Self { what, key, .. } = self;
        if self.key_refused.is_due(self.clock.uptime()) {
            tracing::error!(
                target: "mcp_auth",
                "{key} is not of the instance that issues the tokens, so {what} cannot be looked up; copy the key of \
                 that instance from the dashboard"
            );
        }
        LookupError::KeyRefused
    }

    /// The error for an answer that is JSON of another form. It is logged once a minute, and counts
    /// as declined.
    pub(super) fn odd(&self, error: &(dyn Error + 'static)) -> LookupError {
        if self.declined.is_due(self.clock.uptime()) {
            tracing::warn!(target: "mcp_auth", what = self.what, error, "Clerk's answer has another form than expected");
        }
        LookupError::Declined
    }

    /// The error for an answer that cannot be parsed.
    pub(super) fn unreadable(&self, error: &serde_json::Error) -> LookupError {
        self.failed(&Unreadable::from(error))
    }

    /// The error for a question without a usable answer.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) -> LookupError {
        tracing::warn!(target: "mcp_auth", what = self.what, error, "a look-up at Clerk failed");
        LookupError::Failed
    }
}

/// The place where an answer cannot be parsed. The text there is left out, because it may hold
/// secrets or personal data.
#[derive(Debug, thiserror::Error)]
#[error("the answer can't be read: {category:?} at line {line}, column {column}")]
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
