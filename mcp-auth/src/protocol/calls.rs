//! How many calls a principal has in flight.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use crate::identity::Principal;

/// Counts running calls per principal. MCP 2026-07-28, server/tools: servers must limit the rate of
/// tool invocations; honest load never meets this limit, a runaway client does.
#[derive(Debug)]
pub(super) struct Calls {
    most: usize,
    running: Mutex<HashMap<Option<Principal>, usize>>,
}

impl Calls {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            running: Mutex::default(),
        }
    }

    /// Counts a call in, or refuses it. Callers without a token share one count.
    pub(super) fn enter(self: &Arc<Self>, principal: Option<&Principal>) -> Option<Running> {
        let principal = principal.cloned();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(principal.clone()).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Running {
            calls: Arc::clone(self),
            principal,
        })
    }
}

/// A call in flight; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Running {
    calls: Arc<Calls>,
    principal: Option<Principal>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self
            .calls
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = running.entry(self.principal.take()) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_over_the_limit_is_refused_until_one_ends() {
        let calls = Arc::new(Calls::new(2));
        let first = calls.enter(None).unwrap();
        let _second = calls.enter(None).unwrap();
        assert!(calls.enter(None).is_none());
        drop(first);
        assert!(calls.enter(None).is_some());
    }

    #[test]
    fn nothing_is_kept_of_principals_without_calls() {
        let calls = Arc::new(Calls::new(2));
        drop(calls.enter(None));
        assert!(calls.running.lock().unwrap().is_empty());
    }
}
