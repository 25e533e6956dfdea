//! Limits the number of scope challenges.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::{Clock, Principal};
use crate::limits::{Limit, Windows};

/// Counts the challenges of a principal for a set of scopes. A client that returns twice without the scopes gets a text
/// instead of a third challenge. Otherwise the user would see the consent screen again and again if the authorization
/// server does not grant a scope.
#[derive(Debug)]
pub(super) struct StepUps(Windows);

impl StepUps {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Windows::new(clock, 10_000))
    }

    /// Returns true if a challenge may be sent, which is then counted. If the result is false,
    /// nothing is counted.
    pub(super) fn may_challenge(&self, principal: Principal<'_>, scopes: &[String]) -> bool {
        self.0.take(self.0.key((principal, scopes)), TWICE).is_ok()
    }
}

const TWICE: Limit = Limit {
    most: 2,
    window: Duration::from_secs(300),
};

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::clock::SystemClock;
    use crate::identity::test_support;

    #[test]
    fn two_challenges_are_sent_however_many_workers_ask() {
        let step_ups = StepUps::new(Arc::new(SystemClock::new()));
        let ada = test_support::oauth_caller(&test_support::oauth_claims());
        let sent = AtomicUsize::new(0);
        let scopes = ["documents:write".to_owned()];
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let may = step_ups.may_challenge(ada.principal_in(None), &scopes);
                        sent.fetch_add(usize::from(may), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(sent.into_inner(), 2);
        let others = ["documents:read".to_owned()];
        assert!(step_ups.may_challenge(ada.principal_in(None), &others));
    }
}
