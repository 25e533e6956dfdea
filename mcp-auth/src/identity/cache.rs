//! Tokens that were verified before.

use std::fmt;

use aws_lc_rs::digest::SHA256;
use aws_lc_rs::digest::digest;
use quick_cache::sync::Cache;

use crate::identity::caller::Caller;

/// Callers by their token. Only verified tokens get in, so that made-up ones can't push them out.
pub(crate) struct TokenCache {
    callers: Cache<Fingerprint, Caller>,
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
            callers: Cache::new(MAX_TOKENS),
        }
    }

    /// The caller of a token verified before. Time and keys have moved on since: whoever asks has to
    /// check again what depends on them.
    pub(crate) fn get(&self, token: Fingerprint) -> Option<Caller> {
        self.callers.get(&token)
    }

    pub(crate) fn insert(&self, token: Fingerprint, caller: Caller) {
        self.callers.insert(token, caller);
    }

    pub(crate) fn remove(&self, token: Fingerprint) {
        self.callers.remove(&token);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("tokens", &self.callers.len())
            .finish()
    }
}

const MAX_TOKENS: usize = 10_000;
