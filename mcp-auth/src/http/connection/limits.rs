//! The limits of connections.

use std::time::Duration;

use crate::limits::Networks;

/// The number of connections that there may be, and the time that each may take.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits {
    /// Connections in all.
    pub(crate) connections: usize,
    /// Connections of one network.
    pub(crate) per_network: usize,
    /// Peers that bring the connections of many clients: the limit per network is not applied to them.
    pub(crate) proxies: Networks,
    /// How long a head may take, from its first byte until the service has it.
    pub(crate) head_deadline: Duration,
    /// How long a connection may be without a request.
    pub(crate) idle_limit: Duration,
    /// How long a client may take no byte of an answer.
    pub(crate) write_deadline: Duration,
    /// The age from which an answer says that the connection closes.
    pub(crate) age: Duration,
}
