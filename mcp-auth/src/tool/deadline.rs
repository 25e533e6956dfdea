//! Deadlines that cost nothing where they are not needed.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;

/// The work's output, or `None` if it is not there in time. What is done at once sets no timer.
pub(crate) async fn within<F: Future>(limit: Duration, mut work: Pin<&mut F>) -> Option<F::Output> {
    match poll!(work.as_mut()) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(limit, work).await.ok(),
    }
}
