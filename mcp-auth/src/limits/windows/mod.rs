//! How often something happened in a fixed window of time, for many keys.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::limits::BuildNoHash;

/// Counts events per key. A window begins with the first event of a key and has a fixed length; when the
/// window is over, the next event of the key begins a new one.
///
/// The count is exact: with a limit of 100 a minute, exactly 100 of 1 000 events in one minute are allowed,
/// however many threads ask. The crate `governor` is not used here, because its GCRA refills while the window
/// lasts: it would allow event 101 after 600 ms.
///
/// Memory is bounded. A table keeps at most as many windows as it was made for. If a new key comes when the
/// table is full, the table drops the window that ends first, and that window's key starts again from zero.
/// A window that is over is removed when its part of the table is next used.
///
/// INVARIANT: each shard has one entry in `ends` for each window in `windows`, with the same key and end. A
/// window that is over is in neither, once [`Shard::remove_what_is_over`] has run.
pub(crate) struct Windows {
    clock: Arc<dyn Clock>,
    /// Keyed by chance, so that nobody can choose two values that have the same key.
    hashes: RandomState,
    /// A key belongs to the shard that its hash says, so that events of different keys rarely wait for each
    /// other.
    shards: [Mutex<Shard>; SHARDS],
    most_in_shard: usize,
}

/// The 64-bit hash of a value whose events are counted. Two values have the same key with a probability of 2⁻⁶⁴.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key(u64);

/// How many events a window may hold, and how long the window lasts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limit {
    pub(crate) most: u32,
    pub(crate) window: Duration,
}

/// One of several limits refused an event; no limit has counted it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refused<T> {
    /// The limit, as the list names it. If several limits refuse, it is the one with the longest wait.
    pub(crate) by: T,
    /// The time until the window of this limit is over. It is longer than zero.
    pub(crate) wait: Duration,
}

#[derive(Default)]
struct Shard {
    windows: HashMap<Key, Window, BuildNoHash>,
    /// By uptime; the window that ends first is on top.
    ends: BinaryHeap<Reverse<(Duration, Key)>>,
}

struct Window {
    /// By uptime.
    end: Duration,
    events: u32,
}

impl Windows {
    /// A table of at most so many windows, rounded up to a multiple of 32.
    pub(crate) fn new(clock: Arc<dyn Clock>, most_windows: usize) -> Self {
        Self {
            clock,
            hashes: RandomState::new(),
            shards: Default::default(),
            most_in_shard: most_windows.div_ceil(SHARDS).max(1),
        }
    }

    /// The key of a value. Equal values have equal keys in this table, and other keys in every other table.
    pub(crate) fn key(&self, value: impl Hash) -> Key {
        Key(self.hashes.hash_one(value))
    }

    /// Counts an event if the limit allows it.
    ///
    /// # Errors
    /// The time until the window is over, if the limit is reached. The event is not counted then.
    pub(crate) fn take(&self, key: Key, limit: Limit) -> Result<(), Duration> {
        let mut shard = self.lock(key);
        // The uptime is read under the lock: the windows of a shard are in the order of time.
        let now = self.clock.uptime();
        shard.remove_what_is_over(now);
        match shard.wait(key, limit, now) {
            Some(wait) => Err(wait),
            None => {
                shard.count(key, limit.window, now, self.most_in_shard);
                Ok(())
            }
        }
    }

    /// Counts an event under each of the limits if all of them allow it, and under none otherwise. No two limits
    /// of the list have the same key.
    ///
    /// # Errors
    /// [`Refused`] names the limit with the longest wait.
    pub(crate) fn take_all<T: Copy>(&self, limits: &[(Key, Limit, T)]) -> Result<(), Refused<T>> {
        // Every thread locks shards in the order of their places, so that no two wait for each other.
        let mut locked: [Option<MutexGuard<'_, Shard>>; SHARDS] = [const { None }; SHARDS];
        let wanted = |place: usize| limits.iter().any(|(key, ..)| key.shard() == place);
        for (place, (slot, shard)) in locked.iter_mut().zip(&self.shards).enumerate() {
            if wanted(place) {
                *slot = Some(lock(shard));
            }
        }
        let now = self.clock.uptime();
        for shard in locked.iter_mut().flatten() {
            shard.remove_what_is_over(now);
        }
        let refused = limits.iter().filter_map(|(key, limit, by)| {
            let shard = locked.get(key.shard())?.as_ref()?;
            let wait = shard.wait(*key, *limit, now)?;
            Some(Refused { by: *by, wait })
        });
        // If several limits wait equally long, the first of them is named.
        let refused = refused.reduce(|a, b| if b.wait > a.wait { b } else { a });
        if let Some(refused) = refused {
            return Err(refused);
        }
        for (key, limit, _) in limits {
            if let Some(Some(shard)) = locked.get_mut(key.shard()) {
                shard.count(*key, limit.window, now, self.most_in_shard);
            }
        }
        Ok(())
    }

    /// The time until the window of the key is over, if its limit is reached. Nothing is counted.
    pub(crate) fn wait(&self, key: Key, limit: Limit) -> Option<Duration> {
        let mut shard = self.lock(key);
        let now = self.clock.uptime();
        shard.remove_what_is_over(now);
        shard.wait(key, limit, now)
    }

    /// How many windows the table holds.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).windows.len())
            .sum()
    }

    fn lock(&self, key: Key) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.shards;
        lock(self.shards.get(key.shard()).unwrap_or(first))
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows").finish_non_exhaustive()
    }
}

impl Key {
    /// The place of the key's shard. The table in a shard goes by the bits at both ends.
    fn shard(self) -> usize {
        let place = (self.0 >> 32) % SHARDS as u64;
        usize::try_from(place).unwrap_or_default()
    }
}

impl Shard {
    fn remove_what_is_over(&mut self, now: Duration) {
        while let Some(Reverse((end, key))) = self.ends.peek().copied()
            && end <= now
        {
            self.ends.pop();
            self.windows.remove(&key);
        }
    }

    fn wait(&self, key: Key, limit: Limit, now: Duration) -> Option<Duration> {
        match self.windows.get(&key) {
            Some(window) if window.events >= limit.most => Some(window.end.saturating_sub(now)),
            None if limit.most == 0 => Some(limit.window),
            Some(_) | None => None,
        }
    }

    fn count(&mut self, key: Key, window: Duration, now: Duration, most: usize) {
        if let Some(window) = self.windows.get_mut(&key) {
            window.events = window.events.saturating_add(1);
            return;
        }
        if self.windows.len() >= most
            && let Some(Reverse((_, first))) = self.ends.pop()
        {
            self.windows.remove(&first);
        }
        let end = now.saturating_add(window);
        self.windows.insert(key, Window { end, events: 1 });
        self.ends.push(Reverse((end, key)));
    }
}

/// No code that can panic runs under this lock.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 32;

#[cfg(test)]
mod tests;
