//! Finds out whether the token of an open stream is still accepted.

use std::time::Duration;

use crate::identity::{AuthError, BearerToken, Caller, Client, KeptToken, Standing};

use super::Endpoint;

/// The token with which a stream was opened.
pub(super) struct TokenWatch {
    /// `None` if the stream was opened without a token.
    token: Option<KeptToken>,
    /// The uptime at which the server last tried to verify the token.
    checked: Duration,
}

/// Whether the token of a stream is still accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token {
    Accepted,
    /// The token cannot be verified now.
    Later,
    /// The token is no longer accepted.
    Over,
}

impl TokenWatch {
    pub(super) fn new(endpoint: &Endpoint, token: Option<&str>) -> Self {
        Self {
            token: token.map(|token| BearerToken::new(token).keep()),
            checked: endpoint.config.clock.uptime(),
        }
    }

    /// Returns whether the token is still accepted. If only the identity provider knows, an idle stream asks the provider once
    /// in [`IDLE_CHECK`], and a stream with a pending change asks the provider at once.
    pub(super) async fn check(
        &mut self,
        endpoint: &Endpoint,
        caller: Option<&Caller>,
        delivers: bool,
    ) -> Token {
        let (Some(token), Some(caller)) = (&self.token, caller) else {
            return Token::Accepted;
        };
        let streams = &endpoint.config.streams;
        let now = endpoint.config.clock.uptime();
        match streams.authenticator.standing(&token.bearer(), caller) {
            Standing::Over => return Token::Over,
            Standing::Accepted => {
                self.checked = now;
                return Token::Accepted;
            }
            Standing::Unknown { asks_provider } => {
                let is_recent = now.saturating_sub(self.checked) < IDLE_CHECK;
                if asks_provider && !delivers && is_recent {
                    return Token::Accepted;
                }
            }
        }
        let Ok(_turn) = streams.turn().await else {
            return Token::Over;
        };
        let client = Client::nobody();
        let bearer = token.bearer();
        let verified = streams.authenticator.authenticate_from(client, &bearer);
        let verified = Box::pin(verified).await;
        self.checked = now;
        match verified {
            Ok(_) => Token::Accepted,
            Err(AuthError::Invalid(_)) => Token::Over,
            Err(
                AuthError::FailsOften
                | AuthError::Misconfigured
                | AuthError::OverBudget(_)
                | AuthError::Unavailable(_),
            ) => Token::Later,
        }
    }
}

/// The time after which an idle stream asks the identity provider about its token or its user.
const IDLE_CHECK: Duration = Duration::from_secs(300);
