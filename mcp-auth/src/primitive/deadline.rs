//! Time limits that cost nothing if the work completes at once.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;

/// Returns the output of the work, or `None` if the limit passes first. If the work completes at
/// the first poll, no timer is set.
pub(crate) async fn within<F: Future>(limit: Duration, mut work: Pin<&mut F>) -> Option<F::Output> {
    match poll!(work.as_mut()) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(limit, work).await.ok(),
    }
}
