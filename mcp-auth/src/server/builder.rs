//! What a server is told: in code, and for the rest by the environment.

use std::fmt;
use std::time::Duration;

use crate::identity::AuthorizedParties;
use crate::tool::{Declaration, States};

use super::environment::{self, Environment};
use super::error::{Error, Result};
use super::start::{self, Server};

/// Configures a server. Made by [`server!`](crate::server); code wins over the environment.
///
/// The strictest policy is the default. Each method that loosens a check says so in a `Security`
/// section.
#[must_use = "a builder does nothing until it is built or served"]
pub struct ServerBuilder {
    pub(super) package: &'static str,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: Option<String>,
    pub(super) instructions: Option<String>,
    pub(super) modules: Vec<String>,
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
    pub(super) scopes_supported: Option<Vec<String>>,
    pub(super) resource_name: Option<String>,
    pub(super) resource_documentation: Option<String>,
    pub(super) trust_token_org: bool,
    pub(super) allow_unresolvable_guards: bool,
    pub(super) anonymous_list: bool,
    pub(super) scope_denials_as_results: bool,
    pub(super) legacy_discovery: bool,
    pub(super) calls_in_flight: usize,
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

/// What is asked of a token's audience (`aud`, RFC 8707).
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
            package,
            name: package.to_owned(),
            version: version.to_owned(),
            title: None,
            instructions: None,
            modules: Vec::new(),
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
            scopes_supported: None,
            resource_name: None,
            resource_documentation: None,
            trust_token_org: false,
            allow_unresolvable_guards: false,
            anonymous_list: false,
            scope_denials_as_results: false,
            legacy_discovery: true,
            calls_in_flight: 256,
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

