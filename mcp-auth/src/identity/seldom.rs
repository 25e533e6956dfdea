//! Log lines that strangers can cause, at most one a minute each.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Tells whether a line may be written: at most once a minute.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// Uptime in milliseconds from which the next one may be.
    next_ms: AtomicU64,
}

impl Seldom {
    /// Whether the line may be written now, at this uptime.
    pub(crate) fn is_due(&self, uptime: Duration) -> bool {
        let now_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        let next_ms = self.next_ms.load(Ordering::Acquire);
        if now_ms < next_ms {
            return false;
        }
        let next = now_ms.saturating_add(MINUTE_MS);
        self.next_ms
            .compare_exchange(next_ms, next, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_at_once_and_then_once_a_minute() {
        let seldom = Seldom::default();
        let due: Vec<bool> = [0, 1, 59_999, 60_000, 60_001, 500_000]
            .map(|ms| seldom.is_due(Duration::from_millis(ms)))
            .into();
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
