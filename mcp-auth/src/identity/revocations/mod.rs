//! The access that the operator revoked at this server: subjects, clients, sessions, tokens and organizations, and the
//! tokens that were issued before a time. Also the allowed clients, if the operator changed the list while the server runs.
//!
//! There are two layers: the entries of the application, which a [`Revocations`] changes, and the entries of a file. Access
//! is revoked if either layer has an entry for it. Each change starts a new generation. A token that was accepted in a
//! generation needs no further look-up until the generation changes, so a request with a cached token costs one comparison.
//!
//! INVARIANT: a change stores its entries before it publishes its generation, so a check that reads a generation sees at
//! least the entries of that generation.

mod document;
mod file;
mod list;
mod revocation;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use crate::clock::Clock;
use crate::identity::error::TokenError;

use self::list::List;

pub(crate) use self::file::RevocationFile;
pub(crate) use self::list::TokenIds;
pub use self::revocation::Revocation;

/// The handle with which the application revokes and restores access while the server runs. Cloning is cheap, and all
/// clones change the same server.
///
/// [`ServerBuilder::revocations`](crate::ServerBuilder::revocations) and
/// [`Server::revocations`](crate::Server::revocations) return the handle. A change takes effect within a second: at the next
/// request, in open streams, and in running tasks. The entries are in memory, so a restart loses the entries. For entries
/// that outlive the process, use a file
/// ([`ServerBuilder::revocation_file`](crate::ServerBuilder::revocation_file)). The server applies the entries of the handle
/// and of the file together. The handle cannot lift an entry of the file.
///
/// ```
/// # /// Greet.
/// # #[mcp_auth::mcp_tool]
/// # async fn greet() -> String { "Hello".to_owned() }
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::Revocation;
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// let builder = mcp_auth::server!();
/// # let builder = builder.tools_of(module_path!());
/// let revocations = builder.revocations();
/// let server = TestServer::of(builder);
/// let (ada, grace) = (server.user("ada"), server.user("grace"));
/// ada.clone().call("greet", json!({})).await.expect_ok();
///
/// revocations.revoke(Revocation::subject("user_ada"));
/// ada.clone().call("greet", json!({})).await.expect_refused("access-revoked");
/// grace.call("greet", json!({})).await.expect_ok();
///
/// assert!(revocations.lift(&Revocation::subject("user_ada")));
/// ada.call("greet", json!({})).await.expect_ok();
/// # });
/// ```
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

struct Inner {
    layers: RwLock<Layers>,
    /// Counts the changes, from 1.
    generation: AtomicU64,
    /// True if an organization is revoked.
    has_organizations: AtomicBool,
    /// Wakes the streams and tasks that wait for a change.
    changed: watch::Sender<()>,
    /// The clock of the server. Unset before the server is built.
    clock: OnceLock<Arc<dyn Clock>>,
}

#[derive(Default)]
struct Layers {
    of_application: List,
    of_file: List,
}

/// The changes of a [`Revocations`] from now on.
#[derive(Debug)]
pub(crate) struct RevocationChanges(watch::Receiver<()>);

impl RevocationChanges {
    /// Waits for the next change.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // All handles are dropped, so there will be no further change.
            std::future::pending().await
        }
    }
}

impl Revocations {
    /// Revokes the access that one entry names. A second entry about the same id replaces the first entry.
    pub fn revoke(&self, entry: Revocation) {
        self.revoke_all([entry]);
    }

    /// Revokes the access that many entries name, in one step.
    ///
    /// ```
    /// use mcp_auth::{Revocation, Revocations};
    ///
    /// /// Revokes all sessions of a device that was lost.
    /// fn lost(sessions: &[String], revocations: &Revocations) {
    ///     revocations.revoke_all(sessions.iter().map(Revocation::session));
    /// }
    /// ```
    pub fn revoke_all(&self, entries: impl IntoIterator<Item = Revocation>) {
        let now_ms = self.now_ms();
        let entries: Vec<_> = entries.into_iter().collect();
        self.change(|layers| {
            layers.of_application.remove_expired(now_ms);
            for entry in entries {
                layers.of_application.insert(entry);
            }
        });
    }

    /// Lifts an entry that [`revoke`](Self::revoke) made. The times in the argument make no difference. Returns false if
    /// [`revoke`](Self::revoke) made no entry for this access. An entry of the file stays.
    pub fn lift(&self, entry: &Revocation) -> bool {
        self.change(|layers| layers.of_application.remove(entry))
    }

    /// Lifts all entries of the application. The entries of the file stay.
    pub fn lift_all(&self) {
        self.change(|layers| {
            let allowed_clients = layers.of_application.allowed_clients.take();
            layers.of_application = List::default();
            layers.of_application.allowed_clients = allowed_clients;
        });
    }

