//! The callers with which a test sends requests.

use super::server::TestServer;
use super::user::TestUser;

impl TestServer {
    /// Returns a caller that is a user, given by name or id (`ada`, `user_ada`). The caller has an OAuth access token
    /// for this server.
    pub fn user(&self, name: &str) -> TestUser<'_> {
        TestUser::new(self, name)
    }

    /// Returns a caller that is a machine, given by name or id (`billing`, `mch_billing`). The caller has an opaque
    /// token, which names the machine of the test server as its audience. [`jwt`](TestUser::jwt) makes the token a JWT.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Import the data of a machine.
    /// #[mcp_auth::mcp_tool]
    /// async fn import(caller: &mcp_auth::Caller) -> String {
    ///     format!("from {}", caller.machine_id().unwrap_or("a user"))
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!().m2m_tokens().machine_id("mch_reports"));
    /// let billing = server.machine("billing");
    /// assert_eq!(billing.call("import", json!({})).await.text(), "from mch_billing");
    /// billing.clone().jwt().call("import", json!({})).await.expect_ok();
    /// let stray = billing.audience(Some("mch_other"));
    /// stray.call("import", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn machine(&self, name: &str) -> TestUser<'_> {
        TestUser::machine(self, name)
    }

    /// Returns a caller with an API key of an organization, which is given by slug or id. [`TestUser::api_key`] makes a
    /// user's API key.
    pub fn org_api_key(&self, organization: &str) -> TestUser<'_> {
        TestUser::organization_key(self, organization)
    }

    /// Returns a caller that sends no token.
    pub fn anonymous(&self) -> TestUser<'_> {
        TestUser::anonymous(self)
    }

    /// Returns a caller that sends this token.
    pub fn bearer(&self, token: impl Into<String>) -> TestUser<'_> {
        TestUser::bearer(self, token.into())
    }
}
