//! Requirements, and guards made of them.

use std::fmt;

use crate::identity::{Org, TokenKind};

use super::billing::{Feature, Plan};
use super::facts::TokenFacts;
use super::modules::ModuleGuard;
use super::names::{Permission, Role, Scope, const_panic};
use super::policy::Policy;
use super::reverification::Reverification;

/// One thing that a caller must have. Denials are reported in the order of the variants.
///
/// ```
/// use mcp_auth::{Permission, Requirement, Role};
///
/// const MANAGE: Requirement = Requirement::Permission(Permission::new("org:documents:manage"));
/// const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
///
/// let either = Requirement::Any(&[&[MANAGE], &[ADMIN]]);
/// let text = "any of (permission org:documents:manage; role org:admin)";
/// assert_eq!(either.to_string(), text);
/// ```
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Requirement {
    /// A verified token.
    SignedIn,
    /// A token of one of these kinds.
    Accept(&'static [TokenKind]),
    /// A token without an `act` claim (RFC 8693 section 4.1): only the user acts with the token, and no other person in
    /// the user's name.
    NoActor,
    /// A person, or a client or key that acts in a person's name. Machines and API keys of
    /// organizations are excluded.
    User,
    /// An organization in which the caller acts.
    Organization,
    /// A role in the organization in which the caller acts.
    Role(Role),
    /// A permission in the organization in which the caller acts. If a guard has several permissions, all are required.
    Permission(Permission),
    /// A feature of the organization's plan or of the user's plan. If a guard has several features, all are
    /// required.
    Feature(Feature),
    /// A plan of the organization or of the user. If a guard has several plans, all are required.
    Plan(Plan),
    /// The approval of a policy. If a guard has several policies, all are required.
    Policy(Policy),
    /// A recent verification of who the user is.
    Reverification(Reverification),
    /// One of these alternatives. An alternative is a list of requirements that must all be met. A caller never meets
    /// an empty list.
    Any(&'static [&'static [Self]]),
    /// A scope of the token. If a guard has several scopes, all are required.
    Scope(Scope),
}

impl Requirement {
    /// Returns true if a caller meets this requirement. Unless the requirement is a policy or contains a policy, the
    /// result is monotonic: an organization, or more rights in the organization, never change the result from true to
    /// false. The result is also monotonic in the answers of policies.
    pub(crate) fn is_met(
        self,
        caller: Option<&TokenFacts<'_>>,
        organization: Option<&Org>,
    ) -> bool {
        match self {
            Self::SignedIn => caller.is_some(),
            Self::Accept(kinds) => caller.is_some_and(|caller| kinds.contains(&caller.token_kind)),
            Self::NoActor => caller.is_none_or(|caller| !caller.impersonated),
            Self::User => caller.is_some_and(|caller| caller.user),
            Self::Organization => organization.is_some(),
            Self::Role(role) => organization.is_some_and(|org| org.has_role(role.as_str())),
            Self::Permission(permission) => {
                organization.is_some_and(|org| org.has_permission(permission.as_str()))
            }
            Self::Feature(feature) => {
                caller.is_some_and(|caller| feature.is_among(caller.features))
            }
            Self::Plan(plan) => caller.is_some_and(|caller| plan.is_among(caller.plans)),
            Self::Policy(policy) => caller.is_some_and(|caller| caller.meets(policy, organization)),
            Self::Reverification(asked) => {
                caller.is_some_and(|caller| asked.is_met(caller.factor_ages))
            }
            Self::Any(alternatives) => alternatives.iter().any(|all| {
                let mut met = all.iter().map(|one| one.is_met(caller, organization));
                !all.is_empty() && met.all(|met| met)
            }),
            Self::Scope(scope) => caller.is_some_and(|caller| caller.has_scope(scope.as_str())),
        }
    }

    /// Returns this requirement. If it is a choice, returns the requirements inside its
    /// alternatives instead.
    pub(crate) fn leaves(self) -> Vec<Self> {
        let mut leaves = Vec::new();
        self.each_leaf(&mut |leaf| leaves.push(leaf));
        leaves
    }

    fn each_leaf(self, found: &mut impl FnMut(Self)) {
        let Self::Any(alternatives) = self else {
            return found(self);
        };
        let all = alternatives.iter().copied().flatten();
        all.for_each(|one| one.each_leaf(found));
    }

