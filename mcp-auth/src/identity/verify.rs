//! From a token that was read to claims that are believed.
//!
//! Of a JWT only the signature is left to a library; the claims are checked here, in the order and with
//! the reasons of Clerk's SDK, against our clock. Checks come before decoding. Of an opaque token the
//! issuer says what it is, and that is checked by the same rules. Whoever holds a [`VerifiedClaims`]
//! holds a token that passed all of them.

use std::fmt;
use std::fmt::Debug;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::identity::audience::{AudienceMode, names};
use crate::identity::caller::{CallerParts, TokenKind};
use crate::identity::confirm::Confirmation;
use crate::identity::error::TokenError;
use crate::identity::json::{Json, Object};
use crate::identity::keys::VerifyingKey;
use crate::identity::policy::{Machine, Parties, Policy};
use crate::identity::token::UnverifiedJwt;

/// Reads what claims mean; implemented by an identity provider.
pub(crate) trait Decode: Debug + Send + Sync {
    /// Reads the facts of a caller from `members`, which are those of the claims.
    ///
    /// # Errors
    /// [`TokenError::Claims`] if a claim can't be decoded: the token is refused then.
    fn decode(
        &self,
        claims: &VerifiedClaims,
        members: &Object<'_>,
    ) -> Result<CallerParts, TokenError>;

    /// Refuses a token whose header says that it is of another class than it is taken for.
    ///
    /// # Errors
    /// [`TokenError::Class`], for example for a token from a template.
    fn check_class(&self, kind: TokenKind, header: &Object<'_>) -> Result<(), TokenError>;

    /// The machines that a machine's token is meant for; empty if it names none.
    fn machines<'a>(&self, claims: &'a Object<'_>) -> Vec<&'a str>;
}

/// What is known of a token that its issuer vouches for.
///
/// INVARIANT: it is made only of a JWT whose signature holds, or of the issuer's own answer about an
/// opaque token; and either passed the checks of this file.
pub(crate) struct VerifiedClaims {
    kind: TokenKind,
    issuer: Arc<str>,
    subject: Box<str>,
    /// `None` if it does not expire.
    expires_ms: Option<u64>,
    not_before_ms: Option<u64>,
    names_actor: bool,
    /// The end of the transition by which a token without an audience is accepted, in milliseconds since
    /// 1970; `None` for every token that needs no transition.
    lacks_audience_until_ms: Option<u64>,
    /// The text of a JSON object.
    raw: Box<str>,
    evidence: Evidence,
}

/// Why a token is believed, and so for how long.
#[derive(Clone, Debug)]
pub(crate) enum Evidence {
    /// It bears the signature of this key, and is believed for as long as the key is; and then from this
    /// uptime on only if it is verified anew, if there is one.
    Signed {
        key: Arc<VerifyingKey>,
        until: Option<Duration>,
    },
    /// The issuer said so, and is asked again from this uptime on.
    Confirmed(Duration),
}

/// A JWT of an accepted kind, not verified yet.
#[derive(Debug)]
pub(crate) struct Candidate<'s> {
    kind: TokenKind,
    jwt: UnverifiedJwt<'s>,
}

impl<'s> Candidate<'s> {
    /// Takes a JWT if its kind is accepted, and tells whether it is what it claims to be.
    pub(crate) fn read(
        jwt: UnverifiedJwt<'s>,
        policy: &Policy,
        decode: &dyn Decode,
    ) -> Result<Self, TokenError> {
        let kind = jwt.kind;
        check_kind(kind, policy)?;
        decode.check_class(kind, &jwt.header)?;
        // RFC 7515 §4.1.11: an extension that is not understood must not be ignored.
        if jwt.header.get("crit").is_some() {
            return Err(TokenError::CriticalHeader);
        }
        if jwt.kid().is_some_and(|kid| kid.starts_with(EMULATOR_KID)) && !policy.trusts_emulator {
            return Err(TokenError::EmulatorKey);
        }
        Ok(Self { kind, jwt })
    }

