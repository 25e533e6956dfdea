//! The sample callers of an access matrix, which are its columns.

use crate::guard::{Guard, Requirement};
use crate::identity::{Entitlements, FactorAges, Org, Owner, TokenKind, TokenPolicy};

/// A sample caller, for a column of an [`AccessMatrix`](crate::AccessMatrix).
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use mcp_auth::SampleCaller;
/// use mcp_auth::testing::TestServer;
///
/// /// Attach a file to a document.
/// #[mcp_auth::mcp_tool(permission = "org:documents:write", scope = "files:write")]
/// async fn attach(document_id: String, file: String) {}
///
/// let editor = SampleCaller::new("editor with files")
///     .role("org:editor")
///     .permission("org:documents:write")
///     .scope("files:write");
/// let guest = SampleCaller::new("guest with files").in_organization().scope("files:write");
///
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let matrix = TestServer::of(server).matrix().caller(editor).caller(guest);
/// assert_eq!(
///     matrix.to_string(),
///     "\
/// tool    anonymous  signed in  in an organization      editor with files  guest with files  requires                                           scopes
/// attach  no         no         with permission, scope  yes                no                permission org:documents:write, scope files:write  files:write user:org:read
///
/// with …: a caller who also has the claims in `requires` may call
/// "
/// );
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SampleCaller {
    pub(super) name: String,
    /// True for a caller that every matrix has, and false for a caller that the application added.
    pub(super) has_nothing: bool,
    pub(super) signed_in: bool,
    /// The kind of token. `None` means the kind of token that people present to this server.
    pub(super) token: Option<TokenKind>,
    organization: bool,
    role: Option<String>,
    permissions: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) features: Entitlements,
    pub(super) plans: Entitlements,
    pub(super) factor_ages: Option<FactorAges>,
}

