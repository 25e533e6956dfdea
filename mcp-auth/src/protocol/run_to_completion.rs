//! Calls that outlive their connection.
//!
//! Closing the connection cancels a modern request, but must not cancel a legacy request (MCP 2025-11-25,
//! basic/transports). The work of a legacy request therefore continues, and only the response is lost. This module
//! continues calls without messages, and `driver` continues calls with messages.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

/// Wraps a future. If the wrapper is dropped before the future completes, a background task
/// completes the future.
pub(super) struct Detach<F>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    work: Option<F>,
}

impl<F> Detach<F>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    pub(super) fn new(work: F) -> Self {
        Self { work: Some(work) }
    }
}

impl<F> Future for Detach<F>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let poll = Pin::new(work).poll(cx);
        if poll.is_ready() {
            self.work = None;
        }
        poll
    }
}

impl<F> Drop for Detach<F>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    fn drop(&mut self) {
        // If there is no runtime, the process is ending, and the work ends with it.
        if let Some(work) = self.work.take()
            && let Ok(runtime) = Handle::try_current()
        {
            // The request is dropped within its span.
            runtime.spawn(work.in_current_span().with_current_subscriber());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn work_that_is_dropped_half_way_is_finished() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        runtime.block_on(async move {
            let mut work = Box::pin(Detach::new(Box::pin(async move {
                tokio::task::yield_now().await;
                done.store(true, Ordering::SeqCst);
            })));
            assert!(futures_util::poll!(&mut work).is_pending());
            drop(work);
            while !seen.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        });
    }
}