    /// The id of the key that is said to have signed it.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.jwt.kid()
    }

    /// When it is said to have been issued, in milliseconds since 1970.
    pub(crate) fn issued_ms(&self) -> Option<u64> {
        Claims(&self.jwt.payload).time_ms("iat").ok().flatten()
    }

    /// Checks type and algorithm, which the header claims.
    pub(crate) fn check_header(&self) -> Result<(), TokenError> {
        let text = |name| self.jwt.header.get(name).map(Json::as_str);
        // An OAuth token's type is what classified it.
        match (self.kind, text("typ")) {
            (TokenKind::OAuth, _)
            | (TokenKind::M2m | TokenKind::Session, None | Some(Some("JWT"))) => {}
            (TokenKind::M2m | TokenKind::Session, Some(_)) => return Err(TokenError::Type),
            (TokenKind::ApiKey, _) => return Err(TokenError::Kind),
        }
        // RFC 8725 §3.1: the algorithm is ours to choose, never the header's.
        match text("alg").flatten() {
            Some("RS256") => Ok(()),
            Some("RS384" | "RS512") => Err(TokenError::AlgorithmNotPinned),
            Some(_) | None => Err(TokenError::Algorithm),
        }
    }

    /// Checks what the token claims without a signature that would make it true: type, algorithm and issuer. A
    /// token that does not pass would not be accepted with any signature.
    pub(crate) fn check_before_signature(&self, policy: &Policy) -> Result<(), TokenError> {
        self.check_header()?;
        if Claims(&self.jwt.payload).text("iss") == Some(&*policy.issuer) {
            Ok(())
        } else {
            Err(TokenError::Issuer)
        }
    }

    /// Checks the signature: with one of these keys it must hold.
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

/// A token whose signature holds, and of whose claims nothing was looked at.
#[derive(Debug)]
pub(crate) struct Signed<'c, 's> {
    candidate: &'c Candidate<'s>,
    key: Arc<VerifyingKey>,
}

