//! The rules for claims. Each rule is one function.

use std::slice;

use crate::identity::audience::{AudienceMode, names};
use crate::identity::conventions::Conventions;
use crate::identity::error::TokenError;
use crate::identity::json::{Json, Object};
use crate::identity::policy::{Machine, Parties, TokenPolicy};
use crate::identity::token_kind::TokenKind;

/// Refuses tokens of a kind that is not accepted.
pub(crate) fn check_kind(kind: TokenKind, policy: &TokenPolicy) -> Result<(), TokenError> {
    if policy.accepts(kind) {
        Ok(())
    } else {
        Err(TokenError::Kind)
    }
}

/// Returns the subject, if a token of this kind may have this subject.
pub(super) fn check_subject<'a>(
    kind: TokenKind,
    subject: Option<&'a str>,
    conventions: &Conventions,
) -> Result<&'a str, TokenError> {
    subject
        .filter(|subject| conventions.is_subject_of(kind, subject))
        .ok_or(TokenError::Subject)
}

/// Checks that a token is meant for this server (RFC 7519 §4.1.3; MCP authorization). Machines' tokens and API keys
/// name no resource. The named machine or the scopes show that they are meant for this server.
///
/// Returns the end of the transition, in milliseconds since 1970, if the token is accepted only
/// because of the transition.
pub(super) fn check_audience(
    kind: TokenKind,
    claim: Option<&Json<'_>>,
    policy: &TokenPolicy,
    now_ms: u64,
) -> Result<Option<u64>, TokenError> {
    let mode = policy.audience.mode;
    let unbound = matches!(kind, TokenKind::ApiKey | TokenKind::M2m);
    if mode == AudienceMode::Off || unbound {
        return Ok(None);
    }
    let Some(claim) = claim else {
        return match (kind, mode) {
            (TokenKind::OAuth, AudienceMode::Require) => Err(TokenError::AudienceMissing),
            (TokenKind::OAuth, AudienceMode::RequireAfter(end_ms)) if now_ms < end_ms => {
                Ok(Some(end_ms))
            }
            (TokenKind::OAuth, AudienceMode::RequireAfter(_)) => Err(TokenError::AudienceMissing),
            (_, _) => Ok(None),
        };
    };
    let named = claim.as_array().unwrap_or(slice::from_ref(claim));
    let is_name = |name: &Json<'_>| name.as_str().is_some_and(|name| !name.is_empty());
    if !named.iter().all(is_name) {
        return Err(TokenError::AudienceMalformed);
    }
    // In a session token, an empty list means no restriction, as in Clerk's SDK. In an OAuth token, an empty list names
    // no resource, so the token is refused.
    let unrestricted = named.is_empty() && kind == TokenKind::Session;
    let accepted = &policy.audience.accepted;
    let meant = named
        .iter()
        .filter_map(Json::as_str)
        .any(|audience| accepted.iter().any(|own| names(audience, own)));
    if meant || unrestricted {
        Ok(None)
    } else {
        Err(TokenError::AudienceMismatch)
    }
}

/// Checks that a machine's token names the machine that represents this server. Without this check any machine's token
/// would pass, because the issuer confirms tokens for any machine to a request with the instance's key. `unknown` is the
/// error if the id of the machine that represents this server is not configured.
pub(super) fn check_machine(
    named: &[&str],
    policy: &TokenPolicy,
    unknown: TokenError,
) -> Result<(), TokenError> {
    match &policy.machine {
        None => Err(TokenError::Kind),
        Some(Machine::Unnamed) => Err(unknown),
        Some(Machine::Named(own)) if named.iter().any(|name| name == own) => Ok(()),
        Some(Machine::Named(_)) => Err(TokenError::MachineMismatch),
    }
}

/// Checks that an API key has all scopes that the server requires of API keys.
pub(super) fn check_key_scopes(granted: &[String], policy: &TokenPolicy) -> Result<(), TokenError> {
    let required = policy.api_keys.as_ref().ok_or(TokenError::Kind)?;
    if required
        .iter()
        .all(|scope| policy.scopes.has(granted, scope))
    {
        Ok(())
    } else {
        Err(TokenError::KeyScope)
    }
}

/// The claims of a JWT.
pub(super) struct Claims<'a, 's>(pub(super) &'a Object<'s>);

impl<'a> Claims<'a, '_> {
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Json::as_str)
    }

    /// Checks the authorized party of a session token: `azp` is the origin of the page that
    /// requested the token.
    pub(super) fn check_authorized_party(
        &self,
        kind: TokenKind,
        policy: &TokenPolicy,
    ) -> Result<(), TokenError> {
        match (kind, &policy.sessions) {
            (TokenKind::M2m | TokenKind::OAuth, _) | (TokenKind::Session, Some(Parties::Any)) => {
                Ok(())
            }
            (TokenKind::Session, Some(Parties::Listed(parties))) => {
                let party = self.text("azp").filter(|party| !party.is_empty());
                let listed = party.is_some_and(|party| parties.iter().any(|own| own == party));
                if listed {
                    Ok(())
                } else {
                    Err(TokenError::AuthorizedParty)
                }
            }
            (TokenKind::Session, None) | (TokenKind::ApiKey, _) => Err(TokenError::Kind),
        }
    }

    /// Checks that a session token has an active session. ID tokens and tokens from templates are signed with the same
    /// key, but have no session. The user of a pending session has not yet finished signing in.
    pub(super) fn check_session(&self, kind: TokenKind) -> Result<(), TokenError> {
        if kind != TokenKind::Session {
            return Ok(());
        }
        if self.text("sid").is_none_or(str::is_empty) {
            return Err(TokenError::SessionId);
        }
        match self.0.get("sts") {
            None | Some(Json::Null) => Ok(()),
            Some(status) if status.as_str() == Some("active") => Ok(()),
            Some(_) => Err(TokenError::Pending),
        }
    }

    /// Returns a time in milliseconds. Like Clerk's SDK, this function drops fractions of a second.
    /// Times before 1970 become 1970.
    pub(super) fn time_ms(&self, name: &str) -> Result<Option<u64>, TokenError> {
        let Some(claim) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds = claim.as_f64().ok_or(TokenError::Time)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates"
        )]
        let ms = (seconds.trunc() * 1_000.0) as u64;
        Ok(Some(ms))
    }
}
