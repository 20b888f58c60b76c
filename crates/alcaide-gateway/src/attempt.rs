//! Who writes the outcome. From the moment an intent is queued, an [`Attempt`] owns the duty to say how it ended:
//! whoever drops it — a caller that hung up, a cancelled task, a panic — writes an outcome.
//!
//! Outcomes are queued, not waited for; the [`Closer`], one task, waits for their receipts in order and only then
//! settles budgets in memory, under the outcome's ledger index. Until then the reservation stands: late is safe.

mod meter;
mod owed;
mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alcaide_inventory::id::CallId;
use alcaide_inventory::{Actor, Moment};
use alcaide_ledger::{AppendError, Ledger, Pending};
use alcaide_memory::{Memory, Opening, Reservation};
use alcaide_record::{Claim, Digest, End, FindingCount, Outcome, Refused, Settlement, Usage};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::leaf::{IntentLeaf, OfferedLeaf, OutcomeLeaf, RefusedLeaf};
use crate::metrics::{Metrics, Open, What};
use crate::passage::Seat;
pub use meter::Meter;
use owed::{Debt, Owed};
use queue::{CrowdKey, Crowds, Way};

/// Receipts that may be waited for at one time; past it the waiting is done by a task of its own each.
const CLOSING_MAX: usize = 4_096;
/// Longest wait for an intent to be on disk. A healthy disk takes milliseconds; past this the caller is told, and the
/// intent, should it still land, ends as withdrawn.
pub const RECEIPT_WAIT: Duration = Duration::from_secs(10);

/// An intent is not on disk.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The ledger did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Outcomes of calls before it are not on disk for want of room.
    #[error("outcomes of earlier calls wait for room on the disk of the ledger")]
    Owed,
    /// The disk did not answer in time.
    #[error("the disk did not answer within {} s", RECEIPT_WAIT.as_secs())]
    Late,
}

/// What every attempt needs.
#[derive(Clone)]
pub struct Closer {
    ledger: Ledger,
    memory: Arc<Memory>,
    clock: crate::gate::Clock,
    queue: mpsc::Sender<Closing>,
    /// What was waited for last did not get its receipt in time.
    late: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    /// Somebody waits for what is queued to be settled.
    hurry: Arc<Notify>,
    crowds: Arc<Crowds>,
    owed: Arc<Owed>,
}

/// How long receipts gather before budgets are settled with them; until then what was set aside stays so.
const SETTLE_AFTER: Duration = Duration::from_millis(2);

enum Closing {
    /// An outcome whose receipt settles a reservation.
    Outcome { call: CallId, way: Way<OutcomeLeaf>, reservation: Reservation, settled: Vec<Settlement> },
    /// An intent that nobody waits for any more: its call was dropped while it was being written.
    Intent { pending: Pending<IntentLeaf>, attempt: Box<Attempt> },
    /// A refusal.
    Refused { way: Way<RefusedLeaf>, key: CrowdKey },
    /// What a tool server offers, whether or not its call still waits.
    Offered { way: Way<OfferedLeaf>, told: oneshot::Sender<Result<(), AppendError>> },
    /// A refusal that asks people something, whether or not its call still waits.
    Question {
        pending: Pending<RefusedLeaf>,
        refused: Box<Refused>,
        opening: Opening,
        told: oneshot::Sender<bool>,
    },
    /// All before it is closed.
    Barrier(oneshot::Sender<()>),
}

impl Closer {
    /// Starts the task that waits for receipts; it ends when every closer and attempt is gone.
    #[must_use]
    pub fn start(ledger: Ledger, memory: Arc<Memory>, clock: crate::gate::Clock) -> Self {
        let (queue, mut receipts) = mpsc::channel(CLOSING_MAX);
        let late = Arc::new(AtomicBool::new(false));
        let hurry = Arc::new(Notify::new());
        let closer = Self {
            ledger,
            memory,
            clock,
            queue,
            late,
            metrics: Arc::default(),
            hurry: Arc::clone(&hurry),
            crowds: Arc::default(),
            owed: Arc::default(),
        };
        let desk = closer.desk();
        tokio::spawn(async move {
            while let Some(first) = receipts.recv().await {
                // Nobody is woken for a single receipt: by then most have come, those of other calls too.
                let _ = tokio::time::timeout(SETTLE_AFTER, hurry.notified()).await;
                // What comes meanwhile gathers for the next time.
                let gathered = receipts.len();
                close(first, &desk).await;
                for _ in 0..gathered {
                    let Ok(closing) = receipts.try_recv() else { break };
                    close(closing, &desk).await;
                }
            }
        });
        closer
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Memory.
    #[must_use]
    pub const fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Counters of the gate.
    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Whether the disk of the ledger did not answer in time when it was waited for last.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// How many outcomes wait for room on the disk of the ledger; no intent is written meanwhile.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.owed.count()
    }

