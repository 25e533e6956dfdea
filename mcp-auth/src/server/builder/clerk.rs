//! What is asked of Clerk, and with which keys.

use super::ServerBuilder;

/// Which Clerk instance, and the keys to it.
impl ServerBuilder {
    /// Names the Clerk instance by its publishable key (`pk_test_…`, `pk_live_…`); else
    /// `CLERK_PUBLISHABLE_KEY`.
    ///
    /// If [`frontend_api_url`](Self::frontend_api_url) is given too, both must name one instance. If
    /// either is given in code, the variables of both are not read.
    pub fn publishable_key(mut self, key: impl Into<String>) -> Self {
        self.publishable_key = Some(key.into());
        self
    }

    /// Names the Clerk instance by its Frontend API URL, which is the issuer of its tokens; else
    /// `CLERK_FRONTEND_API_URL` or `MCP_USE_OAUTH_CLERK_FRONTEND_API_URL`.
    ///
    /// It is https, which may be left out, and http on loopback only; without query, fragment and
    /// credentials.
    pub fn frontend_api_url(mut self, url: impl Into<String>) -> Self {
        self.frontend_api_url = Some(url.into());
        self
    }

    /// Gives the instance's secret key (`sk_test_…`, `sk_live_…`), for look-ups of memberships and users
    /// and for the verification of opaque tokens; else `CLERK_SECRET_KEY`. Without one nothing is looked
    /// up, and opaque tokens are refused.
    ///
    /// It is sent to the Backend API and nowhere else, and no log, error or `Debug` shows it. A key
    /// of another instance, or that Clerk refuses, is a start-up error.
    pub fn secret_key(mut self, key: impl Into<String>) -> Self {
        self.secret_key = Some(key.into());
        self
    }

    /// Names the Backend API's base URL; else `CLERK_API_URL`, else `https://api.clerk.com`.
    ///
    /// The secret key is sent there, so it is https, and http on loopback only.
    ///
    /// ```
    /// // A Clerk stand-in of one's own, for a test that goes through the network.
    /// let builder = mcp_auth::server!()
    ///     .frontend_api_url("http://127.0.0.1:4400")
    ///     .api_url("http://127.0.0.1:4400")
    ///     .secret_key("sk_test_1");
    /// # let _ = builder;
    /// ```
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.api_url = Some(url.into());
        self
    }

    /// Gives the instance's public key in PEM, so that nothing is fetched to verify a token; else
    /// `CLERK_JWT_KEY`.
    ///
    /// Only this key is believed then, until the server is started with another one; and whether the
    /// issuer is who it should be is not checked at the start.
    ///
    /// Source: <https://clerk.com/docs/guides/sessions/manual-jwt-verification>.
    pub fn jwt_key(mut self, pem: impl Into<String>) -> Self {
        self.jwt_key = Some(pem.into());
        self
    }

    /// Refuses users who are banned, locked or gone, which no token tells: 401. They are looked up with
    /// the secret key, without which the server does not start, once in 60 seconds each; while Clerk does
    /// not answer, users are answered with 503.
    ///
    /// ```
    /// let builder = mcp_auth::server!().check_users();
    /// # let _ = builder;
    /// ```
    ///
    /// Source: <https://clerk.com/docs/reference/backend-api>, `GET /v1/users/{user_id}`.
    pub fn check_users(mut self) -> Self {
        self.check_users = true;
        self
    }
}
