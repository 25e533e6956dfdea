//! A request with any method, headers and body, for tests of the protocol.

use std::fmt;

use actix_web::http::Method;
use actix_web::test::TestRequest as ActixRequest;

use super::answer::TestAnswer;
use super::server::TestServer;

/// A request with any method, headers and body. [`TestServer::request`] creates it. By default the request has only a
/// `Host` header.
///
/// ```standalone_crate
/// # use mcp_auth::testing::TestServer;
/// /// Tell the time.
/// #[mcp_auth::mcp_tool(public)]
/// async fn time() -> &'static str {
///     "noon"
/// }
///
/// # actix_web::rt::System::new().block_on(async {
/// let server = TestServer::of(mcp_auth::server!());
/// let answer = server
///     .request("POST", "/mcp")
///     .header("Content-Type", "application/json")
///     .body(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"time"}}"#)
///     .send()
///     .await;
/// assert_eq!(answer.expect_ok().text(), "noon");
///
/// let token = server.user("ada").token().unwrap();
/// let answer = server.request("GET", "/mcp").bearer(&token).send().await;
/// assert_eq!(answer.expect_status(405).header("Allow"), Some("POST, OPTIONS"));
///
/// let twice = server
///     .request("POST", "/mcp")
///     .header("Content-Type", "application/json")
///     .bearer(&token)
///     .and_header("Authorization", "Bearer another");
/// twice.send().await.expect_status(400);
///
/// let metadata = server.request("GET", "/.well-known/oauth-protected-resource/mcp").send().await;
/// assert_eq!(metadata.expect_status(200).body()["authorization_servers"][0], server.issuer());
/// # });
/// ```
#[derive(Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct TestRequest<'a> {
    server: &'a TestServer,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl TestServer {
    /// Returns a request with any method, headers and body.
    pub fn request(&self, method: &str, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, target)
    }
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(server: &'a TestServer, method: &str, target: &str) -> Self {
        Self {
            server,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), server.authority())],
            body: Vec::new(),
        }
    }

    /// Sets a header, and removes other headers with the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.and_header(name, value)
    }

    /// Adds a header, and keeps other headers with the same name.
    pub fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the access token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the request for actix.
    ///
    /// # Panics
    ///
    /// If the method is not a valid HTTP method.
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub(super) fn to_actix(&self) -> ActixRequest {
        let Ok(method) = Method::from_bytes(self.method.as_bytes()) else {
            panic!("`{}` is not an HTTP method", self.method)
        };
        let request = ActixRequest::with_uri(&self.target).method(method);
        let headers = self.headers.iter();
        headers.fold(request.set_payload(self.body.clone()), |request, header| {
            let (name, value) = header;
            request.append_header((name.as_str(), value.as_str()))
        })
    }

    /// Sends the request.
    ///
    /// # Panics
    ///
    /// If the request cannot be written as HTTP, for example because of a space in the method or a
    /// line break in a header.
    pub async fn send(self) -> TestAnswer {
        let server = self.server;
        server.send(self).await
    }
}

/// Prints neither headers nor body, because they may contain a token.
impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
