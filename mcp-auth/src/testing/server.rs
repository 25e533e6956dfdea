//! The server under test.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::App;
use actix_web::test::{call_service, init_service, read_body};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clerk_emulator::{Instance, Membership};
use serde_json::Value;

use crate::audit::AuditRecord;
use crate::http::Site;
use crate::identity::IoRuntime;
use crate::primitive::{MirroredArgument, Starts};
use crate::server::{AccessMatrix, ServerBuilder};

use super::answer::{TestAnswer, read};
use super::clerk::InProcess;
use super::clock::TestClock;
use super::request::TestRequest;

/// A server in the process of the test, with a Clerk of its own.
///
/// Works under any test runtime: `#[actix_web::test]`, `#[tokio::test]`. Servers share no state and do not listen on a
/// port, so tests can run in parallel, in one process or in several processes.
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
/// // The server knows the people and their permissions; all callers named `ada` are this member.
/// server.member("ada", "acme").role("admin").permissions(["org:documents:delete"]);
/// let ada = server.user("ada").org("acme");
/// ada.call("delete_document", document.clone()).await.expect_ok();
/// assert_eq!(server.ran("delete_document"), 1);
///
/// // The server caches a membership for 30 s, so the removal takes effect after that time.
/// server.remove_member("ada", "acme");
/// server.advance(Duration::from_secs(30));
/// let answer = ada.call("delete_document", document.clone()).await;
/// answer.expect_denied("Organization context required");
/// assert_eq!(server.ran("delete_document"), 1);
///
/// // A test can present any token: an old token, a forged token, or none.
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
    /// The id of the machine that represents the server.
    pub(super) machine_id: String,
    /// An origin whose session tokens the server accepts, if the configuration names one.
    pub(super) party: Option<String>,
    /// True during an outage, in which Clerk does not answer.
    pub(super) away: Arc<AtomicBool>,
    site: Arc<Site>,
    matrix: AccessMatrix,
    starts: Starts,
    requests: AtomicUsize,
    /// Users, each with an organization from which the user was removed.
    removed: Mutex<BTreeSet<(String, String)>>,
    _io: IoRuntime,
}

impl TestServer {
    /// Builds the server that `builder` describes, with a Clerk of its own. The server does not use the environment and
    /// the keys of the builder. The people and roles of the test's Clerk come from `emulator = "…"` in
    /// [`server!`](crate::server) or from `ServerBuilder::emulator_directory`. Without these settings there are no
    /// people.
    ///
    /// # Panics
    ///
    /// With the start-up error, if the server would not start in production.
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
        let clock = builder.take_clock().map_or_else(TestClock::new, TestClock);
        let instance = Instance::new(ISSUER, builder.described_people()?)?;
        let machine_id = builder.machine_in_process();
        let party = builder.accepted_party();
        let away = Arc::new(AtomicBool::new(false));
        let io = IoRuntime::start()?;
        let clerk = InProcess {
            instance: instance.clone(),
            clock: Arc::clone(&clock.0) as _,
            away: Arc::clone(&away),
        };
        let time = Arc::clone(&clock.0) as _;
        let connect = |policy: &_| clerk.connect(policy, io.handle());
        let (site, matrix) = builder.build_in_process(ISSUER, time, connect)?;
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

    /// Returns the access matrix. Store it in a file and compare the file in a test. A review then
    /// shows each guard that admits more callers than before.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    ///
    /// /// Name the caller.
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

    /// Ends a membership at Clerk. The server caches a membership for 30 s. [`member`](Self::member), and a role or
    /// permission of a [`TestUser`](super::TestUser), make the user a member again.
    pub fn remove_member(&self, user: &str, organization: &str) {
        self.instance.remove_member(user, organization);
        self.removed().insert(membership_key(user, organization));
    }

    /// Revokes an opaque token or an API key at Clerk. The server refuses the token within 60 s.
    ///
    /// # Panics
    ///
    /// If Clerk does not know the token. A JWT cannot be revoked.
    #[track_caller]
    #[expect(clippy::panic, reason = "a mistake in the test")]
    pub fn revoke(&self, token: &str) {
        if !self.instance.revoke(token) {
            panic!("there is no such opaque token")
        }
    }

    /// Returns how often the requests so far have called the tool's function.
    #[must_use]
    pub fn ran(&self, tool: &str) -> usize {
        self.starts.of(tool)
    }

