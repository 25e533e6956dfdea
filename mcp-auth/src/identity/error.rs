//! Errors of authentication.
//!
//! Two outcomes must never be confused: the token is refused (401), and the token cannot be
//! verified now (503). The reasons are for the log only and never reach the client.

use std::time::Duration;

use crate::identity::lookup::OverBudget;

/// The reason why there is no caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AuthError {
    /// The token is refused: 401.
    #[error("the token is refused")]
    Invalid(#[from] TokenError),
    /// The token is opaque and new, and too many tokens of the client's network were bad: 429.
    #[error("too many tokens from the client's network were bad")]
    FailsOften,
    /// The identity provider refuses the server's key: 500.
    #[error("the server is not configured to verify tokens of this kind")]
    Misconfigured,
    /// The token is opaque and new, and the budget for new opaque tokens is used up: 503.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The token cannot be verified now: 503.
    #[error("tokens cannot be verified now")]
    Unavailable(#[from] Unavailable),
}

/// The reason why a request to the identity provider failed. The log has the details.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum LookupError {
    /// The identity provider declined this request. Other requests may succeed.
    #[error("the identity provider declined the request")]
    Declined,
    /// The response was an error, or there was no response.
    #[error("the identity provider did not answer the request")]
    Failed,
    /// The identity provider refuses the key that the server sent.
    #[error("the identity provider refuses the server's key")]
    KeyRefused,
    /// The identity provider limits the rate of requests. A retry makes sense after this time.
    #[error("the identity provider limits the rate of requests")]
    Throttled(Duration),
}

/// The reason why a look-up has no result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The identity provider refuses the server's key.
    #[error("the identity provider refuses the server's key")]
    KeyRefused,
    /// The budget allows no further request now.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The identity provider does not answer now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl NoAnswer {
    /// Converts the error for code that treats every failure alike. `what` names the data that was looked up. The
    /// client cannot correct a refused key, so this error also reports an outage.
    pub(crate) fn into_unavailable(self, what: &'static str) -> Unavailable {
        let retry_after = match self {
            Self::Unavailable(unavailable) => return unavailable,
            Self::KeyRefused => RETRY_AFTER,
            Self::OverBudget(OverBudget { retry_after }) => retry_after,
        };
        Unavailable { what, retry_after }
    }
}

