//! The grammar of scopes, and Clerk's own scopes.

/// The scopes in a text, without duplicates. Only spaces separate scopes (RFC 6749 §3.3).
pub(crate) fn parse(text: &str) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        add(&mut scopes, scope);
    }
    scopes
}

/// Adds a scope, unless the list already contains it.
pub(crate) fn add(scopes: &mut Vec<String>, scope: &str) {
    if !scopes.iter().any(|known| known == scope) {
        scopes.push(String::from(scope));
    }
}

/// RFC 6749 §3.3: a scope is printable ASCII without spaces, quotation marks and backslashes.
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// Clerk's own scopes.
///
/// Source:
/// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
pub(crate) const STANDARD: [&str; 7] = [
    "openid",
    "profile",
    "email",
    OFFLINE_ACCESS,
    "public_metadata",
    "private_metadata",
    ORGANIZATION,
];
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";
pub(crate) const ORGANIZATION: &str = "user:org:read";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spaces_separate_scopes_and_duplicates_are_dropped() {
        assert_eq!(parse("  a b  a b\tc "), ["a", "b", "b\tc"]);
        assert!(parse("").is_empty());
    }

    #[test]
    fn a_scope_cannot_contain_a_space_or_a_quotation_mark() {
        assert!(is_scope("documents:write"));
        for text in ["", "a b", "a\"", "a\\b", "\u{e9}", "a\n"] {
            assert!(!is_scope(text), "{text:?}");
        }
    }
}
