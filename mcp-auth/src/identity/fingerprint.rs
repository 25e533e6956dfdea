//! Digests of tokens, which are the keys of caches.

use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 digest of a whole token.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Fingerprint([u8; 32]);

/// Hashes only eight bytes of the digest. An attacker can find tokens that agree in these bytes
/// only by brute force.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl Fingerprint {
    /// The fingerprint of every text that is too long for a token. No caller is cached with this fingerprint.
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
