//! The clock and the I/O thread of a server.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::identity::IoRuntime;

use super::builder::ServerBuilder;
use super::codes;
use super::error::chain;
use super::finding::Finding;

/// The clock of the system, or the clock that a test gave to the builder.
pub(super) fn clock(builder: &mut ServerBuilder) -> Arc<dyn Clock> {
    #[cfg(feature = "testing")]
    if let Some(clock) = builder.clock.take() {
        return clock;
    }
    #[cfg(not(feature = "testing"))]
    let _ = builder;
    Arc::new(SystemClock::new())
}

/// Starts the thread that makes all calls to Clerk.
pub(super) fn io_thread() -> Result<IoRuntime, Finding> {
    IoRuntime::start().map_err(|error| {
        let what = format!("the I/O thread cannot be started: {}", chain(&error));
        Finding::new(&codes::IO_THREAD_FAILED, what)
    })
}
