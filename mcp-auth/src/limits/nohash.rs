//! Tables whose keys are already hashes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table whose keys are hashes with a random key, so that attackers cannot choose colliding keys. The table does not
/// hash the keys again.
pub(crate) type NoHashMap<K, V> = HashMap<K, V, BuildHasherDefault<NoHash>>;

/// Returns the hash that was written. A key must write one `u64`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoHash(u64);

impl Hasher for NoHash {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Not called if the keys are hashes. A table of other keys works too, but slowly.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    #[test]
    fn the_hash_of_a_hash_is_the_hash_and_other_keys_can_be_told_apart() {
        let hashes = BuildHasherDefault::<NoHash>::default();
        for hash in [0, 1, u64::MAX] {
            assert_eq!(hashes.hash_one(hash), hash);
        }
        assert_ne!(hashes.hash_one("ab"), hashes.hash_one("ba"));
    }
}
