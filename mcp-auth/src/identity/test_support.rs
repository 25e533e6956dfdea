//! Support for unit tests: keys, and mock sources that count requests.

mod key;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tracing::{Dispatch, Level};

use crate::identity::{
    Authenticator, AuthenticatorConfig, Caller, CallerParts, Clock, Confirmation,
    ConfirmationSource, Conventions, Decode, FetchError, Json, KeySource, Keys, LookupError,
    ManualClock, MembershipPage, Memberships, Object, Org, PublishedKey, Session, TokenError,
    TokenKind, TokenPolicy, TokenStatus, TokenText, User, UserInfo, UserInfoSource, UserSource,
    VerifiedClaims,
};

pub(crate) use self::key::TestKey;

/// The issuer of all test tokens.
pub(crate) const ISSUER: &str = "https://clerk.example.com";
/// The resource for which test tokens are meant.
pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";
/// `iat` of test tokens.
pub(crate) const NOW: u64 = 1_750_000_000;

pub(crate) fn oauth_header() -> Value {
    json!({"alg": "RS256", "kid": "ins_1", "typ": "at+jwt"})
}

pub(crate) fn oauth_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user_ada", "aud": RESOURCE, "client_id": "client_1",
        "scope": "profile email", "iat": NOW, "nbf": NOW - 10, "exp": NOW + 86_400,
    })
}

pub(crate) fn session_header() -> Value {
    json!({"alg": "RS256", "kid": "ins_1", "typ": "JWT"})
}

pub(crate) fn session_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user_ada", "sid": "sess_1", "azp": "https://app.example.com",
        "iat": NOW, "nbf": NOW - 10, "exp": NOW + 60,
    })
}

/// Returns an OAuth token signed by the shared key.
pub(crate) fn oauth_token(claims: &Value) -> String {
    TestKey::shared().sign(&oauth_header(), claims)
}

pub(crate) fn session_token(claims: &Value) -> String {
    TestKey::shared().sign(&session_header(), claims)
}

/// Returns the policy of a server at [`RESOURCE`].
pub(crate) fn policy() -> TokenPolicy {
    TokenPolicy::new(ISSUER.to_owned(), vec![RESOURCE.to_owned()])
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW * 1_000))
}

/// Returns an authenticator that knows the shared key and needs no network.
pub(crate) fn offline(policy: TokenPolicy) -> Authenticator {
    let keys = Keys::from_pem(&TestKey::shared().public_pem()).unwrap();
    with_keys(policy, keys, clock())
}

/// Returns an authenticator with these keys, which looks up neither opaque tokens nor users.
pub(crate) fn with_keys(policy: TokenPolicy, keys: Keys, clock: Arc<dyn Clock>) -> Authenticator {
    Authenticator::new(AuthenticatorConfig {
        policy,
        keys,
        decode: Arc::new(PlainDecode),
        clock,
        confirm: None,
        people: None,
    })
}

