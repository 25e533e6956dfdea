//! The organization facts of a caller, looked up where the token does not tell them.
//!
//! An OAuth token names an organization at most, and may be a day old; so what the caller is there
//! now is asked of the identity provider. Nothing is guessed: if that can't be told, the answer is
//! [`Unavailable`].

use std::fmt;
use std::fmt::Debug;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;

use crate::identity::caller::Caller;
use crate::identity::caller::TokenKind;
use crate::identity::circuit::Circuit;
use crate::identity::clock::Clock;
use crate::identity::error::LookupError;
use crate::identity::error::NoAnswer;
use crate::identity::error::Unavailable;
use crate::identity::flight::FlightLost;
use crate::identity::flight::Flights;
use crate::identity::org::Org;

/// Knows who is a member of what; implemented by an identity provider.
pub(crate) trait Memberships: Debug + Send + Sync {
    /// The user's standing in the organization now; `None` if they are no member. Runs on the I/O
    /// runtime.
    fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>>;
}

/// Which facts are good enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Facts {
    /// What holds now, at most 30 seconds ago.
    Current,
    /// What the token says, though the caller may no longer be a member: `trust_token_org`.
    TokenOnly,
}

/// Resolves organizations.
pub(crate) struct Organizations {
    directory: Option<Arc<Lookups>>,
    flights: Flights<Member, Result<Option<Org>, Unavailable>>,
}

/// The directory and what it answered lately.
struct Lookups {
    memberships: Arc<dyn Memberships>,
    clock: Arc<dyn Clock>,
    answers: Cache<Member, Answer>,
    circuit: Circuit,
}

#[derive(Clone)]
struct Answer {
    org: Option<Org>,
    /// Uptime from which it is too old.
    until: Duration,
}

#[derive(Clone, Eq, PartialEq)]
struct Member {
    organization_id: String,
    user_id: String,
}

impl Organizations {
    /// Looks facts up in `memberships`; without it, an OAuth caller's organization is only an id.
    pub(crate) fn new(
        memberships: Option<Arc<dyn Memberships>>,
        clock: Arc<dyn Clock>,
        io: Handle,
    ) -> Self {
        let directory = memberships.map(|memberships| {
            Arc::new(Lookups {
                memberships,
                circuit: Circuit::new(WHAT, Arc::clone(&clock)),
                clock,
                answers: Cache::new(MAX_ANSWERS),
            })
        });
        Self {
            directory,
            flights: Flights::new(io),
        }
    }

    /// Whether facts are looked up, so that roles and permissions of OAuth callers can be known.
    pub(crate) fn looks_up(&self) -> bool {
        self.directory.is_some()
    }

    /// Forgets what was looked up, for tests that change memberships and do not want to wait.
    #[cfg(feature = "testing")]
    pub(crate) fn forget(&self) {
        if let Some(directory) = &self.directory {
            directory.answers.clear();
        }
    }

    /// The organization in which this caller acts; `None` if they act in none, or in one of which
    /// they are no member.
    ///
    /// # Errors
    /// [`Unavailable`] if that can't be told now.
    pub(crate) async fn of(
        &self,
        caller: &Caller,
        facts: Facts,
    ) -> Result<Option<Org>, Unavailable> {
        match caller.token_kind() {
            // Current for as long as the token is believed, which is a minute: a machine acts in no
            // organization, and the key of one is that one's own.
            TokenKind::ApiKey | TokenKind::M2m | TokenKind::Session => {
                Ok(caller.token_org().cloned())
            }
            TokenKind::OAuth => {
                let (Some(named), Some(user_id)) =
                    (named_organization(caller).await?, caller.user_id())
                else {
                    return Ok(None);
                };
                match (&self.directory, facts) {
                    (Some(directory), Facts::Current) => {
                        self.looked_up(directory, named.id(), user_id).await
                    }
                    (Some(_), Facts::TokenOnly) | (None, _) => Ok(Some(named)),
                }
            }
        }
    }

    async fn looked_up(
        &self,
        directory: &Arc<Lookups>,
        organization_id: &str,
        user_id: &str,
    ) -> Result<Option<Org>, Unavailable> {
        if let Some(org) = directory.recent(&MemberRef {
            organization_id,
            user_id,
        }) {
            return Ok(org);
        }
        let member = Member {
            organization_id: organization_id.to_owned(),
            user_id: user_id.to_owned(),
        };
        let lookup = self.flights.join(&member, || {
            let directory = Arc::clone(directory);
            let member = member.clone();
            async move { directory.look_up(member).await }
        });
        lookup
            .await
            .unwrap_or_else(|FlightLost| Err(directory.circuit.lost()))
    }
}

/// The organization that an OAuth token names, or that its issuer tells the bearer of an opaque one.
/// Nobody is asked about a token that was not granted to tell.
async fn named_organization(caller: &Caller) -> Result<Option<Org>, Unavailable> {
    match (caller.named_org(), caller.people()) {
        (Some(named), _) => Ok(Some(named.clone())),
        (None, Some(people)) if caller.org_at_issuer() => {
            let id = people.organization_of(caller).await.map_err(unavailable)?;
            Ok(id.map(Org::only_id))
        }
        (None, _) => Ok(None),
    }
}

impl Lookups {
    fn recent(&self, member: &MemberRef<'_>) -> Option<Option<Org>> {
        let answer = self.answers.get(member)?;
        (self.clock.uptime() < answer.until).then_some(answer.org)
    }

    async fn look_up(&self, member: Member) -> Result<Option<Org>, Unavailable> {
        let asked = self.clock.uptime();
        let Member {
            organization_id,
            user_id,
        } = &member;
        let question = || self.memberships.membership(organization_id, user_id);
        let org = self.circuit.ask(question).await.map_err(unavailable)?;
        let age = if org.is_some() {
            MEMBER_AGE
        } else {
            NOT_A_MEMBER_AGE
        };
        // Counted from the question: the answer is at least that old.
        let answer = Answer {
            org: org.clone(),
            until: asked + age,
        };
        self.answers.insert(member, answer);
        Ok(org)
    }
}

impl Debug for Organizations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Organizations")
            .field("looks_up", &self.looks_up())
            .finish_non_exhaustive()
    }
}

/// A [`Member`] that owns nothing, to look answers up without allocating.
#[derive(Hash)]
struct MemberRef<'a> {
    organization_id: &'a str,
    user_id: &'a str,
}

impl Equivalent<Member> for MemberRef<'_> {
    fn equivalent(&self, member: &Member) -> bool {
        self.organization_id == member.organization_id && self.user_id == member.user_id
    }
}

/// As its [`MemberRef`], which the cache relies on.
impl Hash for Member {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            organization_id,
            user_id,
        } = self;
        MemberRef {
            organization_id,
            user_id,
        }
        .hash(state);
    }
}

/// That the server's own key is refused is nothing that the caller could do about.
fn unavailable(error: NoAnswer) -> Unavailable {
    match error {
        NoAnswer::KeyRefused => Unavailable {
            what: WHAT,
            retry_after: RETRY_AFTER,
        },
        NoAnswer::Unavailable(unavailable) => unavailable,
    }
}

const WHAT: &str = "organization memberships";
/// How long "is a member, as this" is believed.
const MEMBER_AGE: Duration = Duration::from_secs(30);
/// How long "is no member" is believed: shorter, since someone may be waiting for an invitation.
const NOT_A_MEMBER_AGE: Duration = Duration::from_secs(5);
const MAX_ANSWERS: usize = 10_000;
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
