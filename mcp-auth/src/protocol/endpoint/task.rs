//! The methods of the extension for tasks. Each request is authorized anew: the task must belong to its caller, and the
//! guard of its tool must allow the caller now. Any other task is unknown.
//!
//! Source: the MCP extension `io.modelcontextprotocol/tasks`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::guard::{Authorized, NotAuthorized};
use crate::identity::{Acting, Caller};
use crate::primitive::{
    CallEnvironment, Concurrency, Dialogue, Input, Reference, Served, TaskSupport, Wanted,
};

use super::super::era::Era;
use super::super::error::RpcError;
use super::super::rates::{Counting, Limited};
use super::super::record::Record;
use super::super::results::TASKS;
use super::super::running_tasks::RunningTasks;
use super::super::task_record::{TaskRecord, TaskState, owner};
use super::super::tasks::StoredTask;
use super::super::{RefusedMessage, Response};
use super::outliving::OutlivingCall;
use super::target::{CallEnd, Target};
use super::task_run::{self, TaskRun, lease_from};
use super::{Endpoint, Request, Stopped, facts, not_found};

/// A task whose caller may use it now.
struct FoundTask {
    stored: StoredTask,
    record: TaskRecord,
    served: Arc<Served>,
    acting: Acting,
    proof: Authorized,
    log: Record,
}

