//! A clock that a test moves.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, ManualClock, SystemClock};

/// A clock that starts at the present time, and stands still until the test advances it.
///
/// Tokens and cached look-ups expire by this clock. [`ServerBuilder::clock`](crate::ServerBuilder::clock) sets the
/// clock of a server that listens. A [`TestServer`](super::TestServer) has a clock of its own.
///
/// ```
/// use std::time::Duration;
///
/// use mcp_auth::testing::TestClock;
///
/// let clock = TestClock::new();
/// let start = clock.unix_seconds();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.unix_seconds(), start + 60);
/// ```
#[derive(Clone, Debug)]
pub struct TestClock(pub(crate) Arc<ManualClock>);

impl TestClock {
    /// Returns a clock that shows the system's time at this moment.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(ManualClock::at(SystemClock::new().unix_ms())))
    }

    /// Returns a clock that shows this time, in seconds since 1970.
    ///
    /// ```
    /// use mcp_auth::testing::TestClock;
    ///
    /// assert_eq!(TestClock::at(1_800_000_000).unix_seconds(), 1_800_000_000);
    /// ```
    #[must_use]
    pub fn at(unix_seconds: u64) -> Self {
        Self(Arc::new(ManualClock::at(unix_seconds.saturating_mul(1000))))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    /// Returns the time as seconds since 1970.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        self.0.unix_ms() / 1000
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}
