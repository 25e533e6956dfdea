//! The number of connections and their deadlines.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::http::ConnectionLimits;
use crate::limits::Networks;
use crate::metrics::Metrics;

use super::super::finding::Finding;
use super::super::setting::Source;
use super::ServerBuilder;

/// The settings of connections that are set in code.
#[derive(Debug)]
pub(in crate::server) struct ConnectionOptions {
    most: Option<usize>,
    most_per_network: Option<usize>,
    head_deadline: Duration,
    idle_limit: Duration,
    write_deadline: Duration,
    age: Duration,
    #[cfg(feature = "tls")]
    requests_per_connection: u32,
}

/// Limits of connections. They apply if the server listens itself ([`serve`](Self::serve),
/// [`start`](Self::start)) and with [`Server::listen`](crate::Server::listen). They do not apply to
/// an application that runs under actix-web's `HttpServer`. `docs/connections.md` explains how the
/// limits work together.
impl ServerBuilder {
    /// Sets how many connections may be open in total; at least 1.
    ///
    /// The default depends on the number of file descriptors that the process may have
    /// (`ulimit -n`): seven eighths of that number, minus 64, and at most 10,000. With 1024
    /// descriptors the default is 832. If you set more connections than seven eighths of that
    /// number, minus 64, the server does not start.
    ///
    /// When a new connection exceeds the limit, the server closes an idle connection. Among the connections of the peer
    /// network with the most connections, it closes the connection that has been idle for longest. To make room for a
    /// new connection, it never closes a connection with a call in flight. If all connections have a call in flight,
    /// the server answers the new connection with 503 and closes it.
    ///
    /// ```
    /// let builder = mcp_auth::server!().connections(500);
    /// ```
    pub fn connections(mut self, most: usize) -> Self {
        self.connections.most = Some(most);
        self
    }

    /// Sets how many connections a peer network (an IPv4 address or an IPv6 /64) may have; at least
    /// 1, and by default half of [`connections`](Self::connections).
    ///
    /// When a new connection exceeds the limit, the server closes an idle connection of the network: the connection
    /// that has been idle for longest. If all connections of the network have a call in flight, the server answers the
    /// new connection with 503 and closes it.
    ///
    /// The peer is the other end of the connection, so all clients behind a proxy count as one network. The limit does
    /// not apply to a proxy that [`trusted_proxies`](Self::trusted_proxies) names.
    pub fn connections_per_network(mut self, most: usize) -> Self {
        self.connections.most_per_network = Some(most);
        self
    }

    /// Sets how long the head of a request may take to arrive, counted from its first byte; 10 s by
    /// default. The server answers a slower request with 408 and closes the connection.
    pub fn head_deadline(mut self, deadline: Duration) -> Self {
        self.connections.head_deadline = deadline;
        self
    }

    /// Sets how long a connection may be idle before the server closes it; 75 s by default.
    ///
    /// A proxy in front of the server should close its idle connections sooner, so that the proxy
    /// never sends a request on a connection that the server is closing.
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.connections.idle_limit = limit;
        self
    }

    /// Sets how long the writing of a response may make no progress because the client does not read; 30 s by default.
    /// After this time the server closes the connection.
    pub fn write_deadline(mut self, deadline: Duration) -> Self {
        self.connections.write_deadline = deadline;
        self
    }

    /// Sets how old a connection may become; 1 h by default. The first response after this time has the header
    /// `Connection: close`. The client then opens a new connection, which a load balancer can send to another server.
    pub fn connection_age(mut self, age: Duration) -> Self {
        self.connections.age = age;
        self
    }

    /// Sets how many requests a client may have in flight on one connection of HTTP/2; at least 1, and 100 by default. The
    /// server resets a further request with `REFUSED_STREAM`, and the client can send it again.
    ///
    /// Each request in flight beyond the first also counts as a connection, for [`connections`](Self::connections) and
    /// [`connections_per_network`](Self::connections_per_network).
    ///
    /// Source: RFC 9113 section 5.1.2.
    #[cfg(feature = "tls")]
    pub fn requests_per_connection(mut self, most: u32) -> Self {
        self.connections.requests_per_connection = most;
        self
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            most: None,
            most_per_network: None,
            head_deadline: Duration::from_secs(10),
            idle_limit: Duration::from_secs(75),
            write_deadline: Duration::from_secs(30),
            age: Duration::from_secs(60 * 60),
            #[cfg(feature = "tls")]
            requests_per_connection: 100,
        }
    }
}

