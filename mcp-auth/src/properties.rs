//! How the property tests run: from a fixed seed, so that a failure is the same in each run, and without files.
//! A failure prints the smallest case that was found.

use proptest::test_runner::{Config, RngSeed};

/// A configuration with so many cases.
pub(crate) fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2_026),
        ..Config::default()
    }
}
