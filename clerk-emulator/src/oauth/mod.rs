//! The authorization server of an instance: its clients, grants, codes and tokens. This module does not use HTTP. The
//! endpoints are in `routes/oauth`.
//!
//! INVARIANT: the server stores only the digests of the secrets that it issues (codes, tickets,
//! refresh tokens, opaque access tokens, clients' secrets).

mod access;
mod authorization;
mod client;
mod code;
mod context;
pub(crate) mod document;
mod error;
mod fields;
mod redirect;
mod refresh;
mod token;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::directory::Directory;
use crate::keys::random_hex;
use crate::oauth::access::AccessToken;
pub(crate) use crate::oauth::access::OPAQUE_PREFIX;
pub(crate) use crate::oauth::authorization::{Authorization, Grant};
pub(crate) use crate::oauth::client::{Client, Credentials, Metadata};
use crate::oauth::code::IssuedCode;
pub(crate) use crate::oauth::context::Context;
pub(crate) use crate::oauth::error::{Code, OAuthError};
pub(crate) use crate::oauth::fields::Fields;
pub(crate) use crate::oauth::redirect::Redirect;
use crate::oauth::refresh::RefreshToken;
pub(crate) use crate::oauth::token::TokenInfo;
use crate::opaque::make_room;
use crate::state_file::StateFile;

/// The state of the authorization server, and the file that stores a part of the state.
pub(crate) struct OAuth {
    state: Mutex<State>,
    file: Option<Arc<StateFile>>,
}

#[derive(Default)]
struct State {
    persisted: Persisted,
    tickets: BTreeMap<Digest, Ticket>,
    codes: BTreeMap<Digest, IssuedCode>,
}

/// The part of the state that a state file stores, so that it survives a restart.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Persisted {
    clients: BTreeMap<String, Client>,
    /// The ids of the clients, the oldest first. State files of earlier versions lack this member.
    client_order: VecDeque<String>,
    /// The ids of clients with documents that [`Instance::allow_client`](crate::Instance::allow_client) allowed.
    allowed_clients: BTreeSet<String>,
    grants: BTreeMap<String, Grant>,
    refresh_tokens: BTreeMap<Digest, RefreshToken>,
    access_tokens: BTreeMap<Digest, AccessToken>,
}

/// An authorization request that waits for a person's decision.
struct Ticket {
    authorization: Authorization,
    expires_at: u64,
}