    /// Returns the records of the audit log since the last call of this method: at most the latest 10,000. Every server of
    /// a test has an audit log.
    ///
    /// ```
    /// use mcp_auth::AuditOutcome;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Delete a document.
    /// #[mcp_auth::mcp_tool(permission = "org:documents:delete")]
    /// async fn delete_document(document_id: String) {}
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = mcp_auth::server!();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada").org("acme");
    /// ada.call("delete_document", json!({ "document_id": "d1" })).await;
    ///
    /// let records = server.audit();
    /// let [record] = records.as_slice() else { panic!("{records:?}") };
    /// assert_eq!(record.outcome, Some(AuditOutcome::Denied));
    /// assert_eq!(record.subject.as_deref(), Some("user_ada"));
    /// assert_eq!(record.requirement.as_ref().unwrap().names, ["org:documents:delete"]);
    /// assert!(!record.to_json().contains("d1"));
    /// # });
    /// ```
    #[must_use]
    pub fn audit(&self) -> Vec<AuditRecord> {
        let audit = self.site.endpoint.audit_log();
        audit.map_or_else(Vec::new, |audit| audit.collected())
    }

    /// Moves time forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Signs any header and claims with a key that this server trusts.
    ///
    /// # Panics
    ///
    /// If the header or the claims are not a JSON object.
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

    /// Returns the canonical URL of the endpoint, which tokens name as their audience.
    pub(super) fn canonical(&self) -> String {
        self.site.url().to_owned()
    }

    pub(super) fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site)
    }

    pub(super) fn authority(&self) -> String {
        self.site.authority().to_owned()
    }

    pub(super) fn path(&self) -> &str {
        self.site.path()
    }

    /// Returns the headers that repeat arguments of a call, as a client sends them.
    pub(super) fn argument_headers(
        &self,
        tool: &str,
        params: &Value,
    ) -> Vec<(&'static str, String)> {
        let declared = self.site.mirrored_arguments(tool).iter();
        let headers = declared.filter_map(|MirroredArgument { argument, header }| {
            let value = params.get("arguments")?.get(argument)?;
            let text = match value {
                Value::Array(_) | Value::Null | Value::Object(_) => return None,
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
            };
            Some((*header, header_value(text)))
        });
        headers.collect()
    }

    /// Creates the user if the user does not exist.
    pub(super) fn know(&self, user: &str) {
        if self.instance.directory().user(user).is_none() {
            // A user without any membership remains when the membership is removed again. Clerk allows such a user.
            self.instance.set_member(user, NOWHERE, "member", &[]);
            self.instance.remove_member(user, NOWHERE);
        }
    }

    /// Creates the organization if the organization does not exist.
    pub(super) fn know_organization(&self, organization: &str) {
        if self
            .instance
            .directory()
            .organization(organization)
            .is_none()
        {
            // An organization without members remains when the member is removed again. Clerk allows such an
            // organization.
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

    /// Returns true if the membership was ended and was not set again afterwards.
    pub(super) fn was_removed(&self, user: &str, organization: &str) -> bool {
        self.removed().contains(&membership_key(user, organization))
    }

    /// Makes a user a member, or changes the membership. The change takes effect at once, because
    /// the server's cache is cleared.
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

    pub(super) async fn send(&self, request: TestRequest<'_>) -> TestAnswer {
        let site = Arc::clone(&self.site);
        let app = App::new().configure(|services| {
            site.routes(services);
            site.well_known(services);
        });
        let app = init_service(app).await;
        let sent = request.to_actix();
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
        let headers: Vec<(String, String)> = headers;
        let is_stream = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value == "text/event-stream"
        });
        let (notifications, body) = read(&body, is_stream);
        TestAnswer {
            status,
            headers,
            refused,
            notifications,
            questions: Vec::new(),
            body,
            ran: starts.in_request(),
        }
    }

    fn removed(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints only the URL of the server, because the debug output of a caller includes its server.
impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("url", &self.site.url())
            .finish_non_exhaustive()
    }
}

/// Encodes a text as the value of a header (MCP 2026-07-28, basic/transports/streamable-http, value encoding).
fn header_value(text: String) -> String {
    let is_visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let looks_encoded = text.starts_with("=?base64?") && text.ends_with("?=");
    if is_visible && text.trim() == text && !looks_encoded {
        text
    } else {
        format!("=?base64?{}?=", STANDARD.encode(text))
    }
}

/// Returns the key of a membership. A name and the full id give the same key.
fn membership_key(user: &str, organization: &str) -> (String, String) {
    let short = |id: &str, prefix| id.strip_prefix(prefix).unwrap_or(id).to_owned();
    (short(user, "user_"), short(organization, "org_"))
}

/// No server listens at this URL. It is a loopback URL, because the keys of a test belong to an emulator, whose keys
/// are trusted on loopback only.
const ISSUER: &str = "http://127.0.0.1:4400";
const NOBODY: &str = "nobody";
const NOWHERE: &str = "nowhere";
