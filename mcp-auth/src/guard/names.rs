//! Names a guard can ask for. Each is checked where it is made: in a `const`, at compile time.

use std::fmt;

use crate::identity::{TokenKind, is_key, is_permission};

use super::billing::{Feature, Plan};
use super::declared::Declared;
use super::requirement::Requirement;
use super::reverification::Reverification;

/// A Clerk permission, `org:<feature>:<action>`.
///
/// ```
/// use mcp_auth::Permission;
///
/// const DELETE: Permission = Permission::new("org:documents:delete");
/// assert_eq!(DELETE.as_str(), "org:documents:delete");
/// ```
///
/// Comparison is exact and case-sensitive; there are no wildcards.
/// Source: <https://clerk.com/docs/organizations/roles-permissions>.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Permission(&'static str);

impl Permission {
    /// Makes a permission from its full key.
    ///
    /// # Panics
    ///
    /// If the text is not `org:<feature>:<action>` in lower-case letters, digits, `_` and `-`. In a
    /// `const` that is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn new(key: &'static str) -> Self {
        if !is_permission(key.as_bytes()) {
            const_panic(
                "`permission` must look like `org:<feature>:<action>`, found ",
                key,
            );
        }
        Self(key)
    }

    /// Returns the full key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A Clerk organization role: `admin` and `org:admin` name the same one.
///
/// ```
/// use mcp_auth::Role;
///
/// const ADMIN: Role = Role::new("admin");
/// assert_eq!(ADMIN, Role::new("org:admin"));
/// assert_eq!((ADMIN.as_str(), ADMIN.to_string().as_str()), ("admin", "org:admin"));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Role(&'static str);

impl Role {
    /// Makes a role from its key, with or without `org:`.
    ///
    /// # Panics
    ///
    /// If the key has anything but lower-case letters, digits, `_` and `-`. In a `const` that is a
    /// compile error.
    #[must_use]
    #[track_caller]
    pub const fn new(key: &'static str) -> Self {
        let short = without_org(key);
        if !is_key(short.as_bytes()) {
            const_panic("`role` must look like `admin` or `org:admin`, found ", key);
        }
        Self(short)
    }

    /// Returns the key without `org:`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "org:{}", self.0)
    }
}

/// An OAuth scope.
///
/// ```
/// use mcp_auth::Scope;
///
/// const WRITE: Scope = Scope::new("documents:write");
/// assert_eq!(WRITE.as_str(), "documents:write");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Scope(&'static str);

impl Scope {
    /// Makes a scope.
    ///
    /// # Panics
    ///
    /// If the text is not one scope-token (RFC 6749 section 3.3: printable ASCII but space, `"` and
    /// `\`). In a `const` that is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn new(token: &'static str) -> Self {
        if !is_scope(token.as_bytes()) {
            const_panic(
                "`scope` must be one scope, without spaces and quotes, found ",
                token,
            );
        }
        Self(token)
    }

    /// Returns the scope's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The value of a key in an attribute. The key decides whether it is read as a permission, a role,
/// a scope or another name.
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
    /// Takes the permission as it is.
    #[must_use]
    #[track_caller]
    pub const fn permission(self, declared: Declared) -> Requirement {
        declared.check(self.0);
        Requirement::Permission(self.0)
    }
}

impl KeyText<Role> {
    /// Takes the role as it is.
    #[must_use]
    pub const fn role(self) -> Requirement {
        Requirement::Role(self.0)
    }
}

impl KeyText<Scope> {
    /// Takes the scope as it is.
    #[must_use]
    pub const fn scope(self) -> Requirement {
        Requirement::Scope(self.0)
    }
}

impl KeyText<Feature> {
    /// Takes the feature as it is.
    #[must_use]
    pub const fn feature(self) -> Requirement {
        Requirement::Feature(self.0)
    }
}

impl KeyText<Plan> {
    /// Takes the plan as it is.
    #[must_use]
    pub const fn plan(self) -> Requirement {
        Requirement::Plan(self.0)
    }
}

impl KeyText<Reverification> {
    /// Takes the reverification as it is.
    #[must_use]
    pub const fn reverification(self) -> Requirement {
        Requirement::Reverification(self.0)
    }
}

