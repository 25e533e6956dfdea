//! The configuration of the property tests. The seed is fixed, so each run finds the same failures, and proptest writes
//! no files for regressions. A failure prints the smallest failing case.

use proptest::test_runner::{Config, RngSeed};

/// Returns a configuration that runs this number of cases.
pub(crate) fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2_026),
        ..Config::default()
    }
}
