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

const AUDIENCE_MISSING_HINT: &str = "a token without an audience (`aud`) was refused: register the URL of \
    this server in the Clerk dashboard under Agents, MCP servers, as `audience` has it; users who \
    connected before that have to connect again, because refreshed tokens stay without an audience; \
    `AudiencePolicy::required_after` accepts them until a date";
const AUDIENCE_MISMATCH_HINT: &str = "a token for another audience (`aud`) was refused: MCP_URL, the URL that \
    is registered in the Clerk dashboard under Agents, MCP servers, and the URL that users enter in \
    their client have to be the same; this server is `audience`";
const OPAQUE_HINT: &str = "an opaque token was refused: only Clerk can verify it. Set CLERK_SECRET_KEY, \
    or for machines' tokens CLERK_MACHINE_SECRET_KEY";
const KIND_HINT: &str = "a token of a kind that this server does not accept was refused: \
    `session_tokens(AuthorizedParties::only([…]))` accepts session tokens, `m2m_tokens()` tokens of machines, and \
    `api_keys(ApiKeyScopes::all_of([…]))` API keys";
const MACHINE_HINT: &str = "a machine's JWT was refused, because the machine of this server is not known. \
    Set CLERK_MACHINE_ID";

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
