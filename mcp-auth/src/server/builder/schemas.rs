//! The schemas of arguments, and how arguments are read.

use super::ServerBuilder;

/// The settings of schemas that are set in code.
#[derive(Debug)]
pub(in crate::server) struct SchemaOptions {
    pub(in crate::server) lenient_arguments: bool,
    pub(in crate::server) closed_schemas: bool,
    pub(in crate::server) confirmation_codes: bool,
}

impl Default for SchemaOptions {
    fn default() -> Self {
        Self {
            lenient_arguments: false,
            closed_schemas: true,
            confirmation_codes: false,
        }
    }
}

/// The schemas of arguments, and how arguments are read.
impl ServerBuilder {
    /// Reads the arguments of every tool leniently: the server converts strings to the type of the schema, and ignores
    /// arguments that certain clients add. Without this setting, the server refuses a value that does not have the type
    /// of the schema, and an argument that is not in the schema.
    ///
    /// Use this setting for clients that write numbers, booleans, lists and objects as strings (`"10"`, `"[1, 2]"`),
    /// such as Claude Code and some versions of Cursor. Also use it for clients that add arguments of their own: n8n
    /// (`toolCallId`, `sessionId`, `chatInput`, `action`) and Cline (`task_progress`). The server parses a string as
    /// JSON if the schema does not permit a string, but permits the parsed value. `authorize` and the function get the
    /// parsed value. The schema does not change. The server counts how often it changed the arguments of each tool, and
    /// logs the count at most once a minute.
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
        self.schemas.lenient_arguments = true;
        self
    }

    /// Leaves `additionalProperties: false` out of the schemas in `tools/list`. Use this setting for clients that fail
    /// on the keyword, such as clients that use Google's SDK for Python. The server still refuses unknown arguments.
    ///
    /// ```
    /// let builder = mcp_auth::server!().without_additional_properties();
    /// # let _ = builder;
    /// ```
    pub fn without_additional_properties(mut self) -> Self {
        self.schemas.closed_schemas = false;
        self
    }
}
