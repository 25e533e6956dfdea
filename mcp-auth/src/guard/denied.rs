//! Why a signed-in caller may not call, in words for the model and in fields for a program.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::identity::TokenKind;

use super::billing::{Feature, Plan};
use super::names::{Permission, Role};
use super::no_organization::NoOrganization;
use super::requirement::{Requirement, kind_names};
use super::reverification::Reverification;

/// A denial by the guard. [`decide`](super::decide) reports the first that applies, in the order of
/// these variants. A missing scope comes last: a user is asked to grant a scope only if the call
/// would then be allowed. The tool's own `authorize` runs after all of these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Denied {
    /// The token is of another kind than these.
    TokenKind(&'static [TokenKind]),
    /// Somebody acts in the user's name.
    Actor,
    /// The caller is no user.
    User,
    /// No organization. `cure`: the scopes of a token that could have one and all else that the call
    /// needs.
    Organization {
        cure: Option<Vec<String>>,
        why: NoOrganization,
    },
    /// The caller's role is another one.
    Role(Vec<Role>),
    /// These permissions are missing.
    Permission(Vec<Permission>),
    /// These features are missing.
    Feature(Vec<Feature>),
    /// The caller is not on these plans.
    Plan(Vec<Plan>),
    /// It was too long ago that the user proved who they are. `curable`: nothing else is missing, and a
    /// token of this kind can tell.
    Reverification {
        asked: Reverification,
        curable: bool,
    },
    /// The caller meets none of these alternatives. `cure`: the scopes of a token that would meet one, and all else
    /// that the call needs.
    /// `verifying_helps`: the user would meet one by proving who they are.
    Any {
        alternatives: &'static [&'static [Requirement]],
        cure: Option<Vec<String>>,
        verifying_helps: bool,
    },
    /// These scopes are missing, and nothing else is. `cure`: all scopes that the call needs, held ones
    /// included, if a new token could have them.
    Scope {
        missing: Vec<String>,
        cure: Option<Vec<String>>,
    },
    /// The function in the tool's `authorize` returned `false`. Clients read only the names of the
    /// arguments that it takes.
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
    /// All of these; of kinds of tokens, one.
    Names(Vec<Cow<'a, str>>),
}

/// A requirement in an alternative.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Named {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'static, str>>,
    /// The fields with which a page asks its user to verify themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    reverification: Option<Value>,
}

impl Denied {
    /// The name of what is missing, as `_meta["mcp-auth-rs/denied"].kind` says it.
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
            Self::Reverification { .. } => "reverification",
            Self::Any { .. } => "any",
            Self::Scope { .. } => "scope",
            Self::Authorize { .. } => "authorize",
        }
    }

    /// Returns the requirements that were not met.
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

    /// Returns the names of what is missing; each alternative is one text.
    fn names(&self) -> Vec<Cow<'_, str>> {
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

    /// Returns the text for the log, which also names the function in `authorize`.
    pub(crate) fn in_log(&self) -> String {
        match self {
            Self::Authorize { rule, .. } => format!("{self}, by authorize {rule}"),
            other => other.to_string(),
        }
    }

    /// Returns every scope that a new token needs; `None` if a new token would not help.
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
            | Self::Reverification { .. }
            | Self::Role(_)
            | Self::TokenKind(_)
            | Self::User => None,
        }
    }

    /// Returns a hint for the person at the client; `None` if the text of the denial says what to do.
    pub(crate) fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Organization { why, .. } => Some(why.hint()),
            Self::Actor
            | Self::Any { .. }
            | Self::Authorize { .. }
            | Self::Feature(_)
            | Self::Permission(_)
            | Self::Plan(_)
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
            | Self::Role(_)
            | Self::Scope { .. }
            | Self::TokenKind(_)
            | Self::User => None,
        }
    }

    /// Returns true if the caller can cure the denial, by a new token or a reverification. The tool then stays
    /// in the list.
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

/// An alternative in words: `org:a:b permission`, `org:a:b and org:c:d permissions`.
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