impl Endpoint {
    /// The tasks, which end when the server stops.
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
        let (caller, id) = self.enter_task_request(caller, request).await?;
        for _ in 0..ATTEMPTS {
            let mut task = self.find_task(caller, request, &id).await?;
            if self.fail_if_abandoned(&mut task).await? {
                task.log.close("allowed");
                let detailed = task.record.detailed(&task.stored);
                return Ok(self.results.task_detailed(request.id, &detailed));
            }
        }
        Err(RefusedMessage::Busy.into())
    }

    /// Responds to `tasks/update`. Answers to questions that do not wait are ignored.
    async fn update_task(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let (caller, id) = self.enter_task_request(caller, request).await?;
        let answers = request.params.input_responses()?.unwrap_or("{}");
        let answers: Map<String, Value> =
            serde_json::from_str(answers).map_err(|_| RpcError::InvalidParams(ANSWERS))?;
        for _ in 0..ATTEMPTS {
            let mut task = self.find_task(caller, request, &id).await?;
            let is_current = self.fail_if_abandoned(&mut task).await?;
            if !is_current {
                continue;
            }
            let is_done = if !task.record.answer(answers.clone()) {
                task.log.close("allowed");
                true
            } else if task.record.has_all_answers() {
                self.continue_task(caller, request, task).await?
            } else {
                task.log.close("allowed");
                self.change_task(&mut task).await?
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
        let (caller, id) = self.enter_task_request(caller, request).await?;
        for _ in 0..ATTEMPTS {
            let mut task = self.find_task(caller, request, &id).await?;
            task.log.close("allowed");
            let is_done = task.record.is_final() || {
                task.record.state = TaskState::Cancelled;
                self.change_task(&mut task).await?
            };
            if is_done {
                self.config.tasks.cancel(&id);
                return Ok(self.results.acknowledged(request.id));
            }
        }
        Err(RefusedMessage::Busy.into())
    }

    /// Checks the parts of a request that need no look-up, and returns the caller and the id of the task.
    async fn enter_task_request<'a>(
        &self,
        caller: Option<&'a Caller>,
        request: &Request<'_>,
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
            self.config.metrics.limit_hit(refused.name());
            limited(refused)
        })?;
        Ok((caller, id))
    }

    /// Finds a task of the caller, and decides the guard of its tool with current facts.
    ///
    /// # Errors
    ///
    /// - The task does not exist, belongs to another caller or to another organization of the caller, or its tool is
    ///   denied to the caller. All these cases have the same error.
    /// - The organization or the task cannot be looked up now.
    async fn find_task(
        &self,
        caller: &Caller,
        request: &Request<'_>,
        id: &str,
    ) -> Result<FoundTask, Stopped> {
        let unknown = || Stopped::from(RpcError::InvalidParams(UNKNOWN));
        if id.len() > MOST_ID {
            return Err(unknown());
        }
        let stored = self.config.tasks.load(id).await;
        let stored = stored.map_err(RefusedMessage::Unavailable)?;
        let now = self.config.clock.unix_ms();
        let stored = stored.filter(|task| task.expires_at > now);
        let stored = stored.ok_or_else(unknown)?;
        let record = TaskRecord::read(&stored);
        // Without a look-up: if Clerk cannot be reached, a foreign task must not answer otherwise than an unknown task.
        let record = record.filter(|record| record.caller == owner(caller, None, request.url_org));
        let record = record.ok_or_else(unknown)?;
        let served = self.config.registry.find(&record.tool);
        let served = served.filter(|served| served.task().is_some());
        let served = served.ok_or_else(unknown)?;
        let mut log = Record::open_for_decision(&self.log, served, Some(caller));
        let facts = served
            .wants_organization()
            .then(|| facts(served.guard(), self.config.trust_token_org));
        let acting = self.acting(Some(caller), request.url_org, facts).await;
        let acting = acting.map_err(|unavailable| {
            log.fail("the organization could not be looked up", Reference::new());
            RefusedMessage::Unavailable(unavailable)
        })?;
        log.acts_in(acting.org.as_ref());
        let org = acting.org.as_ref();
        let bound_org = self.bound_org(Some(caller), org, served, request).await;
        let bound_org = bound_org.inspect_err(|_| {
            log.fail("the organization could not be looked up", Reference::new());
        })?;
        if stored.owner != owner(caller, bound_org.as_ref().or(org), request.url_org) {
            log.fail("the task belongs to another organization", Reference::new());
            return Err(unknown());
        }
        let proof = match self.decide(served.guard(), Some(caller), Ok(&acting)) {
            Ok(proof) => proof,
            Err(NotAuthorized::Denied(denied)) => {
                log.deny(&denied);
                return Err(unknown());
            }
            Err(NotAuthorized::Unauthenticated) => {
                log.fail("the guard needs a token", Reference::new());
                return Err(unknown());
            }
            Err(NotAuthorized::Unavailable(unavailable)) => {
                log.fail("the guard could not be decided", Reference::new());
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

    /// Marks a task as failed if the process that ran it has ended. Returns false if the task has changed meanwhile.
    async fn fail_if_abandoned(&self, task: &mut FoundTask) -> Result<bool, Stopped> {
        let now = self.config.clock.unix_ms();
        if !task.record.is_abandoned(now) || self.config.tasks.runs_here(&task.stored.id) {
            return Ok(true);
        }
        task.record.state = task_run::failed(RESTARTED);
        self.change_task(task).await
    }

    /// Stores the changed state of a task. Returns false if the task has changed meanwhile.
    async fn change_task(&self, task: &mut FoundTask) -> Result<bool, Stopped> {
        let now = self.config.clock.unix_ms();
        task.record.updated = now;
        let ttl = self.config.tasks.ttl();
        let next = task.record.stored(&task.stored, now, ttl);
        let next = next.ok_or_else(|| RpcError::Failed(NOT_STORED.to_owned()))?;
        let is_stored = self.config.tasks.replace(next.clone()).await;
        let is_stored = is_stored.map_err(RefusedMessage::Unavailable)?;
        task.stored = next;
        Ok(is_stored)
    }

    /// Runs the function of a task again, with all answers. Returns false if the task has changed meanwhile.
    async fn continue_task(
        self: &Arc<Self>,
        caller: &Caller,
        request: &Request<'_>,
        task: FoundTask,
    ) -> Result<bool, Stopped> {
        let FoundTask {
            mut stored,
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
        let Some(running) = self.config.tasks.enter(&stored.id) else {
            log.close("allowed");
            return Ok(false);
        };
        let now = self.config.clock.unix_ms();
        let given = record.given();
        record.state = TaskState::Working {
            lease: lease_from(now),
        };
        record.updated = now;
        let ttl = self.longest_task(&served);
        let next = record.stored(&stored, now, ttl);
        let next = next.ok_or_else(|| RpcError::Failed(NOT_STORED.to_owned()))?;
        let is_stored = self.config.tasks.replace(next.clone()).await;
        if !is_stored.map_err(RefusedMessage::Unavailable)? {
            log.close("allowed");
            return Ok(false);
        }
        stored = next;
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
        let arguments = record.arguments.as_str().into();
        let input = Input::Arguments(record.arguments.as_str().into());
        log.calls();
        let ended = move |outcome| log.end(outcome);
        let work = served.call(proof, &env, input, (slot, in_flight), ended);
        let end = CallEnd {
            served: &served,
            target: Target::Tool,
            caller: Some(caller),
            org,
            named_by: acting.named_by,
            bound_org: org,
            url_org: request.url_org,
            arguments: &arguments,
            is_retry: true,
            asks: false,
            has_head: false,
        };
        let run = TaskRun {
            call: OutlivingCall::of(self, request, &end),
            stored,
            record,
            running,
        };
        run.spawn(Box::pin(work));
        Ok(true)
    }

    /// Returns how long a task is kept that begins to run.
    pub(super) fn longest_task(&self, served: &Served) -> Duration {
        let ttl = self.config.tasks.ttl();
        let longest = served.longest_timeout().or(served.timeout());
        ttl.saturating_add(longest.unwrap_or(ttl))
    }
}

/// Returns true if the client declared the extension for tasks.
fn declares_tasks(request: &Request<'_>) -> Result<bool, RpcError> {
    let Some(capabilities) = request.params.meta()?.capabilities() else {
        return Ok(false);
    };
    let capabilities: Value = serde_json::from_str(capabilities).unwrap_or_default();
    let extensions = capabilities.get("extensions");
    let tasks = extensions.and_then(|extensions| extensions.get(TASKS));
    Ok(tasks.is_some_and(Value::is_object))
}

/// The error for a client that has not declared the extension. A legacy client cannot declare it.
fn lacks_tasks(era: Era) -> RpcError {
    match era {
        Era::Legacy => RpcError::Failed(NO_TASKS.to_owned()),
        Era::Modern => {
            let mut missing = Map::new();
            missing.insert("extensions".to_owned(), json!({ TASKS: {} }));
            RpcError::MissingCapability(missing)
        }
    }
}

fn limited(limited: Limited) -> Stopped {
    Stopped::Error(RpcError::Limited {
        text: limited.to_string(),
        retry_after: limited.retry_after(),
    })
}

const UNKNOWN: &str = "`taskId` is unknown, or the task has expired";
const ANSWERS: &str = "`inputResponses` must be an object";
const NOT_STORED: &str = "The task could not be stored.";
const NO_TASKS: &str = "This tool runs as a task. It needs a client of MCP 2026-07-28 with the extension \
     `io.modelcontextprotocol/tasks`.";
const RESTARTED: &str =
    "The server was restarted while the task ran. Its result is lost; call the tool again.";
/// Longer than every id that the server makes.
const MOST_ID: usize = 64;
/// How often a change is tried while other requests change the same task.
const ATTEMPTS: usize = 8;
