//! A queue for a scarce resource, such as threads. A party waits until its share has a free place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::share::{Group, Party, Shares};

/// Places for which parties wait, first come first served. A party whose share is in use waits until one of its own
/// places is free. While it waits, it takes no place from other parties.
#[derive(Debug)]
pub(crate) struct Queue {
    shares: Shares,
    /// The groups with a party that is in the queue or has a place.
    groups: Mutex<HashMap<Group, Arc<Semaphore>>>,
}

/// A place. Dropping the value lets the next party in.
#[derive(Debug)]
pub(crate) struct Place {
    /// Rust drops this field before `_groups`. Dropping `_groups` removes each group whose semaphore no other party
    /// uses.
    _permits: Vec<OwnedSemaphorePermit>,
    _groups: InGroups,
}

/// The groups of a party that is in the queue or has a place.
#[derive(Debug)]
struct InGroups {
    queue: Arc<Queue>,
    groups: Vec<(Group, Arc<Semaphore>)>,
}

impl Queue {
    pub(crate) fn new(shares: Shares) -> Self {
        Self {
            shares,
            groups: Mutex::default(),
        }
    }

    /// Waits for a place. Dropping the future leaves the queue.
    pub(crate) async fn enter(self: &Arc<Self>, party: Party) -> Option<Place> {
        let groups = self.join(party);
        let mut permits = Vec::with_capacity(groups.groups.len());
        // The smallest group comes first. A party that waits for its own places therefore takes no place of a larger
        // group.
        for (_, places) in &groups.groups {
            // The semaphores are never closed.
            permits.push(Arc::clone(places).acquire_owned().await.ok()?);
        }
        Some(Place {
            _permits: permits,
            _groups: groups,
        })
    }

    fn join(self: &Arc<Self>, party: Party) -> InGroups {
        let mut groups = self.lock();
        let joined = party.groups().map(|group| {
            let most = self.shares.most(group).min(Semaphore::MAX_PERMITS);
            let places = groups
                .entry(group)
                .or_insert_with(|| Arc::new(Semaphore::new(most)));
            (group, Arc::clone(places))
        });
        InGroups {
            queue: Arc::clone(self),
            groups: joined.collect(),
        }
    }

    /// Locks the table. Ignores poisoning: no code panics while it holds this lock, so the table cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<Group, Arc<Semaphore>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InGroups {
    fn drop(&mut self) {
        let mut groups = self.queue.lock();
        for (group, places) in self.groups.drain(..) {
            drop(places);
            // If other parties of the group exist, they also hold the semaphore. Without other parties, only the table
            // holds it.
            if groups
                .get(&group)
                .is_some_and(|left| Arc::strong_count(left) == 1)
            {
                groups.remove(&group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::{FutureExt, poll};

    use super::super::network::Network;
    use super::*;

    const ADA: Party = Party::Known(1);
    const GRACE: Party = Party::Known(2);

    fn queue(all: usize, known: usize) -> Arc<Queue> {
        Arc::new(Queue::new(Shares::of(all, known, 1)))
    }

    fn stranger(third: u8, fourth: u8) -> Party {
        Party::Stranger(Network::V4(Ipv4Addr::new(192, 0, third, fourth)))
    }

    /// Takes places until no place is free.
    fn fill(queue: &Arc<Queue>, party: Party) -> Vec<Place> {
        std::iter::from_fn(|| queue.enter(party).now_or_never().flatten()).collect()
    }

    #[test]
    fn a_party_gets_its_share_and_leaves_the_rest_to_others() {
        let queue = queue(64, 32);
        let ada = fill(&queue, ADA);
        assert_eq!(ada.len(), 32);
        // A network may have 4 places, a site 8, and all callers without a token together 16.
        let networks = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)];
        let strangers = networks.map(|(third, fourth)| fill(&queue, stranger(third, fourth)));
        let places: Vec<_> = strangers.iter().map(Vec::len).collect();
        assert_eq!(places, [4, 4, 0, 4, 4, 0]);
        let grace = fill(&queue, GRACE);
        assert_eq!(grace.len(), 16);
        assert_eq!(fill(&queue, Party::Known(3)).len(), 0);
        drop((ada, grace, strangers));
        assert!(queue.lock().is_empty());
    }

    #[test]
    fn a_party_that_waits_for_its_own_share_holds_no_place_of_others() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let queue = queue(2, 1);
            let first = fill(&queue, ADA);
            let mut second = Box::pin(queue.enter(ADA));
            assert!(poll!(&mut second).is_pending());
            let grace = fill(&queue, GRACE);
            assert_eq!((first.len(), grace.len()), (1, 1));
            drop(first);
            assert!(second.await.is_some());
            drop(grace);
            assert!(queue.lock().is_empty());
        });
    }

    #[test]
    fn a_party_that_stops_waiting_is_forgotten_and_the_next_one_moves_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let queue = queue(1, 1);
            let first = fill(&queue, ADA);
            let mut gone = Box::pin(queue.enter(GRACE));
            let mut next = Box::pin(queue.enter(stranger(1, 1)));
            assert!(poll!(&mut gone).is_pending());
            assert!(poll!(&mut next).is_pending());
            drop(gone);
            drop(first);
            let last = next.await;
            assert!(last.is_some());
            drop(last);
            assert!(queue.lock().is_empty());
        });
    }
}
