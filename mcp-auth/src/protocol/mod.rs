//! Speaking MCP: the JSON-RPC envelope, the two eras of the protocol, and the methods.
//!
//! Takes the bytes of one POST, the headers that mirror it and the verified caller; gives back an
//! [`Answer`]. Knows no HTTP framework: what an answer looks like on the wire is `http`'s business.

mod calls;
mod detach;
mod endpoint;
mod envelope;
mod era;
mod error;
mod lists;
mod record;
mod results;
mod scan;
mod step_up;
mod string;

pub(crate) use self::endpoint::{Endpoint, EndpointConfig, ServerInfo};
#[cfg(feature = "_bench")]
pub(crate) use self::envelope::Message;
#[cfg(any(feature = "_bench", feature = "testing"))]
pub(crate) use self::era::MODERN;
pub(crate) use self::era::{Header, Mirrored};

use bytes::Bytes;

use crate::identity::Unavailable;

/// What a POST is answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A notification was taken.
    Accepted,
    /// Too many calls of this principal are in flight.
    Busy,
    /// A JSON-RPC response to `tools/list`: its start, and the rest, which others get as well.
    List { start: Vec<u8>, rest: Bytes },
    /// A JSON-RPC response.
    Message { status: Status, body: Vec<u8> },
    /// The token lacks only these scopes: HTTP 403 with a challenge.
    MoreScope(Vec<String>),
    /// There is no token, and what was asked for is not public: HTTP 401 with a challenge.
    SignIn,
    /// A fact that the decision needs cannot be had now: HTTP 503.
    Unavailable(Unavailable),
}

/// The HTTP status of a JSON-RPC response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    NotFound,
}
