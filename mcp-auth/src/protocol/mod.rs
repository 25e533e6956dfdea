//! Speaking MCP: the JSON-RPC envelope, the two eras of the protocol, and the methods.
//!
//! Takes the bytes of one POST, the headers that mirror it and the verified caller; gives back an
//! [`Response`]. Knows no HTTP framework: what an answer looks like on the wire is `http`'s business.

mod calls;
mod challenge;
mod endpoint;
mod envelope;
mod era;
mod error;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
mod lists;
mod rates;
mod record;
mod results;
mod run_to_completion;
mod scan;
mod step_up;
mod string;

pub(crate) use self::calls::Calls;
pub(crate) use self::challenge::{Challenge, Challenger};
pub(crate) use self::endpoint::{AnonymousAccess, Endpoint, EndpointConfig, Sender, ServerInfo};
#[cfg(mcp_auth_bench)]
pub(crate) use self::envelope::Message;
#[cfg(any(mcp_auth_bench, feature = "testing"))]
pub(crate) use self::era::MODERN;
pub(crate) use self::era::{Header, Mirrored};
#[cfg(feature = "testing")]
pub(crate) use self::results::RETRY_AFTER;
pub(crate) use self::results::{DENIED, DenialDetails};

use bytes::Bytes;

use crate::guard::Denied;
use crate::identity::Unavailable;

/// The response to a POST.
#[derive(Debug)]
pub(crate) enum Response {
    /// A notification was taken.
    Accepted,
    /// A JSON-RPC response to `tools/list`: its start, and the rest, which others get as well.
    List { start: Vec<u8>, rest: Bytes },
    /// A JSON-RPC response.
    Message { status: Status, body: Vec<u8> },
    /// The request is refused under another HTTP status than a response has.
    Refused {
        /// The id of the request, as JSON; `None` for a notification, and for a message that could not be
        /// read.
        id: Option<String>,
        refusal: RefusedMessage,
    },
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum RefusedMessage {
    /// Too many calls of this principal, of this user, or without a token are in flight: HTTP 503.
    Busy,
    /// A wider token would do: HTTP 403 with a challenge.
    MoreScope(Box<WiderToken>),
    /// No thread was free for the tool, which has not run: HTTP 503.
    NoThread,
    /// There is no token, and what was asked for is not public: HTTP 401 with a challenge. `scopes` are
    /// those to ask for beside the ones that the server asks of everybody.
    SignIn { scopes: Vec<String> },
    /// A fact that the decision needs cannot be had now: HTTP 503.
    Unavailable(Unavailable),
}

/// A denial that a wider token would cure, with the challenge for that token.
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
