//! Limits log lines that unauthenticated clients can cause to one line a minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Allows one log line a minute, and counts the events that are not logged.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    /// Uptime in milliseconds from which the next line may be written.
    next_ms: AtomicU64,
    /// Events since the last line that was written.
    events: AtomicU64,
}

impl LogThrottle {
    /// Counts an event. Returns true if the log line of the event may be written at this uptime.
    pub(crate) fn is_due(&self, uptime: Duration) -> bool {
        self.due(uptime).is_some()
    }

    /// Counts an event. If the log line of the event may be written at this uptime, returns the number of events since
    /// the last line, including this event.
    pub(crate) fn due(&self, uptime: Duration) -> Option<u64> {
        self.events.fetch_add(1, Ordering::AcqRel);
        let now_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        let next_ms = self.next_ms.load(Ordering::Acquire);
        if now_ms < next_ms {
            return None;
        }
        let next = now_ms.saturating_add(MINUTE_MS);
        self.next_ms
            .compare_exchange(next_ms, next, Ordering::AcqRel, Ordering::Acquire)
            .ok()?;
        Some(self.events.swap(0, Ordering::AcqRel))
    }
}

const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_at_once_and_then_once_a_minute() {
        let throttle = LogThrottle::default();
        let due: Vec<bool> = [0, 1, 59_999, 60_000, 60_001, 500_000]
            .map(|ms| throttle.is_due(Duration::from_millis(ms)))
            .into();
        assert_eq!(due, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_line_says_how_many_events_it_stands_for() {
        let throttle = LogThrottle::default();
        let due: Vec<_> = [0, 1, 59_999, 60_000, 200_000]
            .map(|ms| throttle.due(Duration::from_millis(ms)))
            .into();
        assert_eq!(due, [Some(1), None, None, Some(3), Some(1)]);
    }
}
