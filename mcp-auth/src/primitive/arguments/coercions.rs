//! Counts the arguments that lenient reading changed, for the log.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::identity::LogThrottle;

use super::repair::Repairs;

/// Counts the changed arguments of one function, and logs the counts at most once a minute.
#[derive(Debug)]
pub(super) struct Coercions {
    since: Instant,
    throttle: LogThrottle,
    strings: AtomicUsize,
    dropped: AtomicUsize,
}

impl Default for Coercions {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            throttle: LogThrottle::default(),
            strings: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
        }
    }
}

impl Coercions {
    /// Adds the changed arguments of a call. A log line has the counts of all calls since the last log line, and
    /// contains no value of an argument.
    pub(super) fn count(&self, tool: &'static str, repairs: Repairs) {
        if repairs.strings + repairs.dropped == 0 {
            return;
        }
        self.strings.fetch_add(repairs.strings, Ordering::AcqRel);
        self.dropped.fetch_add(repairs.dropped, Ordering::AcqRel);
        if let Some(calls) = self.throttle.due(self.since.elapsed()) {
            tracing::info!(
                target: "mcp_auth",
                tool,
                calls,
                strings = self.strings.swap(0, Ordering::AcqRel),
                dropped = self.dropped.swap(0, Ordering::AcqRel),
                "arguments were read leniently"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::logged;

    #[test]
    fn the_log_counts_coercions_and_holds_no_values() {
        let coercions = Coercions::default();
        let repairs = Repairs {
            strings: 3,
            dropped: 1,
            ..Repairs::default()
        };
        let log = logged(|| {
            coercions.count("order", Repairs::default());
            coercions.count("order", repairs);
            coercions.count("order", repairs);
        });
        let expected = r#"arguments were read leniently tool="order" calls=1 strings=3 dropped=1"#;
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains(expected), "{log}");
    }
}
