//! How often strangers may have the identity provider asked about a token.
//!
//! Each made-up opaque token costs a question against a limit that the customer's own application
//! shares. So only a part of it is for tokens that were never seen to be good, and each network of
//! peers has a small part of that.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::clock::Clock;
use crate::identity::log_throttle::LogThrottle;
use crate::limits::Network;
use crate::limits::Site;

/// Questions about tokens seen for the first time.
///
/// At most so many in any ten seconds, and of each network (an IPv4 address, an IPv6 /64) one a second after the
/// first ten. Loopback is a network like any other, and so are all peers behind one proxy. Networks are
/// cheap, so all of one site (an IPv4 /24, an IPv6 /48) together leave half to others.
pub(crate) struct Budget {
    clock: Arc<dyn Clock>,
    /// In any ten seconds.
    most: usize,
    /// The questions of the last ten seconds: when, by uptime, and for which site.
    asked: Mutex<VecDeque<(Duration, Site)>>,
    /// For each network, the uptime by which it has earned what it has spent.
    networks: Cache<Network, Duration>,
    warned: LogThrottle,
}

/// Too many tokens were new: nobody is asked about this one now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many tokens are new")]
pub(crate) struct OverBudget {
    /// When there is a question again.
    pub(crate) retry_after: Duration,
}

impl Budget {
    /// At most so many questions in any ten seconds.
    pub(crate) fn new(most: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            most,
            asked: Mutex::default(),
            networks: Cache::new(MAX_NETWORKS),
            warned: LogThrottle::default(),
        }
    }

    /// Spends one question.
    ///
    /// # Errors
    /// [`OverBudget`] if there is none left, for this peer's network or for all; nothing is spent
    /// then.
    pub(crate) fn spend(&self, peer: IpAddr) -> Result<(), OverBudget> {
        let network = Network::of(peer);
        let mut asked = self.lock();
        let now = self.clock.uptime();
        while asked.front().is_some_and(|(at, _)| *at + WINDOW <= now) {
            asked.pop_front();
        }
        let earned_by = self.networks.get(&network).unwrap_or_default().max(now);
        let early = earned_by.saturating_sub(now + PERIOD * (BURST - 1));
        if !early.is_zero() {
            return Err(self.exhausted(now, early));
        }
        let site = network.site();
        let of_site = || asked.iter().filter(|(_, asking)| *asking == site);
        let first = if of_site().count() >= (self.most / 2).max(BURST as usize) {
            of_site().next()
        } else if asked.len() >= self.most {
            asked.front()
        } else {
            None
        };
        if let Some((first, _)) = first {
            return Err(self.exhausted(now, (*first + WINDOW).saturating_sub(now)));
        }
        asked.push_back((now, site));
        self.networks.insert(network, earned_by + PERIOD);
        Ok(())
    }

    fn exhausted(&self, now: Duration, retry_after: Duration) -> OverBudget {
        if self.warned.is_due(now) {
            tracing::warn!(
                target: "mcp_auth",
                "too many opaque tokens are seen for the first time; some are answered with 503"
            );
        }
        OverBudget { retry_after }
    }

    /// No code that may panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Duration, Site)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

const WINDOW: Duration = Duration::from_secs(10);
/// In which a network earns one question.
const PERIOD: Duration = Duration::from_secs(1);
/// How many a network may have saved.
const BURST: u32 = 10;
const MAX_NETWORKS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ManualClock;
    use crate::identity::doubles;

    #[test]
    fn a_network_has_ten_questions_and_then_one_a_second() {
        let (budget, clock) = budget(1_000);
        assert_eq!(spend(&budget, "192.0.2.1", 30), 10);
        assert_eq!(spend(&budget, "192.0.2.99", 1), 1, "another network");
        clock.advance(Duration::from_secs(1));
        assert_eq!(spend(&budget, "192.0.2.1", 5), 1);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(spend(&budget, "192.0.2.1", 30), 10);
    }

    #[test]
    fn whoever_is_over_budget_is_told_when_to_come_back() {
        let (budget, clock) = budget(1_000);
        spend(&budget, "192.0.2.1", 10);
        clock.advance(Duration::from_millis(400));
        let refused = budget.spend("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_millis(600));
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_network_and_ipv4_in_ipv6_is_ipv4() {
        let (budget, _) = budget(1_000);
        assert_eq!(spend(&budget, "2001:db8:0:1::1", 30), 10);
        assert_eq!(spend(&budget, "2001:db8:0:1:ffff::2", 1), 0);
        assert_eq!(spend(&budget, "2001:db8:0:2::1", 1), 1);
        assert_eq!(spend(&budget, "::ffff:192.0.2.1", 30), 10);
        assert_eq!(spend(&budget, "192.0.2.1", 1), 0);
        assert_eq!(spend(&budget, "::ffff:198.51.100.1", 1), 1);
    }

    #[test]
    fn in_any_ten_seconds_there_are_no_more_than_allowed() {
        let (budget, clock) = budget(15);
        clock.advance(Duration::from_secs(9));
        assert_eq!(spend(&budget, "192.0.2.1", 10), 10);
        clock.advance(Duration::from_secs(5));
        assert_eq!(spend(&budget, "198.51.100.1", 10), 5);
        let refused = budget.spend("203.0.113.1".parse().unwrap()).unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(5));
        clock.advance(Duration::from_secs(5));
        assert_eq!(spend(&budget, "203.0.113.1", 20), 10);
    }

    #[test]
    fn whoever_has_many_networks_of_ipv6_leaves_half_to_others() {
        let (budget, clock) = budget(100);
        let from = |site: u16| {
            let spent = (0..1_000)
                .map(|subnet| spend(&budget, &format!("2001:db8:{site:x}:{subnet:x}::1"), 1));
            spent.sum::<usize>()
        };
        assert_eq!(from(1), 50);
        let refused = budget
            .spend("2001:db8:1:ffff::1".parse().unwrap())
            .unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(10));
        assert_eq!(spend(&budget, "192.0.2.1", 30), 10);
        assert_eq!(from(2), 40);
        clock.advance(Duration::from_secs(10));
        assert_eq!(from(1), 50);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let (budget, clock) = budget(1);
        assert_eq!(spend(&budget, "192.0.2.1", 100), 1);
        clock.advance(Duration::from_secs(10));
        assert_eq!(spend(&budget, "192.0.2.1", 100), 1);
    }

    fn spend(budget: &Budget, peer: &str, times: usize) -> usize {
        let peer = peer.parse().unwrap();
        (0..times).filter(|_| budget.spend(peer).is_ok()).count()
    }

    fn budget(most: usize) -> (Budget, Arc<ManualClock>) {
        let clock = doubles::clock();
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        (Budget::new(most, time), clock)
    }
}
