//! The verified caller: the data that the access token proves. This module does no I/O.

mod principal;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::identity::actor::Actor;
use crate::identity::conventions::Conventions;
use crate::identity::entitlements::Entitlements;
use crate::identity::fingerprint::Fingerprint;
use crate::identity::mark::Mark;
use crate::identity::org::Org;
use crate::identity::revocations::TokenIds;
use crate::identity::scopes::ScopeHierarchy;
use crate::identity::session::Session;
use crate::identity::token_kind::TokenKind;
use crate::identity::token_text::TokenText;
use crate::identity::verify::VerifiedClaims;
use crate::limits::Party;

pub(crate) use principal::{Principal, PrincipalKey};

/// The caller of a tool, as proved by the access token.
///
/// A caller exists only for a genuine token: the token has a valid signature of the issuer's key, or the issuer
/// confirmed the token within the last minute. The only exception is the user whom the code of a server over stdio
/// names (`ServerBuilder::local_user`). Tools cannot read the token. The server itself keeps a token in memory
/// only if it needs the token for requests to the issuer. This is the case for opaque OAuth tokens and, if the server
/// has no secret key, for every OAuth token.
///
/// The data of a caller was correct when the token was issued or confirmed. For the caller's current role and
/// permissions in an organization, take an [`Org`].
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
    /// The claims, decoded on demand. They are not cached with the other data, because few tools read the
    /// claims and they take more memory than all other data.
    claims: OnceLock<Arc<Map<String, Value>>>,
}

struct CallerFacts {
    claims: VerifiedClaims,
    parts: CallerParts,
    is_user: bool,
    /// A keyed hash of the issuer and the subject. All clients of one user or machine have equal hashes.
    subject_hash: u64,
    hierarchy: Arc<ScopeHierarchy>,
    fingerprint: Fingerprint,
    token: Option<TokenText>,
    /// The generation of the revocations at which the token was last accepted; 0 before the first check.
    checked: AtomicU64,
}

/// The data that all callers of one server share.
#[derive(Debug)]
pub(crate) struct CallerContext {
    /// The scopes that imply other scopes.
    pub(crate) hierarchy: Arc<ScopeHierarchy>,
    pub(crate) conventions: &'static Conventions,
    /// Hashes subjects, with a random key.
    pub(crate) hashes: RandomState,
}

/// The data that an identity provider reads from verified claims.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerParts {
    /// The OAuth client.
    pub(crate) client_id: Option<String>,
    /// The id of the API key. An owner may have several keys, for different programs.
    pub(crate) key_id: Option<String>,
    /// The granted scopes.
    pub(crate) scopes: Vec<String>,
    /// The organization that the token names, with the data about the organization that the token contains.
    pub(crate) org: Option<Org>,
    /// True if the token names no organization, and the issuer must be asked for the organization that the user chose.
    pub(crate) org_at_issuer: bool,
    /// The actor, who acts in the user's name.
    pub(crate) actor: Option<Actor>,
    /// The session, for session tokens.
    pub(crate) session: Option<Session>,
    /// The features that the token names. `None` if there are none or they cannot be read.
    pub(crate) features: Option<Entitlements>,
    /// The plans that the token names. `None` if there are none or they cannot be read.
    pub(crate) plans: Option<Entitlements>,
}

impl Caller {
    /// Creates the caller of verified claims. Only the verification of a token constructs verified claims.
    pub(crate) fn new(
        claims: VerifiedClaims,
        parts: CallerParts,
        fingerprint: Fingerprint,
        token: Option<TokenText>,
        context: &CallerContext,
    ) -> Self {
        let subject = claims.subject();
        let facts = CallerFacts {
            is_user: subject.starts_with(context.conventions.user),
            subject_hash: context.hashes.hash_one((claims.issuer(), subject)),
            hierarchy: Arc::clone(&context.hierarchy),
            claims,
            parts,
            fingerprint,
            token,
            checked: AtomicU64::new(0),
        };
        Self {
            facts: Arc::new(facts),
            claims: OnceLock::new(),
        }
    }