impl KeyText<(&'static str, f64)> {
    /// Reads a level and minutes, which the attribute has checked.
    #[must_use]
    #[track_caller]
    pub const fn reverification(self) -> Requirement {
        match Reverification::parse(self.0.0, self.0.1) {
            Some(asked) => Requirement::Reverification(asked),
            None => say(&["`reverification` takes a level of Clerk's and minutes above zero"]),
        }
    }
}

impl KeyText<TokenKind> {
    /// Takes the kind as it is.
    #[must_use]
    pub const fn accept(self) -> TokenKind {
        self.0
    }
}

/// RFC 6749 section 3.3: a scope-token.
pub(crate) const fn is_scope(mut text: &[u8]) -> bool {
    if text.is_empty() {
        return false;
    }
    while let [byte, rest @ ..] = text {
        if !matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e) {
            return false;
        }
        text = rest;
    }
    true
}

/// 1 to 64 of `A-Za-z0-9_-`. MCP permits 128 and `.` too, but claude.ai withholds all tools of a server that has such
/// a name.
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

const fn after_org(text: &[u8]) -> Option<&[u8]> {
    if let [b'o', b'r', b'g', b':', rest @ ..] = text {
        Some(rest)
    } else {
        None
    }
}

const fn without_org(key: &'static str) -> &'static str {
    match after_org(key.as_bytes()) {
        Some(rest) => match std::str::from_utf8(rest) {
            Ok(short) => short,
            Err(_) => key,
        },
        None => key,
    }
}

/// Panics with `rule` and the text that broke it.
#[track_caller]
pub(crate) const fn const_panic(rule: &str, found: &str) -> ! {
    say(&[rule, "`", found, "`"])
}

/// Panics with a sentence in parts. A const panic takes one string and no other arguments, so the
/// sentence is put together in a buffer.
#[track_caller]
#[expect(clippy::panic, reason = "the compile error of a wrong constant")]
pub(super) const fn say(mut parts: &[&str]) -> ! {
    let mut buffer = [0; LONGEST];
    let mut end = 0;
    while let [part, rest @ ..] = parts {
        end = copy(&mut buffer, end, part.as_bytes());
        parts = rest;
    }
    let (sentence, _) = buffer.split_at(end);
    match std::str::from_utf8(sentence) {
        Ok(sentence) => panic!("{}", sentence),
        Err(error) => {
            // Cut off within a letter.
            let (sentence, _) = sentence.split_at(error.valid_up_to());
            match std::str::from_utf8(sentence) {
                Ok(sentence) => panic!("{}", sentence),
                Err(_) => panic!("this constant cannot be used here"),
            }
        }
    }
}

/// Copies as much of `text` as there is room for; returns where it ended.
#[expect(
    clippy::indexing_slicing,
    reason = "both indices are below the length checked beside them"
)]
const fn copy(buffer: &mut [u8; LONGEST], start: usize, text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() && start + at < LONGEST {
        buffer[start + at] = text[at];
        at += 1;
    }
    start + at
}

/// The greatest length of a message, in bytes; longer messages are cut.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_have_three_segments_of_lower_case() {
        for good in [
            "org:documents:delete",
            "org:a:b",
            "org:sys_memberships:read",
            "org:a-b:c_1",
        ] {
            assert!(is_permission(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "org:",
            "org:a",
            "org:a:",
            "org::b",
            "a:b",
            "org:a:b:c",
            "org:org:a:b",
            "ORG:a:b",
            "org:A:b",
            "org: a:b",
            "org:a:b ",
            "documents:delete",
            "org:dökument:read",
        ] {
            assert!(!is_permission(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_role_is_the_same_with_and_without_its_prefix() {
        assert_eq!(Role::new("admin"), Role::new("org:admin"));
        assert_eq!(
            Role::new("org:billing_admin").to_string(),
            "org:billing_admin"
        );
    }

    #[test]
    #[should_panic(
        expected = "`role` must look like `admin` or `org:admin`, found `org:org:admin`"
    )]
    fn a_doubled_prefix_is_no_role() {
        let _ = Role::new("org:org:admin");
    }

    #[test]
    fn scopes_are_single_tokens() {
        for good in ["email", "documents:write", "https://api/x", "user:org:read"] {
            assert!(is_scope(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "ä", "a\n"] {
            assert!(!is_scope(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    #[should_panic(
        expected = "`permission` must look like `org:<feature>:<action>`, found `documents.delete`"
    )]
    fn a_wrong_permission_is_quoted_in_the_complaint() {
        let _ = Permission::new("documents.delete");
    }

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
