//! Which tokens are accepted.

use std::time::Duration;

use crate::identity::{ApiKeyScopes, AuthorizedParties};

use super::ServerBuilder;

/// What is asked of an OAuth access token's audience (`aud`, RFC 7519 §4.1.3), which a client names
/// with the parameter `resource` (RFC 8707 §2).
///
/// A token that names another audience than this server is refused under either. A session token of
/// Clerk has no audience; one that was customized to have one must name this server.
///
/// ```
/// use mcp_auth::AudiencePolicy;
///
/// // Clients that send no `resource` get in, but only the ones we know.
/// let builder = mcp_auth::server!()
///     .audience_policy(AudiencePolicy::IfPresent)
///     .allowed_clients(["client_desktop", "https://app.example.com/client.json"]);
/// # let _ = builder;
/// ```
///
/// Users who connected before the server was registered with Clerk keep tokens without an audience, also
/// when these are refreshed. A dated transition gives them time to connect again:
///
/// ```
/// use mcp_auth::AudiencePolicy;
///
/// let builder = mcp_auth::server!()
///     .audience_policy(AudiencePolicy::required_after("2027-03-01"))
///     .allowed_clients(["https://claude.ai/oauth/mcp-oauth-client-metadata"]);
/// # let _ = builder;
/// ```
///
/// Source: MCP 2026-07-28, basic/authorization, "Token handling";
/// <https://clerk.com/docs/guides/ai/mcp/build-mcp-server>.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AudiencePolicy {
    /// The token must name this server. The default off loopback, and what MCP asks for.
    Require,
    /// A token that names an audience must name this server; one that names none passes. The
    /// default on loopback. Elsewhere it needs [`ServerBuilder::allowed_clients`] or
    /// [`ServerBuilder::require_scope`], since Clerk issues the same kind of token to every OAuth
    /// application of an instance.
    IfPresent,
    /// [`Require`](Self::Require) from the beginning of this day on (`YYYY-MM-DD`, in UTC). Before it, a
    /// token that names no audience passes if its client is one of
    /// [`ServerBuilder::allowed_clients`], or if it has every scope of
    /// [`ServerBuilder::require_scope`]; without either the server does not start. Made by
    /// [`required_after`](Self::required_after).
    RequiredAfter(String),
}

impl AudiencePolicy {
    /// Accepts tokens without an audience until a date, and refuses them from then on without a restart.
    ///
    /// `date` is a day as `YYYY-MM-DD`; the strict rule begins with that day in UTC. What is no such day is
    /// a start-up error. Each request that is accepted without an audience is counted, and the first of
    /// each client (of at most 1000 clients) is logged at `warn` with the client's id. `MCP_AUTH=check` tells how long the transition
    /// lasts.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use std::time::Duration;
    /// # use mcp_auth::testing::{TestClock, TestServer};
    /// # use serde_json::json;
    /// use mcp_auth::AudiencePolicy;
    ///
    /// // It is 28 February 2027.
    /// let clock = TestClock::at(1_803_772_800);
    /// let builder = mcp_auth::server!()
    /// #   .tools_of(module_path!())
    ///     .clock(&clock)
    ///     .url("https://mcp.example.com/mcp")
    ///     .audience_policy(AudiencePolicy::required_after("2027-03-01"))
    ///     .allowed_clients(["client_desktop"]);
    /// let server = TestServer::of(builder);
    ///
    /// let ada = server.user("ada").client("client_desktop").audience(None);
    /// ada.call("greet", json!({})).await.expect_ok();
    /// server.advance(Duration::from_secs(86_400));
    /// ada.call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn required_after(date: impl Into<String>) -> Self {
        Self::RequiredAfter(date.into())
    }
}

