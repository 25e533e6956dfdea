//! The methods of the extension for tasks. Each request is authorized anew: the task must belong to the caller, and the
//! guard of its tool must allow the caller now. Otherwise the client gets the response for an unknown task.
//!
//! Source: the MCP extension `io.modelcontextprotocol/tasks`.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::audit::AuditOutcome;
use crate::guard::{Authorized, NotAuthorized};
use crate::identity::{Acting, Caller, UrlOrg, parse_object};
use crate::primitive::{
    CallEnvironment, Concurrency, Dialogue, Input, Served, TaskSupport, Wanted,
};

use super::super::audited::Audited;
use super::super::decisions::{Cause, Kind, NO_ORGANIZATION, UNDECIDED};
use super::super::era::Era;
use super::super::error::RpcError;
use super::super::method::Method;
use super::super::rates::{Counting, Limited};
use super::super::record::Record;
use super::super::request_state::Bound;
use super::super::results::TASKS;
use super::super::running_tasks::RunningTasks;
use super::super::task_record::{TaskRecord, TaskState, owner, subject};
use super::super::tasks::StoredTask;
use super::super::{RefusedMessage, Response};
use super::outliving::OutlivingCall;
use super::target::{CallEnd, Target};
use super::task_run::{self, TaskRun, lease_from};
use super::{Endpoint, Request, Stopped, facts, not_found};

/// A task whose caller may use it now.
pub(super) struct FoundTask {
    pub(super) stored: StoredTask,
    pub(super) record: TaskRecord,
    served: Arc<Served>,
    acting: Acting,
    proof: Authorized,
    log: Record,
}

impl Endpoint {
    /// Returns the running tasks of this process, which end when the server stops.
    pub(crate) fn tasks(&self) -> Arc<RunningTasks> {
        Arc::clone(&self.config.tasks)
    }

    /// Returns true if this call runs as a task.
    ///
    /// # Errors
    ///
    /// - The tool runs only as a task, and the client has not declared the extension.
    /// - The tool runs only as a task, and the request has no token. A task belongs to the caller of a token.
    pub(super) fn runs_as_task(
        request: &Request<'_>,
        caller: Option<&Caller>,
        tool: &Served,
        target: Target<'_>,
    ) -> Result<bool, Stopped> {
        let (Some(support), Target::Tool) = (tool.task(), target) else {
            return Ok(false);
        };
        let knows_tasks = request.era == Era::Modern && declares_tasks(request)?;
        match (support, caller) {
            (_, Some(_)) if knows_tasks => Ok(true),
            (TaskSupport::Optional, _) => Ok(false),
            (TaskSupport::Required, None) => {
                let scopes = Vec::new();
                Err(RefusedMessage::SignIn { scopes }.into())
            }
            (TaskSupport::Required, Some(_)) => Err(lacks_tasks(request.era).into()),
        }
    }

    /// Responds to a method of the extension.
    pub(super) async fn answer_task_request(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
        method: &str,
    ) -> Result<Response, Stopped> {
        // The boxes keep the futures of all other requests small.
        match method {
            _ if !self.config.registry.has_tasks() => Err(not_found(request.era)),
            "tasks/get" => Box::pin(self.get_task(caller, request)).await,
            "tasks/update" => Box::pin(self.update_task(caller, request)).await,
            "tasks/cancel" => Box::pin(self.cancel_task(caller, request)).await,
            _ => Err(not_found(request.era)),
        }
    }

    /// Responds to `tasks/get`.
    async fn get_task(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let method = Method::GetTask;
        let (caller, id) = self.enter_task_request(caller, request, method).await?;
        let trace_id = self.trace_id(request);
        let task = self.current_task(caller, (request.url_org, &id), method, trace_id);
        let task = task.await?;
        let detailed = task.record.detailed(&task.stored);
        Ok(self.results.task_detailed(request.id, &detailed))
    }

    /// Finds a task of the caller as [`find_task`](Self::find_task) does. If the process that ran the task has ended,
    /// first marks the task as failed.
    pub(super) async fn current_task(
        &self,
        caller: &Caller,
        (url_org, id): (&UrlOrg, &str),
        method: Method,
        trace_id: Option<String>,
    ) -> Result<FoundTask, Stopped> {
        for _ in 0..ATTEMPTS {
            let task = self.find_task(caller, (url_org, id), method, trace_id.clone());
            let mut task = task.await?;
            if self.fail_if_abandoned(&mut task).await? {
                task.log.close(AuditOutcome::Allowed);
                return Ok(task);
            }
            task.log.repeat();
        }
        Err(RefusedMessage::Busy.into())
    }

