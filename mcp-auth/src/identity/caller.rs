//! The verified caller.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use serde_json::Map;
use serde_json::Value;

use crate::identity::org::Org;
use crate::identity::verify::VerifiedClaims;

/// The caller of a tool, as their access token proves them to be.
///
/// There is no way to make one but to present a genuine token. The token itself is not kept and
/// can't be had from here.
#[derive(Clone)]
pub struct Caller {
    facts: Arc<CallerFacts>,
}

struct CallerFacts {
    claims: VerifiedClaims,
    parts: CallerParts,
    principal: Principal,
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
    /// That organization with the caller's standing there, if the token tells it.
    pub(crate) org: Option<Org>,
    /// Who acts in the user's name.
    pub(crate) actor: Option<Actor>,
    /// The session, for session tokens.
    pub(crate) session: Option<Session>,
}

/// The kind of token that a caller presented.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TokenKind {
    /// An OAuth access token, which is what MCP clients present.
    OAuth,
    /// A session token of a browser or app.
    Session,
}

/// Who is who, for everything that outlives a request: equal principals share state, others are
/// strangers. Two clients of one user are two principals.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Principal {
    issuer: String,
    kind: TokenKind,
    subject: String,
    client_id: Option<String>,
    org_id: Option<String>,
}

impl Caller {
    /// The caller whom these claims, which only verification makes, prove.
    pub(crate) fn new(claims: VerifiedClaims, parts: CallerParts) -> Self {
        let principal = Principal {
            issuer: claims.issuer().to_owned(),
            kind: claims.kind(),
            subject: claims.subject().to_owned(),
            client_id: parts.client_id.clone(),
            org_id: parts.org_id.clone(),
        };
        Self {
            facts: Arc::new(CallerFacts {
                claims,
                parts,
                principal,
            }),
        }
    }

    /// Returns the token's subject.
    pub fn subject(&self) -> &str {
        self.facts.claims.subject()
    }

    /// Returns the user's id (`user_…`), if the caller is a user.
    pub fn user_id(&self) -> Option<&str> {
        Some(self.subject()).filter(|subject| subject.starts_with("user_"))
    }

    /// Returns the id of the OAuth client that acts for the user.
    pub fn client_id(&self) -> Option<&str> {
        self.facts.parts.client_id.as_deref()
    }

    /// Returns the kind of token that was presented.
    pub fn token_kind(&self) -> TokenKind {
        self.facts.claims.kind()
    }

    /// Returns the scopes that the token was granted; session tokens have none.
    pub fn scopes(&self) -> &[String] {
        &self.facts.parts.scopes
    }

    /// Tells whether the token was granted this scope, exactly.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().iter().any(|granted| granted == scope)
    }

    /// Returns when the token expires. Requests are accepted for a few seconds longer, since clocks
    /// differ.
    pub fn expires_at(&self) -> SystemTime {
        let since_epoch = Duration::from_millis(self.facts.claims.expires_ms());
        // A time beyond what the system can express is no reason to fail; none is nearer than 1970.
        UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH)
    }

    /// Returns the id of the organization that the token names.
    ///
    /// It may be up to a day old for an OAuth token: whether the caller still is a member is what
    /// [`Org`] tells.
    pub fn org_id(&self) -> Option<&str> {
        self.facts.parts.org_id.as_deref()
    }

    /// Returns who acts in the user's name, for example a support engineer who impersonates them.
    pub fn actor(&self) -> Option<&Actor> {
        self.facts.parts.actor.as_ref()
    }

    /// Returns the session, if the caller presented a session token.
    pub fn session(&self) -> Option<&Session> {
        self.facts.parts.session.as_ref()
    }

    /// Returns all claims of the token, as they are.
    ///
    /// They may hold personal data; don't log them.
    pub fn claims(&self) -> &Map<String, Value> {
        self.facts.claims.raw()
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.facts.principal
    }

    /// The organization with the caller's standing there, if the token itself tells it.
    pub(crate) fn token_org(&self) -> Option<&Org> {
        self.facts.parts.org.as_ref()
    }

    pub(crate) fn verified(&self) -> &VerifiedClaims {
        &self.facts.claims
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
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("org_id", &self.org_id)
            .finish_non_exhaustive()
    }
}

