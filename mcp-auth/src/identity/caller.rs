//! The verified caller.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::identity::actor::Actor;
use crate::identity::cache::Fingerprint;
use crate::identity::entitlements::Entitlements;
use crate::identity::org::{Org, heap_size};
use crate::identity::people::People;
use crate::identity::scopes::ScopeHierarchy;
use crate::identity::session::Session;
use crate::identity::sight::Sight;
use crate::identity::token::TokenText;
use crate::identity::verify::VerifiedClaims;
use crate::limits::Party;

/// The caller of a tool, as their access token proves them to be.
///
/// There is no way to make one but to present a genuine token: one that bears the signature of the
/// issuer's key, or that the issuer itself confirmed in the last minute. The token can't be had from
/// here, and is kept only where its issuer has to be asked with it: an opaque OAuth token, and any
/// OAuth token where the server has no secret key. What is here was true when the token was issued or
/// confirmed; what the caller is in an organization now is what [`Org`] tells.
///
/// ```
/// use mcp_auth::{Actor, Caller, Session, TokenKind, mcp_tool};
/// use serde_json::json;
///
/// /// Tell the caller what the server knows of them.
/// #[mcp_tool(read_only)]
/// async fn who_am_i(caller: &Caller) -> String {
///     json!({
///         "subject": caller.subject(),
///         "is_oauth": caller.token_kind() == TokenKind::OAuth,
///         "client": caller.client_id(),
///         "scopes": caller.scopes(),
///         "may_write": caller.has_scope("documents:write"),
///         "organization": caller.org_id(),
///         "session": caller.session().map(Session::id),
///         "actor": caller.actor().map(Actor::subject),
///     })
///     .to_string()
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::testing::TestServer;
///
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada").org("acme").scope("documents:read");
/// let told = ada.call("who_am_i", json!({})).await;
/// assert_eq!(
///     serde_json::from_str::<serde_json::Value>(told.expect_ok().text()).unwrap(),
///     json!({
///         "subject": "user_ada",
///         "is_oauth": true,
///         "client": "client_test",
///         "scopes": ["documents:read", "user:org:read"],
///         "may_write": false,
///         "organization": "org_acme",
///         "session": null,
///         "actor": null,
///     })
/// );
/// # });
/// ```
///
/// Source: RFC 9068 §2.2 for OAuth access tokens,
/// <https://clerk.com/docs/guides/sessions/session-tokens> for session tokens.
#[derive(Clone)]
pub struct Caller {
    facts: Arc<CallerFacts>,
    /// Read when they are asked for, and not among the facts, which are kept as long as the token: few
    /// ask, and they are the larger part of what is known.
    claims: OnceLock<Arc<Map<String, Value>>>,
}

/// In this order in memory: what each call reads comes first, and is three lines of a processor's cache.
/// With callers by the thousand the rest would be fetched for nothing.
#[repr(C)]
struct CallerFacts {
    claims: VerifiedClaims,
    /// The hash of the [`Principal`] without its organization: a request may be in another organization than
    /// the token.
    principal_hash: u64,
    /// The hash of the issuer and the subject: of the user or machine, over all clients.
    subject_hash: u64,
    of_session: Option<Box<SessionParts>>,
    org: Option<Org>,
    realm: Arc<CallerContext>,
    scopes: Vec<String>,
    is_user: bool,
    org_at_issuer: bool,
    client_id: Option<Box<str>>,
    org_id: Option<Box<str>>,
    fingerprint: Fingerprint,
    token: Option<TokenText>,
    /// The organization that the token names, of which it tells no more.
    named_org: OnceLock<Org>,
    sight: Mutex<Option<Box<Sight>>>,
}

/// What hardly any but session tokens tell: apart, since callers are kept by the thousand.
struct SessionParts {
    actor: Option<Actor>,
    session: Option<Session>,
    features: Option<Entitlements>,
    plans: Option<Entitlements>,
}

/// What the callers of one server have in common.
#[derive(Debug, Default)]
pub(crate) struct CallerContext {
    /// Which scopes contain others.
    pub(crate) hierarchy: Arc<ScopeHierarchy>,
    /// Where more is known of users.
    pub(crate) people: Option<Arc<People>>,
    /// Hashes principals, with a key that nobody knows.
    pub(crate) hashes: RandomState,
}

