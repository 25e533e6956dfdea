//! From a bearer string to a caller.

use std::array::from_fn;
use std::hash::RandomState;
use std::net::IpAddr;
#[cfg(any(test, feature = "testing"))]
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tracing::Level;

use crate::clock::Clock;
use crate::identity::cache::TokenCache;
use crate::identity::caller::{Caller, CallerContext};
use crate::identity::confirm::{ConfirmationSource, Confirmations};
use crate::identity::error::{AuthError, TokenError, Unavailable};
use crate::identity::keys::{Keys, PublishedKey};
use crate::identity::log_throttle::LogThrottle;
use crate::identity::lookup::Budget;
use crate::identity::people::People;
use crate::identity::policy::Policy;
use crate::identity::token::{BearerToken, Presented, Segments};
use crate::identity::transition::Transition;
use crate::identity::verify::{Candidate, Decode, Evidence, Signed, check_kind};

/// The client that presents a token, for limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Whether too many tokens from its network were bad. Its tokens then cost as little as can be: a JWT is
    /// refused before its signature is checked if anything else tells, and nobody is asked about a new opaque
    /// token. A token that is good gets in.
    pub(crate) fails_often: bool,
}

/// Verifies access tokens.
#[derive(Debug)]
pub(crate) struct Authenticator {
    policy: Arc<Policy>,
    keys: Keys,
    decode: Arc<dyn Decode>,
    clock: Arc<dyn Clock>,
    seen: Arc<TokenCache>,
    confirmations: Option<Confirmations>,
    realm: Arc<CallerContext>,
    hints: Hints,
    transition: Transition,
}

/// What an authenticator is made of.
#[derive(Debug)]
pub(crate) struct AuthenticatorConfig {
    /// Which tokens are accepted.
    pub(crate) policy: Policy,
    /// The issuer's keys.
    pub(crate) keys: Keys,
    pub(crate) decode: Arc<dyn Decode>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whom to ask about opaque tokens, how often about new ones, and where that runs; without it they
    /// are refused.
    pub(crate) confirm: Option<(Arc<dyn ConfirmationSource>, Option<Budget>, Handle)>,
    /// What more is known of users.
    pub(crate) people: Option<Arc<People>>,
}

/// Log lines that strangers can cause: those that name the setting which a refused token may have
/// needed, that nothing can be verified now, and why tokens are refused.
#[derive(Debug)]
struct Hints {
    audience_missing: LogThrottle,
    audience_mismatch: LogThrottle,
    opaque: LogThrottle,
    kind: LogThrottle,
    machine: LogThrottle,
    unavailable: LogThrottle,
    /// One for each reason.
    refused: [LogThrottle; TokenError::COUNT],
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            audience_missing: LogThrottle::default(),
            audience_mismatch: LogThrottle::default(),
            opaque: LogThrottle::default(),
            kind: LogThrottle::default(),
            machine: LogThrottle::default(),
            unavailable: LogThrottle::default(),
            refused: from_fn(|_| LogThrottle::default()),
        }
    }
}

impl Client {
    /// A client without an address that has never failed.
    #[cfg(any(test, feature = "testing"))]
    fn nobody() -> Self {
        Self::at(Ipv4Addr::UNSPECIFIED.into())
    }

    /// A client at this address, whose network never failed.
    #[cfg(any(test, feature = "testing", mcp_auth_bench))]
    pub(crate) fn at(address: IpAddr) -> Self {
        Self {
            address,
            fails_often: false,
        }
    }
}

