//! The log lines about refused tokens, and their throttles.

use std::array::from_fn;

use tracing::Level;

use crate::identity::error::{AuthError, TokenError, Unavailable};
use crate::identity::log_throttle::LogThrottle;

use super::Authenticator;

/// Throttles of the log lines that unauthenticated clients can cause.
#[derive(Debug)]
pub(super) struct Throttles {
    unavailable: LogThrottle,
    /// The throttles of the log lines that say how to accept refused tokens, one throttle for each reason of a refusal.
    hints: [LogThrottle; TokenError::COUNT],
    /// The throttles of the log lines about refusals, one throttle for each reason of a refusal.
    refusals: [LogThrottle; TokenError::COUNT],
}

impl Default for Throttles {
    fn default() -> Self {
        Self {
            unavailable: LogThrottle::default(),
            hints: from_fn(|_| LogThrottle::default()),
            refusals: from_fn(|_| LogThrottle::default()),
        }
    }
}

impl Authenticator {
    pub(super) fn log_failure(&self, error: AuthError, kid: Option<&str>, subject: Option<&str>) {
        match error {
            AuthError::Invalid(error) => log_refusal(error, kid, subject),
            // The code that returned the error has logged it.
            AuthError::FailsOften | AuthError::Misconfigured | AuthError::OverBudget(_) => {}
            AuthError::Unavailable(Unavailable { what, .. }) => {
                if self.throttles.unavailable.is_due(self.clock.uptime()) {
                    tracing::warn!(target: "mcp_auth", what, "tokens can't be verified now");
                }
            }
        }
    }

    /// If a setting of the server or of the instance caused the refusal, logs how to accept tokens of this kind. Writes
    /// at most one line a minute for each reason, with the number of tokens that were refused for this reason since the
    /// last line.
    pub(super) fn hint(&self, error: AuthError) {
        let AuthError::Invalid(error) = error else {
            return;
        };
        let Some(text) = self.context.conventions.hint(error) else {
            return;
        };
        let throttle = self.throttles.hints.get(error as usize);
        if let Some(refused) = throttle.and_then(|throttle| throttle.due(self.clock.uptime())) {
            let audience = self.policy.audience.accepted.first();
            tracing::warn!(target: "mcp_auth", fact = error.reason(), refused, audience, "{text}");
        }
    }

    /// Logs the reason of a refusal, and no part of the token. Writes at most one line a minute for
    /// each reason, with the number of tokens that were refused for this reason since the last
    /// line. At level `debug`, [`log_refusal`] writes a line for each refusal instead.
    pub(super) fn count_refusal(&self, error: AuthError) {
        let AuthError::Invalid(error) = error else {
            return;
        };
        let throttle = self.throttles.refusals.get(error as usize);
        let tokens = throttle.and_then(|throttle| throttle.due(self.clock.uptime()));
        if let Some(tokens) = tokens
            && !tracing::enabled!(target: "mcp_auth", Level::DEBUG)
        {
            let reason = error.reason();
            tracing::info!(target: "mcp_auth", reason, rule = %error, tokens, fact = reason, "token refused");
        }
    }
}

/// Logs a refusal. Pass the subject only if the signature is valid. Values are quoted, so that they
/// cannot forge a line of the log.
pub(super) fn log_refusal(error: TokenError, kid: Option<&str>, subject: Option<&str>) {
    tracing::debug!(
        target: "mcp_auth",
        reason = error.reason(),
        rule = %error,
        kid = ?kid.map(shortened),
        subject = ?subject.map(shortened),
        "token refused"
    );
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_LOGGED_CHARS).collect()
}

const MAX_LOGGED_CHARS: usize = 64;
