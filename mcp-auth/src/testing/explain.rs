//! Explains the decisions about a caller in a test.

use crate::guard::Explanation;

use super::user::TestUser;

impl TestUser<'_> {
    /// Explains why this caller may or may not use a tool, a prompt or a resource now. `name` is the name of the tool or the
    /// prompt, or the URI or the template of the resource.
    ///
    /// ```
    /// use mcp_auth::testing::TestServer;
    ///
    /// /// Delete a document.
    /// #[mcp_auth::mcp_tool(permission = "org:documents:delete")]
    /// async fn delete_document(id: String) {}
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = mcp_auth::server!();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let linus = server.user("linus");
    /// let explanation = linus.explain("delete_document").await;
    /// assert_eq!(explanation.reason.as_deref(), Some("Organization context required"));
    /// assert_eq!(explanation.scopes, ["user:org:read"]);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// If the server has nothing with this name.
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub async fn explain(&self, name: &str) -> Explanation {
        let site = self.server().site();
        let explanation = site
            .explain(self.token().as_deref(), self.query(), name)
            .await;
        match explanation {
            Some(explanation) => explanation,
            None => panic!("the server has nothing of the name `{name}`"),
        }
    }
}
