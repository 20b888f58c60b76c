//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alcaide_inventory::Moment;

/// Moments that only the test moves on. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    micros: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that stands at `moment`.
    #[must_use]
    pub fn at(moment: Moment) -> Self {
        Self { micros: Arc::new(AtomicU64::new(moment.micros())) }
    }

    /// Moves on by `step`; stops at the last moment there is instead of starting over.
    pub fn advance(&self, step: Duration) {
        let step = u64::try_from(step.as_micros()).unwrap_or(u64::MAX);
        // The closure always gives a value, so the update cannot fail.
        let _ = self
            .micros
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add(step)));
    }

    /// Stands at `moment` from now on, also if that is earlier: machines' clocks do that.
    pub fn set(&self, moment: Moment) {
        self.micros.store(moment.micros(), Ordering::SeqCst);
    }

    /// Where the clock stands.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::from_micros(self.micros.load(Ordering::SeqCst))
    }

    /// The clock as a function, for those who ask for the time that way.
    pub fn reader(&self) -> impl Fn() -> Moment + Clone + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_test_moves_it() {
        let clock = Clock::at(Moment::from_secs(100));
        let read = clock.reader();
        assert_eq!(read(), Moment::from_secs(100));
        clock.clone().advance(Duration::from_millis(1500));
        assert_eq!(read(), Moment::from_micros(101_500_000));
        clock.set(Moment::from_secs(7));
        assert_eq!(read(), Moment::from_secs(7));
        clock.advance(Duration::MAX);
        assert_eq!(read(), Moment::from_micros(u64::MAX));
    }
}