impl SampleCaller {
    /// Makes a signed-in caller without an organization and without scopes. `name` is the header of
    /// the column.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            has_nothing: false,
            signed_in: true,
            token: None,
            organization: false,
            role: None,
            permissions: Vec::new(),
            scopes: Vec::new(),
            features: Entitlements::default(),
            plans: Entitlements::default(),
            factor_ages: None,
        }
    }

    /// Takes the token away: the caller is not signed in.
    ///
    /// ```
    /// use mcp_auth::SampleCaller;
    ///
    /// let visitor = SampleCaller::new("visitor").without_token();
    /// # let _ = visitor;
    /// ```
    pub fn without_token(mut self) -> Self {
        self.signed_in = false;
        self
    }

    /// Lets the caller act in an organization, without a role.
    pub fn in_organization(mut self) -> Self {
        self.organization = true;
        self
    }

    /// Lets the caller act in an organization with this role, such as `admin` or `org:admin`.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self.in_organization()
    }

    /// Lets the caller act in an organization with this permission. May be called several times.
    pub fn permission(mut self, permission: impl Into<String>) -> Self {
        self.permissions.push(permission.into());
        self.in_organization()
    }

    /// Sets the kind of token that the caller presents. The default is an OAuth access token, or a
    /// session token if the server accepts session tokens and no OAuth access tokens. A caller
    /// whose kind of token the server does not accept may call no tool. A machine is not a user and
    /// has no organization. An API key belongs to the organization that the caller acts in, or else
    /// to a user.
    ///
    /// ```
    /// use mcp_auth::{SampleCaller, TokenKind};
    ///
    /// let machine = SampleCaller::new("nightly job").token(TokenKind::M2m);
    /// # let _ = machine;
    /// ```
    pub fn token(mut self, kind: TokenKind) -> Self {
        self.token = Some(kind);
        self
    }

    /// Gives the caller a session token with this feature, such as `org:export` or `user:export`. A
    /// feature without `org:` or `user:` belongs to both the organization and the user. May be
    /// called several times.
    ///
    /// ```
    /// use mcp_auth::SampleCaller;
    ///
    /// let customer = SampleCaller::new("customer").in_organization().feature("org:export").plan("org:pro");
    /// # let _ = customer;
    /// ```
    pub fn feature(mut self, feature: impl AsRef<str>) -> Self {
        self.features = with(self.features, feature.as_ref());
        self.token(TokenKind::Session)
    }

    /// Gives the caller a session token with this plan, such as `org:pro` or `user:pro`. A plan
    /// without `org:` or `user:` belongs to both the organization and the user. May be called
    /// several times.
    pub fn plan(mut self, plan: impl AsRef<str>) -> Self {
        self.plans = with(self.plans, plan.as_ref());
        self.token(TokenKind::Session)
    }

    /// Gives the caller a session token that says how many minutes ago the first and the second factor were verified.
    /// -1 means never.
    ///
    /// ```
    /// use mcp_auth::SampleCaller;
    ///
    /// let just_signed_in = SampleCaller::new("just signed in").factor_ages(0.0, -1.0);
    /// # let _ = just_signed_in;
    /// ```
    pub fn factor_ages(mut self, first: f64, second: f64) -> Self {
        self.factor_ages = FactorAges::from_minutes(first, second);
        self.token(TokenKind::Session)
    }

    /// Gives the caller's token this scope. May be called several times. The scope has no effect on session tokens and
    /// M2M tokens, which have no scopes.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Returns this caller with all claims that a guard requires in addition.
    pub(super) fn with_all_of(&self, guard: &Guard) -> Self {
        let mut caller = self.clone();
        for leaf in guard.leaves() {
            match leaf {
                Requirement::Permission(permission) => {
                    caller.permissions.push(permission.as_str().to_owned());
                }
                Requirement::Role(role) => caller.role = Some(role.as_str().to_owned()),
                Requirement::Feature(feature) => {
                    caller.features = with(caller.features, &feature.to_string());
                }
                Requirement::Plan(plan) => caller.plans = with(caller.plans, &plan.to_string()),
                Requirement::Scope(scope) => caller.scopes.push(scope.as_str().to_owned()),
                Requirement::Reverification(_) => {
                    caller.factor_ages = FactorAges::from_minutes(0.0, 0.0);
                }
                Requirement::Accept(_)
                | Requirement::Any(_)
                | Requirement::NoActor
                | Requirement::Organization
                | Requirement::Policy(_)
                | Requirement::SignedIn
                | Requirement::User => {}
            }
        }
        caller
    }

    pub(super) fn is_user(&self, token: TokenKind) -> bool {
        match token {
            TokenKind::ApiKey => !self.organization,
            TokenKind::M2m => false,
            TokenKind::OAuth | TokenKind::Session => true,
        }
    }

    pub(super) fn organization(&self, token: TokenKind, looked_up: bool) -> Option<Org> {
        let known = match token {
            TokenKind::ApiKey => false,
            TokenKind::M2m => return None,
            TokenKind::OAuth => looked_up,
            TokenKind::Session => true,
        };
        self.organization.then(|| {
            let id = "org_supposed".to_owned();
            if known {
                Org::new(id, None, self.role.clone(), Some(self.permissions.clone()))
            } else {
                Org::only_id(id)
            }
        })
    }
}

/// Returns a caller without a token and, for each accepted kind of token, a caller without further claims.
pub(super) fn of_each_kind(accepted: &TokenPolicy) -> Vec<SampleCaller> {
    let mut callers = vec![SampleCaller {
        signed_in: false,
        ..SampleCaller::new("anonymous")
    }];
    let sessions = accepted.sessions.is_some();
    if accepted.oauth || sessions {
        callers.push(SampleCaller::new("signed in"));
        callers.push(SampleCaller::new("in an organization").in_organization());
    }
    if accepted.oauth && sessions {
        let session = |name| SampleCaller::new(name).token(TokenKind::Session);
        callers.push(session("session"));
        callers.push(session("session in an organization").in_organization());
    }
    if accepted.machine.is_some() {
        callers.push(SampleCaller::new("machine").token(TokenKind::M2m));
    }
    if let Some(scopes) = &accepted.api_keys {
        let key = |name| {
            let key = SampleCaller::new(name).token(TokenKind::ApiKey);
            scopes.iter().fold(key, SampleCaller::scope)
        };
        callers.push(key("user's API key"));
        callers.push(key("organization's API key").in_organization());
    }
    for caller in &mut callers {
        caller.has_nothing = true;
    }
    callers
}

/// Adds a feature or a plan.
fn with(mut held: Entitlements, asked: &str) -> Entitlements {
    if let Some((owner, slug)) = Owner::split(asked) {
        if owner != Owner::User {
            held.organization.push(slug.to_owned());
        }
        if owner != Owner::Organization {
            held.user.push(slug.to_owned());
        }
    }
    held
}
