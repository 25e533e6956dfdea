//! A caller in a test.

use std::time::Duration;

use clerk_emulator::{MintError, TokenRequest};
use serde_json::{Map, Value, json};

use crate::protocol::MODERN;

use super::answer::TestAnswer;
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
///     mcp_auth::server!().session_tokens(mcp_auth::parties(["https://app.example.com"])),
/// );
/// let ada = server.user("ada").org("acme").role("admin").permission("org:documents:read");
/// let standing = async |user: mcp_auth::testing::TestUser<'_>| user.call("standing", json!({})).await;
///
/// assert_eq!(standing(ada.clone()).await.text(), "org:admin by client_test");
/// assert_eq!(standing(ada.clone().legacy()).await.text(), "org:admin by client_test");
/// assert_eq!(standing(ada.clone().client("cursor")).await.text(), "org:admin by cursor");
///
/// // Tokens with other scopes, for others, of another time, with other claims.
/// standing(ada.clone().scope("email")).await.expect_insufficient_scope("profile");
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
}

#[derive(Clone, Debug)]
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
    expires_in: Option<i64>,
    issued_ago: Duration,
    claims: Map<String, Value>,
    session: bool,
}

impl<'a> TestUser<'a> {
    pub(super) fn new(server: &'a TestServer, name: &str) -> Self {
        server.know(name);
        let user = User {
            name: name.to_owned(),
            organization: None,
            role: None,
            permissions: None,
            scopes: None,
            client_id: "client_test".to_owned(),
            audience: Some(server.canonical()),
            party: None,
            expires_in: None,
            issued_ago: Duration::ZERO,
            claims: Map::new(),
            session: false,
        };
        Self {
            server,
            credentials: Credentials::User(Box::new(user)),
            modern: true,
        }
    }

    pub(super) fn anonymous(server: &'a TestServer) -> Self {
        Self {
            server,
            credentials: Credentials::None,
            modern: true,
        }
    }

    pub(super) fn bearer(server: &'a TestServer, token: String) -> Self {
        Self {
            server,
            credentials: Credentials::Token(token),
            modern: true,
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

    /// Has this permission in the organization; may be called several times. Those named here
    /// replace what was said before of the same membership.
    pub fn permission(self, permission: &str) -> Self {
        self.described(|user| {
            let permissions = user.permissions.get_or_insert_default();
            permissions.push(permission.to_owned());
        })
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
    /// none.
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
        self.with(|user| user.session = true)
    }

    /// Has a session token that was minted for this origin (`azp`); `http://localhost:3000` by default.
    pub fn party(self, origin: &str) -> Self {
        self.with(|user| user.party = Some(origin.to_owned()))
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
    pub async fn call(&self, tool: &str, arguments: Value) -> TestAnswer {
        let params = json!({ "name": tool, "arguments": arguments });
        self.request("tools/call", Some(tool), params).await
    }

    /// Lists the names of the tools that this caller sees.
    ///
    /// # Panics
    ///
    /// If the list is refused, or the description fits no token.
    #[expect(clippy::panic, reason = "the test expected a list")]
    pub async fn tools(&self) -> Vec<String> {
        let answer = self.request("tools/list", None, json!({})).await;
        let Some(tools) = answer
            .result()
            .and_then(|result| result.get("tools")?.as_array())
        else {
            panic!("no list of tools, but {answer:?}")
        };
        let names = tools.iter().filter_map(|tool| tool.get("name")?.as_str());
        names.map(str::to_owned).collect()
    }

    /// Returns the token that a call of this caller carries; `None` for an anonymous one.
    ///
    /// # Panics
    ///
    /// If the description fits no token: `scope` on a session token, say.
    #[must_use]
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

    async fn request(&self, method: &str, name: Option<&str>, mut params: Value) -> TestAnswer {
        let mut request = self
            .server
            .request("POST", self.server.path())
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
        request.body(body.to_string()).send().await
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
        let (header, mut claims) = match instance.token_parts(&self.token_request(), issued) {
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
        instance.mint_claims(header, claims)
    }

    /// An OAuth token outlives the membership it names; a session token lives for a minute.
    fn of_former_member(
        &self,
        server: &TestServer,
        issued: u64,
    ) -> Result<(Value, Value), MintError> {
        let mut stranger = self.clone();
        let organization = stranger.organization.take().filter(|_| !self.session);
        let (header, mut claims) = server
            .instance
            .token_parts(&stranger.token_request(), issued)?;
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

    fn token_request(&self) -> TokenRequest {
        let mut request = if self.session {
            TokenRequest::session(self.name.as_str())
        } else {
            TokenRequest::oauth(self.name.as_str()).client_id(self.client_id.as_str())
        };
        if let Some(organization) = &self.organization {
            request = request.org(organization.as_str());
        }
        if let Some(scopes) = &self.scopes {
            request = request.scopes(scopes.iter().map(String::as_str));
        }
        if let Some(audience) = self.audience.as_deref().filter(|_| !self.session) {
            request = request.aud(audience);
        }
        if let Some(party) = &self.party {
            request = request.azp(party.as_str());
        }
        if let Some(seconds) = self.expires_in {
            request = request.expires_in(seconds);
        }
        request
    }
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "mcp-auth-testing", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}
