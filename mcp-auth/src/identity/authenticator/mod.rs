//! From a bearer string to a caller.

use std::sync::Arc;

use crate::identity::cache::Fingerprint;
use crate::identity::cache::TokenCache;
use crate::identity::caller::Caller;
use crate::identity::clock::Clock;
use crate::identity::error::AuthError;
use crate::identity::error::TokenError;
use crate::identity::error::Unavailable;
use crate::identity::keys::Keys;
use crate::identity::keys::PublishedKey;
use crate::identity::policy::Policy;
use crate::identity::verify::Candidate;
use crate::identity::verify::Decode;
use crate::identity::verify::Signed;

/// Verifies access tokens.
#[derive(Debug)]
pub(crate) struct Authenticator {
    policy: Policy,
    keys: Keys,
    decode: Arc<dyn Decode>,
    clock: Arc<dyn Clock>,
    seen: TokenCache,
}

impl Authenticator {
    /// Accepts what `policy` says, signed with one of `keys`.
    pub(crate) fn new(
        policy: Policy,
        keys: Keys,
        decode: Arc<dyn Decode>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            policy,
            keys,
            decode,
            clock,
            seen: TokenCache::new(),
        }
    }

    /// The caller whom this token proves.
    ///
    /// # Errors
    /// - [`AuthError::Invalid`] if the token is refused; the reason is logged, not told.
    /// - [`AuthError::Unavailable`] if the issuer's keys can't be had.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        match self.cached(token) {
            Some(caller) => Ok(caller),
            None => self.verify(token).await,
        }
    }

    /// The caller of a token that was verified before and still holds; costs no signature check and
    /// never waits.
    pub(crate) fn cached(&self, token: &str) -> Option<Caller> {
        let fingerprint = Fingerprint::of(token);
        let caller = self.seen.get(fingerprint)?;
        let claims = caller.verified();
        let current = claims
            .check_current(self.clock.unix_ms(), self.policy.leeway_ms)
            .is_ok();
        if current && self.keys.is_current(claims.key()) {
            return Some(caller);
        }
        // Verifying it anew finds the reason.
        self.seen.remove(fingerprint);
        None
    }

    /// Fetches the issuer's keys if there are none yet.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer can't be reached.
    pub(crate) async fn prepare(&self) -> Result<(), Unavailable> {
        self.keys.prepare().await
    }

    /// Whether one of these keys is one of the issuer's.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer can't be reached.
    pub(crate) async fn shares_keys(&self, others: &[PublishedKey]) -> Result<bool, Unavailable> {
        self.keys.share_any(others).await
    }

    async fn verify(&self, token: &str) -> Result<Caller, AuthError> {
        let candidate = Candidate::read(token, &self.policy, &*self.decode)
            .inspect_err(|&error| log_refusal(error, None, None))?;
        let kid = candidate.kid().map(str::to_owned);
        let signed = self
            .check_signature(candidate)
            .await
            .inspect_err(|&error| log_failure(error, kid.as_deref()))?;
        let subject = signed.subject().map(str::to_owned);
        let caller = signed
            .verify(&self.policy, self.clock.unix_ms())
            .and_then(|claims| {
                let parts = self.decode.decode(&claims)?;
                Ok(Caller::new(claims, parts, Arc::clone(&self.policy.scopes)))
            })
            .inspect_err(|&error| log_refusal(error, kid.as_deref(), subject.as_deref()))?;
        self.seen.insert(Fingerprint::of(token), caller.clone());
        Ok(caller)
    }

    async fn check_signature<'t>(&self, candidate: Candidate<'t>) -> Result<Signed<'t>, AuthError> {
        let keys = self.keys.for_kid(candidate.kid()).await?;
        candidate.check_header()?;
        let candidate = match candidate.signed_by(&keys) {
            Ok(signed) => return Ok(signed),
            Err(candidate) => candidate,
        };
        // Clerk names a key after the instance, so a new key may have the old one's name.
        let others = self.keys.others(candidate.kid(), &keys).await;
        candidate
            .signed_by(&others)
            .map_err(|_| TokenError::Signature.into())
    }
}

fn log_failure(error: AuthError, kid: Option<&str>) {
    match error {
        AuthError::Invalid(error) => log_refusal(error, kid, None),
        AuthError::Unavailable(Unavailable { what, .. }) => {
            tracing::warn!(target: "mcp_auth", what, "a token could not be verified");
        }
    }
}

/// The subject is given only once the signature holds. Values are quoted, so that none can pretend
/// to be a line of the log.
fn log_refusal(error: TokenError, kid: Option<&str>, subject: Option<&str>) {
    let reason = error.reason();
    let [kid, subject] = [kid, subject].map(|text| text.map(shortened));
    tracing::debug!(target: "mcp_auth", reason, rule = %error, ?kid, ?subject, "token refused");
    if error == TokenError::AudienceMissing {
        tracing::warn!(
            target: "mcp_auth",
            ?subject,
            "a token without `aud` was refused: its client sent no `resource`; \
             the audience policy (CLERK_AUDIENCE and the `if_present` mode) decides about such tokens",
        );
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_LOGGED_CHARS).collect()
}

const MAX_LOGGED_CHARS: usize = 64;

#[cfg(test)]
mod tests;
