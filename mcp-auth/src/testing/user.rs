//! A caller in a test.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use clerk_emulator::{MintError, TokenRequest};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::identity::Owner;
use crate::protocol::MODERN;

use super::answer::TestAnswer;
use super::request::TestRequest;
use super::server::TestServer;

/// Somebody who calls a [`TestServer`]. Each call mints a token as it was described here.
///
/// What is said of an organization is said to the test's Clerk, at once: a membership is the
/// server's, whoever acts on it.
///
/// ```standalone_crate
/// use std::time::Duration;
///
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// /// Tell in which role somebody acts for whom.
/// #[mcp_auth::mcp_tool(scope = "profile")]
/// async fn standing(caller: &mcp_auth::Caller, org: Option<&mcp_auth::Org>) -> String {
///     let role = org.and_then(mcp_auth::Org::role).unwrap_or("nobody");
///     format!("{role} by {}", caller.client_id().unwrap_or("browser"))
/// }
///
/// # actix_web::rt::System::new().block_on(async {
/// let server = TestServer::of(
///     mcp_auth::server!().session_tokens(mcp_auth::AuthorizedParties::only(["https://app.example.com"])),
/// );
/// let ada = server.user("ada").org("acme").role("admin").permission("org:documents:read");
/// let standing = async |user: mcp_auth::testing::TestUser<'_>| user.call("standing", json!({})).await;
///
/// assert_eq!(standing(ada.clone()).await.text(), "org:admin by client_test");
/// assert_eq!(standing(ada.clone().legacy()).await.text(), "org:admin by client_test");
/// assert_eq!(standing(ada.clone().client("cursor")).await.text(), "org:admin by cursor");
///
/// // Tokens with other scopes, for others, of another time, with other claims.
/// let narrow = standing(ada.clone().scope("email")).await;
/// narrow.expect_insufficient_scope("profile user:org:read");
/// standing(ada.clone().audience(Some("https://other.example"))).await.expect_unauthorized();
/// standing(ada.clone().audience(None)).await.expect_ok();
/// standing(ada.clone().expires_in(-60)).await.expect_unauthorized();
/// standing(ada.clone().issued_ago(Duration::from_secs(2 * 86_400))).await.expect_unauthorized();
/// standing(ada.clone().claim("iss", json!("https://other.example"))).await.expect_unauthorized();
///
/// // A session token has no scopes.
/// let session = server.user("ada").org("acme").session();
/// let theirs = session.clone().party("https://app.example.com");
/// standing(theirs).await.expect_missing("scope", &["profile"]);
/// standing(session.party("https://other.example")).await.expect_unauthorized();
///
/// assert_eq!(ada.tools().await, ["standing"]);
/// assert!(ada.token().is_some() && server.anonymous().token().is_none());
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a caller does nothing until it calls"]
pub struct TestUser<'a> {
    server: &'a TestServer,
    credentials: Credentials,
    modern: bool,
    /// The query of the endpoint's URL.
    query: Option<String>,
}

#[derive(Clone)]
enum Credentials {
    None,
    Token(String),
    User(Box<User>),
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    organization: Option<String>,
    role: Option<String>,
    permissions: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    client_id: String,
    audience: Option<String>,
    party: Option<String>,
    features: Vec<String>,
    plans: Vec<String>,
    factor_ages: Option<[f64; 2]>,
    expires_in: Option<i64>,
    issued_ago: Duration,
    claims: Map<String, Value>,
    kind: Kind,
}

/// What is presented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    ApiKey,
    Machine,
    MachineJwt,
    OAuth,
    OpaqueOAuth,
    OrganizationKey,
    Session,
}

impl<'a> TestUser<'a> {
    pub(super) fn new(server: &'a TestServer, name: &str) -> Self {
        server.know(name);
        Self::of(server, name, Kind::OAuth, server.canonical())
    }

    pub(super) fn machine(server: &'a TestServer, name: &str) -> Self {
        Self::of(server, name, Kind::Machine, server.machine_id.clone())
    }

    pub(super) fn organization_key(server: &'a TestServer, slug: &str) -> Self {
        server.know_organization(slug);
        Self::of(server, slug, Kind::OrganizationKey, server.canonical())
    }

