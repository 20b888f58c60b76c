//! What the gate holds of exchanges in flight: which call was cancelled, what a server asked of a caller, which answers
//! are still to come. Bounded; lost at a restart, after which what nobody waits for is dropped.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alcaide_wire::jsonrpc::Id;
use alcaide_wire::mcp::Method;

use super::ending::Ends;
use super::era::Eras;
use super::kept::Keeping;
use super::seal::{Place, Sealer};
use crate::content::Demands;
use crate::reply::Reading;

/// Most entries of each list; past it the oldest is forgotten.
const HELD_MAX: usize = 10_000;

/// How an answer is read, and what was demanded of its call.
pub(crate) type Parked = (Arc<Reading>, Demands);

/// One request in one session of one caller.
pub(crate) type Key = (Place, Arc<str>, Id<'static>);

/// All of it.
pub(crate) struct McpState {
    pub(crate) sealer: Sealer,
    pub(crate) eras: Eras,
    pub(crate) keeping: Keeping,
    pub(crate) ends: Ends,
    /// Calls on their way, and whether they were cancelled.
    open: Mutex<HashMap<Key, Arc<AtomicBool>>>,
    /// What servers asked of callers.
    asked: Mutex<Recent<Key, Method>>,
    /// How answers are to be read whose stream ended before they came.
    parked: Mutex<Recent<Key, Parked>>,
}

impl McpState {
    pub(crate) fn new(sealer: Sealer) -> Self {
        Self {
            sealer,
            eras: Eras::default(),
            keeping: Keeping::default(),
            ends: Ends::default(),
            open: Mutex::default(),
            asked: Mutex::default(),
            parked: Mutex::default(),
        }
    }

    /// Notes a call until the guard is dropped.
    pub(crate) fn open(self: &Arc<Self>, key: Key) -> Open {
        let cancelled = Arc::new(AtomicBool::new(false));
        lock(&self.open).insert(key.clone(), Arc::clone(&cancelled));
        Open { state: Arc::clone(self), key, cancelled }
    }

    /// A call was cancelled by its caller.
    pub(crate) fn cancel(&self, key: &Key) {
        if let Some(flag) = lock(&self.open).get(key) {
            flag.store(true, Ordering::Release);
        }
    }

    /// The calls of this id that a caller has on their way to single servers, in a session of its own (`session`) or one
    /// that the gate keeps.
    pub(crate) fn on_the_way(&self, place: &Place, session: &str, id: &Id<'_>) -> Vec<Key> {
        let is_own = |(at, own, one): &&Key| {
            (at.actor, at.task) == (place.actor, place.task)
                && at.server.is_some()
                && (own.is_empty() || **own == *session)
                && one == id
        };
        lock(&self.open).keys().filter(is_own).cloned().collect()
    }

    /// A server's request goes to the caller.
    pub(crate) fn ask(&self, key: Key, method: Method) {
        lock(&self.asked).put(key, method);
    }

    /// The request that a caller answers; it can be answered once.
    pub(crate) fn answered(&self, key: &Key) -> Option<Method> {
        lock(&self.asked).take(key)
    }

    /// An answer will come on another stream.
    pub(crate) fn park(&self, key: Key, parked: Parked) {
        lock(&self.parked).put(key, parked);
    }

    /// How the answer to a parked call is to be read.
    pub(crate) fn unpark(&self, key: &Key) -> Option<Parked> {
        lock(&self.parked).take(key)
    }
}

/// A call on its way.
pub(crate) struct Open {
    state: Arc<McpState>,
    key: Key,
    cancelled: Arc<AtomicBool>,
}

impl Open {
    /// Whether the caller took it back.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Which call.
    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = lock(&self.state.open);
        // Another call may have taken the same id meanwhile.
        if open.get(&self.key).is_some_and(|flag| Arc::ptr_eq(flag, &self.cancelled)) {
            open.remove(&self.key);
        }
    }
}

/// A map that forgets its oldest entries.
struct Recent<K, V> {
    map: HashMap<K, (V, u64)>,
    order: VecDeque<(K, u64)>,
    count: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { map: HashMap::new(), order: VecDeque::new(), count: 0 }
    }
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    fn put(&mut self, key: K, value: V) {
        self.count = self.count.wrapping_add(1);
        self.order.push_back((key.clone(), self.count));
        self.map.insert(key, (value, self.count));
        while self.order.len() > HELD_MAX {
            let Some((key, number)) = self.order.pop_front() else { break };
            if self.map.get(&key).is_some_and(|(_, known)| *known == number) {
                self.map.remove(&key);
            }
        }
    }

    fn take(&mut self, key: &K) -> Option<V> {
        self.map.remove(key).map(|(value, _)| value)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is held under these locks stays usable after a panic: single inserts and removals.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_one_past_the_limit() {
        let mut recent: Recent<usize, usize> = Recent::default();
        for at in 0..=HELD_MAX {
            recent.put(at, at);
        }
        assert_eq!(recent.take(&0), None);
        assert_eq!(recent.take(&1), Some(1));
        assert_eq!(recent.take(&1), None);
        recent.put(HELD_MAX, 7);
        assert_eq!(recent.take(&HELD_MAX), Some(7));
        assert_eq!(recent.order.len(), HELD_MAX);
    }
}
