//! The scopes and organizations that the server requires and advertises, and its responses to
//! callers who lack them.

use std::sync::Arc;

use crate::guard::{ORGANIZATION_SCOPE, is_scope};
use crate::identity::{ApiKeyScopes, ScopeCycle, ScopeHierarchy};
use crate::primitive::Registry;
use crate::protocol::AnonymousAccess;

use super::super::codes;
use super::super::finding::Finding;
use super::ServerBuilder;

/// The settings of scopes and denials that are set in code.
#[derive(Debug)]
pub(in crate::server) struct ScopeOptions {
    pub(in crate::server) required: Vec<String>,
    implications: Vec<(String, Vec<String>)>,
    pub(in crate::server) supported: Option<Vec<String>>,
    pub(in crate::server) trust_token_org: bool,
    pub(in crate::server) allow_unsatisfiable_guards: bool,
    pub(in crate::server) anonymous: AnonymousAccess,
    pub(in crate::server) security_schemes: bool,
    pub(in crate::server) denials_as_results: bool,
    pub(in crate::server) organization_step_up: bool,
}

impl Default for ScopeOptions {
    fn default() -> Self {
        Self {
            required: Vec::new(),
            implications: Vec::new(),
            supported: None,
            trust_token_org: false,
            allow_unsatisfiable_guards: false,
            anonymous: AnonymousAccess::None,
            security_schemes: true,
            denials_as_results: false,
            organization_step_up: false,
        }
    }
}

/// Scopes, organizations, and the responses to callers who lack them.
impl ServerBuilder {
    /// Requires a scope for every request except calls of public tools. May be called several times.
    ///
    /// The server answers a request without the scope with a 403 challenge. The third call without the scope within
    /// 5 minutes gets an `isError` result instead. A call with a session token always gets an `isError` result, because
    /// session tokens cannot have scopes. A text that is not one scope-token (RFC 6749 §3.3) is a start-up error.
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
        self.scopes.required.push(scope.into());
        self
    }

    /// Lets a scope imply other scopes: a token with the scope counts as a token with the implied
    /// scopes too. The relation is transitive over several calls of this method.
    ///
    /// Guards, required scopes, challenges, the list of tools, the [`AccessMatrix`](crate::AccessMatrix) and
    /// [`Caller::has_scope`](crate::Caller::has_scope) use this relation. The authorization server does not know the
    /// relation, so a challenge asks for the scope that the guard names, and never for a wider scope. A scope that
    /// implies itself, and a text that is not one scope-token (RFC 6749 §3.3), are start-up errors.
    ///
    /// Source: MCP 2026-07-28, basic/authorization: servers account for scope hierarchies.
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
        self.scopes.implications.push((scope.into(), implied));
        self
    }

    /// Sets the scopes that the metadata advertises and the first challenge asks for.
    ///
    /// The default scopes are `profile`, `email`, the required scopes, and `user:org:read` if a tool needs an
    /// organization. If this method is called, the server advertises exactly the given scopes. `offline_access` among
    /// them causes a warning, because a resource server should not ask for this scope. The scope is permitted
    /// nevertheless, because some clients refresh their tokens only if it is advertised. A text that is not one
    /// scope-token (RFC 6749 §3.3) is a start-up error.
    ///
    /// Clients that register without scopes (Claude, `ChatGPT`) ask for the advertised scopes, but
    /// Clerk permits them only the instance's default scopes. Therefore add every advertised scope,
    /// and `offline_access`, to the instance's default scopes in the dashboard. `MCP_AUTH=check`
    /// compares the two lists.
    ///
    /// Source: RFC 9728 §2; MCP 2026-07-28, basic/authorization, "Scope selection strategy";
    /// SEP-2207;
    /// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
    pub fn scopes_supported<S: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.scopes.supported = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Lets `require_org` accept the organization that an OAuth token names, without looking up the membership. If a
    /// tool requires a role or a permission, the server still looks up the membership.
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
    /// let server = mcp_auth::server!().dangerous_trust_token_org();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let token = server.user("ada").org("acme").token().unwrap();
    /// server.remove_member("ada", "acme");
    /// let answer = server.bearer(token).call("organization", json!({})).await;
    /// assert_eq!(answer.expect_ok().text(), "org_acme, None");
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// A former member can act in the organization until the token expires, for up to a day after
    /// the membership ended.
    ///
    /// If [`organization_from`](Self::organization_from) sets a source, this setting has no effect, because the server
    /// then looks up the membership of every organization.
    pub fn dangerous_trust_token_org(mut self) -> Self {
        self.scopes.trust_token_org = true;
        self
    }

    /// Starts the server although no accepted token can pass some of the guards. A guard that no token can pass denies
    /// every caller. By default it is a start-up error.
    ///
    /// No token can pass a guard in these cases:
    ///
    /// - The guard requires a role or a permission, no secret key is set, and the server accepts no
    ///   session tokens.
    /// - The guard requires a feature, a plan or a reverification, and the server accepts no session
    ///   tokens.
    /// - The guard requires a scope, and the server accepts neither OAuth access tokens nor API keys.
    /// - The guard accepts only kinds of tokens that the server refuses.
    /// - The guard combines requirements that no single kind of token can meet, such as a scope and
    ///   a feature.
    pub fn allow_unsatisfiable_guards(mut self) -> Self {
        self.scopes.allow_unsatisfiable_guards = true;
        self
    }

    /// Lets callers without a token connect and list the public tools. The server then answers
    /// `initialize`, `server/discover`, `ping` and `tools/list` without a token. By default it
    /// answers each of these requests with 401, which makes a client sign in.
    ///
    /// A client that connects without a token does not see the guarded tools, so it has no reason
    /// to sign in. For a server that has public and guarded tools, use
    /// [`discoverable`](Self::discoverable).
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
        self.scopes.anonymous = self.scopes.anonymous.max(AnonymousAccess::ListPublic);
        self
    }

    /// Lets callers without a token connect, list all tools with their requirements
    /// (`securitySchemes`), and call the public tools. The server answers a call of a guarded tool
    /// with 401 and a challenge, which makes a client sign in.
    ///
    /// Use this setting for a server that has public and guarded tools. Without this setting a client must sign in
    /// before it sees any tool. A signed-in caller sees the tools that they may call, and the tools that they could
    /// call with more scopes.
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
    /// The names, descriptions, schemas and scopes of all tools become public, and so do the
    /// [`instructions`](Self::instructions). The guards of the tools do not change.
    ///
    /// Source: OpenAI, Apps SDK, "Authentication"; Clerk, `@clerk/mcp-tools` 1.0, which does this
    /// by default.
    pub fn discoverable(mut self) -> Self {
        self.scopes.anonymous = self.scopes.anonymous.max(AnonymousAccess::ListAll);
        self
    }

    /// Leaves `securitySchemes` out of `tools/list`.
    ///
    /// By default each tool in `tools/list` has `securitySchemes`, a list. A public tool lists
    /// `noauth`. Any other tool lists `oauth2` with the scopes that a client needs: the scopes of
    /// the guard, the scopes of [`require_scope`](Self::require_scope), and `user:org:read` if the
    /// tool needs an organization. The list is at the top level of the tool and in its `_meta`.
    /// `ChatGPT` needs the list to sign in for a single tool; other clients ignore it.
    ///
    /// ```
    /// let builder = mcp_auth::server!().without_security_schemes();
    /// # let _ = builder;
    /// ```
    pub fn without_security_schemes(mut self) -> Self {
        self.scopes.security_schemes = false;
        self
    }

    /// Answers a call that lacks a scope with an `isError` result instead of a 403 challenge. Use this setting for
    /// clients that close the connection when they get a challenge. Requests other than calls still get a challenge if
    /// they lack a scope of [`require_scope`](Self::require_scope).
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
        self.scopes.denials_as_results = true;
        self
    }

    /// Answers a call that lacks an organization with a 403 challenge for the scope `user:org:read` and the other
    /// missing scopes. By default the response is an `isError` result. The server sends the challenge only if the
    /// caller's OAuth token lacks `user:org:read`, and if the caller meets all requirements of the guard other than
    /// scopes and the organization.
    ///
    /// If the token has the scope but names no organization, the response is still an `isError` result, because the
    /// user was already asked. The third call without an organization within 5 minutes also gets an `isError` result.
    /// With [`scope_denials_as_results`](Self::scope_denials_as_results), all calls that lack an organization get an
    /// `isError` result.
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
        self.scopes.organization_step_up = true;
        self
    }
}