    fn of(server: &'a TestServer, name: &str, kind: Kind, audience: String) -> Self {
        let user = User {
            name: name.to_owned(),
            organization: None,
            role: None,
            permissions: None,
            scopes: None,
            client_id: "client_test".to_owned(),
            audience: Some(audience),
            party: None,
            features: Vec::new(),
            plans: Vec::new(),
            factor_ages: None,
            expires_in: None,
            issued_ago: Duration::ZERO,
            claims: Map::new(),
            kind,
        };
        Self {
            server,
            credentials: Credentials::User(Box::new(user)),
            modern: true,
            query: None,
        }
    }

    pub(super) fn anonymous(server: &'a TestServer) -> Self {
        Self {
            server,
            credentials: Credentials::None,
            modern: true,
            query: None,
        }
    }

    pub(super) fn bearer(server: &'a TestServer, token: String) -> Self {
        Self {
            server,
            credentials: Credentials::Token(token),
            modern: true,
            query: None,
        }
    }

    /// Acts in an organization. Whoever is no member yet becomes one, with the role `member` and no
    /// permissions; who was removed stays removed, with a token from before.
    pub fn org(self, slug: &str) -> Self {
        self.described(|user| user.organization = Some(slug.to_owned()))
    }

    /// Has this role in the organization, in place of another: `admin` or `org:admin`.
    pub fn role(self, role: &str) -> Self {
        let role = role.strip_prefix("org:").unwrap_or(role);
        self.described(|user| user.role = Some(role.to_owned()))
    }

    /// Has this permission in the organization; may be called several times. A caller has exactly the
    /// permissions that are named here: they replace what was said before of the same membership.
    pub fn permission(self, permission: &str) -> Self {
        self.described(|user| {
            let permissions = user.permissions.get_or_insert_default();
            permissions.push(permission.to_owned());
        })
    }

    /// Has this verified e-mail address at Clerk; by default none. Tokens and
    /// [`Profile`](crate::Profile) show the address if their scopes cover it.
    ///
    /// ```standalone_crate
    /// use mcp_auth::Profile;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Tell where to write to.
    /// #[mcp_auth::mcp_tool]
    /// async fn address(profile: &Profile) -> String {
    ///     profile.email.clone().unwrap_or_else(|| "nowhere".to_owned())
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let builder = mcp_auth::server!().session_tokens(mcp_auth::AuthorizedParties::only(["https://app.example.com"]));
    /// let server = TestServer::of(builder);
    /// let ada = server.user("ada").email("ada@example.com");
    /// for ada in [ada.clone(), ada.clone().opaque(), ada.session()] {
    ///     assert_eq!(ada.call("address", json!({})).await.expect_ok().text(), "ada@example.com");
    /// }
    /// assert_eq!(server.user("grace").call("address", json!({})).await.text(), "nowhere");
    /// # });
    /// ```
    pub fn email(self, address: &str) -> Self {
        if let Credentials::User(user) = &self.credentials {
            self.server.instance.set_email(&user.name, Some(address));
        }
        self
    }

    /// Has granted this scope; the default scopes `profile email` are then not there.
    pub fn scope(self, scope: &str) -> Self {
        self.with(|user| user.scopes.get_or_insert_default().push(scope.to_owned()))
    }

    /// Uses this OAuth client, by its id; `client_test` by default.
    pub fn client(self, client_id: &str) -> Self {
        self.with(|user| user.client_id = client_id.to_owned())
    }

    /// Has an OAuth token for this audience, the server's own by default; `None` for a token that names
    /// none. The audience of a machine's token is the machine that it is for.
    pub fn audience(self, audience: Option<&str>) -> Self {
        self.with(|user| user.audience = audience.map(str::to_owned))
    }

    /// Has a token that expires in so many seconds, by default a day for OAuth and a minute for
    /// sessions; negative for one that has expired.
    ///
    /// Every call mints a token: to see one expire, keep it with [`token`](Self::token) and present it
    /// with [`TestServer::bearer`].
    pub fn expires_in(self, seconds: i64) -> Self {
        self.with(|user| user.expires_in = Some(seconds))
    }

    /// Has a token that was issued so long ago.
    pub fn issued_ago(self, ago: Duration) -> Self {
        self.with(|user| user.issued_ago = ago)
    }

    /// Has a token with this claim, in place of its own; `null` for a token without it.
    pub fn claim(self, name: &str, value: Value) -> Self {
        self.with(|user| {
            user.claims.insert(name.to_owned(), value);
        })
    }

    /// Has a Clerk session token instead of an OAuth access token.
    pub fn session(self) -> Self {
        self.with(|user| user.kind = Kind::Session)
    }

