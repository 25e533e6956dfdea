//! Hashing what is a hash already.

use std::hash::{BuildHasher, Hasher};

/// For tables whose keys write one 64-bit hash that nobody can choose: whoever could would make the
/// table slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BuildNoHash;

/// Takes a hash for what it is.
#[derive(Debug)]
pub(crate) struct NoHash(u64);

impl BuildHasher for BuildNoHash {
    type Hasher = NoHash;

    fn build_hasher(&self) -> NoHash {
        NoHash(0)
    }
}

impl Hasher for NoHash {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        let folded = |hash: u64, byte: &u8| hash.rotate_left(8) ^ u64::from(*byte);
        self.0 = bytes.iter().fold(self.0, folded);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
