//! The connections of a server. The registry limits the number of connections, in total and for each network. At a
//! limit, it chooses the connection that is evicted for a new connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::time::Instant;

use crate::limits::{Network, Networks};
use crate::metrics::Metrics;

use super::limits::ConnectionLimits;

/// All connections of a server, over all workers.
#[derive(Debug)]
pub(super) struct Registry {
    most: usize,
    most_per_network: usize,
    proxies: Networks,
    begun: Instant,
    places: Mutex<Places>,
    refusals: AtomicUsize,
    metrics: Metrics,
}

impl Registry {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self {
            most: limits.connections,
            most_per_network: limits.per_network,
            proxies: limits.proxies.clone(),
            begun: Instant::now(),
            places: Mutex::default(),
            refusals: AtomicUsize::new(0),
            metrics: limits.metrics.clone(),
        }
    }

    /// Admits a new connection. At a limit, evicts the connections that have been idle for longest. At the limit of a
    /// network, these are connections of this network. At the total limit, they are connections of the network with the
    /// most connections. Returns `None` if all these connections have a call in flight.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Place> {
        let network = Network::of(peer);
        let is_proxy = self.proxies.contain(peer);
        let mut places = self.lock();
        let of_network = places
            .networks
            .get(&network)
            .map_or(0, |held| held.slots.len());
        if !is_proxy && of_network >= self.most_per_network {
            self.metrics.limit_hit("connections_per_network");
            places.give_way(Some(network), at_once(self.most_per_network))?;
        }
        if places.total >= self.most {
            self.metrics.limit_hit("connections");
            places.give_way(None, at_once(self.most))?;
        }
        let slot = Arc::new(Slot::idle(self.since_start(now)));
        let held = places.networks.entry(network).or_insert_with(|| Held {
            is_proxy,
            slots: Vec::new(),
        });
        held.slots.push(Arc::clone(&slot));
        places.total += 1;
        drop(places);
        Some(Place {
            registry: Arc::clone(self),
            network,
            slot,
        })
    }

    /// Returns the number of open connections.
    pub(super) fn open(&self) -> usize {
        self.lock().total
    }

    /// Permits that a connection is answered with 503. Returns `None` if the server is already sending the largest
    /// number of such responses.
    pub(super) fn refusal(self: &Arc<Self>) -> Option<Refusing> {
        let guard = Refusing(Arc::clone(self));
        let before = self.refusals.fetch_add(1, Ordering::Relaxed);
        (before < MOST_REFUSING).then_some(guard)
    }

    fn since_start(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.begun).as_micros();
        u64::try_from(passed)
            .unwrap_or(TRANSFER - 1)
            .min(TRANSFER - 1)
    }

    /// Locks the places. Ignores poisoning: the code that holds this lock only adds and removes places, so a panic
    /// leaves no place half changed.
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refusal that is being sent. Dropping the value ends the refusal.
#[derive(Debug)]
pub(super) struct Refusing(Arc<Registry>);

