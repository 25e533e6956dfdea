//! Policies: the application's own pure functions of the facts about a caller.
//!
//! A policy decides calls and lists like any other requirement. A policy does no I/O and does not know the arguments of
//! a call. INVARIANT: a policy that panics denies.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::identity::{Actor, Caller, Entitlements, Org, Owner, TokenKind};

use super::names::{const_panic, const_panic_with, is_scope};

/// A requirement that a function of the application decides.
///
/// `policy = is_staff` in `#[mcp_tool]` names a function. A constant `Policy` also has a name and a text for the
/// denial:
///
/// ```standalone_crate
/// use mcp_auth::{CallerFacts, Policy, mcp_tool};
/// use serde_json::Value;
///
/// /// Staff whose session token says that they work in the EU.
/// const EU_STAFF: Policy = Policy::new("eu-staff", "staff in the EU", |facts| {
///     facts.has_role("staff") && facts.claim("region").and_then(Value::as_str) == Some("eu")
/// });
///
/// fn is_internal_client(facts: &CallerFacts<'_>) -> bool {
///     facts.client_id() == Some("client_internal")
/// }
///
/// /// List the support tickets.
/// #[mcp_tool(any(policy = EU_STAFF, policy = is_internal_client))]
/// async fn list_tickets() {}
///
/// /// Close a support ticket.
/// #[mcp_tool(policy = EU_STAFF)]
/// async fn close_ticket(ticket: u32) {}
///
/// # fn main() {
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// # use serde_json::json;
/// let server = TestServer::of(mcp_auth::server!());
/// let ada = server.user("ada").org("acme").role("staff");
/// let denied = ada.call("close_ticket", json!({ "ticket": 7 })).await;
/// denied.expect_denied("Forbidden: staff in the EU required");
/// assert!(ada.tools().await.is_empty());
/// # });
/// # }
/// ```
///
/// The function must be pure: for equal facts it returns the same value. The server calls the function for calls and
/// for lists, and caches the lists. A function that depends on the time, on the arguments or on a database belongs in
/// `authorize`. If a policy panics, the policy denies, and the server logs the first panic.
///
/// A policy can read the organization, so the server looks up the organization for every call that the policy decides.
/// If the look-up fails, the server answers 503, unless the policy cannot change the decision.
#[derive(Clone, Copy)]
pub struct Policy {
    name: &'static str,
    /// The text that completes `Forbidden: … required`. `None` if the policy is a function that an attribute names.
    required: Option<&'static str>,
    allows: fn(&CallerFacts<'_>) -> bool,
}

impl Policy {
    /// Makes a policy. The access matrix and the log show `name`. A denied caller reads `required`, as in
    /// `Forbidden: staff in the EU required`.
    ///
    /// # Panics
    ///
    /// If `name` is not printable ASCII without spaces and quotes, or if `required` is empty or has control
    /// characters. In a `const` that is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn new(
        name: &'static str,
        required: &'static str,
        allows: fn(&CallerFacts<'_>) -> bool,
    ) -> Self {
        if !is_scope(name.as_bytes()) {
            const_panic(
                "the name of a policy must be printable ASCII without spaces and quotes, found ",
                name,
            );
        }
        if !is_line(required.as_bytes()) {
            const_panic_with(&[
                "a policy needs a text of one line that completes `Forbidden: … required`",
            ]);
        }
        Self {
            name,
            required: Some(required),
            allows,
        }
    }

    /// Makes the policy of `policy = function`. A denied caller does not learn the name.
    pub(super) const fn of_function(
        name: &'static str,
        allows: fn(&CallerFacts<'_>) -> bool,
    ) -> Self {
        Self {
            name,
            required: None,
            allows,
        }
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the text that completes `Forbidden: … required`. `None` if the policy is a function that an attribute
    /// names.
    pub(super) fn required(&self) -> Option<&'static str> {
        self.required
    }

    /// Returns the answer of the function. A panic is a denial.
    pub(super) fn allows(&self, facts: &CallerFacts<'_>) -> bool {
        let asked = catch_unwind(AssertUnwindSafe(|| (self.allows)(facts)));
        asked.unwrap_or_else(|_| {
            self.log_panic();
            false
        })
    }

    /// Logs the first panic of this policy. The panic hook has already logged the message of the panic.
    fn log_panic(&self) {
        static LOGGED: Mutex<BTreeSet<Policy>> = Mutex::new(BTreeSet::new());
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.insert(*self) {
            tracing::error!(
                target: "mcp_auth", policy = self.name,
                "policy panicked, and therefore denied the caller"
            );
        }
    }

    /// The values that distinguish policies. They do not affect a decision.
    fn key(&self) -> (&'static str, Option<&'static str>, usize) {
        let address = self.allows as *const ();
        (self.name, self.required, address.addr())
    }
}

/// The facts about a caller that a [`Policy`] reads.
///
/// A policy gets the same facts as a guard: the data of the verified token, and the organization in which the caller
/// acts. The facts do not change while the token and the membership stay the same.
///
/// ```
/// use mcp_auth::{CallerFacts, TokenKind};
///
/// fn may_export(facts: &CallerFacts<'_>) -> bool {
///     let is_partner = facts.org().and_then(|org| org.slug()) == Some("partner");
///     match facts.token_kind() {
///         TokenKind::Session => facts.has_plan("pro") && !facts.is_impersonated(),
///         _ => is_partner && facts.has_scope("exports:read"),
///     }
/// }
/// # let _: fn(&CallerFacts<'_>) -> bool = may_export;
/// ```
#[derive(Clone, Copy)]
pub struct CallerFacts<'a> {
    caller: &'a Caller,
    /// The scopes of the token, or of a new token that the client could request.
    scopes: &'a [String],
    organization: Option<&'a Org>,
}

impl<'a> CallerFacts<'a> {
    pub(super) fn new(
        caller: &'a Caller,
        scopes: &'a [String],
        organization: Option<&'a Org>,
    ) -> Self {
        Self {
            caller,
            scopes,
            organization,
        }
    }

