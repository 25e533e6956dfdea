//! The organizations that a user is a member of, for the sources beside the token.
//!
//! One list for each user answers every question about them: which organization has this id or slug,
//! and whether there is exactly one. A client that tries many names in the URL causes no more look-ups
//! than one that tries a single name.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::runtime::Handle;

use super::{
    Asked, Lookups, MEMBER_AGE, NOT_A_MEMBER_AGE, REFRESH_AGE, RETRY_AFTER, WHAT, in_time,
};
use crate::identity::error::Unavailable;
use crate::identity::lookup::{SingleFlight, Waiter};
use crate::identity::org::Org;

/// A page of the organizations that a user is a member of now.
#[derive(Clone, Debug)]
pub(crate) struct MembershipPage {
    pub(crate) orgs: Vec<Org>,
    /// How many there are on all pages.
    pub(crate) total: u64,
}

/// Looks up the lists of users, and caches them.
pub(super) struct Lists {
    lists: Arc<Cache<String, List, Weight>>,
    flights: SingleFlight<String, Result<List, Unavailable>>,
}

/// The organizations of one user, as far as they were read.
#[derive(Clone, Debug)]
pub(super) struct List {
    orgs: Arc<[Org]>,
    /// How many there are, read or not.
    total: u64,
    /// The uptime at which the first page was asked for: the list is at least that old.
    asked: Duration,
}

impl Lists {
    pub(super) fn new(io: Handle) -> Self {
        Self {
            lists: Arc::new(Cache::with_weighter(AT_FIRST, MOST_WEIGHT, Weight)),
            flights: SingleFlight::new(io),
        }
    }

    /// The organization that `find` picks from the user's list. A pick counts for 30 seconds, and that
    /// there is nothing to pick for 5 seconds, as with a single membership. `pages` is the most that is
    /// read of the list.
    ///
    /// # Errors
    /// [`Unavailable`] if the list cannot be had now.
    pub(super) async fn find(
        &self,
        directory: &Arc<Lookups>,
        user_id: &str,
        pages: usize,
        find: impl Fn(&List) -> Option<Org>,
    ) -> Result<Option<Org>, Unavailable> {
        if let Some(list) = self.lists.get(user_id) {
            let age = directory.clock.uptime().saturating_sub(list.asked);
            let found = find(&list);
            let most = if found.is_some() {
                MEMBER_AGE
            } else {
                NOT_A_MEMBER_AGE
            };
            if age < most {
                if found.is_some() && age >= REFRESH_AGE && directory.has_time() {
                    let _ahead = self.look_up(directory, user_id, pages);
                }
                return Ok(found);
            }
        }
        let lookup = self.look_up(directory, user_id, pages);
        Ok(find(&in_time(directory, lookup).await?))
    }

    fn look_up(
        &self,
        directory: &Arc<Lookups>,
        user_id: &str,
        pages: usize,
    ) -> Waiter<Result<List, Unavailable>> {
        self.flights.join(&user_id.to_owned(), || {
            let (directory, lists) = (Arc::clone(directory), Arc::clone(&self.lists));
            let user_id = user_id.to_owned();
            async move {
                let list = directory.list(&user_id, pages).await?;
                lists.insert(user_id, list.clone());
                Ok(list)
            }
        })
    }

    #[cfg(feature = "testing")]
    pub(super) fn forget(&self) {
        self.lists.clear();
    }
}

impl Lookups {
    /// Reads the list page by page, each within the budget and behind the circuit breaker.
    async fn list(&self, user_id: &str, pages: usize) -> Result<List, Unavailable> {
        let mut asked = None;
        let mut orgs: Vec<Org> = Vec::new();
        let mut total = 0;
        for _ in 0..pages {
            let question = || self.memberships.memberships(user_id, orgs.len());
            let Asked { answer: page, at } = self.ask(question).await?;
            let asked = *asked.get_or_insert(at);
            if self.clock.uptime().saturating_sub(asked) >= MEMBER_AGE {
                // The turns of the pages took so long that the first page is too old.
                return Err(Unavailable {
                    what: WHAT,
                    retry_after: RETRY_AFTER,
                });
            }
            let is_last = page.orgs.is_empty();
            total = page.total;
            orgs.extend(page.orgs);
            if is_last || orgs.len() as u64 >= total {
                break;
            }
        }
        Ok(List {
            orgs: orgs.into(),
            total,
            asked: asked.unwrap_or_else(|| self.clock.uptime()),
        })
    }
}

impl List {
    /// The organization, if the user is a member of exactly one.
    pub(super) fn only(&self) -> Option<Org> {
        match &*self.orgs {
            [only] if self.total == 1 => Some(only.clone()),
            _ => None,
        }
    }

    /// The first organization for which this holds.
    pub(super) fn first(&self, is: impl Fn(&Org) -> bool) -> Option<Org> {
        self.orgs.iter().find(|org| is(org)).cloned()
    }
}

/// Lists are weighed in KiB, so that users with many organizations or permissions do not fill the memory.
#[derive(Clone, Debug)]
struct Weight;

impl Weighter<String, List> for Weight {
    fn weight(&self, _: &String, list: &List) -> u64 {
        let bytes: usize = list.orgs.iter().map(Org::weight).sum();
        1 + bytes as u64 / 1_024
    }
}

/// In KiB: about 32 MiB.
const MOST_WEIGHT: u64 = 32 * 1_024;
/// The cache makes a part of its own for every 32 of these. There are few parts, so that the longest list
/// fits into one on a machine with many processors, too.
const AT_FIRST: usize = 256;
/// Pages that are read to find an organization by its id or slug. A user who is a member of more than
/// 500 organizations may not be found to be a member of the others.
pub(super) const MAX_PAGES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of this many organizations, each with this many permissions of 30 bytes.
    fn list(orgs: usize, permissions: usize) -> List {
        let org = |number| {
            let permissions = (0..permissions).map(|one| format!("org:feature_{one:012}:manage"));
            let id = format!("org_{number}");
            Org::new(id, None, None, Some(permissions.collect()))
        };
        List {
            orgs: (0..orgs).map(org).collect(),
            total: orgs as u64,
            asked: Duration::ZERO,
        }
    }

    #[test]
    fn the_longest_list_is_cached_and_many_of_them_are_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let io = runtime.unwrap();
        for (orgs, permissions) in [(1, 0), (7, 30), (500, 30)] {
            let lists = Lists::new(io.handle().clone()).lists;
            let list = list(orgs, permissions);
            let bytes: usize = list.orgs.iter().map(Org::weight).sum();
            for user in 0..1_000 + MOST_BYTES / bytes {
                let user = format!("user_{user}");
                lists.insert(user.clone(), list.clone());
                assert!(lists.get(&user).is_some(), "{user} with {orgs}");
            }
            assert!(lists.weight() <= MOST_WEIGHT);
            assert!(lists.len() * bytes <= MOST_BYTES, "{}", lists.len());
        }
    }

    const MOST_BYTES: usize = 33 * 1_024 * 1_024;
}
