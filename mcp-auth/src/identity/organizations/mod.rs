//! The organization in which a caller acts, with the caller's role and permissions in this organization.
//!
//! An OAuth token contains at most the id of an organization, and may be a day old. The server therefore asks the
//! identity provider for the caller's current membership. If the identity provider does not answer, the result is
//! [`Unavailable`]. If the token names no organization, another of the [`sources`] may name one.

mod list;
mod sources;

use std::fmt;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use quick_cache::Equivalent;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::identity::caller::Caller;
use crate::identity::conventions::Conventions;
use crate::identity::error::{LookupError, NoAnswer, Unavailable};
use crate::identity::lookup::{Budget, Entry, ExpiringCache, Lookup, Service};
use crate::identity::org::Org;
use crate::identity::people::People;
use crate::identity::revocations::Revocations;
use crate::identity::token_kind::TokenKind;

pub(crate) use list::MembershipPage;
use list::{List, Lists};
pub use sources::OrganizationSource;
pub(crate) use sources::{Acting, NamedBy, OrganizationSources, UrlOrg};

/// The memberships of users; implemented by an identity provider.
pub(crate) trait Memberships: Debug + Send + Sync {
    /// Returns the organization with the user's current role and permissions. `None` if the user is not a member. Runs
    /// on the I/O runtime.
    fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>>;

    /// Returns a page of the organizations of which the user is currently a member, after skipping the first `offset`
    /// organizations. Runs on the I/O runtime.
    fn memberships(
        &self,
        user_id: &str,
        offset: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>>;
}

/// How current the data about the organization must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// The organization that the token names, even if the caller is no longer a member
    /// (`trust_token_org`).
    AsInToken,
    /// The current membership, at most 30 seconds old.
    Current,
}

/// Resolves organizations.
pub(crate) struct Organizations {
    directory: Option<Directory>,
    people: Option<Arc<People>>,
    conventions: &'static Conventions,
    sources: OrganizationSources,
    revocations: Revocations,
}

/// The identity provider's memberships. They are looked up individually, or as the list of a user.
struct Directory {
    memberships: Arc<dyn Memberships>,
    members: Lookup<Member, Option<Org>>,
    lists: Lists,
}

/// A user in an organization.
#[derive(Clone, Eq, PartialEq)]
struct Member {
    organization_id: String,
    user_id: String,
}

impl Organizations {
    /// Looks up memberships, within the budget if there is a budget. Without `memberships`, only the id of an OAuth
    /// caller's organization is known.
    pub(crate) fn new(
        budget: Option<Budget>,
        memberships: Option<Arc<dyn Memberships>>,
        conventions: &'static Conventions,
        clock: Arc<dyn Clock>,
        io: Handle,
    ) -> Self {
        let directory = memberships.map(|memberships| {
            let service = Service::new(WHAT, Arc::clone(&clock));
            let service = Arc::new(service.within(budget));
            let members = ExpiringCache::new(MAX_MEMBERS, Arc::clone(&clock));
            Directory {
                members: Lookup::new(Arc::clone(&service), members, io.clone()),
                lists: Lists::new(service, clock, io),
                memberships,
            }
        });
        Self {
            directory,
            people: None,
            conventions,
            sources: OrganizationSources::default(),
            revocations: Revocations::default(),
        }
    }

    /// Reads the organization from these sources too. They are ignored if the server cannot look up memberships.
    pub(crate) fn with_sources(self, sources: OrganizationSources) -> Self {
        Self { sources, ..self }
    }

    /// Lets no caller act in a revoked organization.
    pub(crate) fn with_revocations(self, revocations: Revocations) -> Self {
        Self {
            revocations,
            ..self
        }
    }

    /// Asks the issuer, through `people`, for the organization of an opaque token.
    pub(crate) fn with_people(self, people: Arc<People>) -> Self {
        Self {
            people: Some(people),
            ..self
        }
    }

    /// Returns the service that looks memberships up. `None` if this server makes no look-ups.
    pub(crate) fn service(&self) -> Option<&Arc<Service>> {
        let directory = self.directory.as_ref();
        directory.map(|directory| directory.members.service())
    }