    /// Responds to `tasks/update`. Ignores answers to questions that are not waiting.
    async fn update_task(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let method = Method::UpdateTask;
        let (caller, id) = self.enter_task_request(caller, request, method).await?;
        let trace_id = self.trace_id(request);
        let answers = request.params.input_responses()?;
        for _ in 0..ATTEMPTS {
            let found = self.find_task(caller, (request.url_org, &id), method, trace_id.clone());
            let mut task = found.await?;
            let is_current = self.fail_if_abandoned(&mut task).await?;
            if !is_current {
                task.log.repeat();
                continue;
            }
            let is_done = if !task.record.answer(answers.clone()) {
                task.log.close(AuditOutcome::Allowed);
                true
            } else if task.record.has_all_answers() {
                self.continue_task(caller, request, task).await?
            } else {
                self.change_and_close(task).await?
            };
            if is_done {
                return Ok(self.results.acknowledged(request.id));
            }
        }
        Err(RefusedMessage::Busy.into())
    }

    /// Responds to `tasks/cancel`. A task that has ended does not change.
    async fn cancel_task(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let method = Method::CancelTask;
        let (caller, id) = self.enter_task_request(caller, request, method).await?;
        let trace_id = self.trace_id(request);
        for _ in 0..ATTEMPTS {
            let found = self.find_task(caller, (request.url_org, &id), method, trace_id.clone());
            let mut task = found.await?;
            let is_done = if task.record.is_final() {
                task.log.close(AuditOutcome::Allowed);
                true
            } else {
                task.record.state = TaskState::Cancelled;
                self.change_and_close(task).await?
            };
            if is_done {
                self.config.tasks.cancel(&id);
                return Ok(self.results.acknowledged(request.id));
            }
        }
        Err(RefusedMessage::Busy.into())
    }

