//! From a token that was read to claims that are believed.
//!
//! Only the signature is left to the JWT library; the claims are checked here, in the order and with
//! the reasons of Clerk's SDK, against our clock. Checks come before decoding, and whoever holds a
//! [`VerifiedClaims`] holds a token that passed all of them.

use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Map;
use serde_json::Value;

use crate::identity::caller::CallerParts;
use crate::identity::caller::TokenKind;
use crate::identity::error::TokenError;
use crate::identity::keys::VerifyingKey;
use crate::identity::policy::AudienceMode;
use crate::identity::policy::Parties;
use crate::identity::policy::Policy;
use crate::identity::token::JwtKind;
use crate::identity::token::Presented;
use crate::identity::token::UnverifiedJwt;

/// Reads what claims mean; implemented by an identity provider.
pub(crate) trait Decode: Debug + Send + Sync {
    /// Reads the facts of a caller.
    ///
    /// # Errors
    /// [`TokenError::Claims`] if a claim can't be decoded: the token is refused then.
    fn decode(&self, claims: &VerifiedClaims) -> Result<CallerParts, TokenError>;

    /// Refuses a token whose header says that it is of another class than it is taken for.
    ///
    /// # Errors
    /// [`TokenError::Class`], for example for a token from a template.
    fn check_class(&self, kind: TokenKind, header: &Map<String, Value>) -> Result<(), TokenError>;
}

/// The claims of a token whose signature and claims were checked.
#[derive(Clone)]
pub(crate) struct VerifiedClaims {
    kind: TokenKind,
    issuer: String,
    subject: String,
    expires_ms: u64,
    not_before_ms: Option<u64>,
    raw: Map<String, Value>,
    key: Arc<VerifyingKey>,
}

/// A token of an accepted kind, not verified yet.
#[derive(Debug)]
pub(crate) struct Candidate<'t> {
    kind: TokenKind,
    jwt: UnverifiedJwt<'t>,
}

impl<'t> Candidate<'t> {
    /// Reads a bearer string and tells whether its kind is accepted at all.
    pub(crate) fn read(
        token: &'t str,
        policy: &Policy,
        decode: &dyn Decode,
    ) -> Result<Self, TokenError> {
        let jwt = match Presented::classify(token)? {
            Presented::Jwt(jwt) => jwt,
            Presented::OpaqueApiKey | Presented::OpaqueM2m | Presented::OpaqueOAuth => {
                return Err(TokenError::Opaque);
            }
        };
        let kind = match jwt.kind {
            JwtKind::OAuth if policy.oauth => TokenKind::OAuth,
            JwtKind::Session if policy.sessions.is_some() => TokenKind::Session,
            JwtKind::M2m | JwtKind::OAuth | JwtKind::Session => return Err(TokenError::Kind),
        };
        decode.check_class(kind, &jwt.header)?;
        // RFC 7515 §4.1.11: an extension that is not understood must not be ignored.
        if jwt.header.contains_key("crit") {
            return Err(TokenError::CriticalHeader);
        }
        if jwt.kid().is_some_and(|kid| kid.starts_with(EMULATOR_KID)) && !policy.trusts_emulator() {
            return Err(TokenError::EmulatorKey);
        }
        Ok(Self { kind, jwt })
    }

    /// The id of the key that is said to have signed it.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.jwt.kid()
    }

    /// Checks type and algorithm, which the header claims.
    pub(crate) fn check_header(&self) -> Result<(), TokenError> {
        let text = |name| self.jwt.header.get(name).map(Value::as_str);
        // An OAuth token's type is what classified it.
        match (self.kind, text("typ")) {
            (TokenKind::OAuth, _) | (TokenKind::Session, None | Some(Some("JWT"))) => {}
            (TokenKind::Session, Some(_)) => return Err(TokenError::Type),
        }
        // RFC 8725 §3.1: the algorithm is ours to choose, never the header's.
        match text("alg").flatten() {
            Some("RS256") => Ok(()),
            Some("RS384" | "RS512") => Err(TokenError::AlgorithmNotPinned),
            Some(_) | None => Err(TokenError::Algorithm),
        }
    }

    /// Checks the signature: with one of these keys it must hold. Otherwise the candidate is handed
    /// back, to be tried with other keys.
    pub(crate) fn signed_by(self, keys: &[Arc<VerifyingKey>]) -> Result<Signed<'t>, Self> {
        let signed = self.jwt.signed.as_bytes();
        match keys
            .iter()
            .find(|key| key.verifies(signed, &self.jwt.signature))
        {
            Some(key) => Ok(Signed {
                key: Arc::clone(key),
                candidate: self,
            }),
            None => Err(self),
        }
    }
}

