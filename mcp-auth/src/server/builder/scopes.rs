//! Scopes, and how what is missing is answered.

use crate::protocol::AnonymousAccess;

use super::ServerBuilder;

/// Scopes and organizations: what is required, advertised and answered.
impl ServerBuilder {
    /// Requires a scope of every request but calls of public tools; may be called several times.
    ///
    /// Its lack is answered with a 403 challenge. A call gets an `isError` result instead the third
    /// time in 5 minutes, and always with a session token, which a new token could not help. What is
    /// not one scope-token (RFC 6749 §3.3) is a start-up error.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().require_scope("documents");
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada");
    /// ada.call("greet", json!({})).await.expect_insufficient_scope("documents");
    /// ada.scope("documents").call("greet", json!({})).await.expect_ok();
    /// # });
    /// ```
    ///
    /// Source: RFC 6750 §3.1; MCP 2026-07-28, basic/authorization, "Scope challenge handling".
    pub fn require_scope(mut self, scope: impl Into<String>) -> Self {
        self.required_scopes.push(scope.into());
        self
    }

    /// Lets a scope contain others: whoever granted it granted them, and is not asked for them
    /// again. Through several calls a scope contains what those it contains contain.
    ///
    /// Guards, required scopes, challenges, the list of tools, the [`AccessMatrix`](crate::AccessMatrix) and
    /// [`Caller::has_scope`](crate::Caller::has_scope) go by it. The authorization server knows
    /// nothing of it: what a guard names is asked for by that name, and never a wider scope. Scopes that
    /// contain themselves, and what is not one scope-token (RFC 6749 §3.3), are a start-up error.
    ///
    /// Source: MCP 2026-07-28, basic/authorization, which has servers account for scope hierarchies.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .scope_implies("documents:admin", ["documents:write"])
    ///     .scope_implies("documents:write", ["documents:read"]);
    /// # let _ = builder;
    /// ```
    pub fn scope_implies<S: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = S>,
    ) -> Self {
        let implied = implied.into_iter().map(Into::into).collect();
        self.scope_implications.push((scope.into(), implied));
        self
    }

    /// Sets the scopes that the metadata advertises and the first challenge asks for.
    ///
    /// By default `profile email`, the required scopes, and `user:org:read` if a tool needs an
    /// organization. The list is advertised as it is: `offline_access` in it is accepted with a warning,
    /// because a resource server does not ask for it; some clients refresh their tokens only if it does. What
    /// is not one scope-token (RFC 6749 §3.3) is a start-up error.
    ///
    /// Clients that register without scopes (Claude, `ChatGPT`) may ask for the instance's default scopes and
    /// no others, and they ask for what is advertised: every scope of this list belongs into the default
    /// scopes, with `offline_access`. `MCP_AUTH=check` compares the two.
    ///
    /// Source: RFC 9728 §2; MCP 2026-07-28, basic/authorization, "Scope selection strategy"; SEP-2207;
    /// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
    pub fn scopes_supported<S: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.scopes_supported = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Lets `require_org` alone accept the organization that an OAuth token names, without asking
    /// whether the caller is still a member. A tool that asks for a role or a permission looks all of
    /// it up all the same.
    ///
    /// ```
    /// # use mcp_auth::Org;
    /// /// Name the organization.
    /// #[mcp_auth::mcp_tool]
    /// async fn organization(org: &Org) -> String {
    ///     format!("{}, {:?}", org.id(), org.role())
    /// }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().trust_token_org();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let token = server.user("ada").org("acme").token().unwrap();
    /// server.remove_member("ada", "acme");
    /// let told = server.bearer(token).call("organization", json!({})).await;
    /// assert_eq!(told.expect_ok().text(), "org_acme, None");
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// A token outlives a membership by up to a day.
    ///
    /// Where [`organization_from`](Self::organization_from) sets a source, this setting has no effect:
    /// an organization counts only as a current membership then, the token's too.
    pub fn trust_token_org(mut self) -> Self {
        self.trust_token_org = true;
        self
    }

    /// Starts also with guards that no accepted token can pass; they deny everybody.
    ///
    /// These are roles and permissions where neither a secret key is given nor session tokens are
    /// accepted; features, plans and reverifications without session tokens; scopes without OAuth access
    /// tokens; and kinds of tokens that are not accepted.
    pub fn allow_unsatisfiable_guards(mut self) -> Self {
        self.allow_unsatisfiable_guards = true;
        self
    }

    /// Lets callers without a token connect and list the public tools: `initialize`, `server/discover`,
    /// `ping` and `tools/list` are answered without a token. By default each of them is a 401, which is what
    /// makes a client sign in.
    ///
    /// A client that connects without a token does not see the guarded tools, so nothing makes it sign in.
    /// Use [`discoverable`](Self::discoverable) for a server that has both.
    ///
    /// ```
    /// /// Tell the time.
    /// #[mcp_auth::mcp_tool(public)]
    /// async fn time() -> String { "noon".to_owned() }
    ///
    /// /// Count the caller's documents.
    /// #[mcp_auth::mcp_tool]
    /// async fn count() -> u32 { 7 }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// let server = mcp_auth::server!().allow_anonymous_list();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// assert_eq!(server.anonymous().tools().await, ["time"]);
    /// assert_eq!(server.user("ada").tools().await, ["count", "time"]);
    /// # });
    /// ```
    pub fn allow_anonymous_list(mut self) -> Self {
        self.anonymous = self.anonymous.max(AnonymousAccess::ListPublic);
        self
    }

    /// Lets callers without a token connect, list all tools with what each needs (`securitySchemes`), and
    /// call the public ones. A call of a guarded tool is a 401 with a challenge, which makes a client sign
    /// in.
    ///
    /// Recommended where there are public tools beside guarded ones: by default a client must sign in before
    /// it sees any tool. Callers who are signed in see the tools that they may call, as always, and those that
    /// a wider token would let them call.
    ///
    /// ```
    /// /// Tell the time.
    /// #[mcp_auth::mcp_tool(public)]
    /// async fn time() -> String { "noon".to_owned() }
    ///
    /// /// Count the caller's documents.
    /// #[mcp_auth::mcp_tool(scope = "documents:read")]
    /// async fn count() -> u32 { 7 }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().discoverable();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// assert_eq!(server.anonymous().tools().await, ["count", "time"]);
    /// server.anonymous().call("time", json!({})).await.expect_ok();
    /// let asked = server.anonymous().call("count", json!({})).await;
    /// let challenge = asked.expect_unauthorized().header("WWW-Authenticate").unwrap();
    /// assert!(challenge.contains("documents:read"));
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// Names, descriptions, schemas and scopes of all tools are public then, and
    /// [`instructions`](Self::instructions) too. Who may call a tool does not change.
    ///
    /// Source: OpenAI, Apps SDK, "Authentication"; Clerk, `@clerk/mcp-tools` 1.0, which does this by
    /// default.
    pub fn discoverable(mut self) -> Self {
        self.anonymous = self.anonymous.max(AnonymousAccess::ListAll);
        self
    }

    /// Leaves `securitySchemes` out of `tools/list`.
    ///
    /// By default each tool says there what a client has to bring, as its guard has it: `noauth` for a
    /// public tool, and else `oauth2` with the scopes of the guard, those of
    /// [`require_scope`](Self::require_scope), and `user:org:read` if the tool needs an organization. It
    /// stands at the top level of the tool and in its `_meta`. `ChatGPT` needs it to sign in for a single
    /// tool; clients that do not know it ignore it.
    ///
    /// ```
    /// let builder = mcp_auth::server!().without_security_schemes();
    /// # let _ = builder;
    /// ```
    pub fn without_security_schemes(mut self) -> Self {
        self.security_schemes = false;
        self
    }

    /// Answers a call that lacks a scope with an `isError` result instead of a 403 challenge, which
    /// some clients take for fatal. Other requests that lack a scope of
    /// [`require_scope`](Self::require_scope) are challenged all the same.
    ///
    /// ```
    /// /// Write a document.
    /// #[mcp_auth::mcp_tool(scope = "documents:write")]
    /// async fn write() -> String { "Written".to_owned() }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().scope_denials_as_results();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let denied = server.user("ada").call("write", json!({})).await;
    /// denied.expect_denied("Forbidden: documents:write scope required");
    /// # });
    /// ```
    pub fn scope_denials_as_results(mut self) -> Self {
        self.scope_denials_as_results = true;
        self
    }

    /// Answers a call that lacks an organization with a 403 challenge for the scope `user:org:read` and
    /// what else is missing, if the caller's OAuth token lacks that scope and nothing but the
    /// organization stands against the call. By default that is an `isError` result, too.
    ///
    /// Where the scope was granted and no organization picked, asking again would go on for ever: that is
    /// an `isError` result, and so is the third lack in 5 minutes, and every one under
    /// [`scope_denials_as_results`](Self::scope_denials_as_results).
    ///
    /// ```
    /// /// Name the organization.
    /// #[mcp_auth::mcp_tool]
    /// async fn organization(org: &mcp_auth::Org) -> String { org.id().to_owned() }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// let server = mcp_auth::server!().step_up_for_organization();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada");
    /// let asked = ada.call("organization", json!({})).await;
    /// asked.expect_insufficient_scope("user:org:read");
    /// let granted = ada.scope("user:org:read").call("organization", json!({})).await;
    /// granted.expect_denied("Organization context required");
    /// # });
    /// ```
    ///
    /// Source: MCP 2026-07-28, basic/authorization, "Scope challenge handling";
    /// <https://clerk.com/changelog/2026-05-14-oauth-organizations>.
    pub fn step_up_for_organization(mut self) -> Self {
        self.organization_step_up = true;
        self
    }
}
