//! A pool of a counted resource, such as bytes. A party (a user, a machine or a network) takes an amount from its
//! share, or is refused at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::share::{Group, Party, Shares};

/// A pool from which parties take amounts, and to which they return these amounts. Counts are exact. A party that has
/// returned everything takes no memory.
#[derive(Debug)]
pub(crate) struct Pool {
    shares: Shares,
    taken: Mutex<HashMap<Group, usize>>,
}

/// The share that is used up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exhausted {
    /// The share of everybody together.
    All,
    /// The share of one user or machine.
    Known,
    /// The share of one network of callers without a token.
    Network,
    /// The share of one site of callers without a token.
    Site,
    /// The share of all callers without a token together.
    Strangers,
}

/// The amount that a party has taken. Dropping the value returns the amount.
#[derive(Debug)]
pub(crate) struct Taken {
    pool: Arc<Pool>,
    party: Party,
    amount: usize,
}

impl Pool {
    pub(crate) fn new(shares: Shares) -> Self {
        Self {
            shares,
            taken: Mutex::default(),
        }
    }

    /// Takes an amount for a party.
    ///
    /// # Errors
    /// [`Exhausted`] if a share does not have enough left. In this case nothing is taken.
    pub(crate) fn take(self: &Arc<Self>, party: Party, amount: usize) -> Result<Taken, Exhausted> {
        self.add(party, amount)?;
        Ok(Taken {
            pool: Arc::clone(self),
            party,
            amount,
        })
    }

    fn add(&self, party: Party, amount: usize) -> Result<(), Exhausted> {
        let mut taken = self.lock();
        for group in party.groups() {
            let so_far = taken.get(&group).copied().unwrap_or_default();
            let left = self.shares.most(group).saturating_sub(so_far);
            if amount > left {
                return Err(Exhausted::of(group));
            }
        }
        if amount > 0 {
            for group in party.groups() {
                *taken.entry(group).or_default() += amount;
            }
        }
        Ok(())
    }

    fn give_back(&self, party: Party, amount: usize) {
        let mut taken = self.lock();
        for group in party.groups() {
            let Some(so_far) = taken.get_mut(&group) else {
                continue;
            };
            *so_far = so_far.saturating_sub(amount);
            if *so_far == 0 {
                taken.remove(&group);
            }
        }
    }

    /// Returns the amount that all parties together have taken.
    pub(crate) fn taken(&self) -> usize {
        self.lock().get(&Group::All).copied().unwrap_or_default()
    }

    /// Locks the counts. Ignores poisoning: no code panics while it holds this lock, so the counts cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<Group, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes `more` units in addition, for the same party.
    ///
    /// # Errors
    /// [`Exhausted`] if a share does not have enough left. The party then keeps what it has taken before.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Exhausted> {
        self.pool.add(self.party, more)?;
        self.amount += more;
        Ok(())
    }

    /// Gives a part of the amount back.
    pub(crate) fn shrink(&mut self, less: usize) {
        let less = less.min(self.amount);
        self.pool.give_back(self.party, less);
        self.amount -= less;
    }

    /// Returns the amount that is taken.
    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    /// Gives the amount back when the last slice of these bytes is dropped.
    pub(crate) fn until_dropped(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(CountedBytes {
            bytes,
            _counted: self,
        })
    }
}

/// Bytes that count in a pool until they are dropped.
struct CountedBytes {
    bytes: Bytes,
    _counted: Taken,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A message of at most this number of bytes does not count, because the number of messages has a limit too.
pub(crate) const UNCOUNTED: usize = 16 * 1024;

impl Drop for Taken {
    fn drop(&mut self) {
        self.pool.give_back(self.party, self.amount);
    }
}

impl Exhausted {
    fn of(group: Group) -> Self {
        match group {
            Group::All => Self::All,
            Group::Known(_) => Self::Known,
            Group::Network(_) => Self::Network,
            Group::Site(_) => Self::Site,
            Group::Strangers => Self::Strangers,
        }
    }

