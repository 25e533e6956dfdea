//! Reads the system clock. No other module of this crate reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The system's time in Unix seconds. 0 if the clock is set to a time before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "only this module reads the system clock"
)]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
