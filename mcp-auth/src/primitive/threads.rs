//! The threads for plain functions, which are not `async`. A function occupies its thread for as long as it runs, even
//! after its caller is gone, so the number of threads limits the work. Each caller may use only a share of the threads,
//! so that hanging functions of one caller do not block all other callers.

use std::any::Any;
use std::io;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures_util::future::{Either, select};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tracing::dispatcher::{get_default, with_default};
use tracing::{Dispatch, Span};

use crate::limits::{Party, Place, Queue, Shares};

use super::outcome::Outcome;

/// A pool of threads, which are started when they are needed.
#[derive(Debug)]
pub(crate) struct Threads {
    /// The queue of calls that wait for a thread.
    queue: Arc<Queue>,
    /// The runtime whose blocking pool runs the functions. `None` after the drop.
    pool: Option<Runtime>,
}

impl Threads {
    /// Makes a pool of at most `shares.all` threads.
    ///
    /// # Errors
    ///
    /// - Every error of the operating system.
    pub(crate) fn new(shares: Shares) -> io::Result<Self> {
        let pool = Builder::new_current_thread()
            .max_blocking_threads(shares.all.max(1))
            .thread_name("mcp-auth-tool")
            .build()?;
        Ok(Self {
            queue: Arc::new(Queue::new(shares)),
            pool: Some(pool),
        })
    }

    /// Waits until a thread is free within the share of `party`. Dropping the future leaves the
    /// queue.
    pub(super) async fn place(&self, party: Party) -> Option<Place> {
        self.queue.enter(party).await
    }

    /// Runs a call on a thread. `None` if the server is stopping.
    ///
    /// If the future is dropped while the call still waits for an injected parameter or for `authorize`, the call ends.
    /// A function that already runs continues, and keeps its thread and `held` until it ends.
    pub(super) async fn run<F: Future<Output = Outcome> + Unpin>(
        &self,
        place: Place,
        held: Box<dyn Any + Send>,
        start: impl FnOnce() -> F + Send + 'static,
    ) -> Option<Outcome> {
        let (runtime, span) = (Handle::current(), Span::current());
        let subscriber = get_default(Dispatch::clone);
        // If this future is dropped, `_waiting` is dropped with it, so the thread notices that its caller is gone.
        let (_waiting, given_up) = oneshot::channel::<()>();
        let thread = self.pool.as_ref()?.spawn_blocking(move || {
            let _kept = (place, held);
            // Injected values may use the timers and sockets of the worker's runtime.
            let _entered = runtime.enter();
            // Poll cancellation first, so that a call that was reported as timed out never starts
            // afterwards.
            let work = || match block_on(select(given_up, start())) {
                Either::Left(_) => None,
                Either::Right((outcome, _)) => Some(outcome),
            };
            with_default(&subscriber, || span.in_scope(work))
        });
        match thread.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => None,
            },
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Do not wait for the functions: a function that never ends would prevent the server from
        // stopping.
        if let Some(pool) = self.pool.take() {
            pool.shutdown_background();
        }
    }
}

/// Runs a future to completion on this thread. With tokio's own `block_on` a function would panic if it waits for
/// another runtime, as clients with a blocking interface do.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Instrument, info_span};

    use super::super::outcome::Run;
    use super::super::returned::Output;
    use super::super::tool_result::{Body, ToolOutput};
    use super::*;

    #[test]
    fn the_span_of_a_request_is_entered_on_the_thread() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let threads = Threads::new(Shares::of(1, 1, 1)).unwrap();
        let outcome = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let span = info_span!("request");
            let start = || -> Run {
                Box::pin(async {
                    let name = Span::current().metadata().map(|metadata| metadata.name());
                    let text = ToolOutput::text(name.unwrap_or_default());
                    Ok(Output::Tool(text))
                })
            };
            let run = async {
                let place = threads.place(Party::Known(1)).await?;
                threads.run(place, Box::new(()), start).await
            };
            runtime.block_on(run.instrument(span))
        });
        let Some(Ok(Output::Tool(ToolOutput(Body::Text(text))))) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(text, "request");
    }
}
