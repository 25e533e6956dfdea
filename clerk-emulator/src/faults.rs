//! Bad weather on request, and what was asked in it: JWKS and Backend API can be made slow or failing,
//! and their requests are counted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// The state of one instance. Nothing is wrong at first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<Failure>,
    latency: Duration,
    requests: BTreeMap<String, usize>,
}

/// What every request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
}

impl Faults {
    pub(crate) fn set_failure(&self, failure: Option<Failure>) {
        self.lock().failure = failure;
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    pub(crate) fn requests_to(&self, prefix: &str) -> usize {
        let state = self.lock();
        let matching = state
            .requests
            .iter()
            .filter(|(path, _)| path.starts_with(prefix));
        matching.map(|(_, count)| count).sum()
    }

    /// Counts a request and says how to treat it: how long to wait, and then how to fail.
    pub(crate) fn arrived(&self, path: &str) -> (Duration, Option<Failure>) {
        let mut state = self.lock();
        if state.requests.contains_key(path) || state.requests.len() < MAX_PATHS {
            *state.requests.entry(String::from(path)).or_default() += 1;
        }
        (state.latency, state.failure)
    }

    /// A panic elsewhere leaves the numbers as they are: there is nothing to protect from it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bounds the memory of an emulator that runs for days.
const MAX_PATHS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_the_start_of_their_path() {
        let faults = Faults::default();
        for path in [
            "/v1/jwks",
            "/v1/organizations/org_a/memberships",
            "/v1/jwks",
        ] {
            assert_eq!(faults.arrived(path), (Duration::ZERO, None));
        }
        assert_eq!(faults.requests_to("/v1/jwks"), 2);
        assert_eq!(faults.requests_to("/v1/"), 3);
        assert_eq!(faults.requests_to("/.well-known"), 0);
    }

    #[test]
    fn paths_beyond_the_bound_are_not_kept() {
        let faults = Faults::default();
        for index in 0..=MAX_PATHS {
            faults.arrived(&format!("/{index}"));
        }
        assert_eq!(faults.requests_to("/"), MAX_PATHS);
    }
}
