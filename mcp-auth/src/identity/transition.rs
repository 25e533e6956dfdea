//! Counts the tokens that have no audience, which the server accepts until a configured date.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::identity::caller::Caller;

/// Counts the requests whose token has no audience and is accepted until the end of the transition
/// (`AudiencePolicy::required_after`), and logs each client once.
#[derive(Debug, Default)]
pub(crate) struct Transition {
    accepted: AtomicU64,
    clients: Mutex<HashSet<Box<str>>>,
}

impl Transition {
    /// Counts a request if its token is accepted only because of the transition. The first such request of each client
    /// is logged.
    pub(crate) fn count(&self, caller: &Caller) {
        if caller.verified().lacks_audience_until_ms().is_none() {
            return;
        }
        let accepted = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let client = caller.client_id().unwrap_or_default();
        if self.is_new(client) {
            tracing::warn!(
                target: "mcp_auth",
                ?client,
                accepted,
                "a token without an audience was accepted; from the date of `AudiencePolicy::required_after` on, \
                 the server refuses tokens without an audience, so the users of this client must connect the \
                 client again before that date"
            );
        }
    }

    /// Returns how many requests were accepted without an audience.
    #[cfg(test)]
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn is_new(&self, client: &str) -> bool {
        // Each write is one operation, so the set is consistent even if a writer panicked.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        !clients.contains(client) && clients.len() < MOST_CLIENTS && clients.insert(client.into())
    }
}

/// The greatest number of clients that are logged. The number is limited because a client that registers itself gets a
/// new id each time. Requests of further clients are counted, but not logged.
const MOST_CLIENTS: usize = 1_000;
