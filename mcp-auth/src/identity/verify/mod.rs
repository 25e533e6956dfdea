//! Claims that were verified, and the rules that verify them.
//!
//! A library checks only the signature of a JWT. The claims are checked here, against the server's
//! clock, in the order and with the reasons of Clerk's SDK. All checks come before decoding. The
//! issuer describes an opaque token, and the description passes the same checks.
//!
//! INVARIANT: a [`VerifiedClaims`] exists only for a JWT whose signature holds, or for the issuer's
//! own answer about an opaque token, and only after the checks of this module.

mod candidate;
mod checks;

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::identity::caller::CallerParts;
use crate::identity::confirm::Confirmation;
use crate::identity::conventions::Conventions;
use crate::identity::error::TokenError;
use crate::identity::json::{Json, Object};
use crate::identity::keys::VerifyingKey;
use crate::identity::policy::{Machine, Policy};
use crate::identity::token_kind::TokenKind;

pub(crate) use candidate::{Candidate, Signed};
pub(crate) use checks::check_kind;

use checks::{
    check_audience, check_client, check_expiry, check_key_scopes, check_machine, check_not_before,
    check_subject,
};

/// Reads the claims of an identity provider; implemented by the provider.
pub(crate) trait Decode: Debug + Send + Sync {
    /// Reads the facts of a caller. `members` are all members of the claims.
    ///
    /// # Errors
    /// [`TokenError::Claims`] if a claim can't be decoded: the token is refused then.
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

    /// The formats of the provider's ids and tokens.
    fn conventions(&self) -> &'static Conventions;

    /// The machines that a machine's token is meant for; empty if it names none.
    fn machines<'a>(&self, claims: &'a Object<'_>) -> Vec<&'a str>;
}

/// The claims of a genuine token.
pub(crate) struct VerifiedClaims {
    kind: TokenKind,
    issuer: Arc<str>,
    subject: Box<str>,
    /// `None` if the token does not expire.
    expires_ms: Option<u64>,
    not_before_ms: Option<u64>,
    names_actor: bool,
    /// The end of the transition by which a token without an audience is accepted, in milliseconds
    /// since 1970; `None` for every token that needs no transition.
    lacks_audience_until_ms: Option<u64>,
    /// All claims, as the text of a JSON object.
    raw: Box<str>,
    evidence: Evidence,
}

/// The reason to believe a token, which limits how long the token is believed.
#[derive(Clone, Debug)]
pub(crate) enum Evidence {
    /// The signature. The token is believed for as long as the key is current. From the uptime
    /// `until` on, if there is one, the token is verified again.
    Signed {
        key: Arc<VerifyingKey>,
        until: Option<Duration>,
    },
    /// The issuer's confirmation. From this uptime on the issuer is asked again.
    Confirmed(Duration),
}

impl VerifiedClaims {
    /// Checks the issuer's description of an opaque token of this kind. The issuer was asked at the
    /// uptime `asked`.
    pub(crate) fn confirmed(
        kind: TokenKind,
        said: Confirmation,
        policy: &Policy,
        now_ms: u64,
        asked: Duration,
        conventions: &Conventions,
    ) -> Result<(Self, CallerParts), TokenError> {
        let subject = check_subject(kind, Some(&said.subject), conventions)?;
        let audience = said.audience.as_ref().map(Json::from);
        let lacks_audience_until_ms = check_audience(kind, audience.as_ref(), policy, now_ms)?;
        // By the issuer's clock the token is not expired. The server's own clock tells when it
        // expires.
        if said
            .expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
        {
            return Err(TokenError::Expired);
        }
        check_client(kind, said.parts.client_id.as_deref(), policy)?;
        match kind {
            // With the machine's own key the issuer confirms only tokens for that machine.
            TokenKind::M2m if policy.machine == Some(Machine::Unnamed) => {}
            TokenKind::M2m => {
                let named: Vec<_> = said.machines.iter().map(String::as_str).collect();
                check_machine(&named, policy, TokenError::MachineUnknown)?;
            }
            TokenKind::ApiKey => check_key_scopes(&said.parts.scopes, policy)?,
            TokenKind::OAuth => {}
            TokenKind::Session => return Err(TokenError::Kind),
        }
        // PROOF: the issuer answered about this token, and every claim that is relied on was
        // checked above.
        let verified = Self {
            kind,
            issuer: Arc::clone(&policy.issuer),
            subject: subject.into(),
            expires_ms: said.expires_ms,
            not_before_ms: None,
            names_actor: said.claims.get("act").is_some_and(|act| !act.is_null()),
            lacks_audience_until_ms,
            raw: Value::Object(said.claims).to_string().into(),
            evidence: Evidence::Confirmed(asked + CONFIRMATION_AGE),
        };
        verified.check_transition(policy, &said.parts)?;
        Ok((verified, said.parts))
    }

    /// A token without an audience is accepted during a transition only if its client or a scope
    /// shows that the token is meant for this server.
    fn check_transition(&self, policy: &Policy, parts: &CallerParts) -> Result<(), TokenError> {
        if self.lacks_audience_until_ms.is_some() && !policy.may_lack_audience(parts) {
            return Err(TokenError::AudienceMissing);
        }
        Ok(())
    }

    /// The end of the transition by which the token is accepted without an audience, in
    /// milliseconds since 1970; `None` for every token that needs no transition.
    pub(crate) fn lacks_audience_until_ms(&self) -> Option<u64> {
        self.lacks_audience_until_ms
    }

    pub(crate) fn kind(&self) -> TokenKind {
        self.kind
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// When the token expires, in milliseconds since 1970; `None` if it does not expire.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    /// Whether there is an `act` claim, readable or not (RFC 8693 §4.1).
    pub(crate) fn names_actor(&self) -> bool {
        self.names_actor
    }

    /// All claims, unchanged.
    pub(crate) fn members(&self) -> Map<String, Value> {
        // The text was read as an object when the token was verified.
        serde_json::from_str(&self.raw).unwrap_or_default()
    }

    /// The length of the claims as text.
    pub(crate) fn weight(&self) -> usize {
        self.raw.len()
    }

    /// The reason to believe the token. Each request checks that the reason still holds.
    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Whether the token is believed at this uptime without verifying or confirming it again.
    pub(crate) fn is_recent(&self, uptime: impl FnOnce() -> Duration) -> bool {
        let until = match self.evidence {
            Evidence::Signed { until, .. } => until,
            Evidence::Confirmed(until) => Some(until),
        };
        until.is_none_or(|until| uptime() < until)
    }

    /// Checks the claims about time again. Each request needs this.
    pub(crate) fn check_current(&self, now_ms: u64, leeway_ms: u64) -> Result<(), TokenError> {
        // The leeway is for the difference of two clocks. A confirmed token has no leeway, so that
        // it is never believed for longer than it lives.
        let leeway_ms = match self.evidence {
            Evidence::Signed { .. } => leeway_ms,
            Evidence::Confirmed(_) => 0,
        };
        if let Some(expires_ms) = self.expires_ms {
            check_expiry(expires_ms, now_ms, leeway_ms)?;
        }
        if self
            .lacks_audience_until_ms
            .is_some_and(|end_ms| end_ms <= now_ms)
        {
            return Err(TokenError::AudienceMissing);
        }
        check_not_before(self.not_before_ms, now_ms, leeway_ms)
    }
}

/// Shows no claims: they may hold personal data.
impl Debug for VerifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// How long a confirmation is believed. A revoked opaque token may be accepted for this long.
const CONFIRMATION_AGE: Duration = Duration::from_secs(60);
