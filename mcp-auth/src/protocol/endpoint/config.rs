//! The parts and settings of an endpoint.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Audit;
use crate::identity::{Clock, Organizations};
use crate::metrics::Metrics;
use crate::primitive::{Rate, Registry, States, Threads};

use super::super::calls::Calls;
use super::super::confirmations::Confirmations;
use super::super::running_tasks::RunningTasks;
use super::super::seal::Sealer;
use super::super::subscriptions::Streams;

/// The server's own name, title and version, which it sends to clients.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) title: Option<String>,
    pub(crate) instructions: Option<String>,
}

/// The parts and settings of an endpoint.
#[derive(Debug)]
pub(crate) struct EndpointConfig {
    pub(crate) info: ServerInfo,
    pub(crate) registry: Registry,
    pub(crate) states: Arc<States>,
    pub(crate) organizations: Arc<Organizations>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The audit log. `None` if the server has no audit log.
    pub(crate) audit: Option<Arc<Audit>>,
    /// If true, a guard that requires an organization, but no role and no permission, takes the organization from the
    /// token without a look-up.
    pub(crate) trust_token_org: bool,
    /// Scopes that every request needs.
    pub(crate) required_scopes: Vec<String>,
    /// The requests that callers without a token may send.
    pub(crate) anonymous: AnonymousAccess,
    /// If true, a call that lacks a scope gets an `isError` result instead of a 403 challenge.
    pub(crate) scope_denials_as_results: bool,
    /// If true, a call that lacks an organization gets a 403 challenge. The challenge asks for the scope with which a
    /// token names an organization.
    pub(crate) organization_step_up: bool,
    pub(crate) calls: Arc<Calls>,
    /// The rate limits of the server, which count calls of all tools, prompts and resources together.
    pub(crate) rates: Vec<Rate>,
    /// The threads for plain functions.
    pub(crate) threads: Arc<Threads>,
    pub(crate) timeout: Duration,
    /// The largest number of entries on a page of a list.
    pub(crate) page_size: usize,
    /// The shortest time between two progress messages of a call.
    pub(crate) progress_interval: Duration,
    /// Encrypts and authenticates the cursors of lists, and the state of requests that wait for a person.
    pub(crate) sealer: Sealer,
    /// The confirmations of calls that were already used.
    pub(crate) confirmations: Confirmations,
    pub(crate) tasks: Arc<RunningTasks>,
    pub(crate) transport: Transport,
    pub(crate) streams: Streams,
    pub(crate) metrics: Metrics,
}

/// The transport through which clients reach an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    Http {
        /// True if legacy clients get sessions.
        legacy_sessions: bool,
    },
    /// One client, which started this process. Its messages have no headers. All messages use the token with which the
    /// process was started. A legacy client always has a session.
    Stdio,
}

/// The requests that callers without a token may send, in addition to the use of public tools,
/// prompts and resources.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum AnonymousAccess {
    /// The server answers every other request with 401.
    #[default]
    None,
    /// Callers may initialize, discover, and list the public tools, prompts and resources.
    ListPublic,
    /// Callers may initialize, discover, and list all tools, prompts and resources.
    ListAll,
}

impl AnonymousAccess {
    /// Returns true if a client can connect without a token.
    pub(super) fn connects(self) -> bool {
        self != Self::None
    }
}
