//! The names that a guard can require. Each name is checked when it is constructed. A `const` is checked at compile
//! time.

use std::fmt;

use crate::identity::{is_key, is_permission};

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

/// A Clerk organization role. `admin` and `org:admin` name the same role.
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
    /// If the key has characters other than lower-case letters, digits, `_` and `-`. In a `const`
    /// that is a compile error.
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
    /// If the text is not one scope-token (RFC 6749 section 3.3: printable ASCII without space, `"`
    /// and `\`). In a `const` that is a compile error.
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

/// Returns true for a scope-token (RFC 6749 section 3.3).
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

/// Panics with `rule`, followed by the text `found` that breaks the rule.
#[track_caller]
pub(crate) const fn const_panic(rule: &str, found: &str) -> ! {
    const_panic_with(&[rule, "`", found, "`"])
}

/// Panics with the concatenation of `parts`. A const panic takes one string and no arguments, so
/// the parts are copied into a buffer.
#[track_caller]
#[expect(clippy::panic, reason = "the compile error of a wrong constant")]
pub(super) const fn const_panic_with(mut parts: &[&str]) -> ! {
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
            // The text was cut in the middle of a character.
            let (sentence, _) = sentence.split_at(error.valid_up_to());
            match std::str::from_utf8(sentence) {
                Ok(sentence) => panic!("{}", sentence),
                Err(_) => panic!("this constant cannot be used here"),
            }
        }
    }
}

/// Copies as many bytes of `text` as fit, and returns the index after the last copied byte.
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

/// The greatest length of a message, in bytes. A longer message is cut.
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
}
