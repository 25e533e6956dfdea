//! Ensures that a person's agreement to a tool with `confirm` is used once.
//!
//! The state of a request is encrypted, but a client could send the same state twice. The server therefore remembers
//! each state that it used for a tool with `confirm`, until the state expires.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::{Clock, Unavailable};
use crate::limits::{Party, Pool, Shares, Taken};

/// Remembers which confirmations were used, for all processes of one server.
///
/// A tool with `confirm` runs at most once for each time that a person confirms a call. By default each process
/// remembers used confirmations by itself. Processes that share their [`state_keys`](crate::ServerBuilder::state_keys)
/// must also share a store, for example a table or Redis with `SET id 1 NX EX seconds`.
///
/// ```
/// use std::collections::HashSet;
/// use std::error::Error;
/// use std::pin::Pin;
/// use std::sync::Mutex;
/// use std::time::Duration;
///
/// use mcp_auth::ConfirmationStore;
///
/// /// A store for one process, which keeps everything.
/// #[derive(Default)]
/// struct Used(Mutex<HashSet<String>>);
///
/// impl ConfirmationStore for Used {
///     fn use_once<'a>(
///         &'a self,
///         id: &'a str,
///         _keep: Duration,
///     ) -> Pin<Box<dyn Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send + 'a>> {
///         Box::pin(async move {
///             let mut used = self.0.lock().map_err(|_| "the store is poisoned")?;
///             Ok(used.insert(id.to_owned()))
///         })
///     }
/// }
///
/// let builder = mcp_auth::server!().confirmation_store(Used::default());
/// # let _ = builder;
/// ```
pub trait ConfirmationStore: Send + Sync + 'static {
    /// Records the use of a confirmation, and returns true if nobody used the confirmation before. If two processes
    /// call the method with the same `id` at the same time, only one call may return true. `id` has 22 characters of
    /// the URL-safe Base64 alphabet. The store may delete the record after `keep`, because the confirmation is then no
    /// longer valid.
    ///
    /// # Errors
    ///
    /// - The store cannot be reached. The server then answers the call with 503, and the tool does not run.
    fn use_once<'a>(&'a self, id: &'a str, keep: Duration) -> UseOnce<'a>;
}

/// The future of [`ConfirmationStore::use_once`].
pub(crate) type UseOnce<'a> =
    Pin<Box<dyn Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// The used confirmations of a server.
#[derive(Clone)]
pub(crate) enum Confirmations {
    InMemory(Arc<InMemory>),
    Shared(Arc<dyn ConfirmationStore>),
}

/// The answer of a store about a confirmation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    /// The confirmation was not used before.
    First,
    /// The caller used too many confirmations in a short time, so this use could not be recorded.
    TooMany,
    /// The confirmation was used before.
    UsedBefore,
}

impl Confirmations {
    pub(crate) fn of(store: Arc<dyn ConfirmationStore>) -> Self {
        Self::Shared(store)
    }

    /// Returns a store that keeps its entries in the memory of this process.
    pub(crate) fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self::InMemory(Arc::new(InMemory::new(clock)))
    }

    /// Records the use of a sealed text by this party.
    pub(super) async fn use_once(&self, sealed: &str, party: Party) -> Result<Use, Unavailable> {
        let digest = digest(&SHA256, sealed.as_bytes());
        let id = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default());
        let store = match self {
            Self::InMemory(used) => return Ok(used.use_once(id, party)),
            Self::Shared(store) => store,
        };
        match store.use_once(&id, KEEP).await {
            Ok(true) => Ok(Use::First),
            Ok(false) => Ok(Use::UsedBefore),
            Err(error) => {
                tracing::error!(target: "mcp_auth", error = %error, "the store of confirmations failed");
                Err(Unavailable {
                    what: "store of confirmations",
                    retry_after: RETRY_AFTER,
                })
            }
        }
    }
}

impl fmt::Debug for Confirmations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confirmations")
    }
}

/// The used confirmations of this process. The process refuses only a party that has used up its share.
pub(crate) struct InMemory {
    clock: Arc<dyn Clock>,
    shares: Arc<Pool>,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    ids: HashMap<String, Taken>,
    /// The ids in the order in which they expire, each with the time at which it expires, in milliseconds since 1970.
    ends: VecDeque<(u64, String)>,
}

impl InMemory {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            shares: Arc::new(Pool::new(Shares::of(MOST, MOST_OF_USER, 1))),
            used: Mutex::default(),
        }
    }

    fn use_once(&self, id: String, party: Party) -> Use {
        let now = self.clock.unix_ms();
        let keep = u64::try_from(KEEP.as_millis()).unwrap_or(u64::MAX);
        // Ignore poisoning: no code panics while it holds this lock, so the table cannot be half changed.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.remove_expired(now);
        if used.ids.contains_key(&id) {
            return Use::UsedBefore;
        }
        let Ok(taken) = self.shares.take(party, 1) else {
            return Use::TooMany;
        };
        used.ends.push_back((now.saturating_add(keep), id.clone()));
        used.ids.insert(id, taken);
        Use::First
    }
}

impl Used {
    fn remove_expired(&mut self, now: u64) {
        while let Some((_, id)) = self.ends.pop_front_if(|(end, _)| *end <= now) {
            self.ids.remove(&id);
        }
    }
}

/// The time for which a used confirmation is remembered. This time is longer than a state is valid, because clocks differ.
const KEEP: Duration = Duration::from_secs(900);
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The largest number of confirmations that are remembered: about 20 MiB.
const MOST: usize = 100_000;
/// The largest number of confirmations of one user or machine. A person reads fewer than two questions a second.
const MOST_OF_USER: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::test_support::block_on;

    const ADA: Party = Party::Known(1);
    const BOB: Party = Party::Known(2);

    #[test]
    fn a_state_is_used_once_until_it_is_forgotten() {
        let clock = Arc::new(ManualClock::at(1_000));
        let confirmations = Confirmations::in_memory(clock);
        let used = |state, party| block_on(confirmations.use_once(state, party)).unwrap();
        assert_eq!(used("one", ADA), Use::First);
        assert_eq!(used("one", ADA), Use::UsedBefore);
        assert_eq!(used("one", BOB), Use::UsedBefore);
        assert_eq!(used("two", BOB), Use::First);
    }

    #[test]
    fn a_caller_who_confirms_without_pause_is_refused_and_nobody_else() {
        let clock = Arc::new(ManualClock::at(1_000));
        let store = InMemory::new(Arc::clone(&clock) as _);
        for id in 0..MOST_OF_USER {
            assert_eq!(store.use_once(format!("ada-{id}"), ADA), Use::First);
        }
        assert_eq!(store.use_once("ada".to_owned(), ADA), Use::TooMany);
        assert_eq!(store.use_once("ada-0".to_owned(), ADA), Use::UsedBefore);
        assert_eq!(store.use_once("bob".to_owned(), BOB), Use::First);
        clock.advance(KEEP);
        assert_eq!(store.use_once("ada".to_owned(), ADA), Use::First);
        assert_eq!(store.used.lock().unwrap().ids.len(), 1);
        assert_eq!(store.used.lock().unwrap().ends.len(), 1);
    }

    #[test]
    fn all_callers_together_take_a_bounded_memory() {
        let store = InMemory::new(Arc::new(ManualClock::at(1_000)));
        let used = (0..2 * MOST as u64).map(|user| {
            let id = user.to_string();
            store.use_once(id, Party::Known(user))
        });
        assert_eq!(used.filter(|used| *used == Use::First).count(), MOST);
    }
}
