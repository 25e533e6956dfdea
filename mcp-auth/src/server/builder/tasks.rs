//! The tasks of tools with `task`.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::Clock;
use crate::protocol::{RunningTasks, TaskStore, TasksInMemory};

use super::ServerBuilder;

/// The settings of tasks.
pub(in crate::server) struct TaskOptions {
    store: Option<Arc<dyn TaskStore>>,
    ttl: Duration,
    per_caller: usize,
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self {
            store: None,
            ttl: Duration::from_secs(3600),
            per_caller: 100,
        }
    }
}

/// The methods for tasks.
impl ServerBuilder {
    /// Sets the store that keeps tasks: calls of tools with `task`. By default the server keeps tasks in the memory of
    /// the process, so a restart loses the tasks and their results.
    ///
    /// [`TaskStore`] has an example.
    pub fn task_store(mut self, store: impl TaskStore) -> Self {
        self.tasks.store = Some(Arc::new(store));
        self
    }

    /// Sets how long a task is kept after its last change; one hour by default. After this time the server answers
    /// requests for the task as if the task had never existed. A task changes when it ends, when it waits for answers,
    /// and when it continues.
    ///
    /// This time is also the time-out of a task whose tool has no `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = mcp_auth::server!().task_ttl(Duration::from_secs(24 * 3600));
    /// # let _ = builder;
    /// ```
    ///
    /// Source: <https://github.com/modelcontextprotocol/ext-tasks>, specification, `ttlMs`.
    pub fn task_ttl(mut self, ttl: Duration) -> Self {
        self.tasks.ttl = ttl;
        self
    }

    /// Sets how many tasks the server keeps in memory for one principal (a user with one client in one organization);
    /// 100 by default. A task counts until it expires. The server answers a call beyond the limit with an `isError`
    /// result.
    ///
    /// The server keeps at most 50,000 tasks in memory, with a total size of at most 64 MiB. One user or machine, with
    /// all its clients and organizations, may use at most a sixteenth of this number and an eighth of this size. With a
    /// [`task_store`](Self::task_store) only the store sets limits.
    pub fn tasks_per_caller(mut self, most: usize) -> Self {
        self.tasks.per_caller = most;
        self
    }
}

impl TaskOptions {
    pub(in crate::server) fn tasks(self, clock: &Arc<dyn Clock>) -> RunningTasks {
        let in_memory = || Arc::new(TasksInMemory::new(Arc::clone(clock), self.per_caller));
        let is_shared = self.store.is_some();
        let store = self.store.unwrap_or_else(|| in_memory());
        RunningTasks::new(store, is_shared, self.ttl)
    }
}