impl<'c> Signed<'c, '_> {
    /// The subject, which is the issuer's word now; for the log.
    pub(crate) fn subject(&self) -> Option<&'c str> {
        Claims(&self.candidate.jwt.payload).text("sub")
    }

    /// Checks header and claims, and decodes them. They are believed until the uptime `until`, if there
    /// is one.
    pub(crate) fn verify(
        self,
        policy: &Policy,
        decode: &dyn Decode,
        now_ms: u64,
        until: Option<Duration>,
    ) -> Result<(VerifiedClaims, CallerParts), TokenError> {
        let Candidate { kind, jwt } = self.candidate;
        let kind = *kind;
        let claims = Claims(&jwt.payload);
        let subject = check_subject(kind, claims.text("sub"))?;
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
        if claims.time_ms("iat")?.is_some_and(|issued| issued > latest) {
            return Err(TokenError::IssuedInFuture);
        }
        check_client(kind, claims.text("client_id"), policy)?;
        claims.check_session(kind)?;
        if kind == TokenKind::M2m {
            check_machine(
                &decode.machines(claims.0),
                policy,
                TokenError::MachineUnknown,
            )?;
        }
        // PROOF: `Signed` has the signature, and every claim relied on was checked above.
        let verified = VerifiedClaims {
            kind,
            issuer: Arc::clone(&policy.issuer),
            subject: subject.into(),
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

/// Tells whether tokens of this kind are accepted at all.
pub(crate) fn check_kind(kind: TokenKind, policy: &Policy) -> Result<(), TokenError> {
    if policy.accepts(kind) {
        Ok(())
    } else {
        Err(TokenError::Kind)
    }
}

/// Whom a token of this kind may be about. An empty id or another party's is nobody.
fn check_subject(kind: TokenKind, subject: Option<&str>) -> Result<&str, TokenError> {
    let prefixes: &[&str] = match kind {
        TokenKind::ApiKey => &["user_", "org_"],
        TokenKind::M2m => &["mch_"],
        TokenKind::OAuth | TokenKind::Session => &["user_"],
    };
    let fits = |subject: &&str| {
        let rest = prefixes
            .iter()
            .find_map(|prefix| subject.strip_prefix(prefix));
        rest.is_some_and(|rest| !rest.is_empty())
    };
    subject.filter(fits).ok_or(TokenError::Subject)
}

/// RFC 7519 §4.1.3; MCP authorization: a token must be meant for this server. Machines' tokens and API
/// keys name no resource; the machine or the scopes bind them.
///
/// Returns the end of the transition without which the token would be refused, in milliseconds since
/// 1970.
fn check_audience(
    kind: TokenKind,
    claim: Option<&Json<'_>>,
    policy: &Policy,
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
    // An empty list restricts a session token to nobody or not at all; Clerk's SDK says the
    // latter. An OAuth token with one names no resource, so not this one.
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

/// OAuth tokens only: a list is the one lever against tokens that a blocked client still holds.
fn check_client(kind: TokenKind, client: Option<&str>, policy: &Policy) -> Result<(), TokenError> {
    match (kind, &policy.allowed_clients) {
        (TokenKind::OAuth, Some(allowed)) => {
            let listed = client.is_some_and(|client| allowed.iter().any(|own| own == client));
            if listed {
                Ok(())
            } else {
                Err(TokenError::Client)
            }
        }
        (_, _) => Ok(()),
    }
}

/// Machines' tokens only: with the instance's key the issuer confirms one that is meant for any
/// machine, so it must name this server's. `unknown` is what holds if that is not configured.
fn check_machine(named: &[&str], policy: &Policy, unknown: TokenError) -> Result<(), TokenError> {
    match &policy.machine {
        None => Err(TokenError::Kind),
        Some(Machine::Unnamed) => Err(unknown),
        Some(Machine::Named(own)) if named.iter().any(|name| name == own) => Ok(()),
        Some(Machine::Named(_)) => Err(TokenError::MachineMismatch),
    }
}

/// API keys only: all scopes that the server requires of them.
fn check_key_scopes(granted: &[String], policy: &Policy) -> Result<(), TokenError> {
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

/// Claims of a genuine JWT, as they are checked.
struct Claims<'a, 's>(&'a Object<'s>);

impl<'a> Claims<'a, '_> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Json::as_str)
    }

    /// Session tokens only: `azp` is the origin that had the token minted.
    fn check_authorized_party(&self, kind: TokenKind, policy: &Policy) -> Result<(), TokenError> {
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
            None | Some(Json::Null) => Ok(()),
            Some(status) if status.as_str() == Some("active") => Ok(()),
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
    /// Checks what the issuer says of an opaque token of this kind, which it was asked at the uptime
    /// `asked`.
    pub(crate) fn confirmed(
        kind: TokenKind,
        said: Confirmation,
        policy: &Policy,
        now_ms: u64,
        asked: Duration,
    ) -> Result<(Self, CallerParts), TokenError> {
        let subject = check_subject(kind, Some(&said.subject))?;
        let audience = said.audience.as_ref().map(Json::from);
        let lacks_audience_until_ms = check_audience(kind, audience.as_ref(), policy, now_ms)?;
        // The issuer's clock has said that it is not expired; ours alone tells when that ends.
        if said
            .expires_ms
            .is_some_and(|expires_ms| expires_ms <= now_ms)
        {
            return Err(TokenError::Expired);
        }
        check_client(kind, said.parts.client_id.as_deref(), policy)?;
        match kind {
            // With the machine's own key the issuer confirms only what is meant for that machine.
            TokenKind::M2m if policy.machine == Some(Machine::Unnamed) => {}
            TokenKind::M2m => {
                let named: Vec<_> = said.machines.iter().map(String::as_str).collect();
                check_machine(&named, policy, TokenError::MachineUnknown)?;
            }
            TokenKind::ApiKey => check_key_scopes(&said.parts.scopes, policy)?,
            TokenKind::OAuth => {}
            TokenKind::Session => return Err(TokenError::Kind),
        }
        // PROOF: the issuer answered about this very token, and all that is relied on was checked above.
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

    /// A token that lacks an audience is accepted during a transition only if something else tells that it
    /// is meant for this server.
    fn check_transition(&self, policy: &Policy, parts: &CallerParts) -> Result<(), TokenError> {
        if self.lacks_audience_until_ms.is_some() && !policy.may_lack_audience(parts) {
            return Err(TokenError::AudienceMissing);
        }
        Ok(())
    }

    /// The end of the transition by which the token is accepted without an audience, in milliseconds since
    /// 1970; `None` for every token that needs no transition.
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

    /// When the token expires, in milliseconds since 1970; `None` if it does not.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    /// Whether there is an `act` claim, readable or not (RFC 8693 §4.1).
    pub(crate) fn names_actor(&self) -> bool {
        self.names_actor
    }

    /// All claims, as they are.
    pub(crate) fn members(&self) -> Map<String, Value> {
        // It was read when it was verified, so it is an object.
        serde_json::from_str(&self.raw).unwrap_or_default()
    }

    /// The length of all claims.
    pub(crate) fn weight(&self) -> usize {
        self.raw.len()
    }

    /// Why the token is believed; what that depends on has to be looked at on every request.
    pub(crate) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Whether the token is believed at this uptime without being verified or confirmed anew.
    pub(crate) fn is_recent(&self, uptime: impl FnOnce() -> Duration) -> bool {
        let until = match self.evidence {
            Evidence::Signed { until, .. } => until,
            Evidence::Confirmed(until) => Some(until),
        };
        until.is_none_or(|until| uptime() < until)
    }

    /// Checks again what time changes; needed on every request.
    pub(crate) fn check_current(&self, now_ms: u64, leeway_ms: u64) -> Result<(), TokenError> {
        // Clocks differ where two of them are compared: a confirmation is never believed for longer
        // than the token lives.
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

/// Without the claims, which may hold personal data.
impl Debug for VerifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// How long the issuer's word on an opaque token is believed; so long does it take until a token that
/// was revoked is refused.
const CONFIRMATION_AGE: Duration = Duration::from_secs(60);
/// How the ids of a local emulator's keys begin.
const EMULATOR_KID: &str = "ins_emulator_";
