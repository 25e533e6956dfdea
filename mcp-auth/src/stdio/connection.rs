//! Handles the messages of the only client.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::task::AbortHandle;

use crate::identity::{Authenticator, Caller, UrlOrg};
use crate::limits::Party;
use crate::protocol::{
    Challenger, Endpoint, Header, Headers, Mirrored, Outline, RequestKind, Response, RpcError,
    Sender, SessionId,
};

use super::credentials::{Credentials, party};
use super::output::{Closed, Output};
use super::refusal;
use super::running::{Running, RunningRequest};

/// The connection to the client.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) credentials: Credentials,
    /// A server over stdio sends no challenges.
    challenger: Challenger,
    pub(super) output: Output,
    running: Arc<Running>,
    /// The session of a legacy client, and the task that writes its messages that belong to no call.
    session: Mutex<Option<(Arc<SessionId>, AbortHandle)>>,
}

/// A message that the server has read and not yet handled.
pub(super) struct Pending {
    outline: Outline,
    body: Bytes,
    /// The entry among the running requests. `None` if the message is not a request.
    request: Option<RunningRequest>,
    /// The handle that cancels the request to which the message refers.
    target: Option<tokio_util::sync::CancellationToken>,
}

impl Pending {
    /// Returns true if this message opens a session that later messages depend on.
    pub(super) fn opens_session(&self) -> bool {
        self.kind() == Some(RequestKind::Initialize)
    }

    fn kind(&self) -> Option<RequestKind> {
        match self.outline {
            Outline::Request { kind, .. } => Some(kind),
            Outline::Cancellation(_)
            | Outline::Malformed(_)
            | Outline::Notification
            | Outline::Response => None,
        }
    }
}