/// The name of what is required, and what it is the name of.
fn named(requirement: Requirement) -> (Cow<'static, str>, &'static str) {
    match requirement {
        Requirement::Accept(kinds) => (kind_names(kinds).join(" or ").into(), "token"),
        Requirement::Feature(feature) => (feature.to_string().into(), "feature"),
        Requirement::Permission(permission) => (permission.as_str().into(), "permission"),
        Requirement::Plan(plan) => (plan.to_string().into(), "plan"),
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

/// `a`, `a or b`, `a, b or c`.
fn listed(texts: &[Cow<'_, str>], word: &str) -> String {
    match texts {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// The scope that lets a user pick an organization on Clerk's consent screen.
pub(crate) const ORGANIZATION_SCOPE: &str = "user:org:read";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::guard::Scope;

    const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
    const WRITE: Requirement = Requirement::Permission(Permission::new("org:a:write"));
    const DROP: Requirement = Requirement::Permission(Permission::new("org:a:drop"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));

    const EXPORT: Requirement = Requirement::Feature(Feature::new("o:export"));
    const PRO: Requirement = Requirement::Plan(Plan::new("pro"));
    const SOON: Requirement = Requirement::Reverification(Reverification::first_factor(5.0));
    const HUMAN: Requirement = Requirement::Accept(&[TokenKind::Session]);

    fn any(alternatives: &'static [&'static [Requirement]]) -> Denied {
        Denied::Any {
            alternatives,
            cure: None,
            verifying_helps: false,
        }
    }

    #[test]
    fn alternatives_are_listed_in_words_and_one_by_one() {
        let one = |kind: &str, name: &str| json!({ "kind": kind, "name": name });
        let read = one("permission", "org:a:read");
        let write = one("permission", "org:a:write");
        let (admin, docs) = (one("role", "org:admin"), one("scope", "docs"));
        for (denied, text, required) in [
            (
                any(&[&[READ], &[ADMIN]]),
                "Forbidden: org:a:read permission or org:admin role required",
                json!([[read], [admin]]),
            ),
            (
                any(&[&[READ, WRITE], &[ADMIN], &[DOCS]]),
                "Forbidden: org:a:read and org:a:write permissions, org:admin role or docs scope \
                 required",
                json!([[read, write], [admin], [docs]]),
            ),
            (
                any(&[
                    &[READ, WRITE, DROP],
                    &[READ, DOCS],
                    &[Requirement::Organization],
                ]),
                "Forbidden: org:a:read, org:a:write and org:a:drop permissions, org:a:read \
                 permission and docs scope or organization required",
                json!([
                    [read, write, one("permission", "org:a:drop")],
                    [read, docs],
                    [{ "kind": "organization" }],
                ]),
            ),
            (
                any(&[&[EXPORT, PRO], &[Requirement::User, SOON], &[HUMAN]]),
                "Forbidden: org:export feature and pro plan, user and first_factor (5 minutes) \
                 reverification or session token required",
                json!([
                    [one("feature", "org:export"), one("plan", "pro")],
                    [
                        { "kind": "user" },
                        {
                            "kind": "reverification",
                            "name": "first_factor (5 minutes)",
                            "reverification": { "level": "first_factor", "afterMinutes": 5 },
                        },
                    ],
                    [one("token_kind", "session")],
                ]),
            ),
        ] {
            assert_eq!(denied.to_string(), text);
            assert_eq!(serde_json::to_value(denied.required()).unwrap(), required);
        }
    }

    #[test]
    fn the_texts_are_those_that_clients_are_promised() {
        let permission = Permission::new("org:documents:delete");
        for (denied, text) in [
            (
                Denied::Organization {
                    cure: None,
                    why: NoOrganization::Session,
                },
                "Organization context required",
            ),
            (
                Denied::TokenKind(&[TokenKind::OAuth]),
                "Forbidden: oauth token required",
            ),
            (
                Denied::TokenKind(&[TokenKind::OAuth, TokenKind::Session, TokenKind::ApiKey]),
                "Forbidden: oauth, session or api_key token required",
            ),
            (Denied::User, "Forbidden: user required"),
            (
                Denied::Feature(vec![Feature::new("o:export"), Feature::new("share")]),
                "Forbidden: org:export, share features required",
            ),
            (
                Denied::Plan(vec![Plan::new("user:pro")]),
                "Forbidden: user:pro plan required",
            ),
            (
                Denied::Reverification {
                    asked: Reverification::STRICT,
                    curable: true,
                },
                "Forbidden: strict reverification required",
            ),
            (
                Denied::Permission(vec![permission]),
                "Forbidden: org:documents:delete permission required",
            ),
            (
                Denied::Permission(vec![permission, Permission::new("org:a:b")]),
                "Forbidden: org:documents:delete, org:a:b permissions required",
            ),
            (
                Denied::Role(vec![Role::new("admin")]),
                "Forbidden: org:admin role required",
            ),
            (
                Denied::Scope {
                    missing: vec!["docs".into()],
                    cure: None,
                },
                "Forbidden: docs scope required",
            ),
            (
                Denied::Actor,
                "Forbidden: not available to somebody who acts for the user",
            ),
            (
                Denied::Authorize {
                    rule: "owns(document_id, org)",
                    arguments: &["document_id"],
                },
                "Forbidden: not allowed for this document_id",
            ),
            (
                Denied::Authorize {
                    rule: "may_write(letter, subject)",
                    arguments: &["letter", "subject"],
                },
                "Forbidden: not allowed for this letter and subject",
            ),
            (
                Denied::Authorize {
                    rule: "is_open()",
                    arguments: &[],
                },
                "Forbidden: not allowed",
            ),
        ] {
            assert_eq!(denied.to_string(), text);
        }
    }
}