    /// Has an opaque OAuth access token (`oat_…`) instead of a JWT.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Greet the organization.
    /// #[mcp_auth::mcp_tool]
    /// async fn greet(org: &mcp_auth::Org) -> String { format!("Hello {}", org.id()) }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let token = server.user("ada").org("acme").opaque().token().unwrap();
    /// let ada = server.bearer(token.clone());
    /// assert_eq!(ada.call("greet", json!({})).await.text(), "Hello org_acme");
    ///
    /// // What Clerk said is believed for a minute.
    /// server.revoke(&token);
    /// ada.call("greet", json!({})).await.expect_ok();
    /// server.advance(Duration::from_secs(60));
    /// ada.call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn opaque(self) -> Self {
        self.with(|user| {
            user.kind = match user.kind {
                Kind::OAuth | Kind::Session => Kind::OpaqueOAuth,
                Kind::MachineJwt => Kind::Machine,
                kind => kind,
            };
        })
    }

    /// Has a JWT instead of an opaque token, as machines may; a user's OAuth token is one by default.
    pub fn jwt(self) -> Self {
        self.with(|user| {
            user.kind = match user.kind {
                Kind::OpaqueOAuth => Kind::OAuth,
                Kind::Machine => Kind::MachineJwt,
                kind => kind,
            };
        })
    }

    /// Has an API key that this user made, with the scopes named by [`scope`](Self::scope) and no others.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Tell whose key it is.
    /// #[mcp_auth::mcp_tool]
    /// async fn whose(caller: &mcp_auth::Caller) -> String { caller.subject().to_owned() }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let builder = mcp_auth::server!().api_keys(mcp_auth::ApiKeyScopes::all_of(["documents:read"]));
    /// let server = TestServer::of(builder);
    /// let ada = server.user("ada").api_key();
    /// ada.call("whose", json!({})).await.expect_unauthorized();
    /// let ada = ada.scope("documents:read");
    /// assert_eq!(ada.call("whose", json!({})).await.text(), "user_ada");
    /// let acme = server.org_api_key("acme").scope("documents:read");
    /// assert_eq!(acme.call("whose", json!({})).await.text(), "org_acme");
    /// # });
    /// ```
    pub fn api_key(self) -> Self {
        self.with(|user| user.kind = Kind::ApiKey)
    }

    /// Has a session token that was minted for this origin (`azp`); by default for the first that the
    /// server accepts, or `http://localhost:3000` if it names none.
    pub fn party(self, origin: &str) -> Self {
        self.with(|user| user.party = Some(origin.to_owned()))
    }

    /// Has a session token that tells this feature: `org:export` or `user:export`; one without an owner is
    /// the organization's and the user's. May be called several times.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Export everything.
    /// #[mcp_auth::mcp_tool(feature = "org:export", plan = "pro", reverification = "moderate")]
    /// async fn export() {}
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!().session_tokens(mcp_auth::AuthorizedParties::any()));
    /// let ada = server.user("ada").org("acme").feature("org:export").plan("user:pro");
    /// ada.call("export", json!({})).await.expect_ok();
    /// let later = ada.factor_ages(60.0, -1.0).call("export", json!({})).await;
    /// later.expect_denied("Forbidden: moderate reverification required");
    /// # });
    /// ```
    pub fn feature(self, feature: &str) -> Self {
        self.with(|user| user.features.push(as_claimed(feature)))
            .session()
    }

    /// Has a session token that tells this plan, `org:pro` or `user:pro`, in place of `free`; one without an
    /// owner is the organization's and the user's. May be called several times.
    pub fn plan(self, plan: &str) -> Self {
        self.with(|user| user.plans.push(as_claimed(plan)))
            .session()
    }

    /// Has a session token that tells how many minutes ago the first and the second factor were verified,
    /// -1 for never; by default the first just now, and no second.
    pub fn factor_ages(self, first: f64, second: f64) -> Self {
        self.with(|user| user.factor_ages = Some([first, second]))
            .session()
    }

    /// Calls the endpoint by a URL that names an organization, by id or slug: `/mcp?org=acme`. The server
    /// reads it if [`organization_from`](crate::ServerBuilder::organization_from) says so.
    ///
    /// The token does not name the organization then: that is what [`org`](Self::org) describes, and
    /// [`TestServer::member`] makes the user a member without it.
    ///
    /// ```standalone_crate
    /// use mcp_auth::OrganizationSource;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Greet the organization.
    /// #[mcp_auth::mcp_tool]
    /// async fn greet(org: &mcp_auth::Org) -> String { format!("Hello {}", org.id()) }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let builder = mcp_auth::server!().organization_from([OrganizationSource::UrlQuery]);
    /// let server = TestServer::of(builder);
    /// server.member("ada", "acme");
    /// let ada = server.user("ada").url_org("acme");
    /// assert_eq!(ada.call("greet", json!({})).await.text(), "Hello org_acme");
    /// assert_eq!(ada.clone().url_org("globex").tools().await, Vec::<String>::new());
    ///
    /// // The consent screen and the URL name two organizations.
    /// let denied = ada.org("globex").call("greet", json!({})).await;
    /// denied.expect_denied("Organization context required");
    /// assert!(denied.denial().unwrap().hint().unwrap().contains("`org` in the server's URL"));
    /// # });
    /// ```
    pub fn url_org(self, organization: &str) -> Self {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("org", organization);
        Self {
            query: Some(query.finish()),
            ..self
        }
    }

    /// Speaks MCP as before 2026-07-28: without `_meta` and the headers that mirror the body.
    pub fn legacy(mut self) -> Self {
        self.modern = false;
        self
    }

    /// Calls a tool; `arguments` are an object, as a client would send it.
    ///
    /// # Panics
    ///
    /// If the description fits no token, as [`token`](Self::token).
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is written in place, with `json!`"
    )]
    pub fn call(&self, tool: &str, arguments: Value) -> impl Future<Output = TestAnswer> {
        let params = json!({ "name": tool, "arguments": arguments });
        self.request("tools/call", Some(tool), params).send()
    }

    /// Lists the names of the tools that this caller sees.
    ///
    /// # Panics
    ///
    /// If the list is refused, or the description fits no token.
    #[track_caller]
    #[expect(clippy::panic, reason = "the test expected a list")]
    pub fn tools(&self) -> impl Future<Output = Vec<String>> {
        let (request, here) = (
            self.request("tools/list", None, json!({})),
            Location::caller(),
        );
        async move {
            let answer = request.send().await;
            let tools = answer.member("/result/tools").and_then(Value::as_array);
            let Some(tools) = tools else {
                // What awaits is not who called.
                panic!("no list of tools at {here}, but {answer:?}")
            };
            let names = tools.iter().filter_map(|tool| tool.get("name")?.as_str());
            names.map(str::to_owned).collect()
        }
    }

    /// Returns the token that a call of this caller carries; `None` for an anonymous one.
    ///
    /// # Panics
    ///
    /// If the description fits no token: `scope` on a session token, say.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub fn token(&self) -> Option<String> {
        match &self.credentials {
            Credentials::None => None,
            Credentials::Token(token) => Some(token.clone()),
            Credentials::User(user) => match user.mint(self.server) {
                Ok(token) => Some(token),
                Err(error) => panic!("{error}"),
            },
        }
    }

    /// Not an `async fn`: a description that fits no token is a mistake at the line that calls.
    #[track_caller]
    fn request(&self, method: &str, name: Option<&str>, mut params: Value) -> TestRequest<'a> {
        let path = self.server.path();
        let target = match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut request = self
            .server
            .request("POST", &target)
            .header("Content-Type", "application/json");
        if let Some(token) = self.token() {
            request = request.bearer(&token);
        }
        if self.modern {
            request = request
                .header("MCP-Protocol-Version", MODERN)
                .header("Mcp-Method", method);
            if let Some(name) = name {
                request = request.header("Mcp-Name", name);
            }
            if let Some(params) = params.as_object_mut() {
                params.insert("_meta".to_owned(), meta());
            }
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        request.body(body.to_string())
    }

    fn with(mut self, change: impl FnOnce(&mut User)) -> Self {
        if let Credentials::User(user) = &mut self.credentials {
            change(user);
        }
        self
    }

    /// The same for what is Clerk's to know.
    fn described(self, change: impl FnOnce(&mut User)) -> Self {
        let server = self.server;
        self.with(|user| {
            change(user);
            user.describe(server);
        })
    }
}