/// Which tokens are accepted.
impl ServerBuilder {
    /// Sets the audience that tokens must name; else `CLERK_AUDIENCE`, else the canonical URL (on
    /// loopback under each of its names).
    ///
    /// It is compared byte for byte with every `aud`, with three exceptions if it is an http(s) URL without a
    /// query: an `aud` may add a query (Cursor asks for tokens with the query of the URL that its user
    /// entered), may spell out the default port, and may write scheme and host in another case (RFC 3986
    /// section 6.2). Another scheme, host, port or path, and a fragment, are another audience.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets what is asked of a token's audience; by default [`AudiencePolicy::Require`], and
    /// [`AudiencePolicy::IfPresent`] if the canonical URL is on loopback.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// use mcp_auth::AudiencePolicy;
    ///
    /// let builder = mcp_auth::server!()
    /// #   .tools_of(module_path!())
    ///     .url("https://mcp.example.com/mcp")
    ///     .audience_policy(AudiencePolicy::IfPresent)
    ///     .allowed_clients(["client_desktop"]);
    /// let server = TestServer::of(builder);
    ///
    /// let ada = server.user("ada").client("client_desktop").audience(None);
    /// ada.call("greet", json!({})).await.expect_ok();
    /// let elsewhere = ada.audience(Some("https://other.example.com"));
    /// elsewhere.call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// [`AudiencePolicy::IfPresent`] and, until its date, [`AudiencePolicy::RequiredAfter`] accept tokens that
    /// name no audience. The server then refuses to start without
    /// [`allowed_clients`](Self::allowed_clients) or [`require_scope`](Self::require_scope): under
    /// `IfPresent` off loopback, under `RequiredAfter` anywhere.
    pub fn audience_policy(mut self, policy: AudiencePolicy) -> Self {
        self.audience_policy = Some(policy);
        self
    }

    /// Accepts tokens whatever their audience.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().dangerous_ignore_audience();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada").audience(Some("https://other.example.com"));
    /// ada.call("greet", json!({})).await.expect_ok();
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// A token issued for another resource of the same Clerk instance becomes a credential here.
    /// MCP forbids it; it exists for migrations.
    pub fn dangerous_ignore_audience(mut self) -> Self {
        self.ignore_audience = true;
        self
    }

