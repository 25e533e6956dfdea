//! The clock of a server under test.

use std::sync::Arc;

use crate::server::ServerBuilder;

use super::clock::TestClock;

impl ServerBuilder {
    /// Sets the clock of the server, for tests. By default the server uses the system's clock.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # actix_web::rt::System::new().block_on(async {
    /// # use serde_json::json;
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::{TestClock, TestServer};
    ///
    /// let clock = TestClock::new();
    /// let server = mcp_auth::server!().clock(&clock);
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.bearer(server.user("ada").expires_in(60).token().unwrap());
    /// ada.call("greet", json!({})).await.expect_ok();
    /// clock.advance(Duration::from_secs(65));
    /// ada.call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn clock(mut self, clock: &TestClock) -> Self {
        self.clock = Some(Arc::clone(&clock.0));
        self
    }
}
