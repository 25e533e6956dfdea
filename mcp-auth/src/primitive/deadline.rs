//! Time limits that cost nothing if the work completes at once.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::poll;
use tokio::time::{Instant, sleep_until};

/// Returns the output of the work, or `None` if the work takes longer than the limit. If the work completes at the
/// first poll, no timer is set.
pub(crate) async fn within<F: Future>(limit: Duration, mut work: Pin<&mut F>) -> Option<F::Output> {
    match poll!(work.as_mut()) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(limit, work).await.ok(),
    }
}

/// Returns the output of the work, or `None` if the deadline passes first. The deadline may move while the work runs.
/// `deadline` returns the current deadline, or `None` if the work has no deadline.
pub(crate) async fn within_moving<F: Future>(
    deadline: impl Fn() -> Option<Instant>,
    mut work: Pin<&mut F>,
) -> Option<F::Output> {
    if let Poll::Ready(output) = poll!(work.as_mut()) {
        return Some(output);
    }
    let Some(at) = deadline() else {
        return Some(work.await);
    };
    let mut timer = pin!(sleep_until(at));
    loop {
        match select(work.as_mut(), timer.as_mut()).await {
            Either::Left((output, _)) => return Some(output),
            Either::Right(_) => match deadline() {
                Some(at) if at > Instant::now() => timer.as_mut().reset(at),
                Some(_) => return None,
                None => return Some(work.await),
            },
        }
    }
}