/// Returns the caller of an OAuth token with these claims, verified.
pub(crate) fn oauth_caller(claims: &Value) -> Caller {
    block_on(offline(policy()).authenticate(&oauth_token(claims))).unwrap()
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// Returns the log lines that the work writes, at all levels.
pub(crate) fn logged(work: impl FnOnce()) -> String {
    logged_at(Level::TRACE, work)
}

/// Returns the log lines that the work writes, at this level and above.
pub(crate) fn logged_at(level: Level, work: impl FnOnce()) -> String {
    // For the whole process, `tracing` caches which events have a subscriber, and updates this cache when a subscriber
    // comes or goes. A subscriber that stays keeps concurrent tests independent.
    static STAYING: OnceLock<Dispatch> = OnceLock::new();
    STAYING.get_or_init(|| Dispatch::new(log_to(Level::TRACE, Arc::default())));
    let written = Arc::<Mutex<Vec<u8>>>::default();
    tracing::subscriber::with_default(log_to(level, Arc::clone(&written)), work);
    let bytes = written.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn log_to(level: Level, written: Arc<Mutex<Vec<u8>>>) -> impl tracing::Subscriber + Send + Sync {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(move || LogWriter(Arc::clone(&written)))
        .finish()
}

struct LogWriter(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The conventions of the provider in these tests.
pub(crate) static CONVENTIONS: Conventions = Conventions {
    user: "user_",
    organization: "org_",
    machine: "mch_",
    opaque_tokens: &[
        ("ak_", TokenKind::ApiKey),
        ("mt_", TokenKind::M2m),
        ("oat_", TokenKind::OAuth),
    ],
    emulator_key: "ins_emulator_",
    hints: &[
        (
            TokenError::AudienceMissing,
            "register the URL under Agents, MCP servers",
        ),
        (TokenError::AudienceMismatch, "compare MCP_URL"),
        (TokenError::Opaque, "set CLERK_SECRET_KEY"),
    ],
};

/// Reads the standard claims, and no claims of a particular provider.
#[derive(Debug)]
pub(crate) struct PlainDecode;

impl Decode for PlainDecode {
    fn decode(
        &self,
        claims: &VerifiedClaims,
        members: &Object<'_>,
    ) -> Result<CallerParts, TokenError> {
        let text = |name| {
            let text = members.get(name).and_then(Json::as_str);
            text.map(str::to_owned)
        };
        if members.get("undecodable").is_some() {
            return Err(TokenError::Claims);
        }
        let session = match claims.kind() {
            TokenKind::ApiKey | TokenKind::M2m | TokenKind::OAuth => None,
            TokenKind::Session => text("sid").map(|id| Session::new(id, None, None)),
        };
        let scopes = text("scope").unwrap_or_default();
        Ok(CallerParts {
            client_id: text("client_id"),
            scopes: scopes.split(' ').map(str::to_owned).collect(),
            org: text("org_id").map(Org::only_id),
            session,
            ..CallerParts::default()
        })
    }

    fn conventions(&self) -> &'static Conventions {
        &CONVENTIONS
    }

    fn machines<'a>(&self, claims: &'a Object<'_>) -> Vec<&'a str> {
        let scopes = claims.get("scopes").and_then(Json::as_str);
        scopes.unwrap_or_default().split(' ').collect()
    }

    fn check_class(&self, _: TokenKind, header: &Object<'_>) -> Result<(), TokenError> {
        if header.get("cat").is_some() {
            Err(TokenError::Class)
        } else {
            Ok(())
        }
    }
}

/// An issuer that counts how often it is asked.
#[derive(Debug)]
pub(crate) struct CountingSource {
    shared: Arc<Issuer>,
}

#[derive(Debug)]
struct Issuer {
    calls: AtomicUsize,
    keys: Mutex<Option<Vec<PublishedKey>>>,
    /// While the gate is closed, the issuer delays its responses.
    gate: Semaphore,
}

impl CountingSource {
    /// Creates an issuer that publishes these keys and answers at once.
    pub(crate) fn of(keys: Vec<PublishedKey>) -> Arc<Self> {
        let issuer = Issuer {
            calls: AtomicUsize::new(0),
            keys: Mutex::new(Some(keys)),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        };
        Arc::new(Self {
            shared: Arc::new(issuer),
        })
    }

    /// Publishes these keys from now on. With `None`, the issuer is down.
    pub(crate) fn publish(&self, keys: Option<Vec<PublishedKey>>) {
        *self.shared.keys.lock().unwrap() = keys;
    }

    pub(crate) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// Makes responses wait until [`Self::open`].
    pub(crate) fn close(&self) {
        self.shared.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.shared.gate.add_permits(Semaphore::MAX_PERMITS);
    }
}

impl KeySource for CountingSource {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<PublishedKey>, FetchError>> {
        let issuer = Arc::clone(&self.shared);
        async move {
            issuer.calls.fetch_add(1, Ordering::SeqCst);
            drop(issuer.gate.acquire().await.unwrap());
            let keys = issuer.keys.lock().unwrap().clone();
            keys.ok_or_else(|| FetchError::Unreachable("down".into()))
        }
        .boxed()
    }
}

/// A mock identity provider that counts requests. It returns its responses in turn, and then
/// repeats the last response.
#[derive(Debug)]
pub(crate) struct MockSource<T> {
    calls: AtomicUsize,
    answers: Mutex<VecDeque<Result<T, LookupError>>>,
    gate: Arc<Semaphore>,
}

/// A directory of single memberships.
pub(crate) type CountingDirectory = MockSource<Option<Org>>;

impl<T: Clone + Send + 'static> MockSource<T> {
    pub(crate) fn answering(
        answers: impl IntoIterator<Item = Result<T, LookupError>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::new(0),
            answers: Mutex::new(answers.into_iter().collect()),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Returns this response from now on.
    pub(crate) fn answer(&self, answer: Result<T, LookupError>) {
        *self.answers.lock().unwrap() = VecDeque::from([answer]);
    }

    pub(crate) fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    fn next(&self) -> BoxFuture<'static, Result<T, LookupError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        }
        .unwrap();
        let gate = Arc::clone(&self.gate);
        async move {
            drop(gate.acquire().await.unwrap());
            answer
        }
        .boxed()
    }
}

impl Memberships for MockSource<Option<Org>> {
    fn membership(&self, _: &str, _: &str) -> BoxFuture<'static, Result<Option<Org>, LookupError>> {
        self.next()
    }

    /// Returns a list of one page. The page contains the membership, if there is one.
    fn memberships(
        &self,
        _: &str,
        _: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>> {
        let next = self.next();
        async move {
            let orgs: Vec<_> = next.await?.into_iter().collect();
            let total = orgs.len() as u64;
            Ok(MembershipPage { orgs, total })
        }
        .boxed()
    }
}

/// A directory of lists of memberships. Each response is a page.
impl Memberships for MockSource<MembershipPage> {
    fn membership(
        &self,
        id: &str,
        _: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>> {
        let (next, id) = (self.next(), id.to_owned());
        async move {
            let orgs = next.await?.orgs;
            Ok(orgs.into_iter().find(|org| org.id() == id))
        }
        .boxed()
    }

    fn memberships(
        &self,
        _: &str,
        _: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>> {
        self.next()
    }
}

impl ConfirmationSource for MockSource<TokenStatus> {
    fn confirms(&self, _: TokenKind) -> bool {
        true
    }

    fn confirm(
        &self,
        _: TokenKind,
        _: TokenText,
    ) -> BoxFuture<'static, Result<TokenStatus, LookupError>> {
        self.next()
    }
}

impl UserSource for MockSource<Option<User>> {
    fn user(&self, _: &str) -> BoxFuture<'static, Result<Option<User>, LookupError>> {
        self.next()
    }
}

impl UserInfoSource for MockSource<UserInfo> {
    fn user_info(&self, _: TokenText) -> BoxFuture<'static, Result<UserInfo, LookupError>> {
        self.next()
    }
}

/// Returns the issuer's description of an opaque OAuth token of `user_ada` for [`RESOURCE`]. The
/// token lives for a day.
pub(crate) fn confirmation() -> Confirmation {
    Confirmation {
        id: Some("oat_id_1".to_owned()),
        issued_ms: Some(NOW * 1_000),
        subject: "user_ada".to_owned(),
        expires_ms: Some((NOW + 86_400) * 1_000),
        audience: Some(json!([RESOURCE])),
        machines: Vec::new(),
        claims: Map::new(),
        parts: CallerParts {
            client_id: Some("client_1".to_owned()),
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            ..CallerParts::default()
        },
    }
}

/// Returns the issuer's response for an active token.
pub(crate) fn active(confirmation: Confirmation) -> Result<TokenStatus, LookupError> {
    Ok(TokenStatus::Active(Box::new(confirmation)))
}
