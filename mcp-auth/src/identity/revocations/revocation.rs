//! An entry that revokes access.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The access that [`Revocations::revoke`](crate::Revocations::revoke) revokes.
///
/// Ids are compared byte for byte.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use mcp_auth::Revocation;
///
/// let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
/// let entries = [
///     Revocation::subject("user_2abc"),
///     Revocation::client("client_2abc").until(tomorrow),
///     Revocation::tokens_before(SystemTime::now()),
/// ];
/// # let _ = entries;
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Revocation {
    pub(super) what: What,
    /// The time of day from which the entry has no effect, in milliseconds since 1970.
    pub(super) until_ms: u64,
}

/// The thing that an entry revokes.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum What {
    /// All access with this id.
    Id(IdKind, Box<str>),
    /// All tokens that were issued before this time, in milliseconds since 1970.
    TokensBefore(u64),
    /// The tokens of this subject that were issued before this time.
    TokensOfSubjectBefore(Box<str>, u64),
}

/// The kinds of ids that can be revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum IdKind {
    Client,
    Organization,
    Session,
    Subject,
    Token,
}

impl Revocation {
    /// Revokes a subject: a user (`user_…`), a machine (`mch_…`), or the organization that an API key belongs to
    /// (`org_…`). The entry also refuses tokens with which the user acts in the name of another user.
    pub fn subject(id: impl Into<String>) -> Self {
        Self::of(IdKind::Subject, id.into())
    }

    /// Revokes an OAuth client, by its `client_id`. The client is refused as if it were not in
    /// [`ServerBuilder::allowed_clients`](crate::ServerBuilder::allowed_clients).
    pub fn client(id: impl Into<String>) -> Self {
        Self::of(IdKind::Client, id.into())
    }

    /// Revokes a Clerk session (`sess_…`), which session tokens name as `sid`.
    pub fn session(id: impl Into<String>) -> Self {
        Self::of(IdKind::Session, id.into())
    }

    /// Revokes one token. The id is the claim `jti` of a JWT, or the id that Clerk gives to an opaque token or an API key. The
    /// id of an opaque token is not the token itself.
    pub fn token(id: impl Into<String>) -> Self {
        Self::of(IdKind::Token, id.into())
    }

    /// Revokes an organization (`org_…`). A token that names the organization is refused. A caller whose organization
    /// comes from elsewhere acts in no organization.
    pub fn organization(id: impl Into<String>) -> Self {
        Self::of(IdKind::Organization, id.into())
    }

    /// Revokes every token that was issued before this time (`iat`), and every token that does not say when it was
    /// issued. An API key is a token too, and its time of issue is the time at which the key was created.
    pub fn tokens_before(time: SystemTime) -> Self {
        Self::forever(What::TokensBefore(unix_ms(time)))
    }

    /// Revokes the tokens of one subject that were issued before this time. The subject gets access again with a new
    /// token.
    pub fn tokens_of_subject_before(subject: impl Into<String>, time: SystemTime) -> Self {
        let subject = subject.into().into_boxed_str();
        Self::forever(What::TokensOfSubjectBefore(subject, unix_ms(time)))
    }

    /// Sets the time at which the entry ends. An entry without an end applies until it is lifted.
    #[must_use]
    pub fn until(self, time: SystemTime) -> Self {
        Self {
            until_ms: unix_ms(time),
            ..self
        }
    }

    fn of(kind: IdKind, id: String) -> Self {
        Self::forever(What::Id(kind, id.into_boxed_str()))
    }

    fn forever(what: What) -> Self {
        Self {
            what,
            until_ms: FOREVER,
        }
    }
}

/// Shows no id, because an operator may have written a token in place of the id.
impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.what {
            What::Id(IdKind::Client, _) => "client",
            What::Id(IdKind::Organization, _) => "organization",
            What::Id(IdKind::Session, _) => "session",
            What::Id(IdKind::Subject, _) => "subject",
            What::Id(IdKind::Token, _) => "token",
            What::TokensBefore(_) => "tokens before a time",
            What::TokensOfSubjectBefore(..) => "tokens of a subject before a time",
        };
        f.debug_tuple("Revocation").field(&what).finish()
    }
}

/// A time before 1970 becomes 1970.
fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(FOREVER)
}

/// The end of an entry that does not end.
pub(super) const FOREVER: u64 = u64::MAX;
