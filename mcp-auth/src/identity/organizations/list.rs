//! The list of a user's organizations. Sources of organizations other than the token need this list.
//!
//! The server looks up one list for each user. In this list it finds an organization by its id or slug, or the user's
//! only organization. A client that tries many organizations in the URL therefore causes no more look-ups than a client
//! that tries one organization.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use tokio::runtime::Handle;

use super::{Directory, MEMBER_AGE, Memberships, NOT_A_MEMBER_AGE, PATIENCE, REFRESH_AGE};
use crate::clock::Clock;
use crate::identity::error::{NoAnswer, Unavailable};
use crate::identity::lookup::{Entry, ExpiringCache, Lookup, Service};
use crate::identity::org::Org;

/// A page of the organizations of which a user is currently a member.
#[derive(Clone, Debug)]
pub(crate) struct MembershipPage {
    pub(crate) orgs: Vec<Org>,
    /// The number of organizations on all pages.
    pub(crate) total: u64,
}

/// The lists of users, by the id of the user.
pub(super) struct Lists(Lookup<String, List, Weight>);

/// The organizations of one user, as far as they were read.
#[derive(Clone, Debug)]
pub(super) struct List {
    orgs: Arc<[Org]>,
    /// The number of all organizations of the user, including organizations that were not read.
    total: u64,
}

impl Lists {
    pub(super) fn new(service: Arc<Service>, clock: Arc<dyn Clock>, io: Handle) -> Self {
        let cache = ExpiringCache::weighed(MOST_WEIGHT, AT_FIRST, Weight, clock);
        Self(Lookup::new(service, cache, io))
    }

    #[cfg(feature = "testing")]
    pub(super) fn forget(&self) {
        self.0.forget();
    }
}

impl Directory {
    /// Returns the organization that `find` picks from the user's list. If `find` picks an organization, the list is
    /// used for 30 seconds, and otherwise for 5 seconds. Single memberships are cached for the same times. At most
    /// `pages` pages of the list are read.
    ///
    /// # Errors
    /// [`Unavailable`] if the list cannot be looked up now.
    pub(super) async fn find(
        &self,
        user_id: &str,
        pages: usize,
        find: impl Fn(&List) -> Option<Org>,
    ) -> Result<(Option<Org>, Duration), Unavailable> {
        let Lists(lists) = &self.lists;
        let user = || user_id.to_owned();
        let look_up = || {
            let service = Arc::clone(lists.service());
            look_up(service, Arc::clone(&self.memberships), user(), pages)
        };
        if let Some(cached) = lists.cached(user_id) {
            match find(&cached.value) {
                Some(found) => {
                    if cached.age >= REFRESH_AGE {
                        lists.refresh(user, look_up);
                    }
                    return Ok((Some(found), cached.since));
                }
                None if cached.age < NOT_A_MEMBER_AGE => return Ok((None, cached.since)),
                None => {}
            }
        }
        let since = lists.service().uptime();
        let list = lists.get_within(PATIENCE, user(), look_up).await;
        let list = list.map_err(|error| lists.service().unavailable(error))?;
        Ok((find(&list), since))
    }
}

/// Reads the list page by page. The list is as old as its first page.
async fn look_up(
    service: Arc<Service>,
    memberships: Arc<dyn Memberships>,
    user_id: String,
    pages: usize,
) -> Result<Entry<List>, NoAnswer> {
    let mut first_asked = None;
    let mut orgs: Vec<Org> = Vec::new();
    let mut total = 0;
    for _ in 0..pages {
        let turn = service.turn(None).await?;
        let question = |_| memberships.memberships(&user_id, orgs.len());
        let (page, asked) = service.ask(turn, question).await?;
        let first_asked = *first_asked.get_or_insert(asked);
        if service.uptime().saturating_sub(first_asked) >= MEMBER_AGE {
            // The turns of the pages took so long that the first page has expired.
            return Err(service.abandoned());
        }
        let is_last = page.orgs.is_empty();
        total = page.total;
        orgs.extend(page.orgs);
        if is_last || orgs.len() as u64 >= total {
            break;
        }
    }
    let list = List {
        orgs: orgs.into(),
        total,
    };
    let asked = first_asked.unwrap_or_else(|| service.uptime());
    Ok(Entry::believed_for(MEMBER_AGE, list, asked))
}

impl List {
    /// Returns the user's organization, if the user is a member of exactly one organization.
    pub(super) fn only(&self) -> Option<Org> {
        match &*self.orgs {
            [only] if self.total == 1 => Some(only.clone()),
            _ => None,
        }
    }

    /// Returns the first organization for which `is` returns true.
    pub(super) fn first(&self, is: impl Fn(&Org) -> bool) -> Option<Org> {
        self.orgs.iter().find(|org| is(org)).cloned()
    }
}

/// The size of a list, in KiB. The cache limits the total size of its lists, not their number, because users with many
/// organizations or permissions have large lists.
#[derive(Clone, Debug)]
struct Weight;

impl Weighter<String, Entry<List>> for Weight {
    fn weight(&self, _: &String, list: &Entry<List>) -> u64 {
        let bytes: usize = list.value.orgs.iter().map(Org::weight).sum();
        1 + bytes as u64 / 1_024
    }
}

/// The size of all lists together, in KiB: about 32 MiB.
const MOST_WEIGHT: u64 = 32 * 1_024;
/// The number of entries for which memory is reserved. The cache has one part for every 32 entries. With few parts, the
/// longest list fits into one part even on a machine with many processors.
const AT_FIRST: usize = 256;
/// The number of pages that are read to find an organization by its id or slug. Only the first 500 memberships of a
/// user can therefore be found.
pub(super) const MAX_PAGES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support;

    /// Returns a list of this many organizations, each with this many permissions of 30 bytes.
    fn list(orgs: usize, permissions: usize) -> List {
        let org = |number| {
            let permissions = (0..permissions).map(|one| format!("org:feature_{one:012}:manage"));
            let id = format!("org_{number}");
            Org::new(id, None, None, Some(permissions.collect()))
        };
        List {
            orgs: (0..orgs).map(org).collect(),
            total: orgs as u64,
        }
    }

    #[test]
    fn the_longest_list_is_cached_and_many_of_them_are_bounded() {
        for (orgs, permissions) in [(1, 0), (7, 30), (500, 30)] {
            let lists =
                ExpiringCache::weighed(MOST_WEIGHT, AT_FIRST, Weight, test_support::clock());
            let list = list(orgs, permissions);
            let bytes: usize = list.orgs.iter().map(Org::weight).sum();
            for user in 0..1_000 + MOST_BYTES / bytes {
                let user = format!("user_{user}");
                let entry = Entry::believed_for(MEMBER_AGE, list.clone(), Duration::ZERO);
                lists.insert(user.clone(), entry);
                assert!(lists.get(&user).is_some(), "{user} with {orgs}");
            }
            assert!(lists.entries().weight() <= MOST_WEIGHT);
            assert!(
                lists.entries().len() * bytes <= MOST_BYTES,
                "{}",
                lists.entries().len()
            );
        }
    }

    const MOST_BYTES: usize = 33 * 1_024 * 1_024;
}
