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

    /// Waits until the task of an answer has ended, and returns the answer that an ordinary call would have. If the
    /// answer has no task, returns the answer unchanged.
    pub(super) async fn follow(&self, created: TestAnswer) -> TestAnswer {
        let Some(id) = created.task_id() else {
            return created;
        };
        self.end_of(&id, created.questions.clone(), created.ran)
            .await
    }

    /// Answers the questions of a task, and waits until the task has ended. `questions` and `ran` come from the
    /// response to the call.
    async fn end_of(&self, id: &str, mut questions: Vec<Value>, mut ran: usize) -> TestAnswer {
        let start = Instant::now();
        loop {
            let params = json!({ "taskId": id });
            let mut task = self.request("tasks/get", Some(id), params).send().await;
            match task.task_status() {
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
                    let update = self.request("tasks/update", Some(id), params);
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

impl<'a> TestUser<'a> {
    /// Calls a tool, and returns its task at once, so that the test can ask for the state of the task, answer its
    /// questions and cancel it. The client supports tasks, as with [`with_tasks`](Self::with_tasks).
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use mcp_auth::{Context, ToolError};
    /// use serde_json::json;
    ///
    /// /// Clear the archive.
    /// #[mcp_auth::mcp_tool(task)]
    /// async fn clear(cx: &Context) -> Result<&'static str, ToolError> {
    ///     tokio::task::yield_now().await; // From here on, the call is a task.
    ///     cx.elicit::<()>("Clear the archive?").await?;
    ///     Ok("cleared")
    /// }
    ///
    /// /// Wait for ever.
    /// #[mcp_auth::mcp_tool(task)]
    /// async fn wait() {
    ///     std::future::pending().await
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada").confirming();
    /// let task = ada.begin("clear", json!({})).await;
    /// assert_eq!(task.result().await.expect_ok().text(), "cleared");
    ///
    /// // The task of another user does not exist.
    /// let task = ada.begin("wait", json!({})).await;
    /// assert_eq!(task.get_as(&server.user("grace")).await.error_code(), Some(-32602));
    /// assert_eq!(task.get().await.task_status(), Some("working"));
    /// task.cancel().await.expect_ok();
    /// assert_eq!(task.get().await.task_status(), Some("cancelled"));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// If the call makes no task, or if no token can be minted with the properties set on this user.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "tests write the arguments in place, with `json!`"
    )]
    pub fn begin(&self, tool: &str, arguments: Value) -> impl Future<Output = TestTask<'a>> {
        let user = self.clone().with_tasks();
        let params = json!({ "name": tool, "arguments": arguments });
        let call = user.request("tools/call", Some(tool), params);
        async move {
            let created = call.send().await;
            let Some(id) = created.task_id() else {
                no_task(&created)
            };
            TestTask { user, id }
        }
    }
}

#[expect(clippy::panic, reason = "the test has failed")]
fn no_task(answer: &TestAnswer) -> ! {
    panic!("the call made no task: {answer:?}")
}

/// A task of a test. [`TestUser::begin`] makes it.
#[derive(Clone, Debug)]
pub struct TestTask<'a> {
    user: TestUser<'a>,
    id: String,
}

impl TestTask<'_> {
    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Asks for the state of the task (`tasks/get`). [`TestAnswer::task_status`] returns the status.
    pub async fn get(&self) -> TestAnswer {
        self.get_as(&self.user).await
    }

    /// Asks for the state of the task as another caller. The server answers a caller who may not use the task as if
    /// the task did not exist: with the error -32602.
    pub async fn get_as(&self, caller: &TestUser<'_>) -> TestAnswer {
        let caller = caller.clone().with_tasks();
        self.send(&caller, "tasks/get", json!({ "taskId": self.id }))
            .await
    }

    /// Answers questions of the task (`tasks/update`). `answers` is an object with the names of the questions, as
    /// [`get`](Self::get) returns them in `inputRequests`.
    pub async fn update(&self, answers: Value) -> TestAnswer {
        let params = json!({ "taskId": self.id, "inputResponses": answers });
        self.send(&self.user, "tasks/update", params).await
    }

    /// Cancels the task (`tasks/cancel`).
    pub async fn cancel(&self) -> TestAnswer {
        let params = json!({ "taskId": self.id });
        self.send(&self.user, "tasks/cancel", params).await
    }

    /// Answers the questions of the task with the answers that the test user was given ([`TestUser::confirming`],
    /// [`TestUser::answering`] and so on). Then waits until the task has ended, and returns its result as an ordinary call
    /// would.
    ///
    /// # Panics
    ///
    /// If the task has not ended after 30 s.
    pub async fn result(&self) -> TestAnswer {
        self.user.end_of(&self.id, Vec::new(), 0).await
    }

    async fn send(&self, caller: &TestUser<'_>, method: &'static str, params: Value) -> TestAnswer {
        caller.request(method, Some(&self.id), params).send().await
    }
}

impl TestAnswer {
    /// Returns the status of the task: `working`, `input_required`, `completed`, `failed` or `cancelled`. `None` if the
    /// response describes no task.
    #[must_use]
    pub fn task_status(&self) -> Option<&str> {
        self.member("/result/status").and_then(Value::as_str)
    }

    fn task_id(&self) -> Option<String> {
        let id = self.member("/result/taskId").and_then(Value::as_str);
        id.map(str::to_owned)
    }

    /// If the task has ended, replaces the task with its result or its error.
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