/// What an identity provider reads from verified claims.
#[derive(Clone, Debug)]
pub(crate) struct CallerParts {
    /// The OAuth client.
    pub(crate) client_id: Option<String>,
    /// The scopes granted.
    pub(crate) scopes: Vec<String>,
    /// The organization that the token names.
    pub(crate) org_id: Option<String>,
    /// The token names none, but its issuer tells its bearer which one they chose.
    pub(crate) org_at_issuer: bool,
    /// That organization with the caller's standing there, if the token tells it.
    pub(crate) org: Option<Org>,
    /// Who acts in the user's name.
    pub(crate) actor: Option<Actor>,
    /// The session, for session tokens.
    pub(crate) session: Option<Session>,
    /// The features that the token tells; `None` if it tells none that can be read.
    pub(crate) features: Option<Entitlements>,
    /// The plans that the token tells; `None` if it tells none that can be read.
    pub(crate) plans: Option<Entitlements>,
}

/// The kind of token that a caller presented.
///
/// A server accepts OAuth access tokens, and any other kind only if it is told to:
/// [`session_tokens`](crate::ServerBuilder::session_tokens),
/// [`m2m_tokens`](crate::ServerBuilder::m2m_tokens), [`api_keys`](crate::ServerBuilder::api_keys).
///
/// ```
/// use mcp_auth::{Caller, TokenKind};
///
/// /// Whether the user's own browser or app calls, and not a program in their name.
/// fn is_first_party(caller: &Caller) -> bool {
///     caller.token_kind() == TokenKind::Session
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum TokenKind {
    /// An API key (`ak_…`) that a user or an organization made.
    ApiKey,
    /// A token of a machine (`mt_…`, or a JWT whose subject is a machine).
    M2m,
    /// An OAuth access token (a JWT by RFC 9068, or opaque: `oat_…`), which is what MCP clients
    /// present.
    OAuth,
    /// A Clerk session token of a browser or app
    /// (<https://clerk.com/docs/guides/sessions/session-tokens>).
    Session,
}

impl TokenKind {
    /// The kind as the key `accept` of [`#[mcp_tool]`](crate::mcp_tool) names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::M2m => "m2m",
            Self::OAuth => "oauth",
            Self::Session => "session",
        }
    }

    /// The kind of this name.
    pub(crate) const fn named(name: &str) -> Option<Self> {
        match name.as_bytes() {
            b"api_key" => Some(Self::ApiKey),
            b"m2m" => Some(Self::M2m),
            b"oauth" => Some(Self::OAuth),
            b"session" => Some(Self::Session),
            _ => None,
        }
    }
}

impl fmt::Display for TokenKind {
    /// As the key `accept` of [`#[mcp_tool]`](crate::mcp_tool) names it: `oauth`, `session`, `m2m`,
    /// `api_key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who is who, for everything that outlives a request: equal principals share state, others are
/// strangers. Two clients of one user are two principals.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Principal<'a> {
    issuer: &'a str,
    kind: TokenKind,
    subject: &'a str,
    client_id: Option<&'a str>,
    org_id: Option<&'a str>,
}

/// A caller as the key of a table of one server's principals.
#[derive(Clone, Debug)]
pub(crate) struct PrincipalKey {
    caller: Caller,
    /// The organization that the caller acts in, if it is not the one that the token names.
    org: Option<Org>,
}

impl PrincipalKey {
    /// The key of a caller who acts in this organization.
    pub(crate) fn new(caller: Caller, org: Option<&Org>) -> Self {
        let other = org.filter(|org| Some(org.id()) != caller.org_id());
        Self {
            org: other.cloned(),
            caller,
        }
    }

    fn principal(&self) -> Principal<'_> {
        self.caller.principal_in(self.org.as_ref())
    }
}

/// By the hash that was made when the token was verified. The principals of one user in different
/// organizations share the hash: there are no more of them than the user has memberships.
impl Hash for PrincipalKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.caller.facts.principal_hash);
    }
}

impl PartialEq for PrincipalKey {
    fn eq(&self, other: &Self) -> bool {
        // Mostly it is the very same caller: nothing of it has to be read.
        match (&self.org, &other.org) {
            (None, None) if Arc::ptr_eq(&self.caller.facts, &other.caller.facts) => true,
            _ => self.principal() == other.principal(),
        }
    }
}

impl Eq for PrincipalKey {}

