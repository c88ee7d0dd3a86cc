//! A bounded memory of what the store said, valid for one management epoch.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

/// Remembers values until the epoch under which they were read is over.
///
/// The epoch is asked for *before* the store is read, so that a value that was read while things
/// changed is remembered under the old epoch and never found again.
pub(crate) struct EpochCache<K, V> {
    entries: RwLock<HashMap<K, (u64, V)>>,
    entries_max: usize,
}

impl<K: Eq + Hash, V: Clone> EpochCache<K, V> {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { entries: RwLock::new(HashMap::new()), entries_max }
    }

    pub(crate) fn find(&self, epoch: u64, key: &K) -> Option<V> {
        // A panic while the lock was held cannot leave the map half-written: it is only a cache.
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(read_in, _)| *read_in == epoch).map(|(_, value)| value.clone())
    }

    pub(crate) fn remember(&self, epoch: u64, key: K, value: V) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.entries_max && !entries.contains_key(&key) {
            // Full: forget all. What is in use comes back with its next request.
            entries.clear();
        }
        entries.insert(key, (epoch, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_for_its_epoch_and_the_cache_stays_bounded() {
        let cache = EpochCache::new(2);
        cache.remember(1, "a", 1);
        assert_eq!(cache.find(1, &"a"), Some(1));
        assert_eq!(cache.find(2, &"a"), None);
        cache.remember(2, "a", 2);
        assert_eq!(cache.find(2, &"a"), Some(2));
        cache.remember(2, "b", 3);
        cache.remember(2, "c", 4);
        assert_eq!(cache.find(2, &"a"), None);
        assert_eq!(cache.find(2, &"c"), Some(4));
    }
}