/// A token whose signature holds, and of whose claims nothing was looked at.
#[derive(Debug)]
pub(crate) struct Signed<'t> {
    candidate: Candidate<'t>,
    key: Arc<VerifyingKey>,
}

impl Signed<'_> {
    /// The subject, which is the issuer's word now; for the log.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.candidate
            .jwt
            .payload
            .get("sub")
            .and_then(Value::as_str)
    }

    /// Checks header and claims.
    pub(crate) fn verify(self, policy: &Policy, now_ms: u64) -> Result<VerifiedClaims, TokenError> {
        let Candidate { kind, jwt } = self.candidate;
        let claims = Claims(&jwt.payload);
        let subject = claims.subject()?.to_owned();
        claims.check_audience(kind, policy)?;
        claims.check_authorized_party(kind, policy)?;
        if claims.text("iss") != Some(policy.issuer.as_str()) {
            return Err(TokenError::Issuer);
        }
        let expires_ms = claims.time_ms("exp")?.ok_or(TokenError::Time)?;
        check_expiry(expires_ms, now_ms, policy.leeway_ms)?;
        let not_before_ms = claims.time_ms("nbf")?;
        check_not_before(not_before_ms, now_ms, policy.leeway_ms)?;
        let latest = now_ms.saturating_add(policy.leeway_ms);
        if claims.time_ms("iat")?.is_some_and(|issued| issued > latest) {
            return Err(TokenError::IssuedInFuture);
        }
        claims.check_client(kind, policy)?;
        claims.check_session(kind)?;
        // PROOF: `Signed` has the signature, and every claim relied on was checked above.
        Ok(VerifiedClaims {
            kind,
            issuer: policy.issuer.clone(),
            subject,
            expires_ms,
            not_before_ms,
            raw: jwt.payload,
            key: self.key,
        })
    }
}

/// Claims of a genuine token, as they are checked.
struct Claims<'a>(&'a Map<String, Value>);

