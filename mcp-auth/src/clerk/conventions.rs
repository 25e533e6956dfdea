//! The formats of Clerk's ids and tokens, and hints that name Clerk's settings.
//!
//! Source: <https://clerk.com/docs/guides/development/machine-auth/overview>.

use crate::identity::{Conventions, TokenError, TokenKind};

/// The conventions of Clerk.
pub(crate) static CONVENTIONS: Conventions = Conventions {
    user: "user_",
    organization: "org_",
    machine: "mch_",
    opaque_tokens: &[
        ("ak_", TokenKind::ApiKey),
        ("mt_", TokenKind::M2m),
        ("oat_", TokenKind::OAuth),
    ],
    emulator_key: "ins_emulator_",
    hints: &[
        (TokenError::AudienceMissing, AUDIENCE_MISSING_HINT),
        (TokenError::AudienceMismatch, AUDIENCE_MISMATCH_HINT),
        (TokenError::Opaque, OPAQUE_HINT),
        (TokenError::Kind, KIND_HINT),
        (TokenError::MachineUnknown, MACHINE_HINT),
    ],
};

const AUDIENCE_MISSING_HINT: &str = "a token without an audience (`aud`) was refused. In the Clerk dashboard \
    under Agents, MCP servers, register the URL of this server, which is the `audience` of this line. Users who \
    connected before must connect again, because refreshed tokens stay without an audience. \
    `AudiencePolicy::required_after` accepts tokens without an audience until a date";
const AUDIENCE_MISMATCH_HINT: &str = "a token for another audience (`aud`) was refused. The URL of this \
    server is the `audience` of this line. It must be the same in MCP_URL, in the Clerk dashboard under \
    Agents, MCP servers, and in the clients of users";
const OPAQUE_HINT: &str = "an opaque token was refused, because only Clerk can verify it. Set CLERK_SECRET_KEY, \
    or for machines' tokens CLERK_MACHINE_SECRET_KEY";
const KIND_HINT: &str = "a token was refused, because this server does not accept tokens of its kind. \
    `session_tokens(AuthorizedParties::only([…]))` accepts session tokens, `m2m_tokens()` accepts tokens of \
    machines, and `api_keys(ApiKeyScopes::all_of([…]))` accepts API keys";
const MACHINE_HINT: &str = "a machine's JWT was refused, because the id of the Clerk machine that \
    represents this server is not configured. Set CLERK_MACHINE_ID";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hint_names_the_setting_that_accepts_the_token() {
        for (error, setting) in [
            (TokenError::AudienceMissing, "under Agents, MCP servers"),
            (TokenError::AudienceMismatch, "MCP_URL"),
            (TokenError::Opaque, "CLERK_SECRET_KEY"),
            (TokenError::Kind, "m2m_tokens()"),
            (TokenError::MachineUnknown, "CLERK_MACHINE_ID"),
        ] {
            let hint = CONVENTIONS.hint(error).unwrap();
            assert!(hint.contains(setting), "{hint}");
        }
        assert_eq!(CONVENTIONS.hint(TokenError::Expired), None);
    }
}
