//! Limits how many bad tokens a network may present.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::Clock;
use crate::limits::{Limit, Network, Windows};

/// Counts failed authentications per network and minute.
///
/// Above the limit, the server answers bad tokens of the network with 429 instead of 401, and does
/// not verify new opaque tokens at Clerk. It still accepts tokens that the issuer signed, and
/// callers who are in the cache.
#[derive(Debug)]
pub(super) struct Failures {
    limit: Limit,
    windows: Windows,
}

impl Failures {
    pub(super) fn new(clock: Arc<dyn Clock>, most: u32) -> Self {
        Self {
            limit: Limit {
                most,
                window: Duration::from_secs(60),
            },
            windows: Windows::new(clock, MOST_NETWORKS),
        }
    }

    /// Returns the time that a client must wait, if its network has presented too many bad tokens
    /// in this minute.
    pub(super) fn wait(&self, client: IpAddr) -> Option<Duration> {
        self.windows
            .wait(self.windows.key(Network::of(client)), self.limit)
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// The time that a client must wait because its network has presented too many bad tokens.
    pub(super) fn count(&self, client: IpAddr) -> Result<(), Duration> {
        self.windows
            .take(self.windows.key(Network::of(client)), self.limit)
    }
}

/// The largest number of networks that are counted. The counts take about 1 MiB. If more networks fail in one minute,
/// the count whose minute ends first is dropped.
const MOST_NETWORKS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;
    use crate::clock::SystemClock;
    use crate::identity::ManualClock;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_network_that_fails_too_often_waits_for_the_minute_to_end() {
        let clock = Arc::new(ManualClock::at(0));
        let failures = Failures::new(Arc::clone(&clock) as Arc<dyn Clock>, 2);
        let address = |text: &str| text.parse().unwrap();
        let client: IpAddr = address("2001:db8::1");
        assert_eq!(failures.count(client), Ok(()));
        assert_eq!(failures.wait(client), None);
        assert_eq!(failures.count(address("2001:db8::ffff")), Ok(()));
        clock.advance(MINUTE / 2);
        assert_eq!(failures.wait(client), Some(MINUTE / 2));
        assert_eq!(failures.count(client), Err(MINUTE / 2));
        assert_eq!(failures.wait(address("192.0.2.1")), None);
        for _ in 0..2 {
            failures.count(address("::ffff:198.51.100.1")).unwrap();
        }
        assert_eq!(failures.wait(address("198.51.100.1")), Some(MINUTE));
        assert_eq!(failures.wait(address("::ffff:198.51.100.2")), None);
        clock.advance(MINUTE / 2);
        assert_eq!(failures.wait(client), None);
    }

    #[test]
    fn no_failure_is_lost_among_eight_threads() {
        let failures = Failures::new(Arc::new(SystemClock::new()), 1_000);
        let counted = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if failures.count([192, 0, 2, 1].into()).is_ok() {
                            counted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(counted.into_inner(), 1_000);
    }
}
