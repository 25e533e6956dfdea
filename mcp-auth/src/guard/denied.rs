//! The denials of a signed-in caller: a text for the model, and fields for a program.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::identity::TokenKind;

use super::billing::{Feature, Plan};
use super::names::{Permission, Role};
use super::no_organization::NoOrganization;
use super::policy::Policy;
use super::requirement::{Guard, Requirement, kind_names};
use super::reverification::Reverification;

/// A denial by the guard. [`decide`](super::decide) reports the first denial that applies, in the order of these
/// variants. A missing scope comes last, so that a user is asked to grant a scope only if the call would then be
/// allowed. The tool's own `authorize` function runs after all other checks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Denied {
    /// The token has a kind that the tool does not accept. The list names the accepted kinds.
    TokenKind(&'static [TokenKind]),
    /// Another person acts in the user's name.
    Actor,
    /// The caller is not a user.
    User,
    /// The caller has no organization. `cure` is every scope that a new token needs to name an organization
    /// and to allow the call.
    Organization {
        cure: Option<Vec<String>>,
        why: NoOrganization,
    },
    /// The caller does not have these roles.
    Role(Vec<Role>),
    /// The caller does not have these permissions.
    Permission(Vec<Permission>),
    /// The caller does not have these features.
    Feature(Vec<Feature>),
    /// The caller is not on these plans.
    Plan(Vec<Plan>),
    /// These policies deny the caller.
    Policy(Vec<Policy>),
    /// The user's last proof of who they are is too old. `curable` is true if nothing else is missing and a token of
    /// this kind can carry a proof.
    Reverification {
        asked: Reverification,
        curable: bool,
    },
    /// The caller meets none of these alternatives. `cure` is every scope that a new token needs to meet an
    /// alternative and to allow the call. `verifying_helps` is true if the user would meet an alternative by
    /// a reverification.
    Any {
        alternatives: &'static [&'static [Requirement]],
        cure: Option<Vec<String>>,
        verifying_helps: bool,
    },
    /// The token lacks these scopes, and nothing else is missing. `cure` is every scope that a new token
    /// needs for the call, including scopes that the caller already holds.
    Scope {
        missing: Vec<String>,
        cure: Option<Vec<String>>,
    },
    /// The function in the tool's `authorize` returned `false`. The denial shows the client only the names of the
    /// arguments that the function takes.
    Authorize {
        rule: &'static str,
        arguments: &'static [&'static str],
    },
}

/// The requirements that were not met, for a program.
#[derive(Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Required<'a> {
    /// One of the inner lists must be met in full.
    Alternatives(Vec<Vec<Named>>),
    /// One of these names is required if they are kinds of tokens, and all of them otherwise.
    Names(Vec<Cow<'a, str>>),
}

/// A requirement in an alternative.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Named {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'static, str>>,
    /// The level and minutes of a reverification. A web page needs both to ask its user for the reverification.
    #[serde(skip_serializing_if = "Option::is_none")]
    reverification: Option<Value>,
}

impl Denied {
    /// Every kind of a denial.
    #[cfg(feature = "metrics")]
    pub(crate) const KINDS: [&'static str; 13] = [
        "token_kind",
        "actor",
        "user",
        "organization",
        "role",
        "permission",
        "feature",
        "plan",
        "policy",
        "reverification",
        "any",
        "scope",
        "authorize",
    ];