    /// Returns the token's subject (`sub`), unchanged.
    pub fn subject(&self) -> &str {
        self.facts.claims.subject()
    }

    /// Returns the user's id (`user_…`). `None` if the subject is a machine or an organization.
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

    pub(crate) fn is_user(&self) -> bool {
        self.facts.is_user
    }

    /// Returns the machine's id (`mch_…`). `None` unless the token is a machine's token.
    ///
    /// ```
    /// use mcp_auth::Caller;
    ///
    /// /// Returns the id whose quota a call counts against.
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

    /// Returns the id of the OAuth client that acts for the user (RFC 8693 §4.3). `None` for tokens of other kinds.
    ///
    /// If a client registered with a metadata document, its id is the https URL of the document.
    pub fn client_id(&self) -> Option<&str> {
        self.facts.parts.client_id.as_deref()
    }

    /// Returns the kind of token that was presented.
    pub fn token_kind(&self) -> TokenKind {
        self.facts.claims.kind()
    }

    /// Returns the scopes of an OAuth token (RFC 6749 §3.3) or of an API key, in the token's order.
    /// Session tokens and machines' tokens have no scopes.
    ///
    /// In Clerk's API, a machine's token also has "scopes", which are the machines that it may call. This method does
    /// not return these scopes.
    pub fn scopes(&self) -> &[String] {
        &self.facts.parts.scopes
    }