impl From<NoAnswer> for AuthError {
    fn from(error: NoAnswer) -> Self {
        match error {
            NoAnswer::KeyRefused => Self::Misconfigured,
            NoAnswer::OverBudget(error) => Self::OverBudget(error),
            NoAnswer::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

/// A look-up that fails now: 503.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} cannot be looked up now")]
pub(crate) struct Unavailable {
    /// The data that was looked up, for the log.
    pub(crate) what: &'static str,
    /// The time after which a retry makes sense.
    pub(crate) retry_after: Duration,
}

/// The reason why a token is refused. Each variant is one rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TokenError {
    /// The operator revoked the subject, the session, the token or the organization at this server, or all tokens
    /// issued before a certain time, this token among them.
    #[error("the access is revoked at this server")]
    AccessRevoked,
    /// `alg` is not an RSA signature (`none`, `HS256`, `ES256` …).
    #[error("the algorithm is not accepted")]
    Algorithm,
    /// `alg` is RS384 or RS512. Only RS256 is accepted.
    #[error("the algorithm is not RS256")]
    AlgorithmNotPinned,
    /// `aud` is neither a non-empty string nor a list of non-empty strings.
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
    /// The header's class (`cat`) belongs to another kind of token.
    #[error("the class (`cat`) of the token is not accepted")]
    Class,
    /// The OAuth client is not on the list.
    #[error("the client is not accepted")]
    Client,
    /// A claim cannot be decoded.
    #[error("the claims can't be decoded")]
    Claims,
    /// The token's header demands extensions (`crit`), and the server supports none.
    #[error("the token's header demands an extension (`crit`), and the server supports none")]
    CriticalHeader,
    /// The key belongs to a local emulator, and the server does not accept emulators.
    #[error("the key belongs to a local emulator")]
    EmulatorKey,
    /// `exp` is in the past.
    #[error("the token is expired")]
    Expired,
    /// `exp`, `nbf` or `iat` is not a number, or `exp` is absent.
    #[error("a time in the token is missing or malformed")]
    Time,
    /// The issuer says that the token is not active, and gives no reason.
    #[error("the token is not active")]
    Inactive,
    /// `iat` is in the future.
    #[error("the token is issued in the future")]
    IssuedInFuture,
    /// `iss` is not the issuer's URL, byte for byte.
    #[error("the issuer is not accepted")]
    Issuer,
    /// The API key lacks a scope that the server requires of all API keys.
    #[error("the API key lacks a required scope")]
    KeyScope,
    /// The server does not accept tokens of this kind.
    #[error("tokens of this kind are not accepted")]
    Kind,
    /// The machine's token is meant for other machines.
    #[error("the token is meant for other machines")]
    MachineMismatch,
    /// The id of the Clerk machine that represents this server is not configured, so a machine's token cannot be checked.
    #[error("the id of the Clerk machine that represents this server is not configured")]
    MachineUnknown,
    /// The string is not a readable JWT.
    #[error("the token is malformed")]
    Malformed,
    /// `nbf` is in the future.
    #[error("the token is not active yet")]
    NotActiveYet,
    /// The token is opaque, and the server has no key to ask the issuer with.
    #[error("opaque tokens of this kind can't be verified")]
    Opaque,
    /// The session is pending: the user has not finished signing in.
    #[error("the session is pending")]
    Pending,
    /// The token was revoked.
    #[error("the token is revoked")]
    Revoked,
    /// A session token without `sid`: an ID token or a token from a template.
    #[error("the session has no id")]
    SessionId,
    /// The signature is wrong.
    #[error("the signature is not valid")]
    Signature,
    /// The subject is absent, not a string, or not allowed for this kind of token.
    #[error("the subject does not fit this kind of token")]
    Subject,
    /// The token is longer than 16 KiB. It is not read.
    #[error("the token is too large")]
    TooLarge,
    /// The header's `typ` fits no kind of token.
    #[error("the type of the token is not accepted")]
    Type,
    /// The issuer does not know the opaque token.
    #[error("the issuer does not know the token")]
    Unknown,
    /// No key of the issuer has the token's `kid`.
    #[error("the issuer has no key with this `kid`")]
    UnknownKey,
    /// The user is banned.
    #[error("the user is banned")]
    UserBanned,
    /// The user was deleted.
    #[error("the user was deleted")]
    UserGone,
    /// The user is locked out.
    #[error("the user is locked")]
    UserLocked,
}

impl TokenError {
    /// The number of reasons. The last reason has the highest number.
    pub(crate) const COUNT: usize = Self::UserLocked as usize + 1;

    /// Every reason, in the order of the numbers.
    #[cfg(any(test, feature = "metrics"))]
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::AccessRevoked,
        Self::Algorithm,
        Self::AlgorithmNotPinned,
        Self::AudienceMalformed,
        Self::AudienceMismatch,
        Self::AudienceMissing,
        Self::AuthorizedParty,
        Self::Class,
        Self::Client,
        Self::Claims,
        Self::CriticalHeader,
        Self::EmulatorKey,
        Self::Expired,
        Self::Time,
        Self::Inactive,
        Self::IssuedInFuture,
        Self::Issuer,
        Self::KeyScope,
        Self::Kind,
        Self::MachineMismatch,
        Self::MachineUnknown,
        Self::Malformed,
        Self::NotActiveYet,
        Self::Opaque,
        Self::Pending,
        Self::Revoked,
        Self::SessionId,
        Self::Signature,
        Self::Subject,
        Self::TooLarge,
        Self::Type,
        Self::Unknown,
        Self::UnknownKey,
        Self::UserBanned,
        Self::UserGone,
        Self::UserLocked,
    ];

    /// Returns true if this reason applies only to tokens that the issuer signed or confirmed. Attackers cannot forge
    /// these tokens, so the limits for bad tokens do not count them. For example, a client with an expired token gets
    /// 401 and signs in again.
    pub(crate) fn is_of_genuine_token(self) -> bool {
        match self {
            Self::AccessRevoked
            | Self::AudienceMissing
            | Self::AudienceMismatch
            | Self::AuthorizedParty
            | Self::Client
            | Self::Expired
            | Self::IssuedInFuture
            | Self::KeyScope
            | Self::MachineMismatch
            | Self::NotActiveYet
            | Self::Pending
            | Self::SessionId
            | Self::UserBanned
            | Self::UserGone
            | Self::UserLocked => true,
            Self::Algorithm
            | Self::AlgorithmNotPinned
            | Self::AudienceMalformed
            | Self::Class
            | Self::Claims
            | Self::CriticalHeader
            | Self::EmulatorKey
            | Self::Time
            | Self::Inactive
            | Self::Issuer
            | Self::Kind
            | Self::MachineUnknown
            | Self::Malformed
            | Self::Opaque
            | Self::Revoked
            | Self::Signature
            | Self::Subject
            | Self::TooLarge
            | Self::Type
            | Self::Unknown
            | Self::UnknownKey => false,
        }
    }

    /// Returns the name of the reason in the log, in metrics and in the audit log. Each reason has a name of its own. If
    /// Clerk's SDK has the same rule, the name is the SDK's name.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::AccessRevoked => "access-revoked",
            Self::Algorithm => "token-invalid-algorithm",
            Self::AlgorithmNotPinned => "token-algorithm-not-rs256",
            Self::AudienceMalformed => "token-audience-malformed",
            Self::AudienceMismatch => "token-audience-mismatch",
            Self::AudienceMissing => "token-audience-missing",
            Self::AuthorizedParty => "token-invalid-authorized-parties",
            Self::Claims => "token-claims-undecodable",
            Self::Class => "token-class-mismatch",
            Self::Client => "token-client-not-allowed",
            Self::CriticalHeader => "token-critical-header",
            Self::EmulatorKey => "emulator-key-outside-development",
            Self::Expired => "token-expired",
            Self::Inactive => "token-inactive",
            Self::IssuedInFuture => "token-iat-in-the-future",
            Self::Issuer => "token-invalid-issuer",
            Self::KeyScope => "api-key-scope-missing",
            Self::Kind => "token-type-mismatch",
            Self::MachineMismatch => "machine-not-named",
            Self::MachineUnknown => "machine-not-configured",
            Self::Malformed => "token-invalid",
            Self::NotActiveYet => "token-not-active-yet",
            Self::Opaque => "token-opaque",
            Self::Pending => "session-pending",
            Self::Revoked => "token-revoked",
            Self::SessionId => "session-id-missing",
            Self::Signature => "token-invalid-signature",
            Self::Subject => "token-subject-not-valid",
            Self::Time => "token-time-not-valid",
            Self::TooLarge => "token-too-large",
            Self::Type => "token-header-type-not-accepted",
            Self::Unknown => "token-unknown",
            Self::UnknownKey => "jwk-kid-mismatch",
            Self::UserBanned => "user-banned",
            Self::UserGone => "user-gone",
            Self::UserLocked => "user-locked",
        }
    }
}

/// The time before a retry, after a failure that does not name a time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_is_in_the_list_and_has_a_name_of_its_own() {
        for (place, error) in TokenError::ALL.into_iter().enumerate() {
            assert_eq!(error as usize, place, "{error:?}");
        }
        let names: BTreeSet<_> = TokenError::ALL.map(TokenError::reason).into();
        assert_eq!(names.len(), TokenError::COUNT);
    }
}