    /// Returns the kind of the denial: `_meta["mcp-auth-rs/denied"].kind`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::TokenKind(_) => "token_kind",
            Self::Actor => "actor",
            Self::User => "user",
            Self::Organization { .. } => "organization",
            Self::Role(_) => "role",
            Self::Permission(_) => "permission",
            Self::Feature(_) => "feature",
            Self::Plan(_) => "plan",
            Self::Policy(_) => "policy",
            Self::Reverification { .. } => "reverification",
            Self::Any { .. } => "any",
            Self::Scope { .. } => "scope",
            Self::Authorize { .. } => "authorize",
        }
    }

    /// Returns the values that the caller lacks, such as permissions or scopes. For `authorize`, returns the names of
    /// the arguments. For policies, returns the texts of the policies. The list is empty if the requirement has no values:
    /// for an actor, a user, an organization, or a policy function that the attribute names.
    pub(crate) fn required(&self) -> Required<'_> {
        match self {
            Self::Any { alternatives, .. } => Required::Alternatives(
                alternatives
                    .iter()
                    .map(|all| all.iter().copied().map(Named::of).collect())
                    .collect(),
            ),
            other => Required::Names(other.names()),
        }
    }

    /// Returns the names of the missing values. Each alternative is one text in the list.
    pub(crate) fn names(&self) -> Vec<Cow<'_, str>> {
        match self {
            Self::Actor | Self::Organization { .. } | Self::User => Vec::new(),
            Self::TokenKind(kinds) => kinds.iter().map(|kind| kind.name().into()).collect(),
            Self::Role(roles) => shown(roles),
            Self::Permission(permissions) => {
                let permissions = permissions.iter();
                permissions
                    .map(|permission| permission.as_str().into())
                    .collect()
            }
            Self::Feature(features) => shown(features),
            Self::Plan(plans) => shown(plans),
            Self::Policy(policies) => {
                let texts = policies.iter().filter_map(Policy::required);
                texts.map(Cow::from).collect()
            }
            Self::Reverification { asked, .. } => vec![asked.to_string().into()],
            Self::Any { alternatives, .. } => {
                let alternatives = alternatives.iter();
                alternatives.map(|all| told(all).into()).collect()
            }
            Self::Scope { missing, .. } => missing.iter().map(Cow::from).collect(),
            Self::Authorize { arguments, .. } => {
                arguments.iter().map(|name| Cow::from(*name)).collect()
            }
        }
    }

    /// Returns the text for the log, which also names the policies and the function in `authorize`.
    pub(crate) fn in_log(&self) -> String {
        match self {
            Self::Policy(policies) => {
                format!("{self}, by policy {}", listed(&shown(policies), "and"))
            }
            Self::Authorize { rule, .. } => format!("{self}, by authorize {rule}"),
            other => other.to_string(),
        }
    }

    /// Returns every scope that a new token needs. `None` if a new token would not help.
    pub(crate) fn cure(&self) -> Option<&[String]> {
        match self {
            Self::Any { cure, .. } | Self::Organization { cure, .. } | Self::Scope { cure, .. } => {
                cure.as_deref()
            }
            Self::Actor
            | Self::Authorize { .. }
            | Self::Feature(_)
            | Self::Permission(_)
            | Self::Plan(_)
            | Self::Policy(_)
            | Self::Reverification { .. }
            | Self::Role(_)
            | Self::TokenKind(_)
            | Self::User => None,
        }
    }

    /// Returns a hint for the user of the client. `None` if the text of the denial already says what to do.
    pub(crate) fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Organization { why, .. } => Some(why.hint()),
            Self::Actor
            | Self::Any { .. }
            | Self::Authorize { .. }
            | Self::Feature(_)
            | Self::Permission(_)
            | Self::Plan(_)
            | Self::Policy(_)
            | Self::Reverification { .. }
            | Self::Role(_)
            | Self::Scope { .. }
            | Self::TokenKind(_)
            | Self::User => None,
        }
    }

    /// Returns the reverification that the user lacks.
    pub(crate) fn reverification(&self) -> Option<Reverification> {
        match self {
            Self::Reverification { asked, .. } => Some(*asked),
            Self::Actor
            | Self::Any { .. }
            | Self::Authorize { .. }
            | Self::Feature(_)
            | Self::Organization { .. }
            | Self::Permission(_)
            | Self::Plan(_)
            | Self::Policy(_)
            | Self::Role(_)
            | Self::Scope { .. }
            | Self::TokenKind(_)
            | Self::User => None,
        }
    }

    /// Returns true if a new token or a reverification would allow the call. `tools/list` still shows a tool with this
    /// denial.
    pub(crate) fn is_curable(&self) -> bool {
        let verifying_helps = matches!(
            self,
            Self::Any {
                verifying_helps: true,
                ..
            } | Self::Reverification { curable: true, .. }
        );
        verifying_helps || self.cure().is_some()
    }

    /// Returns true if the denied caller may know that a prompt or a resource with this guard exists, because a new
    /// token would help. A caller without an organization learns nothing if the guard needs a role or a permission,
    /// because a new token that names an organization may not be enough.
    pub(crate) fn shows(&self, guard: &Guard) -> bool {
        let hidden = matches!(self, Self::Organization { .. }) && guard.uses_membership();
        self.is_curable() && !hidden
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names();
        let what = match self {
            Self::Actor => {
                return f.write_str("Forbidden: not available to somebody who acts for the user");
            }
            Self::User => return f.write_str("Forbidden: user required"),
            Self::Organization { .. } => return f.write_str("Organization context required"),
            Self::TokenKind(_) => {
                return write!(f, "Forbidden: {} token required", listed(&names, "or"));
            }
            Self::Any { .. } => return write!(f, "Forbidden: {} required", listed(&names, "or")),
            Self::Policy(_) if names.is_empty() => {
                return f.write_str("Forbidden: not allowed by a policy");
            }
            Self::Policy(_) => return write!(f, "Forbidden: {} required", listed(&names, "and")),
            Self::Authorize { .. } if names.is_empty() => {
                return f.write_str("Forbidden: not allowed");
            }
            Self::Authorize { .. } => {
                return write!(
                    f,
                    "Forbidden: not allowed for this {}",
                    listed(&names, "and")
                );
            }
            Self::Role(_) => "role",
            Self::Permission(_) => "permission",
            Self::Feature(_) => "feature",
            Self::Plan(_) => "plan",
            Self::Reverification { .. } => "reverification",
            Self::Scope { .. } => "scope",
        };
        f.write_str("Forbidden: ")?;
        for (index, name) in names.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        let plural = if names.len() == 1 { "" } else { "s" };
        write!(f, " {what}{plural} required")
    }
}

