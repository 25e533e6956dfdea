//! The access matrix: the decisions of the guards of the served tools for sample callers.
//!
//! The guards decide as for a real call. A sample caller is only a [`TokenFacts`] value, with which no tool can be
//! called.

mod explain;
mod recorded;
mod render;
mod sample_caller;

use std::sync::Arc;

use crate::guard::{Guard, Policies, Requirement, SecurityScheme, TokenFacts, would_allow};
use crate::identity::{Org, OrganizationSources, ScopeHierarchy, TokenKind, TokenPolicy};
use crate::primitive::{AccessRule, PrimitiveKind, Registry, Served};
use crate::protocol::AnonymousAccess;

pub(super) use self::recorded::Recorded;
pub use self::sample_caller::SampleCaller;

use self::render::Limits;
use self::sample_caller::of_each_kind;

/// The access matrix: a table with a line for each served tool, prompt and resource, and a column
/// for each kind of caller.
///
/// The tools come first, sorted by name. Then come the prompts, also sorted by name, and then the
/// resources and resource templates, sorted by URI.
///
/// [`Server::matrix`](crate::Server::matrix) and, in tests, [`TestServer::matrix`](crate::testing::TestServer::matrix)
/// return the matrix, and a server that is started with `MCP_AUTH=tools` prints it. Keep the printed matrix under
/// version control. When a guard changes so that it admits more callers, the diff of the matrix shows this.
///
/// Every matrix has a column for a caller without a token, and columns for each accepted kind of
/// token: a signed-in person, a person who acts in an organization, a machine, an API key of a
/// user, and an API key of an organization. With [`role`](Self::role), [`scope`](Self::scope) and
/// [`caller`](Self::caller) an application adds its own columns.
///
/// A cell is `yes` or `no`, `if policy` when a [`Policy`](crate::Policy) decides, or `if` when the tool's own
/// `authorize` decides. The matrix evaluates no policies, because the callers in its columns are examples without a real token. In
/// the columns that every matrix has, the callers have no roles, no permissions and no further claims. There, a cell
/// such as `with permission` means that the caller may call the tool if they also have the permission that the guard
/// requires. The callers that an application adds have exactly the claims that the application gives them, so their
/// cells never say `with`. The column `requires` shows the guard. If a requirement comes from
/// [`module_guard!`](crate::module_guard), the column names the module after it: `organization (module shop::billing)`. The column `scopes`
/// shows the scopes that a client must ask for, as `securitySchemes` in `tools/list` names them. If a tool declares a
/// `rate` or a `concurrency`, the last columns show these limits.
///
/// ```standalone_crate
/// # #[cfg(feature = "testing")] {
/// use mcp_auth::testing::TestServer;
///
/// /// Delete a document.
/// #[mcp_auth::mcp_tool(permission = "org:documents:delete", require_org)]
/// async fn delete_document(document_id: String) {}
///
/// /// Tell the time.
/// #[mcp_auth::mcp_tool(public)]
/// async fn time() {}
///
/// let matrix = TestServer::of(mcp_auth::server!())
///     .matrix()
///     .role("org:admin", &["org:documents:delete"]);
/// assert_eq!(
///     matrix.to_string(),
///     "\
/// tool             anonymous  signed in  in an organization  org:admin  requires                                       scopes
/// delete_document  no         no         with permission     yes        organization, permission org:documents:delete  user:org:read
/// time             yes        yes        yes                 yes        public                                         no token
///
/// with …: a caller who also has the claims in `requires` may call
///
/// Public tools: a client must sign in before it sees them, unless the server is `discoverable`
/// "
/// );
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AccessMatrix {
    tools: Vec<Item>,
    /// The scopes that the server requires of every signed-in caller.
    server_scopes: Vec<String>,
    hierarchy: Arc<ScopeHierarchy>,
    /// True if the server can get roles and permissions, from a look-up or from session tokens.
    knows_memberships: bool,
    /// True if the server looks up the roles and permissions of OAuth callers.
    looks_up: bool,
    organizations_from: OrganizationSources,
    accepts: Accepts,
    callers: Vec<SampleCaller>,
    /// The schemes of each tool, if `tools/list` publishes them.
    schemes: Option<Vec<Vec<SecurityScheme>>>,
    /// The limits that each tool declares.
    limits: Vec<Limits>,
    /// True if there are public tools that a client does not see before it signs in.
    hides_public_tools: bool,
}

/// A tool, a prompt or a resource.
#[derive(Clone, Debug)]
pub(in crate::server) struct Item {
    pub(in crate::server) kind: PrimitiveKind,
    /// The name of a tool or prompt. For a resource, the URI or the template.
    pub(in crate::server) name: String,
    pub(in crate::server) access: AccessRule,
}

/// The kinds of tokens that the server accepts.
#[derive(Clone, Copy, Debug)]
struct Accepts {
    oauth: bool,
    sessions: bool,
    machines: bool,
    api_keys: bool,
}

