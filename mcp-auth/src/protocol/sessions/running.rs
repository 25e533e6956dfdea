//! A request of a session while it runs, and its cancellation.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::primitive::Output;

use super::super::record::Ended;
use super::session::Session;

/// A request of a session. The value lives as long as the work of the request, which may outlive the connection.
pub(in crate::protocol) struct SessionRequest {
    session: Arc<Session>,
    /// The id as written in the body.
    id: Box<str>,
    serial: u64,
    cancelled: CancellationToken,
}

impl SessionRequest {
    pub(in crate::protocol) fn begin(session: Arc<Session>, id: &str) -> Arc<Self> {
        let cancelled = CancellationToken::new();
        let serial = session.enter(id, cancelled.clone());
        Arc::new(Self {
            session,
            id: id.into(),
            serial,
            cancelled,
        })
    }

    pub(in crate::protocol) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Returns the output of the work. `None` if the client cancels the request before the work ends.
    pub(in crate::protocol) async fn or_cancelled<F: Future>(&self, work: F) -> Option<F::Output> {
        self.cancelled.run_until_cancelled(work).await
    }

    /// Returns true if the client cancelled the request. A cancelled request gets no response (MCP 2025-11-25,
    /// basic/utilities/cancellation).
    pub(in crate::protocol) fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }
}

impl Drop for SessionRequest {
    fn drop(&mut self) {
        self.session.leave(&self.id, self.serial);
    }
}

/// Prints neither the session nor the id.
impl fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRequest").finish_non_exhaustive()
    }
}

/// Runs the work of a request until it completes. If the client of the session cancels the request first, drops the
/// work. Without a session, only runs the work.
pub(in crate::protocol) struct UntilCancelled<F> {
    work: Option<Pin<Box<F>>>,
    session: Option<(Arc<SessionRequest>, Cancellation)>,
}

type Cancellation = Pin<Box<WaitForCancellationFutureOwned>>;

impl<F> UntilCancelled<F> {
    pub(in crate::protocol) fn new(
        request: Option<&Arc<SessionRequest>>,
        work: Pin<Box<F>>,
    ) -> Self {
        let session = request.map(|request| {
            let cancelled = request.cancelled.clone().cancelled_owned();
            (Arc::clone(request), Box::pin(cancelled))
        });
        Self {
            work: Some(work),
            session,
        }
    }
}

impl<F: Future<Output = Result<Output, Ended>>> Future for UntilCancelled<F> {
    type Output = Result<Output, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Poll the cancellation first, so that a cancelled call does not continue for another step.
        if let Some((_, cancelled)) = &mut self.session
            && cancelled.as_mut().poll(cx).is_ready()
        {
            self.work = None;
            return Poll::Ready(Err(Ended::Error(CANCELLED.to_owned())));
        }
        match &mut self.work {
            Some(work) => work.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

const CANCELLED: &str = "The client cancelled the request";