impl User {
    fn describe(&self, server: &TestServer) {
        let Some(organization) = &self.organization else {
            return;
        };
        let (role, permissions) = (self.role.as_deref(), self.permissions.as_deref());
        let says_more = role.is_some() || permissions.is_some();
        if says_more || !server.was_removed(&self.name, organization) {
            server.describe_member(&self.name, organization, role, permissions);
        }
    }

    fn mint(&self, server: &TestServer) -> Result<String, MintError> {
        let instance = &server.instance;
        let now = server.clock.unix_seconds();
        let issued = now.saturating_sub(self.issued_ago.as_secs());
        if matches!(self.kind, Kind::Machine | Kind::MachineJwt) {
            let meant_for: Vec<_> = self.audience.as_deref().into_iter().collect();
            instance.set_machine(&self.name, &meant_for);
        }
        let is_secret = matches!(
            self.kind,
            Kind::ApiKey | Kind::Machine | Kind::OrganizationKey
        );
        if is_secret {
            let mut request = self.token_request(server);
            if !self.claims.is_empty() {
                request = request.claims(self.claims.clone());
            }
            return instance.mint(&request, issued);
        }
        let (header, mut claims) = match instance.token_parts(&self.token_request(server), issued) {
            Err(MintError::NotAMember { .. }) => self.of_former_member(server, issued)?,
            parts => parts?,
        };
        for (name, value) in &self.claims {
            match (claims.as_object_mut(), value) {
                (Some(claims), Value::Null) => drop(claims.remove(name)),
                (Some(claims), value) => drop(claims.insert(name.clone(), value.clone())),
                (None, _) => {}
            }
        }
        if self.kind == Kind::OpaqueOAuth {
            instance.mint_opaque_claims(claims)
        } else {
            instance.mint_claims(header, claims)
        }
    }

