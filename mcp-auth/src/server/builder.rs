//! What a server is told: in code, and for the rest by the environment.

use std::fmt;
use std::time::Duration;

use crate::identity::AuthorizedParties;
use crate::tool::{States, ToolInfo};

use super::environment::{self, Environment};
use super::error::{Error, Result};
use super::selection::Selection;
use super::start::{self, Server};

/// Configures a server. Made by [`server!`](crate::server); code wins over the environment.
///
/// The strictest policy is the default. Each method that loosens a check says so in a `Security`
/// section. What a method is given is checked by [`build`](Self::build), [`serve`](Self::serve) and
/// [`start`](Self::start), which name what is wrong; an empty variable counts as unset.
///
/// For production, with everything said in code:
///
/// ```
/// # /// Greet.
/// # #[mcp_auth::mcp_tool]
/// # async fn greet() -> String { "Hello".to_owned() }
/// # struct Documents;
/// # let secret_key = "sk_live_1";
/// let builder = mcp_auth::server!(state = Documents)
///     .name("documents")
///     .version("2.1.0")
///     .title("Acme Documents")
///     .instructions("List the documents before you read one.")
///     .publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
///     .secret_key(secret_key)
///     .url("https://mcp.example.com")
///     .host("0.0.0.0")
///     .port(8080)
///     .allowed_origins(["https://app.example.com"])
///     .require_scope("documents:read")
///     .resource_documentation("https://example.com/developers");
/// # #[cfg(feature = "testing")]
/// # let _ = mcp_auth::testing::TestServer::of(builder.tools_of(module_path!()));
/// ```
///
/// One of several servers in a process, behind a proxy, on a machine that cannot reach Clerk: the
/// tools are those of a module, and the key is given.
///
/// ```
/// # let (pem, ledger) = ("-----BEGIN PUBLIC KEY-----", 7_u32);
/// let billing = mcp_auth::server!()
///     .tools_of("my_app::billing")
///     .state(ledger)
///     .frontend_api_url("clerk.example.com")
///     .jwt_key(pem)
///     .allow_unresolvable_guards()
///     .url("https://example.com/billing/mcp")
///     .path("/billing/mcp")
///     .allowed_hosts(["example.com", "10.0.0.7:3000"])
///     .audience("https://example.com/billing")
///     .scopes_supported(["profile", "billing:read"])
///     .resource_name("Billing")
///     .without_legacy_discovery();
/// # let _ = billing;
/// ```
///
/// The limits, here at half of their defaults:
///
/// ```
/// use std::time::Duration;
///
/// let builder = mcp_auth::server!()
///     .calls_in_flight(128)
///     .failed_authentications_per_minute(500)
///     .body_limit(2 * 1024 * 1024)
///     .body_deadline(Duration::from_secs(15))
///     .timeout(Duration::from_secs(30));
/// # let _ = builder;
/// ```
#[must_use = "a builder does nothing until it is built or served"]
pub struct ServerBuilder {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: Option<String>,
    pub(super) instructions: Option<String>,
    pub(super) selection: Selection,
    pub(super) states: States,
    pub(super) duplicate_state: Option<&'static str>,
    pub(super) publishable_key: Option<String>,
    pub(super) frontend_api_url: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) api_url: Option<String>,
    pub(super) jwt_key: Option<String>,
    pub(super) url: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) path: String,
    pub(super) audience: Option<String>,
    pub(super) audience_policy: Option<AudiencePolicy>,
    pub(super) ignore_audience: bool,
    pub(super) allowed_clients: Option<Vec<String>>,
    pub(super) allowed_hosts: Option<Vec<String>>,
    pub(super) allowed_origins: Option<Vec<String>>,
    pub(super) sessions: Option<AuthorizedParties>,
    pub(super) required_scopes: Vec<String>,
    pub(super) scope_implications: Vec<(String, Vec<String>)>,
    pub(super) scopes_supported: Option<Vec<String>>,
    pub(super) resource_name: Option<String>,
    pub(super) resource_documentation: Option<String>,
    pub(super) trust_token_org: bool,
    pub(super) allow_unresolvable_guards: bool,
    pub(super) anonymous_list: bool,
    pub(super) scope_denials_as_results: bool,
    pub(super) legacy_discovery: bool,
    pub(super) calls_in_flight: usize,
    pub(super) tool_threads: usize,
    pub(super) failures_per_minute: u32,
    pub(super) body_limit: usize,
    pub(super) body_deadline: Duration,
    pub(super) timeout: Duration,
    pub(super) emulator: bool,
    /// It was asked for, but a Clerk instance is configured.
    pub(super) emulator_stays_off: bool,
    #[cfg(feature = "testing")]
    pub(super) clock: Option<crate::testing::TestClock>,
}

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
/// Source: MCP 2026-07-28, basic/authorization, "Token handling".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AudiencePolicy {
    /// The token must name this server. The default off loopback, and what MCP asks for.
    Require,
    /// A token that names an audience must name this server; one that names none passes. The
    /// default on loopback. Elsewhere it needs [`ServerBuilder::allowed_clients`] or
    /// [`ServerBuilder::require_scope`], since Clerk issues the same kind of token to every OAuth
    /// application of an instance.
    IfPresent,
}

