//! Opaque tokens, which only their issuer can verify.
//!
//! The server asks the issuer about each token at most once a minute. A confirmation is cached for
//! at most 60 seconds and never longer than the token lives. A refusal is cached for five seconds.
//! The [`Budget`] limits the requests about tokens that were never confirmed, so that made-up
//! tokens cannot use up the customer's rate limit.
//!
//! INVARIANT: if the issuer does not answer, the token is not accepted.

mod confirmation;

use std::fmt;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::cache::TokenCache;
use crate::identity::caller::{Caller, CallerContext};
use crate::identity::error::{AuthError, LookupError, NoAnswer, TokenError};
use crate::identity::fingerprint::Fingerprint;
use crate::identity::lookup::{Budget, Entry, ExpiringCache, Lookup, Question, Service};
use crate::identity::people::People;
use crate::identity::policy::TokenPolicy;
use crate::identity::token::BearerToken;
use crate::identity::token_kind::TokenKind;
use crate::identity::token_text::TokenText;
use crate::identity::verify::VerifiedClaims;
use crate::limits::Network;

pub(crate) use confirmation::Confirmation;

/// Verifies opaque tokens; implemented by an identity provider.
pub(crate) trait ConfirmationSource: Debug + Send + Sync {
    /// Returns true if the server has a key with which it can ask about tokens of this kind.
    fn confirms(&self, kind: TokenKind) -> bool;

    /// Asks about a token. Runs on the I/O runtime.
    fn confirm(
        &self,
        kind: TokenKind,
        token: TokenText,
    ) -> BoxFuture<'static, Result<TokenStatus, LookupError>>;
}

/// The identity provider's response about an opaque token.
#[derive(Clone, Debug)]
pub(crate) enum TokenStatus {
    /// The token is active. The value is its description.
    Active(Box<Confirmation>),
    /// The token must be refused, for this reason.
    Refused(TokenError),
}

/// Asks the issuer about opaque tokens.
pub(crate) struct Confirmations(Arc<Shared>);

/// The state that requests and the look-ups on the I/O runtime share.
struct Shared {
    source: Arc<dyn ConfirmationSource>,
    policy: Arc<TokenPolicy>,
    clock: Arc<dyn Clock>,
    context: Arc<CallerContext>,
    people: Option<Arc<People>>,
    /// The callers of confirmed tokens, and of JWTs.
    seen: Arc<TokenCache>,
    /// Caches only refusals; callers are in `seen`.
    tokens: Lookup<Fingerprint, Outcome>,
}

/// The outcome of a look-up that the issuer answered.
type Outcome = Result<Caller, TokenError>;

impl Confirmations {
    /// Asks `source` about tokens. `budget` limits the requests about new tokens. Callers are cached in `seen`.
    pub(crate) fn new(
        (source, budget, io): (Arc<dyn ConfirmationSource>, Option<Budget>, Handle),
        policy: Arc<TokenPolicy>,
        clock: Arc<dyn Clock>,
        context: Arc<CallerContext>,
        people: Option<Arc<People>>,
        seen: Arc<TokenCache>,
    ) -> Self {
        let service = Service::new("the confirmation of opaque tokens", Arc::clone(&clock));
        let service = Arc::new(service.within(budget));
        let refused = ExpiringCache::new(MAX_REFUSED, Arc::clone(&clock));
        Self(Arc::new(Shared {
            source,
            policy,
            clock,
            context,
            people,
            seen,
            tokens: Lookup::new(service, refused, io),
        }))
    }

    /// Returns the service that confirms tokens.
    pub(crate) fn service(&self) -> &Arc<Service> {
        self.0.tokens.service()
    }

    /// Asks the issuer whom a token belongs to. Call this method only after the kind of the token has been checked.
    ///
    /// # Errors
    /// One of [`AuthError`].
    pub(crate) async fn caller(
        &self,
        kind: TokenKind,
        token: &BearerToken<'_>,
        peer: IpAddr,
    ) -> Result<Caller, AuthError> {
        let Self(shared) = self;
        if !shared.source.confirms(kind) {
            return Err(TokenError::Opaque.into());
        }
        let fingerprint = token.fingerprint();
        let outcome = if let Some(known) = shared.known(fingerprint) {
            known
        } else {
            shared.tokens.service().check()?;
            let look_up = || {
                let (shared, token) = (Arc::clone(shared), token.to_text());
                async move { shared.look_up(kind, fingerprint, token, peer).await }
            };
            shared.tokens.get(fingerprint, look_up).await?
        };
        Ok(outcome?)
    }
}

