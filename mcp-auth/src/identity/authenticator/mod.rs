//! Verification of bearer strings: finds the caller of a token.

use std::hash::RandomState;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::cache::TokenCache;
use crate::identity::caller::{Caller, CallerContext};
use crate::identity::confirm::{ConfirmationSource, Confirmations};
use crate::identity::error::{AuthError, TokenError, Unavailable};
#[cfg(feature = "stdio")]
use crate::identity::fingerprint::Fingerprint;
use crate::identity::keys::{Fetches, Keys, PublishedKey};
#[cfg(feature = "stdio")]
use crate::identity::local_user::LocalUser;
use crate::identity::lookup::{Budget, Service};
use crate::identity::org::Org;
use crate::identity::people::People;
use crate::identity::policy::TokenPolicy;
use crate::identity::revocations::RevocationChanges;
use crate::identity::token::{BearerToken, Presented, Segments};
use crate::identity::transition::Transition;
#[cfg(feature = "stdio")]
use crate::identity::verify::VerifiedClaims;
use crate::identity::verify::{Candidate, Decode, Evidence, Signed, check_kind};

mod refusal_log;

use self::refusal_log::{Throttles, log_refusal};

/// The client that presents a token, with the data that limits need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// True if too many tokens from the client's network were bad. The server then does less work for this client: it
    /// checks a JWT's header and issuer before the signature, and refuses new opaque tokens without asking the issuer.
    /// Good JWTs and known opaque tokens are still accepted.
    pub(crate) fails_often: bool,
}

/// Verifies access tokens.
#[derive(Debug)]
pub(crate) struct Authenticator {
    policy: Arc<TokenPolicy>,
    keys: Keys,
    decode: Arc<dyn Decode>,
    clock: Arc<dyn Clock>,
    seen: Arc<TokenCache>,
    confirmations: Option<Confirmations>,
    context: Arc<CallerContext>,
    people: Option<Arc<People>>,
    throttles: Throttles,
    transition: Transition,
}

/// The parts of an authenticator.
#[derive(Debug)]
pub(crate) struct AuthenticatorConfig {
    /// The rules that decide which tokens are accepted.
    pub(crate) policy: TokenPolicy,
    /// The issuer's keys.
    pub(crate) keys: Keys,
    pub(crate) decode: Arc<dyn Decode>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The source that confirms opaque tokens, the budget for new opaque tokens, and the runtime for look-ups. If this
    /// is `None`, opaque tokens are refused.
    pub(crate) confirm: Option<(Arc<dyn ConfirmationSource>, Option<Budget>, Handle)>,
    /// The users of the identity provider.
    pub(crate) people: Option<Arc<People>>,
}

/// Whether a token that was accepted before is still accepted, as far as the caches know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// The token is accepted.
    Accepted,
    /// The token expired.
    Over,
    /// The token must be verified again.
    Unknown {
        /// True if a new verification needs a request to the identity provider.
        asks_provider: bool,
    },
}

impl Client {
    /// Creates a client without an address, for a token that is verified outside a request. No bad tokens count for this
    /// client.
    pub(crate) fn nobody() -> Self {
        Self {
            address: Ipv4Addr::UNSPECIFIED.into(),
            fails_often: false,
        }
    }

    /// Creates a client at this address, whose network has not yet sent a bad token.
    #[cfg(any(test, mcp_auth_bench))]
    pub(crate) fn at(address: IpAddr) -> Self {
        Self {
            address,
            fails_often: false,
        }
    }
}

impl Authenticator {
    /// Creates an authenticator that accepts the tokens that the policy allows.
    pub(crate) fn new(config: AuthenticatorConfig) -> Self {
        let AuthenticatorConfig {
            policy,
            keys,
            decode,
            clock,
            confirm,
            people,
        } = config;
        policy.revocations.use_clock(&clock);
        let policy = Arc::new(policy);
        let seen = Arc::new(TokenCache::new(policy.cache_bytes));
        let context = Arc::new(CallerContext {
            hierarchy: Arc::clone(&policy.scopes),
            conventions: decode.conventions(),
            hashes: RandomState::default(),
        });
        let confirmations = confirm.map(|confirm| {
            Confirmations::new(
                confirm,
                Arc::clone(&policy),
                Arc::clone(&clock),
                Arc::clone(&context),
                people.clone(),
                Arc::clone(&seen),
            )
        });
        Self {
            policy,
            keys,
            decode,
            clock,
            seen,
            confirmations,
            context,
            people,
            throttles: Throttles::default(),
            transition: Transition::default(),
        }
    }