    /// Returns true if this requirement, or a requirement inside it, is about the caller's organization or may read it.
    pub(crate) fn uses_organization(self) -> bool {
        self.is_or_has(|one| one.is_of_organization() || one.is_policy())
    }

    /// Returns true if this requirement, or a requirement inside it, is about the role or the permissions or may read
    /// them.
    fn uses_membership(self) -> bool {
        self.is_or_has(|one| one.is_of_membership() || one.is_policy())
    }

    /// Returns true if a caller needs an organization to meet this requirement.
    fn needs_organization(self) -> bool {
        self.is_always(Self::is_of_organization)
    }

    pub(super) fn is_of_organization(self) -> bool {
        matches!(self.fact(), Fact::Organization | Fact::Membership)
    }

    fn is_of_membership(self) -> bool {
        self.fact() == Fact::Membership
    }

    /// Returns true for a policy. A policy may read all facts and need not be monotonic.
    fn is_policy(self) -> bool {
        self.fact() == Fact::Policy
    }

    /// Returns true if only a caller with a session token can meet this requirement.
    pub(super) fn is_of_session(self) -> bool {
        matches!(self.fact(), Fact::Billing | Fact::Recency)
    }

    /// Returns true if a caller who meets this requirement now may fail to meet it later.
    pub(super) fn is_reverification(self) -> bool {
        self.fact() == Fact::Recency
    }

    /// Returns the name of the fact that the requirement is about, for explanations. `None` for a choice.
    pub(super) fn source(self) -> Option<&'static str> {
        match self.fact() {
            Fact::Alternatives => None,
            Fact::Billing | Fact::Recency => Some("session"),
            Fact::Membership => Some("membership"),
            Fact::Organization => Some("organization"),
            Fact::Policy => Some("policy"),
            Fact::Scope | Fact::Token => Some("token"),
        }
    }

    /// Returns the kind of fact that the requirement is about. No other code classifies requirements.
    fn fact(self) -> Fact {
        match self {
            Self::Accept(_) | Self::NoActor | Self::SignedIn | Self::User => Fact::Token,
            Self::Organization => Fact::Organization,
            Self::Permission(_) | Self::Role(_) => Fact::Membership,
            Self::Feature(_) | Self::Plan(_) => Fact::Billing,
            Self::Policy(_) => Fact::Policy,
            Self::Reverification(_) => Fact::Recency,
            Self::Scope(_) => Fact::Scope,
            Self::Any(_) => Fact::Alternatives,
        }
    }

    fn is_or_has(self, what: fn(Self) -> bool) -> bool {
        let Self::Any(alternatives) = self else {
            return what(self);
        };
        alternatives
            .iter()
            .flat_map(|all| all.iter())
            .any(|one| one.is_or_has(what))
    }

    fn is_always(self, what: fn(Self) -> bool) -> bool {
        let Self::Any(alternatives) = self else {
            return what(self);
        };
        alternatives
            .iter()
            .all(|all| all.iter().any(|one| one.is_always(what)))
    }
}

/// The kinds of facts that a requirement can be about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fact {
    /// The kind of the token, and the person or machine behind it.
    Token,
    /// The organization in which the caller acts.
    Organization,
    /// The role and the permissions in the organization in which the caller acts.
    Membership,
    /// Features and plans.
    Billing,
    /// The answer of a policy, which may depend on all facts except the time.
    Policy,
    /// The time since the last verification of who the user is.
    Recency,
    /// A scope of the token.
    Scope,
    /// A choice, whose alternatives are about facts of their own.
    Alternatives,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(kinds) => write!(f, "token {}", kind_names(kinds).join(" or ")),
            Self::Any(alternatives) => {
                let alternatives: Vec<_> = alternatives
                    .iter()
                    .map(|all| joined(all, " and "))
                    .collect();
                write!(f, "any of ({})", alternatives.join("; "))
            }
            Self::Feature(feature) => write!(f, "feature {feature}"),
            Self::NoActor => f.write_str("no actor"),
            Self::Organization => f.write_str("organization"),
            Self::Permission(permission) => write!(f, "permission {permission}"),
            Self::Plan(plan) => write!(f, "plan {plan}"),
            Self::Policy(policy) => write!(f, "policy {policy}"),
            Self::Reverification(asked) => write!(f, "reverification {asked}"),
            Self::Role(role) => write!(f, "role {role}"),
            Self::Scope(scope) => write!(f, "scope {scope}"),
            Self::SignedIn => f.write_str("signed in"),
            Self::User => f.write_str("user"),
        }
    }
}

