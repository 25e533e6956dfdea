//! The issuer's key set: read without waiting, refreshed in the background.
//!
//! INVARIANT: nothing is believed by a key that was not in the set of the last successful fetch, or
//! if that fetch is more than 24 hours ago.

use std::error::Error;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;

use crate::identity::clock::Clock;
use crate::identity::error::AuthError;
use crate::identity::error::TokenError;
use crate::identity::error::Unavailable;
use crate::identity::flight::FlightLost;
use crate::identity::flight::Flights;
use crate::identity::flight::Landing;
use crate::identity::keys::key::KeySource;
use crate::identity::keys::key::PublishedKey;
use crate::identity::keys::key::VerifyingKey;
use crate::identity::keys::key::carry_over;

/// The keys that the issuer publishes.
#[derive(Debug)]
pub(crate) struct PublishedKeys {
    shared: Arc<Shared>,
    flights: Flights<(), Fetched>,
}

/// What requests and the fetch on the I/O runtime both see.
#[derive(Debug)]
struct Shared {
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    snapshot: ArcSwapOption<Snapshot>,
    /// Uptime in milliseconds before which no fetch is started for age's sake.
    next_fetch_ms: AtomicU64,
    pace: Mutex<Pace>,
}

/// The set as of one successful fetch.
#[derive(Debug)]
struct Snapshot {
    keys: Vec<Arc<VerifyingKey>>,
    /// Uptime when the fetch began: the set is at least as old as that.
    fetched: Duration,
}

/// How often the issuer is asked.
#[derive(Debug)]
struct Pace {
    /// Fetches that failed since one succeeded.
    failures: u32,
    /// Uptime of the last fetch that a token caused.
    forced: Option<Duration>,
    /// The fetch in flight was caused by a token.
    forcing: bool,
    /// Fetches that tokens caused since one brought something new.
    fruitless: u32,
}

/// The outcome of one fetch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fetched {
    Changed,
    Failed,
    Unchanged,
}

/// The outcome of asking again because of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refetched {
    /// The set is as the issuer has it, or was when it was asked last.
    Current,
    /// The issuer could not be asked; it makes sense to try again after this time.
    Failed(Duration),
}

impl PublishedKeys {
    /// No keys yet; they are fetched from `source`, on this runtime, when they are needed.
    pub(crate) fn new(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>, io: Handle) -> Self {
        let pace = Pace {
            failures: 0,
            forced: None,
            forcing: false,
            fruitless: 0,
        };
        let shared = Shared {
            source,
            clock,
            snapshot: ArcSwapOption::empty(),
            next_fetch_ms: AtomicU64::new(0),
            pace: Mutex::new(pace),
        };
        Self {
            shared: Arc::new(shared),
            flights: Flights::new(io),
        }
    }

    pub(super) async fn for_kid(
        &self,
        kid: Option<&str>,
    ) -> Result<Vec<Arc<VerifyingKey>>, AuthError> {
        let kid = kid.ok_or(TokenError::UnknownKey)?;
        let just_fetched = self.fetched_unless_usable().await?;
        let keys = self.named(kid).unwrap_or_default();
        if !keys.is_empty() {
            return Ok(keys);
        }
        let refetched = if just_fetched {
            Refetched::Current
        } else {
            self.refetch().await
        };
        let keys = self.named(kid).unwrap_or_default();
        match refetched {
            Refetched::Current | Refetched::Failed(_) if !keys.is_empty() => Ok(keys),
            Refetched::Current => Err(TokenError::UnknownKey.into()),
            Refetched::Failed(retry_after) => Err(unavailable(retry_after).into()),
        }
    }

    pub(super) async fn others(
        &self,
        kid: Option<&str>,
        tried: &[Arc<VerifyingKey>],
    ) -> Vec<Arc<VerifyingKey>> {
        let Some(kid) = kid else { return Vec::new() };
        let untried = || {
            let mut keys = self.named(kid).unwrap_or_default();
            keys.retain(|key| !tried.iter().any(|tried| Arc::ptr_eq(tried, key)));
            keys
        };
        let keys = untried();
        if !keys.is_empty() {
            return keys;
        }
        // Failed or not: what counts is whether there is another key now.
        let _either = self.refetch().await;
        untried()
    }

