//! Scope challenges that do not go on for ever.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::identity::{Clock, Principal};

/// Remembers who was sent to get which scopes. A client that comes back without them twice is told
/// in words the third time: an authorization server that does not grant the scope would otherwise
/// keep its user on the consent screen.
#[derive(Debug)]
pub(super) struct StepUps {
    clock: Arc<dyn Clock>,
    sent: Cache<(Principal<'static>, String), Sent>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    since: Duration,
    times: u8,
}

impl StepUps {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            sent: Cache::new(10_000),
        }
    }

    /// Returns whether to send a challenge, and counts it.
    pub(super) fn may_challenge(&self, principal: Principal<'_>, scopes: &[String]) -> bool {
        let key = (principal.into_owned(), scopes.join(" "));
        let now = self.clock.uptime();
        let fresh = |sent: &Sent| now.saturating_sub(sent.since) < WINDOW;
        let sent = self.sent.get(&key).filter(fresh).unwrap_or(Sent {
            since: now,
            times: 0,
        });
        if sent.times >= MOST {
            return false;
        }
        self.sent.insert(
            key,
            Sent {
                times: sent.times + 1,
                ..sent
            },
        );
        true
    }
}

const WINDOW: Duration = Duration::from_secs(300);
const MOST: u8 = 2;
