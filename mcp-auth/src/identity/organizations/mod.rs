//! The organization facts of a caller, looked up where the token does not tell them.
//!
//! An OAuth token names an organization at most, and may be a day old; so what the caller is there
//! now is asked of the identity provider. Nothing is guessed: if that can't be told, the answer is
//! [`Unavailable`]. Where the token names no organization, the sources of [`sources`] may name one.

mod list;
mod sources;

use std::fmt;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::identity::caller::{Caller, TokenKind};
use crate::identity::error::{LookupError, NoAnswer, Unavailable};
use crate::identity::lookup::Circuit;
use crate::identity::lookup::{Abandoned, SingleFlight, Waiter};
use crate::identity::lookup::{Budget, OverBudget};
use crate::identity::org::Org;

use list::Lists;
pub(crate) use list::MembershipPage;
pub use sources::OrganizationSource;
pub(crate) use sources::{Acting, NamedBy};
pub(crate) use sources::{OrganizationSources, UrlOrg};

/// Knows who is a member of what; implemented by an identity provider.
pub(crate) trait Memberships: Debug + Send + Sync {
    /// The user's standing in the organization now; `None` if they are no member. Runs on the I/O
    /// runtime.
    fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>>;

    /// A page of the organizations that the user is a member of now, without the first `offset`. Runs
    /// on the I/O runtime.
    fn memberships(
        &self,
        user_id: &str,
        offset: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>>;
}

/// Which facts are good enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// What holds now, at most 30 seconds ago.
    Current,
    /// What the token says, though the caller may no longer be a member: `trust_token_org`.
    AsInToken,
}

/// Resolves organizations.
pub(crate) struct Organizations {
    directory: Option<Arc<Lookups>>,
    flights: SingleFlight<Member, Result<Option<Org>, Unavailable>>,
    sources: OrganizationSources,
    lists: Lists,
}

/// The directory and what it answered lately.
struct Lookups {
    memberships: Arc<dyn Memberships>,
    clock: Arc<dyn Clock>,
    answers: Cache<Member, Answer>,
    circuit: Circuit,
    /// How often the directory is asked. `None`: for every look-up.
    budget: Option<Budget>,
}

/// An answer, and the uptime at which it was asked for, which is after the wait for a turn.
struct Asked<T> {
    answer: T,
    at: Duration,
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
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn new(
        memberships: Option<Arc<dyn Memberships>>,
        clock: Arc<dyn Clock>,
        io: Handle,
    ) -> Self {
        Self::within(None, memberships, clock, io)
    }

