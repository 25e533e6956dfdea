//! JWTs whose verification is not complete yet.

use std::sync::Arc;
use std::time::Duration;

use super::checks::{Claims, check_audience, check_kind, check_machine, check_subject};
use super::claims::{check_expiry, check_not_before};
use super::{Decode, Evidence, VerifiedClaims};
use crate::identity::caller::CallerParts;
use crate::identity::error::TokenError;
use crate::identity::json::Json;
use crate::identity::keys::VerifyingKey;
use crate::identity::policy::TokenPolicy;
use crate::identity::token::UnverifiedJwt;
use crate::identity::token_kind::TokenKind;

/// A JWT of an accepted kind that is not verified yet.
#[derive(Debug)]
pub(crate) struct Candidate<'s> {
    kind: TokenKind,
    jwt: UnverifiedJwt<'s>,
}

impl<'s> Candidate<'s> {
    /// Makes a candidate from a JWT. Refuses the JWT if the server does not accept its kind, or if
    /// its header does not fit the kind.
    pub(crate) fn read(
        jwt: UnverifiedJwt<'s>,
        policy: &TokenPolicy,
        decode: &dyn Decode,
    ) -> Result<Self, TokenError> {
        let kind = jwt.kind;
        check_kind(kind, policy)?;
        decode.check_class(kind, &jwt.header)?;
        // RFC 7515 §4.1.11: a server must not ignore extensions that it does not know.
        if jwt.header.get("crit").is_some() {
            return Err(TokenError::CriticalHeader);
        }
        let is_emulators = |kid: &str| kid.starts_with(decode.conventions().emulator_key);
        if jwt.kid().is_some_and(is_emulators) && !policy.trusts_emulator {
            return Err(TokenError::EmulatorKey);
        }
        Ok(Self { kind, jwt })
    }

    /// Returns the id of the key that signed the token, as the token itself claims.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.jwt.kid()
    }

    /// Returns the time at which the token was issued, as the token itself claims, in milliseconds
    /// since 1970.
    pub(crate) fn issued_ms(&self) -> Option<u64> {
        Claims(&self.jwt.payload).time_ms("iat").ok().flatten()
    }

    /// Checks the type and the algorithm in the header.
    pub(crate) fn check_header(&self) -> Result<(), TokenError> {
        let text = |name| self.jwt.header.get(name).map(Json::as_str);
        // An OAuth token was classified by its type, so its type is right.
        match (self.kind, text("typ")) {
            (TokenKind::OAuth, _)
            | (TokenKind::M2m | TokenKind::Session, None | Some(Some("JWT"))) => {}
            (TokenKind::M2m | TokenKind::Session, Some(_)) => return Err(TokenError::Type),
            (TokenKind::ApiKey, _) => return Err(TokenError::Kind),
        }
        // RFC 8725 §3.1: the server chooses the algorithm, never the header.
        match text("alg").flatten() {
            Some("RS256") => Ok(()),
            Some("RS384" | "RS512") => Err(TokenError::AlgorithmNotPinned),
            Some(_) | None => Err(TokenError::Algorithm),
        }
    }

    /// Checks the type, the algorithm and the issuer before the signature. A token that fails here would be refused
    /// with any signature.
    pub(crate) fn check_before_signature(&self, policy: &TokenPolicy) -> Result<(), TokenError> {
        self.check_header()?;
        if Claims(&self.jwt.payload).text("iss") == Some(&*policy.issuer) {
            Ok(())
        } else {
            Err(TokenError::Issuer)
        }
    }

    /// Checks the signature with each of these keys. Returns `None` if none of the keys made the signature.
    pub(crate) fn signed_by(&self, keys: &[Arc<VerifyingKey>]) -> Option<Signed<'_, 's>> {
        let signed = self.jwt.signed().as_bytes();
        let key = keys
            .iter()
            .find(|key| key.verifies(signed, self.jwt.signature()))?;
        Some(Signed {
            key: Arc::clone(key),
            candidate: self,
        })
    }
}

/// A token whose signature is valid. Its claims are not checked yet.
#[derive(Debug)]
pub(crate) struct Signed<'c, 's> {
    candidate: &'c Candidate<'s>,
    key: Arc<VerifyingKey>,
}

impl<'c> Signed<'c, '_> {
    /// Returns the subject, for the log. The issuer signed the subject.
    pub(crate) fn subject(&self) -> Option<&'c str> {
        Claims(&self.candidate.jwt.payload).text("sub")
    }

    /// Checks the claims and decodes them. If `until` is given, the token must be verified again from this uptime on.
    pub(crate) fn verify(
        self,
        policy: &TokenPolicy,
        decode: &dyn Decode,
        now_ms: u64,
        until: Option<Duration>,
    ) -> Result<(VerifiedClaims, CallerParts), TokenError> {
        let Candidate { kind, jwt } = self.candidate;
        let kind = *kind;
        let claims = Claims(&jwt.payload);
        let subject = check_subject(kind, claims.text("sub"), decode.conventions())?;
        let lacks_audience_until_ms = check_audience(kind, claims.0.get("aud"), policy, now_ms)?;
        claims.check_authorized_party(kind, policy)?;
        if claims.text("iss") != Some(&*policy.issuer) {
            return Err(TokenError::Issuer);
        }
        let expires_ms = claims.time_ms("exp")?.ok_or(TokenError::Time)?;
        check_expiry(expires_ms, now_ms, policy.leeway_ms)?;
        let not_before_ms = claims.time_ms("nbf")?;
        check_not_before(not_before_ms, now_ms, policy.leeway_ms)?;
        let latest = now_ms.saturating_add(policy.leeway_ms);
        let issued_ms = claims.time_ms("iat")?;
        if issued_ms.is_some_and(|issued| issued > latest) {
            return Err(TokenError::IssuedInFuture);
        }
        claims.check_session(kind)?;
        if kind == TokenKind::M2m {
            check_machine(
                &decode.machines(claims.0),
                policy,
                TokenError::MachineUnknown,
            )?;
        }
        // PROOF: a `Signed` exists only if the signature is valid, and the code above checked every claim that is
        // relied on.
        let verified = VerifiedClaims {
            kind,
            issuer: Arc::clone(&policy.issuer),
            subject: subject.into(),
            id: claims.text("jti").map(Box::from),
            issued_ms,
            expires_ms: Some(expires_ms),
            not_before_ms,
            names_actor: claims.0.get("act").is_some_and(|act| !act.is_null()),
            lacks_audience_until_ms,
            raw: jwt.claims.into(),
            evidence: Evidence::Signed {
                key: self.key,
                until,
            },
        };
        let parts = decode.decode(&verified, claims.0)?;
        verified.check_transition(policy, &parts)?;
        Ok((verified, parts))
    }
}
