//! Outcomes that the disk has no room for: kept, and written as soon as there is room.
//!
//! Where a segment is full and there is no room for another, the ledger takes nothing more, an outcome neither, though
//! its effect has been. It is kept here with what it settles, tried again every second and whenever a call comes, in the
//! order in which they came. While one is owed no intent is written: no further effect goes out whose outcome might find
//! no room. So there are never more of them than attempts were open when the room ended.
//!
//! Left out: what happens to them when the process ends without room. They are in no file — there is no room — and the
//! record says of their calls *unknown*, as it does after a crash; the log names them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alcaide_inventory::id::CallId;
use alcaide_ledger::{AppendError, Ledger};
use alcaide_memory::Reservation;
use alcaide_record::Settlement;
use tokio::sync::Notify;

use super::queue::Way;
use crate::leaf::OutcomeLeaf;

/// Time between two tries where no call comes.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// An outcome with what its receipt settles.
pub(super) struct Debt {
    pub(super) call: CallId,
    pub(super) leaf: OutcomeLeaf,
    pub(super) reservation: Reservation,
    pub(super) settled: Vec<Settlement>,
}

/// All that are owed.
#[derive(Default)]
pub(super) struct Owed {
    waiting: Mutex<VecDeque<Debt>>,
    /// How many there are, the one that is being written among them.
    count: AtomicUsize,
    again: Notify,
    /// Held by whoever writes them: they keep their order.
    paying: tokio::sync::Mutex<()>,
}

/// How a try came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Paid {
    /// Nothing is owed any more.
    All,
    /// There is no room yet.
    NoRoom,
}

impl Owed {
    /// How many outcomes wait for room.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// A call waits for them: they are tried at once.
    pub(super) fn hasten(&self) {
        self.again.notify_one();
    }

    /// Keeps an outcome; the first one starts the task that tries.
    pub(super) fn keep(self: &Arc<Self>, debt: Debt, ledger: &Ledger) {
        tracing::error!(call = %debt.call, "an outcome waits for room on the disk of the ledger; no call passes meanwhile");
        let first = {
            let mut waiting = self.lock();
            waiting.push_back(debt);
            // Under the lock: whoever pays sees either both or neither.
            self.count.fetch_add(1, Ordering::AcqRel) == 0
        };
        if first {
            let (own, ledger) = (Arc::clone(self), ledger.clone());
            tokio::spawn(async move {
                loop {
                    // Either way it is tried again.
                    let _ = tokio::time::timeout(AGAIN_AFTER, own.again.notified()).await;
                    if own.pay(&ledger).await == Paid::All {
                        break;
                    }
                }
            });
        }
    }

    /// Tries once to write all of them.
    pub(super) async fn try_now(&self, ledger: &Ledger) {
        if self.count() > 0 {
            self.pay(ledger).await;
        }
    }

    async fn pay(&self, ledger: &Ledger) -> Paid {
        let _own = self.paying.lock().await;
        loop {
            let Some(debt) = self.lock().pop_front() else { return Paid::All };
            let Debt { call, leaf, reservation, settled } = debt;
            let written = match Way::into(ledger, leaf) {
                Ok(way) => way.receipt_or_back(ledger).await,
                Err(error) => Err((None, error)),
            };
            match written {
                Ok(receipt) => {
                    reservation.settle(receipt.index(), &settled);
                    tracing::info!(%call, "an outcome that waited for room is in the record");
                }
                Err((Some(leaf), AppendError::DiskFull { .. })) => {
                    self.lock().push_front(Debt { call, leaf, reservation, settled });
                    return Paid::NoRoom;
                }
                Err((_, error)) => {
                    tracing::error!(%call, %error, "an outcome was not recorded; the record says unknown");
                }
            }
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Debt>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
