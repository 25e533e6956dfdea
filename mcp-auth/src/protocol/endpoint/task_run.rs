//! Runs the function of a task, independently of the request that began the task, and stores the result.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::identity::{Caller, Unavailable};
use crate::primitive::{Channel, Output};

use super::super::record::Ended;
use super::super::running_tasks::Running;
use super::super::task_record::{TaskRecord, TaskState, new_id, owner, subject};
use super::super::tasks::StoredTask;
use super::super::{RefusedMessage, Response};
use super::outliving::OutlivingCall;
use super::target::CallEnd;
use super::{Endpoint, Request, Stopped};

/// A call that may become a task.
pub(super) struct NewTask<'a> {
    pub(super) end: CallEnd<'a>,
    /// The arguments, as JSON.
    pub(super) arguments: &'a str,
    pub(super) work: Work,
}

/// A running function. Dropping the value stops the function.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Output, Ended>> + Send>>;

/// The Tokio task that runs the function.
pub(super) struct TaskRun {
    pub(super) call: OutlivingCall,
    pub(super) stored: StoredTask,
    pub(super) record: TaskRecord,
    pub(super) running: Running,
}

impl Endpoint {
    /// Runs the function until it waits. Then makes an MCP task, and runs the rest of the function in the background.
    /// If the function ends or asks a question before it waits, the response is an ordinary response. A plain `fn` waits
    /// before its body, after all checks.
    ///
    /// # Errors
    ///
    /// - The function ended before it waited, and its response is an error.
    /// - The store cannot be reached.
    pub(super) async fn begin_task(
        self: &Arc<Self>,
        request: &Request<'_>,
        NewTask {
            end,
            arguments,
            mut work,
        }: NewTask<'_>,
        channel: Arc<Channel>,
    ) -> Result<Response, Stopped> {
        channel.stop_at_wait();
        let outcome = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if channel.has_waited(cx.waker()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        if let Some(outcome) = outcome.await {
            return self.conclude(request.reply_to(), end, outcome);
        }
        let failed = |text| Ok(self.results.failure(request.id, request.era, text));
        let (Some(caller), Some(id)) = (end.caller, new_id()) else {
            return failed(NOT_STARTED);
        };
        let Some(running) = self.config.tasks.enter(&id) else {
            return failed(NOT_STARTED);
        };
        let capabilities = request.params.meta()?.capabilities();
        let record = self.new_record(caller, &end, arguments, capabilities.unwrap_or_default());
        let seed = StoredTask {
            id,
            subject: subject(caller),
            owner: owner(caller, end.bound_org, end.url_org),
            revision: 0,
            expires_at: 0,
            content: String::new(),
        };
        let ttl = self.config.tasks.ttl();
        let Some(stored) = record.stored(&seed, record.created, ttl) else {
            return failed(NOT_STARTED);
        };
        let response = self
            .results
            .task_created(request.id, &record.created(&stored));
        let run = TaskRun {
            call: OutlivingCall::of(self, request, &end),
            stored: stored.clone(),
            record,
            running,
        };
        let tasks = Arc::clone(&self.config.tasks);
        let create = async move {
            let is_stored = tasks.create(stored).await;
            if let Ok(true) = is_stored {
                channel.proceed();
            }
            is_stored
        };
        match run.spawn(create, work).await {
            Ok(true) => Ok(response),
            Ok(false) => failed(TOO_MANY),
            Err(unavailable) => Err(RefusedMessage::Unavailable(unavailable).into()),
        }
    }

    fn new_record(
        &self,
        caller: &Caller,
        end: &CallEnd<'_>,
        arguments: &str,
        capabilities: &str,
    ) -> TaskRecord {
        let now = self.config.clock.unix_ms();
        TaskRecord {
            caller: owner(caller, None, end.url_org),
            tool: end.served.name().to_owned(),
            arguments: arguments.to_owned(),
            capabilities: capabilities.to_owned(),
            created: now,
            updated: now,
            state: TaskState::Working {
                lease: lease_from(now),
            },
            answers: Default::default(),
            rounds: 0,
        }
    }
}

/// The reason why a function stops before its end.
enum Stop {
    /// The client cancelled the task, the task expired, or the server is stopping.
    Cancelled,
    /// The caller's access was revoked.
    Revoked,
}

impl TaskRun {
    /// Stores the task with `store` and then runs the function, both in the background, so that a request that ends early
    /// leaves no stored task without its function. Returns the result of `store`. If the task is not stored, drops the
    /// function.
    pub(super) async fn spawn(
        self,
        store: impl Future<Output = Result<bool, Unavailable>> + Send + 'static,
        work: Work,
    ) -> Result<bool, Unavailable> {
        let (sender, stored) = oneshot::channel();
        let run = async move {
            let is_stored = store.await;
            let _ = sender.send(is_stored);
            if let Ok(true) = is_stored {
                self.drive(work).await;
            }
        };
        tokio::spawn(run.in_current_span().with_current_subscriber());
        // The sender is dropped without a message only if the store panics.
        stored.await.unwrap_or(Ok(false))
    }