    /// Gives the tools a value to take as `&State<T>`; one value a type.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.states.insert(value) {
            self.duplicate_state = Some(std::any::type_name::<T>());
        }
        self
    }

    /// Serves only the tools of this module of the calling package, and of those below it; may be
    /// called several times. The default is all tools of the package.
    ///
    /// `module` is a path as `module_path!()` spells it: `my_app::billing`.
    pub fn tools_of(mut self, module: impl Into<String>) -> Self {
        self.modules.push(module.into());
        self
    }

    /// Names the server to clients; the default is the package's name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Names the server's version; the default is the package's.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Names the server to people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Tells the model how to use the server.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Names the Clerk instance by its publishable key; else `CLERK_PUBLISHABLE_KEY`.
    pub fn publishable_key(mut self, key: impl Into<String>) -> Self {
        self.publishable_key = Some(key.into());
        self
    }

    /// Names the Clerk instance by its Frontend API URL, which is the issuer of its tokens; the
    /// scheme is optional. Else `CLERK_FRONTEND_API_URL`.
    pub fn frontend_api_url(mut self, url: impl Into<String>) -> Self {
        self.frontend_api_url = Some(url.into());
        self
    }

    /// Gives the instance's secret key, for look-ups of memberships; else `CLERK_SECRET_KEY`.
    pub fn secret_key(mut self, key: impl Into<String>) -> Self {
        self.secret_key = Some(key.into());
        self
    }

    /// Names the Backend API's base URL, `https://api.clerk.com` by default; else `CLERK_API_URL`.
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.api_url = Some(url.into());
        self
    }

    /// Gives the instance's public key in PEM, so that nothing is fetched to verify a token; else
    /// `CLERK_JWT_KEY`.
    pub fn jwt_key(mut self, pem: impl Into<String>) -> Self {
        self.jwt_key = Some(pem.into());
        self
    }

    /// Names the public URL of the endpoint; an origin gets the endpoint's path appended. Else
    /// `MCP_URL`; on loopback `http://127.0.0.1:{port}/mcp` by default.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets the address to listen on; else `HOST`, else `127.0.0.1`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the port to listen on, 0 for a free one; else `PORT`, else 3000.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the path of the endpoint, `/mcp` by default.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the audience that tokens must name; else `CLERK_AUDIENCE`, else the canonical URL.
    /// Compared byte for byte.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets what is asked of a token's audience.
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

    /// Accepts OAuth tokens whatever their audience.
    ///
    /// # Security
    ///
    /// A token issued for another resource of the same Clerk instance becomes a credential here.
    /// MCP forbids it; it exists for migrations.
    pub fn dangerous_ignore_audience(mut self) -> Self {
        self.ignore_audience = true;
        self
    }

    /// Accepts OAuth tokens of these clients only. Takes effect at once, also for tokens issued
    /// before: blocking a client at Clerk does not revoke them.
    pub fn allowed_clients<C: Into<String>>(
        mut self,
        clients: impl IntoIterator<Item = C>,
    ) -> Self {
        self.allowed_clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the `Host` values that are served: `name` (any port) or `name:port`; else
    /// `MCP_ALLOWED_HOSTS`, else the host of the canonical URL.
    pub fn allowed_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.allowed_hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the browser origins that may call: `https://app.example.com`; else
    /// `MCP_ALLOWED_ORIGINS`. By default local pages on loopback, and none elsewhere.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.allowed_origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts Clerk session tokens beside OAuth access tokens, from these authorized parties:
    /// [`parties`](crate::parties) or [`parties_any`](crate::parties_any).
    pub fn session_tokens(mut self, parties: AuthorizedParties) -> Self {
        self.sessions = Some(parties);
        self
    }

    /// Requires a scope of every request. Its lack is answered with a 403 challenge.
    pub fn require_scope(mut self, scope: impl Into<String>) -> Self {
        self.required_scopes.push(scope.into());
        self
    }

    /// Sets the scopes that the metadata advertises and the first challenge asks for.
    ///
    /// By default `profile email`, the required scopes, and `user:org:read` if a tool needs an
    /// organization. `offline_access` is left out: it is not the resource server's to ask for.
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

    /// Names a page for developers in the metadata (RFC 9728 `resource_documentation`).
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource_documentation = Some(url.into());
        self
    }

    /// Lets `require_org` alone accept the organization that an OAuth token names, without asking
    /// whether the caller is still a member. Roles and permissions are looked up all the same.
    ///
    /// # Security
    ///
    /// A token outlives a membership by up to a day.
    pub fn trust_token_org(mut self) -> Self {
        self.trust_token_org = true;
        self
    }

    /// Starts also with guards that no accepted token can pass; they deny everybody.
    pub fn allow_unresolvable_guards(mut self) -> Self {
        self.allow_unresolvable_guards = true;
        self
    }

    /// Answers `initialize`, `server/discover` and `tools/list` without a token, with the public
    /// tools. Clients that would be sent to sign in by a 401 then are not.
    pub fn allow_anonymous_list(mut self) -> Self {
        self.anonymous_list = true;
        self
    }

    /// Answers a missing scope with an `isError` result instead of a 403 challenge, which some
    /// clients take for fatal.
    pub fn scope_denials_as_results(mut self) -> Self {
        self.scope_denials_as_results = true;
        self
    }

    /// Publishes no copy of the authorization server's metadata at the root. Only clients of
    /// 2025-03-26 look for it.
    pub fn without_legacy_discovery(mut self) -> Self {
        self.legacy_discovery = false;
        self
    }

    /// Sets how many calls a principal may have in flight, 256 by default; 503 beyond.
    pub fn calls_in_flight(mut self, most: usize) -> Self {
        self.calls_in_flight = most;
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
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs a local Clerk inside the process if no `CLERK_*` variable is set.
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
    /// # Errors
    ///
    /// What is wrong, in one line that names the fix: a missing or malformed setting, an issuer
    /// that calls itself something else, duplicate tools, state that a tool takes and nobody gave.
    /// An issuer that cannot be reached is no error: the server answers 503 until it is there.
    pub async fn build(self) -> Result<Server> {
        start::build(self, Environment(&environment::process))
            .await
            .map_err(Error::start)
    }

    pub(super) fn serves(&self) -> impl Fn(&Declaration) -> bool + use<> {
        let package = self.package;
        let modules = self.modules.clone();
        move |declaration| {
            declaration.package == package
                && (modules.is_empty()
                    || modules
                        .iter()
                        .any(|module| is_within(declaration.module, module)))
        }
    }
}

fn is_within(module: &str, parent: &str) -> bool {
    module
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
