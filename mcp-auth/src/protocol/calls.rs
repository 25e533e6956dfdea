//! Limits the number of calls in flight, for each principal, for each user, and for callers without
//! a token.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::identity::{Caller, Org, PrincipalKey};
use crate::limits::{Exhausted, NoHashMap, Party, Pool, Shares, Taken};

/// Counts the calls in flight of tools, prompts and resources. Normal load stays below these limits;
/// they stop a runaway client.
/// MCP 2026-07-28, server/tools: servers must limit the rate of tool invocations.
#[derive(Debug)]
pub(crate) struct Calls {
    most: Most,
    strangers: Arc<Pool>,
    counts: Mutex<Counts>,
}

/// The largest permitted numbers of calls in flight.
#[derive(Clone, Copy, Debug)]
struct Most {
    of_principal: usize,
    of_user: usize,
}

/// The numbers of calls in flight. A principal or a user that has no call in flight has no entry.
#[derive(Debug, Default)]
struct Counts {
    principals: NoHashMap<PrincipalKey, usize>,
    /// The calls in flight of each user or machine. The key is the hash of the user or machine.
    users: NoHashMap<u64, usize>,
}

/// The limit that a call would exceed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Full {
    Anonymous(Exhausted),
    Principal,
    User,
}

impl Full {
    /// The setting of the limit, for metrics.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Self::Anonymous(Exhausted::Network | Exhausted::Site) => {
                "anonymous_calls_in_flight_per_network"
            }
            Self::Anonymous(Exhausted::All | Exhausted::Known | Exhausted::Strangers) => {
                "anonymous_calls_in_flight"
            }
            Self::Principal => "calls_in_flight",
            Self::User => "calls_in_flight_per_user",
        }
    }

    /// Returns the reason of the refusal, for the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Anonymous(Exhausted::Network) => {
                "too many calls without a token are in flight from this network"
            }
            Self::Anonymous(Exhausted::Site) => {
                "too many calls without a token are in flight from this IPv4 /24 or IPv6 /48"
            }
            Self::Anonymous(Exhausted::All | Exhausted::Known | Exhausted::Strangers) => {
                "too many calls without a token are in flight"
            }
            Self::Principal => "too many calls of this principal are in flight",
            Self::User => "too many calls of this user or machine are in flight",
        }
    }
}

impl Calls {
    /// `of_principal` limits the calls of a principal. `of_user` limits the calls of a user or a machine, over all
    /// clients and organizations. `strangers` limits the calls of callers without a token.
    pub(crate) fn new(of_principal: usize, of_user: usize, strangers: Shares) -> Self {
        Self {
            most: Most {
                of_principal,
                of_user,
            },
            strangers: Arc::new(Pool::new(strangers)),
            counts: Mutex::default(),
        }
    }

    /// Counts a call, or refuses the call if it would exceed a limit. A caller who acts in two organizations counts as
    /// two principals. A call without a token counts for `party`, the network of the request.
    pub(super) fn enter(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        org: Option<&Org>,
        party: Party,
    ) -> Result<RunningCall, Full> {
        let (Some(caller), Party::Known(user)) = (caller, party) else {
            let taken = self.strangers.take(party, 1).map_err(Full::Anonymous)?;
            return Ok(RunningCall(Counted::Stranger { _taken: taken }));
        };
        let principal = PrincipalKey::new(caller.clone(), org);
        self.lock().enter(user, principal.clone(), self.most)?;
        Ok(RunningCall(Counted::Known {
            calls: Arc::clone(self),
            user,
            principal: Some(principal),
        }))
    }

    /// Returns the number of calls in flight.
    pub(super) fn in_flight(&self) -> usize {
        let known: usize = self.lock().users.values().sum();
        known + self.strangers.taken()
    }

    /// Locks the counts. Ignores poisoning: no code panics while it holds this lock, so the counts cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn enter(&mut self, user: u64, principal: PrincipalKey, most: Most) -> Result<(), Full> {
        let of_user = self.users.entry(user);
        if count(&of_user) >= most.of_user {
            return Err(Full::User);
        }
        let of_principal = self.principals.entry(principal);
        if count(&of_principal) >= most.of_principal {
            return Err(Full::Principal);
        }
        *of_user.or_default() += 1;
        *of_principal.or_default() += 1;
        Ok(())
    }

    fn leave(&mut self, user: u64, principal: PrincipalKey) {
        count_out(self.users.entry(user));
        count_out(self.principals.entry(principal));
    }
}

