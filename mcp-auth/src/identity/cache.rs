//! Tokens that were verified before.

use std::fmt;

use aws_lc_rs::digest::SHA256;
use aws_lc_rs::digest::digest;
use quick_cache::sync::Cache;

use crate::identity::caller::Caller;
use crate::identity::verify::Evidence;

/// Callers by their token. Only verified tokens get in, so that made-up ones can't push them out.
///
/// To lose a JWT costs a signature check; to lose an opaque token makes its bearer a stranger, with a
/// stranger's budget. So neither kind pushes out the other.
pub(crate) struct TokenCache {
    signed: Cache<Fingerprint, Caller>,
    confirmed: Cache<Fingerprint, Caller>,
}

/// The whole digest of a whole token: two tokens that differ at all have two.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
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
    pub(crate) fn new() -> Self {
        Self {
            signed: Cache::new(MAX_TOKENS),
            confirmed: Cache::new(MAX_TOKENS),
        }
    }

    /// The caller of a token verified before. Time and keys have moved on since: whoever asks has to
    /// check again what depends on them.
    pub(crate) fn get(&self, token: Fingerprint) -> Option<Caller> {
        let signed = self.signed.get(&token);
        signed.or_else(|| self.confirmed.get(&token))
    }

    pub(crate) fn insert(&self, token: Fingerprint, caller: Caller) {
        let callers = match caller.verified().evidence() {
            Evidence::Signed(_) => &self.signed,
            Evidence::Confirmed(_) => &self.confirmed,
        };
        callers.insert(token, caller);
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

/// Of each kind.
const MAX_TOKENS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use super::*;
    use crate::identity::Authenticator;
    use crate::identity::AuthenticatorConfig;
    use crate::identity::Clock;
    use crate::identity::ConfirmationSource;
    use crate::identity::IoRuntime;
    use crate::identity::Keys;
    use crate::identity::Verdict;
    use crate::identity::doubles;
    use crate::identity::doubles::Answers;
    use crate::identity::doubles::PlainDecode;
    use crate::identity::doubles::TestKey;

    #[test]
    fn jwts_however_many_do_not_push_out_what_the_issuer_confirmed() {
        let (seen, confirmed) = (TokenCache::new(), Fingerprint::of("oat_1"));
        let signed = doubles::oauth_caller(&doubles::oauth_claims());
        let flood = |tokens: Range<usize>| {
            for index in tokens {
                seen.insert(Fingerprint::of(&index.to_string()), signed.clone());
            }
        };
        flood(0..2 * MAX_TOKENS);
        seen.insert(confirmed, confirmed_caller());
        flood(2 * MAX_TOKENS..4 * MAX_TOKENS);
        assert!(seen.get(confirmed).is_some());
        seen.remove(confirmed);
        assert!(seen.get(confirmed).is_none());
    }

    fn confirmed_caller() -> Caller {
        let io = IoRuntime::start().unwrap();
        let source: Arc<dyn ConfirmationSource> =
            Answers::<Verdict>::answering([doubles::active(doubles::confirmation())]);
        let clock: Arc<dyn Clock> = doubles::clock();
        let authenticator = Authenticator::new(AuthenticatorConfig {
            policy: doubles::policy(),
            keys: Keys::from_pem(&TestKey::shared().public_pem()).unwrap(),
            decode: Arc::new(PlainDecode),
            clock,
            confirm: Some((source, None, io.handle().clone())),
            people: None,
        });
        doubles::block_on(authenticator.authenticate("oat_1")).unwrap()
    }
}
