//! The number of calls of one tool, prompt or resource that run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the running calls of a primitive that declares `concurrency`, over all callers and workers.
#[derive(Debug)]
pub(crate) struct Concurrency {
    most: u32,
    running: AtomicU32,
}

/// One of the permitted running calls. Dropping the value lets another call run.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Concurrency>);

impl Concurrency {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            running: AtomicU32::new(0),
        }
    }

    /// Returns the largest number of calls that may run at once.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Counts one more running call.
    ///
    /// # Errors
    ///
    /// - The largest number of running calls, if that many calls already run.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Slot, u32> {
        let one_more = |running| (running < self.most).then_some(running + 1);
        // `Relaxed` is enough, because threads share no other data through this number.
        let entered = self
            .running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered
            .map(|_| Slot(Arc::clone(self)))
            .map_err(|_| self.most)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn never_more_than_stated_run_at_once_under_eight_threads() {
        let concurrency = Arc::new(Concurrency::new(3));
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut entered = 0;
                    while entered < 1_000 {
                        let Ok(_slot) = concurrency.take() else {
                            thread::yield_now();
                            continue;
                        };
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        entered += 1;
                    }
                });
            }
        });
        let mut slots: Vec<_> = (0..3).map(|_| concurrency.take().unwrap()).collect();
        assert_eq!(concurrency.take().unwrap_err(), 3);
        slots.pop();
        assert!(concurrency.take().is_ok());
    }
}
