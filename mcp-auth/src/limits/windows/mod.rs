//! Counts of events in fixed windows of time, for many keys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

use super::nohash::NoHashMap;

/// Counts events per key. A window begins with the first event of a key and has a fixed length. After the end of the
/// window, the next event of the key begins a new window.
///
/// The count is exact. With a limit of 100 a minute, exactly 100 of 1 000 events in one minute are allowed, independent
/// of the number of threads. The crate `governor` does not fit, because its GCRA refills while the window lasts: it
/// would allow event 101 after 600 ms.
///
/// Memory is bounded, because a table has a maximum number of windows. If the table is full and a new key needs a
/// window, the table drops the window that ends first. The key of the dropped window then starts again from zero. A
/// window that has ended is removed when the table is next used.
pub(crate) struct Windows {
    clock: Arc<dyn Clock>,
    /// The hash function for keys. Its random key prevents an attacker from choosing two values with the same hash.
    hashes: RandomState,
    most_windows: usize,
    table: Mutex<Table>,
}

/// The 64-bit hash of a value whose events are counted. Two values have the same key with a
/// probability of 2⁻⁶⁴.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key(u64);

/// The number of events that a window allows, and the length of the window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limit {
    pub(crate) most: u32,
    pub(crate) window: Duration,
}

/// One of several limits refused an event. No limit has counted the event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OverLimit<T> {
    /// The limit that refused, by its name in the list. If several limits refuse, this is the limit
    /// with the longest wait.
    pub(crate) by: T,
    /// The time until the window of this limit is over. It is longer than zero.
    pub(crate) wait: Duration,
}

/// INVARIANT: `ends` has one entry for each window in `windows`, with the same key and end. After
/// [`Table::remove_ended`] has run, neither contains a window that has ended.
#[derive(Default)]
struct Table {
    windows: NoHashMap<Key, Window>,
    /// The ends of the windows, by uptime. The window that ends first is on top.
    ends: BinaryHeap<Reverse<(Duration, Key)>>,
}

struct Window {
    /// The end of the window, by uptime.
    end: Duration,
    events: u32,
}

impl Windows {
    /// Creates a table of at most `most_windows` windows.
    pub(crate) fn new(clock: Arc<dyn Clock>, most_windows: usize) -> Self {
        Self {
            clock,
            hashes: RandomState::new(),
            most_windows: most_windows.max(1),
            table: Mutex::default(),
        }
    }

    /// Returns the key of a value. Equal values have equal keys in this table, but other keys in another table.
    pub(crate) fn key(&self, value: impl Hash) -> Key {
        Key(self.hashes.hash_one(value))
    }

    /// Counts an event if the limit allows it.
    ///
    /// # Errors
    /// The time until the window is over, if the limit is reached. In this case the event is not counted.
    pub(crate) fn take(&self, key: Key, limit: Limit) -> Result<(), Duration> {
        self.take_all(&[(key, limit, ())])
            .map_err(|refused| refused.wait)
    }

    /// Counts an event under each of the limits if all of the limits allow the event. Otherwise counts the event under
    /// no limit. All limits of the list must have different keys.
    ///
    /// # Errors
    /// [`OverLimit`] names the limit with the longest wait.
    pub(crate) fn take_all<T: Copy>(&self, limits: &[(Key, Limit, T)]) -> Result<(), OverLimit<T>> {
        let (mut table, now) = self.lock();
        let refused = limits.iter().filter_map(|(key, limit, by)| {
            let wait = table.wait(*key, *limit, now)?;
            Some(OverLimit { by: *by, wait })
        });
        // If several limits have the same wait, the first of them is named.
        let refused = refused.reduce(|a, b| if b.wait > a.wait { b } else { a });
        if let Some(refused) = refused {
            return Err(refused);
        }
        for (key, limit, _) in limits {
            table.count(*key, limit.window, now, self.most_windows);
        }
        Ok(())
    }

    /// Returns the time until the window of the key is over, if its limit is reached. Counts no event.
    pub(crate) fn wait(&self, key: Key, limit: Limit) -> Option<Duration> {
        let (table, now) = self.lock();
        table.wait(key, limit, now)
    }

    /// Removes the windows that have ended. Returns the table and the uptime. The uptime is read under the lock, so
    /// that windows begin in the order of time.
    fn lock(&self) -> (MutexGuard<'_, Table>, Duration) {
        // Ignore poisoning: no code panics while it holds this lock, so the table cannot be half changed.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.uptime();
        table.remove_ended(now);
        (table, now)
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows").finish_non_exhaustive()
    }
}

impl Table {
    fn remove_ended(&mut self, now: Duration) {
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

#[cfg(test)]
mod tests;
