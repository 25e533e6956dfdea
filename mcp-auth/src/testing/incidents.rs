//! Incidents at the test's Clerk: banned, locked and deleted users, and outages.

use std::sync::atomic::Ordering;

use super::server::TestServer;

impl TestServer {
    /// Bans a user at Clerk, for servers that [check users](crate::ServerBuilder::check_users). The
    /// server refuses the user within 60 s.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Greet.
    /// #[mcp_auth::mcp_tool]
    /// async fn greet() -> String { "Hello".to_owned() }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!().check_users());
    /// let ada = server.user("ada");
    /// ada.call("greet", json!({})).await.expect_ok();
    /// server.ban("ada");
    /// server.advance(Duration::from_secs(60));
    /// ada.call("greet", json!({})).await.expect_refused("user-banned");
    ///
    /// server.unban("ada");
    /// server.lock("ada");
    /// server.advance(Duration::from_secs(60));
    /// ada.call("greet", json!({})).await.expect_refused("user-locked");
    ///
    /// server.unlock("ada");
    /// server.advance(Duration::from_secs(60));
    /// let kept = server.bearer(ada.token().unwrap());
    /// kept.call("greet", json!({})).await.expect_ok();
    /// server.delete_user("ada");
    /// server.advance(Duration::from_secs(60));
    /// kept.call("greet", json!({})).await.expect_refused("user-gone");
    /// # });
    /// ```
    pub fn ban(&self, user: &str) {
        self.know(user);
        self.instance.set_banned(user, true);
    }

    /// Lifts the [ban](Self::ban) of a user.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn unban(&self, user: &str) {
        must_exist(user, self.instance.set_banned(user, false));
    }

    /// Locks a user at Clerk, as Clerk does after too many wrong passwords. Apart from that, the method works like
    /// [`ban`](Self::ban).
    pub fn lock(&self, user: &str) {
        self.know(user);
        self.instance.set_locked(user, true);
    }

    /// Unlocks a [locked](Self::lock) user.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn unlock(&self, user: &str) {
        must_exist(user, self.instance.set_locked(user, false));
    }

    /// Deletes a user at Clerk, with all memberships. Apart from that, the method works like [`ban`](Self::ban). To
    /// test a token of the deleted user, get the token before the deletion, because [`user`](Self::user) creates a new
    /// user with this name.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn delete_user(&self, user: &str) {
        must_exist(user, self.instance.delete_user(user));
    }

    /// Begins an outage of Clerk, which lasts until [`end_outage`](Self::end_outage). All look-ups
    /// of memberships, users and opaque tokens fail. Cached responses expire as usual. The server
    /// keeps the keys, so it can still verify JWTs.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Delete a document.
    /// #[mcp_auth::mcp_tool(permission = "org:documents:delete")]
    /// async fn delete_document(document_id: String) {}
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada").org("acme").permission("org:documents:delete");
    /// let document = json!({ "document_id": "d1" });
    ///
    /// server.begin_outage();
    /// let answer = ada.call("delete_document", document.clone()).await;
    /// answer.expect_status(503).expect_not_run();
    ///
    /// // After five failures in a row the circuit breaker is open, for at most eight seconds.
    /// server.end_outage();
    /// server.advance(Duration::from_secs(8));
    /// ada.call("delete_document", document).await.expect_ok();
    /// # });
    /// ```
    pub fn begin_outage(&self) {
        self.away.store(true, Ordering::Relaxed);
    }

    /// Ends the outage of Clerk.
    pub fn end_outage(&self) {
        self.away.store(false, Ordering::Relaxed);
    }
}

/// Panics if the user does not exist, because a test with a misspelt name would not test anything.
#[track_caller]
#[expect(clippy::panic, reason = "a mistake in the test")]
fn must_exist(user: &str, exists: bool) {
    if !exists {
        panic!("there is no user `{user}`")
    }
}
