//! The caller of an open stream.

use crate::identity::{Caller, UrlOrg};
use crate::limits::Party;

/// The caller of a stream, with the data that decisions about the caller need.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` if the stream was opened without a token.
    pub(super) caller: Option<Caller>,
    pub(super) url_org: UrlOrg,
    pub(super) party: Party,
    /// The organization in which the caller acted when the stream was opened. `None` if there was none, or if no
    /// resource of the server uses an organization.
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
