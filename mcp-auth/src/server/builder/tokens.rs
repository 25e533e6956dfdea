//! The kinds of tokens that are accepted.

use std::time::Duration;

use crate::http::origin;
use crate::identity::{
    ApiKeyScopes, AuthorizedParties, DEFAULT_CACHE_BYTES, Machine, Parties, TokenPolicy,
};

use super::super::codes;
use super::super::environment::Environment;
use super::super::finding::{Finding, Findings};
use super::ServerBuilder;
use super::clerk::COPY_MACHINE;
use super::serving::entries;

/// The settings of tokens that are set in code.
#[derive(Debug)]
pub(in crate::server) struct TokenOptions {
    pub(in crate::server) oauth: bool,
    pub(in crate::server) sessions: Option<AuthorizedParties>,
    pub(in crate::server) m2m: bool,
    pub(in crate::server) api_keys: Option<ApiKeyScopes>,
    check_users: bool,
    cache_age: Option<Duration>,
    cache_bytes: usize,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            oauth: true,
            sessions: None,
            m2m: false,
            api_keys: None,
            check_users: false,
            cache_age: None,
            cache_bytes: DEFAULT_CACHE_BYTES,
        }
    }
}

/// The kinds of tokens that are accepted.
impl ServerBuilder {
    /// Accepts Clerk session tokens that were issued to pages of these origins. [`AuthorizedParties::only`] lists the
    /// origins, and [`AuthorizedParties::any`] accepts all origins. By default the server accepts no session tokens.
    ///
    /// A session token contains the organization, the role and the permissions of its user. Only
    /// session tokens can contain features, plans and reverifications. Session tokens have no
    /// scopes, so a tool that requires a scope refuses them. With
    /// [`require_scope`](Self::require_scope), all tools except the public tools refuse them.
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
    /// Clerk's session tokens have no audience, so the server accepts every session token that was
    /// issued to a page of these origins.
    pub fn session_tokens(mut self, parties: AuthorizedParties) -> Self {
        self.tokens.sessions = Some(parties);
        self
    }

    /// Refuses OAuth access tokens, which are accepted by default. Use this setting for a server
    /// that is called only by machines, with API keys, or by your own pages with session tokens.
    /// MCP clients that sign in with OAuth cannot use the server.
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
        self.tokens.oauth = false;
        self
    }

    /// Accepts M2M tokens that are meant for this server's machine, both JWTs and opaque tokens.
    ///
    /// Set [`machine_id`](Self::machine_id) or [`machine_secret_key`](Self::machine_secret_key) to say which machine
    /// this server is. If neither is set, the server does not start, except with a local Clerk, for which the machine
    /// is `mch_mcp`. A machine that calls is not a user, and has no organization and no scopes. It can call only tools
    /// that require no user, no organization and no scopes.
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
        self.tokens.m2m = true;
        self
    }

    /// Accepts API keys. [`ApiKeyScopes::all_of`] accepts the keys that have all listed scopes, and
    /// [`ApiKeyScopes::any_key`] accepts all keys of the instance. By default the server accepts no
    /// API keys.
    ///
    /// An API key acts for the user or the organization that owns it. The server verifies API keys at the Backend API,
    /// so it does not start without a secret key. The server refuses a revoked key within 60 seconds.
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
        self.tokens.api_keys = Some(required);
        self
    }

    /// Sets how long the server caches a verified JWT. By default the server caches it until the JWT expires.
    ///
    /// On every request, the server also checks for a cached JWT that the JWT has not expired and that the issuer still
    /// publishes its key.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let builder = mcp_auth::server!().token_cache_age(Duration::from_secs(300));
    /// # let _ = builder;
    /// ```
    pub fn token_cache_age(mut self, age: Duration) -> Self {
        self.tokens.cache_age = Some(age);
        self
    }

    /// Sets the size of the cache of verified JWTs in bytes. The default, 32 MiB, is enough for
    /// about 20,000 JWTs. When the cache is full, the server evicts rarely used JWTs, and verifies
    /// them again on their next request.
    ///
    /// ```
    /// let builder = mcp_auth::server!().token_cache_bytes(8 * 1024 * 1024);
    /// # let _ = builder;
    /// ```
    pub fn token_cache_bytes(mut self, bytes: usize) -> Self {
        self.tokens.cache_bytes = bytes;
        self
    }

    /// Answers 401 to users who are banned, locked or deleted. A token does not show this, so the server looks up each
    /// user at Clerk every 60 seconds. The look-up needs the secret key, so the server does not start without a secret
    /// key. While Clerk does not answer, the server answers users with 503.
    ///
    /// ```
    /// let builder = mcp_auth::server!().check_users();
    /// # let _ = builder;
    /// ```
    ///
    /// Source: <https://clerk.com/docs/reference/backend-api>, `GET /v1/users/{user_id}`.
    pub fn check_users(mut self) -> Self {
        self.tokens.check_users = true;
        self
    }
}

/// The keys that the server has for verifying opaque tokens.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct HeldKeys {
    pub(in crate::server) secret: bool,
    pub(in crate::server) machine: bool,
    /// A local Clerk has a secret key of its own, and knows this server's machine.
    pub(in crate::server) local_clerk: bool,
}

