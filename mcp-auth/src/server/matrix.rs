//! Who may call what, as a table: the guards of the served tools, decided for callers that are
//! only supposed.
//!
//! The answers are those of the decision that a real call meets. No caller is made here and no
//! proof: a supposed caller is a [`CallerFacts`], which opens nothing.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::guard::{CallerFacts, Guard, Requirement, SecurityScheme, in_words, would_allow};
use crate::identity::{
    Entitlements, FactorAges, Org, OrganizationSources, Owner, Policy as TokenPolicy,
    ScopeHierarchy, TokenKind,
};
use crate::protocol::AnonymousAccess;
use crate::tool::{Policy, Rate, Registry};

/// Who may call what: a line for each served tool, by name, and a column for each kind of caller.
///
/// Comes from [`Server::matrix`](crate::Server::matrix), in tests from
/// [`TestServer::matrix`](crate::testing::TestServer::matrix), and is printed by a server that is
/// started with `MCP_AUTH=tools`. Its text kept under version control makes a guard that was
/// widened a line of the diff.
///
/// The columns are a caller without a token, and of each kind of token that is accepted a caller with
/// nothing in particular: of people one that is signed in and one that acts in an organization; a
/// machine; a user's API key and an organization's. [`role`](Self::role), [`scope`](Self::scope) and [`caller`](Self::caller) add
/// those of the application. A cell is `yes`, `no`, or `if` where the tool's own `authorize` has the
/// last word. In the columns that every table has it is `with permission` and the like where such a caller may call who
/// also has what the guard requires; a column of the application has what the application gave it, and no more. The next two columns are what the guard requires, and the scopes that a client has to ask for, as
/// `securitySchemes` of `tools/list` names them. If a tool declares a `rate` or a `concurrency`, a column for it comes last.
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
/// with …: a caller who also has what `requires` names may call
///
/// Public tools: a client must sign in before it sees them, unless the server is `discoverable`
/// "
/// );
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AccessMatrix {
    tools: Vec<(&'static str, Policy)>,
    /// What the server requires of everybody who is signed in.
    server_scopes: Vec<String>,
    hierarchy: Arc<ScopeHierarchy>,
    /// Whether anybody's role and permissions can be known.
    knows_memberships: bool,
    /// Whether those of OAuth callers are looked up.
    looks_up: bool,
    organizations_from: OrganizationSources,
    accepts: Accepts,
    callers: Vec<SampleCaller>,
    /// The schemes of each tool, if `tools/list` publishes them.
    schemes: Option<Vec<Vec<SecurityScheme>>>,
    /// What each tool declares of how often it may be called.
    limits: Vec<Limits>,
    /// Whether there are public tools that a client does not see before it signs in.
    hides_public_tools: bool,
}

/// How often a tool may be called, and how many calls of it may run at once.
#[derive(Clone, Copy, Debug)]
struct Limits {
    rates: &'static [Rate],
    concurrency: Option<u32>,
}

/// The kinds of tokens that a server accepts.
#[derive(Clone, Copy, Debug)]
struct Accepts {
    oauth: bool,
    sessions: bool,
    machines: bool,
    api_keys: bool,
}

/// A caller that a [`AccessMatrix`] supposes.
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
/// with …: a caller who also has what `requires` names may call
/// "
/// );
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SampleCaller {
    name: String,
    /// One of the columns that every table has, and not of the application.
    has_nothing: bool,
    signed_in: bool,
    /// None is that of a person, of the kind that is accepted.
    token: Option<TokenKind>,
    organization: bool,
    role: Option<String>,
    permissions: Vec<String>,
    scopes: Vec<String>,
    features: Entitlements,
    plans: Entitlements,
    factor_ages: Option<FactorAges>,
}

impl AccessMatrix {
    pub(super) fn new(
        registry: &Registry,
        server_scopes: &[String],
        accepted: &TokenPolicy,
    ) -> Self {
        let tools = registry.iter().map(|tool| (tool.name(), tool.policy()));
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

    fn of(
        tools: Vec<(&'static str, Policy)>,
        server_scopes: &[String],
        accepted: &TokenPolicy,
    ) -> Self {
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

    /// Notes what callers without a token may list.
    pub(super) fn for_anonymous(self, access: AnonymousAccess) -> Self {
        let has_public_tools = self
            .tools
            .iter()
            .any(|(_, policy)| policy.guard.is_public());
        Self {
            hides_public_tools: has_public_tools && access == AnonymousAccess::None,
            ..self
        }
    }

    /// Notes the sources of organizations beside the token.
    pub(super) fn with_organizations(self, sources: OrganizationSources) -> Self {
        Self {
            organizations_from: sources,
            ..self
        }
    }

    /// The same for a server that can know nobody's role and permissions.
    pub(super) fn without_memberships(self) -> Self {
        Self {
            knows_memberships: false,
            ..self
        }
    }

    /// The matrix of a server that knows memberships from session tokens alone.
    pub(super) fn without_look_ups(self) -> Self {
        Self {
            looks_up: false,
            ..self
        }
    }

    /// Adds a column for those who act in an organization with this role, which has these
    /// permissions.
    pub fn role(self, role: &str, permissions: &[&str]) -> Self {
        let caller = SampleCaller::new(role).role(role);
        self.caller(
            permissions
                .iter()
                .fold(caller, |caller, permission| caller.permission(*permission)),
        )
    }

    /// Adds a column for those who granted this scope, with what it contains, and act in no
    /// organization.
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

    /// Writes the table in Markdown. Nothing is padded, so that a tool that comes or goes changes no
    /// other line.
    ///
    /// ```no_run
    /// # async fn write() -> mcp_auth::Result<()> {
    /// let server = mcp_auth::server!().build().await?;
    /// std::fs::write("tools.md", server.matrix().to_markdown())?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for (index, line) in self.table().iter().enumerate() {
            let cells: Vec<_> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
            if index == 0 {
                text.push_str(&format!("|{}\n", "---|".repeat(line.len())));
            }
        }
        for note in self.notes() {
            text.push_str(&format!("\n{note}\n"));
        }
        text
    }

    /// Writes the table as JSON: `callers`, the columns; `tools`, each with its name as `tool`,
    /// `requires`, in `allowed` those of the columns that may call, with `authorize` if that has
    /// the last word, with `securitySchemes` as `tools/list` has them, and with the `rate`s and the
    /// `concurrency` that it declares; `notes`.
    ///
    /// ```standalone_crate
    /// # #[cfg(feature = "testing")] {
    /// use mcp_auth::testing::TestServer;
    ///
    /// /// Tell the time.
    /// #[mcp_auth::mcp_tool(public)]
    /// async fn time() {}
    ///
    /// let json = TestServer::of(mcp_auth::server!()).matrix().to_json();
    /// let matrix: serde_json::Value = serde_json::from_str(&json).unwrap();
    /// assert_eq!(matrix["tools"][0]["tool"], "time");
    /// assert_eq!(matrix["tools"][0]["allowed"][0], "anonymous");
    /// # }
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let names = self.callers.iter().map(|caller| caller.name.as_str());
        let tools = self
            .tools
            .iter()
            .enumerate()
            .map(|(place, (tool, policy))| {
                let Policy { guard, rule } = policy;
                let may = self.callers.iter().filter(|caller| self.may(caller, guard));
                let mut line = json!({
                    "tool": tool,
                    "requires": policy.to_string(),
                    "allowed": may.map(|caller| caller.name.as_str()).collect::<Vec<_>>(),
                });
                if let Some(line) = line.as_object_mut() {
                    if let Some(rule) = rule {
                        line.insert("authorize".to_owned(), (*rule).into());
                    }
                    if let Some(schemes) = self.schemes_of(place) {
                        let schemes = schemes.iter().map(SecurityScheme::to_json).collect();
                        line.insert("securitySchemes".to_owned(), schemes);
                    }
                    if let Some(limits) = self.limits.get(place) {
                        if !limits.rates.is_empty() {
                            let rates = limits.rates.iter().map(|rate| rate.to_string().into());
                            line.insert("rate".to_owned(), Value::Array(rates.collect()));
                        }
                        if let Some(most) = limits.concurrency {
                            line.insert("concurrency".to_owned(), most.into());
                        }
                    }
                }
                line
            });
        let matrix = json!({
            "callers": names.collect::<Vec<_>>(),
            "tools": tools.collect::<Vec<Value>>(),
            "notes": self.notes(),
        });
        format!("{matrix:#}\n")
    }

    /// The header and a line for each tool, in plain text.
    pub(crate) fn table(&self) -> Vec<Vec<String>> {
        let names = self.callers.iter().map(|caller| one_line(&caller.name));
        let last = |requires: &str, scopes: Option<String>, limits: [Option<String>; 2]| {
            let requires = std::iter::once(requires.to_owned());
            let limits = limits.into_iter().flatten();
            requires.chain(scopes).chain(limits).collect::<Vec<_>>()
        };
        let scopes = self.schemes.as_ref().map(|_| "scopes".to_owned());
        let limited = [
            self.limits.iter().any(|limits| !limits.rates.is_empty()),
            self.limits
                .iter()
                .any(|limits| limits.concurrency.is_some()),
        ];
        let heads = ["rate", "concurrency"].map(str::to_owned);
        let header = last("requires", scopes, shown(limited, heads));
        let header = with_ends("tool".to_owned(), names, header);
        let lines = self
            .tools
            .iter()
            .enumerate()
            .map(|(place, (tool, policy))| {
                let answers = self
                    .callers
                    .iter()
                    .map(|caller| self.answer(caller, policy));
                let scopes = self.schemes_of(place).map(in_words);
                let limits = self.limits.get(place).map(Limits::in_words);
                let limits = shown(limited, limits.unwrap_or_default());
                with_ends(
                    (*tool).to_owned(),
                    answers,
                    last(&policy.to_string(), scopes, limits),
                )
            });
        std::iter::once(header).chain(lines).collect()
    }

    fn answer(&self, caller: &SampleCaller, policy: &Policy) -> String {
        let rule = policy.rule.map(|_| "if");
        if self.may(caller, &policy.guard) {
            return rule.unwrap_or("yes").to_owned();
        }
        match self.lacks(caller, &policy.guard) {
            lacks if lacks.is_empty() => "no".to_owned(),
            lacks => {
                let with = format!("with {}", lacks.join(", "));
                let parts = std::iter::once(with).chain(rule.map(str::to_owned));
                parts.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The kinds of what a caller with nothing in particular lacks for a guard, if with it such a caller
    /// passes: `permission`, `permission or role`. Nothing of a caller of the application's, who has what
    /// the application says.
    fn lacks(&self, caller: &SampleCaller, guard: &Guard) -> Vec<String> {
        if !caller.has_nothing || !self.may(&caller.with_all_of(guard), guard) {
            return Vec::new();
        }
        let mut lacks = Vec::new();
        for requirement in guard.requirements() {
            let met = self.supposing(caller, |standing, organization| {
                requirement.is_met(standing, organization)
            });
            let kinds = kinds_held(requirement).join(" or ");
            if !met && !lacks.contains(&kinds) {
                lacks.push(kinds);
            }
        }
        lacks
    }

    /// Whether there are public tools that a client does not see before it signs in.
    pub(super) fn hides_public_tools(&self) -> bool {
        self.hides_public_tools
    }

    /// The schemes of the tool at this place, if `tools/list` publishes them.
    fn schemes_of(&self, place: usize) -> Option<&[SecurityScheme]> {
        self.schemes.as_ref()?.get(place).map(Vec::as_slice)
    }

    /// What has to be known to read the table.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.tools.iter().any(|(_, policy)| policy.rule.is_some()) {
            notes.push("if: the tool's own `authorize` decides, call by call".to_owned());
        }
        let lacks = |policy: &Policy| {
            let mut callers = self.callers.iter();
            callers.any(|caller| {
                !self.may(caller, &policy.guard) && !self.lacks(caller, &policy.guard).is_empty()
            })
        };
        if self.tools.iter().any(|(_, policy)| lacks(policy)) {
            notes.push("with …: a caller who also has what `requires` names may call".to_owned());
        }
        let scopes = self.server_scopes.join(" ");
        if !scopes.is_empty() {
            notes.push(format!(
                "Whoever is signed in granted what the server requires: {scopes}"
            ));
        }
        for caller in &self.callers {
            let kind = self.accepts.kind_of(caller);
            if caller.signed_in && !self.accepts.has(kind) {
                let name = one_line(&caller.name);
                notes.push(format!("{name}: {kind} tokens are not accepted"));
            }
        }
        if let Some(source) = self.organizations_from.in_words() {
            notes.push(format!("An OAuth caller's organization is {source}"));
        }
        if self.hides_public_tools {
            notes.push(
                "Public tools: a client must sign in before it sees them, unless the server is \
                 `discoverable`"
                    .to_owned(),
            );
        }
        if !self.knows_memberships {
            let unknown = "Nobody's role and permissions can be known: CLERK_SECRET_KEY is not set";
            notes.push(unknown.to_owned());
        }
        notes
    }

    /// The tools by name, each with who may call it.
    pub(super) fn tools(&self) -> &[(&'static str, Policy)] {
        &self.tools
    }

    /// Whether such a caller may call a tool whatever its arguments are.
    pub(super) fn lets(&self, caller: &SampleCaller, tool: &str) -> bool {
        let mut tools = self.tools.iter();
        tools.any(|(name, policy)| {
            *name == tool && policy.rule.is_none() && self.may(caller, &policy.guard)
        })
    }

    fn may(&self, caller: &SampleCaller, guard: &Guard) -> bool {
        // A bad token is not the same as none: it opens no public tool either.
        if caller.signed_in && !self.accepts.has(self.accepts.kind_of(caller)) {
            return false;
        }
        self.supposing(caller, |standing, organization| {
            would_allow(guard, standing, organization, &self.server_scopes)
        })
    }

    /// Asks about a caller as a call of theirs would be decided.
    fn supposing(
        &self,
        caller: &SampleCaller,
        ask: impl FnOnce(Option<&CallerFacts<'_>>, Option<&Org>) -> bool,
    ) -> bool {
        let token = self.accepts.kind_of(caller);
        let is_session = token == TokenKind::Session;
        let scopes = match token {
            TokenKind::ApiKey | TokenKind::OAuth => {
                [caller.scopes.as_slice(), &self.server_scopes].concat()
            }
            TokenKind::M2m | TokenKind::Session => Vec::new(),
        };
        let standing = caller.signed_in.then(|| CallerFacts {
            token_kind: token,
            impersonated: false,
            user: caller.is_user(token),
            scopes: &scopes,
            hierarchy: &self.hierarchy,
            features: Some(&caller.features).filter(|_| is_session),
            plans: Some(&caller.plans).filter(|_| is_session),
            factor_ages: caller.factor_ages.as_ref().filter(|_| is_session),
        });
        // A caller of the application has what the application says, with whichever token.
        let looked_up = self.knows_memberships && (self.looks_up || !caller.has_nothing);
        let organization = caller.organization(token, looked_up);
        ask(standing.as_ref(), organization.as_ref())
    }
}

impl Limits {
    fn in_words(&self) -> [String; 2] {
        let rates = self.rates.iter().map(ToString::to_string);
        let rates = rates.collect::<Vec<_>>().join(", ");
        let concurrency = self.concurrency.map(|most| most.to_string());
        [Some(rates).filter(|rates| !rates.is_empty()), concurrency]
            .map(|cell| cell.unwrap_or_else(|| "none".to_owned()))
    }
}

impl fmt::Display for AccessMatrix {
    /// The table with aligned columns, for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        let mut widths = Vec::new();
        for line in &table {
            widths.resize(line.len().max(widths.len()), 0);
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for line in &table {
            let cells = line.iter().zip(&widths);
            let padded: Vec<_> = cells
                .map(|(cell, &width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", padded.join("  ").trim_end())?;
        }
        for note in self.notes() {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

impl SampleCaller {
    /// Somebody who is signed in, with no organization and no scopes; `name` heads the column.
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

    /// Acts in an organization, in no role that a guard could ask for.
    pub fn in_organization(mut self) -> Self {
        self.organization = true;
        self
    }

    /// Acts in an organization with this role: `admin` or `org:admin`.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self.in_organization()
    }

    /// Acts in an organization with this permission; may be called several times.
    pub fn permission(mut self, permission: impl Into<String>) -> Self {
        self.permissions.push(permission.into());
        self.in_organization()
    }

    /// Presents a token of this kind; by default an OAuth access token, or a session token where only
    /// those are accepted. One of a kind that is not accepted may call nothing. A machine is no user and has no
    /// organization; an API key is a user's, or an organization's that acts in one.
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

    /// Presents a session token that tells this feature, `org:export` or `user:export`; one without an
    /// owner is the organization's and the user's. May be called several times.
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

    /// Presents a session token that tells this plan, `org:pro` or `user:pro`; one without an owner is the
    /// organization's and the user's. May be called several times.
    pub fn plan(mut self, plan: impl AsRef<str>) -> Self {
        self.plans = with(self.plans, plan.as_ref());
        self.token(TokenKind::Session)
    }

    /// Presents a session token that tells how many minutes ago the first and the second factor were
    /// verified; -1 for never.
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

    /// Has granted this scope; may be called several times. Tokens of sessions and machines have none.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// This caller with everything that a guard asks for.
    fn with_all_of(&self, guard: &Guard) -> Self {
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
                | Requirement::SignedIn
                | Requirement::User => {}
            }
        }
        caller
    }

    fn is_user(&self, token: TokenKind) -> bool {
        match token {
            TokenKind::ApiKey => !self.organization,
            TokenKind::M2m => false,
            TokenKind::OAuth | TokenKind::Session => true,
        }
    }

    fn organization(&self, token: TokenKind, looked_up: bool) -> Option<Org> {
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

/// A caller without a token, and with nothing in particular one of each kind that is accepted.
fn of_each_kind(accepted: &TokenPolicy) -> Vec<SampleCaller> {
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

/// The kinds of what a caller can hold for a requirement; of `any` those of its alternatives.
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

/// With one more, as a token would tell it.
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

fn with_ends(
    first: String,
    middle: impl Iterator<Item = String>,
    last: Vec<String>,
) -> Vec<String> {
    std::iter::once(first).chain(middle).chain(last).collect()
}

/// The cells of the columns that a table has.
fn shown([rate, concurrency]: [bool; 2], cells: [String; 2]) -> [Option<String>; 2] {
    let [of_rate, of_concurrency] = cells;
    [
        rate.then_some(of_rate),
        concurrency.then_some(of_concurrency),
    ]
}

/// A line of the table stays one, whatever a column is called.
fn one_line(name: &str) -> String {
    name.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Feature, Permission, Plan, Requirement, Reverification, Role, Scope};
    use crate::identity::{Machine, Parties};

    fn accepted(kinds: &[TokenKind]) -> TokenPolicy {
        let has = |kind| kinds.contains(&kind);
        TokenPolicy {
            oauth: has(TokenKind::OAuth),
            sessions: has(TokenKind::Session).then_some(Parties::Any),
            machine: has(TokenKind::M2m).then_some(Machine::Unnamed),
            api_keys: has(TokenKind::ApiKey).then(|| vec!["docs".to_owned()]),
            ..TokenPolicy::new("https://clerk.example.com".to_owned(), Vec::new())
        }
    }

    const EVERY_KIND: [TokenKind; 4] = [
        TokenKind::OAuth,
        TokenKind::Session,
        TokenKind::M2m,
        TokenKind::ApiKey,
    ];

    fn matrix(server_scopes: &[&str]) -> AccessMatrix {
        let implied = ("files:all".to_owned(), vec!["files|write".to_owned()]);
        let hierarchy = Arc::new(ScopeHierarchy::new(&[implied]).unwrap());
        const DELETE: Requirement =
            Requirement::Permission(Permission::new("org:documents:delete"));
        const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
        const FILES: Requirement = Requirement::Scope(Scope::new("files|write"));
        let server_scopes: Vec<_> = server_scopes.iter().map(ToString::to_string).collect();
        let tools = [
            ("delete", Guard::signed_in(&[DELETE]), None),
            ("greet", Guard::public(), None),
            ("purge", Guard::signed_in(&[DELETE, FILES]), None),
            ("rename", Guard::signed_in(&[ADMIN]), Some("owns(id)")),
            ("upload", Guard::signed_in(&[FILES]), None),
            ("whoami", Guard::signed_in(&[]), None),
        ];
        let tools = tools.map(|(tool, guard, rule)| (tool, Policy { guard, rule }));
        let accepted = TokenPolicy {
            scopes: hierarchy,
            ..accepted(&[TokenKind::OAuth])
        };
        AccessMatrix::of(tools.into(), &server_scopes, &accepted)
            .role("org:admin", &["org:documents:delete"])
            .scope("files:all")
            .caller(
                SampleCaller::new("filing\nclerk")
                    .permission("org:documents:delete")
                    .scope("files|write"),
            )
    }

    #[test]
    fn each_answer_is_that_of_the_decision() {
        let expected = "\
tool    anonymous  signed in   in an organization      org:admin  scope files:all  filing clerk  requires
delete  no         no          with permission         yes        no               yes           permission org:documents:delete
greet   yes        yes         yes                     yes        yes              yes           public
purge   no         no          with permission, scope  no         no               yes           permission org:documents:delete, scope files|write
rename  no         no          with role, if           if         no               no            role org:admin, authorize owns(id)
upload  no         with scope  with scope              no         yes              yes           scope files|write
whoami  no         yes         yes                     yes        yes              yes           signed in

if: the tool's own `authorize` decides, call by call

with …: a caller who also has what `requires` names may call
";
        assert_eq!(matrix(&[]).to_string(), expected);
    }

    #[test]
    fn what_the_server_requires_is_noted_and_supposed() {
        let text = matrix(&["docs", "files|write"]).to_string();
        assert!(
            text.ends_with(
                "\n\nWhoever is signed in granted what the server requires: docs files|write\n"
            ),
            "{text}"
        );
        let line = |text: &str, tool| {
            let mut lines = text.lines();
            lines
                .find(|line| line.starts_with(tool))
                .unwrap()
                .to_owned()
        };
        assert!(line(&text, "whoami").starts_with("whoami  no         yes        yes "));
        assert!(line(&text, "upload").starts_with("upload  no         yes        yes "));
    }

    #[test]
    fn where_no_membership_can_be_known_nobody_has_a_role_or_a_permission() {
        let text = matrix(&[]).without_memberships().to_string();
        for line in text.lines().skip(1) {
            match line.split_whitespace().next() {
                Some("delete" | "purge" | "rename") => assert!(!line.contains("yes"), "{line}"),
                Some("greet" | "upload" | "whoami") => assert!(line.contains("yes"), "{line}"),
                _ => {}
            }
        }
        assert!(
            text.ends_with("known: CLERK_SECRET_KEY is not set\n"),
            "{text}"
        );
    }

    #[test]
    fn a_guard_that_a_start_refuses_without_memberships_is_one_that_nobody_passes() {
        const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
        const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
        const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
        for guard in [
            Guard::public(),
            Guard::signed_in(&[]),
            Guard::signed_in(&[Requirement::Organization]),
            Guard::signed_in(&[READ]),
            Guard::signed_in(&[ADMIN, DOCS]),
            Guard::signed_in(&[DOCS]),
            Guard::signed_in(&[Requirement::NoActor]),
            Guard::signed_in(&[Requirement::Any(&[&[READ], &[ADMIN]])]),
            Guard::signed_in(&[Requirement::Any(&[&[READ], &[DOCS]])]),
            Guard::signed_in(&[Requirement::Any(&[&[READ, DOCS], &[ADMIN]])]),
            Guard::signed_in(&[Requirement::Any(&[&[READ], &[Requirement::Organization]])]),
            Guard::signed_in(&[
                Requirement::Any(&[&[READ], &[DOCS]]),
                Requirement::Any(&[&[READ], &[ADMIN]]),
            ]),
        ] {
            let declared = ("tool", Policy { guard, rule: None });
            let everything = SampleCaller::new("everything")
                .role("admin")
                .permission("org:a:read")
                .scope("docs");
            let matrix = AccessMatrix::of(vec![declared], &[], &accepted(&[TokenKind::OAuth]));
            let matrix = matrix.caller(everything);
            let passes =
                |matrix: &AccessMatrix| matrix.callers.iter().any(|who| matrix.may(who, &guard));
            assert!(passes(&matrix), "{guard}");
            let without = matrix.without_memberships();
            assert_eq!(passes(&without), !guard.needs_membership(), "{guard}");
        }
    }

    #[test]
    fn a_persona_has_what_its_kind_of_token_can_carry() {
        const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
        const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
        const EXPORT: Requirement = Requirement::Feature(Feature::new("org:export"));
        const PRO: Requirement = Requirement::Plan(Plan::new("pro"));
        const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
        let everything = || {
            SampleCaller::new("everything")
                .role("admin")
                .permission("org:a:read")
                .scope("docs")
                .feature("export")
                .plan("user:pro")
                .factor_ages(1.0, 2.0)
        };
        let personas = [
            everything().token(TokenKind::OAuth),
            everything(),
            everything().token(TokenKind::M2m),
            everything().token(TokenKind::ApiKey),
            SampleCaller::new("a user's")
                .scope("docs")
                .token(TokenKind::ApiKey),
        ];
        for (asked, expected) in [
            (&[][..], [true; 5]),
            (&[Requirement::User], [true, true, false, false, true]),
            (
                &[Requirement::Organization],
                [true, true, false, true, false],
            ),
            (&[READ], [true, true, false, false, false]),
            (&[DOCS], [true, false, false, true, true]),
            (&[EXPORT], [false, true, false, false, false]),
            (&[PRO, STRICT], [false, true, false, false, false]),
            (
                &[Requirement::Accept(&[TokenKind::M2m, TokenKind::Session])],
                [false, true, true, false, false],
            ),
        ] {
            let guard = Guard::signed_in(asked);
            let declared = ("tool", Policy { guard, rule: None });
            let matrix = AccessMatrix::of(vec![declared], &[], &accepted(&EVERY_KIND));
            let may = personas
                .each_ref()
                .map(|persona| matrix.may(persona, &guard));
            assert_eq!(may, expected, "{guard}");
        }
        const THEIRS: Requirement = Requirement::Feature(Feature::new("user:export"));
        let stale = Guard::signed_in(&[STRICT]);
        let matrix = AccessMatrix::of(Vec::new(), &[], &accepted(&EVERY_KIND));
        assert!(!matrix.may(&everything().factor_ages(10.0, 10.0), &stale));
        let theirs = Guard::signed_in(&[THEIRS]);
        assert!(!matrix.may(&SampleCaller::new("").feature("org:export"), &theirs));
    }

    /// What an instance holds is not known here, and who may call is said all the same.
    #[test]
    fn a_column_of_nobody_in_particular_says_what_else_such_a_caller_needs() {
        const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
        const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
        const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
        const EXPORT: Requirement = Requirement::Feature(Feature::new("user:export"));
        const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
        for (required, expected) in [
            (
                &[READ][..],
                ["no", "no", "with permission", "no", "with permission"],
            ),
            (
                &[Requirement::Any(&[&[READ], &[ADMIN]]), DOCS],
                ["no", "no", "with permission or role, scope", "no", "no"],
            ),
            (
                &[EXPORT, STRICT],
                [
                    "no",
                    "no",
                    "no",
                    "with feature, reverification",
                    "with feature, reverification",
                ],
            ),
            (&[Requirement::Accept(&[TokenKind::M2m]), DOCS], ["no"; 5]),
        ] {
            let guard = Guard::signed_in(required);
            let declared = ("tool", Policy { guard, rule: None });
            let kinds = accepted(&[TokenKind::OAuth, TokenKind::Session]);
            let matrix = AccessMatrix::of(vec![declared], &[], &kinds);
            assert_eq!(matrix.table()[1][1..6], expected, "{guard}");
            let explained = expected.iter().any(|cell| cell.starts_with("with"));
            assert_eq!(!matrix.notes().is_empty(), explained, "{guard}");
            // Where no membership can be known, a permission is none that anybody could have.
            let line = matrix.without_memberships().table()[1][3].clone();
            assert!(!line.contains("permission"), "{line}");
        }
    }

    #[test]
    fn each_accepted_kind_of_token_has_its_columns() {
        const IMPORT: Requirement = Requirement::Accept(&[TokenKind::M2m]);
        const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
        let table = |kinds: &[TokenKind], server_scopes: &[String]| {
            let tools = [
                ("bare", Guard::signed_in(&[])),
                ("files", Guard::signed_in(&[DOCS])),
                ("greet", Guard::public()),
                ("import", Guard::signed_in(&[IMPORT])),
                ("mine", Guard::signed_in(&[Requirement::User])),
                ("ours", Guard::signed_in(&[Requirement::Organization])),
            ];
            let tools = tools.map(|(tool, guard)| (tool, Policy { guard, rule: None }));
            AccessMatrix::of(tools.into(), server_scopes, &accepted(kinds))
        };
        let expected = "\
| tool | anonymous | signed in | in an organization | session | session in an organization | machine | user's API key | organization's API key | requires |
|---|---|---|---|---|---|---|---|---|---|
| bare | no | yes | yes | yes | yes | yes | yes | yes | signed in |
| files | no | with scope | with scope | no | no | no | yes | yes | scope docs |
| greet | yes | yes | yes | yes | yes | yes | yes | yes | public |
| import | no | no | no | no | no | yes | no | no | token m2m |
| mine | no | yes | yes | yes | yes | no | yes | no | user |
| ours | no | no | yes | no | yes | no | no | yes | organization |

with …: a caller who also has what `requires` names may call
";
        assert_eq!(table(&EVERY_KIND, &[]).to_markdown(), expected);
        let bare =
            |kinds: &[TokenKind], scopes: &[String]| table(kinds, scopes).table()[1].join(" ");
        let base = ["base".to_owned()];
        assert_eq!(
            bare(&EVERY_KIND, &base),
            "bare no yes yes no no no yes yes signed in"
        );
        // People of whom only sessions are accepted are those who are signed in.
        let sessions = [TokenKind::Session];
        assert_eq!(bare(&sessions, &[]), "bare no yes yes signed in");
        assert_eq!(bare(&sessions, &base), "bare no no no signed in");
        assert_eq!(bare(&[TokenKind::M2m], &[]), "bare no yes signed in");
    }

    #[test]
    fn whose_kind_of_token_is_not_accepted_may_call_nothing_and_is_noted() {
        let tools = [("bare", Guard::signed_in(&[])), ("greet", Guard::public())];
        let tools = tools.map(|(tool, guard)| (tool, Policy { guard, rule: None }));
        let job = SampleCaller::new("nightly\njob").token(TokenKind::M2m);
        let matrix = |kinds: &[TokenKind]| {
            AccessMatrix::of(tools.into(), &[], &accepted(kinds)).caller(job.clone())
        };
        let refused = matrix(&[TokenKind::Session]);
        assert_eq!(refused.table()[1].join(" "), "bare no yes yes no signed in");
        assert_eq!(refused.table()[2].join(" "), "greet yes yes yes no public");
        assert_eq!(
            refused.notes(),
            ["nightly job: m2m tokens are not accepted"]
        );
        let taken = matrix(&[TokenKind::Session, TokenKind::M2m]);
        assert_eq!(
            taken.table()[1].join(" "),
            "bare no yes yes yes yes signed in"
        );
        assert!(taken.notes().is_empty());
        // A role is had by whoever can have one.
        let admin = SampleCaller::new("admin").role("admin");
        const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
        assert!(refused.may(&admin, &Guard::signed_in(&[ADMIN])));
    }

    #[test]
    fn markdown_has_a_line_for_each_tool_whatever_is_in_it() {
        let text = matrix(&[]).to_markdown();
        assert_eq!(text.lines().count(), 12);
        let upload =
            "\n| upload | no | with scope | with scope | no | yes | yes | scope files\\|write |\n";
        assert!(text.contains(upload), "{text}");
        assert!(text.contains("| filing clerk | requires |\n|---|---|---|---|---|---|---|---|\n"));
    }

    #[test]
    fn declared_limits_have_columns_if_a_tool_declares_one() {
        const RATES: [Rate; 2] = [Rate::new("10/min per user"), Rate::new("1000/hour per org")];
        let tools = ["bare", "busy", "modest"].map(|tool| {
            let guard = Guard::signed_in(&[]);
            (tool, Policy { guard, rule: None })
        });
        let none = Limits {
            rates: &[],
            concurrency: None,
        };
        let with = |limits: [Limits; 3]| AccessMatrix {
            limits: limits.into(),
            ..AccessMatrix::of(tools.into(), &[], &accepted(&[TokenKind::OAuth]))
        };
        let rates = Limits {
            rates: &RATES,
            ..none
        };
        let busy = Limits {
            concurrency: Some(4),
            ..none
        };
        assert_eq!(
            with([none, busy, rates]).to_markdown(),
            "\
| tool | anonymous | signed in | in an organization | requires | rate | concurrency |
|---|---|---|---|---|---|---|
| bare | no | yes | yes | signed in | none | none |
| busy | no | yes | yes | signed in | none | 4 |
| modest | no | yes | yes | signed in | 10/min per user, 1000/hour per org | none |
"
        );
        let header = |limits| with(limits).table().remove(0).split_off(4).join(" ");
        assert_eq!(header([none; 3]), "requires");
        assert_eq!(header([none, none, rates]), "requires rate");
        assert_eq!(header([none, busy, none]), "requires concurrency");
        let json = with([none, busy, rates]).to_json();
        let json: Value = serde_json::from_str(&json).unwrap();
        let limits = |tool: usize| {
            [
                &json["tools"][tool]["rate"],
                &json["tools"][tool]["concurrency"],
            ]
        };
        assert_eq!(limits(0), [&Value::Null; 2]);
        assert_eq!(limits(1), [&Value::Null, &json!(4)]);
        assert_eq!(
            limits(2),
            [
                &json!(["10/min per user", "1000/hour per org"]),
                &Value::Null
            ]
        );
    }

    #[test]
    fn json_says_who_may() {
        let matrix: Value = serde_json::from_str(&matrix(&["docs"]).to_json()).unwrap();
        assert_eq!(matrix["callers"].as_array().unwrap().len(), 6);
        assert_eq!(
            matrix["tools"][3],
            json!({
                "tool": "rename",
                "requires": "role org:admin, authorize owns(id)",
                "allowed": ["org:admin"],
                "authorize": "owns(id)",
            })
        );
        assert_eq!(matrix["notes"].as_array().unwrap().len(), 3);
    }
}
