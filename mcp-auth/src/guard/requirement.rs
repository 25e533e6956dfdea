//! What a tool asks of its caller.

use std::fmt;

use super::names::{Permission, Role, Scope, complain};

/// One thing a caller must have. The order is that in which a lack is reported.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Requirement {
    /// A verified token.
    SignedIn,
    /// An organization the caller acts in.
    Organization,
    /// A role in that organization.
    Role(Role),
    /// A permission in that organization; all listed ones are needed.
    Permission(Permission),
    /// A scope granted to the token; all listed ones are needed.
    Scope(Scope),
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization => f.write_str("organization"),
            Self::Permission(permission) => write!(f, "permission {permission}"),
            Self::Role(role) => write!(f, "role {role}"),
            Self::Scope(scope) => write!(f, "scope {scope}"),
            Self::SignedIn => f.write_str("signed in"),
        }
    }
}

/// What an injected parameter asks of the caller: `&Org` asks for an organization.
#[derive(Clone, Copy, Debug)]
pub struct Implied {
    requires: &'static [Requirement],
}

impl Implied {
    pub(crate) const fn signed_in(requires: &'static [Requirement]) -> Self {
        Self { requires }
    }

    /// The same in a `public` tool, where there may be no caller: a parameter that asks for
    /// anything of its caller is a compile error in the declaration.
    #[track_caller]
    pub(crate) const fn public(parameter: &'static str, requires: &'static [Requirement]) -> Self {
        if !requires.is_empty() {
            complain(
                "a `public` tool may have no caller: drop `public`, or take an `Option<&_>` as ",
                parameter,
            );
        }
        Self { requires }
    }
}

/// Who may call a tool. A constant, written by `#[mcp_tool]`.
///
/// There is no empty guard and no default one: a guard starts from "any signed-in caller", or from
/// `public`, which is spelled out.
#[derive(Clone, Copy)]
pub struct Guard {
    public: bool,
    required: &'static [Requirement],
    implied: &'static [Implied],
}

impl Guard {
    /// Any caller, signed in or not.
    #[must_use]
    pub const fn public() -> Self {
        Self {
            public: true,
            required: &[],
            implied: &[],
        }
    }

    /// A signed-in caller who meets all of `required`.
    #[must_use]
    pub const fn signed_in(required: &'static [Requirement]) -> Self {
        Self {
            public: false,
            required,
            implied: &[],
        }
    }

    /// Adds what the injected parameters ask for.
    #[must_use]
    pub const fn implied(self, implied: &'static [Implied]) -> Self {
        Self { implied, ..self }
    }

    /// Returns whether a caller without a token may call.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.public
    }

    /// Returns all requirements, those of injected parameters last.
    pub fn requirements(&self) -> impl Iterator<Item = Requirement> + use<> {
        let implied = self.implied.iter().flat_map(|implied| implied.requires);
        self.required.iter().chain(implied).copied()
    }

    /// Returns whether the decision needs the caller's organization.
    #[must_use]
    pub fn needs_organization(&self) -> bool {
        self.requirements().any(|requirement| match requirement {
            Requirement::Organization | Requirement::Permission(_) | Requirement::Role(_) => true,
            Requirement::Scope(_) | Requirement::SignedIn => false,
        })
    }

    /// Returns whether the decision needs a role or a permission, which no OAuth token carries.
    #[must_use]
    pub fn needs_membership(&self) -> bool {
        self.requirements().any(|requirement| match requirement {
            Requirement::Permission(_) | Requirement::Role(_) => true,
            Requirement::Organization | Requirement::Scope(_) | Requirement::SignedIn => false,
        })
    }
}

impl fmt::Display for Guard {
    /// `public`, `signed in`, or the requirements: `organization, permission org:documents:delete`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.public {
            return f.write_str("public");
        }
        let mut asked: Vec<Requirement> = self.requirements().collect();
        asked.retain(|requirement| *requirement != Requirement::SignedIn);
        asked.sort();
        asked.dedup();
        let Some((first, rest)) = asked.split_first() else {
            return f.write_str("signed in");
        };
        write!(f, "{first}")?;
        rest.iter()
            .try_for_each(|requirement| write!(f, ", {requirement}"))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({self})")
    }
}
