//! The kinds of tokens.

use std::fmt;

/// The kind of token that a caller presented.
///
/// By default, a server accepts only OAuth access tokens. The methods
/// [`session_tokens`](crate::ServerBuilder::session_tokens), [`m2m_tokens`](crate::ServerBuilder::m2m_tokens) and
/// [`api_keys`](crate::ServerBuilder::api_keys) make the server accept other kinds.
///
/// ```
/// use mcp_auth::{Caller, TokenKind};
///
/// /// Returns true if the user's own browser or app sent the call, and false if a program sent the
/// /// call on behalf of the user.
/// fn is_first_party(caller: &Caller) -> bool {
///     caller.token_kind() == TokenKind::Session
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum TokenKind {
    /// An API key (`ak_…`) of a user or an organization.
    ApiKey,
    /// A token of a machine (`mt_…`, or a JWT whose subject is a machine).
    M2m,
    /// An OAuth access token (a JWT by RFC 9068, or opaque: `oat_…`). MCP clients present tokens of this kind.
    OAuth,
    /// A Clerk session token of a browser or app
    /// (<https://clerk.com/docs/guides/sessions/session-tokens>).
    Session,
}

impl TokenKind {
    /// Returns the name of the kind in the key `accept` of [`#[mcp_tool]`](crate::mcp_tool).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::M2m => "m2m",
            Self::OAuth => "oauth",
            Self::Session => "session",
        }
    }

    /// Returns the kind with this name.
    pub(crate) const fn named(name: &str) -> Option<Self> {
        match name.as_bytes() {
            b"api_key" => Some(Self::ApiKey),
            b"m2m" => Some(Self::M2m),
            b"oauth" => Some(Self::OAuth),
            b"session" => Some(Self::Session),
            _ => None,
        }
    }
}

impl fmt::Display for TokenKind {
    /// Writes the name of the kind in the key `accept` of [`#[mcp_tool]`](crate::mcp_tool):
    /// `oauth`, `session`, `m2m` or `api_key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
