//! The sessions of legacy clients, with the setting `legacy_sessions` and over stdio.
//!
//! A session is no authentication. Each request in a session has a token, and passes the same checks as a request
//! without a session. A session only adds the state of one client: its abilities, its log level, its streams, its
//! subscriptions, and the requests that it can cancel or answer.
//!
//! INVARIANT: only a request of the principal that opened a session, with the id of the session, finds the session. The
//! key of the table is a digest of principal and id, so the look-up of a foreign session equals the look-up of an
//! invented id. Over stdio there is one client, which owns every session.
//!
//! Source: MCP 2025-11-25, basic/transports, session management.

mod event_log;
mod requests;
mod running;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::Clock;
use crate::primitive::{ClientAbilities, Subscription};

pub(crate) use self::event_log::EventId;
pub(super) use self::requests::{ClientAnswer, ClientRequest, ClientResponse};
pub(super) use self::running::{SessionRequest, UntilCancelled};
pub(super) use self::session::{Session, TooManySubscriptions};
pub(super) use self::stream::{SessionStream, StreamWriter};

use self::event_log::{EventLog, Kept, Most};
use self::session::Lifetime;

/// All sessions of a server.
pub(super) struct Sessions {
    clock: Arc<dyn Clock>,
    limits: Limits,
    table: Mutex<Table>,
    /// The bytes of the events of all sessions.
    kept: Arc<AtomicUsize>,
    /// True if the server is stopping. A stopping server opens no sessions.
    is_stopping: AtomicBool,
}

/// The limits of sessions.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The largest number of sessions of a principal.
    of_principal: usize,
    /// The largest number of sessions of a user or machine, over all clients and organizations.
    of_user: usize,
    /// The largest number of sessions.
    all: usize,
    lifetime: Lifetime,
    events: Most,
    /// True if clients resume streams.
    resumes: bool,
}

/// The owner of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Owner {
    /// The hash of the user or machine.
    pub(super) user: u64,
    /// The principal, with the organization that the URL names.
    pub(super) principal: Box<[u8]>,
}

/// The id of a session, as sent to the client.
pub(crate) struct SessionId(String);

impl SessionId {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[derive(Default)]
struct Table {
    sessions: HashMap<Key, Entry>,
    users: HashMap<u64, OfUser>,
    /// The uptime at which expired sessions were last removed.
    swept: Duration,
}

/// The sessions of a user or machine.
#[derive(Default)]
struct OfUser {
    keys: Vec<Key>,
    /// The bytes of the events of these sessions.
    kept: Arc<AtomicUsize>,
}

struct Entry {
    owner: Owner,
    session: Arc<Session>,
}

/// The digest of the principal and the id of a session.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Key([u8; 32]);

impl Key {
    fn of(owner: &Owner, id: &str) -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(&(owner.principal.len() as u64).to_be_bytes());
        digest.update(&owner.principal);
        digest.update(id.as_bytes());
        let mut key = [0; 32];
        for (byte, digested) in key.iter_mut().zip(digest.finish().as_ref()) {
            *byte = *digested;
        }
        Self(key)
    }
}

