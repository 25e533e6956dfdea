//! The authorization server of an instance: its clients, grants, codes and tokens. It knows no
//! HTTP; `routes/oauth` has the endpoints.
//!
//! INVARIANT: of every secret that is issued (codes, tickets, refresh tokens, opaque access tokens,
//! clients' secrets) only the digest is stored.

mod access;
mod authorization;
mod client;
mod document;
mod error;
mod fields;
#[cfg(feature = "_fuzz")]
pub mod fuzz;
mod redirect;
pub(crate) mod scope;
mod secret;
mod token;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::keys::random_hex;
use crate::oauth::access::AccessToken;
pub(crate) use crate::oauth::access::OPAQUE_PREFIX;
pub(crate) use crate::oauth::authorization::{Authorization, Grant};
pub(crate) use crate::oauth::client::{Client, Credentials, Metadata};
pub(crate) use crate::oauth::error::{Code, OAuthError};
pub(crate) use crate::oauth::fields::Fields;
pub(crate) use crate::oauth::redirect::Redirect;
pub(crate) use crate::oauth::secret::Digest;
pub(crate) use crate::oauth::token::TokenInfo;
use crate::opaque::{Revocation, make_room};
use crate::state_file::StateFile;

/// The state of the authorization server, and the file that keeps a part of it.
pub(crate) struct OAuth {
    state: Mutex<State>,
    file: Option<Arc<StateFile>>,
}

#[derive(Default)]
struct State {
    kept: Kept,
    tickets: BTreeMap<Digest, Ticket>,
    codes: BTreeMap<Digest, IssuedCode>,
}

/// The part of the state that a state file keeps over a restart.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Kept {
    clients: BTreeMap<String, Client>,
    /// The ids of the clients, the oldest first. State files of earlier versions lack this member.
    client_order: VecDeque<String>,
    /// The ids of the clients with documents that
    /// [`Instance::allow_client`](crate::Instance::allow_client) allowed.
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

/// An authorization code. A used code is kept until it expires, so that a second use is recognised.
struct IssuedCode {
    grant: Grant,
    redirect_uri: String,
    redirect_uri_was_sent: bool,
    challenge: Option<String>,
    expires_at: u64,
    status: CodeStatus,
}

enum CodeStatus {
    Unused,
    /// The code was used in a request that failed.
    Spent,
    /// The code was exchanged for the grant with this id.
    Granted(String),
}

#[derive(Clone, Deserialize, Serialize)]
struct RefreshToken {
    grant_id: String,
    issued_at: u64,
    /// Whether the token was exchanged. A used token is kept: a second use shows that the token was
    /// stolen.
    is_used: bool,
}

