//! How often a child fell lately, and how long to wait before the next start.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::bounds::Bounds;

/// The falls of one child's place.
#[derive(Debug, Default)]
pub(super) struct Falls {
    /// Oldest first; never more than [`Bounds::falls`].
    at: VecDeque<Instant>,
    given_up: Option<Instant>,
}

/// Whether a child may be started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    Now,
    /// After so long.
    In(Duration),
    /// Not for so long.
    GivenUp(Duration),
}

impl Falls {
    /// A child fell.
    pub(super) fn note(&mut self, bounds: &Bounds, now: Instant) {
        self.forget(bounds, now);
        self.at.push_back(now);
        if self.at.len() >= bounds.falls {
            self.at.clear();
            self.given_up = now.checked_add(bounds.give_up);
        }
    }

    /// Whether one may be started.
    pub(super) fn start(&mut self, bounds: &Bounds, now: Instant) -> Start {
        self.forget(bounds, now);
        if let Some(until) = self.given_up {
            return Start::GivenUp(until.saturating_duration_since(now));
        }
        let Some(last) = self.at.back() else { return Start::Now };
        let doublings = u32::try_from(self.at.len().saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let pause = bounds.pause.saturating_mul(1 << doublings).min(bounds.pause_max);
        let rest = pause.saturating_sub(now.saturating_duration_since(*last));
        if rest.is_zero() { Start::Now } else { Start::In(rest) }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_quiet(&mut self, bounds: &Bounds, now: Instant) -> bool {
        self.forget(bounds, now);
        self.at.is_empty() && self.given_up.is_none()
    }

    fn forget(&mut self, bounds: &Bounds, now: Instant) {
        self.given_up = self.given_up.filter(|until| *until > now);
        while self.at.front().is_some_and(|at| now.saturating_duration_since(*at) >= bounds.window) {
            self.at.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_double_to_their_bound_and_then_a_child_is_given_up_for_a_while() {
        let bounds = Bounds::default();
        let (mut falls, mut now) = (Falls::default(), Instant::now());
        assert_eq!(falls.start(&bounds, now), Start::Now);
        for pause_ms in [250, 500, 1_000, 2_000] {
            falls.note(&bounds, now);
            assert_eq!(falls.start(&bounds, now), Start::In(Duration::from_millis(pause_ms)));
            now += Duration::from_millis(pause_ms - 1);
            assert_eq!(falls.start(&bounds, now), Start::In(Duration::from_millis(1)));
            now += Duration::from_millis(1);
            assert_eq!(falls.start(&bounds, now), Start::Now);
        }
        falls.note(&bounds, now);
        assert_eq!(falls.start(&bounds, now), Start::GivenUp(bounds.give_up));
        assert!(!falls.is_quiet(&bounds, now));
        now += bounds.give_up;
        assert_eq!(falls.start(&bounds, now), Start::Now);
        assert!(falls.is_quiet(&bounds, now));
    }

    #[tokio::test]
    async fn falls_long_ago_do_not_count() {
        let bounds = Bounds::default();
        let (mut falls, mut now) = (Falls::default(), Instant::now());
        for _ in 0..20 {
            falls.note(&bounds, now);
            assert!(matches!(falls.start(&bounds, now), Start::In(pause) if pause == bounds.pause));
            now += bounds.window;
        }
        assert!(falls.is_quiet(&bounds, now));
    }
}
