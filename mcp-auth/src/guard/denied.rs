//! Why a signed-in caller may not call, in words for the model and in fields for a program.

use std::fmt;

use super::names::{Permission, Role};

/// A refusal of the guard. [`decide`](super::decide) reports the first that applies, in the order
/// of the variants here: a scope comes last, since asking for one must be worth the user's while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Denied {
    /// No organization. `curable`: a token with the scope `user:org:read` could have one.
    Organization { curable: bool },
    /// The caller's role is another one.
    Role(Vec<Role>),
    /// These permissions are missing.
    Permission(Vec<Permission>),
    /// These scopes are missing, and nothing else is. `curable`: a new token could have them.
    Scope { missing: Vec<String>, curable: bool },
}

impl Denied {
    /// The name of what is missing, as `_meta["mcp-auth-rs/denied"].kind` says it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Organization { .. } => "organization",
            Self::Role(_) => "role",
            Self::Permission(_) => "permission",
            Self::Scope { .. } => "scope",
        }
    }

    /// What would have been needed.
    pub(crate) fn required(&self) -> Vec<String> {
        match self {
            Self::Organization { .. } => Vec::new(),
            Self::Role(roles) => roles.iter().map(Role::to_string).collect(),
            Self::Permission(permissions) => {
                permissions.iter().map(Permission::to_string).collect()
            }
            Self::Scope { missing, .. } => missing.clone(),
        }
    }

    /// The scope that a new token would need, if a new token would help.
    pub(crate) fn cure(&self) -> Option<String> {
        match self {
            Self::Organization { curable: true } => Some(ORGANIZATION_SCOPE.to_owned()),
            Self::Scope {
                missing,
                curable: true,
            } => Some(missing.join(" ")),
            Self::Organization { .. }
            | Self::Role(_)
            | Self::Permission(_)
            | Self::Scope { .. } => None,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Organization { .. } => return f.write_str("Organization context required"),
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

/// The scope that lets a user pick an organization on Clerk's consent screen.
pub(crate) const ORGANIZATION_SCOPE: &str = "user:org:read";

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(denied.to_string(), text);
        }
    }
}
