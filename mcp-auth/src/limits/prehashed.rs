//! Hashing what is a hash already.

use std::hash::BuildHasher;
use std::hash::Hasher;

/// For tables whose keys write one 64-bit hash that nobody can choose: whoever could would make the
/// table slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BuildPrehashed;

/// Takes a hash for what it is.
#[derive(Debug)]
pub(crate) struct Prehashed(u64);

impl BuildHasher for BuildPrehashed {
    type Hasher = Prehashed;

    fn build_hasher(&self) -> Prehashed {
        Prehashed(0)
    }
}

impl Hasher for Prehashed {
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
