//! Progress and log messages in tests.

use serde_json::{Value, json};

use crate::primitive::LogLevel;

use super::answer::TestAnswer;
use super::user::TestUser;

impl TestUser<'_> {
    /// Asks for the progress of each call. [`TestAnswer::progress`] returns the progress.
    ///
    /// ```standalone_crate
    /// use mcp_auth::Context;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Count to three.
    /// #[mcp_auth::mcp_tool]
    /// async fn count(cx: &Context) {
    ///     for number in 1..=3 {
    ///         cx.progress(number, 3, None);
    ///     }
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada");
    /// let answer = ada.clone().with_progress().call("count", json!({})).await;
    /// assert_eq!(answer.expect_ok().progress().last(), Some(&json!({ "progress": 3, "total": 3 })));
    /// assert!(ada.call("count", json!({})).await.progress().is_empty());
    /// # });
    /// ```
    pub fn with_progress(mut self) -> Self {
        self.asked.progress = true;
        self
    }

    /// Asks for the log messages of each call that have this level or a more severe level.
    /// [`TestAnswer::log`] returns the messages. A [`legacy`](Self::legacy) caller asks with
    /// [`set_log_level`](Self::set_log_level) instead.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use mcp_auth::{Context, LogLevel};
    /// use serde_json::json;
    ///
    /// /// Clean up.
    /// #[mcp_auth::mcp_tool]
    /// async fn clean(cx: &Context) {
    ///     cx.log(LogLevel::Debug, "files", "nothing to do");
    ///     cx.log(LogLevel::Warning, "files", json!({ "left": 2 }));
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada");
    /// let expected = [json!({ "level": "warning", "logger": "files", "data": { "left": 2 } })];
    /// let answer = ada.clone().with_log_level(LogLevel::Info).call("clean", json!({})).await;
    /// assert_eq!(answer.expect_ok().log(), expected);
    ///
    /// let ada = ada.legacy();
    /// assert!(ada.call("clean", json!({})).await.log().is_empty());
    /// ada.set_log_level(LogLevel::Info).await.expect_ok();
    /// assert_eq!(ada.call("clean", json!({})).await.log(), expected);
    /// # });
    /// ```
    pub fn with_log_level(mut self, level: LogLevel) -> Self {
        self.asked.level = Some(level);
        self
    }

    /// Sends `logging/setLevel`, which only a [`legacy`](Self::legacy) caller may send. The level holds for all later
    /// calls of this user with the same client.
    ///
    /// # Panics
    ///
    /// If no token can be minted with the properties set on this user.
    #[track_caller]
    pub fn set_log_level(&self, level: LogLevel) -> impl Future<Output = TestAnswer> {
        let params = json!({ "level": level.as_str() });
        self.request("logging/setLevel", None, params).send()
    }
}

impl TestAnswer {
    /// Returns the progress that the function reported before its result, in order. Each item is an object with
    /// `progress`, and possibly with `total` and `message`. The server drops reports that follow each other too fast;
    /// see [`Context::progress`](crate::Context::progress).
    #[must_use]
    pub fn progress(&self) -> Vec<Value> {
        let mut progress = self.messages("notifications/progress");
        for params in progress.iter_mut().filter_map(Value::as_object_mut) {
            params.remove("progressToken");
        }
        progress
    }

    /// Returns the log messages that the function sent before its result, in order. Each item is an object with `level`
    /// and `data`, and possibly with `logger`.
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        self.messages("notifications/message")
    }

    fn messages(&self, method: &str) -> Vec<Value> {
        let sent = self.notifications.iter();
        let sent = sent.filter(|one| one.get("method").and_then(Value::as_str) == Some(method));
        sent.filter_map(|one| one.get("params").cloned()).collect()
    }
}
