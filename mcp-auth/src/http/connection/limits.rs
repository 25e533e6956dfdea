//! The limits of connections.

use std::time::Duration;

use crate::limits::Networks;

/// The greatest number of connections, and the times that each may take.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits {
    /// The greatest number of connections in all.
    pub(crate) connections: usize,
    /// The greatest number of connections of one network.
    pub(crate) per_network: usize,
    /// Peers that bring the connections of many clients, such as proxies. The limit per network
    /// does not apply to them.
    pub(crate) proxies: Networks,
    /// The longest time for a head, from its first byte until the service has it.
    pub(crate) head_deadline: Duration,
    /// The longest time without a request.
    pub(crate) idle_limit: Duration,
    /// The longest time in which a client takes no byte of a response.
    pub(crate) write_deadline: Duration,
    /// The age from which a response closes its connection.
    pub(crate) age: Duration,
}
