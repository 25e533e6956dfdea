//! How many calls a principal has in flight.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::identity::{ByPrincipal, Caller, Org};
use crate::limits::BuildPrehashed;

/// Counts running calls per principal. MCP 2026-07-28, server/tools: servers must limit the rate of
/// tool invocations; honest load never meets this limit, a runaway client does.
#[derive(Debug)]
pub(super) struct Calls {
    most: usize,
    /// Those without a token share one count.
    anonymous: AtomicUsize,
    /// A principal is in the one that its hash says. There are many, so that calls of different
    /// principals seldom wait for each other.
    shards: [Shard; SHARDS],
}

/// Principals that have calls running, and how many.
#[derive(Debug, Default)]
struct Shard(Mutex<HashMap<ByPrincipal, usize, BuildPrehashed>>);

impl Calls {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            anonymous: AtomicUsize::new(0),
            shards: Default::default(),
        }
    }

    /// Counts a call in, or refuses it. A caller who acts in `org` is another principal than the same
    /// caller in another organization.
    pub(super) fn enter(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        org: Option<&Org>,
    ) -> Option<Running> {
        let principal = caller.cloned().map(|caller| ByPrincipal::new(caller, org));
        let entered = match &principal {
            Some(principal) => self.shard(principal).enter(principal.clone(), self.most),
            None => self.enter_anonymous(),
        };
        entered.then(|| Running {
            calls: Arc::clone(self),
            principal,
        })
    }

    fn enter_anonymous(&self) -> bool {
        let one_more = |running| (running < self.most).then_some(running + 1);
        // How many there are is all that is told, nothing that they did.
        let entered = self
            .anonymous
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.is_ok()
    }

    fn shard(&self, principal: &ByPrincipal) -> &Shard {
        let [first, ..] = &self.shards;
        // The table in a shard goes by the bits at both ends.
        let hash = BuildPrehashed.hash_one(principal);
        let place = (hash >> 32) % SHARDS as u64;
        let place = usize::try_from(place).ok();
        let shard = place.and_then(|place| self.shards.get(place));
        shard.unwrap_or(first)
    }
}

impl Shard {
    fn enter(&self, principal: ByPrincipal, most: usize) -> bool {
        match self.lock().entry(principal) {
            Entry::Occupied(mut calls) if *calls.get() < most => *calls.get_mut() += 1,
            Entry::Vacant(place) if most > 0 => {
                place.insert(1);
            }
            Entry::Occupied(_) | Entry::Vacant(_) => return false,
        }
        true
    }

    fn leave(&self, principal: ByPrincipal) {
        if let Entry::Occupied(mut calls) = self.lock().entry(principal) {
            *calls.get_mut() -= 1;
            if *calls.get() == 0 {
                calls.remove();
            }
        }
    }

    /// Nothing panics under this lock, so what it guards is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<ByPrincipal, usize, BuildPrehashed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in flight; dropping it counts it out.
#[derive(Debug)]
pub(super) struct Running {
    calls: Arc<Calls>,
    principal: Option<ByPrincipal>,
}

impl Drop for Running {
    fn drop(&mut self) {
        match self.principal.take() {
            Some(principal) => self.calls.shard(&principal).leave(principal),
            None => {
                self.calls.anonymous.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

const SHARDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::doubles;

    #[test]
    fn a_call_over_the_limit_is_refused_until_one_ends() {
        let calls = Arc::new(Calls::new(2));
        let first = calls.enter(None, None).unwrap();
        let _second = calls.enter(None, None).unwrap();
        assert!(calls.enter(None, None).is_none());
        drop(first);
        assert!(calls.enter(None, None).is_some());
    }

    #[test]
    fn the_calls_of_all_tokens_of_a_principal_count_together() {
        let authenticator = doubles::offline(doubles::policy());
        let caller = |id: u64, subject: &str| {
            let mut claims = doubles::oauth_claims();
            claims["jti"] = id.into();
            claims["sub"] = subject.into();
            let token = doubles::oauth_token(&claims);
            doubles::block_on(authenticator.authenticate(&token)).unwrap()
        };
        let calls = Arc::new(Calls::new(2));
        let first = calls.enter(Some(&caller(1, "user_ada")), None).unwrap();
        let _second = calls.enter(Some(&caller(2, "user_ada")), None).unwrap();
        assert!(calls.enter(Some(&caller(3, "user_ada")), None).is_none());
        assert!(calls.enter(Some(&caller(4, "user_bob")), None).is_some());
        assert!(calls.enter(None, None).is_some());
        drop(first);
        assert!(calls.enter(Some(&caller(3, "user_ada")), None).is_some());
    }

    #[test]
    fn nothing_is_kept_of_a_principal_whose_calls_ended() {
        let ada = doubles::oauth_caller(&doubles::oauth_claims());
        let calls = Arc::new(Calls::new(2));
        let kept = || -> usize { calls.shards.iter().map(|shard| shard.lock().len()).sum() };
        let first = calls.enter(Some(&ada), None).unwrap();
        let second = calls.enter(Some(&ada), None).unwrap();
        assert!(calls.enter(Some(&ada), None).is_none());
        drop(first);
        assert_eq!(kept(), 1);
        drop(second);
        assert_eq!(kept(), 0);
        let none = Arc::new(Calls::new(0));
        assert!(none.enter(Some(&ada), None).is_none());
        assert!(none.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn one_token_in_two_organizations_is_two_principals() {
        let authenticator = doubles::offline(doubles::policy());
        let mut claims = doubles::oauth_claims();
        let token = doubles::oauth_token(&claims);
        let bare = doubles::block_on(authenticator.authenticate(&token)).unwrap();
        claims["org_id"] = "org_acme".into();
        let token = doubles::oauth_token(&claims);
        let named = doubles::block_on(authenticator.authenticate(&token)).unwrap();
        let [acme, globex] = ["org_acme", "org_globex"].map(|id| Org::only_id(id.to_owned()));
        for caller in [&bare, &named] {
            let calls = Arc::new(Calls::new(1));
            let _acme = calls.enter(Some(caller), Some(&acme)).unwrap();
            let globex_first = calls.enter(Some(caller), Some(&globex)).unwrap();
            // Facts of another look-up are of the same organization all the same.
            let again = Org::only_id("org_acme".to_owned());
            assert!(calls.enter(Some(caller), Some(&again)).is_none());
            assert!(calls.enter(Some(caller), Some(&globex)).is_none());
            drop(globex_first);
            assert!(calls.enter(Some(caller), Some(&globex)).is_some());
        }
        // The principal does not depend on the source that named the organization.
        let calls = Arc::new(Calls::new(1));
        let _by_url = calls.enter(Some(&bare), Some(&acme)).unwrap();
        assert!(calls.enter(Some(&bare), None).is_some());
        assert!(calls.enter(Some(&named), None).is_none());
    }
}
