//! The number of calls of one tool that run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::registry::ServedTool;

/// Counts the running calls of a tool that declares `concurrency`, for all callers and workers together.
#[derive(Debug)]
pub(crate) struct Concurrency {
    most: u32,
    running: AtomicU32,
}

/// The place of a running call. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot(Arc<ServedTool>);

impl Concurrency {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            running: AtomicU32::new(0),
        }
    }

    /// Returns the number of calls that may run at once.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    fn enter(&self) -> bool {
        let one_more = |running| (running < self.most).then_some(running + 1);
        // Threads share only this number.
        let entered = self
            .running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.is_ok()
    }

    fn leave(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slot {
    /// Takes a place for a call of the tool; `None` if the tool declares no `concurrency`.
    ///
    /// # Errors
    ///
    /// The number of calls that may run at once, if so many run.
    pub(crate) fn take(tool: &Arc<ServedTool>) -> Result<Option<Self>, u32> {
        match tool.concurrency() {
            None => Ok(None),
            Some(concurrency) if concurrency.enter() => Ok(Some(Self(Arc::clone(tool)))),
            Some(concurrency) => Err(concurrency.most()),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(concurrency) = self.0.concurrency() {
            concurrency.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn never_more_than_stated_run_at_once_under_eight_threads() {
        let concurrency = Concurrency::new(3);
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut entered = 0;
                    while entered < 1_000 {
                        if !concurrency.enter() {
                            thread::yield_now();
                            continue;
                        }
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        concurrency.leave();
                        entered += 1;
                    }
                });
            }
        });
        assert!((0..3).all(|_| concurrency.enter()));
        assert!(!concurrency.enter());
        concurrency.leave();
        assert!(concurrency.enter());
    }
}