impl Caller {
    /// The caller whom these claims, which only verification makes, prove.
    pub(crate) fn new(
        claims: VerifiedClaims,
        parts: CallerParts,
        fingerprint: Fingerprint,
        token: Option<TokenText>,
        realm: Arc<CallerContext>,
    ) -> Self {
        let CallerParts {
            client_id,
            scopes,
            org_id,
            org_at_issuer,
            org,
            actor,
            session,
            features,
            plans,
        } = parts;
        let tells_any =
            actor.is_some() || session.is_some() || features.is_some() || plans.is_some();
        let of_session = tells_any.then(|| {
            Box::new(SessionParts {
                actor,
                session,
                features,
                plans,
            })
        });
        let mut facts = CallerFacts {
            is_user: claims.subject().starts_with("user_"),
            claims,
            principal_hash: 0,
            subject_hash: 0,
            of_session,
            org,
            realm,
            scopes,
            org_at_issuer,
            client_id: client_id.map(Into::into),
            org_id: org_id.map(Into::into),
            fingerprint,
            token,
            named_org: OnceLock::new(),
            sight: Mutex::new(None),
        };
        facts.principal_hash = facts.realm.hashes.hash_one(Principal {
            org_id: None,
            ..facts.principal()
        });
        let subject = (facts.claims.issuer(), facts.claims.subject());
        facts.subject_hash = facts.realm.hashes.hash_one(subject);
        Self {
            facts: Arc::new(facts),
            claims: OnceLock::new(),
        }
    }

    /// Returns the token's subject (`sub`), as it is.
    pub fn subject(&self) -> &str {
        self.facts.claims.subject()
    }

    /// Returns the user's id (`user_…`); `None` if the subject is no user: a machine, or the API key of
    /// an organization.
    ///
    /// ```
    /// use mcp_auth::{Caller, ToolError};
    ///
    /// /// The key under which a user's documents are kept.
    /// fn owner(caller: &Caller) -> Result<&str, ToolError> {
    ///     caller.user_id().ok_or_else(|| ToolError::new("Only people own documents"))
    /// }
    /// ```
    pub fn user_id(&self) -> Option<&str> {
        self.is_user().then(|| self.subject())
    }

    /// Whether the subject is a user.
    pub(crate) fn is_user(&self) -> bool {
        self.facts.is_user
    }

    /// Returns the machine's id (`mch_…`); `None` unless the caller presented a machine's token.
    ///
    /// ```
    /// use mcp_auth::Caller;
    ///
    /// /// Whose quota a call counts against.
    /// fn payer(caller: &Caller) -> &str {
    ///     let id = caller.machine_id().or(caller.org_id()).or(caller.user_id());
    ///     id.unwrap_or(caller.subject())
    /// }
    /// ```
    ///
    /// Source: <https://clerk.com/docs/guides/development/machine-auth/m2m-tokens>.
    pub fn machine_id(&self) -> Option<&str> {
        Some(self.subject()).filter(|_| self.token_kind() == TokenKind::M2m)
    }

    /// Returns the id of the OAuth client that acts for the user (RFC 8693 §4.3); `None` for any
    /// other kind of token.
    ///
    /// An id that is an https URL is that of a client that registered by a metadata document.
    pub fn client_id(&self) -> Option<&str> {
        self.facts.client_id.as_deref()
    }

    /// Returns the kind of token that was presented.
    pub fn token_kind(&self) -> TokenKind {
        self.facts.claims.kind()
    }

    /// Returns the scopes that the token was granted (RFC 6749 §3.3) or the API key was made with, in
    /// their order; session tokens and machines' tokens have none.
    ///
    /// What Clerk calls the scopes of a machine's token are the machines that it may talk to.
    pub fn scopes(&self) -> &[String] {
        &self.facts.scopes
    }

