//! How tools show and read their arguments.

use super::ServerBuilder;

impl ServerBuilder {
    /// Reads the arguments of every tool leniently. By default a value must have the type that the schema says, and an
    /// argument that the schema does not name is refused.
    ///
    /// For clients that write numbers, booleans, lists and objects as strings (`"10"`, `"[1, 2]"`), as Claude Code and
    /// some versions of Cursor do, and for clients that add arguments of their own: n8n (`toolCallId`, `sessionId`,
    /// `chatInput`, `action`) and Cline (`task_progress`). A string is read as JSON where the schema takes no string
    /// and takes the value that the JSON text has. Guards see no arguments; `authorize` and the function see the value
    /// that was read. The schema stays as it is. The log counts the changes for each tool, at most one line a minute.
    ///
    /// For one tool, write `lenient` in its attribute.
    ///
    /// ```
    /// /// Order paper.
    /// #[mcp_auth::mcp_tool]
    /// async fn order(sheets: u32) -> String { format!("{sheets} sheets") }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().lenient_arguments();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let call = json!({ "sheets": "500", "toolCallId": "call_1" });
    /// assert_eq!(server.user("ada").call("order", call).await.expect_ok().text(), "500 sheets");
    /// # });
    /// ```
    pub fn lenient_arguments(mut self) -> Self {
        self.lenient_arguments = true;
        self
    }

    /// Leaves `additionalProperties: false` out of the schemas in `tools/list`, for clients that fail on the keyword,
    /// such as those on Google's SDK for Python. The server refuses unknown arguments all the same.
    ///
    /// ```
    /// let builder = mcp_auth::server!().without_additional_properties();
    /// # let _ = builder;
    /// ```
    pub fn without_additional_properties(mut self) -> Self {
        self.closed_schemas = false;
        self
    }
}