impl OAuth {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            file: None,
        }
    }

    /// An authorization server with the state that `file` kept. Changes are written to `file`.
    pub(crate) fn kept_in(file: Arc<StateFile>, mut kept: Kept) -> Self {
        let ordered: BTreeSet<String> = kept.client_order.iter().cloned().collect();
        for id in kept.clients.keys().filter(|id| !ordered.contains(*id)) {
            kept.client_order.push_front(id.clone());
        }
        let state = State {
            kept,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            file: Some(file),
        }
    }

    pub(crate) fn client(&self, id: &str) -> Option<Client> {
        self.lock().kept.clients.get(id).cloned()
    }

    /// Every client that registered or whose document was fetched, with its grants.
    pub(crate) fn clients(&self) -> Vec<(Client, Vec<Grant>)> {
        let state = self.lock();
        let Kept {
            clients, grants, ..
        } = &state.kept;
        let with_grants = clients.values().map(|client| {
            let allowed = grants.values().filter(|grant| grant.client_id == client.id);
            (client.clone(), allowed.cloned().collect())
        });
        with_grants.collect()
    }

    /// Adds a client, or replaces the client with the same id. If there are too many clients, the
    /// oldest client without a grant is dropped.
    pub(crate) fn put_client(&self, client: Client) -> Result<(), OAuthError> {
        let mut state = self.lock();
        if !state.kept.clients.contains_key(&client.id) {
            state.make_room_for_client()?;
            state.kept.client_order.push_back(client.id.clone());
        }
        state.kept.clients.insert(client.id.clone(), client);
        self.save(&state);
        Ok(())
    }

    pub(crate) fn allow_client(&self, id: &str) {
        let mut state = self.lock();
        state.kept.allowed_clients.insert(String::from(id));
        self.save(&state);
    }

    pub(crate) fn is_allowed_client(&self, id: &str) -> bool {
        self.lock().kept.allowed_clients.contains(id)
    }

    /// Keeps an authorization request until a person decides. Returns the ticket that the form
    /// sends with the decision.
    pub(crate) fn wait(
        &self,
        authorization: Authorization,
        now: u64,
    ) -> Result<String, OAuthError> {
        let ticket = secret::generate("")?;
        let mut state = self.lock();
        let tickets = &mut state.tickets;
        tickets.retain(|_, ticket| ticket.expires_at > now);
        // Any page can make a browser open the authorization endpoint, so the number must be
        // bounded.
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

    /// Issues a code for a grant.
    pub(crate) fn issue_code(
        &self,
        authorization: &Authorization,
        grant: Grant,
        now: u64,
    ) -> Result<String, OAuthError> {
        let code = secret::generate("clk_code_")?;
        let issued = IssuedCode {
            grant,
            redirect_uri: authorization.redirect.uri.clone(),
            redirect_uri_was_sent: authorization.redirect.was_sent,
            challenge: authorization.challenge.clone(),
            expires_at: now.saturating_add(TEN_MINUTES),
            status: CodeStatus::Unused,
        };
        let mut state = self.lock();
        state.codes.retain(|_, code| code.expires_at > now);
        make_room(&mut state.codes, MAX_WAITING, |code| code.expires_at);
        state.codes.insert(Digest::of(&code), issued);
        Ok(code)
    }

    /// Exchanges a code for its grant and the id of the grant.
    ///
    /// A second use revokes the tokens of the first use, because one of the two users stole the
    /// code (RFC 6749 §4.1.2, §10.5).
    pub(crate) fn redeem(
        &self,
        code: &str,
        client: &Client,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        now: u64,
    ) -> Result<(String, Grant), OAuthError> {
        let id = random_hex::<16>().map_err(|_| OAuthError::server_error())?;
        let mut state = self.lock();
        let issued = state.codes.get_mut(&Digest::of(code));
        let issued = issued.filter(|code| code.expires_at > now);
        let issued = issued.filter(|code| code.grant.client_id == client.id);
        let Some(issued) = issued else {
            return Err(invalid_grant(
                "the code is unknown, expired or another client's",
            ));
        };
        match std::mem::replace(&mut issued.status, CodeStatus::Spent) {
            CodeStatus::Unused => {}
            CodeStatus::Spent => return Err(invalid_grant("the code was used before")),
            CodeStatus::Granted(grant_id) => {
                state.revoke_grant(&grant_id, "authorization code used twice", now);
                self.save(&state);
                return Err(invalid_grant(
                    "the code was used before; its tokens are revoked",
                ));
            }
        }
        issued.check_redirect_uri(redirect_uri)?;
        issued.check_verifier(verifier)?;
        issued.status = CodeStatus::Granted(id.clone());
        let grant = issued.grant.clone();
        state.make_room_for_grant(now);
        state.kept.grants.insert(id.clone(), grant.clone());
        self.save(&state);
        Ok((id, grant))
    }

    /// The grant of a refresh token, and the id of the grant. The token stays unused until
    /// [`rotate`](Self::rotate).
    pub(crate) fn refreshable(
        &self,
        token: &str,
        client: &Client,
        now: u64,
    ) -> Result<(String, Grant), OAuthError> {
        let mut state = self.lock();
        let refresh = state.kept.refresh_tokens.get(&Digest::of(token)).cloned();
        let found = refresh.and_then(|refresh| {
            let grant = state.kept.grants.get(&refresh.grant_id)?.clone();
            (grant.client_id == client.id).then_some((refresh, grant))
        });
        let Some((refresh, grant)) = found else {
            return Err(invalid_grant(
                "the refresh token is unknown, revoked or another client's",
            ));
        };
        // OAuth 2.1 section 4.3.1: one of the two users stole the token, so both lose the grant.
        if refresh.is_used {
            state.revoke_grant(&refresh.grant_id, "refresh token used twice", now);
            self.save(&state);
            return Err(invalid_grant(
                "the refresh token was used before; the grant is revoked",
            ));
        }
        Ok((refresh.grant_id, grant))
    }

    /// Marks a refresh token as used, and issues the next one.
    pub(crate) fn rotate(&self, token: &str, now: u64) -> Result<String, OAuthError> {
        let mut state = self.lock();
        let refresh = state.kept.refresh_tokens.get_mut(&Digest::of(token));
        let Some(refresh) = refresh.filter(|refresh| !refresh.is_used) else {
            return Err(invalid_grant("the refresh token was used before"));
        };
        refresh.is_used = true;
        let grant_id = refresh.grant_id.clone();
        let next = state.issue_refresh_token(grant_id, now)?;
        self.save(&state);
        Ok(next)
    }

    /// Issues the first refresh token of a grant.
    pub(crate) fn issue_refresh_token(
        &self,
        grant_id: &str,
        now: u64,
    ) -> Result<String, OAuthError> {
        let mut state = self.lock();
        let token = state.issue_refresh_token(String::from(grant_id), now)?;
        self.save(&state);
        Ok(token)
    }

    /// The grant of an unused refresh token, and the time at which the token was issued.
    pub(crate) fn refresh_grant(&self, token: &str) -> Option<(Grant, u64)> {
        let state = self.lock();
        let refresh = state.kept.refresh_tokens.get(&Digest::of(token))?;
        let grant = state.kept.grants.get(&refresh.grant_id)?;
        (!refresh.is_used).then(|| (grant.clone(), refresh.issued_at))
    }

    /// The id of the client of a refresh token, used or not.
    pub(crate) fn refresh_client(&self, token: &str) -> Option<String> {
        let state = self.lock();
        let refresh = state.kept.refresh_tokens.get(&Digest::of(token))?;
        let grant = state.kept.grants.get(&refresh.grant_id)?;
        Some(grant.client_id.clone())
    }

    /// Revokes the grant of a refresh token. Returns whether the token is known.
    pub(crate) fn revoke_refresh_token(&self, token: &str, now: u64) -> bool {
        let mut state = self.lock();
        let refresh = state.kept.refresh_tokens.get(&Digest::of(token)).cloned();
        let Some(refresh) = refresh else {
            return false;
        };
        state.revoke_grant(&refresh.grant_id, "refresh token revoked", now);
        self.save(&state);
        true
    }

    fn save(&self, state: &State) {
        if let Some(file) = &self.file {
            file.save_oauth(&state.kept);
        }
    }

    /// Ignores poisoning: each write is one operation of a map, so a panic leaves a consistent
    /// state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_room_for_client(&mut self) -> Result<(), OAuthError> {
        let Kept {
            clients,
            client_order,
            grants,
            ..
        } = &mut self.kept;
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

    /// If there are too many grants, revokes the grant whose last refresh token is the oldest.
    fn make_room_for_grant(&mut self, now: u64) {
        while self.kept.grants.len() >= MAX_GRANTS {
            let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
            for refresh in self.kept.refresh_tokens.values() {
                let at = newest.entry(&refresh.grant_id).or_default();
                *at = refresh.issued_at.max(*at);
            }
            // A grant without a refresh token is new: its tokens are about to be issued.
            let last_used = |id: &&String| newest.get(id.as_str()).copied().unwrap_or(u64::MAX);
            let Some(oldest) = self.kept.grants.keys().min_by_key(last_used).cloned() else {
                return;
            };
            self.revoke_grant(&oldest, "too many grants", now);
        }
    }

    fn issue_refresh_token(&mut self, grant_id: String, now: u64) -> Result<String, OAuthError> {
        if !self.kept.grants.contains_key(&grant_id) {
            return Err(invalid_grant("the grant was revoked meanwhile"));
        }
        let token = secret::generate("clk_refresh_")?;
        let refresh = RefreshToken {
            grant_id,
            issued_at: now,
            is_used: false,
        };
        make_room(&mut self.kept.refresh_tokens, MAX_REFRESH_TOKENS, |known| {
            (!known.is_used, known.issued_at)
        });
        self.kept.refresh_tokens.insert(Digest::of(&token), refresh);
        Ok(token)
    }

    /// Revokes a grant with its refresh tokens and its opaque access tokens. A JWT cannot be
    /// revoked: it is valid until it expires.
    fn revoke_grant(&mut self, id: &str, reason: &str, now: u64) {
        self.kept.grants.remove(id);
        self.kept
            .refresh_tokens
            .retain(|_, refresh| refresh.grant_id != id);
        let reason = Some(String::from(reason));
        self.revoke_tokens_of(id, &Revocation { at: now, reason });
    }
}

