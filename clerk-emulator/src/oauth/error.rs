//! The errors of OAuth responses.

use thiserror::Error;

/// The reason why a client's request is refused: a description, and an error code of RFC 6749
/// §4.1.2.1, §5.2 or a later RFC.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{description}")]
pub(crate) struct OAuthError {
    pub(crate) code: Code,
    pub(crate) description: String,
}

impl OAuthError {
    /// An error with a description. Characters that a description cannot contain are removed.
    pub(crate) fn new(code: Code, description: impl AsRef<str>) -> Self {
        // RFC 6749 section 5.2 permits no control characters, no quotation mark, no backslash, and only ASCII.
        let allowed =
            |character: &char| matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
        Self {
            code,
            description: description.as_ref().chars().filter(allowed).collect(),
        }
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new(Code::InvalidRequest, format!("{name} is missing"))
    }

    pub(crate) fn server_error() -> Self {
        Self::new(Code::ServerError, "the local Clerk failed")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    AccessDenied,
    InvalidClient,
    InvalidClientMetadata,
    InvalidGrant,
    InvalidRedirectUri,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    LoginRequired,
    ServerError,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    UnsupportedTokenType,
}

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::LoginRequired => "login_required",
            Self::ServerError => "server_error",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_contains_only_characters_that_the_rfc_allows() {
        let error = OAuthError::new(Code::InvalidScope, "no scope \"a\\b\"\n\u{e9}");
        assert_eq!(error.description, "no scope ab");
    }
}