impl ServerBuilder {
    /// What `server!` calls, with the calling package's name and version.
    #[doc(hidden)]
    pub fn of_package(package: &'static str, version: &'static str) -> Self {
        Self {
            name: package.to_owned(),
            version: version.to_owned(),
            title: None,
            instructions: None,
            selection: Selection::of_package(package),
            states: States::default(),
            duplicate_state: None,
            publishable_key: None,
            frontend_api_url: None,
            secret_key: None,
            api_url: None,
            jwt_key: None,
            url: None,
            host: None,
            port: None,
            path: "/mcp".to_owned(),
            audience: None,
            audience_policy: None,
            ignore_audience: false,
            allowed_clients: None,
            allowed_hosts: None,
            allowed_origins: None,
            sessions: None,
            required_scopes: Vec::new(),
            scope_implications: Vec::new(),
            scopes_supported: None,
            resource_name: None,
            resource_documentation: None,
            trust_token_org: false,
            allow_unresolvable_guards: false,
            anonymous_list: false,
            scope_denials_as_results: false,
            legacy_discovery: true,
            calls_in_flight: 256,
            tool_threads: 64,
            failures_per_minute: 1000,
            body_limit: 4 * 1024 * 1024,
            body_deadline: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            emulator: false,
            emulator_stays_off: false,
            #[cfg(feature = "testing")]
            clock: None,
        }
    }