    async fn drive(mut self, mut work: Work) {
        let ttl = self.call.endpoint.config.tasks.ttl();
        let cancelled = self.running.cancelled();
        let ended = loop {
            let stopped = select(
                Box::pin(self.call.revoked()),
                Box::pin(cancelled.cancelled()),
            );
            // Poll the revocation first, so that no result is stored after a revocation.
            let either = select(stopped, &mut work);
            let either = match timeout(RENEWAL.min(ttl / 2), either).await {
                Ok(Either::Left((Either::Left(_), _))) => Some(Err(Stop::Revoked)),
                Ok(Either::Left((Either::Right(_), _))) => Some(Err(Stop::Cancelled)),
                Ok(Either::Right((outcome, _))) => Some(Ok(outcome)),
                Err(_) => None,
            };
            match either {
                Some(ended) => break ended,
                None if self.renew().await => {}
                None => break Err(Stop::Cancelled),
            }
        };
        drop(work);
        match ended {
            Ok(outcome) => self.finish(outcome).await,
            Err(Stop::Revoked) => {
                self.record.state = failed(REVOKED);
                self.store_end().await;
            }
            Err(Stop::Cancelled) if self.call.endpoint.config.tasks.is_stopping() => {
                self.record.state = failed(STOPPED);
                self.store_end().await;
            }
            // The client cancelled the task, or the task has expired. The store has this state already.
            Err(Stop::Cancelled) => {}
        }
    }

    /// Renews the lease, so that other processes know that the function still runs. Also extends the time for which the
    /// task is kept. Returns false if the task has ended or expired.
    async fn renew(&mut self) -> bool {
        let endpoint = Arc::clone(&self.call.endpoint);
        let now = endpoint.config.clock.unix_ms();
        if self.stored.expires_at <= now {
            return false;
        }
        self.record.state = TaskState::Working {
            lease: lease_from(now),
        };
        let Some(next) = self
            .record
            .stored(&self.stored, now, endpoint.config.tasks.ttl())
        else {
            return true;
        };
        match endpoint.config.tasks.renew(next.clone()).await {
            Ok(true) => {
                self.stored = next;
                true
            }
            Ok(false) => false,
            // The next renewal tries again.
            Err(_) => true,
        }
    }

    async fn finish(&mut self, outcome: Result<Output, Ended>) {
        self.ended(outcome);
        self.store_end().await;
    }

    /// Sets the state of the task after the function ended. The state depends on the response that the call would have
    /// without a task.
    fn ended(&mut self, outcome: Result<Output, Ended>) {
        if let Err(Ended::Fault(text)) = &outcome {
            self.record.state = failed(text);
            return;
        }
        let asks = if let Err(Ended::Asking(asking)) = &outcome {
            self.record.ask(asking);
            true
        } else {
            false
        };
        let body = self.call.response(outcome);
        let Ok(Reply { result, error }) = serde_json::from_slice(&body) else {
            self.record.state = failed("The function has no result.");
            return;
        };
        self.record.state = match (result, error) {
            // The task asks the same questions that the response would ask.
            (Some(result), _) if asks && waits(result) => return,
            (Some(result), _) => TaskState::Completed(result.to_owned()),
            (None, Some(error)) => TaskState::Failed(error.to_owned()),
            (None, None) => failed("The function has no result."),
        };
    }

    /// Stores the state of the task after the function ended. If the store fails, tries a few times more. Then stores
    /// that the task failed, because the result may be too long for the store.
    async fn store_end(&mut self) {
        let endpoint = Arc::clone(&self.call.endpoint);
        for pause in PAUSES {
            let now = endpoint.config.clock.unix_ms();
            self.record.updated = now;
            let ttl = endpoint.config.tasks.ttl();
            let Some(next) = self.record.stored(&self.stored, now, ttl) else {
                return;
            };
            if endpoint.config.tasks.replace(next).await.is_ok() {
                // Another request changed the task, so the client has cancelled the task.
                return;
            }
            sleep(pause).await;
            if pause == LAST_PAUSE {
                self.record.state = failed("The result could not be stored.");
            }
        }
    }
}

/// The response that the call would have without a task.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Returns true if a result asks questions.
fn waits(result: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "resultType")]
        result_type: Option<&'a str>,
    }
    let typed: Result<Typed<'_>, _> = serde_json::from_str(result.get());
    typed.is_ok_and(|typed| typed.result_type == Some("input_required"))
}

/// The state of a task that ended with an internal error.
pub(super) fn failed(text: &str) -> TaskState {
    let error = to_raw_value(&json!({ "code": -32603, "message": text }));
    // A text can always be written as JSON.
    TaskState::Failed(error.unwrap_or_else(|_| RawValue::NULL.to_owned()))
}

/// Returns the time until which the task counts as running if the lease is not renewed.
pub(super) fn lease_from(now: u64) -> u64 {
    now.saturating_add(LEASE_MS)
}

const NOT_STARTED: &str = "The task could not be started.";
const TOO_MANY: &str = "There is no room for another task. Wait until earlier tasks have expired, or call the tool later.";
const REVOKED: &str = "The access of the caller was revoked while the task ran.";
const STOPPED: &str = "The server was stopped while the task ran. Call the tool again.";
const LEASE_MS: u64 = 60_000;
/// The longest time between two renewals of a lease.
const RENEWAL: Duration = Duration::from_secs(20);
/// The pauses between the attempts to store the end of a task.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    LAST_PAUSE,
    Duration::ZERO,
];
const LAST_PAUSE: Duration = Duration::from_secs(3);
