//! The store of tasks: calls whose results clients fetch later.
//!
//! A store keeps the content of a task as text. Only `task_record` interprets the content.
//!
//! Source: the MCP extension `io.modelcontextprotocol/tasks`.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::identity::Clock;

/// Keeps the tasks of a server: calls of tools with `task`, until their results expire.
///
/// By default a server keeps its tasks in memory, so a restart loses them. With a store that outlives the process,
/// clients can fetch results after a restart, and a task that waits for a person continues. A task whose function ran
/// during the restart fails, with an error that names the restart. Processes that share a store can answer requests for
/// each other's tasks, and must serve the same tools.
///
/// The server checks who may read a task. A store only keeps each [`StoredTask`] by its id. A table with the columns of
/// [`StoredTask`] is enough:
///
/// ```
/// use std::collections::HashMap;
/// use std::error::Error;
/// use std::pin::Pin;
/// use std::sync::Mutex;
///
/// use mcp_auth::{StoredTask, TaskStore};
///
/// type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send + 'a>>;
///
/// /// A store without limits, which forgets nothing.
/// #[derive(Default)]
/// struct Tasks(Mutex<HashMap<String, StoredTask>>);
///
/// impl TaskStore for Tasks {
///     // INSERT INTO tasks (id, subject, owner, revision, expires_at, content) VALUES (…)
///     fn create(&self, task: StoredTask) -> Stored<'_, bool> {
///         Box::pin(async move {
///             let mut tasks = self.0.lock().map_err(|_| "poisoned")?;
///             tasks.insert(task.id.clone(), task);
///             Ok(true)
///         })
///     }
///
///     // SELECT … FROM tasks WHERE id = ?
///     fn load<'a>(&'a self, id: &'a str) -> Stored<'a, Option<StoredTask>> {
///         Box::pin(async move {
///             let tasks = self.0.lock().map_err(|_| "poisoned")?;
///             Ok(tasks.get(id).cloned())
///         })
///     }
///
///     // UPDATE tasks SET … WHERE id = ? AND revision = ? - 1
///     fn replace(&self, task: StoredTask) -> Stored<'_, bool> {
///         Box::pin(async move {
///             let mut tasks = self.0.lock().map_err(|_| "poisoned")?;
///             match tasks.get_mut(&task.id) {
///                 Some(stored) if stored.revision + 1 == task.revision => *stored = task,
///                 _ => return Ok(false),
///             }
///             Ok(true)
///         })
///     }
/// }
///
/// let builder = mcp_auth::server!().task_store(Tasks::default());
/// # let _ = builder;
/// ```
///
/// # Security
///
/// The content of a task has the arguments and the result of a call, and the answers of a person. Protect the store as you
/// protect the data of your tools.
///
/// Source: <https://github.com/modelcontextprotocol/ext-tasks>, specification.
pub trait TaskStore: Send + Sync + 'static {
    /// Stores a new task, and returns true when the task is durable. Returns false if the store has no room for another
    /// task of this [`owner`](StoredTask::owner). The server then refuses the call.
    ///
    /// # Errors
    ///
    /// - The store cannot be reached. The server then answers the call with 503.
    fn create(&self, task: StoredTask) -> Stored<'_, bool>;

    /// Returns the task with this id. A store may also return a task that has expired; the server treats it as unknown.
    /// The id comes from a client and can be any text.
    ///
    /// # Errors
    ///
    /// - The store cannot be reached. The server then answers the request with 503.
    fn load<'a>(&'a self, id: &'a str) -> Stored<'a, Option<StoredTask>>;

    /// Replaces the task with the same id whose [`revision`](StoredTask::revision) is one less, and returns true. The
    /// comparison and the replacement must be one step. Returns false if there is no such task, or if its revision is
    /// different.
    ///
    /// # Errors
    ///
    /// - The store cannot be reached, or the task is too long.
    fn replace(&self, task: StoredTask) -> Stored<'_, bool>;
}

/// The future of a method of [`TaskStore`].
pub(crate) type Stored<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// A task in a [`TaskStore`].
#[derive(Clone, Eq, PartialEq)]
pub struct StoredTask {
    /// The id, which no other task has: 43 characters of the URL-safe Base64 alphabet.
    pub id: String,
    /// The user or machine to which the task belongs, as a text of 43 characters of the URL-safe Base64 alphabet. The
    /// text is the same for all clients and all organizations of the user or machine. A store should limit the tasks of
    /// a subject: a user can register any number of clients, so one user can be many [owners](Self::owner).
    pub subject: String,
    /// The caller to whom the task belongs, as a text of 43 characters of the URL-safe Base64 alphabet.
    pub owner: String,
    /// The number of changes so far.
    pub revision: u64,
    /// The time after which the task may be deleted, in milliseconds since 1970. A change of the task can move the time.
    pub expires_at: u64,
    /// The other data of the task, as JSON. Its form is an implementation detail.
    pub content: String,
}

