//! Which functions started in the course of which request, for tests: what ran is counted where it
//! starts, not guessed from what was answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

tokio::task_local! {
    static CURRENT: Starts;
}

/// The starts of a test's server, as one of its requests adds to them.
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

    /// The same, for the request of this number.
    pub(crate) fn of_request(&self, request: usize) -> Self {
        Self {
            all: Arc::clone(&self.all),
            request,
        }
    }

    /// Counts what starts on behalf of `work`.
    pub(crate) async fn during<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The one that counts for the running task, if one does.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    pub(super) fn add(&self, tool: &'static str) {
        let request = self.request;
        self.lock().push(Start { tool, request });
    }

    /// How often the tool started, in whatever request.
    pub(crate) fn of(&self, tool: &str) -> usize {
        let all = self.lock();
        all.iter().filter(|start| start.tool == tool).count()
    }

    /// How many tools started in this request.
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
