//! A tool that waits until its test releases it, and records whether it finished.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mcp_auth::{State, mcp_tool};
use tokio::sync::Semaphore;

/// The place where calls wait.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    open: Semaphore,
    entered: AtomicUsize,
    /// The tools that finished.
    passed: Mutex<Vec<&'static str>>,
    /// The tools that were dropped while they waited.
    abandoned: Mutex<Vec<&'static str>>,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Counts {
            open: Semaphore::new(0),
            entered: AtomicUsize::new(0),
            passed: Mutex::default(),
            abandoned: Mutex::default(),
        }))
    }

    /// Releases all calls from now on.
    pub(crate) fn open(&self) {
        self.0.open.add_permits(10_000);
    }

    /// The number of calls that have arrived.
    pub(crate) fn entered(&self) -> usize {
        self.0.entered.load(Ordering::SeqCst)
    }

    /// The tools that finished, in order.
    pub(crate) fn passed(&self) -> Vec<&'static str> {
        self.0.passed.lock().unwrap().clone()
    }

    /// The tools that were dropped while they waited, in order.
    pub(crate) fn abandoned(&self) -> Vec<&'static str> {
        self.0.abandoned.lock().unwrap().clone()
    }

    pub(crate) async fn pass(&self, tool: &'static str) {
        let mut waiting = Waiting {
            tool,
            counts: &self.0,
            passed: false,
        };
        self.0.entered.fetch_add(1, Ordering::SeqCst);
        self.0.open.acquire().await.unwrap().forget();
        waiting.passed = true;
    }
}

struct Waiting<'a> {
    tool: &'static str,
    counts: &'a Counts,
    passed: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let ended = if self.passed {
            &self.counts.passed
        } else {
            &self.counts.abandoned
        };
        ended.lock().unwrap().push(self.tool);
    }
}

/// Wait to be released.
#[mcp_tool]
async fn wait(gate: &State<Gate>) -> &'static str {
    gate.pass("wait").await;
    "passed"
}

/// Wait to be released, without a token.
#[mcp_tool(public)]
async fn wait_openly(gate: &State<Gate>) -> &'static str {
    gate.pass("wait_openly").await;
    "passed"
}