/// Prints neither the id, which is enough to find the task, nor the content.
impl fmt::Debug for StoredTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTask")
            .field("revision", &self.revision)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The tasks of this process. An owner may have at most `per_owner` tasks. A user or machine, with all its clients,
/// organizations and URLs, may have at most a sixteenth of the maximum number of tasks, and may use at most an eighth
/// of the memory.
pub(crate) struct TasksInMemory {
    clock: Arc<dyn Clock>,
    per_owner: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: HashMap<String, StoredTask>,
    /// The ids of all tasks, ordered by the time when they expire.
    by_end: BTreeSet<(u64, String)>,
    /// The number of tasks of each owner.
    owners: HashMap<String, usize>,
    subjects: HashMap<String, Usage>,
    bytes: usize,
}

/// The tasks of a user or machine.
#[derive(Clone, Copy, Default)]
struct Usage {
    tasks: usize,
    bytes: usize,
}

impl TasksInMemory {
    pub(crate) fn new(clock: Arc<dyn Clock>, per_owner: usize) -> Self {
        Self {
            clock,
            per_owner,
            state: Mutex::default(),
        }
    }

    /// Locks the tasks, and removes expired tasks. Ignores poisoning: no code panics while it holds this lock, so the
    /// tasks cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.remove_expired(self.clock.unix_ms());
        state
    }
}

impl TaskStore for TasksInMemory {
    fn create(&self, task: StoredTask) -> Stored<'_, bool> {
        let mut state = self.lock();
        let of_owner = state.owners.get(&task.owner).copied().unwrap_or_default();
        let of_subject = state.usage(&task);
        let has_room = of_owner < self.per_owner
            && of_subject.tasks < (MOST_TASKS / 16).max(self.per_owner)
            && state.tasks.len() < MOST_TASKS
            && !state.tasks.contains_key(&task.id)
            && state.has_room(&task, 0);
        if has_room {
            state.insert(task);
        }
        Box::pin(ready(Ok(has_room)))
    }

    fn load<'a>(&'a self, id: &'a str) -> Stored<'a, Option<StoredTask>> {
        let task = self.lock().tasks.get(id).cloned();
        Box::pin(ready(Ok(task)))
    }

    fn replace(&self, task: StoredTask) -> Stored<'_, bool> {
        let mut state = self.lock();
        let before = state.tasks.get(&task.id);
        let before = before.filter(|before| before.revision.saturating_add(1) == task.revision);
        let Some(freed) = before.map(size) else {
            return Box::pin(ready(Ok(false)));
        };
        if !state.has_room(&task, freed) {
            return Box::pin(ready(Err("the tasks in memory are too long".into())));
        }
        state.remove(&task.id);
        state.insert(task);
        Box::pin(ready(Ok(true)))
    }
}

impl State {
    /// Returns the usage of the user or machine of a task.
    fn usage(&self, task: &StoredTask) -> Usage {
        let usage = self.subjects.get(&task.subject);
        usage.copied().unwrap_or_default()
    }

    /// Returns true if there is room for the bytes of a task after `freed` bytes of its user or machine are removed.
    fn has_room(&self, task: &StoredTask, freed: usize) -> bool {
        let usage = self.usage(task);
        let fits = |used: usize, most| used.saturating_sub(freed) + size(task) <= most;
        fits(usage.bytes, MOST_BYTES / 8) && fits(self.bytes, MOST_BYTES)
    }

    fn insert(&mut self, task: StoredTask) {
        *self.owners.entry(task.owner.clone()).or_default() += 1;
        let usage = self.subjects.entry(task.subject.clone()).or_default();
        usage.tasks += 1;
        usage.bytes += size(&task);
        self.bytes += size(&task);
        self.by_end.insert((task.expires_at, task.id.clone()));
        self.tasks.insert(task.id.clone(), task);
    }

    fn remove(&mut self, id: &str) {
        let Some(task) = self.tasks.remove(id) else {
            return;
        };
        let size = size(&task);
        self.bytes = self.bytes.saturating_sub(size);
        if let Some(tasks) = self.owners.get_mut(&task.owner) {
            *tasks = tasks.saturating_sub(1);
            if *tasks == 0 {
                self.owners.remove(&task.owner);
            }
        }
        if let Some(usage) = self.subjects.get_mut(&task.subject) {
            usage.tasks = usage.tasks.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(size);
            if usage.tasks == 0 {
                self.subjects.remove(&task.subject);
            }
        }
        self.by_end.remove(&(task.expires_at, task.id));
    }

    fn remove_expired(&mut self, now: u64) {
        while let Some((end, id)) = self.by_end.first()
            && *end <= now
        {
            let id = id.clone();
            self.remove(&id);
        }
    }
}

/// Returns the estimated memory that a task uses, in bytes.
fn size(task: &StoredTask) -> usize {
    task.content.len() + 512
}

/// The largest number of tasks in memory.
const MOST_TASKS: usize = 50_000;
/// The largest size of all tasks in memory.
const MOST_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
