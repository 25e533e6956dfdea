//! The values of the keys in `#[mcp_tool]`, which the compiler checks.

use crate::identity::TokenKind;

use super::billing::{Feature, Plan};
use super::declared::Declared;
use super::names::{Permission, Role, Scope, const_panic, const_panic_with};
use super::policy::{CallerFacts, Policy};
use super::requirement::Requirement;
use super::reverification::Reverification;

/// The value of a key in `#[mcp_tool]`. The key decides whether the value is read as a permission,
/// a role, a scope or another name.
#[derive(Clone, Copy, Debug)]
pub struct KeyText<T>(pub T);

impl KeyText<&'static str> {
    /// Reads the text as a permission.
    #[must_use]
    #[track_caller]
    pub const fn permission(self, declared: Declared) -> Requirement {
        KeyText(Permission::new(self.0)).permission(declared)
    }

    /// Reads the text as a role.
    #[must_use]
    #[track_caller]
    pub const fn role(self) -> Requirement {
        Requirement::Role(Role::new(self.0))
    }

    /// Reads the text as a scope.
    #[must_use]
    #[track_caller]
    pub const fn scope(self) -> Requirement {
        Requirement::Scope(Scope::new(self.0))
    }

    /// Reads the text as a feature.
    #[must_use]
    #[track_caller]
    pub const fn feature(self) -> Requirement {
        Requirement::Feature(Feature::new(self.0))
    }

    /// Reads the text as a plan.
    #[must_use]
    #[track_caller]
    pub const fn plan(self) -> Requirement {
        Requirement::Plan(Plan::new(self.0))
    }

    /// Reads the text as the name of a reverification.
    #[must_use]
    #[track_caller]
    pub const fn reverification(self) -> Requirement {
        Requirement::Reverification(Reverification::of_preset(self.0))
    }

    /// Reads the text as a kind of token.
    #[must_use]
    #[track_caller]
    pub const fn accept(self) -> TokenKind {
        match TokenKind::named(self.0) {
            Some(kind) => kind,
            None => const_panic(
                "`accept` must be `oauth`, `session`, `m2m` or `api_key`, found ",
                self.0,
            ),
        }
    }

    /// Reads the text as the name of a tool.
    #[must_use]
    #[track_caller]
    pub const fn name(self) -> &'static str {
        if !is_tool_name(self.0.as_bytes()) {
            const_panic(
                "`name` must be 1 to 64 letters, digits, `_` and `-`, found ",
                self.0,
            );
        }
        self.0
    }
}

impl KeyText<Permission> {
    /// Returns the permission.
    #[must_use]
    #[track_caller]
    pub const fn permission(self, declared: Declared) -> Requirement {
        declared.check(self.0);
        Requirement::Permission(self.0)
    }
}

impl KeyText<Role> {
    /// Returns the role.
    #[must_use]
    pub const fn role(self) -> Requirement {
        Requirement::Role(self.0)
    }
}

impl KeyText<Scope> {
    /// Returns the scope.
    #[must_use]
    pub const fn scope(self) -> Requirement {
        Requirement::Scope(self.0)
    }
}

impl KeyText<Feature> {
    /// Returns the feature.
    #[must_use]
    pub const fn feature(self) -> Requirement {
        Requirement::Feature(self.0)
    }
}

impl KeyText<Plan> {
    /// Returns the plan.
    #[must_use]
    pub const fn plan(self) -> Requirement {
        Requirement::Plan(self.0)
    }
}

impl KeyText<Policy> {
    /// Returns the policy.
    #[must_use]
    pub const fn policy(self) -> Requirement {
        Requirement::Policy(self.0)
    }
}

impl KeyText<Reverification> {
    /// Returns the reverification.
    #[must_use]
    pub const fn reverification(self) -> Requirement {
        Requirement::Reverification(self.0)
    }
}

impl KeyText<(&'static str, f64)> {
    /// Reads a level and minutes, which the attribute has already checked.
    #[must_use]
    #[track_caller]
    pub const fn reverification(self) -> Requirement {
        match Reverification::parse(self.0.0, self.0.1) {
            Some(asked) => Requirement::Reverification(asked),
            None => const_panic_with(&[
                "`reverification` takes a level of Clerk's and minutes above zero",
            ]),
        }
    }
}

impl KeyText<TokenKind> {
    /// Returns the kind.
    #[must_use]
    pub const fn accept(self) -> TokenKind {
        self.0
    }
}

/// Reads the function of `policy = function`. `name` is the name of this function.
#[must_use]
pub const fn function_policy(
    name: &'static str,
    allows: fn(&CallerFacts<'_>) -> bool,
) -> Requirement {
    Requirement::Policy(Policy::of_function(name, allows))
}

/// Returns true for 1 to 64 characters of `A-Za-z0-9_-`. MCP permits 128 characters and `.` too,
/// but claude.ai hides all tools of a server if one tool has such a name.
const fn is_tool_name(mut text: &[u8]) -> bool {
    if text.is_empty() || text.len() > 64 {
        return false;
    }
    while let [byte, rest @ ..] = text {
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return false;
        }
        text = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(
        expected = "`accept` must be `oauth`, `session`, `m2m` or `api_key`, found `jwt`"
    )]
    fn an_unknown_kind_of_token_is_quoted_with_those_there_are() {
        let _ = KeyText("jwt").accept();
    }

    #[test]
    fn a_kind_of_token_is_named_as_it_is_shown() {
        for kind in [
            TokenKind::ApiKey,
            TokenKind::M2m,
            TokenKind::OAuth,
            TokenKind::Session,
        ] {
            assert_eq!(KeyText(kind.name()).accept(), kind);
            assert_eq!(kind.to_string(), kind.name());
        }
    }

    #[test]
    fn tool_names_keep_to_what_clients_take() {
        assert!(is_tool_name(b"delete_document"));
        assert!(is_tool_name(b"a_b-C9"));
        assert!(!is_tool_name(b"a.b"));
        assert!(!is_tool_name(b""));
        assert!(!is_tool_name(b"a b"));
        assert!(!is_tool_name(&[b'a'; 65]));
    }
}
