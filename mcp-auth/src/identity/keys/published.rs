//! The issuer's key set. Requests read the set without waiting, and the set is refreshed in the
//! background.
//!
//! This module does not use [`Lookup`](crate::identity::lookup::Lookup), for two reasons. An old set stays usable while
//! the issuer is down. And a token with an unknown key waits for a fetch that began after the token arrived.
//!
//! INVARIANTS:
//! - A token is accepted only if its key was in the set of the last successful fetch, at most 24
//!   hours ago.
//! - A token with an unknown key is refused only if the set was fetched after the token arrived, or
//!   is newer than the token.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::identity::error::{AuthError, TokenError, Unavailable};
use crate::identity::keys::Fetches;
use crate::identity::keys::key::{KeySource, PublishedKey, VerifyingKey, carry_over};
use crate::identity::lookup::{Abandoned, SingleFlight, Waiter};

/// The keys that the issuer publishes.
#[derive(Debug)]
pub(crate) struct PublishedKeys {
    shared: Arc<Shared>,
    flights: SingleFlight<(), Fetched>,
}

/// The state that requests and the fetch on the I/O runtime share.
#[derive(Debug)]
struct Shared {
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    snapshot: ArcSwapOption<Snapshot>,
    /// The number of fetches that began.
    begun: AtomicU64,
    /// The number of fetches that succeeded.
    succeeded: AtomicU64,
    /// The number of fetches that failed.
    failed: AtomicU64,
    /// The uptime, in milliseconds, from which a request that reads the set starts the next fetch
    /// in the background.
    next_fetch_ms: AtomicU64,
    /// The uptime, in milliseconds, until which the set may be used without asking the issuer
    /// again.
    usable_until_ms: AtomicU64,
    pace: Mutex<Pace>,
}

/// The set of one successful fetch.
#[derive(Debug)]
struct Snapshot {
    keys: Vec<Arc<VerifyingKey>>,
    /// The number of the fetch, counted from 1.
    number: u64,
    /// The uptime at which the fetch began. The data of the set is at least this old.
    fetched: Duration,
    /// The time of day at which the fetch began, in milliseconds since 1970.
    fetched_unix_ms: u64,
}

/// How often the set may be fetched.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The number of fetches that failed since the last success.
    failures: u32,
    /// The uptime at which tokens may again cause the full number of fetches at once.
    restored: Duration,
}

/// The outcome of one fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fetched {
    Failed,
    Published,
}

impl PublishedKeys {
    /// Creates an empty set. The keys are fetched from `source`, on the runtime `io`, on demand.
    pub(crate) fn new(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>, io: Handle) -> Self {
        let shared = Shared {
            source,
            clock,
            snapshot: ArcSwapOption::empty(),
            begun: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            next_fetch_ms: AtomicU64::new(0),
            usable_until_ms: AtomicU64::new(0),
            pace: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            flights: SingleFlight::new(io),
        }
    }

    pub(super) async fn for_kid(
        &self,
        kid: Option<&str>,
        issued_ms: Option<u64>,
    ) -> Result<Vec<Arc<VerifyingKey>>, AuthError> {
        let kid = kid.ok_or(TokenError::UnknownKey)?;
        let found = self.find(issued_ms, |snapshot| snapshot.named(kid)).await?;
        if found.is_empty() {
            Err(TokenError::UnknownKey.into())
        } else {
            Ok(found)
        }
    }

    pub(super) async fn others(
        &self,
        kid: Option<&str>,
        issued_ms: Option<u64>,
        tried: &[Arc<VerifyingKey>],
    ) -> Result<Vec<Arc<VerifyingKey>>, Unavailable> {
        let Some(kid) = kid else {
            return Ok(Vec::new());
        };
        let untried = |snapshot: &Snapshot| {
            let mut keys = snapshot.named(kid);
            keys.retain(|key| !tried.iter().any(|tried| Arc::ptr_eq(tried, key)));
            keys
        };
        self.find(issued_ms, untried).await
    }

    pub(super) fn is_current(&self, key: &Arc<VerifyingKey>) -> bool {
        let holds = |snapshot: &Snapshot| snapshot.keys.iter().any(|own| Arc::ptr_eq(own, key));
        self.with_usable(holds).unwrap_or(false)
    }

    pub(super) async fn prepare(&self) -> Result<(), Unavailable> {
        self.fetch_unless_usable().await
    }

    pub(super) fn count(&self) -> usize {
        self.with_usable(|snapshot| snapshot.keys.len())
            .unwrap_or(0)
    }

    pub(super) fn is_ready(&self) -> bool {
        if let Some(has_keys) = self.with_usable(|snapshot| !snapshot.keys.is_empty()) {
            return has_keys;
        }
        if self.rest().is_none() {
            drop(self.fetch());
        }
        self.known() > 0 && self.shared.pace().failures == 0
    }