    /// Makes the checks of a request that need no look-up, and returns the caller and the id of the task.
    async fn enter_task_request<'a>(
        &self,
        caller: Option<&'a Caller>,
        request: &Request<'_>,
        method: Method,
    ) -> Result<(&'a Caller, String), Stopped> {
        let id = request.params.task_id();
        if let Ok(id) = &id {
            request.era.check_name(request.mirrored, id)?;
        }
        if !declares_tasks(request)? {
            return Err(lacks_tasks(request.era).into());
        }
        let id = id?.into_owned();
        let caller = caller.ok_or(RefusedMessage::SignIn { scopes: Vec::new() })?;
        let counting = Counting {
            tool: None,
            allowed: true,
            caller: Some(caller),
            org: None,
            party: request.party,
        };
        self.rates.take(counting).await.map_err(|refused| {
            let (outcome, reason) = (AuditOutcome::Limited, refused.reason());
            let cause = Cause::of_limit(refused, &reason);
            self.decisions.refused(method, Some(caller), outcome, cause);
            limited(refused)
        })?;
        Ok((caller, id))
    }

    /// Finds a task of the caller, and decides the guard of its tool with current data.
    ///
    /// # Errors
    ///
    /// - The task does not exist, belongs to another caller or to another organization of the caller, or the guard of
    ///   its tool denies the caller. The error is the same in all these cases.
    /// - The organization or the task cannot be looked up now.
    async fn find_task(
        &self,
        caller: &Caller,
        (url_org, id): (&UrlOrg, &str),
        method: Method,
        trace_id: Option<String>,
    ) -> Result<FoundTask, Stopped> {
        let unknown = || Stopped::from(RpcError::InvalidParams(UNKNOWN));
        let no_task = || {
            let audits = self.decisions.audits();
            let audited = audits.then(|| Audited::traced(trace_id.clone()));
            self.decisions
                .unknown(method, Kind::Task, Some(caller), audited);
            unknown()
        };
        if id.len() > MOST_ID {
            return Err(no_task());
        }
        let stored = self.config.tasks.load(id).await;
        let stored = stored.map_err(RefusedMessage::Unavailable)?;
        let now = self.config.clock.unix_ms();
        let stored = stored.filter(|task| task.expires_at > now);
        let stored = stored.ok_or_else(no_task)?;
        let record = TaskRecord::read_of(&stored, &subject(caller));
        // Compare without a look-up. Even if Clerk cannot be reached, the response about a foreign task must be the
        // response about an unknown task.
        let record = record.filter(|record| record.caller == owner(caller, None, url_org));
        let record = record.ok_or_else(no_task)?;
        let served = self.config.registry.find(&record.tool);
        let served = served.filter(|served| served.task().is_some());
        let served = served.ok_or_else(no_task)?;
        let mut log = Record::open(&self.decisions, method, served, Some(caller));
        log.has_trace(trace_id.clone());
        log.reserve().await.map_err(|_| RefusedMessage::Unaudited)?;
        let facts = served
            .wants_organization()
            .then(|| facts(served.guard(), self.config.trust_token_org));
        let acting = self.acting(Some(caller), url_org, facts).await;
        let acting = acting.map_err(|unavailable| {
            log.unavailable(NO_ORGANIZATION);
            RefusedMessage::Unavailable(unavailable)
        })?;
        log.acts_in(&acting);
        let org = acting.org.as_ref();
        let bound_org = self.org_at_issuer(caller, org).await;
        let bound_org = bound_org.map_err(|unavailable| {
            log.unavailable(NO_ORGANIZATION);
            RefusedMessage::Unavailable(unavailable)
        })?;
        if stored.owner != owner(caller, bound_org.as_ref().or(org), url_org) {
            log.fail("the task belongs to another organization");
            return Err(unknown());
        }
        let proof = match self.decide(served.guard(), Some(caller), Ok(&acting)) {
            Ok(proof) => proof,
            Err(NotAuthorized::Denied(denied)) => {
                log.deny(&denied);
                return Err(unknown());
            }
            Err(NotAuthorized::Unauthenticated) => {
                log.fail("the guard needs a token");
                return Err(unknown());
            }
            Err(NotAuthorized::Unavailable(unavailable)) => {
                log.unavailable(UNDECIDED);
                return Err(RefusedMessage::Unavailable(unavailable).into());
            }
        };
        Ok(FoundTask {
            served: Arc::clone(served),
            stored,
            record,
            acting,
            proof,
            log,
        })
    }

    /// Marks a task as failed if the process that ran the task has ended. Returns false if another request has changed
    /// the task meanwhile.
    async fn fail_if_abandoned(&self, task: &mut FoundTask) -> Result<bool, Stopped> {
        let now = self.config.clock.unix_ms();
        if !task.record.is_abandoned(now) || self.config.tasks.runs_here(&task.stored.id) {
            return Ok(true);
        }
        task.record.state = task_run::failed(RESTARTED);
        self.change_task(task).await
    }

    /// Stores the changed state of a task. Returns false if another request has changed the task meanwhile.
    async fn change_task(&self, task: &mut FoundTask) -> Result<bool, Stopped> {
        let now = self.config.clock.unix_ms();
        task.record.updated = now;
        let ttl = self.config.tasks.ttl();
        let next = task.record.stored(&task.stored, now, ttl);
        let next = next.ok_or_else(|| RpcError::Failed(NOT_STORED.to_owned()))?;
        let is_stored = self.config.tasks.replace(next.clone()).await;
        let is_stored = is_stored.map_err(|unavailable| {
            task.log.fail(STORE_FAILED);
            RefusedMessage::Unavailable(unavailable)
        })?;
        task.stored = next;
        Ok(is_stored)
    }

    /// Stores the changed state of a task, and ends the record of the request. Returns false if another request has
    /// changed the task meanwhile.
    async fn change_and_close(&self, mut task: FoundTask) -> Result<bool, Stopped> {
        let is_stored = self.change_task(&mut task).await?;
        match is_stored {
            true => task.log.close(AuditOutcome::Allowed),
            false => task.log.repeat(),
        }
        Ok(is_stored)
    }

    /// Runs the function of a task again, with all answers. Returns false if another request has changed the task
    /// meanwhile.
    async fn continue_task(
        self: &Arc<Self>,
        caller: &Caller,
        request: &Request<'_>,
        task: FoundTask,
    ) -> Result<bool, Stopped> {
        let FoundTask {
            stored,
            mut record,
            served,
            acting,
            proof,
            mut log,
        } = task;
        let org = acting.org.as_ref();
        let slot = served.concurrency().map(Concurrency::take).transpose();
        let slot = slot.map_err(|most| {
            let full = Limited::Concurrency(most);
            log.limit(full);
            limited(full)
        })?;
        let in_flight = self.calls.enter(Some(caller), org, request.party);
        let in_flight = in_flight.map_err(|full| {
            log.full(full);
            RefusedMessage::Busy
        })?;
        // The request itself has counted for the rates of the server.
        let counting = Counting {
            tool: Some(&served),
            allowed: true,
            caller: Some(caller),
            org,
            party: request.party,
        };
        self.rates.take_own(counting).await.map_err(|exceeded| {
            log.limit(exceeded);
            limited(exceeded)
        })?;
        let Some(running) = self.config.tasks.enter(&stored.id) else {
            log.repeat();
            return Ok(false);
        };
        let now = self.config.clock.unix_ms();
        let given = record.given();
        record.state = TaskState::Working {
            lease: lease_from(now),
        };
        record.updated = now;
        let ttl = self.config.tasks.ttl();
        let next = record.stored(&stored, now, ttl);
        let next = next.ok_or_else(|| RpcError::Failed(NOT_STORED.to_owned()))?;
        let interval = self.config.progress_interval;
        let channel = served.channel(Wanted::default(), interval, Dialogue::new(given));
        let env = CallEnvironment {
            states: &self.config.states,
            organizations: &self.config.organizations,
            url_org: request.url_org,
            threads: &self.config.threads,
            party: request.party,
            timeout: self.config.tasks.ttl(),
            channel: channel.as_ref(),
        };
        log.has_arguments(&record.arguments);
        let input = Input::Arguments(record.arguments.as_str().into());
        log.calls();
        let route = self.asking_route(request, &served);
        // If the task cannot be stored, the function does not run, and this request ends the record.
        let log = Arc::new(Mutex::new(log));
        let of_function = Arc::clone(&log);
        let ended = move |outcome| {
            let log = of_function.lock();
            route.end(outcome, &mut log.unwrap_or_else(PoisonError::into_inner))
        };
        let work = served.call(proof, &env, input, (slot, in_flight), ended);
        let end = CallEnd {
            served: &served,
            target: Target::Tool,
            caller: Some(caller),
            org,
            named_by: acting.named_by,
            bound_org: org,
            url_org: request.url_org,
            arguments: Bound::Text(&record.arguments),
            is_retry: true,
            route,
            has_head: false,
        };
        let run = TaskRun {
            call: OutlivingCall::of(self, request, &end),
            stored: next.clone(),
            record,
            running,
        };
        let tasks = Arc::clone(&self.config.tasks);
        let replace = async move { tasks.replace(next).await };
        let is_stored = run.spawn(replace, Box::pin(work)).await;
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        match &is_stored {
            Ok(true) => {}
            Ok(false) => log.repeat(),
            Err(_) => log.fail(STORE_FAILED),
        }
        Ok(is_stored.map_err(RefusedMessage::Unavailable)?)
    }
}