    /// Returns the users of the identity provider.
    pub(crate) fn people(&self) -> Option<&People> {
        self.people.as_deref()
    }

    /// Returns true if the query of a request's URL can name an organization.
    pub(crate) fn reads_url(&self) -> bool {
        self.sources.url_query
    }

    /// Returns true if memberships are looked up, so that roles and permissions of OAuth callers
    /// can be known.
    pub(crate) fn looks_up(&self) -> bool {
        self.directory.is_some()
    }

    /// Returns true if another look-up of a membership would not make a client's request wait.
    pub(crate) fn is_idle(&self) -> bool {
        let service = self.directory.as_ref().map(|one| one.members.service());
        service.is_none_or(|service| service.is_idle())
    }

    /// Empties the caches, for tests that change memberships and do not want to wait.
    #[cfg(feature = "testing")]
    pub(crate) fn forget(&self) {
        if let Some(directory) = &self.directory {
            directory.members.forget();
            directory.lists.forget();
        }
    }

    /// Returns the organization in which this caller acts if the URL names no organization. `None` if the caller acts
    /// in no organization or is not a member.
    ///
    /// # Errors
    /// [`Unavailable`] if the look-up fails now.
    #[cfg(any(test, mcp_auth_bench))]
    pub(crate) async fn of(
        &self,
        caller: &Caller,
        freshness: Freshness,
    ) -> Result<Option<Org>, Unavailable> {
        let acting = self.acting(caller, &UrlOrg::Absent, freshness).await?;
        Ok(acting.org)
    }

    /// Returns the organization in which this caller acts, for a request whose URL names `url`. A caller acts in no
    /// revoked organization.
    ///
    /// # Errors
    /// [`Unavailable`] if a look-up fails now.
    pub(crate) async fn acting(
        &self,
        caller: &Caller,
        url: &UrlOrg,
        freshness: Freshness,
    ) -> Result<Acting, Unavailable> {
        let mut acting = self.resolve(caller, url, freshness).await?;
        acting
            .org
            .take_if(|org| self.revocations.refuses_organization(org.id()));
        Ok(acting)
    }

    async fn resolve(
        &self,
        caller: &Caller,
        url: &UrlOrg,
        freshness: Freshness,
    ) -> Result<Acting, Unavailable> {
        match caller.token_kind() {
            // The organization in this token needs no look-up. A session token lives for only a minute, the API key of
            // an organization belongs to the organization, and a machine acts in no organization.
            TokenKind::ApiKey | TokenKind::M2m | TokenKind::Session => {
                Ok(Acting::of_token(caller.token_org(), url, self.conventions))
            }
            // The code of the server states the role and the permissions of the user in the organization.
            TokenKind::OAuth if caller.verified().is_of_local_user() => {
                Ok(Acting::of_token(caller.token_org(), url, self.conventions))
            }
            TokenKind::OAuth => match (self.named_organization(caller).await?, caller.user_id()) {
                (Some(named), Some(user_id)) => self.named(named, user_id, url, freshness).await,
                (Some(_), None) => Ok(Acting::by(NamedBy::Token, None)),
                (None, Some(user_id)) => self.named_by_sources(user_id, url).await,
                (None, None) => Ok(Acting::default()),
            },
        }
    }

