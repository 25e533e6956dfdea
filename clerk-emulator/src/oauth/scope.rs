//! Scopes: Clerk's own scopes, and the scopes that an instance adds.

use crate::directory::Directory;
use crate::oauth::error::{Code, OAuthError};

/// The scopes in a text, without duplicates. Only spaces separate scopes (RFC 6749 §3.3).
pub(crate) fn parse(text: &str) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        add(&mut scopes, scope);
    }
    scopes
}

/// Adds a scope, unless the list has it.
pub(crate) fn add(scopes: &mut Vec<String>, scope: &str) {
    if !scopes.iter().any(|known| known == scope) {
        scopes.push(String::from(scope));
    }
}

/// All scopes of the instance, as listed in the metadata: Clerk's own, then the added ones.
pub(crate) fn supported(directory: &Directory) -> Vec<&str> {
    STANDARD.into_iter().chain(directory.scopes()).collect()
}

/// Refuses scopes that the instance does not have.
pub(crate) fn check_known(scopes: &[String], directory: &Directory) -> Result<(), OAuthError> {
    let known = supported(directory);
    match scopes.iter().find(|scope| !known.contains(&scope.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let text = format!("there is no scope {unknown} (scopes: {})", known.join(" "));
            Err(OAuthError::new(Code::InvalidScope, text))
        }
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
    fn an_unknown_scope_is_refused_with_the_known_scopes() {
        let mut directory = Directory::empty();
        directory.add_scopes(&["documents:write"]);
        assert_eq!(
            check_known(&parse("email documents:write"), &directory),
            Ok(())
        );
        let error = check_known(&parse("email documents:read"), &directory).unwrap_err();
        assert_eq!(error.code, Code::InvalidScope);
        assert!(
            error
                .description
                .starts_with("there is no scope documents:read (scopes: openid ")
        );
        assert!(error.description.ends_with(" documents:write)"));
    }

    #[test]
    fn a_scope_cannot_contain_a_space_or_a_quotation_mark() {
        assert!(is_scope("documents:write"));
        for text in ["", "a b", "a\"", "a\\b", "\u{e9}", "a\n"] {
            assert!(!is_scope(text), "{text:?}");
        }
    }
}