    /// Verifies a token from a client without an address, and returns its caller.
    ///
    /// # Errors
    /// The errors of [`Self::authenticate_from`].
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        let token = BearerToken::new(token);
        self.authenticate_from(Client::nobody(), &token).await
    }

    /// Verifies a token that `client` presents, and returns its caller.
    ///
    /// # Errors
    /// - [`AuthError::FailsOften`] if the token is opaque and new, and too many tokens from the
    ///   client's network were bad.
    /// - [`AuthError::Invalid`] if the token is refused. The reason is for the log only.
    /// - [`AuthError::Misconfigured`] if the identity provider refuses the server's key.
    /// - [`AuthError::OverBudget`] if the token is opaque and new, and the budget for new opaque
    ///   tokens is used up.
    /// - [`AuthError::Unavailable`] if the token cannot be verified now.
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
        self.check_revocations(&caller).inspect_err(|&error| {
            log_refusal(error, None, Some(caller.subject()));
            self.count_refusal(error.into());
        })?;
        if let Some((people, user_id)) = self.to_be_checked(&caller) {
            people.check_user(user_id).await.inspect_err(|&error| {
                self.log_failure(error, None, Some(user_id));
                self.count_refusal(error);
            })?;
        }
        self.transition.count(&caller);
        Ok(caller)
    }

    /// Makes an authenticator that verifies no token, for a server whose only caller is a local user. Also returns that
    /// caller.
    #[cfg(feature = "stdio")]
    pub(crate) fn of_local_user(
        policy: TokenPolicy,
        decode: Arc<dyn Decode>,
        clock: Arc<dyn Clock>,
        user: &LocalUser,
    ) -> (Self, Caller) {
        let authenticator = Self::new(AuthenticatorConfig {
            policy,
            keys: Keys::None,
            decode,
            clock,
            confirm: None,
            people: None,
        });
        let context = &authenticator.context;
        let (claims, parts) = VerifiedClaims::of_local_user(user, context.conventions);
        let caller = Caller::new(claims, parts, Fingerprint::OF_NO_TOKEN, None, context);
        (authenticator, caller)
    }

    /// Returns the caller of a token that was verified before and is still valid. This function
    /// checks no signature and never waits.
    pub(crate) fn cached(&self, token: &BearerToken<'_>) -> Option<Caller> {
        let caller = self.verified(token)?;
        self.is_checked(&caller).then(|| {
            self.transition.count(&caller);
            caller
        })
    }

    /// Returns whether a token whose caller was accepted before is still accepted. This function never waits.
    pub(crate) fn standing(&self, token: &BearerToken<'_>, caller: &Caller) -> Standing {
        let claims = caller.verified();
        let current = claims.check_current(self.clock.unix_ms(), self.policy.leeway_ms);
        if current.is_err() || self.is_revoked(caller) {
            return Standing::Over;
        }
        if self
            .verified(token)
            .is_some_and(|caller| self.is_checked(&caller))
        {
            return Standing::Accepted;
        }
        let asks_provider = match claims.evidence() {
            Evidence::Confirmed(_) => true,
            Evidence::Signed { .. } => self.to_be_checked(caller).is_some(),
            Evidence::LocalUser => false,
        };
        Standing::Unknown { asks_provider }
    }

    /// Returns true if the operator revoked the token, or its subject, client, session or organization.
    pub(crate) fn is_revoked(&self, caller: &Caller) -> bool {
        self.check_revocations(caller).is_err()
    }

    /// Completes when the token of a caller, or the organization in which the caller acts, is revoked.
    pub(crate) async fn revoked(&self, caller: &Caller, org: Option<&Org>) {
        let revocations = &self.policy.revocations;
        let mut changes = revocations.changes();
        let refuses = |org: &Org| revocations.refuses_organization(org.id());
        while !self.is_revoked(caller) && !org.is_some_and(refuses) {
            changes.next().await;
        }
    }

    /// Returns the changes of the revocations from now on.
    pub(crate) fn revocation_changes(&self) -> RevocationChanges {
        self.policy.revocations.changes()
    }

    /// Checks a verified token against the revocations, and against the list of allowed clients. An accepted token is checked
    /// again only after the revocations change.
    fn check_revocations(&self, caller: &Caller) -> Result<(), TokenError> {
        let revocations = &self.policy.revocations;
        let generation = revocations.generation();
        if caller.is_checked_at(generation) {
            return Ok(());
        }
        let configured = self.policy.allowed_clients.as_deref();
        revocations.check(&caller.ids(), configured)?;
        caller.checked_at(generation);
        Ok(())
    }

    /// Returns true if the token is not revoked, and the cache says that the user is not banned. If the server does not check
    /// users, only the revocations count.
    fn is_checked(&self, caller: &Caller) -> bool {
        !self.is_revoked(caller)
            && self
                .to_be_checked(caller)
                .is_none_or(|(people, user_id)| people.is_in_good_standing(user_id))
    }

    /// Returns true if the token was accepted before. A token that was accepted before is not a guess.
    fn knows(&self, token: &BearerToken<'_>) -> bool {
        self.seen.get(token.fingerprint()).is_some()
    }

    /// Returns the number of the issuer's keys. If the keys are not known yet, fetches them.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer can't be reached.
    pub(crate) async fn keys(&self) -> Result<usize, Unavailable> {
        self.keys.prepare().await?;
        Ok(self.keys.count())
    }

    /// Returns true if tokens can be verified now, as far as the server knows. This function never waits.
    pub(crate) fn is_ready(&self) -> bool {
        self.keys.is_ready()
    }

    /// Returns the number of known keys, without a fetch.
    pub(crate) fn known_keys(&self) -> usize {
        self.keys.known()
    }

    /// Returns how many fetches of the keys ended.
    pub(crate) fn key_fetches(&self) -> Fetches {
        self.keys.fetches()
    }

    /// Returns the services to which the server sends requests, with their names in metrics.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&'static str, &Arc<Service>)> {
        let opaque = self.confirmations.as_ref();
        let opaque = opaque.map(|confirmations| ("opaque_tokens", confirmations.service()));
        let people = self.people.as_ref().map(|people| people.services());
        opaque.into_iter().chain(people.into_iter().flatten())
    }

    /// Returns true if the issuer has one of these keys.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer can't be reached.
    pub(crate) async fn shares_keys(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        self.keys.share_any(others).await
    }

    /// Returns the caller of a token that was verified before and is still valid. The user is not
    /// checked here.
    fn verified(&self, token: &BearerToken<'_>) -> Option<Caller> {
        let caller = self.seen.get(token.fingerprint())?;
        let claims = caller.verified();
        let current = claims
            .check_current(self.clock.unix_ms(), self.policy.leeway_ms)
            .is_ok();
        match claims.evidence() {
            // Verify the token again, because this shows whether the key was withdrawn or only has to be fetched.
            Evidence::Signed { key, .. } if !current || !self.keys.is_current(key) => None,
            // The token stays in the cache even if it must be confirmed again, because the limits
            // for new tokens do not apply to a token that was accepted before.
            Evidence::Confirmed(_) | Evidence::LocalUser | Evidence::Signed { .. } => {
                let holds = current && claims.is_recent(|| self.clock.uptime());
                holds.then_some(caller)
            }
        }
    }

    /// Returns the id of the user whom the server must look up, with the object that makes the look-up. `None` if the
    /// policy does not check users, or if the caller is not a user.
    fn to_be_checked<'a>(&'a self, caller: &'a Caller) -> Option<(&'a People, &'a str)> {
        let people = self.people.as_deref();
        let people = people.filter(|_| self.policy.check_users)?;
        Some((people, caller.user_id()?))
    }

    async fn verify(&self, client: Client, token: &BearerToken<'_>) -> Result<Caller, AuthError> {
        let refused = |error| log_refusal(error, None, None);
        match Presented::classify(token, self.context.conventions)
            .inspect_err(|&error| refused(error))?
        {
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
                    // Unauthenticated clients can cause these errors. The circuit breaker and the budget already log
                    // them, with a throttle.
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
            .read(self.context.conventions)
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
        let people = self.people.as_ref();
        let is_asked_with = |people: &&Arc<People>| people.needs_token(claims.kind(), false);
        let kept = people.filter(is_asked_with).map(|_| token.to_text());
        let caller = Caller::new(claims, parts, token.fingerprint(), kept, &self.context);
        self.seen.insert(token.fingerprint(), caller.clone());
        Ok(caller)
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
        // A provider may publish a new key with the `kid` of the old key.
        let others = self.keys.others(candidate.kid(), issued_ms, &keys).await?;
        Ok(candidate.signed_by(&others).ok_or(TokenError::Signature)?)
    }
}

#[cfg(test)]
mod tests;
