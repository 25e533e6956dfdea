//! The counts of refused sign-ins.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts refused sign-ins for each reason. There are few reasons, so a stranger cannot fill the memory. A stranger causes at
/// most one record a minute for each reason.
#[derive(Debug, Default)]
pub(super) struct SignIns(Mutex<BTreeMap<&'static str, Count>>);

#[derive(Debug, Default)]
struct Count {
    /// The uptime from which the next record may be written.
    next: Duration,
    /// The refusals since the last record.
    refusals: u64,
}

impl SignIns {
    pub(super) fn count(&self, reason: &'static str) {
        let mut counts = self.lock();
        let count = counts.entry(reason).or_default();
        count.refusals = count.refusals.saturating_add(1);
    }

    /// Returns the reasons whose record is due at this uptime, each with the number of its refusals since the last record.
    pub(super) fn due(&self, uptime: Duration) -> Vec<(&'static str, u64)> {
        self.take(|count| count.next <= uptime, uptime)
    }

    /// Returns all reasons with refusals that no record has counted yet.
    pub(super) fn all(&self) -> Vec<(&'static str, u64)> {
        self.take(|_| true, Duration::ZERO)
    }

    fn take(&self, is_due: impl Fn(&Count) -> bool, uptime: Duration) -> Vec<(&'static str, u64)> {
        let mut counts = self.lock();
        let due = counts.iter_mut();
        let due = due.filter(|(_, count)| count.refusals > 0 && is_due(count));
        let due = due.map(|(reason, count)| {
            count.next = uptime.saturating_add(MINUTE);
            (*reason, std::mem::take(&mut count.refusals))
        });
        due.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_is_due_at_once_and_the_others_once_a_minute_and_none_is_lost() {
        let sign_ins = SignIns::default();
        let mut records = Vec::new();
        for second in 0..90 {
            sign_ins.count("token-expired");
            if second == 61 {
                sign_ins.count("token-missing");
            }
            let uptime = Duration::from_secs(second);
            records.extend(sign_ins.due(uptime).into_iter().map(|due| (second, due)));
        }
        let expected = [
            (0, ("token-expired", 1)),
            (60, ("token-expired", 60)),
            (61, ("token-missing", 1)),
        ];
        assert_eq!(records, expected);
        assert_eq!(sign_ins.all(), [("token-expired", 29)]);
        assert_eq!(sign_ins.all(), []);
    }
}
