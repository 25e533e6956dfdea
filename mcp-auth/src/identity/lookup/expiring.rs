//! A cache whose entries expire.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, UnitWeighter, Weighter};

use crate::clock::Clock;

/// A bounded cache. Each entry has its own time of expiry.
pub(crate) struct ExpiringCache<K, V, W = UnitWeighter> {
    clock: Arc<dyn Clock>,
    entries: Cache<K, Entry<V>, W>,
}

/// A value with the uptimes at which it was requested and at which it expires.
#[derive(Clone, Debug)]
pub(crate) struct Entry<V> {
    pub(crate) value: V,
    /// The uptime at which the value was requested. The data of the value may be this old.
    pub(crate) since: Duration,
    /// The uptime at which the value expires.
    pub(crate) until: Duration,
}

/// A value that was found in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Cached<V> {
    pub(crate) value: V,
    /// The uptime at which the value was requested.
    pub(crate) since: Duration,
    /// The age of the value.
    pub(crate) age: Duration,
    /// The time until the value expires.
    pub(crate) rest: Duration,
}

impl<V> Entry<V> {
    /// Creates an entry for a value that was requested at the uptime `since`. The entry expires when `age` has passed
    /// since then.
    pub(crate) fn believed_for(age: Duration, value: V, since: Duration) -> Self {
        Self {
            value,
            since,
            until: since.saturating_add(age),
        }
    }

    /// Creates an entry that is not cached. Only the requests that wait for it get the value.
    pub(crate) fn not_cached(value: V) -> Self {
        Self::believed_for(Duration::ZERO, value, Duration::ZERO)
    }
}

impl<K: Eq + Hash, V: Clone> ExpiringCache<K, V> {
    /// Creates an empty cache of at most `most` entries.
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
    /// Creates an empty cache whose entries weigh at most `most` together. Memory is reserved for `usual` entries.
    pub(crate) fn weighed(most: u64, usual: usize, weighter: W, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            entries: Cache::with_weighter(usual, most, weighter),
        }
    }

    /// Returns the value of the key, unless the value has expired.
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
            since,
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