    /// Returns true if the token has this scope, or a scope that implies it by
    /// [`ServerBuilder::scope_implies`](crate::ServerBuilder::scope_implies). Guards use the same rule.
    ///
    /// Scopes are compared byte for byte.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.hierarchy().has(self.scopes(), scope)
    }

    /// Returns the scopes that imply other scopes.
    pub(crate) fn hierarchy(&self) -> &ScopeHierarchy {
        &self.facts.hierarchy
    }

    /// Returns when the token expires. `None` if the token does not expire. API keys and machines' tokens may never
    /// expire.
    ///
    /// The server accepts a JWT (`exp`, whole seconds) for 5 seconds longer, because clocks differ.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use mcp_auth::Caller;
    ///
    /// /// How long a download link for the caller may live: a day, and no longer than their token.
    /// fn lifetime(caller: &Caller) -> Duration {
    ///     let day = Duration::from_secs(86_400);
    ///     let end = caller.expires_at().unwrap_or(SystemTime::now() + day);
    ///     end.duration_since(SystemTime::now()).unwrap_or_default().min(day)
    /// }
    /// ```
    pub fn expires_at(&self) -> Option<SystemTime> {
        let since_epoch = Duration::from_millis(self.facts.claims.expires_ms()?);
        // A time that the system cannot express becomes 1970, so that the token counts as expired.
        Some(UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH))
    }

    /// Returns the time of day at which the token expires, in milliseconds since 1970. `None` if the token does not
    /// expire.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        self.facts.claims.expires_ms()
    }

    /// Returns the id of the organization that the token names (`org_…`). `None` if the token names no organization.
    ///
    /// An OAuth token names an organization only if the token is a JWT and its client was granted the scope
    /// `user:org:read`. The token may be a day old. To learn whether the caller is still a member, take an [`Org`].
    /// Also take an [`Org`] for opaque OAuth tokens, because they name no organization. The API key of an organization
    /// names that organization.
    ///
    /// Source: <https://clerk.com/changelog/2026-05-14-oauth-organizations>.
    pub fn org_id(&self) -> Option<&str> {
        self.token_org().map(Org::id)
    }

    /// Returns the actor who acts in the user's name, for example a support engineer. `None` if the user acts
    /// themselves, or if the token's `act` claim cannot be read.
    ///
    /// [`is_impersonated`](Self::is_impersonated) is true whenever there is an `act` claim, even if the claim cannot be
    /// read.
    pub fn actor(&self) -> Option<&Actor> {
        self.facts.parts.actor.as_ref()
    }

    /// Returns true if another person acts in the user's name. The token then has an `act` claim, which may be
    /// unreadable (RFC 8693 §4.1).
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
    /// To refuse these callers in a tool's declaration, use the key `forbid_actor` of [`#[mcp_tool]`](crate::mcp_tool).
    pub fn is_impersonated(&self) -> bool {
        self.facts.claims.names_actor() || self.actor().is_some()
    }

    /// Returns the session. `None` unless the caller presented a session token.
    pub fn session(&self) -> Option<&Session> {
        self.facts.parts.session.as_ref()
    }

    /// Returns all claims of the token, unchanged. An opaque token has only the custom claims with which it was
    /// created. An opaque OAuth token has no custom claims.
    ///
    /// The server has checked the claims that this library uses. Any other claim may be missing or have an unexpected
    /// type. Claims may contain personal data, so do not log them.
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

    /// Returns the user or machine, for limits. All clients and organizations of one user count together.
    pub(crate) fn party(&self) -> Party {
        Party::Known(self.facts.subject_hash)
    }

    /// Returns the principal of the caller in this organization. If `org` is `None`, the organization of the
    /// token is used.
    pub(crate) fn principal_in<'a>(&'a self, org: Option<&'a Org>) -> Principal<'a> {
        Principal::new(self, org.or(self.token_org()))
    }

    /// Returns the organization that the token names. The role and the permissions are known only if the
    /// token contains them.
    pub(crate) fn token_org(&self) -> Option<&Org> {
        self.facts.parts.org.as_ref()
    }

    /// Returns a mark of this verification. The mark does not keep the caller's data in memory.
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(&self.facts)
    }

    /// Returns true if `mark` identifies this verification.
    pub(crate) fn has_mark(&self, mark: &Mark) -> bool {
        mark.is_of(&self.facts)
    }

    /// Returns the features that the token names.
    pub(crate) fn features(&self) -> Option<&Entitlements> {
        self.facts.parts.features.as_ref()
    }

    /// Returns the plans that the token names.
    pub(crate) fn plans(&self) -> Option<&Entitlements> {
        self.facts.parts.plans.as_ref()
    }

    /// Returns true if the issuer must be asked for the organization in which the caller acts.
    pub(crate) fn org_at_issuer(&self) -> bool {
        self.facts.parts.org_at_issuer
    }

    /// Returns true if the token was accepted at this generation of the revocations.
    pub(crate) fn is_checked_at(&self, generation: u64) -> bool {
        self.facts.checked.load(Ordering::Acquire) == generation
    }

    /// Notes that the token was accepted at this generation of the revocations.
    pub(crate) fn checked_at(&self, generation: u64) {
        self.facts.checked.store(generation, Ordering::Release);
    }

    /// Returns the ids by which the token can be revoked.
    pub(crate) fn ids(&self) -> TokenIds<'_> {
        let actor = self.actor();
        TokenIds {
            is_oauth: self.token_kind() == TokenKind::OAuth,
            subject: self.subject(),
            actors: [actor, actor.and_then(Actor::actor)].map(|actor| actor.map(Actor::subject)),
            client: self.client_id(),
            session: self.session().map(Session::id),
            token: self.facts.claims.id(),
            organization: self.org_id(),
            issued_ms: self.facts.claims.issued_ms(),
        }
    }

    pub(crate) fn verified(&self) -> &VerifiedClaims {
        &self.facts.claims
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.facts.fingerprint
    }

    /// Returns the token, if requests to the issuer need it.
    pub(crate) fn token(&self) -> Option<&TokenText> {
        self.facts.token.as_ref()
    }
}

/// Prints no claims, because claims may contain an e-mail address.
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
}