impl Sessions {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_limits(clock, LIMITS)
    }

    /// The sessions of the only client of this process. The process ends with its client, so a session does not expire.
    /// The client takes all messages from one pipe, so it resumes no stream.
    pub(super) fn of_process(clock: Arc<dyn Clock>) -> Self {
        Self::with_limits(clock, OF_PROCESS)
    }

    fn with_limits(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self {
            clock,
            limits,
            table: Mutex::default(),
            kept: Arc::default(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Opens a session. At a limit, the session that has been idle for longest ends: of the principal, of the user or
    /// machine, or of all. A session is not idle while a request runs or a connection reads a stream. Returns `None` if
    /// no session is idle. The client then has no session, and its requests are served without one. Otherwise returns
    /// the id of the session. `subscription` tells the client what changed.
    pub(super) fn open(
        &self,
        owner: Owner,
        version: &'static str,
        abilities: ClientAbilities,
        subscription: Subscription,
    ) -> Option<SessionId> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return None;
        }
        let mut random = [0; 32];
        rand::fill(&mut random).ok()?;
        let id = URL_SAFE_NO_PAD.encode(random);
        let key = Key::of(&owner, &id);
        let mut table = self.lock();
        table.sweep(self.clock.uptime());
        table.make_room(&owner, self.limits)?;
        let of_user = table.users.entry(owner.user).or_default();
        of_user.keys.push(key);
        let kept = Kept {
            of_user: Arc::clone(&of_user.kept),
            total: Arc::clone(&self.kept),
        };
        let session = Session::new(
            version,
            abilities,
            subscription,
            &self.clock,
            self.limits.lifetime,
            EventLog::new(self.limits.events, kept),
            self.limits.resumes,
        );
        let entry = Entry {
            owner,
            session: Arc::new(session),
        };
        table.sessions.insert(key, entry);
        Some(SessionId(id))
    }

    /// Returns a session of this principal. `None` if the principal has no session with this id.
    pub(super) fn find(&self, owner: &Owner, id: &str) -> Option<Arc<Session>> {
        let key = Key::of(owner, id);
        let now = self.clock.uptime();
        let mut table = self.lock();
        table.sweep(now);
        let session = Arc::clone(&table.sessions.get(&key)?.session);
        if !session.touch(now) {
            table.remove(key);
            return None;
        }
        Some(session)
    }

    /// Ends a session of this principal. Returns false if the principal has no session with this id.
    pub(super) fn end(&self, owner: &Owner, id: &str) -> bool {
        let key = Key::of(owner, id);
        self.find(owner, id).is_some() && self.lock().remove(key)
    }

    /// Returns the number of open sessions.
    pub(super) fn open_sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Ends, in all sessions, the streams for messages that belong to no call, because the server is stopping.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        for entry in self.lock().sessions.values() {
            entry.session.stop();
        }
    }

    /// Locks the table. Ignores poisoning: no code panics while it holds this lock, so the table cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Removes a session from the table and ends it. Returns false if the table does not have the session.
    fn remove(&mut self, key: Key) -> bool {
        let Some(Entry { owner, session }) = self.sessions.remove(&key) else {
            return false;
        };
        session.end();
        if let Some(of_user) = self.users.get_mut(&owner.user) {
            of_user.keys.retain(|other| *other != key);
            if of_user.keys.is_empty() {
                self.users.remove(&owner.user);
            }
        }
        true
    }

    /// Removes expired sessions and events, at most once a minute.
    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) < BETWEEN_SWEEPS {
            return;
        }
        self.swept = now;
        let sessions = self.sessions.iter();
        let over = sessions.filter(|(_, entry)| entry.session.tidy(now));
        let over: Vec<_> = over.map(|(key, _)| *key).collect();
        for key in over {
            self.remove(key);
        }
    }

    fn make_room(&mut self, owner: &Owner, limits: Limits) -> Option<()> {
        let of_user = self.users.get(&owner.user);
        let of_user = of_user
            .map(|of_user| of_user.keys.clone())
            .unwrap_or_default();
        let is_same = |key: &Key| {
            let entry = self.sessions.get(key);
            entry.is_some_and(|entry| entry.owner.principal == owner.principal)
        };
        let of_principal: Vec<_> = of_user.iter().copied().filter(is_same).collect();
        if of_principal.len() >= limits.of_principal {
            self.evict(of_principal, 1)?;
        } else if of_user.len() >= limits.of_user {
            self.evict(of_user, 1)?;
        }
        if self.sessions.len() >= limits.all {
            // Each search reads all sessions, so the server must not need one search for each new session of a flood.
            let keys = self.sessions.keys().copied().collect();
            self.evict(keys, (limits.all / 256).max(1))?;
        }
        Some(())
    }

    /// Ends the sessions that have been idle for longest, at most `most` of them. Returns `None` if no session is idle.
    fn evict(&mut self, keys: Vec<Key>, most: usize) -> Option<()> {
        let idle = keys.into_iter().filter_map(|key| {
            let since = self.sessions.get(&key)?.session.idle_since()?;
            Some((since, key))
        });
        let mut idle: Vec<_> = idle.collect();
        idle.sort_by_key(|(since, _)| *since);
        for (_, key) in idle.iter().take(most) {
            self.remove(*key);
        }
        (!idle.is_empty()).then_some(())
    }
}

/// Prints only the number of sessions.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("sessions", &self.lock().sessions.len())
            .finish_non_exhaustive()
    }
}

/// Events that can be sent again take at most 256 KiB of a session, 4 MiB of a user and 64 MiB of all sessions. In addition, at most 64
/// events of each running call, and 64 KiB before the last of these events, wait for a connection.
const LIMITS: Limits = Limits {
    of_principal: 16,
    of_user: 64,
    all: 10_000,
    lifetime: Lifetime {
        idle: Duration::from_secs(30 * 60),
        age: Duration::from_secs(24 * 60 * 60),
    },
    events: Most {
        events: 256,
        bytes: 256 * 1024,
        of_user: 4 * 1024 * 1024,
        total: 64 * 1024 * 1024,
        age: Duration::from_secs(5 * 60),
        waiting: 64,
        waiting_bytes: 64 * 1024,
    },
    resumes: true,
};
const OF_PROCESS: Limits = Limits {
    lifetime: Lifetime {
        idle: Duration::MAX,
        age: Duration::MAX,
    },
    resumes: false,
    ..LIMITS
};
const BETWEEN_SWEEPS: Duration = Duration::from_secs(60);
