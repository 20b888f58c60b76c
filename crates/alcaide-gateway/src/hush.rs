//! A line of the log that strangers can cause, at most so often.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two such lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets one line through in each [`PAUSE`] and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Hush(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<Instant>,
    left_out: u64,
}

impl Hush {
    /// How many lines were left out before this one, if it may be written.
    pub(crate) fn hear(&self, now: Instant) -> Option<u64> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            heard.left_out = heard.left_out.saturating_add(1);
            return None;
        }
        heard.last = Some(now);
        Some(std::mem::take(&mut heard.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_tells_of_the_rest() {
        let (hush, start) = (Hush::default(), Instant::now());
        assert_eq!(hush.hear(start), Some(0));
        for _ in 0..1_000 {
            assert_eq!(hush.hear(start + PAUSE - Duration::from_nanos(1)), None);
        }
        assert_eq!(hush.hear(start + PAUSE), Some(1_000));
        assert_eq!(hush.hear(start + PAUSE + PAUSE), Some(0));
    }
}
