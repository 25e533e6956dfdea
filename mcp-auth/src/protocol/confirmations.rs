//! Ensures that a person's agreement to a tool with `confirm` is used once.
//!
//! The state of a request is encrypted, but a client could send the same state twice. The server therefore remembers
//! each state that it used for a tool with `confirm`, until the state expires.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::{Clock, Unavailable};

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

/// The store of a server.
#[derive(Clone)]
pub(crate) struct Confirmations(Arc<dyn ConfirmationStore>);

impl Confirmations {
    pub(crate) fn of(store: Arc<dyn ConfirmationStore>) -> Self {
        Self(store)
    }

    /// Returns a store of this process.
    pub(crate) fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(InMemory {
            clock,
            used: Mutex::default(),
        }))
    }

    /// Records the use of a state. Returns false if the state was used before.
    pub(super) async fn use_once(&self, state: &str) -> Result<bool, Unavailable> {
        let digest = digest(&SHA256, state.as_bytes());
        let id = URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default());
        self.0.use_once(&id, KEEP).await.map_err(|error| {
            tracing::error!(target: "mcp_auth", error = %error, "the store of confirmations failed");
            Unavailable {
                what: "store of confirmations",
                retry_after: RETRY_AFTER,
            }
        })
    }
}

impl fmt::Debug for Confirmations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confirmations")
    }
}

/// The used confirmations of this process, each with the time when its state expires, in milliseconds since 1970.
struct InMemory {
    clock: Arc<dyn Clock>,
    used: Mutex<HashMap<String, u64>>,
}

impl ConfirmationStore for InMemory {
    fn use_once<'a>(&'a self, id: &'a str, keep: Duration) -> UseOnce<'a> {
        let now = self.clock.unix_ms();
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        // The code that holds this lock cannot panic.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MOST {
            used.retain(|_, end| *end > now);
        }
        if used.contains_key(id) {
            return Box::pin(ready(Ok(false)));
        }
        if used.len() >= MOST {
            return Box::pin(ready(Err("too many confirmations were used".into())));
        }
        used.insert(id.to_owned(), now.saturating_add(keep));
        Box::pin(ready(Ok(true)))
    }
}

/// The time for which a used confirmation is remembered. It is longer than a state is valid, because clocks differ.
const KEEP: Duration = Duration::from_secs(900);
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The largest number of confirmations that are remembered. They take about 10 MiB.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::test_support::block_on;

    #[test]
    fn a_state_is_used_once_until_it_is_forgotten() {
        let clock = Arc::new(ManualClock::at(1_000));
        let confirmations = Confirmations::in_memory(Arc::clone(&clock) as _);
        let first = |state| block_on(confirmations.use_once(state)).unwrap();
        assert!(first("one") && !first("one"));
        assert!(first("two") && !first("two"));
    }

    #[test]
    fn a_full_store_refuses_new_confirmations_until_old_ones_expire() {
        let clock = Arc::new(ManualClock::at(1_000));
        let store = InMemory {
            clock: Arc::clone(&clock) as _,
            used: Mutex::default(),
        };
        let use_once = |id: usize| block_on(store.use_once(&id.to_string(), KEEP));
        for id in 0..MOST {
            assert!(use_once(id).unwrap());
        }
        assert!(use_once(MOST).is_err());
        assert!(!use_once(0).unwrap());
        clock.advance(KEEP);
        assert!(use_once(MOST).unwrap());
        assert_eq!(store.used.lock().unwrap().len(), 1);
    }
}
