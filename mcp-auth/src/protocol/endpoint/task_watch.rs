//! The tasks of an open stream of `subscriptions/listen`: waits until a task changes, and writes its current state.
//!
//! INVARIANT: the state of a task is written only after the server has found the task by the rules of `tasks/get`: the task
//! belongs to the caller, and the guard of the task's tool allows the caller now.
//!
//! Source: the MCP extension `io.modelcontextprotocol/tasks`, task status notifications.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::primitive::Subscription;

use super::super::error::RpcError;
use super::super::method::Method;
use super::super::subscriptions::task_changed;
use super::super::task_record::TaskRecord;
use super::reader::Reader;
use super::{Endpoint, Stopped};

/// The tasks that a stream waits for.
pub(super) struct TaskWatch {
    subscription: Subscription,
    /// The tasks that are being delivered.
    batch: VecDeque<Arc<str>>,
    /// The last state of each task that was written: the time of the change, and the status.
    written: HashMap<Arc<str>, (u64, &'static str)>,
    /// The uptime at which the store was last read.
    read: Duration,
}

/// A task cannot be looked up now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Later;

impl TaskWatch {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        Self {
            subscription: endpoint.config.tasks.subscription(),
            batch: VecDeque::new(),
            written: HashMap::new(),
            read: endpoint.config.clock.uptime(),
        }
    }

    /// Adds a task. The first notification about the task is its current state, because the task may have changed before
    /// the stream was open.
    pub(super) fn add(&mut self, id: &str) {
        self.subscription.add(id);
        if let Some(id) = self.subscription.uris().last() {
            self.subscription.updated(id);
        }
    }

    /// Returns true if the stream no longer waits for any task.
    pub(super) fn is_empty(&self) -> bool {
        self.subscription.is_empty()
    }

    /// Completes when a change is pending.
    pub(super) fn poll_pending(&self, cx: &Context<'_>) -> Poll<()> {
        self.subscription.poll_pending(cx)
    }

    /// Takes the pending changes as the next batch.
    pub(super) fn take(&mut self) {
        self.batch = self.subscription.take().uris;
    }

    /// Returns the next notification of the batch. `id` is the id of the stream's request. The stream drops a task that has
    /// ended, and a task that the caller may no longer use.
    ///
    /// # Errors
    ///
    /// - A task cannot be looked up now. The rest of the batch stays pending.
    pub(super) async fn deliver(
        &mut self,
        endpoint: &Endpoint,
        reader: &Reader,
        id: &str,
    ) -> Result<Option<Vec<u8>>, Later> {
        while let Some(task_id) = self.batch.pop_front() {
            let Some(caller) = &reader.caller else {
                return Ok(None);
            };
            let task_at = (&reader.url_org, &*task_id);
            let found = endpoint.current_task(caller, task_at, Method::TaskChanged, None);
            // The box keeps the stream small while it waits.
            match Box::pin(found).await {
                Ok(task) => {
                    if task.record.is_final() {
                        self.subscription.remove(&task_id);
                        self.written.remove(&task_id);
                    } else {
                        self.written.insert(task_id, stamp(&task.record));
                    }
                    let task = task.record.detailed(&task.stored);
                    return Ok(Some(task_changed(id, &task)));
                }
                Err(Stopped::Error(RpcError::InvalidParams(_))) => {
                    self.subscription.remove(&task_id);
                    self.written.remove(&task_id);
                }
                Err(Stopped::Asking(_) | Stopped::Error(_) | Stopped::Refused(_)) => {
                    self.batch.push_front(task_id);
                    for waiting in self.batch.drain(..) {
                        self.subscription.updated(&waiting);
                    }
                    return Err(Later);
                }
            }
        }
        Ok(None)
    }

    /// Reads the tasks that other processes may change, once in [`READ_INTERVAL`], and records the tasks that changed.
    pub(super) async fn read(&mut self, endpoint: &Endpoint) {
        let now = endpoint.config.clock.uptime();
        if self.is_empty() || now.saturating_sub(self.read) < READ_INTERVAL {
            return;
        }
        self.read = now;
        let tasks = &endpoint.config.tasks;
        for id in self.subscription.uris() {
            if !tasks.changes_elsewhere(id) {
                continue;
            }
            let Ok(_turn) = endpoint.config.streams.turn().await else {
                return;
            };
            let Ok(stored) = tasks.load(id).await else {
                return;
            };
            let record = stored.as_ref().and_then(TaskRecord::read);
            let is_abandoned = |record: &TaskRecord| {
                let now = endpoint.config.clock.unix_ms();
                record.is_abandoned(now)
            };
            let is_changed = record.is_none_or(|record| {
                self.written.get(id) != Some(&stamp(&record)) || is_abandoned(&record)
            });
            if is_changed {
                self.subscription.updated(id);
            }
        }
    }
}

/// Returns a value that differs between two states of a task. A renewal of the task's lease does not change the value.
fn stamp(record: &TaskRecord) -> (u64, &'static str) {
    (record.updated, record.status())
}

/// The time between two reads of tasks that other processes may change.
const READ_INTERVAL: Duration = Duration::from_secs(5);