impl<'a> Claims<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A user's id. An empty one or another party's is nobody.
    fn subject(&self) -> Result<&'a str, TokenError> {
        let subject = self.text("sub").ok_or(TokenError::Subject)?;
        match subject.strip_prefix("user_") {
            Some(rest) if !rest.is_empty() => Ok(subject),
            Some(_) | None => Err(TokenError::Subject),
        }
    }

    /// RFC 7519 §4.1.3; MCP authorization: tokens must be meant for this server.
    fn check_audience(&self, kind: TokenKind, policy: &Policy) -> Result<(), TokenError> {
        let mode = policy.audience.mode;
        if mode == AudienceMode::Off {
            return Ok(());
        }
        let Some(claim) = self.0.get("aud") else {
            return match (kind, mode) {
                (TokenKind::OAuth, AudienceMode::Require) => Err(TokenError::AudienceMissing),
                (TokenKind::OAuth | TokenKind::Session, _) => Ok(()),
            };
        };
        let named = audience(claim).ok_or(TokenError::AudienceMalformed)?;
        // An empty list restricts a session token to nobody or not at all; Clerk's SDK says the
        // latter. An OAuth token with one names no resource, so not this one.
        let unrestricted = named.is_empty() && kind == TokenKind::Session;
        let meant = named
            .iter()
            .any(|&name| policy.audience.accepted.iter().any(|own| own == name));
        if meant || unrestricted {
            Ok(())
        } else {
            Err(TokenError::AudienceMismatch)
        }
    }

    /// Session tokens only: `azp` is the origin that had the token minted.
    fn check_authorized_party(&self, kind: TokenKind, policy: &Policy) -> Result<(), TokenError> {
        match (kind, &policy.sessions) {
            (TokenKind::OAuth, _) | (TokenKind::Session, Some(Parties::Any)) => Ok(()),
            (TokenKind::Session, Some(Parties::Listed(parties))) => {
                let party = self.text("azp").filter(|party| !party.is_empty());
                let listed = party.is_some_and(|party| parties.iter().any(|own| own == party));
                if listed {
                    Ok(())
                } else {
                    Err(TokenError::AuthorizedParty)
                }
            }
            (TokenKind::Session, None) => Err(TokenError::Kind),
        }
    }

    /// OAuth tokens only: a list is the one lever against tokens that a blocked client still holds.
    fn check_client(&self, kind: TokenKind, policy: &Policy) -> Result<(), TokenError> {
        match (kind, &policy.allowed_clients) {
            (TokenKind::OAuth, Some(allowed)) => {
                let client = self.text("client_id");
                let listed = client.is_some_and(|client| allowed.iter().any(|own| own == client));
                if listed {
                    Ok(())
                } else {
                    Err(TokenError::Client)
                }
            }
            (TokenKind::OAuth, None) | (TokenKind::Session, _) => Ok(()),
        }
    }

    /// Session tokens only. ID tokens and tokens from templates bear the same signature, but have no
    /// session; a pending session still has to choose an organization or the like.
    fn check_session(&self, kind: TokenKind) -> Result<(), TokenError> {
        if kind != TokenKind::Session {
            return Ok(());
        }
        if self.text("sid").is_none_or(str::is_empty) {
            return Err(TokenError::SessionId);
        }
        match self.0.get("sts") {
            None | Some(Value::Null) => Ok(()),
            Some(status) if status == "active" => Ok(()),
            Some(_) => Err(TokenError::Pending),
        }
    }

    /// A time in milliseconds. Fractions of a second are dropped, as in Clerk's SDK; times before
    /// 1970 are 1970.
    fn time_ms(&self, name: &str) -> Result<Option<u64>, TokenError> {
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

/// The resources that `aud` names; `None` if it is neither a non-empty string nor a list of them.
fn audience(claim: &Value) -> Option<Vec<&str>> {
    let names: Vec<&str> = match claim.as_array() {
        Some(names) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        None => vec![claim.as_str()?],
    };
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

fn check_expiry(expires_ms: u64, now_ms: u64, leeway_ms: u64) -> Result<(), TokenError> {
    let expired = expires_ms <= now_ms.saturating_sub(leeway_ms);
    if expired {
        Err(TokenError::Expired)
    } else {
        Ok(())
    }
}

fn check_not_before(at_ms: Option<u64>, now_ms: u64, leeway_ms: u64) -> Result<(), TokenError> {
    let early = at_ms.is_some_and(|at_ms| at_ms > now_ms.saturating_add(leeway_ms));
    if early {
        Err(TokenError::NotActiveYet)
    } else {
        Ok(())
    }
}

impl VerifiedClaims {
    pub(crate) fn kind(&self) -> TokenKind {
        self.kind
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// `exp`, in milliseconds since 1970.
    pub(crate) fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    pub(crate) fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    /// The key whose signature the token bears.
    pub(crate) fn key(&self) -> &Arc<VerifyingKey> {
        &self.key
    }

    /// Checks again what time changes; needed on every request.
    pub(crate) fn check_current(&self, now_ms: u64, leeway_ms: u64) -> Result<(), TokenError> {
        check_expiry(self.expires_ms, now_ms, leeway_ms)?;
        check_not_before(self.not_before_ms, now_ms, leeway_ms)
    }
}

/// Without the claims, which may hold personal data.
impl Debug for VerifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// How the ids of a local emulator's keys begin.
const EMULATOR_KID: &str = "ins_emulator_";
