//! A cache whose entries expire.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, UnitWeighter, Weighter};

use crate::clock::Clock;

/// A bounded cache. Each entry says how long it is believed.
pub(crate) struct ExpiringCache<K, V, W = UnitWeighter> {
    clock: Arc<dyn Clock>,
    entries: Cache<K, Entry<V>, W>,
}

/// A value with its age and its end, both by uptime.
#[derive(Clone, Debug)]
pub(crate) struct Entry<V> {
    pub(crate) value: V,
    /// The value is at least as old as this.
    pub(crate) since: Duration,
    /// The value is not returned from here on.
    pub(crate) until: Duration,
}

/// A value that was found in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Cached<V> {
    pub(crate) value: V,
    /// How old the value is.
    pub(crate) age: Duration,
    /// How long the value is still believed.
    pub(crate) rest: Duration,
}

impl<V> Entry<V> {
    /// A value that was asked for at the uptime `since`, and is believed for `age` from there on.
    pub(crate) fn believed_for(age: Duration, value: V, since: Duration) -> Self {
        Self {
            value,
            since,
            until: since.saturating_add(age),
        }
    }

    /// A value for the requests that wait for it, and for no later request.
    pub(crate) fn not_cached(value: V) -> Self {
        Self::believed_for(Duration::ZERO, value, Duration::ZERO)
    }
}

impl<K: Eq + Hash, V: Clone> ExpiringCache<K, V> {
    /// An empty cache of at most `most` entries.
    pub(crate) fn new(most: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            entries: Cache::new(most),
        }
    }
}

impl<K, V, W> ExpiringCache<K, V, W>
where
    K: Eq + Hash,
    V: Clone,
    W: Weighter<K, Entry<V>> + Clone,
{
    /// An empty cache of at most this weight. `usual` is the number of entries for which space is
    /// reserved.
    pub(crate) fn weighed(most: u64, usual: usize, weighter: W, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            entries: Cache::with_weighter(usual, most, weighter),
        }
    }

    /// The value of the key, unless it is expired.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<Cached<V>>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        let Entry {
            value,
            since,
            until,
        } = self.entries.get(key)?;
        let now = self.clock.uptime();
        (now < until).then(|| Cached {
            value,
            age: now.saturating_sub(since),
            rest: until.saturating_sub(now),
        })
    }

    pub(crate) fn insert(&self, key: K, entry: Entry<V>) {
        if entry.since < entry.until {
            self.entries.insert(key, entry);
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn clear(&self) {
        self.entries.clear();
    }

    #[cfg(test)]
    pub(crate) fn entries(&self) -> &Cache<K, Entry<V>, W> {
        &self.entries
    }
}