impl Authenticator {
    /// Accepts what the policy says.
    pub(crate) fn new(config: AuthenticatorConfig) -> Self {
        let AuthenticatorConfig {
            policy,
            keys,
            decode,
            clock,
            confirm,
            people,
        } = config;
        let policy = Arc::new(policy);
        let seen = Arc::new(TokenCache::new(policy.cache_bytes));
        let realm = Arc::new(CallerContext {
            hierarchy: Arc::clone(&policy.scopes),
            people,
            hashes: RandomState::default(),
        });
        let confirmations = confirm.map(|(source, budget, io)| {
            Confirmations::new(
                source,
                budget,
                Arc::clone(&policy),
                Arc::clone(&clock),
                Arc::clone(&realm),
                Arc::clone(&seen),
                io,
            )
        });
        Self {
            policy,
            keys,
            decode,
            clock,
            seen,
            confirmations,
            realm,
            hints: Hints::default(),
            transition: Transition::default(),
        }
    }

    /// The caller whom this token proves, presented by nobody in particular.
    ///
    /// # Errors
    /// As [`Self::authenticate_from`].
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        let token = BearerToken::new(token);
        self.authenticate_from(Client::nobody(), &token).await
    }

    /// The caller whom this token proves, presented by `client`.
    ///
    /// # Errors
    /// - [`AuthError::FailsOften`] if it is opaque and new, and the network of the client fails too often.
    /// - [`AuthError::Invalid`] if the token is refused; the reason is logged, not told.
    /// - [`AuthError::Misconfigured`] if the identity provider refuses the server's own key.
    /// - [`AuthError::OverBudget`] if it is new, and too many are.
    /// - [`AuthError::Unavailable`] if whether it is to be accepted can't be told now.
    pub(crate) async fn authenticate_from(
        &self,
        client: Client,
        token: &BearerToken<'_>,
    ) -> Result<Caller, AuthError> {
        let caller = match self.verified(token) {
            Some(caller) => caller,
            None => self.verify(client, token).await.inspect_err(|&error| {
                self.hint(error);
                self.count_refusal(error);
            })?,
        };
        if let Some((people, user_id)) = self.to_be_checked(&caller) {
            people.check_user(user_id).await.inspect_err(|&error| {
                self.log_failure(error, None, Some(user_id));
                self.count_refusal(error);
            })?;
        }
        self.transition.count(&caller);
        Ok(caller)
    }

    /// The caller of a token that was verified before and still holds; costs no signature check and
    /// never waits.
    pub(crate) fn cached(&self, token: &BearerToken<'_>) -> Option<Caller> {
        let caller = self.verified(token)?;
        let is_checked = self
            .to_be_checked(&caller)
            .is_none_or(|(people, user_id)| people.is_in_good_standing(user_id));
        is_checked.then(|| {
            self.transition.count(&caller);
            caller
        })
    }

    /// Whether the token was good before, so that presenting it is no guess.
    fn knows(&self, token: &BearerToken<'_>) -> bool {
        self.seen.get(token.fingerprint()).is_some()
    }

    /// How many keys of the issuer there are; they are fetched if there are none yet.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer can't be reached.
    pub(crate) async fn keys(&self) -> Result<usize, Unavailable> {
        self.keys.prepare().await?;
        Ok(self.keys.count())
    }

    /// Whether one of these keys is one of the issuer's.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer can't be reached.
    pub(crate) async fn shares_keys(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        self.keys.share_any(others).await
    }

    /// The caller of a token that was verified before and still holds.
    fn verified(&self, token: &BearerToken<'_>) -> Option<Caller> {
        let caller = self.seen.get(token.fingerprint())?;
        let claims = caller.verified();
        let current = claims
            .check_current(self.clock.unix_ms(), self.policy.leeway_ms)
            .is_ok();
        match claims.evidence() {
            // Verifying it anew finds out whether the key was withdrawn, or is only not known to be current.
            Evidence::Signed { key, .. } if !current || !self.keys.is_current(key) => None,
            // Whatever has become of it, that it was good once saves it from the limits for strangers.
            Evidence::Confirmed(_) | Evidence::Signed { .. } => {
                let holds = current && claims.is_recent(|| self.clock.uptime());
                holds.then_some(caller)
            }
        }
    }

    /// The user who has to be looked up, and where.
    fn to_be_checked<'a>(&'a self, caller: &'a Caller) -> Option<(&'a People, &'a str)> {
        let people = self.realm.people.as_deref();
        let people = people.filter(|_| self.policy.check_users)?;
        Some((people, caller.user_id()?))
    }

    async fn verify(&self, client: Client, token: &BearerToken<'_>) -> Result<Caller, AuthError> {
        let refused = |error| log_refusal(error, None, None);
        match Presented::classify(token).inspect_err(|&error| refused(error))? {
            Presented::Jwt(segments) => {
                let caller = self.verify_jwt(&segments, client, token).await;
                caller.inspect_err(|error| {
                    if matches!(error, AuthError::Invalid(_)) && self.knows(token) {
                        self.seen.remove(token.fingerprint());
                    }
                })
            }
            Presented::Opaque(kind) => {
                check_kind(kind, &self.policy).inspect_err(|&error| refused(error))?;
                if client.fails_often && !self.knows(token) {
                    return Err(AuthError::FailsOften);
                }
                let caller = match &self.confirmations {
                    Some(confirmations) => confirmations.caller(kind, token, client.address).await,
                    None => Err(TokenError::Opaque.into()),
                };
                caller.inspect_err(|&error| match error {
                    AuthError::Invalid(error) => refused(error),
                    // Strangers can cause these; the circuit and the budget log them, throttled.
                    AuthError::FailsOften
                    | AuthError::Misconfigured
                    | AuthError::OverBudget(_)
                    | AuthError::Unavailable(_) => {}
                })
            }
        }
    }

    async fn verify_jwt(
        &self,
        segments: &Segments<'_>,
        client: Client,
        token: &BearerToken<'_>,
    ) -> Result<Caller, AuthError> {
        let candidate = segments
            .read()
            .and_then(|jwt| Candidate::read(jwt, &self.policy, &*self.decode))
            .and_then(|candidate| {
                if client.fails_often {
                    candidate.check_before_signature(&self.policy)?;
                }
                Ok(candidate)
            })
            .inspect_err(|&error| log_refusal(error, None, None))?;
        let kid = candidate.kid();
        let signed = self
            .check_signature(&candidate)
            .await
            .inspect_err(|&error| self.log_failure(error, kid, None))?;
        let subject = signed.subject();
        let age = self.policy.cache_age;
        let until = age.map(|age| self.clock.uptime().saturating_add(age));
        let (claims, parts) = signed
            .verify(&self.policy, &*self.decode, self.clock.unix_ms(), until)
            .inspect_err(|&error| log_refusal(error, kid, subject))?;
        let people = self.realm.people.as_ref();
        let is_asked_with = |people: &&Arc<People>| people.needs_token(claims.kind(), false);
        let kept = people.filter(is_asked_with).map(|_| token.to_text());
        let realm = Arc::clone(&self.realm);
        let caller = Caller::new(claims, parts, token.fingerprint(), kept, realm);
        self.seen.insert(token.fingerprint(), caller.clone());
        Ok(caller)
    }

    fn log_failure(&self, error: AuthError, kid: Option<&str>, subject: Option<&str>) {
        match error {
            AuthError::Invalid(error) => log_refusal(error, kid, subject),
            // Whoever asked has said so.
            AuthError::FailsOften | AuthError::Misconfigured | AuthError::OverBudget(_) => {}
            AuthError::Unavailable(Unavailable { what, .. }) => {
                if self.hints.unavailable.is_due(self.clock.uptime()) {
                    tracing::warn!(target: "mcp_auth", what, "tokens can't be verified now");
                }
            }
        }
    }

    /// Logs how to accept such tokens, if a setting of the server or of the instance decides about them:
    /// one line a minute, with the number of tokens that were refused for this reason since the last line.
    fn hint(&self, error: AuthError) {
        let AuthError::Invalid(error) = error else {
            return;
        };
        let hints = &self.hints;
        let (throttle, text) = if error == TokenError::AudienceMissing {
            (&hints.audience_missing, AUDIENCE_MISSING_HINT)
        } else if error == TokenError::AudienceMismatch {
            (&hints.audience_mismatch, AUDIENCE_MISMATCH_HINT)
        } else if error == TokenError::Opaque {
            (&hints.opaque, OPAQUE_HINT)
        } else if error == TokenError::Kind {
            (&hints.kind, KIND_HINT)
        } else if error == TokenError::MachineUnknown {
            (&hints.machine, MACHINE_HINT)
        } else {
            return;
        };
        if let Some(refused) = throttle.due(self.clock.uptime()) {
            let audience = self.policy.audience.accepted.first();
            tracing::warn!(target: "mcp_auth", refused, audience, "{text}");
        }
    }

    /// Logs the reason of a refusal without anything of the token: one line a minute for each reason, with
    /// the number of tokens that were refused for it since the last line. At `debug` each refusal has its own
    /// line.
    fn count_refusal(&self, error: AuthError) {
        let AuthError::Invalid(error) = error else {
            return;
        };
        let throttle = self.hints.refused.get(error as usize);
        let tokens = throttle.and_then(|throttle| throttle.due(self.clock.uptime()));
        if let Some(tokens) = tokens
            && !tracing::enabled!(target: "mcp_auth", Level::DEBUG)
        {
            let reason = error.reason();
            tracing::info!(target: "mcp_auth", reason, rule = %error, tokens, "token refused");
        }
    }

    async fn check_signature<'c, 's>(
        &self,
        candidate: &'c Candidate<'s>,
    ) -> Result<Signed<'c, 's>, AuthError> {
        let issued_ms = candidate.issued_ms();
        let keys = self.keys.for_kid(candidate.kid(), issued_ms).await?;
        candidate.check_header()?;
        if let Some(signed) = candidate.signed_by(&keys) {
            return Ok(signed);
        }
        // Clerk names a key after the instance, so a new key may have the old one's name.
        let others = self.keys.others(candidate.kid(), issued_ms, &keys).await?;
        Ok(candidate.signed_by(&others).ok_or(TokenError::Signature)?)
    }
}

