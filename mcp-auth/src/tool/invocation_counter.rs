//! Counts the functions that start, for tests. A test asserts by this counter that a tool did not
//! run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

tokio::task_local! {
    static CURRENT: Starts;
}

/// The counter of a test's server, or of one of its requests.
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

    /// Counts the functions that start during `work`.
    pub(crate) async fn during<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Returns the counter of the running task; `None` if it has none.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    pub(super) fn add(&self, tool: &'static str) {
        let request = self.request;
        self.lock().push(Start { tool, request });
    }

    /// Returns the number of starts of the tool, in all requests.
    pub(crate) fn of(&self, tool: &str) -> usize {
        let all = self.lock();
        all.iter().filter(|start| start.tool == tool).count()
    }

    /// Returns the number of starts in this request.
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