    /// Returns the organization that the token names. `None` if the caller may not act in it, or if the URL names
    /// another organization.
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
                let (org, since) = directory.membership(named.id(), user_id).await?;
                Ok(Acting::by(NamedBy::Token, org).looked_up(since))
            }
            // Only the current membership contains the slug.
            (Some(directory), _, UrlOrg::Named(_)) => {
                let (org, since) = directory.membership(named.id(), user_id).await?;
                Ok(Acting::agreed(org, url, self.conventions).looked_up(since))
            }
            (Some(_), Freshness::AsInToken, UrlOrg::Absent) | (None, _, UrlOrg::Absent) => {
                Ok(Acting::by(NamedBy::Token, Some(named)))
            }
            (None, _, UrlOrg::Named(_)) => Ok(Acting::by(NamedBy::UrlQuery, None)),
        }
    }

    /// Returns the organization of a user whose token names no organization. Reads the other sources.
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
        // The first page shows whether the user has exactly one membership.
        let pages = if takes_url { list::MAX_PAGES } else { 1 };
        let find = |list: &List| match url {
            UrlOrg::Absent => list.only(),
            UrlOrg::Malformed | UrlOrg::Named(_) => {
                list.first(|org| url.names(org, self.conventions))
            }
        };
        let (found, since) = directory.find(user_id, pages, find).await?;
        Ok(Acting::by(named_by, found).looked_up(since))
    }

    /// Returns the organization that an OAuth token names. For an opaque token, asks the issuer, but only if the
    /// token's scopes allow the issuer to name an organization.
    pub(crate) async fn named_organization(
        &self,
        caller: &Caller,
    ) -> Result<Option<Org>, Unavailable> {
        match (caller.token_org(), &self.people) {
            (Some(named), _) => Ok(Some(named.clone())),
            (None, Some(people)) if caller.org_at_issuer() => {
                let id = people.organization_of(caller).await;
                let id = id.map_err(|error| error.into_unavailable(WHAT))?;
                Ok(id.map(Org::only_id))
            }
            (None, _) => Ok(None),
        }
    }
}

impl Directory {
    /// Returns the user's membership, looked up at most 30 seconds ago, and the uptime of this look-up. `None` if the
    /// user is not a member.
    async fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> Result<(Option<Org>, Duration), Unavailable> {
        let member = || Member {
            organization_id: organization_id.to_owned(),
            user_id: user_id.to_owned(),
        };
        let look_up = || {
            let service = Arc::clone(self.members.service());
            let memberships = Arc::clone(&self.memberships);
            look_up(service, memberships, member())
        };
        let cached = self.members.cached(&MemberRef {
            organization_id,
            user_id,
        });
        if let Some(cached) = cached {
            if cached.value.is_some() && cached.age >= REFRESH_AGE {
                self.members.refresh(member, look_up);
            }
            return Ok((cached.value, cached.since));
        }
        let since = self.members.service().uptime();
        let org = self.members.get_within(PATIENCE, member(), look_up).await;
        let org = org.map_err(|error| self.members.service().unavailable(error))?;
        Ok((org, since))
    }
}

async fn look_up(
    service: Arc<Service>,
    memberships: Arc<dyn Memberships>,
    member: Member,
) -> Result<Entry<Option<Org>>, NoAnswer> {
    let Member {
        organization_id,
        user_id,
    } = &member;
    let turn = service.turn(None).await?;
    let question = |_| memberships.membership(organization_id, user_id);
    let (org, asked) = service.ask(turn, question).await?;
    let age = if org.is_some() {
        MEMBER_AGE
    } else {
        NOT_A_MEMBER_AGE
    };
    Ok(Entry::believed_for(age, org, asked))
}

impl Debug for Organizations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Organizations")
            .field("looks_up", &self.looks_up())
            .finish_non_exhaustive()
    }
}

/// A [`Member`] with borrowed ids, for reading the cache without allocating.
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

/// The hash must equal the hash of a [`MemberRef`], because the cache is read with a [`MemberRef`].
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

const WHAT: &str = "organization memberships";
/// The time for which a membership is cached.
const MEMBER_AGE: Duration = Duration::from_secs(30);
/// While half of the budget is free, a cached membership of this age is looked up again before it
/// expires.
const REFRESH_AGE: Duration = Duration::from_secs(20);
/// The time for which a request waits for a look-up, including the wait in the queue. If the request gives up, the
/// look-up stays in the queue, so that a later request finds the response in the cache.
const PATIENCE: Duration = Duration::from_secs(8);
/// The time for which a missing membership is cached. It is short, because the user may be about to
/// accept an invitation.
const NOT_A_MEMBER_AGE: Duration = Duration::from_secs(5);
/// The greatest number of cached memberships. By default, at most 500 memberships are looked up in ten seconds, so at
/// any time at most 1 500 memberships were looked up within the last 30 s.
const MAX_MEMBERS: usize = 10_000;

#[cfg(test)]
mod source_tests;
#[cfg(test)]
mod tests;
