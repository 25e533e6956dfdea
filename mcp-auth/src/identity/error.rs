//! Why a caller could not be established.
//!
//! Two outcomes that must never be confused: the token is not acceptable (401), and whether it is
//! cannot be told right now (503). None of the reasons reaches the client; they are for the log.

use std::time::Duration;

/// The outcome of authentication when there is no caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AuthError {
    /// The token is refused: 401.
    #[error("the token is refused")]
    Invalid(#[from] TokenError),
    /// The issuer's keys can't be had: 503.
    #[error("tokens can't be verified at the moment")]
    Unavailable(#[from] Unavailable),
}

/// A fact that only the identity provider can tell, and that it does not tell now: 503.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} can't be had at the moment")]
pub(crate) struct Unavailable {
    /// What is missing, for the log.
    pub(crate) what: &'static str,
    /// When it makes sense to ask again.
    pub(crate) retry_after: Duration,
}

/// Why a token is refused. Each variant is one rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TokenError {
    /// `alg` is not an RSA signature at all (`none`, `HS256`, `ES256` …).
    #[error("the algorithm is not accepted")]
    Algorithm,
    /// `alg` is RS384 or RS512; RS256 is pinned.
    #[error("the algorithm is not RS256")]
    AlgorithmNotPinned,
    /// `aud` is neither a non-empty string nor a list of them.
    #[error("the audience is malformed")]
    AudienceMalformed,
    /// `aud` names other resources only.
    #[error("the token is meant for another resource")]
    AudienceMismatch,
    /// `aud` is absent and the policy requires it.
    #[error("the token names no audience")]
    AudienceMissing,
    /// `azp` is not one of the authorized parties.
    #[error("the authorized party is not accepted")]
    AuthorizedParty,
    /// The header's class (`cat`) is that of another kind of token.
    #[error("the token is of another class")]
    Class,
    /// The OAuth client is not on the list.
    #[error("the client is not accepted")]
    Client,
    /// A claim can't be decoded.
    #[error("the claims can't be decoded")]
    Claims,
    /// The header names extensions (`crit`), of which none is understood.
    #[error("the header demands an extension")]
    CriticalHeader,
    /// The key is a local emulator's, which only development accepts.
    #[error("the key is an emulator's")]
    EmulatorKey,
    /// `exp` is in the past.
    #[error("the token is expired")]
    Expired,
    /// `exp`, `nbf` or `iat` is not a number, or `exp` is absent.
    #[error("a time in the token is missing or malformed")]
    Time,
    /// `iat` is in the future.
    #[error("the token is issued in the future")]
    IssuedInFuture,
    /// `iss` is not the issuer's URL, byte for byte.
    #[error("the issuer is not accepted")]
    Issuer,
    /// Tokens of this kind are not accepted here.
    #[error("tokens of this kind are not accepted")]
    Kind,
    /// The string is no JWT that can be read.
    #[error("the token is malformed")]
    Malformed,
    /// `nbf` is in the future.
    #[error("the token is not active yet")]
    NotActiveYet,
    /// An opaque token, which can't be verified here.
    #[error("opaque tokens are not accepted")]
    Opaque,
    /// The session has a task pending: the user is not signed in yet.
    #[error("the session is pending")]
    Pending,
    /// A session token without `sid`: an ID token or a token from a template.
    #[error("the session has no id")]
    SessionId,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// `sub` is absent, not a string, or not a user's id.
    #[error("the subject is not a user")]
    Subject,
    /// More than 16 KiB; not looked at.
    #[error("the token is too large")]
    TooLarge,
    /// The header's `typ` fits no kind of token.
    #[error("the type of the token is not accepted")]
    Type,
    /// No key of the issuer has the token's `kid`.
    #[error("the key is not one of the issuer's")]
    UnknownKey,
}

impl TokenError {
    /// The reason as Clerk's SDK calls it, for the log; where the rule is ours alone, our name.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Algorithm => "token-invalid-algorithm",
            Self::AlgorithmNotPinned
            | Self::AudienceMalformed
            | Self::AudienceMismatch
            | Self::AudienceMissing
            | Self::Subject
            | Self::Time => "token-verification-failed",
            Self::AuthorizedParty => "token-invalid-authorized-parties",
            Self::Claims => "token-claims-undecodable",
            Self::Class | Self::Kind => "token-type-mismatch",
            Self::Client => "token-client-not-allowed",
            Self::CriticalHeader | Self::Malformed | Self::Opaque | Self::Type => "token-invalid",
            Self::EmulatorKey => "emulator-key-outside-development",
            Self::Expired => "token-expired",
            Self::IssuedInFuture => "token-iat-in-the-future",
            Self::Issuer => "token-invalid-issuer",
            Self::NotActiveYet => "token-not-active-yet",
            Self::Pending => "session-pending",
            Self::SessionId => "session-id-missing",
            Self::Signature => "token-invalid-signature",
            Self::TooLarge => "token-too-large",
            Self::UnknownKey => "jwk-kid-mismatch",
        }
    }
}