/// The subject is given only once the signature holds. Values are quoted, so that none can pretend to
/// be a line of the log.
fn log_refusal(error: TokenError, kid: Option<&str>, subject: Option<&str>) {
    tracing::debug!(
        target: "mcp_auth",
        reason = error.reason(),
        rule = %error,
        kid = ?kid.map(shortened),
        subject = ?subject.map(shortened),
        "token refused"
    );
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_LOGGED_CHARS).collect()
}

const AUDIENCE_MISSING_HINT: &str = "a token without an audience (`aud`) was refused: register the URL of \
    this server in the Clerk dashboard under Agents, MCP servers, as `audience` has it; users who \
    connected before that have to connect again, because refreshed tokens stay without an audience; \
    `AudiencePolicy::required_after` accepts them until a date";
const AUDIENCE_MISMATCH_HINT: &str = "a token for another audience (`aud`) was refused: MCP_URL, the URL that \
    is registered in the Clerk dashboard under Agents, MCP servers, and the URL that users enter in \
    their client have to be the same; this server is `audience`";
const OPAQUE_HINT: &str = "an opaque token was refused: only Clerk can say what it is worth, and is \
    asked with CLERK_SECRET_KEY, about machines' tokens with that or CLERK_MACHINE_SECRET_KEY";
const KIND_HINT: &str = "a token of a kind that this server does not accept was refused: \
    `session_tokens(AuthorizedParties::only([…]))` accepts session tokens, `m2m_tokens()` tokens of machines, and \
    `api_keys(ApiKeyScopes::all_of([…]))` API keys";
const MACHINE_HINT: &str = "a machine's JWT was refused: which machine this server is, and so whether \
    the token is meant for it, is told by CLERK_MACHINE_ID";
const MAX_LOGGED_CHARS: usize = 64;

#[cfg(test)]
mod tests;