impl ScopeOptions {
    /// Checks all configured scopes, and returns the scopes that imply other scopes.
    pub(in crate::server) fn hierarchy(
        &self,
        of_api_keys: Option<&ApiKeyScopes>,
    ) -> Result<Arc<ScopeHierarchy>, Finding> {
        let implications = &self.implications;
        let named = implications
            .iter()
            .flat_map(|(scope, implied)| implied.iter().chain([scope]));
        let mut scopes = self
            .required
            .iter()
            .chain(self.supported.iter().flatten())
            .chain(of_api_keys.iter().flat_map(|keys| keys.0.iter().flatten()))
            .chain(named);
        // The server sends the scopes inside quotes in a header.
        if let Some(scope) = scopes.find(|scope| !is_scope(scope.as_bytes())) {
            let what = format!(
                "`{scope}` is not a scope: a scope is printable ASCII without space, quote and backslash"
            );
            return Err(Finding::new(&codes::SCOPE_INVALID, what));
        }
        let cycle = |ScopeCycle(scopes)| {
            let what = format!(
                "the scopes {} imply each other in a circle",
                scopes.join(" > ")
            );
            Finding::new(&codes::SCOPE_CYCLE, what).remedy_is("drop one of these `scope_implies`")
        };
        Ok(Arc::new(ScopeHierarchy::new(implications).map_err(cycle)?))
    }

    /// The scopes of the metadata and of the first challenge. They do not include the scopes of
    /// single tools, so that a user does not have to grant all scopes at once. The 403 challenge of
    /// a tool asks for the scopes of that tool.
    pub(in crate::server) fn advertised(
        &self,
        hierarchy: &ScopeHierarchy,
        registry: &Registry,
    ) -> Vec<String> {
        if let Some(scopes) = &self.supported {
            return scopes.clone();
        }
        let mut scopes = vec!["profile".to_owned(), "email".to_owned()];
        let uses_organization = registry.iter().any(|tool| tool.guard().uses_organization());
        let organization = uses_organization.then(|| ORGANIZATION_SCOPE.to_owned());
        for scope in self.required.iter().cloned().chain(organization) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        hierarchy.fewest(scopes)
    }
}

/// The scope with which a client gets refresh tokens from the authorization server. A resource
/// server does not advertise this scope (MCP 2026-07-28, basic/authorization; SEP-2207).
pub(in crate::server) const OFFLINE_ACCESS: &str = "offline_access";
