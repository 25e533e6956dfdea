//! Writes results about tasks.

use super::super::Response;
use super::{Results, complete};

impl Results {
    /// Writes a new task. `task` is a JSON object without its last brace.
    pub(in crate::protocol) fn task_created(&self, id: &str, task: &str) -> Response {
        Self::task(id, task, &self.task_tail)
    }

    /// Writes the current state of a task. `task` is a JSON object without its last brace.
    pub(in crate::protocol) fn task_detailed(&self, id: &str, task: &str) -> Response {
        Self::task(id, task, &self.call_tail)
    }

    /// Writes a result that has only the members that every result has.
    pub(in crate::protocol) fn acknowledged(&self, id: &str) -> Response {
        let tail = self.call_tail.trim_start_matches(',');
        Self::task(id, "{", tail)
    }

    fn task(id: &str, task: &str, tail: &str) -> Response {
        complete(id, task.len() + tail.len() + 2, |body| {
            body.extend_from_slice(task.as_bytes());
            body.extend_from_slice(tail.as_bytes());
            body.extend_from_slice(b"}}");
        })
    }
}