    /// An OAuth token outlives the membership it names; a session token lives for a minute.
    fn of_former_member(
        &self,
        server: &TestServer,
        issued: u64,
    ) -> Result<(Value, Value), MintError> {
        let mut stranger = self.clone();
        let organization = stranger.organization.take();
        let organization = organization.filter(|_| self.kind != Kind::Session);
        let (header, mut claims) = server
            .instance
            .token_parts(&stranger.token_request(server), issued)?;
        let directory = server.instance.directory();
        if let Some(organization) =
            organization.and_then(|slug| directory.organization(&slug).cloned())
            && let Some(claims) = claims.as_object_mut()
        {
            claims.insert("org_id".to_owned(), organization.id.into());
            let scopes = claims.get("scope").and_then(Value::as_str);
            let scopes = format!("{} user:org:read", scopes.unwrap_or_default());
            claims.insert("scope".to_owned(), scopes.into());
        }
        Ok((header, claims))
    }

    fn token_request(&self, server: &TestServer) -> TokenRequest {
        let name = self.name.as_str();
        let mut request = match self.kind {
            Kind::ApiKey => TokenRequest::api_key(name),
            Kind::Machine => TokenRequest::m2m(name),
            Kind::MachineJwt => TokenRequest::m2m(name).jwt(),
            // What an opaque one says is made of what a JWT would.
            Kind::OAuth | Kind::OpaqueOAuth => {
                TokenRequest::oauth(name).client_id(self.client_id.as_str())
            }
            Kind::OrganizationKey => TokenRequest::org_api_key(name),
            Kind::Session => TokenRequest::session(name),
        };
        if let Some(organization) = &self.organization {
            request = request.org(organization.as_str());
        }
        if let Some(scopes) = &self.scopes {
            request = request.scopes(scopes.iter().map(String::as_str));
        }
        let is_oauth = matches!(self.kind, Kind::OAuth | Kind::OpaqueOAuth);
        if let Some(audience) = self.audience.as_deref().filter(|_| is_oauth) {
            request = request.aud(audience);
        }
        let accepted = server.party.as_ref().filter(|_| self.kind == Kind::Session);
        if let Some(party) = self.party.as_ref().or(accepted) {
            request = request.azp(party.as_str());
        }
        if self.kind == Kind::Session {
            request.features.clone_from(&self.features);
            request.plans.clone_from(&self.plans);
            request.factor_ages = self.factor_ages;
        }
        if let Some(seconds) = self.expires_in {
            request = request.expires_in(seconds);
        }
        request
    }
}

/// Without the token, which is a secret wherever else it is accepted.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("[redacted]"),
            Self::User(user) => user.fmt(f),
        }
    }
}

/// A feature or plan as a session token spells it.
fn as_claimed(asked: &str) -> String {
    match Owner::split(asked) {
        Some((Owner::Organization, slug)) => format!("o:{slug}"),
        Some((Owner::User, slug)) => format!("u:{slug}"),
        Some((Owner::Any, slug)) => format!("ou:{slug}"),
        // As it is: what nobody can read is nobody's.
        None => asked.to_owned(),
    }
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "mcp-auth-testing", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}
