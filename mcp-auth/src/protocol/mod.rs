//! The protocol MCP: the JSON-RPC envelope, the two eras of the protocol, and the methods.
//!
//! This module takes the bytes of one message, the headers that repeat values of the body, and the
//! verified caller. It returns a [`Response`]. It does not depend on an HTTP framework: the module
//! `http` turns the [`Response`] into an HTTP response, and the module `stdio` into lines.

mod audited;
mod calls;
mod challenge;
mod completion;
mod confirmation_code;
mod confirmations;
mod cursor;
mod decisions;
mod driver;
mod endpoint;
mod envelope;
mod era;
mod error;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
mod lists;
mod log_levels;
mod method;
mod notification;
#[cfg(feature = "stdio")]
mod outline;
mod problem;
mod rates;
mod record;
mod request_state;
mod results;
mod run_to_completion;
mod running_tasks;
mod scan;
mod seal;
mod sessions;
mod span;
mod step_up;
mod subscriptions;
mod task_record;
mod tasks;

pub(crate) use self::calls::Calls;
pub(crate) use self::challenge::{Challenge, Challenger};
pub use self::confirmations::ConfirmationStore;
pub(crate) use self::confirmations::Confirmations;
pub(crate) use self::endpoint::{
    AnonymousAccess, Endpoint, EndpointConfig, MessageStream, NO_TOKEN, Sender, ServerInfo,
    SessionRefusal, SessionRequestHead, StreamEvent, Transport,
};
#[cfg(mcp_auth_bench)]
pub(crate) use self::envelope::Message;
pub(crate) use self::era::{Header, Headers, MODERN, Mirrored};
#[cfg(feature = "stdio")]
pub(crate) use self::error::RpcError;
#[cfg(feature = "stdio")]
pub(crate) use self::outline::{Outline, RequestKind};
pub(crate) use self::problem::{Problem, seconds};
#[cfg(feature = "testing")]
pub(crate) use self::rates::RETRY_AFTER;
#[cfg(feature = "testing")]
pub(crate) use self::results::CONFIRMATION;
pub(crate) use self::running_tasks::RunningTasks;
pub(crate) use self::seal::{KEY_LEN, Sealer, StateKey};
#[cfg(test)]
pub(crate) use self::sessions::EventId;
pub(crate) use self::sessions::SessionId;
pub(crate) use self::span::RequestSpan;
pub(crate) use self::subscriptions::Streams;

pub(crate) use self::tasks::TasksInMemory;
pub use self::tasks::{StoredTask, TaskStore};

use bytes::Bytes;

use crate::guard::Denied;
use crate::identity::Unavailable;

/// The response to a POST.
#[derive(Debug)]
pub(crate) enum Response {
    /// A notification was accepted.
    Accepted,
    /// A JSON-RPC response that contains a list. `start` has the id of the request. `rest` is shared
    /// with other responses.
    List { start: Vec<u8>, rest: Bytes },
    /// A JSON-RPC response.
    Message { status: Status, body: Vec<u8> },
    /// The response to `initialize`, and the id of the session that it opened.
    Opened {
        session: SessionId,
        response: Box<Self>,
    },
    /// The request is refused with an HTTP status that a JSON-RPC response cannot have.
    Refused {
        /// The id of the request, as JSON. `None` for a notification, and for a message that could
        /// not be parsed.
        id: Option<String>,
        refusal: RefusedMessage,
    },
    /// JSON-RPC notifications, and then a JSON-RPC response.
    Stream(MessageStream),
}

/// The reason why a request is refused.
#[derive(Debug)]
pub(crate) enum RefusedMessage {
    /// Too many calls are in flight for this principal, for this user, or for callers without a token: HTTP 503.
    Busy,
    /// A token with more scopes would be allowed: HTTP 403 with a challenge.
    MoreScope(Box<WiderToken>),
    /// The caller's principal has no session with the id of the request: HTTP 404.
    NoSession,
    /// The response is a stream of events, and the client does not accept events: HTTP 406.
    NoEvents,
    /// No thread was free for the function, so the function did not run: HTTP 503.
    NoThread,
    /// The request needs a token, but has none: HTTP 401 with a challenge. The challenge asks for `scopes` in addition
    /// to the scopes of every challenge.
    SignIn { scopes: Vec<String> },
    /// Too many subscriptions are open for this principal, for this user, for callers without a token, or in total:
    /// HTTP 503.
    Subscriptions,
    /// The audit log has no room for the record of the call, so the call did not run: HTTP 503.
    Unaudited,
    /// Data that the decision needs cannot be looked up now: HTTP 503.
    Unavailable(Unavailable),
}

/// A denial of a caller whom a token with more scopes would help, and the challenge for the new token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WiderToken {
    pub(crate) denied: Denied,
    pub(crate) challenge: Challenge,
}

/// The HTTP status of a JSON-RPC response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    NotFound,
}