    /// Returns the token's subject; see [`Caller::subject`].
    #[must_use]
    pub fn subject(&self) -> &'a str {
        self.caller.subject()
    }

    /// Returns the user's id (`user_…`). `None` if the subject is a machine or an organization.
    #[must_use]
    pub fn user_id(&self) -> Option<&'a str> {
        self.caller.user_id()
    }

    /// Returns the machine's id (`mch_…`). `None` unless the token is a machine's token.
    #[must_use]
    pub fn machine_id(&self) -> Option<&'a str> {
        self.caller.machine_id()
    }

    /// Returns the id of the OAuth client. `None` for tokens of other kinds.
    #[must_use]
    pub fn client_id(&self) -> Option<&'a str> {
        self.caller.client_id()
    }

    /// Returns the kind of token that was presented.
    #[must_use]
    pub fn token_kind(&self) -> TokenKind {
        self.caller.token_kind()
    }

    /// Returns true if another person acts in the user's name; see [`Caller::is_impersonated`].
    #[must_use]
    pub fn is_impersonated(&self) -> bool {
        self.caller.is_impersonated()
    }

    /// Returns the actor who acts in the user's name; see [`Caller::actor`].
    #[must_use]
    pub fn actor(&self) -> Option<&'a Actor> {
        self.caller.actor()
    }

    /// Returns the scopes of an OAuth token or of an API key, in the token's order.
    #[must_use]
    pub fn scopes(&self) -> &'a [String] {
        self.scopes
    }

    /// Returns true if the token has this scope, or a scope that implies it by
    /// [`ServerBuilder::scope_implies`](crate::ServerBuilder::scope_implies).
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.caller.hierarchy().has(self.scopes, scope)
    }

    /// Returns the organization in which the caller acts, with the role and the permissions. `None` if the caller acts
    /// in no organization.
    #[must_use]
    pub fn org(&self) -> Option<&'a Org> {
        self.organization
    }

    /// Returns true if the caller acts in an organization and has this role in the organization. `admin` and
    /// `org:admin` name the same role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.organization.is_some_and(|org| org.has_role(role))
    }

    /// Returns true if the caller acts in an organization and has this permission in the organization, such as
    /// `org:documents:read`.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        self.organization
            .is_some_and(|org| org.has_permission(permission))
    }

    /// Returns true if the caller's session token has this feature. Write `org:export` for a feature of the organization,
    /// `user:export` for a feature of the user, and `export` for either. No other kind of token has features.
    #[must_use]
    pub fn has_feature(&self, feature: &str) -> bool {
        is_among(self.caller.features(), feature)
    }

    /// Returns true if the caller's session token has this plan. Write `org:pro` for a plan of the organization, `user:pro`
    /// for a plan of the user, and `pro` for either. No other kind of token has plans.
    #[must_use]
    pub fn has_plan(&self, plan: &str) -> bool {
        is_among(self.caller.plans(), plan)
    }

    /// Returns a claim of the token; see [`Caller::claims`].
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&'a Value> {
        self.caller.claims().get(name)
    }
}

fn is_among(held: Option<&Entitlements>, key: &str) -> bool {
    let asked = Owner::split(key);
    asked.is_some_and(|(owner, slug)| held.is_some_and(|held| held.has(owner, slug)))
}

/// Returns true for a text that is not empty and has no control characters of ASCII.
const fn is_line(mut text: &[u8]) -> bool {
    if text.is_empty() {
        return false;
    }
    while let [byte, rest @ ..] = text {
        if byte.is_ascii_control() {
            return false;
        }
        text = rest;
    }
    true
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Policy {}

impl Ord for Policy {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Policy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({})", self.name)
    }
}

/// Prints no claims, because claims may contain an e-mail address.
impl fmt::Debug for CallerFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerFacts")
            .field("caller", self.caller)
            .field("organization", &self.organization)
            .finish()
    }
}

#[cfg(test)]
mod tests;
