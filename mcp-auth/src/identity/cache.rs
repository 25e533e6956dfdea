//! A cache of the callers of verified tokens.

use std::fmt;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::identity::caller::Caller;
use crate::identity::fingerprint::Fingerprint;
use crate::identity::org::{Org, heap_size};
use crate::identity::verify::Evidence;

/// Callers by token. Only verified tokens are inserted, so that made-up tokens cannot evict good tokens.
///
/// If a JWT is evicted, its signature is checked once more. If an opaque token is evicted, it counts as a new token,
/// and the budget for new tokens applies to it. JWTs and opaque tokens are therefore in separate parts of the cache.
pub(crate) struct TokenCache {
    signed: Cache<Fingerprint, Caller, Memory>,
    confirmed: Cache<Fingerprint, Caller>,
}

/// Computes the weight of a caller: the memory that the caller takes.
#[derive(Clone)]
struct Memory;

impl Weighter<Fingerprint, Caller> for Memory {
    fn weight(&self, _: &Fingerprint, caller: &Caller) -> u64 {
        weight(caller) as u64
    }
}

/// Returns the estimated memory that a caller takes, in bytes. The decoded claims are at most as long as their text.
pub(super) fn weight(caller: &Caller) -> usize {
    let token = caller.token().map_or(0, |token| token.expose().len());
    let org = caller.token_org().map_or(0, Org::weight);
    CALLER_BYTES + 2 * caller.verified().weight() + heap_size(caller.scopes()) + org + token
}

impl TokenCache {
    /// Creates an empty cache. The callers of JWTs take at most `signed_bytes`.
    pub(crate) fn new(signed_bytes: usize) -> Self {
        Self {
            signed: Cache::with_weighter(signed_bytes / USUAL_BYTES, signed_bytes as u64, Memory),
            confirmed: Cache::new(MAX_CONFIRMED),
        }
    }

    /// Returns the caller of a token that was verified before. The token may have expired meanwhile, and its key may
    /// have been withdrawn, so check both.
    pub(crate) fn get(&self, token: Fingerprint) -> Option<Caller> {
        let signed = self.signed.get(&token);
        signed.or_else(|| self.confirmed.get(&token))
    }

    pub(crate) fn insert(&self, token: Fingerprint, caller: Caller) {
        match caller.verified().evidence() {
            Evidence::Signed { .. } => self.signed.insert(token, caller),
            Evidence::Confirmed(_) => self.confirmed.insert(token, caller),
            // A local user has no token, so the cache has no key for the user.
            Evidence::LocalUser => {}
        }
    }

    pub(crate) fn remove(&self, token: Fingerprint) {
        self.signed.remove(&token);
        self.confirmed.remove(&token);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("signed", &self.signed.len())
            .field("confirmed", &self.confirmed.len())
            .finish()
    }
}

/// The memory of the fixed part of a caller, including the overhead of about ten allocations.
const CALLER_BYTES: usize = 1_024;
/// The usual weight of the caller of a JWT. It decides for how many entries memory is reserved.
const USUAL_BYTES: usize = 1_536;
/// The greatest number of confirmed opaque tokens in the cache. The number can be small, because a budget limits new
/// opaque tokens.
const MAX_CONFIRMED: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use super::*;
    use crate::identity::test_support::{MockSource, PlainDecode, TestKey};
    use crate::identity::{
        Authenticator, AuthenticatorConfig, Clock, ConfirmationSource, IoRuntime, Keys,
        TokenStatus, test_support,
    };

    const BYTES: usize = 1024 * 1024;

    #[test]
    fn jwts_however_many_do_not_push_out_what_the_issuer_confirmed() {
        let (seen, confirmed) = (TokenCache::new(BYTES), Fingerprint::of("oat_1"));
        let signed = test_support::oauth_caller(&test_support::oauth_claims());
        let flood = |tokens: Range<usize>| {
            for index in tokens {
                seen.insert(Fingerprint::of(&index.to_string()), signed.clone());
            }
        };
        flood(0..2 * MAX_CONFIRMED);
        seen.insert(confirmed, confirmed_caller());
        flood(2 * MAX_CONFIRMED..4 * MAX_CONFIRMED);
        assert!(seen.get(confirmed).is_some());
        seen.remove(confirmed);
        assert!(seen.get(confirmed).is_none());
    }

    #[test]
    fn jwts_push_each_other_out_by_the_memory_that_they_take() {
        let kept = |claim: &str| {
            let mut claims = test_support::oauth_claims();
            claims["custom"] = claim.into();
            let caller = test_support::oauth_caller(&claims);
            let seen = TokenCache::new(BYTES);
            let tokens = || (0..10_000).map(|index: u32| Fingerprint::of(&index.to_string()));
            tokens().for_each(|token| seen.insert(token, caller.clone()));
            let kept = tokens().filter(|token| seen.get(*token).is_some()).count();
            assert!(kept * weight(&caller) <= BYTES, "{kept}");
            kept
        };
        let (small, large) = (kept("x"), kept(&"x".repeat(8_000)));
        assert!(
            small > 400 && (20..small / 4).contains(&large),
            "{small}, {large}"
        );
    }

    fn confirmed_caller() -> Caller {
        let io = IoRuntime::start().unwrap();
        let source: Arc<dyn ConfirmationSource> =
            MockSource::<TokenStatus>::answering([test_support::active(
                test_support::confirmation(),
            )]);
        let clock: Arc<dyn Clock> = test_support::clock();
        let authenticator = Authenticator::new(AuthenticatorConfig {
            policy: test_support::policy(),
            keys: Keys::from_pem(&TestKey::shared().public_pem()).unwrap(),
            decode: Arc::new(PlainDecode),
            clock,
            confirm: Some((source, None, io.handle().clone())),
            people: None,
        });
        test_support::block_on(authenticator.authenticate("oat_1")).unwrap()
    }
}