impl AccessMatrix {
    pub(in crate::server) fn new(
        registry: &Registry,
        server_scopes: &[String],
        accepted: &TokenPolicy,
    ) -> Self {
        let tools = registry.iter().map(|served| Item::of(served));
        let schemes = registry.iter().map(|tool| tool.schemes().to_vec());
        let limits = registry.iter().map(|tool| Limits {
            rates: tool.rates(),
            concurrency: tool.concurrency().map(|concurrency| concurrency.most()),
        });
        Self {
            schemes: registry.publishes_schemes().then(|| schemes.collect()),
            limits: limits.collect(),
            ..Self::of(tools.collect(), server_scopes, accepted)
        }
    }

    fn of(tools: Vec<Item>, server_scopes: &[String], accepted: &TokenPolicy) -> Self {
        Self {
            tools,
            server_scopes: server_scopes.to_vec(),
            hierarchy: Arc::clone(&accepted.scopes),
            knows_memberships: true,
            looks_up: true,
            organizations_from: OrganizationSources::default(),
            accepts: Accepts {
                oauth: accepted.oauth,
                sessions: accepted.sessions.is_some(),
                machines: accepted.machine.is_some(),
                api_keys: accepted.api_keys.is_some(),
            },
            callers: of_each_kind(accepted),
            schemes: None,
            limits: Vec::new(),
            hides_public_tools: false,
        }
    }

    /// Sets the tools that callers without a token may list.
    pub(in crate::server) fn for_anonymous(self, access: AnonymousAccess) -> Self {
        let has_public_tools = self.tools.iter().any(|item| item.access.guard.is_public());
        Self {
            hides_public_tools: has_public_tools && access == AnonymousAccess::None,
            ..self
        }
    }

    /// Sets the sources of organizations in addition to the token.
    pub(in crate::server) fn with_organizations(self, sources: OrganizationSources) -> Self {
        Self {
            organizations_from: sources,
            ..self
        }
    }

    /// Makes the matrix of a server that cannot get roles and permissions.
    pub(in crate::server) fn without_memberships(self) -> Self {
        Self {
            knows_memberships: false,
            ..self
        }
    }

    /// Makes the matrix of a server that gets memberships only from session tokens.
    pub(in crate::server) fn without_look_ups(self) -> Self {
        Self {
            looks_up: false,
            ..self
        }
    }

    /// Adds a column for callers who act in an organization with this role. `permissions` are the
    /// permissions of the role.
    pub fn role(self, role: &str, permissions: &[&str]) -> Self {
        let caller = SampleCaller::new(role).role(role);
        self.caller(
            permissions
                .iter()
                .fold(caller, |caller, permission| caller.permission(*permission)),
        )
    }

    /// Adds a column for callers whose token has this scope and the scopes that it implies. They
    /// act in no organization.
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// use mcp_auth::testing::TestServer;
    ///
    /// /// Read a file.
    /// #[mcp_auth::mcp_tool(scope = "files:read")]
    /// async fn read_file(name: String) {}
    ///
    /// let server = mcp_auth::server!().scope_implies("files:write", ["files:read"]);
    /// # let server = server.tools_of(module_path!());
    /// let matrix = TestServer::of(server).matrix().scope("files:write");
    /// assert!(matrix.to_markdown().contains("| read_file | no | with scope | with scope | yes |"));
    /// # }
    /// ```
    pub fn scope(self, scope: &str) -> Self {
        self.caller(SampleCaller::new(format!("scope {scope}")).scope(scope))
    }

    /// Adds a column for this caller.
    ///
    /// ```
    /// use mcp_auth::{AccessMatrix, SampleCaller};
    ///
    /// fn with_guests(matrix: AccessMatrix) -> AccessMatrix {
    ///     matrix.caller(SampleCaller::new("guest").in_organization().scope("documents:read"))
    /// }
    /// ```
    pub fn caller(mut self, caller: SampleCaller) -> Self {
        self.callers.push(caller);
        self
    }

    /// Returns the kinds of claims that a caller without further claims also needs to pass a guard, for example
    /// `permission` or `permission or role`. `policy` means that a policy must allow the caller. Returns an empty list
    /// if no claim helps. A caller that the application added has all its claims, so it can lack only the approval of a
    /// policy.
    fn lacks(&self, caller: &SampleCaller, guard: &Guard) -> Vec<String> {
        if !caller.has_nothing {
            let lacks = self.may(caller, guard) && !self.may_if(caller, guard, POLICIES_DENY);
            return lacks.then(|| POLICY.to_owned()).into_iter().collect();
        }
        if !self.may(&caller.with_all_of(guard), guard) {
            return Vec::new();
        }
        let mut lacks = Vec::new();
        for requirement in guard.requirements() {
            let met = self.supposing(caller, POLICIES_DENY, |standing, organization| {
                requirement.is_met(standing, organization)
            });
            let kinds = kinds_held(requirement).join(" or ");
            if !met && !lacks.contains(&kinds) {
                lacks.push(kinds);
            }
        }
        lacks
    }

    /// Returns true if there are public tools that a client does not see before it signs in.
    pub(in crate::server) fn hides_public_tools(&self) -> bool {
        self.hides_public_tools
    }