impl Connection {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        authenticator: Arc<Authenticator>,
        credentials: Credentials,
        output: Output,
    ) -> Self {
        Self {
            endpoint,
            authenticator,
            credentials,
            challenger: Challenger::new(String::new()),
            output,
            running: Arc::default(),
            session: Mutex::default(),
        }
    }

    /// Notes a message in the order of the lines, so that a later message can cancel it.
    pub(super) fn note(&self, body: Bytes) -> Pending {
        let outline = Outline::of(&body);
        let (mut request, mut target) = (None, None);
        match &outline {
            Outline::Request { id, .. } => request = Some(self.running.enter(id)),
            Outline::Cancellation(id) => target = self.running.find(id),
            Outline::Malformed(_) | Outline::Notification | Outline::Response => {}
        }
        Pending {
            outline,
            body,
            request,
            target,
        }
    }

    /// Handles a message, and sends its responses. Stops if the client cancels the request, or stops reading.
    pub(super) async fn handle(self: Arc<Self>, pending: Pending) {
        let cancelled = pending.request.as_ref();
        let cancelled = cancelled.map(|request| request.cancelled.clone());
        let answer = AssertUnwindSafe(self.answer(&pending)).catch_unwind();
        let ended = match cancelled {
            Some(cancelled) => cancelled.run_until_cancelled(answer).await,
            None => Some(answer.await),
        };
        // The hook for panics has written the panic to stderr.
        if matches!(ended, Some(Err(_))) && pending.outline.is_answered() {
            let error = RpcError::Failed("The server failed to handle the message.".to_owned());
            let response = error.answer(pending.outline.id());
            let _ = self.write(&pending, response, (None, party(None))).await;
        }
        // The protocol has already cancelled a call of a session. Any other request is cancelled by dropping its future.
        if let Some(target) = &pending.target {
            target.cancel();
        }
    }

    async fn answer(self: &Arc<Self>, pending: &Pending) -> Result<(), Closed> {
        let outline = &pending.outline;
        let caller = match self.credentials.verify(&self.authenticator).await {
            Ok(caller) => caller,
            Err(_) if !outline.is_answered() => return Ok(()),
            Err(error) => {
                let problem = refusal::of_token(error);
                return self.output.send(problem.message(outline.id())).await;
            }
        };
        let party = party(caller.as_ref());
        let session = self.session().as_ref().map(|(id, _)| Arc::clone(id));
        let mirrored = Mirrored {
            required: false,
            version: Header::Absent,
            method: Header::Absent,
            name: Header::Absent,
            arguments: &OnlySession(session),
        };
        let sender = Sender {
            caller: caller.as_ref(),
            party,
            streams: true,
            token: self.credentials.token(),
            span: None,
        };
        let body = pending.body.clone();
        let response = self
            .endpoint
            .handle(&mirrored, sender, &UrlOrg::Absent, body, &self.challenger)
            .await;
        self.write(pending, response, (caller.as_ref(), party))
            .await
    }

    async fn write(
        self: &Arc<Self>,
        pending: &Pending,
        response: Response,
        (caller, party): (Option<&Caller>, Party),
    ) -> Result<(), Closed> {
        let response = match response {
            Response::Opened { session, response } => {
                self.open(session, caller, party);
                *response
            }
            response => response,
        };
        let outline = &pending.outline;
        match response {
            Response::Accepted | Response::Opened { .. } => Ok(()),
            Response::Message { .. } | Response::Refused { .. } if !outline.is_answered() => {
                tracing::debug!(target: "mcp_auth", "a message that gets no response was refused");
                Ok(())
            }
            Response::List { start, rest } => {
                let list = [&*start, &*rest].concat();
                self.output.send(list).await
            }
            Response::Message { body, .. } => self.output.send(body).await,
            Response::Refused { refusal, .. } => {
                let problem = refusal::of_message(&refusal);
                self.output.send(problem.message(outline.id())).await
            }
            Response::Stream(mut events) => {
                while let Some(event) = events.next().await {
                    self.output.send(event.message).await?;
                }
                match (pending.kind(), outline.id()) {
                    (Some(RequestKind::Listen), Some(id)) => self.output.send(closed(id)).await,
                    _ => Ok(()),
                }
            }
        }
    }

    /// Begins a session, which replaces the session before.
    fn open(self: &Arc<Self>, id: SessionId, caller: Option<&Caller>, party: Party) {
        let id = Arc::new(id);
        let forward = Arc::clone(self).forward(Arc::clone(&id), caller.cloned(), party);
        let task = tokio::spawn(forward).abort_handle();
        let before = self.session().replace((id, task));
        if let Some((_, task)) = before {
            task.abort();
        }
    }

    /// Sends the messages of a session that belong to no call, as long as the caller's token is accepted.
    async fn forward(self: Arc<Self>, id: Arc<SessionId>, caller: Option<Caller>, party: Party) {
        let caller = (caller.as_ref(), self.credentials.token());
        let events = self.endpoint.open_process_stream(&id, caller, party);
        let Some(mut events) = events else { return };
        while let Some(event) = events.next().await {
            if self.output.send(event.message).await.is_err() {
                return;
            }
        }
    }

    /// Locks the session. Ignores poisoning: no code panics while it holds this lock, so the session cannot be half
    /// changed.
    fn session(&self) -> MutexGuard<'_, Option<(Arc<SessionId>, AbortHandle)>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some((_, task)) = self.session().take() {
            task.abort();
        }
    }
}

/// Returns the message that closes a stream of `subscriptions/listen` (MCP 2026-07-28, basic/patterns/cancellation).
fn closed(id: &str) -> Vec<u8> {
    let message = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    );
    message.into_bytes()
}

/// The headers that a message would have over HTTP. There is only one: the id of the session.
struct OnlySession(Option<Arc<SessionId>>);

impl Headers for OnlySession {
    fn header(&self, name: &str) -> Header<'_> {
        match &self.0 {
            Some(id) if name.eq_ignore_ascii_case("mcp-session-id") => Header::Value(id.expose()),
            Some(_) | None => Header::Absent,
        }
    }
}
