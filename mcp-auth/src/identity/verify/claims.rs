//! The claims of a token that was verified.
//!
//! INVARIANT: the fields are visible only in `verify`, so only the checks there construct a
//! [`VerifiedClaims`].

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::identity::error::TokenError;
use crate::identity::json::parse_object;
use crate::identity::keys::VerifyingKey;
use crate::identity::token_kind::TokenKind;

/// The claims of a genuine token.
pub(crate) struct VerifiedClaims {
    pub(super) kind: TokenKind,
    pub(super) issuer: Arc<str>,
    pub(super) subject: Box<str>,
    /// The id of the token: the claim `jti`, or the id that the issuer gave to an opaque token.
    pub(super) id: Option<Box<str>>,
    /// The time of issue, in milliseconds since 1970.
    pub(super) issued_ms: Option<u64>,
    /// The time of expiry, in milliseconds since 1970. `None` if the token does not expire.
    pub(super) expires_ms: Option<u64>,
    pub(super) not_before_ms: Option<u64>,
    pub(super) names_actor: bool,
    /// The end of the transition during which this token is accepted without an audience, in milliseconds since 1970.
    /// `None` if the token does not need the transition.
    pub(super) lacks_audience_until_ms: Option<u64>,
    /// All claims, as the text of a JSON object.
    pub(super) raw: Box<str>,
    pub(super) evidence: Evidence,
}

/// The evidence that a token is genuine. It limits how long the token is accepted without another
/// check.
#[derive(Clone, Debug)]
pub(crate) enum Evidence {
    /// The signature is valid. The token is accepted while the key is current. If `until` is given, the token is
    /// verified again from this uptime on.
    Signed {
        key: Arc<VerifyingKey>,
        until: Option<Duration>,
    },
    /// The issuer confirmed the token. From this uptime on, the server must ask the issuer about the token again.
    Confirmed(Duration),
    /// No token: the code of the server names the user of this machine. Only a server over stdio has a local user.
    #[cfg_attr(
        not(feature = "stdio"),
        expect(dead_code, reason = "only `serve_stdio!` makes it")
    )]
    LocalUser,
}

impl VerifiedClaims {
    /// Returns the time, in milliseconds since 1970, until which this token is accepted without an audience. `None` if the
    /// token has an audience, or needs none.
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

    /// Returns the id of the token. `None` if the issuer named no id. The id is not the token itself.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the time at which the token was issued, in milliseconds since 1970.
    pub(crate) fn issued_ms(&self) -> Option<u64> {
        self.issued_ms
    }

    /// Returns the time at which the token expires, in milliseconds since 1970. `None` if the token does not expire.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    /// Returns true if there is an `act` claim, even if the claim cannot be read (RFC 8693 §4.1).
    pub(crate) fn names_actor(&self) -> bool {
        self.names_actor
    }

    /// Returns all claims, unchanged.
    pub(crate) fn members(&self) -> Map<String, Value> {
        // The text was read as an object when the token was verified.
        parse_object(self.raw.as_bytes()).unwrap_or_default()
    }

    /// Returns the length of the claims as text.
    pub(crate) fn weight(&self) -> usize {
        self.raw.len()
    }

    /// Returns the evidence that the token is genuine. Each request checks that the evidence is
    /// still valid.
    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Returns true if the token is accepted at this uptime without verifying or confirming it
    /// again.
    pub(crate) fn is_recent(&self, uptime: impl FnOnce() -> Duration) -> bool {
        let until = match self.evidence {
            Evidence::Signed { until, .. } => until,
            Evidence::Confirmed(until) => Some(until),
            Evidence::LocalUser => None,
        };
        until.is_none_or(|until| uptime() < until)
    }

    /// Returns the uptime at which the server asked the issuer about the token. `None` if the server did not ask.
    pub(crate) fn confirmed_at(&self) -> Option<Duration> {
        match self.evidence {
            Evidence::Signed { .. } | Evidence::LocalUser => None,
            Evidence::Confirmed(until) => Some(until.saturating_sub(CONFIRMATION_AGE)),
        }
    }

    /// Checks the claims about time. Each request checks them again.
    pub(crate) fn check_current(&self, now_ms: u64, leeway_ms: u64) -> Result<(), TokenError> {
        // The leeway allows for the difference between two clocks. A confirmed token has no leeway,
        // so that it is never accepted after it expires.
        let leeway_ms = match self.evidence {
            Evidence::Signed { .. } => leeway_ms,
            Evidence::Confirmed(_) | Evidence::LocalUser => 0,
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

/// Prints no claims, because claims may contain personal data.
impl Debug for VerifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

pub(super) fn check_expiry(expires_ms: u64, now_ms: u64, leeway_ms: u64) -> Result<(), TokenError> {
    let expired = expires_ms <= now_ms.saturating_sub(leeway_ms);
    if expired {
        Err(TokenError::Expired)
    } else {
        Ok(())
    }
}

pub(super) fn check_not_before(
    at_ms: Option<u64>,
    now_ms: u64,
    leeway_ms: u64,
) -> Result<(), TokenError> {
    let early = at_ms.is_some_and(|at_ms| at_ms > now_ms.saturating_add(leeway_ms));
    if early {
        Err(TokenError::NotActiveYet)
    } else {
        Ok(())
    }
}

/// The time for which a confirmation is cached. A revoked opaque token may be accepted for this
/// long.
pub(super) const CONFIRMATION_AGE: Duration = Duration::from_secs(60);
