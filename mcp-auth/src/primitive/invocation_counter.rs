//! Counts, for tests, how often the functions of tools start. A test uses the counter to assert
//! that a tool did not run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

tokio::task_local! {
    static CURRENT: Starts;
}

/// The counter of a test server, or of one request to the server.
#[derive(Clone, Debug)]
pub(crate) struct Starts {
    all: Arc<Mutex<Vec<Start>>>,
    request: usize,
}

#[derive(Debug)]
struct Start {
    tool: &'static str,
    request: usize,
}

impl Starts {
    pub(crate) fn new() -> Self {
        Self {
            all: Arc::default(),
            request: 0,
        }
    }

    /// Returns the counter of the request with this number.
    pub(crate) fn of_request(&self, request: usize) -> Self {
        Self {
            all: Arc::clone(&self.all),
            request,
        }
    }

    /// Lets this counter count the functions that start during `work`.
    pub(crate) async fn during<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Returns the counter of the current task. `None` if the task has no counter.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    pub(super) fn add(&self, tool: &'static str) {
        let request = self.request;
        self.lock().push(Start { tool, request });
    }

    /// Returns how often the tool started, over all requests.
    pub(crate) fn of(&self, tool: &str) -> usize {
        let all = self.lock();
        all.iter().filter(|start| start.tool == tool).count()
    }

    /// Returns how often a tool started in this request.
    pub(crate) fn in_request(&self) -> usize {
        let all = self.lock();
        all.iter()
            .filter(|start| start.request == self.request)
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Start>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
