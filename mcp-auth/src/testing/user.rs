//! A caller in a test.

use clerk_emulator::TokenRequest;
use serde_json::{Value, json};

use crate::protocol::MODERN;

use super::answer::TestAnswer;
use super::server::TestServer;

/// Somebody who calls a [`TestServer`]. Each call mints a token as it was described here.
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
    role: String,
    permissions: Vec<String>,
    scopes: Option<Vec<String>>,
    client_id: String,
    audience: Option<String>,
    expires_in: Option<i64>,
    session: bool,
}

impl<'a> TestUser<'a> {
    pub(super) fn new(server: &'a TestServer, name: &str) -> Self {
        let user = User {
            name: name.to_owned(),
            organization: None,
            role: "member".to_owned(),
            permissions: Vec::new(),
            scopes: None,
            client_id: "client_test".to_owned(),
            audience: Some(server.canonical()),
            expires_in: None,
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

    /// Acts in an organization, as its member with the role `member` and no permissions.
    pub fn org(self, slug: &str) -> Self {
        self.with(|user| user.organization = Some(slug.to_owned()))
    }

    /// Has this role in the organization: `admin` or `org:admin`.
    pub fn role(self, role: &str) -> Self {
        let role = role.strip_prefix("org:").unwrap_or(role);
        self.with(|user| user.role = role.to_owned())
    }

    /// Has this permission in the organization.
    pub fn permission(self, permission: &str) -> Self {
        self.with(|user| user.permissions.push(permission.to_owned()))
    }

    /// Has granted this scope; the default scopes `profile email` are then not there.
    pub fn scope(self, scope: &str) -> Self {
        self.with(|user| user.scopes.get_or_insert_default().push(scope.to_owned()))
    }

    /// Uses this OAuth client.
    pub fn client(self, client_id: &str) -> Self {
        self.with(|user| user.client_id = client_id.to_owned())
    }

    /// Has a token for this audience; `None` for a token that names none.
    pub fn audience(self, audience: Option<&str>) -> Self {
        self.with(|user| user.audience = audience.map(str::to_owned))
    }

    /// Has a token that expires in so many seconds; negative for one that has expired.
    pub fn expires_in(self, seconds: i64) -> Self {
        self.with(|user| user.expires_in = Some(seconds))
    }

    /// Has a Clerk session token instead of an OAuth access token.
    pub fn session(self) -> Self {
        self.with(|user| user.session = true)
    }

    /// Speaks the legacy form of the protocol.
    pub fn legacy(mut self) -> Self {
        self.modern = false;
        self
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> TestAnswer {
        let params = json!({ "name": tool, "arguments": arguments });
        self.request("tools/call", Some(tool), params).await
    }

    /// Lists the names of the tools that this caller sees.
    ///
    /// # Panics
    ///
    /// If the list is refused.
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
        let user = match &self.credentials {
            Credentials::None => return None,
            Credentials::Token(token) => return Some(token.clone()),
            Credentials::User(user) => user,
        };
        let organization = user.organization.as_deref().unwrap_or(NOWHERE);
        let permissions: Vec<&str> = user.permissions.iter().map(String::as_str).collect();
        let instance = &self.server.instance;
        // A user exists at Clerk by being a member of something.
        instance.set_member(&user.name, organization, &user.role, &permissions);
        self.server.forget();
        match instance.mint(&user.token_request(), self.server.clock.unix_seconds()) {
            Ok(token) => Some(token),
            Err(error) => panic!("{error}"),
        }
    }

    async fn request(&self, method: &str, name: Option<&str>, mut params: Value) -> TestAnswer {
        let mut headers = Vec::new();
        if let Some(token) = self.token() {
            headers.push(("Authorization", format!("Bearer {token}")));
        }
        if self.modern {
            headers.push(("MCP-Protocol-Version", MODERN.to_owned()));
            headers.push(("Mcp-Method", method.to_owned()));
            headers.extend(name.map(|name| ("Mcp-Name", name.to_owned())));
            if let Some(params) = params.as_object_mut() {
                params.insert("_meta".to_owned(), meta());
            }
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.server.post(&headers, body.to_string()).await
    }

    fn with(mut self, change: impl FnOnce(&mut User)) -> Self {
        if let Credentials::User(user) = &mut self.credentials {
            change(user);
        }
        self
    }
}

impl User {
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

const NOWHERE: &str = "nowhere";
