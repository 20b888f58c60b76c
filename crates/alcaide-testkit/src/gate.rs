//! A gate that a test opens: the way to make a peer wait for an event instead of a time.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed at first; opened once, for all who wait and all who come later. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self { open: Arc::new(watch::Sender::new(false)) }
    }

    /// Lets everyone through from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until the gate is open.
    ///
    /// # Cancel safety
    /// Safe: a wait that is dropped changes nothing.
    pub async fn passed(&self) {
        let mut open = self.open.subscribe();
        // INVARIANT: `self` holds the sender for as long as this future lives, so the channel cannot close.
        let _ = open.wait_for(|open| *open).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_open_gate_lets_through_who_waits_and_who_comes_later() {
        let gate = Gate::closed();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.passed().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.open();
        waiting.await.unwrap();
        gate.passed().await;
    }
}