    /// Replaces the list of allowed clients. The new list takes precedence over the list in the file and over
    /// [`ServerBuilder::allowed_clients`](crate::ServerBuilder::allowed_clients). An empty list allows no client.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let builder = mcp_auth::server!().allowed_clients(["client_old"]);
    /// # let builder = builder.tools_of(module_path!());
    /// let revocations = builder.revocations();
    /// let server = TestServer::of(builder);
    /// revocations.allow_clients(["client_new"]);
    /// let ada = server.user("ada");
    /// ada.clone().client("client_new").call("greet", json!({})).await.expect_ok();
    /// ada.clone().client("client_old").call("greet", json!({})).await.expect_unauthorized();
    ///
    /// revocations.allow_configured_clients();
    /// ada.client("client_old").call("greet", json!({})).await.expect_ok();
    /// # });
    /// ```
    pub fn allow_clients<C: Into<String>>(&self, clients: impl IntoIterator<Item = C>) {
        let clients = clients.into_iter().map(Into::into);
        let clients = clients.map(String::into_boxed_str).collect();
        self.change(|layers| layers.of_application.allowed_clients = Some(clients));
    }

    /// Drops the list of [`allow_clients`](Self::allow_clients). The list in the file then applies again. If the file has no
    /// list, the configured list applies.
    pub fn allow_configured_clients(&self) {
        self.change(|layers| layers.of_application.allowed_clients = None);
    }
}

impl Revocations {
    /// Sets the clock that decides when an entry expires. Only the first clock counts.
    pub(in crate::identity) fn use_clock(&self, clock: &Arc<dyn Clock>) {
        let _ = self.0.clock.set(Arc::clone(clock));
    }

    /// Returns the number of the current generation. It is at least 1.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Returns the changes from now on.
    pub(crate) fn changes(&self) -> RevocationChanges {
        RevocationChanges(self.0.changed.subscribe())
    }

    /// Checks a token that has passed all other checks. `configured` is the list of allowed clients in the code.
    ///
    /// # Errors
    ///
    /// - [`TokenError::Client`] if the client is revoked, or is not on the list of allowed clients.
    /// - [`TokenError::AccessRevoked`] if anything else about the token is revoked.
    pub(crate) fn check(
        &self,
        ids: &TokenIds<'_>,
        configured: Option<&[String]>,
    ) -> Result<(), TokenError> {
        let layers = self.read();
        let lists = [&layers.of_application, &layers.of_file];
        if ids.is_oauth {
            let mut changed = lists
                .iter()
                .filter_map(|list| list.allowed_clients.as_ref());
            let is_allowed = match (changed.next(), configured, ids.client) {
                (None, None, _) => true,
                (Some(allowed), _, Some(client)) => allowed.contains(client),
                (None, Some(allowed), Some(client)) => allowed.iter().any(|own| own == client),
                (_, _, None) => false,
            };
            if !is_allowed {
                return Err(TokenError::Client);
            }
        }
        if lists.iter().all(|list| list.is_empty()) {
            return Ok(());
        }
        let now_ms = self.now_ms();
        let mut lists = lists.into_iter();
        lists.try_for_each(|list| list.check(ids, now_ms))
    }

    /// Returns true if this organization is revoked.
    pub(crate) fn refuses_organization(&self, id: &str) -> bool {
        if !self.0.has_organizations.load(Ordering::Acquire) {
            return false;
        }
        let now_ms = self.now_ms();
        let layers = self.read();
        let mut lists = [&layers.of_application, &layers.of_file].into_iter();
        lists.any(|list| list.has_organization(id, now_ms))
    }

    /// Replaces the entries of the file.
    fn replace_file(&self, list: List) {
        // The old entries are dropped without the lock.
        let _old = self.change(|layers| std::mem::replace(&mut layers.of_file, list));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Layers) -> T) -> T {
        let mut layers = self
            .0
            .layers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut layers);
        let lists = [&layers.of_application, &layers.of_file];
        let has_organizations = lists.iter().any(|list| list.has_organizations());
        self.0
            .has_organizations
            .store(has_organizations, Ordering::Release);
        drop(layers);
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        // `send_replace` works even if there is no receiver.
        self.0.changed.send_replace(());
        changed
    }

    /// Locks the lists. Ignores poisoning: no code panics while it holds this lock, so the lists cannot be half
    /// changed.
    fn read(&self) -> RwLockReadGuard<'_, Layers> {
        self.0.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time of day. Before the server has a clock, returns 1970, so that no entry has expired.
    fn now_ms(&self) -> u64 {
        self.0.clock.get().map_or(0, |clock| clock.unix_ms())
    }
}

impl Default for Revocations {
    fn default() -> Self {
        let (changed, _) = watch::channel(());
        Self(Arc::new(Inner {
            layers: RwLock::default(),
            generation: AtomicU64::new(1),
            has_organizations: AtomicBool::new(false),
            changed,
            clock: OnceLock::new(),
        }))
    }
}

/// Shows the numbers of entries, and no ids.
impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.read();
        f.debug_struct("Revocations")
            .field("of_application", &layers.of_application.len())
            .field("of_file", &layers.of_file.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
