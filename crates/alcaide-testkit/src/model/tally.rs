//! How often something happened at a server, for tests that wait for it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::error::KitError;

/// Counts since the server began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) arrived: u64,
    pub(crate) answered: u64,
    pub(crate) abandoned: u64,
}

/// The counts, shared between the server and those who wait.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    counts: Arc<watch::Sender<Counts>>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { counts: Arc::new(watch::Sender::new(Counts::default())) }
    }

    pub(crate) fn add(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    pub(crate) fn now(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(crate) async fn until(&self, what: &str, reached: impl Fn(&Counts) -> bool) -> Result<(), KitError> {
        let mut counts = self.counts.subscribe();
        match timeout(DEADLINE, counts.wait_for(|counts| reached(counts))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(KitError::Gone { what: "the model server" }),
            Err(_) => Err(KitError::Late {
                what: what.to_owned(),
                seconds: DEADLINE.as_secs(),
                said: format!("; counted: {:?}", self.now()),
            }),
        }
    }
}

/// A request's stay at the server: dropped before it is finished, its client has left.
#[derive(Debug)]
pub(crate) struct Stay {
    tally: Tally,
    finished: bool,
}

impl Stay {
    pub(crate) fn begin(tally: &Tally) -> Self {
        Self { tally: tally.clone(), finished: false }
    }

    /// The answer was handed over whole, or was cut by the script's own will.
    pub(crate) fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.tally.add(|counts| counts.answered += 1);
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if !self.finished {
            self.tally.add(|counts| counts.abandoned += 1);
        }
    }
}
