//! The server under test.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::App;
use actix_web::http::Method;
use actix_web::test::{TestRequest as ActixRequest, call_service, init_service, read_body};
use clerk_emulator::{Instance, Membership};
use serde_json::Value;

use crate::http::Site;
use crate::identity::IoRuntime;
use crate::server::{AccessMatrix, ServerBuilder};
use crate::tool::Starts;

use super::answer::TestAnswer;
use super::clock::TestClock;
use super::member::TestMember;
use super::request::TestRequest;
use super::user::TestUser;

/// A server in the test's process, and the Clerk it believes in.
///
/// Works under any test runtime: `#[actix_web::test]`, `#[tokio::test]`. Servers share nothing and
/// listen nowhere, so that tests can run side by side, and each in a process of its own.
///
/// ```standalone_crate
/// use std::time::Duration;
///
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// /// Delete a document.
/// #[mcp_auth::mcp_tool(permission = "org:documents:delete", require_org)]
/// async fn delete_document(document_id: String) {}
///
/// # actix_web::rt::System::new().block_on(async {
/// let server = TestServer::of(mcp_auth::server!());
/// let document = json!({ "document_id": "d1" });
///
/// // People and what they may are the server's; whoever acts as `ada` acts as this member.
/// server.member("ada", "acme").role("admin").permissions(["org:documents:delete"]);
/// let ada = server.user("ada").org("acme");
/// ada.call("delete_document", document.clone()).await.expect_ok();
/// assert_eq!(server.ran("delete_document"), 1);
///
/// // A membership that has ended is believed for as long as it was looked up for.
/// server.remove_member("ada", "acme");
/// server.advance(Duration::from_secs(30));
/// let answer = ada.call("delete_document", document.clone()).await;
/// answer.expect_denied("Organization context required");
/// assert_eq!(server.ran("delete_document"), 1);
///
/// // Any token can be presented: kept ones, forged ones, none.
/// let token = server.user("grace").token().unwrap();
/// server.advance(Duration::from_secs(25 * 3600));
/// server.bearer(token).call("delete_document", document.clone()).await.expect_unauthorized();
/// let forged = server.sign(json!({ "alg": "none" }), json!({ "iss": server.issuer() }));
/// server.bearer(forged).call("delete_document", document.clone()).await.expect_unauthorized();
/// server.anonymous().call("delete_document", document).await.expect_unauthorized();
///
/// // And a request can be written by hand.
/// server.request("GET", "/elsewhere").send().await.expect_status(404);
/// # });
/// ```
pub struct TestServer {
    pub(super) instance: Instance,
    pub(super) clock: TestClock,
    /// The machine that the server is.
    pub(super) machine_id: String,
    /// An origin whose session tokens the server accepts, if it names any.
    pub(super) party: Option<String>,
    /// Whether Clerk does not answer.
    away: Arc<AtomicBool>,
    site: Arc<Site>,
    matrix: AccessMatrix,
    starts: Starts,
    requests: AtomicUsize,
    /// Users with the organizations that they were removed from.
    removed: Mutex<BTreeSet<(String, String)>>,
    _io: IoRuntime,
}