    /// Tells whether the token was granted this scope, or one that contains it by
    /// [`ServerBuilder::scope_implies`](crate::ServerBuilder::scope_implies): what a guard would say.
    ///
    /// Scopes are compared byte for byte.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.hierarchy().has(self.scopes(), scope)
    }

    /// Which scopes contain others.
    pub(crate) fn hierarchy(&self) -> &ScopeHierarchy {
        &self.facts.realm.hierarchy
    }

    /// Returns when the token expires; `None` if it does not, as API keys and machines' tokens may.
    ///
    /// A JWT (`exp`, whole seconds) is accepted for 5 seconds longer, since clocks differ.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use mcp_auth::Caller;
    ///
    /// /// How long what is made for the caller may live: a day, and no longer than their token.
    /// fn lifetime(caller: &Caller) -> Duration {
    ///     let day = Duration::from_secs(86_400);
    ///     let end = caller.expires_at().unwrap_or(SystemTime::now() + day);
    ///     end.duration_since(SystemTime::now()).unwrap_or_default().min(day)
    /// }
    /// ```
    pub fn expires_at(&self) -> Option<SystemTime> {
        let since_epoch = Duration::from_millis(self.facts.claims.expires_ms()?);
        // A time beyond what the system can express is no reason to fail; none is nearer than 1970.
        Some(UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH))
    }

    /// Returns the id of the organization that the token names (`org_…`); `None` if it names none.
    ///
    /// An OAuth token names one only if it is a JWT and its client was granted the scope
    /// `user:org:read`, and may be a day old: whether the caller still is a member is what [`Org`]
    /// tells. [`Org`] is also how to learn the organization of an opaque token, which names none. The
    /// API key of an organization names that one.
    ///
    /// Source: <https://clerk.com/changelog/2026-05-14-oauth-organizations>.
    pub fn org_id(&self) -> Option<&str> {
        self.facts.org_id.as_deref()
    }

    /// Returns who acts in the user's name, for example a support engineer who impersonates them;
    /// `None` if the user acts themselves, and also if the token does not tell who:
    /// [`is_impersonated`](Self::is_impersonated) says whether anybody does.
    pub fn actor(&self) -> Option<&Actor> {
        self.of_session()?.actor.as_ref()
    }

    /// Tells whether somebody acts in the user's name: whether the token has an `act` claim, readable
    /// or not (RFC 8693 section 4.1).
    ///
    /// ```
    /// use mcp_auth::{Caller, ToolError};
    ///
    /// fn refuse_impersonation(caller: &Caller) -> Result<(), ToolError> {
    ///     if caller.is_impersonated() {
    ///         return Err(ToolError::new("Only the user themselves may do this"));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The key `forbid_actor` of [`#[mcp_tool]`](crate::mcp_tool) asks for the same.
    pub fn is_impersonated(&self) -> bool {
        self.facts.claims.names_actor() || self.actor().is_some()
    }

    /// Returns the session; `None` unless the caller presented a session token.
    pub fn session(&self) -> Option<&Session> {
        self.of_session()?.session.as_ref()
    }

    /// Returns all claims of the token, as they are; of an opaque token, the custom claims that it was
    /// made with, which are none for OAuth.
    ///
    /// Those that this library relies on have been checked. Any other is the issuer's word, and may
    /// be missing or of another type; it may hold personal data, so don't log it.
    ///
    /// ```
    /// use mcp_auth::{Caller, mcp_tool};
    /// use serde_json::{Value, json};
    ///
    /// /// Name the caller's department, which the session token was customized to hold.
    /// #[mcp_tool]
    /// async fn department(caller: &Caller) -> String {
    ///     let claim = caller.claims().get("department").and_then(Value::as_str);
    ///     claim.unwrap_or("unknown").to_owned()
    /// }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// # use mcp_auth::{AuthorizedParties, testing::TestServer};
    /// # let server = mcp_auth::server!().tools_of(module_path!()).session_tokens(AuthorizedParties::any());
    /// # let server = TestServer::of(server);
    /// # let mut claims = json!({
    /// #     "iss": server.issuer(), "sub": "user_ada", "sid": "sess_1", "exp": 4_102_444_800_u64,
    /// # });
    /// # for (said, told) in [(json!("research"), "research"), (json!(7), "unknown")] {
    /// #     claims["department"] = said;
    /// #     let token = server.sign(json!({"alg": "RS256", "typ": "JWT"}), claims.clone());
    /// #     let answer = server.bearer(token).call("department", json!({})).await;
    /// #     assert_eq!(answer.expect_ok().text(), told);
    /// # }
    /// # });
    /// ```
    pub fn claims(&self) -> &Map<String, Value> {
        let members = || Arc::new(self.facts.claims.members());
        self.claims.get_or_init(members)
    }

    /// The user or machine, over all clients and organizations, as limits count it.
    pub(crate) fn party(&self) -> Party {
        Party::Known(self.facts.subject_hash)
    }

    /// The principal that a caller is who acts in this organization; without one, in the organization
    /// that the token names.
    pub(crate) fn principal_in<'a>(&'a self, org: Option<&'a Org>) -> Principal<'a> {
        let principal = self.facts.principal();
        match org {
            Some(org) => Principal {
                org_id: Some(org.id()),
                ..principal
            },
            None => principal,
        }
    }

    #[cfg(test)]
    fn principal(&self) -> Principal<'_> {
        self.principal_in(None)
    }

    /// The organization with the caller's standing there, if the token itself tells it.
    pub(crate) fn token_org(&self) -> Option<&Org> {
        self.facts.org.as_ref()
    }

    /// The organization that the token names, as if no more were known of it.
    pub(crate) fn named_org(&self) -> Option<&Org> {
        let id = self.org_id()?;
        let named = &self.facts.named_org;
        Some(named.get_or_init(|| Org::only_id(id.to_owned())))
    }

    /// The places that were last seen of a list, if they were decided on these facts.
    pub(crate) fn sight(&self, list: u64, organizations: [Option<&Org>; 2]) -> Option<Arc<[u64]>> {
        self.last_sight().as_ref()?.places(list, organizations)
    }

    /// Keeps them for the next time, whichever request brings the token.
    pub(crate) fn keep_sight(&self, sight: Sight) {
        *self.last_sight() = Some(Box::new(sight));
    }

    /// Nothing panics under this lock, so what it guards is whole.
    fn last_sight(&self) -> MutexGuard<'_, Option<Box<Sight>>> {
        let sight = self.facts.sight.lock();
        sight.unwrap_or_else(PoisonError::into_inner)
    }

    /// The features that the token tells.
    pub(crate) fn features(&self) -> Option<&Entitlements> {
        self.of_session()?.features.as_ref()
    }

    /// The plans that the token tells.
    pub(crate) fn plans(&self) -> Option<&Entitlements> {
        self.of_session()?.plans.as_ref()
    }

    fn of_session(&self) -> Option<&SessionParts> {
        self.facts.of_session.as_deref()
    }

    /// Whether the issuer has to be asked in which organization the caller acts.
    pub(crate) fn org_at_issuer(&self) -> bool {
        self.facts.org_at_issuer
    }

    pub(crate) fn verified(&self) -> &VerifiedClaims {
        &self.facts.claims
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.facts.fingerprint
    }

    /// About how many bytes of memory the caller takes, all in.
    pub(crate) fn weight(&self) -> usize {
        let facts = &*self.facts;
        let token = facts.token.as_ref().map_or(0, |token| token.expose().len());
        let org = facts.org.as_ref().map_or(0, Org::weight);
        let of_session = facts
            .of_session
            .as_ref()
            .map_or(0, |parts| size_of_val(&**parts));
        // What else was decoded is not longer than the claims.
        let decoded = 2 * facts.claims.weight() + heap_size(&facts.scopes);
        size_of::<CallerFacts>() + of_session + decoded + org + token + ALLOCATIONS + SIGHT
    }

    /// The token, if its issuer has to be asked with it.
    pub(crate) fn token(&self) -> Option<&TokenText> {
        self.facts.token.as_ref()
    }

    /// Where more is known of users.
    pub(crate) fn people(&self) -> Option<&People> {
        self.facts.realm.people.as_deref()
    }
}