/// The requirements that an injected parameter adds to the guard. For example, `&Org` requires an
/// organization.
#[derive(Clone, Copy, Debug)]
pub struct Implied {
    requires: &'static [Requirement],
    parts: &'static [&'static [Requirement]],
}

impl Implied {
    pub(crate) const fn signed_in(
        requires: &'static [Requirement],
        parts: &'static [&'static [Requirement]],
    ) -> Self {
        Self { requires, parts }
    }

    /// Adds the requirements of a parameter to a `public` tool. A `public` tool may have no caller, so a parameter with
    /// a requirement is a compile error.
    #[track_caller]
    pub(crate) const fn public(
        parameter: &'static str,
        requires: &'static [Requirement],
        parts: &'static [&'static [Requirement]],
    ) -> Self {
        let implied = Self { requires, parts };
        if !implied.is_empty() {
            const_panic(
                "a `public` tool may have no caller: drop `public`, or take an `Option<&_>` as ",
                parameter,
            );
        }
        implied
    }

    const fn is_empty(&self) -> bool {
        let mut parts = self.parts;
        while let [part, rest @ ..] = parts {
            if !part.is_empty() {
                return false;
            }
            parts = rest;
        }
        self.requires.is_empty()
    }

    fn requirements(&self) -> impl Iterator<Item = Requirement> + use<> {
        let parts = self.parts.iter().copied().flatten();
        self.requires.iter().chain(parts).copied()
    }
}

/// The requirements for calling a tool. `#[mcp_tool]` states the requirements of one tool, and
/// [`module_guard!`](crate::module_guard) states the requirements of all tools in a module. A guard contains the
/// requirements of the tool and of all modules around it.
///
/// A guard always starts from [`signed_in`](Self::signed_in) or from [`public`](Self::public). There is no empty guard
/// and no default guard. A program reads the guard of a tool from
/// [`PrimitiveInfo::guard`](crate::PrimitiveInfo::guard).
///
/// ```
/// use mcp_auth::{Guard, Permission, Requirement, Scope};
///
/// const DELETE: Requirement = Requirement::Permission(Permission::new("org:documents:delete"));
/// const ALL: Requirement = Requirement::Scope(Scope::new("documents:all"));
///
/// let guard = Guard::signed_in(&[Requirement::Organization, DELETE]);
/// assert_eq!(guard.to_string(), "organization, permission org:documents:delete");
/// assert!(guard.requirements().any(|requirement| requirement == DELETE));
/// assert!(guard.needs_organization() && guard.needs_membership());
///
/// // A token with that scope needs no organization:
/// let either = Guard::signed_in(&[Requirement::Any(&[&[DELETE], &[ALL]])]);
/// assert!(!either.needs_organization() && either.uses_organization());
/// assert!(!either.needs_membership() && either.uses_membership());
///
/// assert_eq!(Guard::signed_in(&[]).to_string(), "signed in");
/// assert!(Guard::public().is_public());
/// ```
#[derive(Clone, Copy)]
pub struct Guard {
    public: bool,
    /// The guards of the modules around the tool, the outermost guard first.
    modules: &'static [&'static ModuleGuard],
    required: &'static [Requirement],
    implied: &'static [Implied],
}

impl Guard {
    /// Makes a guard that every caller passes, with or without a token.
    #[must_use]
    pub const fn public() -> Self {
        Self {
            public: true,
            modules: &[],
            required: &[],
            implied: &[],
        }
    }

    /// Makes a guard that admits signed-in callers who meet all requirements.
    #[must_use]
    pub const fn signed_in(required: &'static [Requirement]) -> Self {
        Self {
            public: false,
            modules: &[],
            required,
            implied: &[],
        }
    }

    /// Adds the requirements of the injected parameters.
    pub(super) const fn implied(self, implied: &'static [Implied]) -> Self {
        Self { implied, ..self }
    }