    pub(super) fn is_current(&self, key: &Arc<VerifyingKey>) -> bool {
        let holds = |snapshot: &Snapshot| snapshot.keys.iter().any(|own| Arc::ptr_eq(own, key));
        self.with_usable(holds).unwrap_or(false)
    }

    pub(super) async fn prepare(&self) -> Result<(), Unavailable> {
        self.fetched_unless_usable().await.map(|_| ())
    }

    pub(super) async fn share_any(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        self.fetched_unless_usable().await?;
        let is_shared = |own: &Arc<VerifyingKey>| others.iter().any(|other| own.is(other));
        self.with_usable(|snapshot| snapshot.keys.iter().any(is_shared))
            .ok_or(unavailable(MIN_BACK_OFF))
    }

    /// Reads the set, if it is not too old; a refresh is started beside if it is due.
    fn with_usable<R>(&self, read: impl FnOnce(&Snapshot) -> R) -> Option<R> {
        let now = self.shared.clock.uptime();
        let snapshot = self.shared.snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if now.saturating_sub(snapshot.fetched) >= MAX_AGE {
            return None;
        }
        self.refresh_if_due(as_ms(now));
        Some(read(snapshot))
    }

    /// The keys of this name in a set that is not too old.
    fn named(&self, kid: &str) -> Option<Vec<Arc<VerifyingKey>>> {
        self.with_usable(|snapshot| {
            snapshot
                .keys
                .iter()
                .filter(|key| key.kid() == kid)
                .cloned()
                .collect()
        })
    }

    fn refresh_if_due(&self, now_ms: u64) {
        let next = &self.shared.next_fetch_ms;
        let due = next.load(Ordering::Relaxed);
        // Whoever moves the date starts the fetch; its outcome sets the date again.
        let claimed = now_ms.saturating_add(as_ms(MAX_BACK_OFF));
        if now_ms >= due
            && next
                .compare_exchange(due, claimed, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            drop(self.fetch());
        }
    }

    /// Fetches the set if there is none or it is too old; tells whether it did.
    async fn fetched_unless_usable(&self) -> Result<bool, Unavailable> {
        if self.with_usable(|_| ()).is_some() {
            return Ok(false);
        }
        let next_ms = self.shared.next_fetch_ms.load(Ordering::Acquire);
        let wait_ms = next_ms.saturating_sub(as_ms(self.shared.clock.uptime()));
        if wait_ms > 0 && !self.flights.is_flying(&()) {
            return Err(unavailable(Duration::from_millis(wait_ms)));
        }
        match self.fetch().await {
            Ok(Fetched::Changed | Fetched::Unchanged) => Ok(true),
            Ok(Fetched::Failed) | Err(FlightLost) => Err(unavailable(MIN_BACK_OFF)),
        }
    }

    /// Asks the issuer again because of a token, unless that was done a short while ago.
    async fn refetch(&self) -> Refetched {
        if let Some(instead) = self.claim_refetch() {
            return instead;
        }
        match self.fetch().await {
            Ok(Fetched::Changed | Fetched::Unchanged) => Refetched::Current,
            Ok(Fetched::Failed) | Err(FlightLost) => Refetched::Failed(MIN_BACK_OFF),
        }
    }

    /// `None` if the issuer may be asked now (or is being asked), else what holds without asking.
    fn claim_refetch(&self) -> Option<Refetched> {
        if self.flights.is_flying(&()) {
            return None;
        }
        let now = self.shared.clock.uptime();
        let mut pace = self.shared.pace();
        let next = pace.forced.map_or(now, |forced| forced + pace.interval());
        let wait = next.saturating_sub(now);
        if wait.is_zero() {
            pace.forced = Some(now);
            pace.forcing = true;
            return None;
        }
        let failed = pace.failures > 0;
        Some(if failed {
            Refetched::Failed(wait)
        } else {
            Refetched::Current
        })
    }

