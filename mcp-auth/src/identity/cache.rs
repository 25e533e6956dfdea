//! Tokens that were verified before.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::identity::caller::Caller;
use crate::identity::verify::Evidence;
use crate::limits::BuildNoHash;

/// Callers by their token. Only verified tokens get in, so that made-up ones can't push them out.
///
/// To lose a JWT costs a signature check; to lose an opaque token makes its bearer a stranger, with a
/// stranger's budget. So neither kind pushes out the other.
pub(crate) struct TokenCache {
    signed: Cache<Fingerprint, Caller, Memory, BuildNoHash>,
    confirmed: Cache<Fingerprint, Caller>,
}

/// Weighs a caller by the memory that it takes.
#[derive(Clone)]
struct Memory;

impl Weighter<Fingerprint, Caller> for Memory {
    fn weight(&self, _: &Fingerprint, caller: &Caller) -> u64 {
        caller.weight() as u64
    }
}

/// The whole digest of a whole token: two tokens that differ at all have two.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Fingerprint([u8; 32]);

/// A part of it, which is as good a hash as any: to choose it is to try tokens until one has it.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl Fingerprint {
    /// Of what is too long to be a token. No token has this digest, and no caller is cached under it.
    pub(crate) const OF_NO_TOKEN: Self = Self([0; 32]);

    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        for (byte, digested) in bytes
            .iter_mut()
            .zip(digest(&SHA256, token.as_bytes()).as_ref())
        {
            *byte = *digested;
        }
        Self(bytes)
    }
}

impl TokenCache {
    /// An empty one, in which the callers of JWTs take this many bytes at most.
    pub(crate) fn new(signed_bytes: usize) -> Self {
        let tokens = signed_bytes / USUAL_BYTES;
        Self {
            signed: Cache::with(
                tokens,
                signed_bytes as u64,
                Memory,
                BuildNoHash,
                DefaultLifecycle::default(),
            ),
            confirmed: Cache::new(MAX_CONFIRMED),
        }
    }

    /// The caller of a token verified before. Time and keys have moved on since: whoever asks has to
    /// check again what depends on them.
    pub(crate) fn get(&self, token: Fingerprint) -> Option<Caller> {
        let signed = self.signed.get(&token);
        signed.or_else(|| self.confirmed.get(&token))
    }

    pub(crate) fn insert(&self, token: Fingerprint, caller: Caller) {
        match caller.verified().evidence() {
            Evidence::Signed { .. } => self.signed.insert(token, caller),
            Evidence::Confirmed(_) => self.confirmed.insert(token, caller),
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

/// What the caller of a JWT takes, for want of a better guess.
const USUAL_BYTES: usize = 1_536;
/// Each costs a stranger of the budget, so that there are not many.
const MAX_CONFIRMED: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use super::*;
    use crate::identity::test_support::{Answers, PlainDecode, TestKey};
    use crate::identity::{
        Authenticator, AuthenticatorConfig, Clock, ConfirmationSource, IoRuntime, Keys, Verdict,
        test_support,
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
            assert!(kept * caller.weight() <= BYTES, "{kept}");
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
            Answers::<Verdict>::answering([test_support::active(test_support::confirmation())]);
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
