//! A request of a session while it runs, and its cancellation.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio_util::sync::CancellationToken;

use crate::primitive::Output;

use super::super::record::Ended;
use super::session::Session;

/// A request of a session. It lasts as long as its work, which may outlive the connection.
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

    /// Returns true if the client cancelled the request. It gets no response then (MCP 2025-11-25,
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

/// Shows neither the session nor the id.
impl fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRequest").finish_non_exhaustive()
    }
}

/// Runs the work of a request until it completes, or until the client of the session cancels the request. The work is
/// dropped then.
pub(in crate::protocol) async fn until_cancelled(
    request: Option<Arc<SessionRequest>>,
    work: impl Future<Output = Result<Output, Ended>>,
) -> Result<Output, Ended> {
    let Some(request) = request else {
        return work.await;
    };
    let cancelled = request.cancelled.cancelled();
    // The cancellation comes first, so that a cancelled call does not continue for another step.
    match select(pin!(cancelled), pin!(work)).await {
        Either::Left(_) => Err(Ended::Error("The client cancelled the request".to_owned())),
        Either::Right((outcome, _)) => outcome,
    }
}
