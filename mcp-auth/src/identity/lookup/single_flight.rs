//! Single flight: concurrent requests for one key share one piece of work.
//!
//! The work is a task of the I/O runtime. A client that disconnects does not stop the task, so the other requests still
//! get the outcome.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Work in flight, at most one piece for each key.
pub(crate) struct SingleFlight<K, T> {
    runtime: Handle,
    waiting: Arc<Mutex<Waiting<K, T>>>,
}

/// The work ended without an outcome: it panicked, or the runtime was shut down.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the shared work ended without a result")]
pub(crate) struct Abandoned;

type Waiting<K, T> = HashMap<K, Shared<oneshot::Receiver<T>>>;

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Creates a table without work. Work runs on this runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            waiting: Arc::new(Mutex::new(HashMap::new())),
        }
    }

    /// Joins the work in flight for `key`, or starts the work. The work continues even if the
    /// returned future is dropped.
    ///
    /// The next piece of work for the key can start as soon as this piece ends. The work itself must therefore store
    /// any result that the next piece must see.
    pub(crate) fn join<F>(&self, key: &K, work: impl FnOnce() -> F) -> Waiter<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (landed, outcome) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        let outcome = if let Some(flying) = waiting.get(key) {
            flying.clone()
        } else {
            let outcome = outcome.shared();
            waiting.insert(key.clone(), outcome.clone());
            // A runtime that has stopped drops the task at once, and the `Flight` with it. The destructor of the
            // `Flight` takes the lock, so the lock is released here.
            drop(waiting);
            let flight = Flight {
                key: key.clone(),
                waiting: Arc::clone(&self.waiting),
                landed: Some(landed),
            };
            let work = work();
            self.runtime.spawn(async move {
                let value = work.await;
                flight.land(value);
            });
            outcome
        };
        Waiter(outcome)
    }

    /// Returns true if work is in flight for `key`.
    pub(crate) fn is_flying(&self, key: &K) -> bool {
        lock(&self.waiting).contains_key(key)
    }
}

impl<K, T> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight")
            .field("in_flight", &lock(&self.waiting).len())
            .finish()
    }
}

/// Waits for the outcome of a piece of work.
#[derive(Debug)]
#[must_use = "the work goes on, and nothing waits for it"]
pub(crate) struct Waiter<T: Clone>(Shared<oneshot::Receiver<T>>);

impl<T: Clone> Future for Waiter<T> {
    type Output = Result<T, Abandoned>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|_| Abandoned)
    }
}

/// One piece of work, and its entry in the table.
struct Flight<K: Eq + Hash, T: Clone> {
    key: K,
    waiting: Arc<Mutex<Waiting<K, T>>>,
    landed: Option<oneshot::Sender<T>>,
}

impl<K: Eq + Hash, T: Clone> Flight<K, T> {
    fn land(mut self, value: T) {
        let landed = self.landed.take();
        drop(self);
        if let Some(landed) = landed {
            // All requests may have left.
            let _unheard = landed.send(value);
        }
    }
}

/// Removes the entry before the waiting requests get the outcome, even if the work panics.
impl<K: Eq + Hash, T: Clone> Drop for Flight<K, T> {
    fn drop(&mut self) {
        lock(&self.waiting).remove(&self.key);
    }
}

/// Locks a mutex. Ignores poisoning: no code panics while it holds such a lock, so the data cannot be half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::identity::io::IoRuntime;
    use crate::identity::test_support::block_on;

    #[test]
    fn fifty_waiters_share_one_piece_of_work() {
        let io = IoRuntime::start().unwrap();
        let flights = SingleFlight::new(io.handle().clone());
        let runs = Arc::new(AtomicUsize::new(0));
        let (go, wait) = oneshot::channel::<()>();
        let mut wait = Some(wait);
        let waiters: Vec<_> = (0..50)
            .map(|_| {
                let runs = Arc::clone(&runs);
                let wait = wait.take();
                flights.join(&"key", move || async move {
                    if let Some(wait) = wait {
                        wait.await.unwrap();
                    }
                    runs.fetch_add(1, Ordering::SeqCst) + 40
                })
            })
            .collect();
        go.send(()).unwrap();
        assert_eq!(block_on(join_all(waiters)), vec![Ok(40); 50]);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(!flights.is_flying(&"key"));
    }

    #[test]
    fn the_first_waiter_leaving_takes_nothing_from_the_others() {
        let io = IoRuntime::start().unwrap();
        let flights = SingleFlight::new(io.handle().clone());
        let (go, wait) = oneshot::channel::<()>();
        let leader = flights.join(&1, || async {
            wait.await.unwrap();
            "done"
        });
        let others: Vec<_> = (0..50)
            .map(|_| flights.join(&1, || async { "again" }))
            .collect();
        drop(leader);
        go.send(()).unwrap();
        assert_eq!(block_on(join_all(others)), vec![Ok("done"); 50]);
    }

    #[test]
    fn a_panic_in_the_work_is_an_error_for_all_and_the_next_try_works() {
        let io = IoRuntime::start().unwrap();
        let flights = SingleFlight::<_, u8>::new(io.handle().clone());
        let (go, wait) = oneshot::channel::<()>();
        let first = flights.join(&(), || async {
            wait.await.unwrap();
            panic!("on purpose")
        });
        let second = flights.join(&(), || async { 1 });
        go.send(()).unwrap();
        assert_eq!(block_on(join_all([first, second])), vec![Err(Abandoned); 2]);
        assert_eq!(block_on(flights.join(&(), || async { 2 })), Ok(2));
    }

    #[test]
    fn work_for_a_runtime_that_is_gone_is_an_error_not_a_wait() {
        let io = IoRuntime::start().unwrap();
        let flights = SingleFlight::new(io.handle().clone());
        let (go, wait) = oneshot::channel::<()>();
        let before = flights.join(&(), || async { wait.await.is_ok() });
        drop(io);
        assert_eq!(block_on(before), Err(Abandoned));
        assert_eq!(
            block_on(flights.join(&(), || async { true })),
            Err(Abandoned)
        );
        drop(go);
    }

    #[test]
    fn different_keys_fly_apart() {
        let io = IoRuntime::start().unwrap();
        let flights = SingleFlight::new(io.handle().clone());
        let one = flights.join(&1, || async { "one" });
        let two = flights.join(&2, || async { "two" });
        assert_eq!(block_on(join_all([one, two])), vec![Ok("one"), Ok("two")]);
    }
}
