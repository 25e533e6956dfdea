//! Injected faults: slow or failing responses, and a wrong clock. This module also counts requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// A fault that applies to some requests until it is removed; see
/// [`Instance::add_fault`](crate::Instance::add_fault).
///
/// ```
/// use std::time::Duration;
///
/// use clerk_emulator::{Directory, Fault, Instance};
///
/// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
/// // Look-ups of memberships fail; the JWKS is still served:
/// clerk.add_fault(Fault::status(503).at("/v1/organizations"));
/// clerk.add_fault(Fault::status(429).retry_after(30).at("/api_keys"));
/// // The JWKS and the Backend API are slow:
/// clerk.add_fault(Fault::latency(Duration::from_millis(300)));
/// clerk.clear_faults();
/// # Ok::<(), clerk_emulator::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    path: Option<String>,
    effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Failure(Failure),
    Latency(Duration),
}

/// The response to a request that fails on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
}

impl Fault {
    /// Answers requests with this HTTP status. A number that is not a status (below 100 or above
    /// 999) is replaced by 500.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let retry_after = None;
        Self {
            path: None,
            effect: Effect::Failure(Failure {
                status,
                retry_after,
            }),
        }
    }

    /// Delays responses by `latency`. The delays of several latency faults add up.
    #[must_use]
    pub fn latency(latency: Duration) -> Self {
        Self {
            path: None,
            effect: Effect::Latency(latency),
        }
    }

    /// Adds `Retry-After` with this number of seconds to a failing response. It has no effect on a
    /// latency fault.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        if let Effect::Failure(failure) = &mut self.effect {
            failure.retry_after = Some(seconds);
        }
        self
    }

    /// Limits the fault to requests whose path starts with `path`. Faults can apply to every route,
    /// except to `/` and to the routes below `/dev`.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    fn applies_to(&self, path: &str) -> bool {
        match &self.path {
            Some(prefix) => path.starts_with(prefix.as_str()),
            None => KEYS_AND_BACKEND
                .iter()
                .any(|prefix| path.starts_with(prefix)),
        }
    }

    /// The JSON that `GET /dev/faults` shows.
    pub(crate) fn to_json(&self) -> Value {
        let path = &self.path;
        match self.effect {
            Effect::Failure(Failure {
                status,
                retry_after,
            }) => {
                json!({"kind": "status", "status": status, "retry_after": retry_after, "path": path})
            }
            Effect::Latency(latency) => {
                json!({"kind": "latency", "ms": latency.as_millis(), "path": path})
            }
        }
    }
}

/// The injected faults of one instance.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    clock_offset: i64,
    requests: BTreeMap<String, usize>,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        let faults = &mut self.lock().faults;
        faults.push(fault);
        if faults.len() > MAX_FAULTS {
            faults.remove(0);
        }
    }

    /// Replaces the failure that applies to the JWKS and to the Backend API. `None` ends this
    /// failure.
    pub(crate) fn set_failure(&self, failure: Option<Failure>) {
        let mut state = self.lock();
        let general = |it: &Fault| it.path.is_none() && matches!(it.effect, Effect::Failure(_));
        state.faults.retain(|fault| !general(fault));
        let effect = failure.map(Effect::Failure);
        let path = None;
        state
            .faults
            .extend(effect.map(|effect| Fault { path, effect }));
    }

    /// Replaces the latency that applies to the JWKS and to the Backend API.
    pub(crate) fn set_latency(&self, latency: Duration) {
        let mut state = self.lock();
        let general = |it: &Fault| it.path.is_none() && matches!(it.effect, Effect::Latency(_));
        state.faults.retain(|fault| !general(fault));
        state.faults.push(Fault::latency(latency));
    }

    pub(crate) fn set_clock_offset(&self, seconds: i64) {
        self.lock().clock_offset = seconds;
    }

    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.clock_offset = 0;
    }

    pub(crate) fn clock_offset(&self) -> i64 {
        self.lock().clock_offset
    }

    pub(crate) fn all(&self) -> Vec<Fault> {
        self.lock().faults.clone()
    }

    pub(crate) fn requests_to(&self, prefix: &str) -> usize {
        let state = self.lock();
        let matching = state
            .requests
            .iter()
            .filter(|(path, _)| path.starts_with(prefix));
        matching.map(|(_, count)| count).sum()
    }

    /// Counts a request. Returns the delay of its response, and the failure if the request fails.
    pub(crate) fn arrived(&self, path: &str) -> (Duration, Option<Failure>) {
        let mut state = self.lock();
        let is_counted = path.len() <= MAX_PATH && state.requests.len() < MAX_PATHS;
        if is_counted || state.requests.contains_key(path) {
            *state.requests.entry(String::from(path)).or_default() += 1;
        }
        let (mut latency, mut failure) = (Duration::ZERO, None);
        for fault in state.faults.iter().filter(|it| it.applies_to(path)) {
            match fault.effect {
                Effect::Latency(more) => latency = latency.saturating_add(more),
                // If there are several failures, the last one applies.
                Effect::Failure(it) => failure = Some(it),
            }
        }
        (latency, failure)
    }

    /// Ignores poisoning, because a panic cannot leave this state half-changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The paths of the JWKS and of the Backend API, which every resource server needs. A fault without
