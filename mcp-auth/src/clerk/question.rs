//! What it means that Clerk does not say what it was asked.

use std::error::Error;
use std::time::Duration;

use serde_json::error::Category;

use crate::clerk::outgoing::{Answer, OutgoingError};
use crate::identity::{Clock, LogThrottle, LookupError, SystemClock};

/// A kind of question that is asked with one key.
#[derive(Debug)]
pub(super) struct Question {
    /// What is asked about.
    what: &'static str,
    /// The setting that holds the key.
    key: &'static str,
    clock: SystemClock,
    key_refused: LogThrottle,
    declined: LogThrottle,
}

impl Question {
    pub(super) fn about(what: &'static str, key: &'static str) -> Self {
        Self {
            what,
            key,
            clock: SystemClock::new(),
            key_refused: LogThrottle::default(),
            declined: LogThrottle::default(),
        }
    }

    /// An answer with a status that tells nothing of what was asked. What a stranger can cause, by a
    /// token of their making, is said once a minute.
    pub(super) fn refused(&self, answer: &Answer) -> LookupError {
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

    /// Clerk does not accept the key.
    pub(super) fn key_refused(&self) -> LookupError {
        let Self { what, key, .. } = self;
        if self.key_refused.is_due(self.clock.uptime()) {
            tracing::error!(
                target: "mcp_auth",
                "Clerk does not accept {key}, so it does not tell {what}; take the key anew from the \
                 dashboard"
            );
        }
        LookupError::KeyRefused
    }

    /// The key is another instance's, of which nothing must be believed.
    pub(super) fn key_of_another(&self) -> LookupError {
        let Self { what, key, .. } = self;
        if self.key_refused.is_due(self.clock.uptime()) {
            tracing::error!(
                target: "mcp_auth",
                "{key} is of another instance than the one that issues the tokens, so it is not asked \
                 {what}; take the key from the same application in the dashboard"
            );
        }
        LookupError::KeyRefused
    }

    /// An answer that is JSON, and not what was asked for: said once a minute, as what is declined.
    pub(super) fn odd(&self, error: &(dyn Error + 'static)) -> LookupError {
        if self.declined.is_due(self.clock.uptime()) {
            tracing::warn!(target: "mcp_auth", what = self.what, error, "Clerk answers oddly");
        }
        LookupError::Declined
    }

    /// An answer that is not the JSON that it should be.
    pub(super) fn unreadable(&self, error: &serde_json::Error) -> LookupError {
        self.failed(&Unreadable::from(error))
    }

    /// No answer, or none that is of use.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) -> LookupError {
        tracing::warn!(target: "mcp_auth", what = self.what, error, "it could not be looked up");
        LookupError::Failed
    }
}

/// Where an answer stops being what it should be. Not what it says there, which may be a secret or
/// somebody's address.
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