    /// Names the share, for a log line.
    pub(crate) fn share(self) -> &'static str {
        match self {
            Self::All => "everybody",
            Self::Known => "one user or machine",
            Self::Network => "callers without a token, from one network",
            Self::Site => "callers without a token, from one site",
            Self::Strangers => "all callers without a token",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::net::Ipv4Addr;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::network::Network;
    use super::*;

    const SHARES: Shares = Shares {
        all: 100,
        known: 60,
        strangers: 40,
        site: 20,
        network: 10,
    };

    /// Two users, and callers without a token from four networks at three sites.
    fn parties() -> [Party; 6] {
        let stranger =
            |third, fourth| Party::Stranger(Network::V4(Ipv4Addr::new(192, 0, third, fourth)));
        [
            Party::Known(1),
            Party::Known(2),
            stranger(2, 1),
            stranger(2, 2),
            stranger(3, 1),
            stranger(4, 1),
        ]
    }

    /// Returns the amount that all members of a group hold, counted one by one.
    fn held(held: &VecDeque<(Party, Taken, usize)>, group: Group) -> usize {
        let members = held
            .iter()
            .filter(|(party, ..)| party.groups().any(|theirs| theirs == group));
        members.map(|(_, _, amount)| amount).sum()
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Take(usize, usize),
        Grow(usize),
        Drop,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6_usize, 0..40_usize).prop_map(|(party, amount)| Step::Take(party, amount)),
            2 => (0..40_usize).prop_map(Step::Grow),
            3 => Just(Step::Drop),
        ]
    }

    proptest! {
        #[test]
        fn grants_and_refusals_agree_with_counting_one_by_one(steps in vec(step(), 0..200)) {
            let pool = Arc::new(Pool::new(SHARES));
            let mut all: VecDeque<(Party, Taken, usize)> = VecDeque::new();
            for step in steps {
                let fits = |party: Party, amount: usize, all: &VecDeque<_>| {
                    let full = |group: &Group| held(all, *group) + amount > SHARES.most(*group);
                    party.groups().find(full).map_or(Ok(()), |group| Err(Exhausted::of(group)))
                };
                match step {
                    Step::Take(party, amount) => {
                        let party = parties()[party];
                        let expected = fits(party, amount, &all);
                        let taken = pool.take(party, amount);
                        prop_assert_eq!(taken.as_ref().map(|_| ()).map_err(|refused| *refused), expected);
                        all.extend(taken.map(|taken| (party, taken, amount)));
                    }
                    Step::Grow(more) => {
                        let Some((party, mut taken, amount)) = all.pop_front() else { continue };
                        all.push_front((party, taken, amount));
                        let expected = fits(party, more, &all);
                        (_, taken, _) = all.pop_front().unwrap();
                        prop_assert_eq!(taken.grow(more), expected);
                        let amount = if expected.is_ok() { amount + more } else { amount };
                        prop_assert_eq!(taken.amount(), amount);
                        all.push_back((party, taken, amount));
                    }
                    Step::Drop => drop(all.pop_front()),
                }
            }
            all.clear();
            prop_assert!(pool.lock().is_empty());
        }
    }

    #[test]
    fn eight_threads_take_no_more_than_there_is_and_give_all_of_it_back() {
        let pool = Arc::new(Pool::new(SHARES));
        let (now, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (start, full) = (Barrier::new(8), Barrier::new(8));
        let granted: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..8_usize)
                .map(|worker| {
                    let (pool, now, peak, start, full) = (&pool, &now, &peak, &start, &full);
                    scope.spawn(move || {
                        let party = Party::Known((worker % 2) as u64);
                        for _ in 0..2_000 {
                            if let Ok(taken) = pool.take(party, 3) {
                                let held = now.fetch_add(3, Ordering::SeqCst) + 3;
                                peak.fetch_max(held, Ordering::SeqCst);
                                now.fetch_sub(3, Ordering::SeqCst);
                                drop(taken);
                            }
                        }
                        start.wait();
                        let held: Vec<_> =
                            (0..50).map_while(|_| pool.take(party, 1).ok()).collect();
                        full.wait();
                        held.len()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        // The parties together wanted more than the pool had, and the pool granted everything that
        // it had.
        assert_eq!(granted, SHARES.all);
        assert!(peak.load(Ordering::SeqCst) <= SHARES.all);
        assert!(pool.lock().is_empty());
    }
}
