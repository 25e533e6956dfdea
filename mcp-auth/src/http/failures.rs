//! How often a peer may present tokens that turn out to be bad.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::identity::Clock;
use crate::limits::Network;

/// Counts failed authentications per peer network and minute. Only tokens that have to be verified
/// count and are held up: a caller whose token is known is never locked out by a neighbour.
#[derive(Debug)]
pub(super) struct Failures {
    clock: Arc<dyn Clock>,
    most: u32,
    seen: Cache<Network, Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Duration,
    failures: u32,
}

impl Failures {
    pub(super) fn new(clock: Arc<dyn Clock>, most: u32) -> Self {
        Self {
            clock,
            most,
            seen: Cache::new(10_000),
        }
    }

    /// Returns how long the peer has to wait, if it failed too often in this minute.
    pub(super) fn wait(&self, peer: IpAddr) -> Option<Duration> {
        let window = self.current(Network::of(peer))?;
        let age = self.clock.uptime().saturating_sub(window.since);
        (window.failures >= self.most).then(|| MINUTE.saturating_sub(age))
    }

    /// Counts a failure.
    pub(super) fn count(&self, peer: IpAddr) {
        let peer = Network::of(peer);
        let now = self.clock.uptime();
        let window = self.current(peer).unwrap_or(Window {
            since: now,
            failures: 0,
        });
        self.seen.insert(
            peer,
            Window {
                failures: window.failures.saturating_add(1),
                ..window
            },
        );
    }

    fn current(&self, peer: Network) -> Option<Window> {
        let now = self.clock.uptime();
        self.seen
            .get(&peer)
            .filter(|window| now.saturating_sub(window.since) < MINUTE)
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ManualClock;

    #[test]
    fn a_peer_that_fails_too_often_waits_for_the_minute_to_end() {
        let clock = Arc::new(ManualClock::at(0));
        let failures = Failures::new(Arc::clone(&clock) as Arc<dyn Clock>, 2);
        let peer: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::ffff".parse().unwrap();
        failures.count(peer);
        assert_eq!(failures.wait(peer), None);
        failures.count(neighbour);
        assert_eq!(failures.wait(peer), Some(MINUTE));
        assert_eq!(failures.wait("192.0.2.1".parse().unwrap()), None);
        let mapped = |text: &str| text.parse().unwrap();
        failures.count(mapped("::ffff:198.51.100.1"));
        failures.count(mapped("::ffff:198.51.100.1"));
        assert_eq!(failures.wait(mapped("198.51.100.1")), Some(MINUTE));
        assert_eq!(failures.wait(mapped("::ffff:198.51.100.2")), None);
        clock.advance(MINUTE);
        assert_eq!(failures.wait(peer), None);
    }
}