/// a path applies to them.
const KEYS_AND_BACKEND: [&str; 5] = [
    "/.well-known/jwks.json",
    "/v1/",
    "/m2m_tokens/",
    "/api_keys/",
    "/oauth_applications/",
];

/// The maximal number of counted paths. It bounds the memory of an emulator that runs for days.
const MAX_PATHS: usize = 10_000;
/// The maximal number of faults. Adding another fault removes the oldest fault.
const MAX_FAULTS: usize = 100;
/// The longest path that is counted, in bytes.
const MAX_PATH: usize = 256;

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
    fn paths_beyond_the_maximal_number_are_not_counted() {
        let faults = Faults::default();
        for index in 0..=MAX_PATHS {
            faults.arrived(&format!("/{index}"));
        }
        assert_eq!(faults.requests_to("/"), MAX_PATHS);
    }

    #[test]
    fn a_long_path_is_not_counted_and_too_many_faults_drop_the_oldest() {
        let faults = Faults::default();
        faults.arrived(&format!("/{}", "x".repeat(MAX_PATH)));
        assert_eq!(faults.requests_to("/"), 0);
        for _ in 0..=MAX_FAULTS {
            faults.add(Fault::status(503));
        }
        assert_eq!(faults.all().len(), MAX_FAULTS);
    }

    #[test]
    fn a_fault_without_a_path_applies_to_the_jwks_and_the_backend_api_only() {
        let faults = Faults::default();
        faults.add(Fault::status(500));
        let fails = |path| faults.arrived(path).1.is_some();
        for path in [
            "/.well-known/jwks.json",
            "/v1/jwks",
            "/api_keys/verify",
            "/m2m_tokens/verify",
        ] {
            assert!(fails(path), "{path}");
        }
        for path in [
            "/",
            "/.well-known/oauth-authorization-server",
            "/oauth/token",
            "/v10",
        ] {
            assert!(!fails(path), "{path}");
        }
    }

    #[test]
    fn a_fault_with_a_path_applies_to_paths_with_that_prefix() {
        let faults = Faults::default();
        faults.add(Fault::status(429).retry_after(7).at("/oauth/"));
        faults.add(Fault::latency(Duration::from_millis(20)).at("/oauth/userinfo"));
        faults.add(Fault::latency(Duration::from_millis(30)).at("/"));
        let status = 429;
        let retry_after = Some(7);
        let failure = Some(Failure {
            status,
            retry_after,
        });
        assert_eq!(
            faults.arrived("/oauth/userinfo"),
            (Duration::from_millis(50), failure)
        );
        assert_eq!(
            faults.arrived("/oauth/token"),
            (Duration::from_millis(30), failure)
        );
        assert_eq!(
            faults.arrived("/v1/jwks"),
            (Duration::from_millis(30), None)
        );
    }

    #[test]
    fn setting_a_failure_replaces_the_failure_that_was_set_and_keeps_faults_with_a_path() {
        let faults = Faults::default();
        faults.add(Fault::status(503).at("/v1/users"));
        let failure = |status| {
            Some(Failure {
                status,
                retry_after: None,
            })
        };
        faults.set_failure(failure(500));
        faults.set_failure(failure(501));
        faults.set_latency(Duration::from_millis(10));
        faults.set_latency(Duration::ZERO);
        assert_eq!(faults.arrived("/v1/jwks"), (Duration::ZERO, failure(501)));
        faults.set_failure(None);
        assert_eq!(faults.arrived("/v1/jwks").1, None);
        assert_eq!(faults.arrived("/v1/users/user_ada").1, failure(503));
        faults.clear();
        assert_eq!(faults.arrived("/v1/users/user_ada").1, None);
    }
}