    /// Adds the guards of the modules around a tool. In a guarded module no tool is public.
    pub(super) const fn within(self, modules: &'static [&'static ModuleGuard]) -> Self {
        Self {
            public: self.public && modules.is_empty(),
            modules,
            ..self
        }
    }

    /// Returns true if a caller without a token may call the tool.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.public
    }

    /// Returns all requirements. The requirements of the modules come first, beginning with the outermost module. The
    /// requirements of injected parameters come last.
    pub fn requirements(&self) -> impl Iterator<Item = Requirement> + use<> {
        let modules = self.modules.iter();
        modules
            .flat_map(|module| module.requirements())
            .chain(self.own_requirements())
    }

    /// Returns the requirements that the attribute and the injected parameters state.
    fn own_requirements(&self) -> impl Iterator<Item = Requirement> + use<> {
        let implied = self.implied.iter().flat_map(Implied::requirements);
        self.required.iter().copied().chain(implied)
    }

    /// Returns each requirement with the guard of the module that states the requirement. `None` if the tool itself
    /// states it.
    pub(crate) fn stated(
        &self,
    ) -> impl Iterator<Item = (Requirement, Option<&'static ModuleGuard>)> + use<> {
        let modules = self.modules.iter();
        let by_modules = modules.flat_map(|module| {
            let requirements = module.requirements();
            requirements.map(|requirement| (requirement, Some(*module)))
        });
        let own = self.own_requirements();
        by_modules.chain(own.map(|requirement| (requirement, None)))
    }

    /// Returns the path of the module whose guard states this requirement, as `module_path!()` writes it. If
    /// several modules state the requirement, returns the outermost module. `None` if no module states it.
    ///
    /// ```
    /// use mcp_auth::{PrimitiveInfo, Requirement};
    ///
    /// fn is_for_organizations_only(tool: &PrimitiveInfo) -> bool {
    ///     tool.guard().module_of(Requirement::Organization) == Some("shop::billing")
    /// }
    /// let server = mcp_auth::server!().serve_if(is_for_organizations_only);
    /// # let _ = server;
    /// ```
    #[must_use]
    pub fn module_of(&self, requirement: Requirement) -> Option<&'static str> {
        let mut stated = self.stated();
        let (_, module) = stated.find(|(one, _)| *one == requirement)?;
        module.map(|module| module.module())
    }

    /// Returns every requirement, including the requirements inside alternatives.
    pub(crate) fn leaves(&self) -> Vec<Requirement> {
        self.requirements().flat_map(Requirement::leaves).collect()
    }

    /// Returns true if a caller needs an organization to pass.
    #[must_use]
    pub fn needs_organization(&self) -> bool {
        self.requirements().any(Requirement::needs_organization)
    }

    /// Returns true if a caller needs a role or a permission to pass. OAuth tokens contain neither.
    #[must_use]
    pub fn needs_membership(&self) -> bool {
        self.requirements()
            .any(|requirement| requirement.is_always(Requirement::is_of_membership))
    }

    /// Returns true if the decision reads the caller's organization, even if a caller can pass without an organization.
    /// A policy may read the organization.
    #[must_use]
    pub fn uses_organization(&self) -> bool {
        self.requirements().any(Requirement::uses_organization)
    }

    /// Returns true if the decision may change with time although the facts do not change.
    pub(crate) fn depends_on_time(&self) -> bool {
        let mut requirements = self.requirements();
        requirements.any(|requirement| requirement.is_or_has(Requirement::is_reverification))
    }

    /// Returns true if the decision reads the role or the permissions. A policy may read both.
    #[must_use]
    pub fn uses_membership(&self) -> bool {
        self.requirements().any(Requirement::uses_membership)
    }
}

impl fmt::Display for Guard {
    /// Writes `public`, `signed in`, or the requirements: `organization, permission org:documents:delete`. If a module
    /// states a requirement, the module follows the requirement: `organization (module shop::billing)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.public {
            return f.write_str("public");
        }
        let mut asked: Vec<_> = self.stated().collect();
        asked.retain(|(requirement, _)| *requirement != Requirement::SignedIn);
        // The modules come first, so if a module and the tool state the same requirement, the module is written.
        asked.sort_by_key(|(requirement, _)| *requirement);
        asked.dedup_by_key(|(requirement, _)| *requirement);
        if asked.is_empty() {
            return f.write_str("signed in");
        }
        for (index, (requirement, module)) in asked.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            requirement.fmt(f)?;
            if let Some(module) = module {
                write!(f, " (module {})", module.module())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({self})")
    }
}

pub(super) fn kind_names(kinds: &[TokenKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.name()).collect()
}

fn joined(requirements: &[Requirement], separator: &str) -> String {
    let texts: Vec<_> = requirements.iter().map(Requirement::to_string).collect();
    texts.join(separator)
}
