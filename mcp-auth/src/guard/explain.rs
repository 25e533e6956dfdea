//! Explains a decision: which requirements a caller meets, from which fact, and what would change the decision.
//!
//! INVARIANT: this module makes no decision. `decision.rs` makes the decision. [`Requirement::is_met`] compares each
//! requirement, as in the decision.

use std::fmt;

use serde::Serialize;

use crate::identity::{Entitlements, NamedBy, Org, TokenKind, Unavailable};

use super::decision::NotAuthorized;
use super::facts::{Policies, TokenFacts};
use super::no_organization::NoOrganization;
use super::requirement::{Guard, Requirement, kind_names};

/// The reason why a caller may or may not use a tool, a prompt or a resource.
///
/// [`Server::explain`](crate::Server::explain) and [`Server::explain_token`](crate::Server::explain_token) make an
/// explanation, and a server that is started with `MCP_AUTH=explain` prints explanations. `Display` writes an explanation as
/// text.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use mcp_auth::testing::TestServer;
/// use mcp_auth::{ExplainedDecision, SampleCaller};
///
/// /// Delete a document.
/// #[mcp_auth::mcp_tool(permission = "org:documents:delete", scope = "documents")]
/// async fn delete_document(id: String) {}
///
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let editor = SampleCaller::new("editor").permission("org:documents:edit").scope("documents");
/// let explanation = server.matrix().explain(&editor, "delete_document").unwrap();
/// assert_eq!(explanation.decision, ExplainedDecision::Denied);
/// assert_eq!(
///     explanation.to_string(),
///     "\
/// tool delete_document: denied
///   because: Forbidden: org:documents:delete permission required
///   not met  permission org:documents:delete
///            found: org:documents:edit (membership)
///            needs: the permission org:documents:delete in the organization
///   met      scope documents
///            found: documents (token)
/// "
/// );
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// `tool`, `prompt` or `resource`.
    pub kind: &'static str,
    /// The declared name of a tool or a prompt, or the URI or the template of a resource.
    pub name: String,
    /// The decision about the caller.
    pub decision: ExplainedDecision,
    /// The reason of a denial, or the reason why there is no decision. The client of a denied tool reads the same reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A hint for the user of a denied client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// All scopes with which a new token would be allowed. Empty if the caller is allowed, or if no new token would help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The requirements of the guard, and the scopes that the server requires of every request. Empty for a public tool.
    pub requirements: Vec<ExplainedRequirement>,
    /// The decisions after the guard, which depend on the arguments of the call: `authorize`, and the agreement of a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<String>,
}

/// The decision about a caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExplainedDecision {
    /// The guard allows the caller.
    Allowed,
    /// The guard denies the caller.
    Denied,
    /// A policy decides. The server evaluates no policy for a caller without a token.
    DependsOnPolicy,
    /// The guard needs a token, and the caller has no accepted token.
    NotSignedIn,
    /// The organization cannot be looked up now.
    Undecided,
}

/// A requirement, and whether the caller meets it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExplainedRequirement {
    /// The requirement, such as `permission org:documents:delete`.
    pub requirement: String,
    /// The module whose guard states the requirement, or `server` for a scope of every request. `None` if the function
    /// states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_by: Option<&'static str>,
    /// Whether the caller meets the requirement. `None` if the server does not know, because it evaluates no policy for
    /// this caller, or because the organization cannot be looked up.
    pub met: Option<bool>,
    /// The fact that was compared: `token`, `session`, `organization`, `membership` or `policy`. `None` for alternatives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'static str>,
    /// The values of the fact that was compared. `None` if the fact has no values, or if the values are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The text that says what would meet the requirement. `None` if the caller meets the requirement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// The alternatives of a choice. All requirements of one alternative must be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Vec<Self>>,
}

/// The facts that an explanation is about.
#[derive(Clone, Copy)]
pub(crate) struct Explained<'a> {
    /// `None` without a token.
    pub(crate) caller: Option<&'a TokenFacts<'a>>,
    pub(crate) organization: Result<Option<&'a Org>, &'a Unavailable>,
    pub(crate) named_by: NamedBy,
    pub(crate) server_scopes: &'a [String],
}