impl Drop for Refusing {
    fn drop(&mut self) {
        self.0.refusals.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Places {
    networks: HashMap<Network, Held>,
    total: usize,
}

/// The connections of one network.
#[derive(Debug)]
struct Held {
    is_proxy: bool,
    slots: Vec<Arc<Slot>>,
}

impl Places {
    /// Evicts up to `most` connections of one network, or of all networks. Returns `None` if no
    /// connection could be evicted.
    fn give_way(&mut self, of: Option<Network>, most: usize) -> Option<()> {
        let mut candidates = Vec::new();
        let networks: Vec<_> = match &of {
            Some(of) => self.networks.get_key_value(of).into_iter().collect(),
            None => self.networks.iter().collect(),
        };
        for (network, held) in networks {
            // The connections of a proxy belong to many clients, so no limit of a network applies to them.
            let size = if held.is_proxy { 1 } else { held.slots.len() };
            for slot in &held.slots {
                let state = slot.0.load(Ordering::Relaxed);
                if state < IN_CALL {
                    candidates.push(Candidate {
                        size,
                        state,
                        network: *network,
                        slot,
                    });
                }
            }
        }
        candidates.sort_unstable_by_key(Candidate::order);
        let mut evicted = Vec::new();
        for candidate in candidates {
            if evicted.len() >= most {
                break;
            }
            if candidate.slot.evict(candidate.state) {
                evicted.push((candidate.network, Arc::clone(candidate.slot)));
            }
        }
        for (network, slot) in &evicted {
            self.remove(*network, slot);
        }
        (!evicted.is_empty()).then_some(())
    }

    fn remove(&mut self, network: Network, slot: &Arc<Slot>) {
        let Entry::Occupied(mut entry) = self.networks.entry(network) else {
            return;
        };
        let slots = &mut entry.get_mut().slots;
        let Some(at) = slots.iter().position(|held| Arc::ptr_eq(held, slot)) else {
            return;
        };
        slots.swap_remove(at);
        self.total -= 1;
        if slots.is_empty() {
            entry.remove();
        }
    }
}

/// A connection that can be evicted.
struct Candidate<'a> {
    size: usize,
    state: u64,
    network: Network,
    slot: &'a Arc<Slot>,
}

impl Candidate<'_> {
    /// The order of eviction. Connections of the network with the most connections come first. Within a network,
    /// connections that wait for a request come before connections that transfer data. Among connections in the same
    /// state, the connection that has been in the state for longest comes first.
    fn order(&self) -> (std::cmp::Reverse<usize>, u64) {
        (std::cmp::Reverse(self.size), self.state)
    }
}

/// An admitted connection. Dropping the value makes room for another connection.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    network: Network,
    slot: Arc<Slot>,
}

impl Place {
    /// Sets the state to "idle": the connection is waiting for a request. `since` is when this began.
    pub(super) fn idle(&self, since: Instant) {
        self.slot.set(self.registry.since_start(since));
    }

    /// Sets the state to "transfer": a body is arriving, or a response is waiting for its client. `since` is when this
    /// began.
    pub(super) fn transfer(&self, since: Instant) {
        self.slot.set(TRANSFER | self.registry.since_start(since));
    }

    /// Sets the state to "in a call": the connection cannot be evicted. Returns false if the connection was already
    /// evicted.
    #[must_use]
    pub(super) fn call(&self) -> bool {
        self.slot.set(IN_CALL)
    }

    /// Returns true if the connection was evicted.
    pub(super) fn is_evicted(&self) -> bool {
        self.slot.0.load(Ordering::Relaxed) == EVICTED
    }

    /// Registers the task to wake if the connection is evicted.
    pub(super) fn wake_when_evicted(&self, waker: &Waker) {
        *self.slot.waker() = Some(waker.clone());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slot.waker().take();
        self.registry.lock().remove(self.network, &self.slot);
    }
}

/// The state of a connection as one number. The states are: idle since a time, transferring data since a time (both
/// times in microseconds), in a call, and evicted.
#[derive(Debug)]
struct Slot(AtomicU64, Mutex<Option<Waker>>);

impl Slot {
    fn idle(since: u64) -> Self {
        Self(AtomicU64::new(since), Mutex::new(None))
    }

    /// Sets the state. Only the connection calls this, and only an eviction changes the state otherwise. Returns false,
    /// and changes nothing, if the connection was evicted.
    fn set(&self, state: u64) -> bool {
        let current = self.0.load(Ordering::Relaxed);
        current != EVICTED
            && self
                .0
                .compare_exchange(current, state, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Evicts the connection if its state has not changed.
    fn evict(&self, state: u64) -> bool {
        let evicted = self
            .0
            .compare_exchange(state, EVICTED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if evicted && let Some(waker) = self.waker().take() {
            waker.wake();
        }
        evicted
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of connections that the server evicts in one search when a limit is reached. A search reads the state of
/// every open connection, so the server must not need one search for each new connection of a flood.
fn at_once(limit: usize) -> usize {
    (limit / 256).max(1)
}

/// The bit that marks a transfer. Because of this bit, the number of every idle connection is smaller than the number
/// of every transferring connection.
const TRANSFER: u64 = 1 << 62;
const IN_CALL: u64 = u64::MAX - 1;
const EVICTED: u64 = u64::MAX;
/// The largest number of connections that are answered with 503 at the same time. Further
/// connections are closed without a response.
const MOST_REFUSING: usize = 32;
