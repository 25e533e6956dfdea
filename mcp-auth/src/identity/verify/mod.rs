//! Claims that were verified, and the rules that verify them.
//!
//! A library checks the signature of a JWT. This module checks the claims against the server's clock, in the order of
//! Clerk's SDK and with the SDK's reasons. The claims are decoded after these checks. Only the rule for tokens without
//! an audience needs decoded claims, so it comes last. For an opaque token, the issuer's description passes the same
//! checks.
//!
//! INVARIANT: a [`VerifiedClaims`] exists only after the checks of this module, and only for a JWT
//! with a valid signature or for the issuer's own description of an opaque token.

mod candidate;
mod checks;
mod claims;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::identity::caller::CallerParts;
use crate::identity::confirm::Confirmation;
use crate::identity::conventions::Conventions;
use crate::identity::error::TokenError;
use crate::identity::json::{Json, Object};
#[cfg(feature = "stdio")]
use crate::identity::local_user::LocalUser;
use crate::identity::policy::{Machine, TokenPolicy};
use crate::identity::token_kind::TokenKind;

pub(crate) use candidate::{Candidate, Signed};
pub(crate) use checks::check_kind;
pub(crate) use claims::{Evidence, VerifiedClaims};

use checks::{check_audience, check_key_scopes, check_machine, check_subject};
use claims::CONFIRMATION_AGE;

/// Reads the claims of an identity provider; implemented by the provider.
pub(crate) trait Decode: Debug + Send + Sync {
    /// Reads the data of a caller from verified claims. `members` has all claims.
    ///
    /// # Errors
    /// [`TokenError::Claims`] if a claim can't be decoded. The token is then refused.
    fn decode(
        &self,
        claims: &VerifiedClaims,
        members: &Object<'_>,
    ) -> Result<CallerParts, TokenError>;

    /// Refuses a token whose header names the class of another kind of token.
    ///
    /// # Errors
    /// [`TokenError::Class`], for example for a token from a template.
    fn check_class(&self, kind: TokenKind, header: &Object<'_>) -> Result<(), TokenError>;

    /// Returns the formats of the provider's ids and tokens.
    fn conventions(&self) -> &'static Conventions;

    /// Returns the machines for which a machine's token is meant. Empty if the token names no machine.
    fn machines<'a>(&self, claims: &'a Object<'_>) -> Vec<&'a str>;
}

impl VerifiedClaims {
    /// Checks the issuer's description of an opaque token of this kind. `asked` is the uptime at which the issuer was
    /// asked.
    pub(crate) fn confirmed(
        kind: TokenKind,
        confirmation: Confirmation,
        policy: &TokenPolicy,
        now_ms: u64,
        asked: Duration,
        conventions: &Conventions,
    ) -> Result<(Self, CallerParts), TokenError> {
        let subject = check_subject(kind, Some(&confirmation.subject), conventions)?;
        let audience = confirmation.audience.as_ref().map(Json::from);
        let lacks_audience_until_ms = check_audience(kind, audience.as_ref(), policy, now_ms)?;
        // By the issuer's clock the token is not expired. The server also checks the time by its own clock.
        if confirmation
            .expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
        {
            return Err(TokenError::Expired);
        }
        match kind {
            // With the machine's own key the issuer confirms only tokens for that machine.
            TokenKind::M2m if policy.machine == Some(Machine::Unnamed) => {}
            TokenKind::M2m => {
                let named: Vec<_> = confirmation.machines.iter().map(String::as_str).collect();
                check_machine(&named, policy, TokenError::MachineUnknown)?;
            }
            TokenKind::ApiKey => check_key_scopes(&confirmation.parts.scopes, policy)?,
            TokenKind::OAuth => {}
            TokenKind::Session => return Err(TokenError::Kind),
        }
        // PROOF: the issuer described this token, and the code above checked every claim that is relied on.
        let verified = Self {
            kind,
            issuer: Arc::clone(&policy.issuer),
            subject: subject.into(),
            id: confirmation.id.map(String::into_boxed_str),
            issued_ms: confirmation.issued_ms,
            expires_ms: confirmation.expires_ms,
            not_before_ms: None,
            names_actor: confirmation
                .claims
                .get("act")
                .is_some_and(|act| !act.is_null()),
            lacks_audience_until_ms,
            raw: Value::Object(confirmation.claims).to_string().into(),
            evidence: Evidence::Confirmed(asked + CONFIRMATION_AGE),
        };
        verified.check_transition(policy, &confirmation.parts)?;
        Ok((verified, confirmation.parts))
    }

    /// Returns the claims of the user whom the code of the server names, and the data that a token would have. Only a
    /// server over stdio has a local user, and only if the environment has no token.
    #[cfg(feature = "stdio")]
    pub(crate) fn of_local_user(
        user: &LocalUser,
        conventions: &Conventions,
    ) -> (Self, CallerParts) {
        let subject = user.subject(conventions);
        let claims = serde_json::json!({ "iss": LOCAL_ISSUER, "sub": subject });
        // PROOF: there is no token. The code of the server says that the person who starts this process is this user.
        let verified = Self {
            // A local user is a person who uses a client.
            kind: TokenKind::OAuth,
            issuer: LOCAL_ISSUER.into(),
            subject: subject.into(),
            id: None,
            issued_ms: None,
            expires_ms: None,
            not_before_ms: None,
            names_actor: false,
            lacks_audience_until_ms: None,
            raw: claims.to_string().into(),
            evidence: Evidence::LocalUser,
        };
        (verified, user.parts(conventions))
    }

    /// Returns true for the claims of a local user. The server looks nothing up about a local user.
    pub(crate) fn is_of_local_user(&self) -> bool {
        matches!(self.evidence, Evidence::LocalUser)
    }

    /// Checks a token that is accepted without an audience during a transition. Its client or its scopes must show that
    /// the token is meant for this server.
    fn check_transition(
        &self,
        policy: &TokenPolicy,
        parts: &CallerParts,
    ) -> Result<(), TokenError> {
        if self.lacks_audience_until_ms.is_some() && !policy.may_lack_audience(parts) {
            return Err(TokenError::AudienceMissing);
        }
        Ok(())
    }
}

/// The issuer of a local user. This text is not a URL, so no token has this issuer.
#[cfg(feature = "stdio")]
const LOCAL_ISSUER: &str = "local";