impl CallerFacts {
    fn principal(&self) -> Principal<'_> {
        Principal {
            issuer: self.claims.issuer(),
            kind: self.claims.kind(),
            subject: self.claims.subject(),
            client_id: self.client_id.as_deref(),
            org_id: self.org_id.as_deref(),
        }
    }
}

/// Without claims, which may hold an e-mail address.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("subject", &self.subject())
            .field("token_kind", &self.token_kind())
            .field("client_id", &self.client_id())
            .field("org_id", &self.org_id())
            .field("scopes", &self.scopes())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// Nothing but ids, but those of a person: only what a log needs.
impl fmt::Debug for Principal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("org_id", &self.org_id)
            .finish_non_exhaustive()
    }
}

/// What the allocator adds to eight allocations, and what the place in the cache takes.
const ALLOCATIONS: usize = 256;
/// What may be kept of a list: where its tools are, and what is left of the facts.
const SIGHT: usize = 256;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::identity::test_support;

    #[test]
    fn debug_shows_no_token_no_claims_and_no_email() {
        let mut claims = test_support::oauth_claims();
        claims["email"] = json!("ada@example.com");
        claims["scope"] = json!("profile email");
        claims["org_id"] = json!("org_1");
        let caller = test_support::oauth_caller(&claims);
        assert_eq!(
            format!("{caller:?}"),
            "Caller { subject: \"user_ada\", token_kind: OAuth, client_id: Some(\"client_1\"), \
             org_id: Some(\"org_1\"), scopes: [\"profile\", \"email\"], \
             expires_at: Some(SystemTime { tv_sec: 1750086400, tv_nsec: 0 }), .. }"
        );
    }

    #[test]
    fn two_clients_of_one_user_are_two_principals() {
        let mut claims = test_support::oauth_claims();
        let one = test_support::oauth_caller(&claims);
        assert_eq!(
            one.principal(),
            test_support::oauth_caller(&claims).principal()
        );
        for (name, other) in [
            ("client_id", "client_2"),
            ("org_id", "org_2"),
            ("sub", "user_bob"),
        ] {
            let before = claims[name].clone();
            claims[name] = json!(other);
            assert_ne!(
                one.principal(),
                test_support::oauth_caller(&claims).principal(),
                "{name}"
            );
            claims[name] = before;
        }
    }
}
