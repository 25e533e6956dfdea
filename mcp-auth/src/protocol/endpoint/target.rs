//! The target of a request, and the data that its response needs.

use std::sync::Arc;

use bytestring::ByteString;

use crate::identity::{Caller, NamedBy, Org, UrlOrg};
use crate::primitive::{Given, Served};

use super::super::era::Era;
use super::super::error::RpcError;
use super::super::method::Method;
use super::super::sessions::StreamWriter;

/// The method of a request, which determines the form of the response.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Completion,
    Prompt { name: &'a str },
    Resource { uri: &'a str },
    Tool,
}

impl Target<'_> {
    /// Returns the method of the request.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Completion => Method::Complete,
            Self::Prompt { .. } => Method::GetPrompt,
            Self::Resource { .. } => Method::ReadResource,
            Self::Tool => Method::CallTool,
        }
    }

    /// Returns the error for a name or a URI that does not exist, or that the caller may not use.
    pub(super) fn unknown(self, era: Era) -> RpcError {
        match self {
            Self::Prompt { name } => RpcError::UnknownPrompt(shortened(name)),
            Self::Resource { uri } => RpcError::UnknownResource {
                uri: uri.chars().take(MOST_URI).collect(),
                modern: era == Era::Modern,
            },
            // Unreachable: a completion request gets an empty list instead of an error, and the
            // denial of a tool is a result.
            Self::Completion | Self::Tool => RpcError::InvalidParams("unknown"),
        }
    }
}

/// The data that the response to a call needs, besides the outcome.
#[derive(Clone, Copy)]
pub(super) struct CallEnd<'a> {
    pub(super) served: &'a Arc<Served>,
    pub(super) target: Target<'a>,
    pub(super) caller: Option<&'a Caller>,
    pub(super) org: Option<&'a Org>,
    pub(super) named_by: NamedBy,
    /// The organization that the state of the request is bound to.
    pub(super) bound_org: Option<&'a Org>,
    /// The organization that the URL of the request names.
    pub(super) url_org: &'a UrlOrg,
    /// The arguments, as JSON. Empty for a completion request.
    pub(super) arguments: &'a ByteString,
    /// True if the client sent answers or the state of an earlier round.
    pub(super) is_retry: bool,
    /// True if the server can send requests to the client of a legacy session.
    pub(super) asks: bool,
    /// True if the head of the response is not sent yet.
    pub(super) has_head: bool,
}

/// The answers of the client of a session, and the stream on which the call continues.
pub(super) struct Continuation {
    pub(super) given: Given,
    pub(super) writer: StreamWriter,
}

/// Shortens a name that the client sent, because the error repeats the name.
pub(super) fn shortened(name: &str) -> String {
    name.chars().take(128).collect()
}

/// The largest number of characters of a URI that an error repeats.
const MOST_URI: usize = 2048;
