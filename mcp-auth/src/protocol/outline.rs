//! The outline of a message, for a transport without headers. Before the endpoint handles a message, the transport must
//! know the id of the request, or the id of the request that the message cancels.

use super::envelope::{Message, RESPONSE};
use super::error::RpcError;

/// The outline of a message. Each id has the form in which the message contains it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outline {
    /// A notification that cancels the request with this id.
    Cancellation(String),
    /// A message to which the endpoint responds with an error. The value is the id of the message, if the id could be read.
    Malformed(Option<String>),
    Notification,
    Request {
        id: String,
        kind: RequestKind,
    },
    /// A response to a request of the server.
    Response,
}

/// The kinds of requests that a transport treats in different ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RequestKind {
    /// `initialize`. Later messages depend on its session.
    Initialize,
    /// `subscriptions/listen`. If the server ends the subscription, it sends a cancellation.
    Listen,
    Other,
}

impl Outline {
    pub(crate) fn of(body: &[u8]) -> Self {
        let Ok(body) = str::from_utf8(body) else {
            return Self::Malformed(None);
        };
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err((RpcError::InvalidRequest(RESPONSE), _)) => return Self::Response,
            Err((_, id)) => return Self::Malformed(id.map(str::to_owned)),
        };
        if let Some(id) = message.id {
            return Self::Request {
                id: id.to_owned(),
                kind: match &*message.method {
                    "initialize" => RequestKind::Initialize,
                    "subscriptions/listen" => RequestKind::Listen,
                    _ => RequestKind::Other,
                },
            };
        }
        let params = message.params().ok();
        match params.and_then(|params| params.request_id()) {
            Some(id) if message.method == "notifications/cancelled" => {
                Self::Cancellation(id.to_owned())
            }
            Some(_) | None => Self::Notification,
        }
    }

    /// Returns the id of a request, or of a malformed message whose id could be read.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Malformed(id) => id.as_deref(),
            Self::Request { id, .. } => Some(id),
            Self::Cancellation(_) | Self::Notification | Self::Response => None,
        }
    }

    /// Returns true if the message gets a response, even if it is refused (JSON-RPC 2.0 sections 4.1 and 5).
    pub(crate) fn is_answered(&self) -> bool {
        match self {
            Self::Malformed(_) | Self::Request { .. } => true,
            Self::Cancellation(_) | Self::Notification | Self::Response => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_outlined_by_its_method_and_its_id() {
        let request = |id: &str, kind| Outline::Request {
            id: id.to_owned(),
            kind,
        };
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
                request("1", RequestKind::Other),
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{}}"#,
                request("\"a\"", RequestKind::Initialize),
            ),
            (
                r#"{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen"}"#,
                request("2", RequestKind::Listen),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#,
                Outline::Cancellation("7".to_owned()),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
                Outline::Notification,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
                Outline::Notification,
            ),
            (
                r#"{"jsonrpc":"2.0","id":"q","result":{"action":"accept"}}"#,
                Outline::Response,
            ),
            (
                r#"{"jsonrpc":"1.0","id":3,"method":"ping"}"#,
                Outline::Malformed(Some("3".to_owned())),
            ),
            (
                r#"[{"jsonrpc":"2.0","id":3,"method":"ping"}]"#,
                Outline::Malformed(None),
            ),
            ("{", Outline::Malformed(None)),
            ("", Outline::Malformed(None)),
        ] {
            assert_eq!(Outline::of(body.as_bytes()), expected, "{body}");
        }
        assert_eq!(Outline::of(b"\xff"), Outline::Malformed(None));
    }

    #[test]
    fn only_a_request_and_a_malformed_message_get_a_response() {
        let outlines = [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, true),
            ("{", true),
            (r#"{"jsonrpc":"2.0","method":"ping"}"#, false),
            (r#"{"jsonrpc":"2.0","id":"q","result":{}}"#, false),
        ];
        for (body, expected) in outlines {
            assert_eq!(Outline::of(body.as_bytes()).is_answered(), expected);
        }
    }
}