    /// Waits for something of the disk, [`RECEIPT_WAIT`] at most; none where it did not come in time.
    ///
    /// # Cancel safety
    /// As that of what is waited for.
    pub(crate) async fn in_time<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let came = tokio::time::timeout(RECEIPT_WAIT, wait).await.ok();
        if self.is_late() != came.is_none() {
            self.late.store(came.is_none(), Ordering::Relaxed);
        }
        came
    }

    /// What closing needs, without what keeps its task alive.
    fn desk(&self) -> Arc<Desk> {
        Arc::new(Desk {
            ledger: self.ledger.clone(),
            memory: Arc::clone(&self.memory),
            clock: Arc::clone(&self.clock),
            crowds: Arc::clone(&self.crowds),
            owed: Arc::clone(&self.owed),
            queue: self.queue.downgrade(),
        })
    }

    /// Queues a refusal of `actor`, or counts it with those that are on their way; when the ledger cannot take it the
    /// call stays refused all the same.
    pub(crate) fn refused(&self, actor: Actor, code: &'static str, refused: Refused) {
        let key = (actor, code);
        if let Some(refused) = self.crowds.join(key, refused) {
            match refusal(&self.ledger, self.now(), refused) {
                Ok(way) => self.hand(Closing::Refused { way, key }),
                Err(error) => self.desk().lost(key, &error),
            }
        }
    }

    /// Queues what a tool server offers; the answer says whether it is on disk and in memory.
    ///
    /// # Errors
    /// The ledger takes nothing any more.
    ///
    /// # Cancel safety
    /// Memory takes it in all the same if nobody waits for the answer.
    pub(crate) fn offered(
        &self,
        leaf: OfferedLeaf,
    ) -> Result<oneshot::Receiver<Result<(), AppendError>>, AppendError> {
        let (told, hear) = oneshot::channel();
        let way = Way::into(&self.ledger, leaf)?;
        self.hand(Closing::Offered { way, told });
        // Its call waits for it.
        self.hurry.notify_one();
        Ok(hear)
    }

    /// Queues a question; the answer says whether it is on disk, and from then on it can be found and answered.
    ///
    /// # Cancel safety
    /// It is opened all the same if nobody waits for the answer.
    pub(crate) fn ask(&self, refused: Refused, opening: Opening) -> oneshot::Receiver<bool> {
        let (told, hear) = oneshot::channel();
        let pending = RefusedLeaf::new(self.now(), refused.clone())
            .map_err(|error| error.to_string())
            .and_then(|leaf| self.ledger.enqueue(leaf).map_err(|error| error.to_string()));
        match pending {
            Ok(pending) => {
                self.hand(Closing::Question { pending, refused: Box::new(refused), opening, told });
                // Its call waits for it.
                self.hurry.notify_one();
            }
            // The sender is dropped, which says that it is not on disk; so is the place.
            Err(error) => tracing::error!(error, "a question was not recorded"),
        }
        hear
    }

    /// Waits until all that was queued before is settled; what waits for room is tried once more.
    pub async fn settled(&self) {
        // Twice: an intent that nobody waited for puts its outcome behind the first barrier.
        for _ in 0..2 {
            let (done, wait) = oneshot::channel();
            // What is put off to be written with others is written now.
            self.ledger.hasten();
            self.hurry.notify_one();
            if self.queue.send(Closing::Barrier(done)).await.is_ok() {
                // An error means that the task is gone, and with it everything that was queued.
                let _ = wait.await;
            }
        }
        self.owed.try_now(&self.ledger).await;
    }

    fn hand(&self, closing: Closing) {
        if let Some(closing) = put(&self.queue, closing) {
            self.desk().wait(closing);
        }
    }
}

/// Puts something into the queue of what is to be closed; gives it back where that is full.
fn put(queue: &mpsc::Sender<Closing>, closing: Closing) -> Option<Closing> {
    match queue.try_send(closing) {
        Ok(()) => None,
        Err(mpsc::error::TrySendError::Full(closing) | mpsc::error::TrySendError::Closed(closing)) => {
            Some(closing)
        }
    }
}

/// What closing needs.
struct Desk {
    ledger: Ledger,
    memory: Arc<Memory>,
    clock: crate::gate::Clock,
    crowds: Arc<Crowds>,
    owed: Arc<Owed>,
    /// Weak, as the task that closes ends with the last closer.
    queue: mpsc::WeakSender<Closing>,
}

impl Desk {
    fn hand(self: &Arc<Self>, closing: Closing) {
        let left = match self.queue.upgrade() {
            Some(queue) => put(&queue, closing),
            None => Some(closing),
        };
        if let Some(closing) = left {
            Arc::clone(self).wait(closing);
        }
    }