/// Returns true if the client declared the extension for tasks.
pub(super) fn declares_tasks(request: &Request<'_>) -> Result<bool, RpcError> {
    let Some(capabilities) = request.params.meta()?.capabilities() else {
        return Ok(false);
    };
    let capabilities = parse_object(capabilities.as_bytes()).unwrap_or_default();
    let extensions = capabilities.get("extensions");
    let tasks = extensions.and_then(|extensions| extensions.get(TASKS));
    Ok(tasks.is_some_and(Value::is_object))
}

/// The error for a client that has not declared the extension. A legacy client cannot declare it.
pub(super) fn lacks_tasks(era: Era) -> RpcError {
    match era {
        Era::Legacy => RpcError::Failed(NO_TASKS.to_owned()),
        Era::Modern => {
            let mut missing = Map::new();
            missing.insert("extensions".to_owned(), json!({ TASKS: {} }));
            RpcError::MissingCapability(missing)
        }
    }
}

pub(super) fn limited(limited: Limited) -> RpcError {
    RpcError::Limited {
        text: limited.to_string(),
        retry_after: limited.retry_after(),
    }
}

const UNKNOWN: &str = "`taskId` is unknown, or the task has expired";
const STORE_FAILED: &str = "the store of tasks failed";
const NOT_STORED: &str = "The task could not be stored.";
const NO_TASKS: &str = "This tool runs as a task. It needs a client of MCP 2026-07-28 with the extension \
     `io.modelcontextprotocol/tasks`.";
const RESTARTED: &str =
    "The server was restarted while the task ran. Its result is lost; call the tool again.";
/// The largest length of an id. It is greater than the length of the ids that the server makes.
const MOST_ID: usize = 64;
/// How often the server tries to change a task while other requests change the same task.
const ATTEMPTS: usize = 8;