    /// Accepts OAuth tokens of these clients only, by `client_id`, compared byte for byte; by default
    /// of any, and of none if the list is empty. Session tokens have no client and are not concerned.
    ///
    /// It holds for tokens issued before, too: blocking a client at Clerk does not revoke them.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().allowed_clients(["client_desktop"]);
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada");
    /// ada.clone().client("client_desktop").call("greet", json!({})).await.expect_ok();
    /// ada.client("client_other").call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn allowed_clients<C: Into<String>>(
        mut self,
        clients: impl IntoIterator<Item = C>,
    ) -> Self {
        self.allowed_clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts Clerk session tokens beside OAuth access tokens, from these authorized parties:
    /// [`AuthorizedParties::only`] or [`AuthorizedParties::any`]. By default none.
    ///
    /// They carry organization, role and permissions themselves, and alone tell features, plans and
    /// reverifications, but no scopes: a tool that asks for a scope refuses them, and so does every tool
    /// but the public ones under [`require_scope`](Self::require_scope).
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// use mcp_auth::AuthorizedParties;
    ///
    /// let server = mcp_auth::server!().session_tokens(AuthorizedParties::only(["http://localhost:3000"]));
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada");
    /// ada.clone().session().call("greet", json!({})).await.expect_ok();
    /// ada.call("greet", json!({})).await.expect_ok();
    /// # });
    /// ```
    ///
    /// Source: <https://clerk.com/docs/guides/sessions/session-tokens>.
    ///
    /// # Security
    ///
    /// Clerk's session tokens name no audience: one that was minted for any use by a page of these
    /// parties is a credential here, too.
    pub fn session_tokens(mut self, parties: AuthorizedParties) -> Self {
        self.sessions = Some(parties);
        self
    }

    /// Accepts no OAuth access tokens, which are accepted by default: for a server of machines, API keys
    /// or an application's own pages alone. Clients that sign in with OAuth can't use it.
    ///
    /// ```
    /// use mcp_auth::ApiKeyScopes;
    ///
    /// let builder = mcp_auth::server!()
    ///     .without_oauth_tokens()
    ///     .api_keys(ApiKeyScopes::all_of(["documents:read"]));
    /// # let _ = builder;
    /// ```
    pub fn without_oauth_tokens(mut self) -> Self {
        self.oauth_tokens = false;
        self
    }

    /// Accepts tokens of machines (M2M) that are meant for this server's machine, JWTs and opaque ones.
    ///
    /// Which machine that is says [`machine_id`](Self::machine_id) or
    /// [`machine_secret_key`](Self::machine_secret_key); without either the server does not start,
    /// unless beside a local Clerk, where it is `mch_mcp`. A machine is no user, has no organization and no scopes: of the tools it can call those that ask
    /// for none of these.
    ///
    /// ```
    /// use mcp_auth::Caller;
    ///
    /// /// Import what a machine has gathered.
    /// #[mcp_auth::mcp_tool]
    /// async fn import(caller: &Caller) -> String {
    ///     format!("from {}", caller.machine_id().unwrap_or("a user"))
    /// }
    ///
    /// let builder = mcp_auth::server!().m2m_tokens().machine_id("mch_reports");
    /// # let _ = builder;
    /// ```
    ///
    /// Source: <https://clerk.com/docs/guides/development/machine-auth/m2m-tokens>.
    pub fn m2m_tokens(mut self) -> Self {
        self.m2m_tokens = true;
        self
    }

    /// Names the machine that this server is (`mch_…`); else `CLERK_MACHINE_ID`. Only tokens that name
    /// it among the machines that they are meant for are accepted.
    ///
    /// Opaque ones are verified with [`machine_secret_key`](Self::machine_secret_key), and without that
    /// with [`secret_key`](Self::secret_key).
    pub fn machine_id(mut self, id: impl Into<String>) -> Self {
        self.machine_id = Some(id.into());
        self
    }

    /// Gives the secret key of the machine that this server is (`ak_…`); else
    /// `CLERK_MACHINE_SECRET_KEY`. With it Clerk confirms opaque tokens that are meant for this machine,
    /// and no others.
    ///
    /// It alone does not tell the machine's id, so JWTs of machines are refused without
    /// [`machine_id`](Self::machine_id). It is sent to the Backend API and nowhere else, and no log, error
    /// or `Debug` shows it.
    ///
    /// ```
    /// # let key = "ak_1";
    /// let builder = mcp_auth::server!().m2m_tokens().machine_secret_key(key);
    /// # let _ = builder;
    /// ```
    pub fn machine_secret_key(mut self, key: impl Into<String>) -> Self {
        self.machine_secret_key = Some(key.into());
        self
    }

    /// Accepts API keys that have these scopes: [`ApiKeyScopes::all_of`], or
    /// [`ApiKeyScopes::any_key`]. By default none.
    ///
    /// They act for the user or the organization that made them, and are verified at the Backend API: the
    /// server does not start without a secret key. One that was revoked is refused within 60 seconds.
    ///
    /// ```
    /// use mcp_auth::ApiKeyScopes;
    ///
    /// let builder = mcp_auth::server!().api_keys(ApiKeyScopes::all_of(["documents:read"]));
    /// # let _ = builder;
    /// ```
    ///
    /// Source: <https://clerk.com/docs/guides/development/machine-auth/api-keys>.
    pub fn api_keys(mut self, required: ApiKeyScopes) -> Self {
        self.api_keys = Some(required);
        self
    }

    /// Sets for how long a JWT is not verified anew; by default for as long as it lives.
    ///
    /// Its times are looked at on every request all the same, and whether its key still is one of the
    /// issuer's.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = mcp_auth::server!().token_cache_age(Duration::from_secs(300));
    /// # let _ = builder;
    /// ```
    pub fn token_cache_age(mut self, age: Duration) -> Self {
        self.token_cache_age = Some(age);
        self
    }

    /// Sets how much memory JWTs that were verified may take, in bytes, 32 MiB by default: about 20 000.
    /// Beyond, those that are seldom presented are forgotten, and verified when they come again.
    ///
    /// ```
    /// let builder = mcp_auth::server!().token_cache_bytes(8 * 1024 * 1024);
    /// # let _ = builder;
    /// ```
    pub fn token_cache_bytes(mut self, bytes: usize) -> Self {
        self.token_cache_bytes = bytes;
        self
    }
}