impl OAuth {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            file: None,
        }
    }

    /// An authorization server with the state that `file` contains. Changes are written to `file`.
    pub(crate) fn restored_from(file: Arc<StateFile>, mut persisted: Persisted) -> Self {
        let ordered: BTreeSet<String> = persisted.client_order.iter().cloned().collect();
        for id in persisted.clients.keys().filter(|id| !ordered.contains(*id)) {
            persisted.client_order.push_front(id.clone());
        }
        let state = State {
            persisted,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            file: Some(file),
        }
    }

    pub(crate) fn client(&self, id: &str) -> Option<Client> {
        self.lock().persisted.clients.get(id).cloned()
    }

    /// All clients that registered or whose document was fetched, each with its grants.
    pub(crate) fn clients(&self) -> Vec<(Client, Vec<Grant>)> {
        let state = self.lock();
        let Persisted {
            clients, grants, ..
        } = &state.persisted;
        let with_grants = clients.values().map(|client| {
            let allowed = grants.values().filter(|grant| grant.client_id == client.id);
            (client.clone(), allowed.cloned().collect())
        });
        with_grants.collect()
    }

    /// Adds a client, or replaces the client with the same id. At the limit, the oldest client
    /// without a grant is dropped.
    pub(crate) fn put_client(&self, client: Client) -> Result<(), OAuthError> {
        let mut state = self.lock();
        if !state.persisted.clients.contains_key(&client.id) {
            state.make_room_for_client()?;
            state.persisted.client_order.push_back(client.id.clone());
        }
        state.persisted.clients.insert(client.id.clone(), client);
        self.save(&state);
        Ok(())
    }

    pub(crate) fn allow_client(&self, id: &str) {
        let mut state = self.lock();
        state.persisted.allowed_clients.insert(String::from(id));
        self.save(&state);
    }

    pub(crate) fn is_allowed_client(&self, id: &str) -> bool {
        self.lock().persisted.allowed_clients.contains(id)
    }

    /// Stores an authorization request until a person decides. Returns the ticket that the form
    /// sends with the decision.
    pub(crate) fn wait(
        &self,
        authorization: Authorization,
        now: u64,
    ) -> Result<String, OAuthError> {
        let ticket = new_secret("")?;
        let mut state = self.lock();
        let tickets = &mut state.tickets;
        tickets.retain(|_, ticket| ticket.expires_at > now);
        // Any page can make a browser open the authorization endpoint, so the number of tickets must be limited.
        make_room(tickets, MAX_WAITING, |ticket| ticket.expires_at);
        let waiting = Ticket {
            authorization,
            expires_at: now.saturating_add(TEN_MINUTES),
        };
        tickets.insert(Digest::of(&ticket), waiting);
        Ok(ticket)
    }

    /// Removes the authorization request of a ticket and returns it, unless the ticket has expired.
    pub(crate) fn take(&self, ticket: &str, now: u64) -> Option<Authorization> {
        let ticket = self.lock().tickets.remove(&Digest::of(ticket))?;
        (ticket.expires_at > now).then_some(ticket.authorization)
    }

    fn save(&self, state: &State) {
        if let Some(file) = &self.file {
            file.save_oauth(&state.persisted);
        }
    }

    /// Ignores poisoning. Each write is one operation of a map, so a panic leaves a consistent state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_room_for_client(&mut self) -> Result<(), OAuthError> {
        let Persisted {
            clients,
            client_order,
            grants,
            ..
        } = &mut self.persisted;
        while clients.len() >= MAX_CLIENTS {
            let is_unused = |id: &String| grants.values().all(|grant| grant.client_id != *id);
            let Some(place) = client_order.iter().position(is_unused) else {
                let text = "there are too many clients; restart the local Clerk";
                return Err(OAuthError::new(Code::InvalidClientMetadata, text));
            };
            if let Some(id) = client_order.remove(place) {
                clients.remove(&id);
            }
        }
        Ok(())
    }

    /// At the limit, revokes the grant whose last refresh token is the oldest.
    fn make_room_for_grant(&mut self, now: u64) {
        while self.persisted.grants.len() >= MAX_GRANTS {
            let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
            for refresh in self.persisted.refresh_tokens.values() {
                let at = newest.entry(&refresh.grant_id).or_default();
                *at = refresh.issued_at.max(*at);
            }
            // A grant without a refresh token is new: its tokens are about to be issued.
            let last_used = |id: &&String| newest.get(id.as_str()).copied().unwrap_or(u64::MAX);
            let Some(oldest) = self.persisted.grants.keys().min_by_key(last_used).cloned() else {
                return;
            };
            self.revoke_grant(&oldest, "too many grants", now);
        }
    }
}

/// A new secret of 256 random bits.
fn new_secret(prefix: &str) -> Result<String, OAuthError> {
    let random = random_hex::<32>().map_err(|_| OAuthError::server_error())?;
    Ok(format!("{prefix}{random}"))
}

/// Refuses scopes that the instance does not have.
fn check_known_scopes(scopes: &[String], directory: &Directory) -> Result<(), OAuthError> {
    let known = directory.supported_scopes();
    match scopes.iter().find(|scope| !known.contains(&scope.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let text = format!("there is no scope {unknown} (scopes: {})", known.join(" "));
            Err(OAuthError::new(Code::InvalidScope, text))
        }
    }
}

fn invalid_grant(description: &str) -> OAuthError {
    OAuthError::new(Code::InvalidGrant, description)
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").finish_non_exhaustive()
    }
}

/// The lifetime of a ticket and of a code, in seconds. A code has the same lifetime at Clerk.
const TEN_MINUTES: u64 = 600;
const MAX_CLIENTS: usize = 1_000;
const MAX_GRANTS: usize = 10_000;
/// The maximal number of authorization requests that wait for a decision, and the maximal number of
/// codes.
const MAX_WAITING: usize = 1_000;

#[cfg(test)]
mod tests;
