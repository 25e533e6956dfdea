//! The tasks that run in this process, and the store of all tasks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::identity::Unavailable;
use crate::primitive::{ChangedLists, Notifier, Subscription};

use super::tasks::{StoredTask, TaskStore};

/// The tasks of a server.
pub(crate) struct RunningTasks {
    store: Arc<dyn TaskStore>,
    /// True if other processes may change the tasks in the store.
    is_shared: bool,
    /// How long a task is kept after its last change.
    ttl: Duration,
    /// Tells the streams of this process that a task changed. The id of a task takes the place of a URI.
    changes: Notifier,
    running: Mutex<HashMap<String, CancellationToken>>,
    /// Cancelled when the server stops.
    stopping: CancellationToken,
    /// Notified when a task has ended.
    ended: Notify,
}

/// A task that runs in this process. Dropping the value reports that the task has ended.
pub(super) struct Running {
    tasks: Arc<RunningTasks>,
    id: String,
    cancelled: CancellationToken,
}

impl RunningTasks {
    /// `is_shared` is true if other processes may change the tasks in the store.
    pub(crate) fn new(store: Arc<dyn TaskStore>, is_shared: bool, ttl: Duration) -> Self {
        Self {
            store,
            is_shared,
            ttl,
            changes: Notifier::default(),
            running: Mutex::default(),
            stopping: CancellationToken::new(),
            ended: Notify::new(),
        }
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Stores a new task. Returns false if there is no room for the task.
    pub(super) async fn create(&self, task: StoredTask) -> Result<bool, Unavailable> {
        self.store
            .create(task)
            .await
            .map_err(|error| failed(&*error))
    }

    pub(super) async fn load(&self, id: &str) -> Result<Option<StoredTask>, Unavailable> {
        self.store.load(id).await.map_err(|error| failed(&*error))
    }

    /// Replaces the stored task by its next revision, `task`, and tells the streams that wait for the task. Returns
    /// false if the stored task is not the revision before `task`.
    pub(super) async fn replace(&self, task: StoredTask) -> Result<bool, Unavailable> {
        let id = task.id.clone();
        let is_replaced = self.renew(task).await?;
        if is_replaced {
            self.changes.resource_updated(&id);
        }
        Ok(is_replaced)
    }

    /// Replaces the stored task by its next revision, `task`, which differs only in its lease. Returns false if the
    /// stored task is not the revision before `task`.
    pub(super) async fn renew(&self, task: StoredTask) -> Result<bool, Unavailable> {
        self.store
            .replace(task)
            .await
            .map_err(|error| failed(&*error))
    }

    /// Opens a subscription to changes that this process makes.
    pub(super) fn subscription(&self) -> Subscription {
        self.changes.open(None, ChangedLists::default())
    }

    /// Returns true if another process may change the task.
    pub(super) fn changes_elsewhere(&self, id: &str) -> bool {
        self.is_shared && !self.runs_here(id)
    }

    /// Registers a task that begins to run. `None` if it runs already.
    pub(super) fn enter(self: &Arc<Self>, id: &str) -> Option<Running> {
        let cancelled = self.stopping.child_token();
        match self.lock().entry(id.to_owned()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(entry) => entry.insert(cancelled.clone()),
        };
        Some(Running {
            tasks: Arc::clone(self),
            id: id.to_owned(),
            cancelled,
        })
    }

    /// Returns the number of tasks that run in this process.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Returns true if the store answers in time. Looks for a task that does not exist.
    pub(super) async fn is_reachable(&self) -> bool {
        let answer = timeout(PROBE, self.load(NO_TASK)).await;
        matches!(answer, Ok(Ok(_)))
    }

    /// Returns true if the task runs in this process.
    pub(super) fn runs_here(&self, id: &str) -> bool {
        self.lock().contains_key(id)
    }

    /// Stops the function of a task, if the task runs in this process.
    pub(super) fn cancel(&self, id: &str) {
        if let Some(cancelled) = self.lock().get(id) {
            cancelled.cancel();
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Stops all running tasks, which end as failed, and waits until the store has recorded their ends.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        let all_ended = async {
            loop {
                let ended = self.ended.notified();
                if self.lock().is_empty() {
                    return;
                }
                ended.await;
            }
        };
        if timeout(WAIT_FOR_ENDS, all_ended).await.is_err() {
            tracing::warn!(target: "mcp_auth", "the store of tasks is too slow, so the state of some tasks was not stored");
        }
    }

    /// Locks the tasks. Ignores poisoning: no code panics while it holds this lock, so the table cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Returns the token that is cancelled when the task is cancelled, or when the server stops.
    pub(super) fn cancelled(&self) -> CancellationToken {
        self.cancelled.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.lock().remove(&self.id);
        self.tasks.ended.notify_waiters();
    }
}

impl fmt::Debug for RunningTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTasks")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

fn failed(error: &(dyn Error + Send + Sync)) -> Unavailable {
    tracing::error!(target: "mcp_auth", error = %error, "the store of tasks failed");
    Unavailable {
        what: "store of tasks",
        retry_after: RETRY_AFTER,
    }
}

/// The longest time in which the store must answer a probe.
const PROBE: Duration = Duration::from_secs(2);
/// The id that a probe looks for. No task has this id, because the ids of tasks are longer.
const NO_TASK: &str = "readyz";
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest time that a stopping server waits for the store.
const WAIT_FOR_ENDS: Duration = Duration::from_secs(5);