impl IssuedCode {
    /// Checks `redirect_uri` of a token request (RFC 6749 §4.1.3).
    fn check_redirect_uri(&self, sent: Option<&str>) -> Result<(), OAuthError> {
        match sent {
            Some(uri) if uri == self.redirect_uri => Ok(()),
            None if !self.redirect_uri_was_sent => Ok(()),
            Some(_) | None => Err(invalid_grant(
                "redirect_uri differs from the redirect_uri of the authorization request",
            )),
        }
    }

    /// Checks `code_verifier` of a token request (RFC 7636 §4.6). A verifier without a challenge is
    /// refused as a downgrade (OAuth 2.1 §7.5.2).
    fn check_verifier(&self, verifier: Option<&str>) -> Result<(), OAuthError> {
        match (&self.challenge, verifier) {
            (None, None) => Ok(()),
            (Some(challenge), Some(verifier))
                if is_verifier(verifier) && Digest::of(verifier).to_base64url() == *challenge =>
            {
                Ok(())
            }
            (Some(_) | None, Some(_)) => {
                Err(invalid_grant("code_verifier does not fit the challenge"))
            }
            (Some(_), None) => Err(invalid_grant("code_verifier is missing")),
        }
    }
}

/// Whether a text has the form of a code verifier (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

fn invalid_grant(description: &str) -> OAuthError {
    OAuthError::new(Code::InvalidGrant, description)
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").finish_non_exhaustive()
    }
}