impl Explanation {
    /// Explains a decision that was made about these facts.
    pub(crate) fn new(
        guard: &Guard,
        facts: Explained<'_>,
        decision: Result<(), &NotAuthorized>,
    ) -> Self {
        let mut requirements = Vec::new();
        if !guard.is_public() {
            // The requirements have the order in which denials are reported. A module and a function may state the same
            // requirement.
            let mut stated: Vec<_> = guard.stated().collect();
            stated.sort_by_key(|(requirement, _)| *requirement);
            stated.dedup_by_key(|(requirement, _)| *requirement);
            requirements.extend(stated.into_iter().map(|(requirement, module)| {
                ExplainedRequirement {
                    stated_by: module.map(|module| module.module()),
                    ..facts.explain(requirement)
                }
            }));
            let scopes = facts.server_scopes.iter();
            requirements.extend(scopes.map(|scope| facts.of_server(scope)));
        }
        let (decision, reason, hint, scopes) = match decision {
            Ok(()) => (ExplainedDecision::Allowed, None, None, None),
            Err(NotAuthorized::Unauthenticated) => {
                (ExplainedDecision::NotSignedIn, None, None, None)
            }
            Err(NotAuthorized::Unavailable(unavailable)) => (
                ExplainedDecision::Undecided,
                Some(unavailable.to_string()),
                None,
                None,
            ),
            Err(NotAuthorized::Denied(denied)) => (
                ExplainedDecision::Denied,
                Some(denied.to_string()),
                denied.hint().map(Into::into),
                denied.cure().map(<[String]>::to_vec),
            ),
        };
        Self {
            kind: "",
            name: String::new(),
            decision,
            reason,
            hint,
            scopes: scopes.unwrap_or_default(),
            requirements,
            then: Vec::new(),
        }
    }
}

impl Explained<'_> {
    fn explain(&self, requirement: Requirement) -> ExplainedRequirement {
        let met = self.is_met(requirement);
        let alternatives = match requirement {
            Requirement::Any(alternatives) => alternatives,
            _ => &[],
        };
        let alternatives = alternatives.iter().map(|all| {
            let all = all.iter().map(|one| self.explain(*one));
            all.collect()
        });
        ExplainedRequirement {
            requirement: requirement.to_string(),
            stated_by: None,
            met,
            from: requirement.source(),
            found: self.found(requirement),
            needs: (met != Some(true)).then(|| self.needs(requirement)),
            alternatives: alternatives.collect(),
        }
    }

    /// Explains a scope that the server requires of every request.
    fn of_server(&self, scope: &str) -> ExplainedRequirement {
        let met = self.caller.is_some_and(|caller| caller.has_scope(scope));
        ExplainedRequirement {
            requirement: format!("scope {scope}"),
            stated_by: Some("server"),
            met: Some(met),
            from: Some("token"),
            found: self.caller.and_then(|caller| listed(caller.scopes)),
            needs: (!met).then(|| self.needs_scope(scope)),
            alternatives: Vec::new(),
        }
    }

    /// Compares a requirement as the decision does. `None` if the result depends on data that is not known.
    fn is_met(&self, requirement: Requirement) -> Option<bool> {
        let with = |caller: Option<TokenFacts<'_>>| {
            requirement.is_met(caller.as_ref(), self.organization.unwrap_or_default())
        };
        let assumed = |answer| {
            self.caller.map(|caller| TokenFacts {
                policies: Policies::Assume(answer),
                ..*caller
            })
        };
        let is_assumed = self
            .caller
            .is_some_and(|caller| matches!(caller.policies, Policies::Assume(_)));
        match self.organization {
            // Apart from its policies a requirement is monotonic: an organization never makes a met requirement unmet.
            Err(_) if with(assumed(false)) => Some(true),
            Err(_) => (!requirement.uses_organization()).then_some(false),
            Ok(_) if is_assumed => {
                let (least, most) = (with(assumed(false)), with(assumed(true)));
                (least == most).then_some(least)
            }
            Ok(_) => Some(with(self.caller.copied())),
        }
    }

    fn found(&self, requirement: Requirement) -> Option<String> {
        let org = self.organization.unwrap_or_default();
        let caller = self.caller?;
        match requirement {
            Requirement::Accept(_) | Requirement::SignedIn | Requirement::User => {
                Some(format!("a token of the kind {}", caller.token_kind))
            }
            Requirement::Any(_) | Requirement::Policy(_) => None,
            Requirement::Feature(_) => caller.features.and_then(of_owners),
            Requirement::NoActor => {
                let actor = if caller.impersonated {
                    "an actor"
                } else {
                    "no actor"
                };
                Some(actor.to_owned())
            }
            Requirement::Organization => org.map(|org| org.id().to_owned()),
            Requirement::Permission(_) => org.and_then(Org::permissions).and_then(listed),
            Requirement::Plan(_) => caller.plans.and_then(of_owners),
            Requirement::Reverification(_) => {
                let first = caller.factor_ages.and_then(|ages| ages.first_minutes());
                first.map(|minutes| format!("a first factor {minutes} minutes ago"))
            }
            Requirement::Role(_) => org.and_then(Org::role).map(str::to_owned),
            Requirement::Scope(_) => listed(caller.scopes),
        }
    }

    fn needs(&self, requirement: Requirement) -> String {
        let Some(caller) = self.caller else {
            return "a token: sign in".to_owned();
        };
        match requirement {
            Requirement::Accept(kinds) => {
                format!("a token of the kind {}", kind_names(kinds).join(" or "))
            }
            Requirement::Any(_) => "one of the alternatives".to_owned(),
            Requirement::Feature(feature) => {
                format!("the feature {feature}, in a session token")
            }
            Requirement::NoActor => "a token of the user, without an actor".to_owned(),
            Requirement::Organization => self.needs_organization(caller),
            Requirement::Permission(permission) => self
                .needs_in_organization(caller, &format!("the permission {}", permission.as_str())),
            Requirement::Plan(plan) => format!("the plan {plan}, in a session token"),
            Requirement::Policy(policy) => format!("the approval of the policy {policy}"),
            Requirement::Reverification(asked) => {
                format!("a session whose user signed in again: {asked}")
            }
            Requirement::Role(role) => {
                self.needs_in_organization(caller, &format!("the role {role}"))
            }
            Requirement::Scope(scope) => self.needs_scope(scope.as_str()),
            Requirement::SignedIn => "a token: sign in".to_owned(),
            Requirement::User => "a token of a user".to_owned(),
        }
    }

    fn needs_in_organization(&self, caller: &TokenFacts<'_>, what: &str) -> String {
        match self.organization {
            Ok(None) => format!(
                "{what} in an organization. {}",
                self.needs_organization(caller)
            ),
            Ok(Some(org)) if org.role().is_none() && org.permissions().is_none() => {
                format!("{what} in the organization; the server does not know the membership")
            }
            Ok(Some(_)) => format!("{what} in the organization"),
            Err(_) => format!("{what}; the membership cannot be looked up now"),
        }
    }

    fn needs_organization(&self, caller: &TokenFacts<'_>) -> String {
        match self.organization {
            Err(_) => "an organization; it cannot be looked up now".to_owned(),
            Ok(_) => NoOrganization::of(caller, self.named_by).hint().into(),
        }
    }

    fn needs_scope(&self, scope: &str) -> String {
        match self.caller.map(|caller| caller.token_kind) {
            None | Some(TokenKind::OAuth) => format!("a new token with the scope {scope}"),
            Some(TokenKind::ApiKey) => format!("an API key with the scope {scope}"),
            Some(kind @ (TokenKind::M2m | TokenKind::Session)) => {
                format!(
                    "a token of another kind with the scope {scope}; a token of the kind {kind} has no scopes"
                )
            }
        }
    }
}

