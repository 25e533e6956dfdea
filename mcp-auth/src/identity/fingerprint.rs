//! Digests of tokens, the keys of caches.

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 digest of a whole token.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a text that is too long for a token. No caller is cached under it.
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
