//! The caller of an open stream.

use crate::identity::{Caller, UrlOrg};
use crate::limits::Party;

use super::super::method::Method;

/// The caller of a stream, with the data that decisions about the caller need.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` if the stream was opened without a token.
    pub(super) caller: Option<Caller>,
    pub(super) url_org: UrlOrg,
    pub(super) party: Party,
    /// The organization in which the caller acted when the stream was opened. `None` if the caller acted in no organization,
    /// or if no resource of the server uses an organization.
    pub(super) org: Option<String>,
}

/// Whether a run of an `authorize` function counts for the rates of the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cost {
    /// The client asked for the decision.
    Counts,
    /// The application published a change.
    Free,
}

impl Cost {
    /// Returns the method of the message that the decision is for.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Counts => Method::Listen,
            Self::Free => Method::Updated,
        }
    }
}

impl Reader {
    /// Makes the reader of a session's stream. The session knows the organization of its subscriptions.
    pub(super) fn of_session(caller: Option<&Caller>, url_org: &UrlOrg, party: Party) -> Self {
        Self {
            caller: caller.cloned(),
            url_org: url_org.clone(),
            party,
            org: None,
        }
    }
}
