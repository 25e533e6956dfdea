//! Why a signed-in caller may not call, in words for the model and in fields for a program.

use std::fmt;

use super::names::{Permission, Role};
use super::requirement::Requirement;

/// A refusal of the guard. [`decide`](super::decide) reports the first that applies, in the order
/// of the variants here: a scope comes last, since asking for one must be worth the user's while.
/// What a tool's own `authorize` refuses comes after all of these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Denied {
    /// Somebody acts in the user's name.
    Actor,
    /// No organization. `curable`: a token with the scope `user:org:read` could have one.
    Organization { curable: bool },
    /// The caller's role is another one.
    Role(Vec<Role>),
    /// These permissions are missing.
    Permission(Vec<Permission>),
    /// None of these alternatives is met. `cure`: scopes with which a new token would meet one.
    Any {
        alternatives: &'static [&'static [Requirement]],
        cure: Option<Vec<String>>,
    },
    /// These scopes are missing, and nothing else is. `curable`: a new token could have them.
    Scope { missing: Vec<String>, curable: bool },
    /// The function in the tool's `authorize`, called like this, said no.
    Authorize(&'static str),
}

impl Denied {
    /// The name of what is missing, as `_meta["mcp-auth-rs/denied"].kind` says it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Organization { .. } => "organization",
            Self::Role(_) => "role",
            Self::Permission(_) => "permission",
            Self::Any { .. } => "any",
            Self::Scope { .. } => "scope",
            Self::Authorize(_) => "authorize",
        }
    }

    /// What would have been needed.
    pub(crate) fn required(&self) -> Vec<String> {
        match self {
            Self::Actor | Self::Organization { .. } => Vec::new(),
            Self::Role(roles) => roles.iter().map(Role::to_string).collect(),
            Self::Permission(permissions) => {
                permissions.iter().map(Permission::to_string).collect()
            }
            Self::Any { alternatives, .. } => alternatives.iter().map(|all| told(all)).collect(),
            Self::Scope { missing, .. } => missing.clone(),
            Self::Authorize(call) => vec![(*call).to_owned()],
        }
    }

    /// The scope that a new token would need, if a new token would help.
    pub(crate) fn cure(&self) -> Option<String> {
        match self {
            Self::Organization { curable: true } => Some(ORGANIZATION_SCOPE.to_owned()),
            Self::Any { cure, .. } => cure.as_ref().map(|scopes| scopes.join(" ")),
            Self::Scope {
                missing,
                curable: true,
            } => Some(missing.join(" ")),
            Self::Actor
            | Self::Authorize(_)
            | Self::Organization { .. }
            | Self::Role(_)
            | Self::Permission(_)
            | Self::Scope { .. } => None,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Actor => {
                return f.write_str("Forbidden: not available to somebody who acts for the user");
            }
            Self::Organization { .. } => return f.write_str("Organization context required"),
            Self::Any { .. } => {
                let alternatives = listed(&self.required(), "or");
                return write!(f, "Forbidden: {alternatives} required");
            }
            Self::Authorize(call) => return write!(f, "Forbidden: refused by {call}"),
            Self::Role(_) => "role",
            Self::Permission(_) => "permission",
            Self::Scope { .. } => "scope",
        };
        let required = self.required();
        let plural = if required.len() == 1 { "" } else { "s" };
        write!(
            f,
            "Forbidden: {} {what}{plural} required",
            required.join(", ")
        )
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
        kind => format!("{name} {kind}"),
    });
    listed(&each.collect::<Vec<_>>(), "and")
}

/// The name of what is required, and what it is the name of.
fn named(requirement: Requirement) -> (String, &'static str) {
    match requirement {
        Requirement::Permission(permission) => (permission.to_string(), "permission"),
        Requirement::Role(role) => (role.to_string(), "role"),
        Requirement::Scope(scope) => (scope.to_string(), "scope"),
        Requirement::Any(_)
        | Requirement::NoActor
        | Requirement::Organization
        | Requirement::SignedIn => (requirement.to_string(), ""),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn listed(texts: &[String], word: &str) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// The scope that lets a user pick an organization on Clerk's consent screen.
pub(crate) const ORGANIZATION_SCOPE: &str = "user:org:read";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Scope;

    const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
    const WRITE: Requirement = Requirement::Permission(Permission::new("org:a:write"));
    const DROP: Requirement = Requirement::Permission(Permission::new("org:a:drop"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));

    fn any(alternatives: &'static [&'static [Requirement]]) -> Denied {
        Denied::Any {
            alternatives,
            cure: None,
        }
    }

    #[test]
    fn alternatives_are_listed_in_words_and_one_by_one() {
        for (denied, text, required) in [
            (
                any(&[&[READ], &[ADMIN]]),
                "Forbidden: org:a:read permission or org:admin role required",
                vec!["org:a:read permission", "org:admin role"],
            ),
            (
                any(&[&[READ, WRITE], &[ADMIN], &[DOCS]]),
                "Forbidden: org:a:read and org:a:write permissions, org:admin role or docs scope \
                 required",
                vec![
                    "org:a:read and org:a:write permissions",
                    "org:admin role",
                    "docs scope",
                ],
            ),
            (
                any(&[
                    &[READ, WRITE, DROP],
                    &[READ, DOCS],
                    &[Requirement::Organization],
                ]),
                "Forbidden: org:a:read, org:a:write and org:a:drop permissions, org:a:read \
                 permission and docs scope or organization required",
                vec![
                    "org:a:read, org:a:write and org:a:drop permissions",
                    "org:a:read permission and docs scope",
                    "organization",
                ],
            ),
        ] {
            assert_eq!(denied.to_string(), text);
            assert_eq!(denied.required(), required);
        }
    }

    #[test]
    fn the_texts_are_those_that_clients_are_promised() {
        let permission = Permission::new("org:documents:delete");
        for (denied, text) in [
            (
                Denied::Organization { curable: true },
                "Organization context required",
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
                    curable: true,
                },
                "Forbidden: docs scope required",
            ),
            (
                Denied::Actor,
                "Forbidden: not available to somebody who acts for the user",
            ),
            (
                Denied::Authorize("owns(document_id)"),
                "Forbidden: refused by owns(document_id)",
            ),
        ] {
            assert_eq!(denied.to_string(), text);
        }
    }
}