    /// Closes something in a task of its own.
    fn wait(self: Arc<Self>, closing: Closing) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { close(closing, &self).await });
        }
    }

    /// A refusal cannot be written, nor what waits to be summed up after it: the ledger takes nothing any more.
    fn lost(&self, key: CrowdKey, error: &str) {
        tracing::error!(error, "a refusal was not recorded");
        while self.crowds.leave(key).is_some() {}
    }
}

/// Puts a refusal on its way.
fn refusal(ledger: &Ledger, now: Moment, refused: Refused) -> Result<Way<RefusedLeaf>, String> {
    let leaf = RefusedLeaf::new(now, refused).map_err(|error| error.to_string())?;
    Way::into(ledger, leaf).map_err(|error| error.to_string())
}

async fn close(closing: Closing, desk: &Arc<Desk>) {
    match closing {
        Closing::Outcome { call, way, reservation, settled } => {
            match way.receipt_or_back(&desk.ledger).await {
                Ok(receipt) => reservation.settle(receipt.index(), &settled),
                Err((Some(leaf), AppendError::DiskFull { .. })) => {
                    desk.owed.keep(Debt { call, leaf, reservation, settled }, &desk.ledger);
                }
                Err((_, error)) => {
                    tracing::error!(%call, %error, "an outcome was not recorded; its reservation stays charged");
                }
            }
        }
        Closing::Intent { pending, mut attempt } => {
            if let Ok(receipt) = pending.await {
                attempt.journalled(receipt.index());
                attempt.finish(End::Withdrawn, Told::default());
            }
        }
        Closing::Refused { way, key } => {
            match way.receipt(&desk.ledger).await {
                Ok(receipt) => desk.memory.noted(receipt.index()),
                Err(error) => tracing::error!(%error, "a refusal was not recorded"),
            }
            // Those that came meanwhile, in one entry.
            if let Some(more) = desk.crowds.leave(key) {
                match refusal(&desk.ledger, (desk.clock)(), more) {
                    Ok(way) => desk.hand(Closing::Refused { way, key }),
                    Err(error) => desk.lost(key, &error),
                }
            }
        }
        Closing::Offered { way, told } => {
            let written = way.receipt(&desk.ledger).await;
            if let Ok(receipt) = &written {
                desk.memory.apply(receipt.index(), receipt.get().entry());
            }
            // Nobody may be waiting any more.
            let _ = told.send(written.map(drop));
        }
        Closing::Question { pending, refused, opening, told } => {
            let written = match pending.await {
                Ok(receipt) => {
                    opening.opened(receipt.index(), &refused);
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "a question was not recorded");
                    false
                }
            };
            // Nobody may be waiting any more.
            let _ = told.send(written);
        }
        Closing::Barrier(done) => {
            let _ = done.send(());
        }
    }
}

/// What the outcome says besides why it ended.
#[derive(Debug, Default)]
pub struct Told {
    /// HTTP status of the upstream.
    pub status: Option<u16>,
    /// Bytes released to the caller.
    pub released_bytes: u64,
    /// SHA-256 of what was released, where the answer was no stream.
    pub digest: Option<Digest>,
    /// What was found in the answer.
    pub findings: Vec<FindingCount>,
    /// What another gate said of the answer.
    pub claim: Option<Claim>,
    /// Tokens and money.
    pub usage: Option<Usage>,
    /// Whether `usage` is what a stream told so far, and not its last word.
    pub partial: bool,
}

/// One attempt at one upstream, from its intent to its outcome.
pub struct Attempt {
    closer: Closer,
    call: CallId,
    number: u32,
    intent: Option<u64>,
    started: Instant,
    reservation: Option<Reservation>,
    meter: Arc<Meter>,
    /// Whether a byte may have left us.
    sent: bool,
    /// What the outcome says if the attempt is dropped: kept up to date by whoever reads the answer.
    pub told: Told,
    /// What is charged where the upstream never told its usage.
    fallback: Option<Usage>,
    /// Counts the attempt while it has no outcome.
    _open: Open,
    /// The call's place among those of its actor: an answer that streams is still a call.
    seat: Option<Arc<Seat>>,
}

impl Attempt {
    /// An attempt whose intent is about to be written.
    #[must_use]
    pub fn new(
        closer: Closer,
        call: CallId,
        number: u32,
        started: Instant,
        reservation: Reservation,
        meter: Arc<Meter>,
        fallback: Option<Usage>,
    ) -> Self {
        Self {
            _open: closer.metrics.open(What::Attempt),
            closer,
            call,
            number,
            intent: None,
            started,
            reservation: Some(reservation),
            meter,
            sent: false,
            told: Told::default(),
            fallback,
            seat: None,
        }
    }