/// Who acts in a user's name (RFC 8693 §4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    subject: String,
    issuer: Option<String>,
    kind: Option<String>,
    actor: Option<Box<Self>>,
}

impl Actor {
    pub(crate) fn new(
        subject: String,
        issuer: Option<String>,
        kind: Option<String>,
        actor: Option<Self>,
    ) -> Self {
        Self {
            subject,
            issuer,
            kind,
            actor: actor.map(Box::new),
        }
    }

    /// Returns the id of who acts.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns who issued that id, if it is said.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns what acts, if it is said: `agent` for an AI agent.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns in whose name the actor acts in turn; at most one such level is kept.
    pub fn actor(&self) -> Option<&Self> {
        self.actor.as_deref()
    }
}

/// The session of a caller who presented a session token.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    id: String,
    status: Option<String>,
    factor_ages: Option<FactorAges>,
}

impl Session {
    pub(crate) fn new(id: String, status: Option<String>, factor_ages: Option<FactorAges>) -> Self {
        Self {
            id,
            status,
            factor_ages,
        }
    }

    /// Returns the session's id (`sess_…`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the session's status, if the token says it: `active`.
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// Returns how long before the token was issued the user proved who they are.
    pub fn factor_ages(&self) -> Option<&FactorAges> {
        self.factor_ages.as_ref()
    }
}

/// Minutes since each factor was last verified, counted when the token was issued.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactorAges {
    first: Option<f64>,
    second: Option<f64>,
}

impl FactorAges {
    /// Two ages in minutes, where -1 is "never"; `None` for anything else below zero or not finite.
    pub(crate) fn from_minutes(first: f64, second: f64) -> Option<Self> {
        let is_age = |age: f64| age.is_finite() && (age >= 0.0 || age == -1.0);
        let age = |age: f64| Some(age).filter(|&age| age >= 0.0);
        (is_age(first) && is_age(second)).then(|| Self {
            first: age(first),
            second: age(second),
        })
    }

    /// Returns the minutes since the first factor was verified; `None` if it never was.
    pub fn first_minutes(&self) -> Option<f64> {
        self.first
    }

    /// Returns the minutes since the second factor was verified; `None` if it never was, or the
    /// user has none.
    pub fn second_minutes(&self) -> Option<f64> {
        self.second
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::doubles;

    #[test]
    fn debug_shows_no_token_no_claims_and_no_email() {
        let mut claims = doubles::oauth_claims();
        claims["email"] = json!("ada@example.com");
        claims["scope"] = json!("profile email");
        claims["org_id"] = json!("org_1");
        let caller = doubles::oauth_caller(&claims);
        assert_eq!(
            format!("{caller:?}"),
            "Caller { subject: \"user_ada\", token_kind: OAuth, client_id: Some(\"client_1\"), \
             org_id: Some(\"org_1\"), scopes: [\"profile\", \"email\"], \
             expires_at: SystemTime { tv_sec: 1750086400, tv_nsec: 0 }, .. }"
        );
    }

    #[test]
    fn two_clients_of_one_user_are_two_principals() {
        let mut claims = doubles::oauth_claims();
        let one = doubles::oauth_caller(&claims);
        assert_eq!(one.principal(), doubles::oauth_caller(&claims).principal());
        for (name, other) in [
            ("client_id", "client_2"),
            ("org_id", "org_2"),
            ("sub", "user_bob"),
        ] {
            let before = claims[name].clone();
            claims[name] = json!(other);
            assert_ne!(
                one.principal(),
                doubles::oauth_caller(&claims).principal(),
                "{name}"
            );
            claims[name] = before;
        }
    }

    #[test]
    fn an_age_is_a_number_of_minutes_or_minus_one() {
        let ages = FactorAges::from_minutes(9.5, -1.0).unwrap();
        assert_eq!(
            (ages.first_minutes(), ages.second_minutes()),
            (Some(9.5), None)
        );
        assert_eq!(FactorAges::from_minutes(-2.0, 0.0), None);
        assert_eq!(FactorAges::from_minutes(0.0, f64::NAN), None);
    }
}
