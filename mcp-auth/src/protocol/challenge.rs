//! Makes the challenges that ask a client for a token with more scopes. A challenge is sent in a
//! header or in the result of a tool.

use crate::guard::Denied;

/// Writes challenges for one URL of the endpoint.
///
/// Source: RFC 6750 section 3; RFC 9728 section 5.1; MCP 2026-07-28, basic/authorization, "Scope challenge
/// handling".
#[derive(Clone, Debug)]
pub(crate) struct Challenger {
    /// The URL of the protected-resource metadata.
    metadata: String,
}

/// The challenge that is sent with a denial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Challenge {
    /// All scopes that the operation needs, separated by spaces, including the scopes that the token already has.
    pub(crate) scope: String,
    /// The text of the denial.
    pub(crate) description: String,
    /// The value of a `WWW-Authenticate` header.
    pub(crate) header: String,
}

impl Challenger {
    pub(crate) fn new(metadata: String) -> Self {
        Self { metadata }
    }

    /// Returns the challenge that is sent with a denial and asks for a token with these scopes.
    pub(crate) fn wider_token(&self, denied: &Denied, scopes: &[String]) -> Challenge {
        let scope = scopes.join(" ");
        let description = denied.to_string();
        let header = format!(
            r#"Bearer error="insufficient_scope", error_description="{}", scope="{scope}", resource_metadata="{}""#,
            quotable(&description),
            self.metadata
        );
        Challenge {
            scope,
            description,
            header,
        }
    }

    /// Returns the parameters of a challenge that asks the client to sign in with these scopes.
    pub(crate) fn sign_in(&self, scopes: &[String]) -> String {
        format!(
            r#"resource_metadata="{}", scope="{}""#,
            self.metadata,
            scopes.join(" ")
        )
    }
}

/// Removes characters that are not permitted in a quoted `error_description` (RFC 6750 section 3).
fn quotable(text: &str) -> String {
    let allowed = |one: &char| matches!(one, ' '..='!' | '#'..='[' | ']'..='~');
    text.chars().filter(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_the_scopes_what_is_missing_and_the_metadata() {
        let denied = Denied::Scope {
            missing: vec!["documents:write".to_owned()],
            cure: None,
        };
        let scopes = ["documents:write", "user:org:read"].map(str::to_owned);
        let challenge = Challenger::new("https://a/m".to_owned()).wider_token(&denied, &scopes);
        assert_eq!(challenge.scope, "documents:write user:org:read");
        assert_eq!(
            challenge.description,
            "Forbidden: documents:write scope required"
        );
        assert_eq!(
            challenge.header,
            "Bearer error=\"insufficient_scope\", \
             error_description=\"Forbidden: documents:write scope required\", \
             scope=\"documents:write user:org:read\", resource_metadata=\"https://a/m\""
        );
    }

    #[test]
    fn a_description_ends_no_quotation_and_starts_no_header() {
        assert_eq!(quotable("a \"b\" \\c\r\nd: \u{e9}~!"), "a b cd: ~!");
    }
}
