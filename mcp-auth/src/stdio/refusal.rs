//! The JSON-RPC errors for refusals that a server over HTTP sends as an HTTP status. The code of the error is the status.

use std::time::Duration;

use crate::identity::{AuthError, TokenError};
use crate::protocol::{Problem, RefusedMessage};

/// Returns the error for a message whose token is not accepted.
pub(super) fn of_token(error: AuthError) -> Problem {
    match error {
        AuthError::Invalid(TokenError::AudienceMissing) => unauthorized(AUDIENCE_MISSING),
        AuthError::Invalid(TokenError::AudienceMismatch) => unauthorized(AUDIENCE_MISMATCH),
        AuthError::Invalid(_) => unauthorized(INVALID),
        AuthError::Misconfigured => Problem::misconfigured(),
        AuthError::OverBudget(over) => Problem::new_tokens(over.retry_after),
        // The text does not mention the limit of failures per network, because a client over stdio has no network.
        AuthError::FailsOften => Problem::unreachable(Duration::from_secs(60)),
        AuthError::Unavailable(unavailable) => Problem::unreachable(unavailable.retry_after),
    }
}

/// Returns the error for a message that the protocol refuses.
pub(super) fn of_message(refusal: &RefusedMessage) -> Problem {
    match refusal {
        RefusedMessage::Busy => Problem::busy(),
        RefusedMessage::MoreScope(wider) => Problem::more_scope(wider),
        RefusedMessage::NoSession => Problem::no_session(),
        // Over stdio every response may be a stream, so the protocol never refuses a stream.
        RefusedMessage::NoEvents => Problem::new(406, "not_acceptable", NO_STREAM),
        RefusedMessage::NoThread => Problem::no_thread(),
        RefusedMessage::SignIn { scopes } if scopes.is_empty() => unauthorized(SIGN_IN),
        RefusedMessage::SignIn { scopes } => {
            let scopes = scopes.join(" ");
            let text = format!("{SIGN_IN}. The token needs the scopes {scopes}");
            Problem::new(401, "invalid_token", text)
        }
        RefusedMessage::Subscriptions => Problem::subscriptions(),
        RefusedMessage::Unaudited => Problem::unaudited(),
        RefusedMessage::Unavailable(unavailable) => Problem::unreachable(unavailable.retry_after),
    }
}

/// Returns the error for a line that is longer than the limit.
pub(super) fn too_long() -> Problem {
    Problem::new(
        413,
        "payload_too_large",
        "The line is longer than this server reads",
    )
}

fn unauthorized(text: &'static str) -> Problem {
    Problem::new(401, "invalid_token", text)
}

const SIGN_IN: &str =
    "An access token is required: set MCP_AUTH_TOKEN to one, and start the server again";
const INVALID: &str = "The access token in MCP_AUTH_TOKEN is invalid or expired: set MCP_AUTH_TOKEN to a new one, and \
     start the server again";
const AUDIENCE_MISSING: &str = "The access token in MCP_AUTH_TOKEN does not say that it was issued for this server: set \
     MCP_AUTH_TOKEN to one that does, and start the server again";
const AUDIENCE_MISMATCH: &str = "The access token in MCP_AUTH_TOKEN was issued for another server: set MCP_AUTH_TOKEN to \
     one for this server, and start the server again";
const NO_STREAM: &str = "The response is a stream of messages";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::identity::Unavailable;

    fn message(problem: Problem) -> Value {
        serde_json::from_slice(&problem.message(Some("7"))).unwrap()
    }

    #[test]
    fn each_refusal_is_an_error_whose_code_is_its_status() {
        let unavailable = Unavailable {
            what: "test",
            retry_after: Duration::from_millis(1500),
        };
        let sign_in = |scopes: &[&str]| RefusedMessage::SignIn {
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        for (problem, code, text) in [
            (of_token(TokenError::Expired.into()), 401, INVALID),
            (
                of_token(TokenError::AudienceMissing.into()),
                401,
                AUDIENCE_MISSING,
            ),
            (
                of_token(TokenError::AudienceMismatch.into()),
                401,
                AUDIENCE_MISMATCH,
            ),
            (
                of_token(AuthError::Misconfigured),
                500,
                "The server is not configured",
            ),
            (of_token(unavailable.into()), 503, "cannot be reached"),
            (
                of_message(&RefusedMessage::Busy),
                503,
                "Too many calls in flight",
            ),
            (
                of_message(&RefusedMessage::NoSession),
                404,
                "no session with this id",
            ),
            (
                of_message(&RefusedMessage::NoThread),
                503,
                "No thread is free",
            ),
            (
                of_message(&RefusedMessage::Subscriptions),
                503,
                "Too many subscriptions",
            ),
            (of_message(&sign_in(&[])), 401, "set MCP_AUTH_TOKEN"),
            (
                of_message(&sign_in(&["a", "b"])),
                401,
                "needs the scopes a b",
            ),
            (
                of_message(&RefusedMessage::Unaudited),
                503,
                "The audit log is full",
            ),
            (
                of_message(&RefusedMessage::Unavailable(unavailable)),
                503,
                "cannot be reached",
            ),
            (too_long(), 413, "The line is longer"),
        ] {
            let message = message(problem);
            assert_eq!(message["error"]["code"], code, "{message}");
            let found = message["error"]["message"].as_str().unwrap();
            assert!(found.contains(text), "{message}");
            assert_eq!(message["id"], 7);
        }
    }

    #[test]
    fn an_error_says_after_how_many_seconds_a_retry_makes_sense() {
        let unavailable = Unavailable {
            what: "test",
            retry_after: Duration::from_millis(1500),
        };
        let problem = of_message(&RefusedMessage::Unavailable(unavailable));
        let expected = json!({
            "error": "temporarily_unavailable",
            "error_description": "The authorization server cannot be reached",
            "mcp-auth-rs/retryAfter": 2,
        });
        assert_eq!(message(problem)["error"]["data"], expected);
    }
}