impl Named {
    fn of(requirement: Requirement) -> Self {
        let (name, kind) = named(requirement);
        let of_kind = |kind| Self {
            name: Some(name),
            ..Self::bare(kind)
        };
        match requirement {
            Requirement::Accept(_) => of_kind("token_kind"),
            Requirement::Any(_) => of_kind("any"),
            Requirement::Feature(_)
            | Requirement::Permission(_)
            | Requirement::Plan(_)
            | Requirement::Role(_)
            | Requirement::Scope(_) => of_kind(kind),
            Requirement::Policy(policy) => Self {
                name: policy.required().map(Cow::from),
                ..Self::bare("policy")
            },
            Requirement::Reverification(asked) => Self {
                reverification: Some(asked.to_json()),
                ..of_kind(kind)
            },
            Requirement::NoActor => Self::bare("actor"),
            Requirement::Organization => Self::bare("organization"),
            Requirement::SignedIn => Self::bare("signed_in"),
            Requirement::User => Self::bare("user"),
        }
    }

    fn bare(kind: &'static str) -> Self {
        Self {
            kind,
            name: None,
            reverification: None,
        }
    }
}

/// Returns an alternative in words: `org:a:b permission`, `org:a:b and org:c:d permissions`.
fn told(all: &[Requirement]) -> String {
    let named: Vec<_> = all.iter().map(|one| named(*one)).collect();
    let kind = named.first().map_or("", |(_, kind)| *kind);
    if named.len() > 1 && !kind.is_empty() && named.iter().all(|(_, other)| *other == kind) {
        let names: Vec<_> = named.into_iter().map(|(name, _)| name).collect();
        return format!("{} {kind}s", listed(&names, "and"));
    }
    let each = named.into_iter().map(|(name, kind)| match kind {
        "" => name,
        kind => format!("{name} {kind}").into(),
    });
    listed(&each.collect::<Vec<_>>(), "and")
}

/// Returns the name of a requirement, and the word that follows the name, for example `role`. The word is empty if the
/// name needs no word.
fn named(requirement: Requirement) -> (Cow<'static, str>, &'static str) {
    match requirement {
        Requirement::Accept(kinds) => (kind_names(kinds).join(" or ").into(), "token"),
        Requirement::Feature(feature) => (feature.to_string().into(), "feature"),
        Requirement::Permission(permission) => (permission.as_str().into(), "permission"),
        Requirement::Plan(plan) => (plan.to_string().into(), "plan"),
        Requirement::Policy(policy) => (policy.required().unwrap_or(BY_POLICY).into(), ""),
        Requirement::Reverification(asked) => (asked.to_string().into(), "reverification"),
        Requirement::Role(role) => (role.to_string().into(), "role"),
        Requirement::Scope(scope) => (scope.as_str().into(), "scope"),
        Requirement::Any(_)
        | Requirement::NoActor
        | Requirement::Organization
        | Requirement::SignedIn
        | Requirement::User => (requirement.to_string().into(), ""),
    }
}

fn shown(all: &[impl fmt::Display]) -> Vec<Cow<'static, str>> {
    all.iter().map(|one| one.to_string().into()).collect()
}

/// Joins texts with a word, for example "or": `a`, `a or b`, `a, b or c`.
fn listed(texts: &[Cow<'_, str>], word: &str) -> String {
    match texts {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// An alternative that is the function of an attribute. Clients do not learn the name of the function.
const BY_POLICY: &str = "approval by a policy";

/// The scope that lets a user pick an organization on Clerk's consent screen.
pub(crate) const ORGANIZATION_SCOPE: &str = "user:org:read";

#[cfg(test)]
mod tests;
