//! Scopes and organizations that the server requires, advertises and answers for.

use std::sync::Arc;

use crate::guard::{ORGANIZATION_SCOPE, is_scope};
use crate::identity::{ApiKeyScopes, ScopeCycle, ScopeHierarchy};
use crate::protocol::AnonymousAccess;
use crate::tool::Registry;

use super::super::codes;
use super::super::finding::Finding;
use super::ServerBuilder;

/// The settings of scopes and denials that code gives.
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

/// Scopes, organizations, and the answers to callers who lack them.
impl ServerBuilder {
    /// Requires a scope for every request except calls of public tools; may be called several
    /// times.
    ///
    /// A request without the scope is answered with a 403 challenge. A call is answered with an
    /// `isError` result instead when it is the third in 5 minutes, and always for a session token,
    /// since no new session token has the scope. A text that is not one scope-token (RFC 6749 §3.3)
    /// is a start-up error.
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

    /// Lets a scope contain other scopes: a token with the scope needs none of the contained
    /// scopes. The relation is transitive over several calls.
    ///
    /// Guards, required scopes, challenges, the list of tools, the
    /// [`AccessMatrix`](crate::AccessMatrix) and [`Caller::has_scope`](crate::Caller::has_scope)
    /// follow the relation. The authorization server does not know it, so a challenge asks for the
    /// scope that the guard names, and never for a wider scope. A scope that contains itself, and a
    /// text that is not one scope-token (RFC 6749 §3.3), are start-up errors.
    ///
    /// Source: MCP 2026-07-28, basic/authorization, which has servers account for scope
    /// hierarchies.
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
    /// By default they are `profile email`, the required scopes, and `user:org:read` if a tool
    /// needs an organization. The server advertises the list unchanged. `offline_access` in the
    /// list causes a warning, because a resource server should not ask for it; some clients refresh
    /// their tokens only if it is listed. A text that is not one scope-token (RFC 6749 §3.3) is a
    /// start-up error.
    ///
    /// Clients that register without scopes (Claude, `ChatGPT`) ask for the advertised scopes, and
    /// may ask only for the instance's default scopes. So add every scope of this list, and
    /// `offline_access`, to the default scopes. `MCP_AUTH=check` compares the two lists.
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

    /// Lets `require_org` accept the organization that an OAuth token names, without a look-up of
    /// the membership. A tool that requires a role or a permission still looks the membership up.
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
    /// A token can be valid for up to a day after the membership ended.
    ///
    /// If [`organization_from`](Self::organization_from) sets a source, this setting has no effect:
    /// the server then looks up the membership of every organization.
    pub fn dangerous_trust_token_org(mut self) -> Self {
        self.scopes.trust_token_org = true;
        self
    }

    /// Starts the server with guards that no accepted token can pass; these guards deny every
    /// caller. By default such a guard is a start-up error.
    ///
    /// A guard cannot be passed if it requires a role or a permission, and there is neither a
    /// secret key nor are session tokens accepted; if it requires a feature, a plan or a
    /// reverification without session tokens, or a scope without OAuth access tokens; or if it
    /// accepts only kinds of tokens that the server refuses.
    pub fn allow_unsatisfiable_guards(mut self) -> Self {
        self.scopes.allow_unsatisfiable_guards = true;
        self
    }

    /// Lets callers without a token connect and list the public tools: `initialize`,
    /// `server/discover`, `ping` and `tools/list` are answered without a token. By default each of
    /// them is answered with 401, which makes a client sign in.
    ///
    /// A client that connects without a token does not see the guarded tools, so nothing makes it
    /// sign in. Use [`discoverable`](Self::discoverable) for a server that has both.
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
    /// (`securitySchemes`), and call the public tools. A call of a guarded tool is answered with
    /// 401 and a challenge, which makes a client sign in.
    ///
    /// Use it for a server with public and guarded tools: by default a client must sign in before
    /// it sees any tool. A signed-in caller sees the tools that they may call and the tools that a
    /// token with more scopes would let them call.
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
    /// Names, descriptions, schemas and scopes of all tools become public, and
    /// [`instructions`](Self::instructions) too. The guards of the tools do not change.
    ///
    /// Source: OpenAI, Apps SDK, "Authentication"; Clerk, `@clerk/mcp-tools` 1.0, which does this
    /// by default.
    pub fn discoverable(mut self) -> Self {
        self.scopes.anonymous = self.scopes.anonymous.max(AnonymousAccess::ListAll);
        self
    }

    /// Leaves `securitySchemes` out of `tools/list`.
    ///
    /// By default each tool lists there what a client needs: `noauth` for a public tool, and
    /// `oauth2` for any other tool, with the scopes of the guard, the scopes of
    /// [`require_scope`](Self::require_scope), and `user:org:read` if the tool needs an
    /// organization. The list is at the top level of the tool and in its `_meta`. `ChatGPT` needs
    /// the list to sign in for a single tool; other clients ignore it.
    ///
    /// ```
    /// let builder = mcp_auth::server!().without_security_schemes();
    /// # let _ = builder;
    /// ```
    pub fn without_security_schemes(mut self) -> Self {
        self.scopes.security_schemes = false;
        self
    }

    /// Answers a call that lacks a scope with an `isError` result instead of a 403 challenge,
    /// because some clients end the connection on a challenge. Other requests that lack a scope of
    /// [`require_scope`](Self::require_scope) are still challenged.
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

    /// Answers a call that lacks an organization with a 403 challenge for the scope `user:org:read`
    /// and the other missing scopes, if the caller's OAuth token lacks that scope and the guard
    /// asks for nothing else that is missing. By default the answer is an `isError` result.
    ///
    /// The answer stays an `isError` result if the token has the scope and names no organization,
    /// since the user was already asked; for the third such call in 5 minutes; and with
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
        self.scopes.organization_step_up = true;
        self
    }
}

impl ScopeOptions {
    /// The scopes that contain other scopes. All configured scopes are checked.
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
        // The scopes are sent in quotes in a header.
        if let Some(scope) = scopes.find(|scope| !is_scope(scope.as_bytes())) {
            let what = format!(
                "`{scope}` is not a scope: one token of printable ASCII without space, quote and backslash"
            );
            return Err(Finding::new(&codes::SCOPE_INVALID, what));
        }
        let cycle = |ScopeCycle(scopes)| {
            let what = format!("the scopes {} contain themselves", scopes.join(" > "));
            Finding::new(&codes::SCOPE_CYCLE, what).remedy_is("drop one of these `scope_implies`")
        };
        Ok(Arc::new(ScopeHierarchy::new(implications).map_err(cycle)?))
    }

    /// The scopes of the metadata and of the first challenge. The scopes of a single tool are not
    /// among them: its 403 asks for them, so that a user does not grant all scopes at once.
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
/// server does not advertise it (MCP 2026-07-28, basic/authorization; SEP-2207).
pub(in crate::server) const OFFLINE_ACCESS: &str = "offline_access";