    /// The schemes of the tool at this index, if `tools/list` publishes them.
    fn schemes_of(&self, place: usize) -> Option<&[SecurityScheme]> {
        self.schemes.as_ref()?.get(place).map(Vec::as_slice)
    }

    /// The tools, the prompts and the resources with their access rules.
    pub(in crate::server) fn items(&self) -> &[Item] {
        &self.tools
    }

    /// Returns true if the caller may call the tool with any arguments.
    pub(in crate::server) fn lets(&self, caller: &SampleCaller, tool: &str) -> bool {
        let mut tools = self.tools.iter();
        tools.any(|item| {
            item.kind == PrimitiveKind::Tool
                && item.name == tool
                && item.access.rule.is_none()
                && !item.access.confirms
                && self.may_if(caller, &item.access.guard, POLICIES_DENY)
        })
    }

    /// Returns true if a guard admits the caller under the assumption that every policy allows the caller.
    fn may(&self, caller: &SampleCaller, guard: &Guard) -> bool {
        self.may_if(caller, guard, POLICIES_ALLOW)
    }

    /// Returns true if a guard admits the caller with these answers of policies.
    fn may_if(&self, caller: &SampleCaller, guard: &Guard, policies: Policies<'_>) -> bool {
        // A caller whose token the server refuses cannot call public tools either.
        if caller.signed_in && !self.accepts.has(self.accepts.kind_of(caller)) {
            return false;
        }
        self.supposing(caller, policies, |standing, organization| {
            would_allow(guard, standing, organization, &self.server_scopes)
        })
    }

    /// Builds the claims that a real call of this caller would have, and passes them to `ask`.
    fn supposing<T>(
        &self,
        caller: &SampleCaller,
        policies: Policies<'_>,
        ask: impl FnOnce(Option<&TokenFacts<'_>>, Option<&Org>) -> T,
    ) -> T {
        let token = self.accepts.kind_of(caller);
        let is_session = token == TokenKind::Session;
        let scopes = match token {
            TokenKind::ApiKey | TokenKind::OAuth => {
                [caller.scopes.as_slice(), &self.server_scopes].concat()
            }
            TokenKind::M2m | TokenKind::Session => Vec::new(),
        };
        let standing = caller.signed_in.then(|| TokenFacts {
            token_kind: token,
            impersonated: false,
            user: caller.is_user(token),
            scopes: &scopes,
            hierarchy: &self.hierarchy,
            features: Some(&caller.features).filter(|_| is_session),
            plans: Some(&caller.plans).filter(|_| is_session),
            factor_ages: caller.factor_ages.as_ref().filter(|_| is_session),
            policies,
        });
        // A caller that the application added has the claims that the application gave it, with any
        // kind of token.
        let looked_up = self.knows_memberships && (self.looks_up || !caller.has_nothing);
        let organization = caller.organization(token, looked_up);
        ask(standing.as_ref(), organization.as_ref())
    }
}

impl Item {
    fn of(served: &Served) -> Self {
        let info = served.info();
        Self {
            kind: info.kind(),
            name: info.uri().unwrap_or_else(|| info.name().to_owned()),
            access: served.access_rule(),
        }
    }
}

impl Accepts {
    fn has(self, kind: TokenKind) -> bool {
        match kind {
            TokenKind::ApiKey => self.api_keys,
            TokenKind::M2m => self.machines,
            TokenKind::OAuth => self.oauth,
            TokenKind::Session => self.sessions,
        }
    }

    /// The kind of token that a caller presents.
    fn kind_of(self, caller: &SampleCaller) -> TokenKind {
        let of_people = if self.sessions && !self.oauth {
            TokenKind::Session
        } else {
            TokenKind::OAuth
        };
        caller.token.unwrap_or(of_people)
    }
}

/// The kinds of claims that meet a requirement. For `any`, the kinds of all alternatives.
fn kinds_held(requirement: Requirement) -> Vec<&'static str> {
    let of_alternatives = |alternatives: &[&[Requirement]]| {
        let all = alternatives.iter().copied().flatten().copied();
        let mut kinds: Vec<_> = all.flat_map(kinds_held).collect();
        kinds.dedup();
        kinds
    };
    match requirement {
        Requirement::Permission(_) => vec!["permission"],
        Requirement::Role(_) => vec!["role"],
        Requirement::Feature(_) => vec!["feature"],
        Requirement::Plan(_) => vec!["plan"],
        Requirement::Policy(_) => vec![POLICY],
        Requirement::Reverification(_) => vec!["reverification"],
        Requirement::Scope(_) => vec!["scope"],
        Requirement::Any(alternatives) => of_alternatives(alternatives),
        Requirement::Accept(_)
        | Requirement::NoActor
        | Requirement::Organization
        | Requirement::SignedIn
        | Requirement::User => Vec::new(),
    }
}

/// The word for the approval of a policy, in the list of kinds of claims.
const POLICY: &str = "policy";
const POLICIES_ALLOW: Policies<'_> = Policies::Assume(true);
const POLICIES_DENY: Policies<'_> = Policies::Assume(false);

#[cfg(test)]
mod tests;
