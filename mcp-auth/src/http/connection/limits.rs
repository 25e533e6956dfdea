//! The limits of connections.

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use crate::limits::Networks;
use crate::metrics::Metrics;

#[cfg(feature = "tls")]
use super::super::tls::Certificates;

/// The limits on the number of connections, and the deadlines of each connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits {
    /// The largest number of connections of all networks together.
    pub(crate) connections: usize,
    /// The largest number of connections of one network.
    pub(crate) per_network: usize,
    /// Peers that forward requests of many clients. The limit for one network does not apply to them.
    pub(crate) proxies: Networks,
    /// The longest time that a head may take, from its first byte until the service gets it.
    pub(crate) head_deadline: Duration,
    /// The longest time that a connection may be open without a request.
    pub(crate) idle_limit: Duration,
    /// The longest time in which a client may read no byte of a response.
    pub(crate) write_deadline: Duration,
    /// A connection that is at least this old closes with its next response.
    pub(crate) age: Duration,
    /// The largest number of requests that a connection of HTTP/2 may have in flight.
    #[cfg(feature = "tls")]
    pub(crate) requests_per_connection: u32,
    /// The number of threads that serve connections.
    pub(crate) workers: usize,
    /// Counts connections, their bytes, and the limits that they reach.
    pub(crate) metrics: Metrics,
    /// The certificate of connections with TLS. `None` if connections are without TLS.
    #[cfg(feature = "tls")]
    pub(crate) certificates: Option<Arc<Certificates>>,
}

impl ConnectionLimits {
    /// Returns true if connections are with TLS.
    pub(super) fn is_secured(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.certificates.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}
