//! Refusals of requests that HTTP and stdio share: a status of HTTP, a code, and a text.
//!
//! Over HTTP the status is the status of the response. Over stdio, and in a JSON-RPC response over HTTP, the status is
//! the code of the JSON-RPC error. The codes are outside the range that JSON-RPC reserves (MCP 2026-07-28, basic).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::WiderToken;
use super::results::{DENIED, DenialDetails};

/// A refusal of a request.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// The code, in the form of OAuth.
    pub(crate) code: &'static str,
    pub(crate) description: Cow<'static, str>,
    /// The time after which a retry makes sense.
    pub(crate) wait: Option<Duration>,
    /// Further members of the JSON object.
    pub(crate) members: Vec<(&'static str, Value)>,
}

impl Problem {
    pub(crate) fn new(
        status: u16,
        code: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            description: description.into(),
            wait: None,
            members: Vec::new(),
        }
    }

    /// Sets the time after which a retry makes sense.
    pub(crate) fn later(self, wait: Duration) -> Self {
        Self {
            wait: Some(wait),
            ..self
        }
    }

    fn unavailable(description: &'static str, wait: Duration) -> Self {
        Self::new(503, "temporarily_unavailable", description).later(wait)
    }

    pub(crate) fn unaudited() -> Self {
        Self::unavailable("The audit log is full", Duration::from_secs(5))
    }

    pub(crate) fn bodies() -> Self {
        Self::unavailable(
            "Too many bytes of request bodies in flight",
            Duration::from_secs(1),
        )
    }

    pub(crate) fn busy() -> Self {
        Self::unavailable("Too many calls in flight", Duration::from_secs(1))
    }

    pub(crate) fn misconfigured() -> Self {
        Self::new(
            500,
            "server_error",
            "The server is not configured to verify this token",
        )
    }

    pub(crate) fn more_scope(WiderToken { denied, challenge }: &WiderToken) -> Self {
        Self {
            members: vec![
                ("scope", challenge.scope.as_str().into()),
                (DENIED, json!(DenialDetails::of(denied))),
            ],
            ..Self::new(403, "insufficient_scope", challenge.description.clone())
        }
    }

    pub(crate) fn new_tokens(wait: Duration) -> Self {
        Self::unavailable("Too many new opaque tokens", wait)
    }

    pub(crate) fn no_session() -> Self {
        Self::new(
            404,
            "session_not_found",
            "There is no session with this id; send `initialize` to begin a new session",
        )
    }

    pub(crate) fn no_thread() -> Self {
        Self::unavailable("No thread is free for this tool", Duration::from_secs(5))
    }

    pub(crate) fn subscriptions() -> Self {
        Self::unavailable("Too many subscriptions are open", Duration::from_secs(30))
    }

    pub(crate) fn unreachable(wait: Duration) -> Self {
        Self::unavailable("The authorization server cannot be reached", wait)
    }

    /// Returns the body of the response. `request` is the id of the JSON-RPC request, as JSON. Without an id, the body
    /// has the form of OAuth.
    pub(crate) fn body(&self, request: Option<&str>) -> Bytes {
        Bytes::from(match request {
            None => Value::Object(self.data()).to_string(),
            Some(id) => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{}}}"#, self.error()),
        })
    }

    /// Returns the members of the form of OAuth.
    pub(crate) fn data(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("error".to_owned(), self.code.into());
        members.insert("error_description".to_owned(), (*self.description).into());
        for (name, value) in &self.members {
            members.insert((*name).to_owned(), value.clone());
        }
        members
    }

    /// Returns the JSON-RPC error.
    fn error(&self) -> Value {
        json!({ "code": self.status, "message": self.description, "data": self.data() })
    }

    /// Returns the message with the error for a transport without headers. `request` is the id of the JSON-RPC request,
    /// as JSON. `None` if the id could not be read.
    #[cfg(feature = "stdio")]
    pub(crate) fn message(mut self, request: Option<&str>) -> Bytes {
        if let Some(wait) = self.wait {
            let wait = seconds(wait).into();
            self.members.push((super::rates::RETRY_AFTER, wait));
        }
        let id = request.map_or_else(String::new, |id| format!(r#","id":{id}"#));
        Bytes::from(format!(
            r#"{{"jsonrpc":"2.0"{id},"error":{}}}"#,
            self.error()
        ))
    }
}

/// Returns a time to wait in whole seconds. The result is at least 1, because with 0 the client would retry at once.
pub(crate) fn seconds(wait: Duration) -> u64 {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    u64::try_from(seconds).unwrap_or(u64::MAX)
}
