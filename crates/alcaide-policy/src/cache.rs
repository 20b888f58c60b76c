//! A bounded memory for answers: sixteen maps, each under its own lock. A map that is full is emptied, which is
//! simple, cheap, and forgets nothing that cannot be worked out again.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug)]
pub(crate) struct Shards<K, V> {
    maps: [RwLock<HashMap<K, Arc<V>>>; SHARDS],
    most_each: usize,
}

const SHARDS: usize = 16;

impl<K: Eq + Hash, V> Shards<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { maps: Default::default(), most_each: most.div_ceil(SHARDS) }
    }

    /// Remembers an answer; `spread` chooses the map and must be the same when it is looked for.
    pub(crate) fn keep(&self, spread: u64, key: K, value: Arc<V>) {
        let Some(map) = self.map(spread) else { return };
        // A panic while the lock was held can only have left a whole map: no value is built under the lock.
        let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= self.most_each {
            map.clear();
        }
        map.insert(key, value);
    }

    pub(crate) fn find<Q: Eq + Hash + ?Sized>(&self, spread: u64, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.map(spread)?.read().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone)
    }

    fn map(&self, spread: u64) -> Option<&RwLock<HashMap<K, Arc<V>>>> {
        let at = spread ^ (spread >> 4) ^ (spread >> 8);
        // INVARIANT: four bits are below 16.
        self.maps.get(usize::try_from(at & 15).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_it_keeps_and_never_grows_past_its_bound() {
        let shards: Shards<u64, u64> = Shards::new(160);
        for key in 0..10_000 {
            shards.keep(key, key, Arc::new(key));
            assert_eq!(shards.find(key, &key).as_deref(), Some(&key));
        }
        let kept: usize = shards.maps.iter().map(|map| map.read().unwrap().len()).sum();
        assert!(kept <= 160, "{kept}");
    }
}