    pub(super) fn known(&self) -> usize {
        let snapshot = self.shared.snapshot.load();
        let now = self.shared.clock.uptime();
        let young = snapshot
            .as_ref()
            .filter(|snapshot| now < snapshot.fetched + MAX_AGE);
        young.map_or(0, |snapshot| snapshot.keys.len())
    }

    pub(super) fn fetches(&self) -> Fetches {
        Fetches {
            succeeded: self.shared.succeeded.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn share_any(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        self.fetch_unless_usable().await?;
        let is_shared = |own: &Arc<VerifyingKey>| others.iter().any(|other| own.is(other));
        self.with_usable(|snapshot| snapshot.keys.iter().any(is_shared))
            .ok_or(unavailable(MIN_BACK_OFF))
    }

    /// Returns the keys that `look` finds in the set. If `look` finds no key, the set is fetched again, unless the set
    /// is newer than the token.
    async fn find(
        &self,
        issued_ms: Option<u64>,
        look: impl Fn(&Snapshot) -> Vec<Arc<VerifyingKey>>,
    ) -> Result<Vec<Arc<VerifyingKey>>, Unavailable> {
        let begun_before = self.shared.begun.load(Ordering::Acquire);
        self.fetch_unless_usable().await?;
        loop {
            let looked = self.with_usable(|snapshot| {
                let is_newer = snapshot.is_newer_than(issued_ms);
                (look(snapshot), is_newer || snapshot.number > begun_before)
            });
            let (found, settled) = looked.unwrap_or_default();
            if settled || !found.is_empty() {
                return Ok(found);
            }
            if let Some(rest) = self.rest() {
                return Err(unavailable(rest));
            }
            // A fetch in flight may have begun before the key was published, so the loop may need
            // another fetch.
            landed(self.refetch().await)?;
        }
    }

    /// Reads the set, unless it is too old. Starts a fetch in the background if a fetch is due.
    fn with_usable<R>(&self, read: impl FnOnce(&Snapshot) -> R) -> Option<R> {
        let now_ms = as_ms(self.shared.clock.uptime());
        let snapshot = self.shared.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if now_ms >= self.shared.usable_until_ms.load(Ordering::Acquire) {
            return None;
        }
        self.refresh_if_due(now_ms);
        Some(read(snapshot))
    }

    fn refresh_if_due(&self, now_ms: u64) {
        let next = &self.shared.next_fetch_ms;
        let due = next.load(Ordering::Relaxed);
        // Only the request that changes the due time starts the fetch. The outcome of the fetch sets the due time
        // again.
        let claimed = now_ms.saturating_add(as_ms(MAX_BACK_OFF));
        if now_ms >= due
            && next
                .compare_exchange(due, claimed, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            drop(self.fetch());
        }
    }

    /// Fetches the set if there is no set or the set is too old. If the fetch fails, the old set may become usable
    /// again.
    async fn fetch_unless_usable(&self) -> Result<(), Unavailable> {
        if self.with_usable(|_| ()).is_some() {
            return Ok(());
        }
        if let Some(rest) = self.rest() {
            return Err(unavailable(rest));
        }
        let outcome = landed(self.fetch().await);
        self.with_usable(|_| ()).map_or(outcome, Ok)
    }

    /// Returns how long to wait before the next fetch, because the last fetch failed. `None` if no wait is necessary.
    fn rest(&self) -> Option<Duration> {
        if self.flights.is_flying(&()) || self.shared.pace().failures == 0 {
            return None;
        }
        let next_ms = self.shared.next_fetch_ms.load(Ordering::Acquire);
        let rest_ms = next_ms.saturating_sub(as_ms(self.shared.clock.uptime()));
        (rest_ms > 0).then(|| Duration::from_millis(rest_ms))
    }

    #[cfg(test)]
    pub(super) fn is_fetching(&self) -> bool {
        self.flights.is_flying(&())
    }

    /// Joins the fetch in flight, or starts a fetch. The fetch continues even if no request waits for it.
    fn fetch(&self) -> Waiter<Fetched> {
        let shared = Arc::clone(&self.shared);
        self.flights.join(&(), move || shared.fetch())
    }

    /// Fetches because of a token with an unknown key. The number of these fetches is limited.
    fn refetch(&self) -> Waiter<Fetched> {
        let shared = Arc::clone(&self.shared);
        self.flights.join(&(), move || async move {
            let now = shared.clock.uptime();
            let wait = shared.pace().claim(now);
            if !wait.is_zero() {
                sleep(wait).await;
            }
            shared.fetch().await
        })
    }
}

impl Snapshot {
    /// Returns the keys with this `kid`.
    fn named(&self, kid: &str) -> Vec<Arc<VerifyingKey>> {
        let keys = self.keys.iter();
        keys.filter(|key| key.kid() == kid).cloned().collect()
    }

    /// Returns true if the set is so new that it must contain the key of a token issued at this
    /// time, unless the key was withdrawn.
    fn is_newer_than(&self, issued_ms: Option<u64>) -> bool {
        let published_by = |issued_ms: u64| issued_ms.saturating_add(as_ms(PUBLISHED_WITHIN));
        issued_ms.is_some_and(|issued_ms| published_by(issued_ms) < self.fetched_unix_ms)
    }
}

impl Pace {
    /// Counts a fetch that a token causes. Returns how long the fetch has to wait.
    pub(super) fn claim(&mut self, now: Duration) -> Duration {
        let allowance = FORCED_INTERVAL * FORCED_AT_ONCE;
        let restored = self.restored.max(now) + FORCED_INTERVAL;
        self.restored = restored.min(now + allowance + FORCED_INTERVAL);
        self.restored.saturating_sub(now + allowance)
    }
}

impl Shared {
    async fn fetch(self: Arc<Self>) -> Fetched {
        let mut attempt = Attempt {
            shared: &self,
            failed: true,
        };
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let fetched = self.clock.uptime();
        let fetched_unix_ms = self.clock.unix_ms();
        match self.source.fetch().await {
            Ok(published) => {
                attempt.failed = false;
                self.publish(Snapshot {
                    keys: self.carry_over(published),
                    number,
                    fetched,
                    fetched_unix_ms,
                });
                Fetched::Published
            }
            Err(error) => {
                let error: &(dyn Error + 'static) = &error;
                tracing::warn!(target: "mcp_auth", error, "a fetch of the issuer's keys failed");
                Fetched::Failed
            }
        }
    }

    fn carry_over(&self, published: Vec<PublishedKey>) -> Vec<Arc<VerifyingKey>> {
        let before = self.snapshot.load();
        let before = before
            .as_ref()
            .map(|snapshot| snapshot.keys.as_slice())
            .unwrap_or_default();
        carry_over(before, published)
    }

    fn publish(&self, snapshot: Snapshot) {
        if snapshot.keys.is_empty() {
            tracing::warn!(target: "mcp_auth", "the issuer publishes no key that signs with RS256");
        }
        let fetched = snapshot.fetched;
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.succeeded.fetch_add(1, Ordering::Relaxed);
        self.pace().failures = 0;
        self.use_until(fetched + ASK_AFTER);
        self.next_fetch_ms
            .store(as_ms(fetched + REFRESH_AFTER), Ordering::Release);
    }

    fn record_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.uptime();
        let back_off = {
            let mut pace = self.pace();
            let doublings = pace.failures.min(10);
            pace.failures = pace.failures.saturating_add(1);
            (MIN_BACK_OFF * 2_u32.saturating_pow(doublings)).min(MAX_BACK_OFF)
        };
        if let Some(snapshot) = &*self.snapshot.load() {
            self.use_until((now + ASK_AFTER).min(snapshot.fetched + MAX_AGE));
        }
        self.next_fetch_ms
            .store(as_ms(now + back_off), Ordering::Release);
    }

    fn use_until(&self, uptime: Duration) {
        self.usable_until_ms.store(as_ms(uptime), Ordering::Release);
    }

    /// Locks the pace of fetches. Ignores poisoning: no code panics while it holds this lock, so the data cannot be
    /// half changed.
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch in progress. It counts as failed unless it succeeds. A panic counts as a failure.
struct Attempt<'a> {
    shared: &'a Shared,
    failed: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.failed {
            self.shared.record_failure();
        }
    }
}

fn landed(outcome: Result<Fetched, Abandoned>) -> Result<(), Unavailable> {
    match outcome {
        Ok(Fetched::Published) => Ok(()),
        Ok(Fetched::Failed) | Err(Abandoned) => Err(unavailable(MIN_BACK_OFF)),
    }
}

fn unavailable(retry_after: Duration) -> Unavailable {
    Unavailable {
        what: "the issuer's keys",
        retry_after: retry_after.max(MIN_BACK_OFF),
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A set of this age is refreshed in the background.
const REFRESH_AFTER: Duration = Duration::from_secs(5 * 60);
/// A set of this age is used only after another attempt to fetch it, even if the attempt fails. Without this rule, the
/// first request after a long pause could use a key that was withdrawn long before.
const ASK_AFTER: Duration = Duration::from_secs(10 * 60);
/// A set of this age is never used.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Tokens can cause this many fetches at once, and then one fetch in each [`FORCED_INTERVAL`]. Further fetches wait. A
/// caller with a new key therefore waits for at most one interval, even while an attacker invents key ids.
const FORCED_AT_ONCE: u32 = 4;
const FORCED_INTERVAL: Duration = Duration::from_secs(2);
/// An issuer publishes a key before it signs tokens with the key. Different clocks and caches may delay the publication
/// by this time.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(60);
/// The shortest and the longest time between failed fetches. After each failure the time is twice as long.
const MIN_BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(8);
