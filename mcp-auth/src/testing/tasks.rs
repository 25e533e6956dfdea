//! Tasks in tests: a call whose result the client fetches later.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::answer::TestAnswer;
use super::user::TestUser;

impl TestUser<'_> {
    /// Makes the client support tasks (the MCP extension `io.modelcontextprotocol/tasks`). If a call becomes a task,
    /// the call answers the questions of the task, waits until the task has ended, and returns the result as an
    /// ordinary call would.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Write the report of a quarter.
    /// #[mcp_auth::mcp_tool(task)]
    /// async fn write_report(quarter: String) -> String {
    ///     tokio::task::yield_now().await; // Half an hour of work.
    ///     format!("the report of {quarter}")
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada");
    /// let quarter = json!({ "quarter": "Q3" });
    /// let answer = ada.clone().with_tasks().call("write_report", quarter.clone()).await;
    /// assert_eq!(answer.expect_ok().text(), "the report of Q3");
    ///
    /// // A client without the extension.
    /// assert_eq!(ada.call("write_report", quarter).await.error_code(), Some(-32021));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// A call panics if its task has not ended after 30 s.
    pub fn with_tasks(mut self) -> Self {
        self.tasks = true;
        self
    }

    /// Returns the capabilities of the client.
    pub(super) fn capabilities(&self) -> Value {
        let mut capabilities = self.person.capabilities();
        if self.tasks
            && let Some(capabilities) = capabilities.as_object_mut()
        {
            let tasks = json!({ "io.modelcontextprotocol/tasks": {} });
            capabilities.insert("extensions".to_owned(), tasks);
        }
        capabilities
    }

    /// Waits until the task of an answer has ended, and returns the answer that an ordinary call would have. Returns an
    /// answer without a task unchanged.
    pub(super) async fn follow(&self, created: TestAnswer) -> TestAnswer {
        let id = created.member("/result/taskId").and_then(Value::as_str);
        let Some(id) = id.map(str::to_owned) else {
            return created;
        };
        let (mut questions, mut ran) = (created.questions.clone(), created.ran);
        let start = Instant::now();
        loop {
            let params = json!({ "taskId": id });
            let mut task = self.request("tasks/get", Some(&id), params).send().await;
            let status = task.member("/result/status").and_then(Value::as_str);
            match status {
                Some("working") => {
                    assert!(start.elapsed() < LONGEST, "the task has not ended");
                    sleep(Duration::from_millis(1)).await;
                }
                Some("input_required") => {
                    let Some((asked, answers)) = task.answered(&self.person, questions.len())
                    else {
                        return task;
                    };
                    questions.extend(asked);
                    let params = json!({ "taskId": id, "inputResponses": answers });
                    let update = self.request("tasks/update", Some(&id), params);
                    ran += update.send().await.ran;
                }
                Some(_) | None => {
                    task.end_task();
                    task.questions = questions;
                    task.ran += ran;
                    return task;
                }
            }
        }
    }
}

impl TestAnswer {
    /// Replaces a task that has ended by its result or its error.
    fn end_task(&mut self) {
        let end = ["result", "error"].into_iter().find_map(|member| {
            let value = self.member(&format!("/result/{member}"))?;
            Some((member, value.clone()))
        });
        if let Some((member, value)) = end {
            self.body = json!({ "jsonrpc": "2.0", "id": 1, member: value });
        }
    }
}

/// The longest time that a test waits for a task.
const LONGEST: Duration = Duration::from_secs(30);