    /// The same, which keeps the call's place among those of its actor.
    #[must_use]
    pub(crate) fn seated(mut self, seat: Option<Arc<Seat>>) -> Self {
        self.seat = seat;
        self
    }

    /// The intent's ledger index, once it is known.
    #[must_use]
    pub const fn intent(&self) -> Option<u64> {
        self.intent
    }

    /// The gate's clock and ledger.
    #[must_use]
    pub const fn closer(&self) -> &Closer {
        &self.closer
    }

    /// What is charged where the upstream never told its usage.
    #[must_use]
    pub const fn fallback(&self) -> Option<Usage> {
        self.fallback
    }

    /// The intent stands in the ledger at `index`.
    pub fn journalled(&mut self, index: u64) {
        self.intent = Some(index);
        if let Some(reservation) = self.reservation.as_mut() {
            reservation.journalled(index, self.call, self.number);
        }
    }

    /// From here on bytes may have left us.
    pub const fn sending(&mut self) {
        self.sent = true;
    }

    /// Queues the intent and waits until it is on disk, [`RECEIPT_WAIT`] at most.
    ///
    /// # Errors
    /// [`RecordError`]; nothing was sent. The reservation is given back, or ends with the intent where that lands late.
    ///
    /// # Cancel safety
    /// If it is dropped while it waits, the attempt is ended as withdrawn once its intent is on disk.
    pub async fn record(
        self,
        leaf: IntentLeaf,
    ) -> Result<(Self, alcaide_ledger::Durable<IntentLeaf>), RecordError> {
        if self.closer.owed() > 0 {
            self.closer.owed.hasten();
            return Err(RecordError::Owed);
        }
        let pending = self.closer.ledger.enqueue(leaf)?;
        let closer = self.closer.clone();
        let mut waiting = Waiting { pending: Some(pending), attempt: Some(Box::new(self)) };
        let receipt = match waiting.pending.as_mut() {
            // Dropped with its receipt outstanding, `waiting` hands both to the closer.
            Some(pending) => closer.in_time(pending).await.ok_or(RecordError::Late)?,
            None => Err(AppendError::Closed),
        };
        waiting.pending = None;
        let attempt = waiting.attempt.take();
        let receipt = receipt?;
        match attempt {
            Some(mut attempt) => {
                attempt.journalled(receipt.index());
                Ok((*attempt, receipt))
            }
            None => Err(AppendError::Closed.into()),
        }
    }

    /// Queues the outcome.
    pub fn finish(mut self, end: End, told: Told) {
        self.told = told;
        self.end(end);
    }

    /// Queues the outcome with what was told so far.
    pub fn finish_as_told(mut self, end: End) {
        self.end(end);
    }

    fn end(&mut self, end: End) {
        let (Some(intent), Some(reservation)) = (self.intent, self.reservation.take()) else { return };
        let mut told = std::mem::take(&mut self.told);
        let sent = self.sent && !matches!(end, End::Unreachable | End::Withdrawn);
        if told.usage.is_none() && sent && !matches!(end, End::UpstreamRefused) {
            told.usage = self.fallback;
        }
        if let (true, Some(told), Some(most)) = (told.partial && sent, told.usage.as_mut(), self.fallback) {
            // A stream that was cut short may have made all that it was allowed to: what is unknown is not free.
            told.output = told.output.max(most.output);
            told.cost_micros = told.cost_micros.max(most.cost_micros);
            told.estimated = true;
        }
        let usage = told.usage;
        let settled = reservation.settlement(|budget| self.meter.used(budget, usage.as_ref(), sent));
        let now = self.closer.now();
        let outcome = Outcome {
            attempt: self.number,
            call: self.call,
            claim: told.claim,
            digest: told.digest,
            duration_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            // What the answer makes of the task stands in the intent.
            effects: Vec::new(),
            end,
            findings: told.findings,
            intent,
            released_bytes: told.released_bytes,
            settled: settled.clone(),
            status: told.status,
            usage,
        };
        let way = OutcomeLeaf::new(now, outcome)
            .map_err(|error| error.to_string())
            .and_then(|leaf| Way::into(&self.closer.ledger, leaf).map_err(|error| error.to_string()));
        match way {
            Ok(way) => self.closer.hand(Closing::Outcome { call: self.call, way, reservation, settled }),
            // Journalled and not settled: it stays charged in full, and the record says unknown.
            Err(error) => tracing::error!(error, call = %self.call, "an outcome was not recorded"),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(End::CallerGone);
    }
}

/// An intent that is being written; dropped meanwhile, it is handed to the closer.
struct Waiting {
    pending: Option<Pending<IntentLeaf>>,
    attempt: Option<Box<Attempt>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let (Some(pending), Some(attempt)) = (self.pending.take(), self.attempt.take()) {
            let closer = attempt.closer.clone();
            closer.hand(Closing::Intent { pending, attempt });
        }
    }
}
