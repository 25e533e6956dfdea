//! The server under test.

use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::http::header::{CONTENT_TYPE, HOST};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use clerk_emulator::{Directory, Instance};

use crate::http::Site;
use crate::identity::IoRuntime;
use crate::server::ServerBuilder;

use super::answer::TestAnswer;
use super::clock::TestClock;
use super::user::TestUser;

/// A server in the test's process, and the Clerk it believes in.
///
/// Works under any test runtime: `#[actix_web::test]`, `#[tokio::test]`.
#[derive(Debug)]
pub struct TestServer {
    pub(super) instance: Instance,
    pub(super) clock: TestClock,
    site: Arc<Site>,
    _io: IoRuntime,
}

impl TestServer {
    /// Builds the server that `builder` describes, with a Clerk of its own; the environment and the
    /// builder's own keys are not looked at.
    ///
    /// # Panics
    ///
    /// If the server would not start: with the start-up error.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "a test that cannot start has failed")]
    pub fn of(builder: ServerBuilder) -> Self {
        match Self::build(builder) {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        }
    }

    fn build(mut builder: ServerBuilder) -> crate::Result<Self> {
        let clock = builder.take_clock().unwrap_or_default();
        let instance = Instance::new(ISSUER, Directory::empty())?;
        let io = IoRuntime::start()?;
        let site = builder.build_for_test(&instance, &clock, io.handle().clone())?;
        Ok(Self {
            instance,
            clock,
            site: Arc::new(site),
            _io: io,
        })
    }

    /// Starts a caller: a user with an OAuth access token of this server's audience.
    pub fn user(&self, name: &str) -> TestUser<'_> {
        TestUser::new(self, name)
    }

    /// A caller without a token.
    pub fn anonymous(&self) -> TestUser<'_> {
        TestUser::anonymous(self)
    }

    /// A caller with this very token, for tokens that no user could have.
    pub fn bearer(&self, token: impl Into<String>) -> TestUser<'_> {
        TestUser::bearer(self, token.into())
    }

    /// Ends a membership at Clerk. The server learns of it when its look-up is 30 s old.
    ///
    /// A [`TestUser`] that describes the membership makes it anew with its next call; call with a
    /// token from before: `server.bearer(user.token().unwrap())`.
    pub fn remove_member(&self, user: &str, organization: &str) {
        self.instance.remove_member(user, organization);
    }

    /// Moves time forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Signs any header and claims with the key that this server trusts.
    ///
    /// # Panics
    ///
    /// If one of them is not an object.
    #[must_use]
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub fn sign(&self, header: serde_json::Value, claims: serde_json::Value) -> String {
        match self.instance.mint_claims(header, claims) {
            Ok(token) => token,
            Err(error) => panic!("{error}"),
        }
    }

    /// The issuer of this server's tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.instance.issuer()
    }

    /// The canonical URL of the endpoint, which tokens name as their audience.
    pub(super) fn canonical(&self) -> String {
        self.site.url().to_owned()
    }

    /// Makes the server forget what it looked up, after a change that is not to be waited for.
    pub(super) fn forget(&self) {
        self.site.forget_organizations();
    }

    /// Sends one POST with a JSON body.
    pub(super) async fn post(
        &self,
        headers: &[(&'static str, String)],
        body: String,
    ) -> TestAnswer {
        let site = Arc::clone(&self.site);
        let app = App::new().configure(|services| site.routes(services));
        let app = init_service(app).await;
        let mut request = TestRequest::post()
            .uri(self.site.path())
            .insert_header((HOST, self.site.authority()))
            .insert_header((CONTENT_TYPE, "application/json"))
            .set_payload(body);
        for (name, value) in headers {
            request = request.insert_header((*name, value.as_str()));
        }
        let response = call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        let challenge = response
            .headers()
            .get("WWW-Authenticate")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let token = headers
            .iter()
            .find_map(|(_, value)| value.strip_prefix("Bearer "));
        let refused = match token {
            Some(token) if status == 401 => self.site.reason_of_refusal(token).await,
            Some(_) | None => None,
        };
        TestAnswer::new(status, challenge, refused, &read_body(response).await)
    }
}

/// Nobody listens there: a test's keys are an emulator's, and those are believed on loopback only.
const ISSUER: &str = "http://127.0.0.1:4400";
