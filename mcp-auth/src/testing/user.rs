//! A caller in a test.

use std::time::Duration;

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::protocol::MODERN;

use super::answer::TestAnswer;
use super::asked::AskedMessages;
use super::credentials::{Credentials, Kind, User, as_claimed};
use super::questions::Person;
use super::request::TestRequest;
use super::server::TestServer;

/// A caller of a [`TestServer`]. Each call mints a token with the properties that the methods set.
///
/// The methods for organization, role and permissions take effect at the test's Clerk at once, so all callers who are
/// this user share them.
///
/// ```standalone_crate
/// use std::time::Duration;
///
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// /// Name the role and the client of the caller.
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
/// // Tokens with other scopes, audiences, times and claims.
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
    /// The query string of the endpoint's URL.
    query: Option<String>,
    pub(super) asked: AskedMessages,
    pub(super) person: Person,
    /// True if the client supports tasks.
    pub(super) tasks: bool,
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
        let user = User::new(name, kind, audience);
        Self {
            server,
            credentials: Credentials::User(Box::new(user)),
            modern: true,
            query: None,
            asked: AskedMessages::default(),
            person: Person::default(),
            tasks: false,
        }
    }

    pub(super) fn anonymous(server: &'a TestServer) -> Self {
        Self {
            server,
            credentials: Credentials::None,
            modern: true,
            query: None,
            asked: AskedMessages::default(),
            person: Person::default(),
            tasks: false,
        }
    }

    pub(super) fn bearer(server: &'a TestServer, token: String) -> Self {
        Self {
            server,
            credentials: Credentials::Token(token),
            modern: true,
            query: None,
            asked: AskedMessages::default(),
            person: Person::default(),
            tasks: false,
        }
    }

    /// Makes the caller act in an organization. A user who is not a member becomes a member, with the role `member` and
    /// no permissions. A user who was removed from the organization stays removed, and presents a token from before the
    /// removal.
    pub fn org(self, slug: &str) -> Self {
        self.described(|user| user.organization = Some(slug.to_owned()))
    }

    /// Sets the role in the organization: `admin` or `org:admin`.
    pub fn role(self, role: &str) -> Self {
        let role = role.strip_prefix("org:").unwrap_or(role);
        self.described(|user| user.role = Some(role.to_owned()))
    }

    /// Adds a permission in the organization. May be called several times. The caller has exactly the permissions that
    /// are added here. They replace earlier permissions of the same membership.
    pub fn permission(self, permission: &str) -> Self {
        self.described(|user| {
            let permissions = user.permissions.get_or_insert_default();
            permissions.push(permission.to_owned());
        })
    }

    /// Gives the user this verified e-mail address at Clerk. By default a user has no address. Tokens and
    /// [`Profile`](crate::Profile) show the address if the scopes cover it.
    ///
    /// ```standalone_crate
    /// use mcp_auth::Profile;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Return the address of the caller.
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

    /// Mints tokens with this scope instead of the default scopes `profile email`. May be called several times to add
    /// further scopes.
    pub fn scope(self, scope: &str) -> Self {
        self.with(|user| user.scopes.get_or_insert_default().push(scope.to_owned()))
    }

    /// Sets the id of the OAuth client; `client_test` by default.
    pub fn client(self, client_id: &str) -> Self {
        self.with(|user| user.client_id = client_id.to_owned())
    }

    /// Sets the audience of the OAuth token. By default the audience is the server. With `None` the token has no
    /// audience. The audience of an M2M token is the machine for which the token is meant.
    pub fn audience(self, audience: Option<&str>) -> Self {
        self.with(|user| user.audience = audience.map(str::to_owned))
    }

    /// Sets after how many seconds the token expires. The default is a day for OAuth tokens, and a minute for session
    /// tokens. A negative number makes an expired token.
    ///
    /// Every request that this user sends has a new token. To test a token that expires, get one token with
    /// [`token`](Self::token) and present it with [`TestServer::bearer`].
    pub fn expires_in(self, seconds: i64) -> Self {
        self.with(|user| user.expires_in = Some(seconds))
    }

    /// Sets how long ago the token was issued.
    pub fn issued_ago(self, ago: Duration) -> Self {
        self.with(|user| user.issued_ago = ago)
    }

    /// Sets a claim of the token. The value `null` removes the claim.
    pub fn claim(self, name: &str, value: Value) -> Self {
        self.with(|user| {
            user.claims.insert(name.to_owned(), value);
        })
    }

    /// Presents a Clerk session token instead of an OAuth access token.
    pub fn session(self) -> Self {
        self.with(|user| user.kind = Kind::Session)
    }

    /// Presents an opaque OAuth access token (`oat_…`) instead of a JWT.
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
    /// // The server caches Clerk's response for a minute.
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

    /// Presents a JWT instead of an opaque token. By default, a user's OAuth token is a JWT and a machine's
    /// token is opaque.
    pub fn jwt(self) -> Self {
        self.with(|user| {
            user.kind = match user.kind {
                Kind::OpaqueOAuth => Kind::OAuth,
                Kind::Machine => Kind::MachineJwt,
                kind => kind,
            };
        })
    }

    /// Presents an API key that this user created, with exactly the scopes that [`scope`](Self::scope) adds.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Name the owner of the key.
    /// #[mcp_auth::mcp_tool]
    /// async fn owner(caller: &mcp_auth::Caller) -> String { caller.subject().to_owned() }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let builder = mcp_auth::server!().api_keys(mcp_auth::ApiKeyScopes::all_of(["documents:read"]));
    /// let server = TestServer::of(builder);
    /// let ada = server.user("ada").api_key();
    /// ada.call("owner", json!({})).await.expect_unauthorized();
    /// let ada = ada.scope("documents:read");
    /// assert_eq!(ada.call("owner", json!({})).await.text(), "user_ada");
    /// let acme = server.org_api_key("acme").scope("documents:read");
    /// assert_eq!(acme.call("owner", json!({})).await.text(), "org_acme");
    /// # });
    /// ```
    pub fn api_key(self) -> Self {
        self.with(|user| user.kind = Kind::ApiKey)
    }

    /// Sets the origin (`azp`) of the session token. The default is the first origin that the server accepts, or
    /// `http://localhost:3000` if the server accepts any origin.
    pub fn party(self, origin: &str) -> Self {
        self.with(|user| user.party = Some(origin.to_owned()))
    }

    /// Presents a session token with this feature, `org:export` or `user:export`. A feature without
    /// an owner belongs to the organization and to the user. May be called several times.
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

    /// Presents a session token with this plan, `org:pro` or `user:pro`, instead of `free`. A plan
    /// without an owner belongs to the organization and to the user. May be called several times.
    pub fn plan(self, plan: &str) -> Self {
        self.with(|user| user.plans.push(as_claimed(plan)))
            .session()
    }

    /// Presents a session token that says how many minutes ago the first and the second factor were verified. -1 means
    /// never. By default the first factor was verified just now, and the second factor never.
    pub fn factor_ages(self, first: f64, second: f64) -> Self {
        self.with(|user| user.factor_ages = Some([first, second]))
            .session()
    }

    /// Calls the endpoint by a URL that names an organization, by id or slug: `/mcp?org=acme`. The server
    /// reads the organization only if [`organization_from`](crate::ServerBuilder::organization_from) includes
    /// the source `UrlQuery`.
    ///
    /// The token does not name the organization. [`org`](Self::org) adds the organization to the token, and
    /// [`TestServer::member`] makes the user a member without changing the token.
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

    /// Uses MCP 2025-11-25. Requests then have neither `_meta` nor the headers that repeat values of the body.
    pub fn legacy(mut self) -> Self {
        self.modern = false;
        self
    }

    /// Calls a tool. `arguments` is an object, as a client would send it.
    ///
    /// # Panics
    ///
    /// If no token can be minted with the properties set on this user; see [`token`](Self::token).
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "tests write the arguments in place, with `json!`"
    )]
    pub fn call(&self, tool: &str, arguments: Value) -> impl Future<Output = TestAnswer> {
        let params = json!({ "name": tool, "arguments": arguments });
        self.ask("tools/call", tool, params)
    }

    /// Returns the token that a call of this caller carries. `None` for a caller without a token.
    ///
    /// # Panics
    ///
    /// If no token can be minted with the properties set on this user, for example a session token with a scope.
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

    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    pub(super) fn server(&self) -> &'a TestServer {
        self.server
    }

    /// This is not an `async fn`, so that a panic names the line of the caller.
    #[track_caller]
    pub(super) fn request(
        &self,
        method: &str,
        name: Option<&str>,
        mut params: Value,
    ) -> TestRequest<'a> {
        let path = self.server.path();
        let target = match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut request = self
            .server
            .request("POST", &target)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream");
        if let Some(token) = self.token() {
            request = request.bearer(&token);
        }
        if self.modern {
            request = request
                .header("MCP-Protocol-Version", MODERN)
                .header("Mcp-Method", method);
            if let Some(name) = name {
                request = request.header("Mcp-Name", name);
                if method == "tools/call" {
                    for (header, value) in self.server.argument_headers(name, &params) {
                        request = request.header(header, &value);
                    }
                }
            }
        }
        let meta = self.asked.meta(self.modern, self.capabilities());
        if let (Some(params), false) = (params.as_object_mut(), meta.is_empty()) {
            params.insert("_meta".to_owned(), meta.into());
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

    /// Changes the user, and tells the test's Clerk about the change.
    fn described(self, change: impl FnOnce(&mut User)) -> Self {
        let server = self.server;
        self.with(|user| {
            change(user);
            user.describe(server);
        })
    }
}