    /// Gives the tools a value to take as [`&State<T>`](crate::State); one value a type, so a second
    /// one of the same type is a start-up error.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.states.insert(value) {
            self.duplicate_state = Some(std::any::type_name::<T>());
        }
        self
    }

    /// Names a module, as `module_path!()` spells it, whose tools are served with those of the
    /// modules below it; may be called several times.
    ///
    /// A module of the calling package narrows: of that package only what is named is served. A
    /// crate, or a module of one, adds its tools to those of the calling package. `tools = […]` of
    /// [`server!`](crate::server) does the same with paths that the compiler checks, and has them
    /// linked. A module without a tool is a start-up error.
    ///
    /// ```
    /// let billing = mcp_auth::server!().tools_of("my_app::billing").path("/billing");
    /// # let _ = billing;
    /// ```
    pub fn tools_of(mut self, module: impl Into<String>) -> Self {
        self.selection.name(module.into());
        self
    }

    /// What `tools = […]` calls, with the path as it was written in `module`.
    #[doc(hidden)]
    pub fn tools_in(mut self, module: &str, path: &str) -> Self {
        self.selection.name_in(module, path);
        self
    }

    /// Serves, of the tools that would be served, those for which the condition holds; with several
    /// conditions all have to hold. If that leaves none, it is a start-up error.
    ///
    /// ```
    /// let reading = mcp_auth::server!().serve_tools_if(|tool| tool.is_read_only());
    /// # let _ = reading;
    /// ```
    pub fn serve_tools_if(
        mut self,
        condition: impl Fn(&ToolInfo) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.selection.only_if(condition);
        self
    }

    /// Names the server to clients (`serverInfo.name`); the default is the package's name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Names the server's version (`serverInfo.version`); the default is the package's.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Names the server to people (`serverInfo.title`); nothing by default.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Tells the model how to use the server: `instructions` of `server/discover` and `initialize`;
    /// nothing by default.
    ///
    /// Everybody who may ask reads the same text, whatever they may call.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

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

    /// Gives the instance's secret key (`sk_test_…`, `sk_live_…`), for look-ups of memberships; else
    /// `CLERK_SECRET_KEY`. Without one nothing is looked up.
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

    /// Names the public URL of the endpoint, the canonical URL; else `MCP_URL`, else on loopback
    /// `http://127.0.0.1:{port}/mcp`. Elsewhere it must be given.
    ///
    /// An origin gets the endpoint's path appended. It is https, and http on loopback only; without
    /// query, fragment and credentials. It is what the metadata calls `resource` (RFC 9728 §2) and,
    /// unless [`audience`](Self::audience) says otherwise, what tokens must name as their audience;
    /// nothing of it is taken from requests.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets the address or name to listen on; else `HOST`, else `127.0.0.1`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the port to listen on, 0 for a free one; else `PORT`, else 3000.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the path at which the endpoint is served, `/mcp` by default; it begins with `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the audience that tokens must name; else `CLERK_AUDIENCE`, else the canonical URL (on
    /// loopback under each of its names). Compared byte for byte with every `aud`.
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
    /// [`AudiencePolicy::IfPresent`] accepts tokens that name no audience. Off loopback the server
    /// then refuses to start without [`allowed_clients`](Self::allowed_clients) or
    /// [`require_scope`](Self::require_scope).
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

    /// Sets the `Host` values that are served: `name` (any port) or `name:port`, in any case; else
    /// `MCP_ALLOWED_HOSTS` (separated by commas), else host and port of the canonical URL, on
    /// loopback under each of its names. Any other is answered with 403.
    ///
    /// Source: MCP 2026-07-28, basic/transports/streamable-http, on DNS rebinding.
    pub fn allowed_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.allowed_hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the browser origins that may call: `https://app.example.com`, as a browser spells it;
    /// else `MCP_ALLOWED_ORIGINS` (separated by commas), else local pages if the canonical URL is on
    /// loopback, and none elsewhere. Any other is answered with 403.
    ///
    /// Programs send no `Origin`, and are not concerned.
    ///
    /// Source: MCP 2026-07-28, basic/transports/streamable-http.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.allowed_origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts Clerk session tokens beside OAuth access tokens, from these authorized parties:
    /// [`parties`](crate::parties) or [`parties_any`](crate::parties_any). By default none.
    ///
    /// They carry organization, role and permissions themselves, and no scopes: a tool that asks for
    /// a scope refuses them, and so does every tool but the public ones under
    /// [`require_scope`](Self::require_scope).
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::testing::TestServer;
    /// # use serde_json::json;
    /// use mcp_auth::parties;
    ///
    /// let server = mcp_auth::server!().session_tokens(parties(["http://localhost:3000"]));
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
    /// Guards, required scopes, challenges, the list of tools, the [`Matrix`](crate::Matrix) and
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
    /// organization. `offline_access` is left out: it is not the resource server's to ask for. What
    /// is not one scope-token (RFC 6749 §3.3) is a start-up error.
    ///
    /// Source: RFC 9728 §2; MCP 2026-07-28, basic/authorization, "Scope selection strategy".
    pub fn scopes_supported<S: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.scopes_supported = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Names the resource in its metadata (RFC 9728 `resource_name`); the title by default.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// Names a page for developers in the metadata (RFC 9728 `resource_documentation`); none by
    /// default.
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource_documentation = Some(url.into());
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
    pub fn trust_token_org(mut self) -> Self {
        self.trust_token_org = true;
        self
    }

    /// Starts also with guards that no accepted token can pass; they deny everybody.
    ///
    /// These are roles and permissions where neither a secret key is given nor session tokens are
    /// accepted.
    pub fn allow_unresolvable_guards(mut self) -> Self {
        self.allow_unresolvable_guards = true;
        self
    }

    /// Answers `initialize`, `server/discover`, `ping` and `tools/list` without a token, with the
    /// public tools. Clients that would be sent to sign in by a 401 then are not.
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
        self.anonymous_list = true;
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

    /// Publishes no copy of the authorization server's metadata (RFC 8414) at the root. Only clients
    /// of MCP 2025-03-26 look for it.
    pub fn without_legacy_discovery(mut self) -> Self {
        self.legacy_discovery = false;
        self
    }

    /// Sets how many calls a principal may have in flight, 256 by default; 503 beyond.
    ///
    /// A principal is a user with one client in one organization; all callers without a token are
    /// one together.
    ///
    /// Source: MCP 2026-07-28, server/tools, "Security considerations".
    pub fn calls_in_flight(mut self, most: usize) -> Self {
        self.calls_in_flight = most;
        self
    }

    /// Sets how many tools that are plain `fn`s may run at once, 64 by default; further calls wait
    /// for a thread, within their time-out.
    ///
    /// A plain function cannot be interrupted: one whose caller has been told of a time-out, or has
    /// gone away, occupies its thread until it returns, and counts among the caller's
    /// [`calls_in_flight`](Self::calls_in_flight) for as long. Where functions may hang, keep that below
    /// the number of threads, or one principal can occupy them all.
    ///
    /// ```
    /// let builder = mcp_auth::server!().tool_threads(8);
    /// ```
    pub fn tool_threads(mut self, most: usize) -> Self {
        self.tool_threads = most;
        self
    }

    /// Sets how many bad tokens a peer (an IPv6 /64) may present in a minute, 1000 by default; 429
    /// beyond. Callers whose token is known already are not held up.
    ///
    /// The peer is that of the connection: behind a proxy all clients are one.
    pub fn failed_authentications_per_minute(mut self, most: u32) -> Self {
        self.failures_per_minute = most;
        self
    }

    /// Sets the longest body in bytes, 4 MiB by default; 413 beyond.
    ///
    /// Without a token it is 64 KiB at most; 401 beyond.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long a body may take to arrive, 30 s by default; 408 beyond.
    pub fn body_deadline(mut self, deadline: Duration) -> Self {
        self.body_deadline = deadline;
        self
    }

    /// Sets how long a tool may run, 60 s by default; `#[mcp_tool(timeout = …)]` wins.
    ///
    /// Then its future is dropped, and the answer is an `isError` result with a reference.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs a local Clerk inside the process if nothing of Clerk's is configured: no instance, key or
    /// Backend API in code, and no variable `CLERK_*` or `MCP_USE_OAUTH_CLERK_FRONTEND_API_URL`. Its admins
    /// have every permission that the served tools ask for.
    ///
    /// Its roles have permissions for `org:documents:…` only; the program `clerk-emulator` reads others
    /// from a file.
    ///
    /// ```no_run
    /// # async fn example() -> mcp_auth::Result<()> {
    /// let running = mcp_auth::server!().emulator().port(0).start().await?;
    /// println!("{}/dev/token?user=ada&org=acme", running.issuer());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// It signs tokens for whoever asks on loopback. It refuses to start in a release build without
    /// `MCP_AUTH_EMULATOR=1`, and beside any address that is not loopback.
    #[cfg(feature = "emulator")]
    pub fn emulator(mut self) -> Self {
        self.emulator = true;
        self
    }

    /// Checks everything and makes a server to mount into an application of your own.
    ///
    /// An issuer or Backend API that cannot be reached is no error: the server answers 503 until it
    /// is there.
    ///
    /// ```no_run
    /// # async fn example() {
    /// if let Err(error) = mcp_auth::server!().build().await {
    ///     // "no Clerk instance is configured: set CLERK_PUBLISHABLE_KEY (or …"
    ///     eprintln!("{error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong, in one line that names the fix:
    ///
    /// - A setting is missing, malformed, or contradicts another one.
    /// - The issuer calls itself something else, or the secret key is refused or belongs to another
    ///   instance.
    /// - Tokens that name no audience would be accepted from any client, off loopback.
    /// - There is no tool to serve, or two have one name.
    /// - A tool takes state that nobody gave, or two values of one type were given.
    /// - The guard of a tool can be passed by nobody.
    /// - The emulator was asked for in a release build, or beside an address that is not loopback.
    /// - The I/O thread or the emulator cannot be started.
    pub async fn build(self) -> Result<Server> {
        start::build(self, Environment(&environment::process))
            .await
            .map_err(Error::start)
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
