//! Opaque tokens: only their issuer can say what they are worth.
//!
//! It is asked once for each token and minute, whoever presents it how often. What was good is
//! believed for at most 60 seconds and never past the token's expiry; what was refused stays so for
//! five seconds. A token that was never good needs a question of the [`Budget`], so that made-up tokens
//! cannot use up the customer's rate limit. If the issuer does not answer, nobody gets in.

use std::fmt;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::cache::{Fingerprint, TokenCache};
use crate::identity::caller::{Caller, CallerContext, CallerParts, TokenKind};
use crate::identity::error::{AuthError, LookupError, TokenError};
use crate::identity::lookup::Circuit;
use crate::identity::lookup::{Abandoned, SingleFlight};
use crate::identity::lookup::{Budget, OverBudget, Question};
use crate::identity::policy::Policy;
use crate::identity::token::{BearerToken, TokenText};
use crate::identity::verify::VerifiedClaims;
use crate::limits::Network;

/// Says what an opaque token is worth; implemented by an identity provider.
pub(crate) trait ConfirmationSource: Debug + Send + Sync {
    /// Whether there is a key to ask with about tokens of this kind.
    fn confirms(&self, kind: TokenKind) -> bool;

    /// Asks about a token. Runs on the I/O runtime.
    fn confirm(
        &self,
        kind: TokenKind,
        token: TokenText,
    ) -> BoxFuture<'static, Result<Verdict, LookupError>>;
}

/// What an identity provider says of an opaque token.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It is active, and this is what it grants.
    Active(Box<Confirmation>),
    /// It is not to be accepted, for this reason.
    Refused(TokenError),
}

/// An active token, as the identity provider describes it.
#[derive(Clone)]
pub(crate) struct Confirmation {
    pub(crate) subject: String,
    /// In milliseconds since 1970; `None` if it does not expire.
    pub(crate) expires_ms: Option<u64>,
    /// What it says of the audience; `None` if it names none.
    pub(crate) audience: Option<Value>,
    /// The machines that a machine's token is meant for.
    pub(crate) machines: Vec<String>,
    /// The claims that were put into it.
    pub(crate) claims: Map<String, Value>,
    pub(crate) parts: CallerParts,
}

/// Asks about opaque tokens.
pub(crate) struct Confirmations {
    desk: Arc<Desk>,
    flights: SingleFlight<Fingerprint, Result<Caller, AuthError>>,
}

/// Where the questions are asked, and what was answered lately.
struct Desk {
    source: Arc<dyn ConfirmationSource>,
    policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
    realm: Arc<CallerContext>,
    seen: Arc<TokenCache>,
    refused: Cache<Fingerprint, Refused>,
    circuit: Circuit,
    budget: Option<Budget>,
}

#[derive(Clone, Copy)]
struct Refused {
    error: TokenError,
    /// Uptime from which the issuer is asked again.
    until: Duration,
}

impl Confirmations {
    /// Asks `source`, about new tokens no more often than `budget` allows, if there is one. Callers get
    /// into `seen`.
    pub(crate) fn new(
        source: Arc<dyn ConfirmationSource>,
        budget: Option<Budget>,
        policy: Arc<Policy>,
        clock: Arc<dyn Clock>,
        realm: Arc<CallerContext>,
        seen: Arc<TokenCache>,
        io: Handle,
    ) -> Self {
        let circuit = Circuit::new("the confirmation of opaque tokens", Arc::clone(&clock));
        Self {
            desk: Arc::new(Desk {
                source,
                policy,
                clock,
                realm,
                seen,
                refused: Cache::new(MAX_REFUSED),
                circuit,
                budget,
            }),
            flights: SingleFlight::new(io),
        }
    }

    /// The caller whom the issuer confirms for this token, of a kind that is accepted.
    ///
    /// # Errors
    /// One of [`AuthError`].
    pub(crate) async fn caller(
        &self,
        kind: TokenKind,
        token: &BearerToken<'_>,
        peer: IpAddr,
    ) -> Result<Caller, AuthError> {
        if !self.desk.source.confirms(kind) {
            return Err(TokenError::Opaque.into());
        }
        let fingerprint = token.fingerprint();
        if let Some(outcome) = self.desk.known(fingerprint) {
            return outcome;
        }
        self.desk.circuit.check()?;
        let asked = self.flights.join(&fingerprint, || {
            let desk = Arc::clone(&self.desk);
            let token = token.to_text();
            // The work waits for its turn, and not the request, so a client that hangs up takes nothing away from
            // others who present the token.
            async move {
                let question = desk.question(fingerprint, peer).await?;
                desk.ask(kind, fingerprint, token, question).await
            }
        });
        asked
            .await
            .unwrap_or_else(|Abandoned| Err(self.desk.circuit.lost().into()))
    }
}