    #[cfg(test)]
    pub(super) fn is_fetching(&self) -> bool {
        self.flights.is_flying(&())
    }

    /// Joins the fetch in flight, or starts one. It goes on whether or not its outcome is awaited.
    fn fetch(&self) -> Landing<Fetched> {
        let shared = Arc::clone(&self.shared);
        self.flights.join(&(), move || shared.fetch())
    }
}

impl Pace {
    /// Between fetches that tokens cause.
    fn interval(&self) -> Duration {
        let doublings = self.fruitless.saturating_sub(1).min(10);
        (FORCED_INTERVAL * 2_u32.pow(doublings)).min(MAX_FORCED_INTERVAL)
    }
}

impl Shared {
    async fn fetch(self: Arc<Self>) -> Fetched {
        let mut attempt = Attempt {
            shared: &self,
            failed: true,
        };
        let begun = self.clock.uptime();
        match self.source.fetch().await {
            Ok(published) => {
                attempt.failed = false;
                self.publish(published, begun)
            }
            Err(error) => {
                let error: &(dyn Error + 'static) = &error;
                tracing::warn!(target: "mcp_auth", error, "the issuer's keys were not fetched");
                Fetched::Failed
            }
        }
    }

    fn publish(&self, published: Vec<PublishedKey>, begun: Duration) -> Fetched {
        let before = self.snapshot.load_full();
        let before = before
            .as_ref()
            .map(|snapshot| snapshot.keys.as_slice())
            .unwrap_or_default();
        let keys = carry_over(before, published);
        let is_known = |key: &Arc<VerifyingKey>| before.iter().any(|known| Arc::ptr_eq(known, key));
        let changed = keys.len() != before.len() || !keys.iter().all(is_known);
        if keys.is_empty() {
            tracing::warn!(target: "mcp_auth", "the issuer publishes no key that signs with RS256");
        }
        self.snapshot.store(Some(Arc::new(Snapshot {
            keys,
            fetched: begun,
        })));
        self.record_success(begun, changed);
        if changed {
            Fetched::Changed
        } else {
            Fetched::Unchanged
        }
    }

    fn record_success(&self, begun: Duration, changed: bool) {
        let mut pace = self.pace();
        pace.failures = 0;
        if changed {
            pace.fruitless = 0;
        } else if pace.forcing {
            pace.fruitless = pace.fruitless.saturating_add(1);
        }
        pace.forcing = false;
        self.next_fetch_ms
            .store(as_ms(begun + REFRESH_AFTER), Ordering::Release);
    }

    fn record_failure(&self) {
        let mut pace = self.pace();
        pace.forcing = false;
        let back_off = MIN_BACK_OFF * 2_u32.saturating_pow(pace.failures.min(10));
        pace.failures = pace.failures.saturating_add(1);
        let next = self.clock.uptime() + back_off.min(MAX_BACK_OFF);
        self.next_fetch_ms.store(as_ms(next), Ordering::Release);
    }

    /// Nothing panics under this lock, so what it guards is whole.
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch that has not succeeded by its end has failed, even by a panic.
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

fn unavailable(retry_after: Duration) -> Unavailable {
    Unavailable {
        what: "the issuer's keys",
        retry_after: retry_after.max(MIN_BACK_OFF),
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A set older than this is refreshed beside the requests that use it.
const REFRESH_AFTER: Duration = Duration::from_secs(5 * 60);
/// A set older than this is not used.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Between fetches that tokens cause, doubling while they bring nothing new.
const FORCED_INTERVAL: Duration = Duration::from_secs(30);
const MAX_FORCED_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Between fetches while they fail, doubling.
const MIN_BACK_OFF: Duration = Duration::from_secs(1);
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