impl Shared {
    /// Returns the outcome if it is cached.
    fn known(&self, fingerprint: Fingerprint) -> Option<Outcome> {
        if let Some(refused) = self.tokens.cached(&fingerprint) {
            return Some(refused.value);
        }
        let caller = self.seen.get(fingerprint)?;
        let claims = caller.verified();
        match claims.check_current(self.clock.unix_ms(), 0) {
            // An expired token never becomes valid again.
            Err(error) => Some(Err(error)),
            Ok(()) => claims
                .is_recent(|| self.clock.uptime())
                .then_some(Ok(caller)),
        }
    }

    /// Asks about a token. The look-up itself waits in the queue of the budget, so the look-up continues if the
    /// client that caused it disconnects. Other requests with the same token then still get the outcome.
    async fn look_up(
        &self,
        kind: TokenKind,
        fingerprint: Fingerprint,
        token: TokenText,
        peer: IpAddr,
    ) -> Result<Entry<Outcome>, NoAnswer> {
        let service = self.tokens.service();
        // A token that was confirmed before does not count against the budget.
        let turn = match self.seen.get(fingerprint) {
            Some(_) => None,
            None => service.turn(Some(Network::of(peer))).await?,
        };
        // Another look-up may have ended with an outcome before this look-up began.
        if let Some(known) = self.known(fingerprint) {
            return Ok(Entry::not_cached(known));
        }
        let question = async |mut turn: Option<Question>| {
            let status = self.source.confirm(kind, token.clone()).await;
            match status {
                // The client's network pays only for a bad token. A failure or a rate limit of the issuer does not show
                // that the token is bad.
                Ok(TokenStatus::Active(_))
                | Err(LookupError::Failed | LookupError::Throttled(_)) => {
                    if let Some(question) = &mut turn {
                        question.give_back();
                    }
                }
                // A declined request does not open the circuit breaker, so only the budget limits how often a client
                // can cause such a request.
                Err(LookupError::Declined) => self.seen.remove(fingerprint),
                Ok(TokenStatus::Refused(_)) | Err(LookupError::KeyRefused) => {}
            }
            status
        };
        let (status, asked) = service.ask(turn, question).await?;
        let outcome = match status {
            TokenStatus::Refused(error) => Err(error),
            TokenStatus::Active(confirmation) => {
                self.check(kind, *confirmation, fingerprint, token.clone(), asked)
            }
        };
        Ok(match outcome {
            Ok(caller) => {
                self.seen.insert(fingerprint, caller.clone());
                Entry::not_cached(Ok(caller))
            }
            Err(error) => {
                self.seen.remove(fingerprint);
                Entry::believed_for(REFUSED_AGE, Err(error), self.clock.uptime())
            }
        })
    }

    /// Checks an active token against the server's policy.
    fn check(
        &self,
        kind: TokenKind,
        confirmation: Confirmation,
        fingerprint: Fingerprint,
        token: TokenText,
        asked: Duration,
    ) -> Outcome {
        let now_ms = self.clock.unix_ms();
        let (claims, parts) = VerifiedClaims::confirmed(
            kind,
            confirmation,
            &self.policy,
            now_ms,
            asked,
            self.context.conventions,
        )?;
        let token = Some(token).filter(|_| {
            let people = self.people.as_ref();
            people.is_some_and(|people| people.needs_token(kind, true))
        });
        Ok(Caller::new(
            claims,
            parts,
            fingerprint,
            token,
            &self.context,
        ))
    }
}

impl Debug for Confirmations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmations")
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

/// How long a refusal is cached. The time is short, because the issuer may not know a new token
/// yet.
const REFUSED_AGE: Duration = Duration::from_secs(5);
const MAX_REFUSED: usize = 10_000;

#[cfg(test)]
mod tests;