impl Desk {
    /// What is known of the token without asking.
    fn known(&self, fingerprint: Fingerprint) -> Option<Result<Caller, AuthError>> {
        let now = self.clock.uptime();
        let refused = self.refused.get(&fingerprint);
        if let Some(refused) = refused.filter(|refused| now < refused.until) {
            return Some(Err(refused.error.into()));
        }
        let caller = self.seen.get(fingerprint)?;
        let claims = caller.verified();
        match claims.check_current(self.clock.unix_ms(), 0) {
            // What has expired does not come back.
            Err(error) => Some(Err(error.into())),
            Ok(()) => claims.is_recent(|| now).then_some(Ok(caller)),
        }
    }

    /// Takes a question of the budget. A token that was good before needs none.
    async fn question(
        &self,
        fingerprint: Fingerprint,
        peer: IpAddr,
    ) -> Result<Option<Question>, OverBudget> {
        match &self.budget {
            Some(budget) if self.seen.get(fingerprint).is_none() => {
                Ok(Some(budget.take(Some(Network::of(peer))).await?))
            }
            Some(_) | None => Ok(None),
        }
    }

    async fn ask(
        &self,
        kind: TokenKind,
        fingerprint: Fingerprint,
        token: TokenText,
        mut question: Option<Question>,
    ) -> Result<Caller, AuthError> {
        // Somebody may have got the answer since this flight was called for.
        if let Some(outcome) = self.known(fingerprint) {
            return outcome;
        }
        let asked = self.clock.uptime();
        let ask = async || {
            if let Some(question) = &mut question {
                question.pay();
            }
            let verdict = self.source.confirm(kind, token.clone()).await;
            // A failure or a rate limit of the issuer says nothing about the token. A token that the issuer declines
            // costs its network a question.
            if let (
                Some(question),
                Ok(Verdict::Active(_)) | Err(LookupError::Failed | LookupError::Throttled(_)),
            ) = (&mut question, &verdict)
            {
                question.give_back();
            }
            if matches!(verdict, Err(LookupError::Declined)) {
                // No circuit opens for this one, so it is the budget that keeps its bearer from asking
                // for ever.
                self.seen.remove(fingerprint);
            }
            verdict
        };
        let verdict = self.circuit.ask(ask).await?;
        let caller = match verdict {
            Verdict::Refused(error) => Err(error),
            Verdict::Active(said) => self.judge(kind, *said, fingerprint, token, asked),
        };
        match caller {
            Ok(caller) => {
                self.seen.insert(fingerprint, caller.clone());
                Ok(caller)
            }
            Err(error) => {
                self.seen.remove(fingerprint);
                let until = self.clock.uptime() + REFUSED_AGE;
                self.refused.insert(fingerprint, Refused { error, until });
                Err(error.into())
            }
        }
    }

    fn judge(
        &self,
        kind: TokenKind,
        said: Confirmation,
        fingerprint: Fingerprint,
        token: TokenText,
        asked: Duration,
    ) -> Result<Caller, TokenError> {
        let now_ms = self.clock.unix_ms();
        let (claims, parts) = VerifiedClaims::confirmed(kind, said, &self.policy, now_ms, asked)?;
        let token = Some(token).filter(|_| {
            let people = self.realm.people.as_ref();
            people.is_some_and(|people| people.needs_token(kind, true))
        });
        let realm = Arc::clone(&self.realm);
        Ok(Caller::new(claims, parts, fingerprint, token, realm))
    }
}

impl Debug for Confirmations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmations")
            .field("source", &self.desk.source)
            .finish_non_exhaustive()
    }
}

/// Without the claims, which may hold personal data.
impl Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").finish_non_exhaustive()
    }
}

/// How long a refusal is remembered: the same token again costs nothing, and one that was just made
/// is not locked out for long.
const REFUSED_AGE: Duration = Duration::from_secs(5);
const MAX_REFUSED: usize = 10_000;

#[cfg(test)]
mod tests;