/// The lifetime of a code, like at Clerk, and of a ticket.
const TEN_MINUTES: u64 = 600;
const MAX_CLIENTS: usize = 1_000;
const MAX_GRANTS: usize = 10_000;
/// The maximal number of refresh tokens: twice the number of grants, so that used tokens are
/// dropped before the current token of a grant.
const MAX_REFRESH_TOKENS: usize = 2 * MAX_GRANTS;
/// The maximal number of authorization requests that wait for a decision, and the maximal number of
/// codes.
const MAX_WAITING: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;
    use crate::settings::Settings;

    fn client(id: &str) -> Client {
        Client {
            id: String::from(id),
            name: String::from(id),
            redirect_uris: vec![String::from("http://127.0.0.1/cb")],
            scopes: None,
            secret: None,
        }
    }

    fn authorization() -> Authorization {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let query =
            format!("response_type=code&code_challenge={challenge}&code_challenge_method=S256");
        let fields = Fields::parse(query.as_bytes());
        let redirect = Redirect::find(&client("c"), &fields, None).unwrap();
        let (settings, directory) = (Settings::default(), Directory::default());
        let checked = Authorization::check(&fields, client("c"), redirect, &settings, &directory);
        checked.ok().unwrap()
    }

    fn grant() -> Grant {
        Grant {
            client_id: String::from("c"),
            user_id: String::from("user_ada"),
            organization_id: None,
            scopes: Vec::new(),
            resources: Vec::new(),
            audience: Vec::new(),
            nonce: None,
        }
    }

    #[test]
    fn too_many_waiting_requests_drop_the_oldest() {
        let oauth = OAuth::new();
        let first = oauth.wait(authorization(), 0).unwrap();
        let second = oauth.wait(authorization(), 1).unwrap();
        for _ in 1..MAX_WAITING {
            oauth.wait(authorization(), 2).unwrap();
        }
        assert!(oauth.take(&first, 2).is_none());
        assert!(oauth.take(&second, 2).is_some());
    }

    #[test]
    fn too_many_clients_drop_the_oldest_without_a_grant() {
        let oauth = OAuth::new();
        oauth.put_client(client("c")).unwrap();
        granted(&oauth);
        for index in 1..MAX_CLIENTS {
            oauth.put_client(client(&index.to_string())).unwrap();
        }
        oauth.put_client(client("one more")).unwrap();
        oauth.put_client(client("2")).unwrap();
        let known = |id: &str| oauth.client(id).is_some();
        assert!(known("c") && !known("1") && known("2") && known("one more"));
        assert_eq!(oauth.clients().len(), MAX_CLIENTS);
    }

    #[test]
    fn too_many_grants_revoke_the_least_recently_used() {
        let oauth = OAuth::new();
        let (first, refreshed) = (granted(&oauth), granted(&oauth));
        let first = oauth.issue_refresh_token(&first, 10).unwrap();
        let refreshed = oauth.issue_refresh_token(&refreshed, 5).unwrap();
        let refreshed = oauth.rotate(&refreshed, 20).unwrap();
        {
            let mut state = oauth.lock();
            for index in 2..MAX_GRANTS {
                state.kept.grants.insert(index.to_string(), grant());
            }
        }
        granted(&oauth);
        let is_good = |token: &str| oauth.refreshable(token, &client("c"), 30).is_ok();
        assert!(!is_good(&first) && is_good(&refreshed));
        assert_eq!(oauth.lock().kept.grants.len(), MAX_GRANTS);
    }

    #[test]
    fn too_many_refresh_tokens_drop_the_used_ones_and_too_many_codes_the_oldest() {
        let oauth = OAuth::new();
        let grant_id = granted(&oauth);
        let oldest = oauth.issue_refresh_token(&grant_id, 1).unwrap();
        {
            let mut state = oauth.lock();
            for index in 1..MAX_REFRESH_TOKENS {
                let used = RefreshToken {
                    grant_id: grant_id.clone(),
                    issued_at: 2,
                    is_used: true,
                };
                let tokens = &mut state.kept.refresh_tokens;
                tokens.insert(Digest::of(&index.to_string()), used);
            }
        }
        oauth.issue_refresh_token(&grant_id, 3).unwrap();
        assert_eq!(oauth.lock().kept.refresh_tokens.len(), MAX_REFRESH_TOKENS);
        assert!(oauth.refreshable(&oldest, &client("c"), 3).is_ok());
        for _ in 0..=MAX_WAITING {
            oauth.issue_code(&authorization(), grant(), 0).unwrap();
        }
        assert_eq!(oauth.lock().codes.len(), MAX_WAITING);
    }

    /// The id of a new grant of the client `c`.
    fn granted(oauth: &OAuth) -> String {
        let code = oauth.issue_code(&authorization(), grant(), 0).unwrap();
        let redeemed = oauth.redeem(&code, &client("c"), None, VERIFIER, 0);
        redeemed.unwrap().0
    }

    const VERIFIER: Option<&str> = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

    #[test]
    fn a_revoked_grant_gets_no_refresh_token() {
        let oauth = OAuth::new();
        let code = oauth.issue_code(&authorization(), grant(), 0).unwrap();
        let redeem = || oauth.redeem(&code, &client("c"), None, VERIFIER, 0);
        let (grant_id, _) = redeem().unwrap();
        assert!(redeem().is_err());
        assert!(oauth.issue_refresh_token(&grant_id, 0).is_err());
    }
}