fn count<K: Eq + Hash>(entry: &Entry<'_, K, usize>) -> usize {
    match entry {
        Entry::Occupied(calls) => *calls.get(),
        Entry::Vacant(_) => 0,
    }
}

fn count_out<K: Eq + Hash>(entry: Entry<'_, K, usize>) {
    if let Entry::Occupied(mut calls) = entry {
        *calls.get_mut() -= 1;
        if *calls.get() == 0 {
            calls.remove();
        }
    }
}

/// A call in flight. Dropping the value stops counting the call.
#[derive(Debug)]
pub(super) struct RunningCall(Counted);

#[derive(Debug)]
enum Counted {
    Known {
        calls: Arc<Calls>,
        user: u64,
        /// `None` after the drop.
        principal: Option<PrincipalKey>,
    },
    Stranger {
        _taken: Taken,
    },
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        if let Counted::Known {
            calls,
            user,
            principal,
        } = &mut self.0
            && let Some(principal) = principal.take()
        {
            calls.lock().leave(*user, principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Barrier;
    use std::thread;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::identity::test_support;
    use crate::limits::Network;

    fn calls(of_principal: usize, of_user: usize) -> Arc<Calls> {
        let strangers = Shares::of_strangers(4, 2);
        Arc::new(Calls::new(of_principal, of_user, strangers))
    }

    fn stranger(last: u8) -> Party {
        Party::Stranger(Network::V4(Ipv4Addr::new(192, 0, last, 1)))
    }

    fn enter(calls: &Arc<Calls>, caller: &Caller, org: Option<&Org>) -> Result<RunningCall, Full> {
        calls.enter(Some(caller), org, caller.party())
    }

    /// Callers with these subjects and clients, all of one server.
    fn callers(of: &[(&str, &str)]) -> Vec<Caller> {
        let authenticator = test_support::offline(test_support::policy());
        let callers = of.iter().enumerate().map(|(id, (subject, client))| {
            let mut claims = test_support::oauth_claims();
            claims["jti"] = id.into();
            claims["sub"] = (*subject).into();
            claims["client_id"] = (*client).into();
            let token = test_support::oauth_token(&claims);
            test_support::block_on(authenticator.authenticate(&token)).unwrap()
        });
        callers.collect()
    }

    fn kept(calls: &Calls) -> (usize, usize) {
        let counts = calls.lock();
        (counts.users.len(), counts.principals.len())
    }

    #[test]
    fn calls_without_a_token_are_counted_for_each_network_and_in_all() {
        let calls = calls(1, 1);
        let enter = |last| calls.enter(None, None, stranger(last));
        let first = enter(1).unwrap();
        let _others = [enter(1).unwrap(), enter(2).unwrap(), enter(2).unwrap()];
        assert_eq!(enter(1).unwrap_err(), Full::Anonymous(Exhausted::Network));
        assert_eq!(enter(3).unwrap_err(), Full::Anonymous(Exhausted::Strangers));
        drop(first);
        assert!(enter(3).is_ok());
    }

    #[test]
    fn the_calls_of_all_tokens_of_a_principal_count_together() {
        let of = ["user_ada", "user_ada", "user_ada", "user_bob"].map(|user| (user, "client_1"));
        let callers = callers(&of);
        let calls = calls(2, 9);
        let first = enter(&calls, &callers[0], None).unwrap();
        let _second = enter(&calls, &callers[1], None).unwrap();
        let third = enter(&calls, &callers[2], None);
        assert_eq!(third.unwrap_err(), Full::Principal);
        assert!(enter(&calls, &callers[3], None).is_ok());
        assert!(calls.enter(None, None, stranger(1)).is_ok());
        drop(first);
        assert!(enter(&calls, &callers[2], None).is_ok());
    }

    #[test]
    fn the_calls_of_a_user_count_over_all_clients_and_organizations() {
        let of = ["client_1", "client_2", "client_3"].map(|client| ("user_ada", client));
        let callers = callers(&of);
        let acme = Org::only_id("org_acme".to_owned());
        let calls = calls(2, 3);
        let _first = enter(&calls, &callers[0], None).unwrap();
        let second = enter(&calls, &callers[1], None).unwrap();
        let _third = enter(&calls, &callers[0], Some(&acme)).unwrap();
        assert_eq!(enter(&calls, &callers[2], None).unwrap_err(), Full::User);
        drop(second);
        assert!(enter(&calls, &callers[2], None).is_ok());
    }

    #[test]
    fn nothing_is_kept_of_a_principal_whose_calls_ended() {
        let ada = test_support::oauth_caller(&test_support::oauth_claims());
        let calls = calls(2, 2);
        let first = enter(&calls, &ada, None).unwrap();
        let second = enter(&calls, &ada, None).unwrap();
        assert!(enter(&calls, &ada, None).is_err());
        drop(first);
        assert_eq!(kept(&calls), (1, 1));
        drop(second);
        assert_eq!(kept(&calls), (0, 0));
        for (of_principal, of_user) in [(0, 2), (2, 0)] {
            let none = Arc::new(Calls::new(
                of_principal,
                of_user,
                Shares::of_strangers(1, 1),
            ));
            assert!(enter(&none, &ada, None).is_err());
            assert_eq!(kept(&none), (0, 0));
        }
    }

    #[test]
    fn eight_threads_enter_no_more_calls_than_there_may_be() {
        let callers = callers(&[("user_ada", "client_1"), ("user_ada", "client_2")]);
        let calls = calls(7, 10);
        let full = Barrier::new(8);
        let entered: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|worker| {
                    let (calls, full, caller) = (&calls, &full, &callers[worker % 2]);
                    scope.spawn(move || {
                        for _ in 0..2_000 {
                            drop(enter(calls, caller, None));
                        }
                        full.wait();
                        let entered = (0..10).map_while(|_| enter(calls, caller, None).ok());
                        let entered: Vec<_> = entered.collect();
                        full.wait();
                        entered.len()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(entered, 10);
        assert_eq!(kept(&calls), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn calls_are_counted_as_a_list_of_them_would_be(
            steps in vec((any::<bool>(), 0..5_usize, any::<bool>()), 0..120),
        ) {
            let of = [
                ("user_ada", "client_1"),
                ("user_ada", "client_2"),
                ("user_ada", "client_3"),
                ("user_bob", "client_1"),
                ("user_bob", "client_2"),
            ];
            let callers = callers(&of);
            let acme = Org::only_id("org_acme".to_owned());
            let calls = calls(2, 4);
            let mut model: Vec<(usize, bool, RunningCall)> = Vec::new();
            for (enters, who, in_org) in steps {
                if !enters {
                    if !model.is_empty() {
                        model.remove(who % model.len());
                    }
                    continue;
                }
                let of_user = model.iter().filter(|(other, ..)| of[*other].0 == of[who].0);
                let of_principal = model
                    .iter()
                    .filter(|(other, org, _)| (*other, *org) == (who, in_org));
                let expected = if of_user.count() >= 4 {
                    Err(Full::User)
                } else if of_principal.count() >= 2 {
                    Err(Full::Principal)
                } else {
                    Ok(())
                };
                let entered = enter(&calls, &callers[who], in_org.then_some(&acme));
                prop_assert_eq!(entered.as_ref().map(|_| ()).map_err(|full| *full), expected);
                model.extend(entered.map(|running| (who, in_org, running)));
            }
            drop(model);
            prop_assert_eq!(kept(&calls), (0, 0));
        }
    }

    #[test]
    fn one_token_in_two_organizations_is_two_principals() {
        let authenticator = test_support::offline(test_support::policy());
        let mut claims = test_support::oauth_claims();
        let token = test_support::oauth_token(&claims);
        let bare = test_support::block_on(authenticator.authenticate(&token)).unwrap();
        claims["org_id"] = "org_acme".into();
        let token = test_support::oauth_token(&claims);
        let named = test_support::block_on(authenticator.authenticate(&token)).unwrap();
        let [acme, globex] = ["org_acme", "org_globex"].map(|id| Org::only_id(id.to_owned()));
        for caller in [&bare, &named] {
            let calls = calls(1, 9);
            let _acme = enter(&calls, caller, Some(&acme)).unwrap();
            let globex_first = enter(&calls, caller, Some(&globex)).unwrap();
            // The result of another look-up still means the same organization.
            let again = Org::only_id("org_acme".to_owned());
            assert!(enter(&calls, caller, Some(&again)).is_err());
            assert!(enter(&calls, caller, Some(&globex)).is_err());
            drop(globex_first);
            assert!(enter(&calls, caller, Some(&globex)).is_ok());
        }
        // The source that named the organization does not affect the principal.
        let calls = calls(1, 9);
        let _by_url = enter(&calls, &bare, Some(&acme)).unwrap();
        assert!(enter(&calls, &bare, None).is_ok());
        assert!(enter(&calls, &named, None).is_err());
    }
}