impl ConnectionOptions {
    /// Resolves the limits of connections, and checks that `descriptors` leaves room for them.
    pub(in crate::server) fn limits(
        &self,
        proxies: Networks,
        descriptors: Option<u64>,
        metrics: Metrics,
    ) -> Result<ConnectionLimits, Finding> {
        let possible = descriptors.map_or(usize::MAX, room);
        let default = possible.clamp(1, MOST_BY_DEFAULT);
        let connections = self.most.unwrap_or(default);
        let code = Source::Code;
        if self.most.is_some() && connections > possible {
            let descriptors = descriptors.unwrap_or_default();
            let expected = format!(
                "with {descriptors} descriptors there is room for {possible}; raise `ulimit -n`, or set \
                 fewer connections"
            );
            return Err(code("connections").invalid(connections, &expected));
        }
        let per_network = self.most_per_network.unwrap_or(connections.div_ceil(2));
        #[cfg(feature = "tls")]
        code("requests_per_connection").at_least(self.requests_per_connection, &1, AT_LEAST_ONE)?;
        code("connections").at_least(connections, &1, AT_LEAST_ONE)?;
        code("connections_per_network").at_least(per_network, &1, AT_LEAST_ONE)?;
        if per_network > connections {
            let expected = format!("it must not be more than `connections`, {connections}");
            return Err(code("connections_per_network").invalid(per_network, &expected));
        }
        for (method, value) in [
            ("head_deadline", self.head_deadline),
            ("idle_limit", self.idle_limit),
            ("write_deadline", self.write_deadline),
            ("connection_age", self.age),
        ] {
            if value.is_zero() {
                return Err(code(method).invalid(0, "it must be more than 0"));
            }
        }
        Ok(ConnectionLimits {
            connections,
            per_network,
            proxies,
            head_deadline: self.head_deadline,
            idle_limit: self.idle_limit,
            write_deadline: self.write_deadline,
            age: self.age,
            #[cfg(feature = "tls")]
            requests_per_connection: self.requests_per_connection,
            workers: available_parallelism().map_or(2, NonZeroUsize::get),
            metrics,
            #[cfg(feature = "tls")]
            certificates: None,
        })
    }
}

/// Returns the number of file descriptors that the process may have. `None` if the system sets no limit.
pub(in crate::server) fn descriptors() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        getrlimit(Resource::Nofile).current
    }
    #[cfg(not(unix))]
    None
}

/// The number of connections that this number of descriptors leaves room for. The other descriptors
/// are for the listener, files, calls to Clerk, tools, and connections that are being closed.
fn room(descriptors: u64) -> usize {
    let room = (descriptors - descriptors / 8).saturating_sub(64);
    usize::try_from(room).unwrap_or(usize::MAX)
}

const MOST_BY_DEFAULT: usize = 10_000;
const AT_LEAST_ONE: &str = "it must be at least 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(settings: &ConnectionOptions, descriptors: u64) -> Result<ConnectionLimits, String> {
        let limits = settings.limits(Networks::default(), Some(descriptors), Metrics::default());
        limits.map_err(|finding| finding.what().to_owned())
    }

    #[test]
    fn the_default_follows_the_descriptors_of_the_process() {
        let settings = ConnectionOptions::default();
        for (descriptors, connections, per_network) in [
            (64, 1, 1),
            (256, 160, 80),
            (1024, 832, 416),
            (1 << 20, 10_000, 5_000),
            (u64::MAX, 10_000, 5_000),
        ] {
            let limits = limits(&settings, descriptors).unwrap();
            assert_eq!(
                (limits.connections, limits.per_network),
                (connections, per_network),
                "{descriptors}"
            );
        }
        let unlimited = settings
            .limits(Networks::default(), None, Metrics::default())
            .unwrap();
        assert_eq!(unlimited.connections, 10_000);
    }

    #[test]
    fn limits_that_do_not_fit_are_named() {
        let set = |change: fn(&mut ConnectionOptions)| {
            let mut settings = ConnectionOptions::default();
            change(&mut settings);
            limits(&settings, 1024).unwrap_err()
        };
        assert_eq!(
            set(|of| of.most = Some(833)),
            "`connections` is `833`: with 1024 descriptors there is room for 832; raise `ulimit -n`, or set fewer \
             connections"
        );
        assert_eq!(
            set(|of| of.most = Some(0)),
            "`connections` is `0`: it must be at least 1"
        );
        assert_eq!(
            set(|of| of.most_per_network = Some(833)),
            "`connections_per_network` is `833`: it must not be more than `connections`, 832"
        );
        assert_eq!(
            set(|of| of.idle_limit = Duration::ZERO),
            "`idle_limit` is `0`: it must be more than 0"
        );
    }
}