fn listed(all: &[String]) -> Option<String> {
    (!all.is_empty()).then(|| all.join(" "))
}

fn of_owners(all: &Entitlements) -> Option<String> {
    let of = |owner: &str, slugs: &[String]| -> Vec<String> {
        slugs.iter().map(|slug| format!("{owner}:{slug}")).collect()
    };
    listed(&[of("org", &all.organization), of("user", &all.user)].concat())
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {}", self.kind, self.name, self.decision)?;
        if let Some(reason) = &self.reason {
            writeln!(f, "  because: {reason}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "  hint: {hint}")?;
        }
        if !self.scopes.is_empty() {
            writeln!(
                f,
                "  a new token helps, with the scopes: {}",
                self.scopes.join(" ")
            )?;
        }
        for requirement in &self.requirements {
            requirement.write(f, 2)?;
        }
        self.then
            .iter()
            .try_for_each(|then| writeln!(f, "  then     {then}"))
    }
}

impl fmt::Display for ExplainedDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::DependsOnPolicy => "depends on a policy",
            Self::NotSignedIn => "not signed in",
            Self::Undecided => "cannot be decided now",
        })
    }
}

impl ExplainedRequirement {
    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "not met",
            None => "unknown",
        };
        write!(f, "{:indent$}{met:<8} {}", "", self.requirement)?;
        if let Some(by) = self.stated_by {
            write!(f, " ({by})")?;
        }
        writeln!(f)?;
        let below = indent + "not met  ".len();
        if let (Some(found), Some(from)) = (&self.found, self.from) {
            writeln!(f, "{:below$}found: {found} ({from})", "")?;
        }
        if let Some(needs) = &self.needs {
            writeln!(f, "{:below$}needs: {needs}", "")?;
        }
        for all in &self.alternatives {
            writeln!(f, "{:below$}either", "")?;
            all.iter().try_for_each(|one| one.write(f, below + 2))?;
        }
        Ok(())
    }
}