impl HeldKeys {
    /// Finds the keys that are set in code and in the environment. A local Clerk counts as a secret key.
    pub(in crate::server) fn of(
        builder: &ServerBuilder,
        env: &Environment<'_>,
        local_clerk: bool,
    ) -> Self {
        Self {
            secret: local_clerk || builder.clerk.secret_key(env).value.is_some(),
            machine: builder.clerk.machine_key(env).value.is_some(),
            local_clerk,
        }
    }
}

/// Sets the accepted kinds of tokens and their rules. A kind whose settings have a finding stays accepted, so that the
/// finding does not make guards seem unsatisfiable.
pub(in crate::server) fn resolve(
    policy: &mut TokenPolicy,
    builder: &ServerBuilder,
    env: &Environment<'_>,
    keys: HeldKeys,
    findings: &mut Findings,
) {
    let options = &builder.tokens;
    policy.oauth = options.oauth;
    policy.sessions = options.sessions.as_ref().map(|parties| parties.0.clone());
    policy.check_users = options.check_users;
    policy.cache_age = options.cache_age;
    policy.cache_bytes = options.cache_bytes;
    if let Some(Parties::Listed(parties)) = &mut policy.sessions {
        if parties.is_empty() {
            let what = "`session_tokens(AuthorizedParties::only([]))` names no origin";
            let remedy = "name the origins of your pages, or use `AuthorizedParties::any()`";
            findings.push(Finding::new(&codes::PARTIES_EMPTY, what).remedy_is(remedy));
        }
        // The `azp` of a session token is the `Origin` of the page that requested the token.
        let name = "`session_tokens(AuthorizedParties::only([…]))`";
        *parties = entries(name, parties, origin, findings);
    }
    policy.machine = machine(builder, env, keys, findings);
    if let Some(required) = &options.api_keys {
        // An empty list must not accept every key of the instance.
        if required.0.as_ref().is_some_and(Vec::is_empty) {
            let what = "`api_keys(ApiKeyScopes::all_of([]))` names no scope";
            let remedy =
                "name the scopes that every key must have, or use `ApiKeyScopes::any_key()`";
            findings.push(Finding::new(&codes::API_KEY_SCOPES_EMPTY, what).remedy_is(remedy));
        }
        policy.api_keys = Some(required.0.clone().unwrap_or_default());
    }
    let needs_secret_key = [
        (policy.api_keys.is_some(), "api_keys"),
        (policy.check_users, "check_users"),
        (!builder.organizations.is_empty(), "organization_from"),
    ];
    for (_, method) in needs_secret_key
        .iter()
        .filter(|(needs, _)| *needs && !keys.secret)
    {
        let what = format!("`{method}` needs Clerk's Backend API, but no secret key is set");
        let finding = Finding::new(&codes::SECRET_KEY_REQUIRED, what);
        findings.push(finding.remedy_is("set CLERK_SECRET_KEY"));
    }
    if policy.kinds().next().is_none() {
        let remedy =
            "drop `without_oauth_tokens`, or add `session_tokens`, `m2m_tokens` or `api_keys`";
        let finding = Finding::new(&codes::TOKEN_KINDS_NONE, "no kind of token is accepted");
        findings.push(finding.remedy_is(remedy));
    }
}

/// The machine that represents this server, if the server accepts M2M tokens. If the settings of
/// the machine have a finding, the result is `Machine::Unnamed`.
fn machine(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    keys: HeldKeys,
    findings: &mut Findings,
) -> Option<Machine> {
    if !builder.tokens.m2m {
        return None;
    }
    let machine = match machine_id(builder, env, keys.local_clerk) {
        Ok(Some(id)) => Ok(Machine::Named(id)),
        Ok(None) if keys.machine => Ok(Machine::Unnamed),
        Ok(None) => {
            let what = "`m2m_tokens` is set, but no setting names this server's machine";
            let remedy = "set CLERK_MACHINE_ID (`mch_…`) or CLERK_MACHINE_SECRET_KEY, as the dashboard's \
                          page of this server's machine has them";
            Err(Finding::new(&codes::MACHINE_MISSING, what).remedy_is(remedy))
        }
        Err(finding) => Err(finding),
    };
    Some(findings.note(machine).unwrap_or(Machine::Unnamed))
}

/// Returns the id of the machine that represents this server. With a local Clerk this is the default machine, unless a
/// setting names another machine.
pub(in crate::server) fn machine_id(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    has_local_clerk: bool,
) -> Result<Option<String>, Finding> {
    let id = builder.clerk.machine_id(env);
    let source = id.source;
    let id = id
        .value
        .or_else(|| has_local_clerk.then(|| LOCAL_MACHINE.to_owned()));
    match id {
        Some(id) if id.strip_prefix("mch_").is_none_or(str::is_empty) => {
            // The finding does not contain the value, which may be a secret key.
            let what = format!("{source} is not a machine's id, which begins `mch_`");
            Err(Finding::new(&codes::MACHINE_ID_INVALID, what).remedy_is(COPY_MACHINE))
        }
        id => Ok(id),
    }
}

/// A machine of the emulator's default directory.
const LOCAL_MACHINE: &str = "mch_mcp";
