//! Why a caller could not be established.
//!
//! Two outcomes that must never be confused: the token is not acceptable (401), and whether it is
//! cannot be told right now (503). None of the reasons reaches the client; they are for the log.

use std::time::Duration;

use crate::identity::lookup::OverBudget;

/// The outcome of authentication when there is no caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AuthError {
    /// The token is refused: 401.
    #[error("the token is refused")]
    Invalid(#[from] TokenError),
    /// The token is opaque and new, and its client's network failed too often: 429.
    #[error("the network of the client failed too often")]
    FailsOften,
    /// The identity provider does not accept the key that this server asks with: 500.
    #[error("the server is not configured to verify tokens of this kind")]
    Misconfigured,
    /// The token is new, and too many were: 503.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// What is needed to tell can't be had: 503.
    #[error("tokens can't be verified at the moment")]
    Unavailable(#[from] Unavailable),
}

/// Why the identity provider did not answer a question. The details are in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum LookupError {
    /// It answers, but not this question.
    #[error("the question was declined")]
    Declined,
    /// The answer was an error, or none.
    #[error("the question was not answered")]
    Failed,
    /// It does not accept the key that was sent.
    #[error("the key is not accepted")]
    KeyRefused,
    /// Too many questions; the next makes sense after this time.
    #[error("too many questions were asked")]
    Throttled(Duration),
}

/// Why a look-up has no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The identity provider does not accept the server's own key.
    #[error("the key is not accepted")]
    KeyRefused,
    /// The budget has no turn for the question.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The identity provider does not answer now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl NoAnswer {
    /// The error for callers that treat every failure alike; `what` was looked up. The caller can do
    /// nothing about a refused key, so it is an outage to the caller.
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
    /// The issuer says that the token is not active, and no more.
    #[error("the token is not active")]
    Inactive,
    /// `iat` is in the future.
    #[error("the token is issued in the future")]
    IssuedInFuture,
    /// `iss` is not the issuer's URL, byte for byte.
    #[error("the issuer is not accepted")]
    Issuer,
    /// An API key lacks a scope that is required of all.
    #[error("the API key lacks a required scope")]
    KeyScope,
    /// Tokens of this kind are not accepted here.
    #[error("tokens of this kind are not accepted")]
    Kind,
    /// A machine's token names other machines to talk to.
    #[error("the token is meant for other machines")]
    MachineMismatch,
    /// Whether a machine's token names this server can't be told: its machine is not configured.
    #[error("the machine of this server is not known")]
    MachineUnknown,
    /// The string is no JWT that can be read.
    #[error("the token is malformed")]
    Malformed,
    /// `nbf` is in the future.
    #[error("the token is not active yet")]
    NotActiveYet,
    /// An opaque token, about which nobody can be asked: there is no key to ask with.
    #[error("opaque tokens of this kind can't be verified")]
    Opaque,
    /// The session has a task pending: the user is not signed in yet.
    #[error("the session is pending")]
    Pending,
    /// The token was revoked.
    #[error("the token is revoked")]
    Revoked,
    /// A session token without `sid`: an ID token or a token from a template.
    #[error("the session has no id")]
    SessionId,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// The subject is absent, not a string, or not one that a token of this kind can have.
    #[error("the subject is not one of this kind of token")]
    Subject,
    /// More than 16 KiB; not looked at.
    #[error("the token is too large")]
    TooLarge,
    /// The header's `typ` fits no kind of token.
    #[error("the type of the token is not accepted")]
    Type,
    /// The issuer does not know the opaque token.
    #[error("the token is not known")]
    Unknown,
    /// No key of the issuer has the token's `kid`.
    #[error("the key is not one of the issuer's")]
    UnknownKey,
    /// The user is banned.
    #[error("the user is banned")]
    UserBanned,
    /// The user was deleted.
    #[error("the user is gone")]
    UserGone,
    /// The user is locked out.
    #[error("the user is locked")]
    UserLocked,
}

impl TokenError {
    /// How many reasons there are; the last one has the highest number.
    pub(crate) const COUNT: usize = Self::UserLocked as usize + 1;

    /// Whether only a token that the issuer signed or confirmed is refused for this reason. Nobody can make
    /// such a token up, so it is no guess: a client that goes on with one that expired, or that was issued before
    /// the server required an audience, has to learn it from a 401 and sign in again.
    pub(crate) fn is_of_genuine_token(self) -> bool {
        match self {
            Self::AudienceMissing
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
            Self::CriticalHeader | Self::Malformed | Self::Opaque | Self::Type | Self::Unknown => {
                "token-invalid"
            }
            Self::EmulatorKey => "emulator-key-outside-development",
            Self::Expired => "token-expired",
            Self::Inactive => "token-inactive",
            Self::IssuedInFuture => "token-iat-in-the-future",
            Self::Issuer => "token-invalid-issuer",
            Self::KeyScope => "api-key-scope-missing",
            Self::MachineMismatch => "machine-not-named",
            Self::MachineUnknown => "machine-not-configured",
            Self::NotActiveYet => "token-not-active-yet",
            Self::Pending => "session-pending",
            Self::Revoked => "token-revoked",
            Self::SessionId => "session-id-missing",
            Self::Signature => "token-invalid-signature",
            Self::TooLarge => "token-too-large",
            Self::UnknownKey => "jwk-kid-mismatch",
            Self::UserBanned => "user-banned",
            Self::UserGone => "user-gone",
            Self::UserLocked => "user-locked",
        }
    }
}

/// When to try again after a failure that has no time of its own.
const RETRY_AFTER: Duration = Duration::from_secs(1);