    /// Looks facts up as often as the budget allows.
    pub(crate) fn within(
        budget: Option<Budget>,
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
                budget,
            })
        });
        Self {
            directory,
            flights: SingleFlight::new(io.clone()),
            sources: OrganizationSources::default(),
            lists: Lists::new(io),
        }
    }

    /// Uses these sources beside the token. They need `memberships`: without it they name nothing.
    pub(crate) fn with_sources(self, sources: OrganizationSources) -> Self {
        Self { sources, ..self }
    }

    /// Whether the query of a request's URL can name an organization.
    pub(crate) fn reads_url(&self) -> bool {
        self.sources.url_query
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
        self.lists.forget();
    }

    /// The organization in which this caller acts where no URL names one; `None` if they act in none, or
    /// in one of which they are no member.
    ///
    /// # Errors
    /// [`Unavailable`] if that can't be told now.
    #[cfg(any(test, feature = "_bench"))]
    pub(crate) async fn of(
        &self,
        caller: &Caller,
        freshness: Freshness,
    ) -> Result<Option<Org>, Unavailable> {
        let acting = self.acting(caller, &UrlOrg::Absent, freshness).await?;
        Ok(acting.org)
    }

    /// The organization in which this caller acts in a request whose URL names `url`.
    ///
    /// # Errors
    /// [`Unavailable`] if that can't be told now.
    pub(crate) async fn acting(
        &self,
        caller: &Caller,
        url: &UrlOrg,
        freshness: Freshness,
    ) -> Result<Acting, Unavailable> {
        match caller.token_kind() {
            // Current for as long as the token is believed, which is a minute: a machine acts in no
            // organization, and the key of one is that one's own.
            TokenKind::ApiKey | TokenKind::M2m | TokenKind::Session => {
                Ok(Acting::of_token(caller.token_org(), url))
            }
            TokenKind::OAuth => match (named_organization(caller).await?, caller.user_id()) {
                (Some(named), Some(user_id)) => self.named(named, user_id, url, freshness).await,
                (Some(_), None) => Ok(Acting::by(NamedBy::Token, None)),
                (None, Some(user_id)) => self.named_by_sources(user_id, url).await,
                (None, None) => Ok(Acting::default()),
            },
        }
    }

    /// The organization that the token names.
    async fn named(
        &self,
        named: Org,
        user_id: &str,
        url: &UrlOrg,
        freshness: Freshness,
    ) -> Result<Acting, Unavailable> {
        match (&self.directory, freshness, url) {
            (_, _, UrlOrg::Malformed) => Ok(Acting::by(NamedBy::UrlQuery, None)),
            (Some(directory), Freshness::Current, UrlOrg::Absent) => {
                let org = self.looked_up(directory, named.id(), user_id).await?;
                Ok(Acting::by(NamedBy::Token, org))
            }
            // The slug is known only from the current membership.
            (Some(directory), _, UrlOrg::Named(_)) => {
                let org = self.looked_up(directory, named.id(), user_id).await?;
                Ok(Acting::agreed(org, url))
            }
            (Some(_), Freshness::AsInToken, UrlOrg::Absent) | (None, _, UrlOrg::Absent) => {
                Ok(Acting::by(NamedBy::Token, Some(named)))
            }
            (None, _, UrlOrg::Named(_)) => Ok(Acting::by(NamedBy::UrlQuery, None)),
        }
    }

    /// The organization of a user whose token names none.
    async fn named_by_sources(&self, user_id: &str, url: &UrlOrg) -> Result<Acting, Unavailable> {
        let takes_url = self.sources.url_query;
        let named_by = match url {
            UrlOrg::Malformed => return Ok(Acting::by(NamedBy::UrlQuery, None)),
            UrlOrg::Named(_) => NamedBy::UrlQuery,
            UrlOrg::Absent if self.sources.only_membership => NamedBy::OnlyMembership { takes_url },
            UrlOrg::Absent => return Ok(Acting::by(NamedBy::Nobody { takes_url }, None)),
        };
        let Some(directory) = &self.directory else {
            return Ok(Acting::by(named_by, None));
        };
        // The first page tells whether there is exactly one.
        let pages = if takes_url { list::MAX_PAGES } else { 1 };
        let found = self
            .lists
            .find(directory, user_id, pages, |list| match url {
                UrlOrg::Absent => list.only(),
                UrlOrg::Malformed | UrlOrg::Named(_) => list.first(|org| url.names(org)),
            });
        Ok(Acting::by(named_by, found.await?))
    }

    async fn looked_up(
        &self,
        directory: &Arc<Lookups>,
        organization_id: &str,
        user_id: &str,
    ) -> Result<Option<Org>, Unavailable> {
        let member = MemberRef {
            organization_id,
            user_id,
        };
        if let Some(answer) = directory.recent(&member) {
            if answer.is_old(directory.clock.uptime()) && directory.has_time() {
                let _ahead = self.look_up(directory, &member);
            }
            return Ok(answer.org);
        }
        let lookup = self.look_up(directory, &member);
        in_time(directory, lookup).await
    }

    fn look_up(
        &self,
        directory: &Arc<Lookups>,
        member: &MemberRef<'_>,
    ) -> Waiter<Result<Option<Org>, Unavailable>> {
        let member = Member {
            organization_id: member.organization_id.to_owned(),
            user_id: member.user_id.to_owned(),
        };
        self.flights.join(&member, || {
            let directory = Arc::clone(directory);
            let member = member.clone();
            async move { directory.look_up(member).await }
        })
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

/// Waits up to [`PATIENCE`] for a look-up. The look-up keeps its turn when the request gives up, so that a later request
/// for the member finds the answer in the cache.
async fn in_time<T: Clone>(
    directory: &Lookups,
    lookup: Waiter<Result<T, Unavailable>>,
) -> Result<T, Unavailable> {
    match timeout(PATIENCE, lookup).await {
        Ok(ended) => ended.unwrap_or_else(|Abandoned| Err(directory.circuit.lost())),
        Err(_) => Err(Unavailable {
            what: WHAT,
            retry_after: RETRY_AFTER,
        }),
    }
}

impl Answer {
    /// Whether this is a membership that is at least [`REFRESH_AGE`] old.
    fn is_old(&self, now: Duration) -> bool {
        self.org.is_some() && self.until.saturating_sub(now) <= MEMBER_AGE - REFRESH_AGE
    }
}

impl Lookups {
    fn recent(&self, member: &MemberRef<'_>) -> Option<Answer> {
        let answer = self.answers.get(member)?;
        (self.clock.uptime() < answer.until).then_some(answer)
    }

    /// Whether a membership may be looked up before its cached answer expires.
    fn has_time(&self) -> bool {
        self.budget.as_ref().is_some_and(Budget::is_half_free) && self.circuit.check().is_ok()
    }

    /// Asks when there is a question in the budget, unless the circuit is open.
    async fn ask<T, F>(&self, ask: impl FnOnce() -> F) -> Result<Asked<T>, Unavailable>
    where
        F: Future<Output = Result<T, LookupError>>,
    {
        self.circuit.check()?;
        let turn = match &self.budget {
            Some(budget) => Some(budget.take(None).await),
            None => None,
        };
        let unavailable_until = |OverBudget { retry_after }| Unavailable {
            what: WHAT,
            retry_after,
        };
        let mut question = turn.transpose().map_err(unavailable_until)?;
        let at = self.clock.uptime();
        let ask = || {
            if let Some(question) = &mut question {
                question.pay();
            }
            ask()
        };
        let answer = self.circuit.ask(ask).await.map_err(unavailable)?;
        Ok(Asked { answer, at })
    }

    async fn look_up(&self, member: Member) -> Result<Option<Org>, Unavailable> {
        let Member {
            organization_id,
            user_id,
        } = &member;
        let question = || self.memberships.membership(organization_id, user_id);
        let Asked { answer: org, at } = self.ask(question).await?;
        let age = if org.is_some() {
            MEMBER_AGE
        } else {
            NOT_A_MEMBER_AGE
        };
        // Counted from the question: the answer is at least that old.
        let answer = Answer {
            org: org.clone(),
            until: at + age,
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
/// While half of the budget is free, a cached membership of this age is looked up again before it expires.
const REFRESH_AGE: Duration = Duration::from_secs(20);
/// How long a request waits for its turn and the answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long "is no member" is believed: shorter, since someone may be waiting for an invitation.
const NOT_A_MEMBER_AGE: Duration = Duration::from_secs(5);
/// By default 500 memberships are looked up in ten seconds, so no more than 1 500 are younger than 30 s at any time.
const MAX_ANSWERS: usize = 10_000;
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod source_tests;
#[cfg(test)]
mod tests;
