//! Clocks. Code that needs the time takes a clock as an argument. No other module reads the system's time for tokens or
//! ages.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock with the time of day, for claims, and an uptime, for ages.
pub(crate) trait Clock: Debug + Send + Sync {
    /// Returns the time of day in milliseconds since 1970. (`exp`, `nbf` and `iat` count in
    /// seconds.)
    fn unix_ms(&self) -> u64;

    /// Returns the time since an arbitrary start. The uptime never goes back, even when the time of day is corrected.
    fn uptime(&self) -> Duration;

    /// Returns the longest time for which a task that waits may sleep before the task reads the
    /// clock again.
    fn tick(&self) -> Duration {
        Duration::from_secs(5)
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Creates a clock whose uptime starts now.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the only place that reads the system's time"
        )]
        let now = SystemTime::now();
        // If the machine's clock is before 1970, every token counts as not active yet and is
        // refused.
        now.duration_since(UNIX_EPOCH).map_or(0, as_ms)
    }

    fn uptime(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug)]
pub(crate) struct ManualClock {
    start_unix_ms: u64,
    moved_ns: std::sync::atomic::AtomicU64,
}

#[cfg(any(test, feature = "testing"))]
impl ManualClock {
    /// Creates a clock that shows this time of day, in milliseconds since 1970.
    pub(crate) fn at(unix_ms: u64) -> Self {
        Self {
            start_unix_ms: unix_ms,
            moved_ns: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Moves both the time of day and the uptime forward.
    pub(crate) fn advance(&self, by: Duration) {
        let ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.moved_ns
            .fetch_add(ns, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock for ManualClock {
    fn unix_ms(&self) -> u64 {
        self.start_unix_ms.saturating_add(as_ms(self.uptime()))
    }

    fn uptime(&self) -> Duration {
        Duration::from_nanos(self.moved_ns.load(std::sync::atomic::Ordering::SeqCst))
    }

    /// No timer fires when a test moves the clock, so a waiting task reads the clock often.
    fn tick(&self) -> Duration {
        Duration::from_millis(100)
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_manual_clock_moves_both_times() {
        let clock = ManualClock::at(1_000);
        clock.advance(Duration::from_millis(250));
        assert_eq!(clock.unix_ms(), 1_250);
        assert_eq!(clock.uptime(), Duration::from_millis(250));
    }

    #[test]
    fn the_system_clock_is_past_the_year_2020() {
        assert!(SystemClock::new().unix_ms() > 1_577_836_800_000);
    }
}
