//! Refresh tokens. A refresh token can be used once, and is replaced by a new refresh token.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::oauth::authorization::Grant;
use crate::oauth::client::Client;
use crate::oauth::error::OAuthError;
use crate::oauth::{MAX_GRANTS, OAuth, State, invalid_grant, new_secret};
use crate::opaque::{Revocation, make_room};

#[derive(Clone, Deserialize, Serialize)]
pub(super) struct RefreshToken {
    pub(super) grant_id: String,
    pub(super) issued_at: u64,
    /// Whether the token was exchanged. A used token remains stored, because a second use shows that the token was
    /// stolen.
    pub(super) is_used: bool,
}

impl OAuth {
    /// The grant of a refresh token, and the id of the grant. The token stays unused until
    /// [`rotate`](Self::rotate).
    pub(crate) fn refreshable(
        &self,
        token: &str,
        client: &Client,
        now: u64,
    ) -> Result<(String, Grant), OAuthError> {
        let mut state = self.lock();
        let refresh = state
            .persisted
            .refresh_tokens
            .get(&Digest::of(token))
            .cloned();
        let found = refresh.and_then(|refresh| {
            let grant = state.persisted.grants.get(&refresh.grant_id)?.clone();
            (grant.client_id == client.id).then_some((refresh, grant))
        });
        let Some((refresh, grant)) = found else {
            return Err(invalid_grant(
                "the refresh token is unknown, revoked or another client's",
            ));
        };
        // OAuth 2.1 section 4.3.1: one of the two senders has stolen the token, so the grant is revoked for both.
        if refresh.is_used {
            state.revoke_grant(&refresh.grant_id, "refresh token used twice", now);
            self.save(&state);
            return Err(invalid_grant(
                "the refresh token was used before; the grant is revoked",
            ));
        }
        Ok((refresh.grant_id, grant))
    }

    /// Marks a refresh token as used, and issues the next refresh token of its grant.
    pub(crate) fn rotate(&self, token: &str, now: u64) -> Result<String, OAuthError> {
        let mut state = self.lock();
        let refresh = state.persisted.refresh_tokens.get_mut(&Digest::of(token));
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
        let refresh = state.persisted.refresh_tokens.get(&Digest::of(token))?;
        let grant = state.persisted.grants.get(&refresh.grant_id)?;
        (!refresh.is_used).then(|| (grant.clone(), refresh.issued_at))
    }

    /// The id of the client of a used or unused refresh token.
    pub(crate) fn refresh_client(&self, token: &str) -> Option<String> {
        let state = self.lock();
        let refresh = state.persisted.refresh_tokens.get(&Digest::of(token))?;
        let grant = state.persisted.grants.get(&refresh.grant_id)?;
        Some(grant.client_id.clone())
    }

    /// Revokes the grant of a refresh token. Returns whether the token is known.
    pub(crate) fn revoke_refresh_token(&self, token: &str, now: u64) -> bool {
        let mut state = self.lock();
        let refresh = state
            .persisted
            .refresh_tokens
            .get(&Digest::of(token))
            .cloned();
        let Some(refresh) = refresh else {
            return false;
        };
        state.revoke_grant(&refresh.grant_id, "refresh token revoked", now);
        self.save(&state);
        true
    }
}

impl State {
    fn issue_refresh_token(&mut self, grant_id: String, now: u64) -> Result<String, OAuthError> {
        if !self.persisted.grants.contains_key(&grant_id) {
            return Err(invalid_grant("the grant was revoked meanwhile"));
        }
        let token = new_secret("clk_refresh_")?;
        let refresh = RefreshToken {
            grant_id,
            issued_at: now,
            is_used: false,
        };
        make_room(
            &mut self.persisted.refresh_tokens,
            MAX_REFRESH_TOKENS,
            |known| (!known.is_used, known.issued_at),
        );
        self.persisted
            .refresh_tokens
            .insert(Digest::of(&token), refresh);
        Ok(token)
    }

    /// Revokes a grant with its refresh tokens and its opaque access tokens. A JWT cannot be revoked. It is valid until
    /// it expires.
    pub(super) fn revoke_grant(&mut self, id: &str, reason: &str, now: u64) {
        self.persisted.grants.remove(id);
        self.persisted
            .refresh_tokens
            .retain(|_, refresh| refresh.grant_id != id);
        let reason = Some(String::from(reason));
        self.revoke_tokens_of(id, &Revocation { at: now, reason });
    }
}

/// The maximal number of refresh tokens. It is twice the number of grants, so that used tokens are dropped before the
/// current token of a grant.
pub(super) const MAX_REFRESH_TOKENS: usize = 2 * MAX_GRANTS;