impl TestServer {
    /// Builds the server that `builder` describes, with a Clerk of its own; the environment and the
    /// builder's own keys are not looked at. That Clerk knows the people and roles that the builder names by
    /// `emulator = "…"` of [`server!`](crate::server) or by `ServerBuilder::emulator_directory`, else nobody.
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
        let instance = Instance::new(ISSUER, builder.test_people()?)?;
        let machine_id = builder.test_machine_id();
        let party = builder.test_party();
        let away = Arc::new(AtomicBool::new(false));
        let io = IoRuntime::start()?;
        let (site, matrix) =
            builder.build_for_test(&instance, &clock, &away, io.handle().clone())?;
        Ok(Self {
            instance,
            clock,
            machine_id,
            party,
            away,
            site: Arc::new(site),
            matrix,
            starts: Starts::new(),
            requests: AtomicUsize::new(0),
            removed: Mutex::default(),
            _io: io,
        })
    }

    /// Returns who may call what: to be kept as a file and compared with, so that nobody widens a
    /// guard unseen.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    ///
    /// /// Tell who is calling.
    /// #[mcp_auth::mcp_tool]
    /// async fn who_am_i(caller: &mcp_auth::Caller) -> String {
    ///     caller.subject().to_owned()
    /// }
    ///
    /// assert_eq!(
    ///     TestServer::of(mcp_auth::server!()).matrix().to_markdown(),
    ///     "\
    /// | tool | anonymous | signed in | in an organization | requires | scopes |
    /// |---|---|---|---|---|---|
    /// | who_am_i | no | yes | yes | signed in | any token |
    /// "
    /// );
    /// ```
    pub fn matrix(&self) -> AccessMatrix {
        self.matrix.clone()
    }

    /// Makes somebody a member of an organization, with the role `member` and no permissions, unless
    /// they are one already; what it returns says more.
    pub fn member(&self, user: &str, organization: &str) -> TestMember<'_> {
        TestMember::new(self, user, organization)
    }

    /// Ends a membership at Clerk, until it is described again with [`member`](Self::member) or
    /// with a role or permission of a [`TestUser`]. The server learns of it when its look-up is 30 s
    /// old.
    pub fn remove_member(&self, user: &str, organization: &str) {
        self.instance.remove_member(user, organization);
        self.removed().insert(membership_key(user, organization));
    }

    /// Starts a caller: a user, by name or id (`ada`, `user_ada`), with an OAuth access token of this
    /// server's audience.
    pub fn user(&self, name: &str) -> TestUser<'_> {
        TestUser::new(self, name)
    }

    /// Starts a caller that is a machine, by name or id (`billing`, `mch_billing`), with an opaque token
    /// for the server's own machine; [`jwt`](TestUser::jwt) makes it a JWT.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Import what a machine has gathered.
    /// #[mcp_auth::mcp_tool]
    /// async fn import(caller: &mcp_auth::Caller) -> String {
    ///     format!("from {}", caller.machine_id().unwrap_or("a user"))
    /// }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!().m2m_tokens().machine_id("mch_reports"));
    /// let billing = server.machine("billing");
    /// assert_eq!(billing.call("import", json!({})).await.text(), "from mch_billing");
    /// billing.clone().jwt().call("import", json!({})).await.expect_ok();
    /// let stray = billing.audience(Some("mch_other"));
    /// stray.call("import", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn machine(&self, name: &str) -> TestUser<'_> {
        TestUser::machine(self, name)
    }

    /// Starts a caller with an API key of an organization, by slug or id; a user's is made by
    /// [`TestUser::api_key`].
    pub fn org_api_key(&self, organization: &str) -> TestUser<'_> {
        TestUser::organization_key(self, organization)
    }

    /// Revokes an opaque token or an API key at Clerk. The server learns of it within 60 s.
    ///
    /// # Panics
    ///
    /// If Clerk knows no such token: a JWT cannot be revoked.
    #[track_caller]
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub fn revoke(&self, token: &str) {
        if !self.instance.revoke(token) {
            panic!("there is no such opaque token")
        }
    }

    /// Bans a user at Clerk, for servers that [check users](ServerBuilder::check_users). The server learns
    /// of it within 60 s.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Greet.
    /// #[mcp_auth::mcp_tool]
    /// async fn greet() -> String { "Hello".to_owned() }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!().check_users());
    /// let ada = server.user("ada");
    /// ada.call("greet", json!({})).await.expect_ok();
    /// server.ban("ada");
    /// server.advance(Duration::from_secs(60));
    /// ada.call("greet", json!({})).await.expect_refused("user-banned");
    ///
    /// server.unban("ada");
    /// server.lock("ada");
    /// server.advance(Duration::from_secs(60));
    /// ada.call("greet", json!({})).await.expect_refused("user-locked");
    ///
    /// server.unlock("ada");
    /// server.advance(Duration::from_secs(60));
    /// let kept = server.bearer(ada.token().unwrap());
    /// kept.call("greet", json!({})).await.expect_ok();
    /// server.delete_user("ada");
    /// server.advance(Duration::from_secs(60));
    /// kept.call("greet", json!({})).await.expect_refused("user-gone");
    /// # });
    /// ```
    pub fn ban(&self, user: &str) {
        self.know(user);
        self.instance.set_banned(user, true);
    }

    /// Lifts the [ban](Self::ban) of a user.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn unban(&self, user: &str) {
        must_exist(user, self.instance.set_banned(user, false));
    }

    /// Locks a user out at Clerk, as it does itself after too many wrong passwords; otherwise like
    /// [`ban`](Self::ban).
    pub fn lock(&self, user: &str) {
        self.know(user);
        self.instance.set_locked(user, true);
    }

    /// Lets a [locked](Self::lock) user in again.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn unlock(&self, user: &str) {
        must_exist(user, self.instance.set_locked(user, false));
    }

    /// Deletes a user at Clerk, with all memberships; otherwise like [`ban`](Self::ban). A token that is
    /// to outlive its user is kept from before; [`user`](Self::user) makes a new user of that name.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn delete_user(&self, user: &str) {
        must_exist(user, self.instance.delete_user(user));
    }

    /// Lets Clerk answer nothing, until [`end_outage`](Self::end_outage): no membership, no user, no opaque
    /// token can be looked up. What was looked up before is believed as long as always; its keys
    /// the server has.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Delete a document.
    /// #[mcp_auth::mcp_tool(permission = "org:documents:delete")]
    /// async fn delete_document(document_id: String) {}
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada").org("acme").permission("org:documents:delete");
    /// let document = json!({ "document_id": "d1" });
    ///
    /// server.begin_outage();
    /// let answer = ada.call("delete_document", document.clone()).await;
    /// answer.expect_status(503).expect_not_run();
    ///
    /// // After five failures in a row Clerk is left alone, for eight seconds at most.
    /// server.end_outage();
    /// server.advance(Duration::from_secs(8));
    /// ada.call("delete_document", document).await.expect_ok();
    /// # });
    /// ```
    pub fn begin_outage(&self) {
        self.away.store(true, Ordering::Relaxed);
    }

    /// Lets Clerk answer again.
    pub fn end_outage(&self) {
        self.away.store(false, Ordering::Relaxed);
    }

    /// Starts a caller without a token.
    pub fn anonymous(&self) -> TestUser<'_> {
        TestUser::anonymous(self)
    }

    /// Starts a caller with this very token, for tokens that no user could have.
    pub fn bearer(&self, token: impl Into<String>) -> TestUser<'_> {
        TestUser::bearer(self, token.into())
    }

    /// Starts a request that is not a call: any method, headers and body.
    pub fn request(&self, method: &str, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, target)
    }

    /// Returns how often the tool's function was called, in all requests so far.
    #[must_use]
    pub fn ran(&self, tool: &str) -> usize {
        self.starts.of(tool)
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
    #[track_caller]
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub fn sign(&self, header: Value, claims: Value) -> String {
        match self.instance.mint_claims(header, claims) {
            Ok(token) => token,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns the issuer of this server's tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.instance.issuer()
    }

    /// The canonical URL of the endpoint, which tokens name as their audience.
    pub(super) fn canonical(&self) -> String {
        self.site.url().to_owned()
    }

    pub(super) fn authority(&self) -> String {
        self.site.authority().to_owned()
    }

    pub(super) fn path(&self) -> &str {
        self.site.path()
    }

    /// Makes sure that there is such a user.
    pub(super) fn know(&self, user: &str) {
        if self.instance.directory().user(user).is_none() {
            // At Clerk nobody has to be a member of anything.
            self.instance.set_member(user, NOWHERE, "member", &[]);
            self.instance.remove_member(user, NOWHERE);
        }
    }

    /// Makes sure that there is such an organization.
    pub(super) fn know_organization(&self, organization: &str) {
        if self
            .instance
            .directory()
            .organization(organization)
            .is_none()
        {
            // At Clerk an organization may be without members.
            self.instance
                .set_member(NOBODY, organization, "member", &[]);
            self.instance.remove_member(NOBODY, organization);
        }
    }

    pub(super) fn membership(&self, user: &str, organization: &str) -> Option<Membership> {
        let directory = self.instance.directory();
        let organization = directory.organization(organization)?;
        directory.membership(&organization.id, &directory.user(user)?.id)
    }

    /// Whether the membership was ended, and not described since.
    pub(super) fn was_removed(&self, user: &str, organization: &str) -> bool {
        self.removed().contains(&membership_key(user, organization))
    }

    /// Makes somebody a member, or another kind of member. What is changed is not waited for: the
    /// server forgets what it looked up.
    pub(super) fn describe_member(
        &self,
        user: &str,
        organization: &str,
        role: Option<&str>,
        permissions: Option<&[String]>,
    ) {
        let known = self.membership(user, organization);
        if known.is_some() && role.is_none() && permissions.is_none() {
            return;
        }
        let (known_role, known_permissions) = match known {
            Some(known) => (known.role, known.permissions),
            None => ("member".to_owned(), Vec::new()),
        };
        let permissions = permissions.unwrap_or(&known_permissions);
        let permissions: Vec<_> = permissions.iter().map(String::as_str).collect();
        let role = role.unwrap_or(&known_role);
        self.instance
            .set_member(user, organization, role, &permissions);
        self.removed().remove(&membership_key(user, organization));
        self.site.forget_organizations();
    }

    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub(super) async fn send(&self, request: TestRequest<'_>) -> TestAnswer {
        let Ok(method) = Method::from_bytes(request.method.as_bytes()) else {
            panic!("`{}` is no HTTP method", request.method)
        };
        let site = Arc::clone(&self.site);
        let app = App::new().configure(|services| {
            site.routes(services);
            site.well_known(services);
        });
        let app = init_service(app).await;
        let mut sent = ActixRequest::with_uri(&request.target)
            .method(method)
            .set_payload(request.body);
        for (name, value) in &request.headers {
            sent = sent.append_header((name.as_str(), value.as_str()));
        }
        let starts = self
            .starts
            .of_request(self.requests.fetch_add(1, Ordering::Relaxed) + 1);
        let answered = starts.clone().during(async {
            let response = call_service(&app, sent.to_request()).await;
            let status = response.status().as_u16();
            let headers = response.headers().iter();
            let headers = headers.map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            });
            (status, headers.collect(), read_body(response).await)
        });
        let (status, headers, body) = answered.await;
        let mut tokens = request.headers.iter();
        let token = tokens.find_map(|(_, value)| value.strip_prefix("Bearer "));
        let refused = match token {
            Some(token) if status == 401 => self.site.reason_of_refusal(token).await,
            Some(_) | None => None,
        };
        TestAnswer {
            status,
            headers,
            refused,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            ran: starts.in_request(),
        }
    }

    fn removed(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's debug output has its server's: the whole site would bury it.
impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("url", &self.site.url())
            .finish_non_exhaustive()
    }
}

/// What is undone has to be there: a slip in the name would be a test that shows nothing.
#[track_caller]
#[expect(clippy::panic, reason = "a mistake in the test")]
fn must_exist(user: &str, exists: bool) {
    if !exists {
        panic!("there is no user `{user}`")
    }
}

/// Names and full ids both do.
fn membership_key(user: &str, organization: &str) -> (String, String) {
    let short = |id: &str, prefix| id.strip_prefix(prefix).unwrap_or(id).to_owned();
    (short(user, "user_"), short(organization, "org_"))
}

/// Nobody listens there: a test's keys are an emulator's, and those are believed on loopback only.
const ISSUER: &str = "http://127.0.0.1:4400";
const NOBODY: &str = "nobody";
const NOWHERE: &str = "nowhere";
