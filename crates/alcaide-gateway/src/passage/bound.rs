//! The exact bytes to be sent, to exactly one upstream, with budgets set aside.

use std::sync::Arc;

use alcaide_label::Label;
use alcaide_ledger::AppendError;
use alcaide_memory::{BudgetAsk, Reservation};
use alcaide_record::{Attempt as AttemptRecord, Digest, Effect, Intent, Refused, Stage, Usage};
use alcaide_seal::digest::{Hasher, sha256};
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Decided, Describe, Passage, Recorded};
use crate::attempt::{Attempt, Meter, RecordError};
use crate::leaf::IntentLeaf;
use crate::refusal::{self, Refusal};
use crate::upstream::UpstreamPlan;
use crate::worked::worked;

/// What a protocol's handler fixes for one attempt.
pub struct Freeze {
    /// Where to.
    pub upstream: Arc<UpstreamPlan>,
    /// Path and query below the upstream's base, beginning with `/`.
    pub path: String,
    /// The bytes; the body as it came where nothing was edited.
    pub bytes: Bytes,
    /// Whether they differ from what came.
    pub edited: bool,
    /// 1 for the first attempt.
    pub number: u32,
    /// What to set aside.
    pub budgets: Vec<BudgetAsk>,
    /// What each budget counts.
    pub meter: Arc<Meter>,
    /// What is charged where the upstream never tells its usage.
    pub fallback: Option<Usage>,
    /// The label that the answer has at least: the task has read it from the intent on, so that no call can be judged
    /// without it, and no crash forgets it.
    pub reads: Option<Label>,
    /// What it writes into a store that strangers may have had a part in.
    pub plants: Option<Effect>,
}

/// A call whose bytes are frozen.
pub struct Bound {
    pub(super) decided: Decided,
    pub(super) freeze: Freeze,
    digest: Digest,
    reservation: Reservation,
}

impl Describe for Bound {
    const STAGE: Stage = Stage::Bound;

    fn describe(&self, refused: &mut Refused) {
        self.decided.describe(refused);
        refused.content =
            Some(self.decided.read.content(&self.freeze.bytes, self.digest, self.freeze.edited));
    }
}

impl Passage<Decided> {
    /// Freezes the bytes and sets budgets aside. The bytes stand for the call in the record.
    ///
    /// # Errors
    /// A budget has not enough left; nothing is set aside then.
    ///
    /// # Cancel safety
    /// Dropped while the bytes are hashed, nothing is set aside.
    pub(crate) async fn bind(self, freeze: Freeze) -> Result<Passage<Bound>, Refusal> {
        let bytes = freeze.bytes.clone();
        let digest = worked(bytes.len(), move || Digest(*sha256(&bytes).as_bytes())).await;
        self.bind_as(freeze, digest)
    }

    /// As [`Passage::bind`], for a call whose method, path, query and headers act as well: all of it stands for the call
    /// in the record. `method` and `headers` are what [`forward`](Passage::forward) is given.
    ///
    /// # Errors
    /// As [`Passage::bind`].
    ///
    /// # Cancel safety
    /// As [`Passage::bind`].
    pub(crate) async fn bind_whole(
        self,
        freeze: Freeze,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Passage<Bound>, Refusal> {
        let (method, path, headers) = (method.clone(), freeze.path.clone(), headers.clone());
        let bytes = freeze.bytes.clone();
        let digest = worked(bytes.len(), move || whole(&method, &path, &headers, &bytes)).await;
        self.bind_as(freeze, digest)
    }

    fn bind_as(mut self, freeze: Freeze, digest: Digest) -> Result<Passage<Bound>, Refusal> {
        let taken = self.stage.taken.take();
        if self.stage.allowed.record.approval.is_some() && taken.is_none() {
            // An answer is good for one intent: a second attempt of the call would be a second effect.
            return Err(self.refuse(Refusal::of(refusal::APPROVAL_OVER, Stage::Decided)));
        }
        let task = self.stage.read.who().credential().principal.task;
        let reads = freeze.reads.map(|label| Effect::Join { label, task });
        let marks = reads.into_iter().chain(freeze.plants.clone()).collect();
        let now = self.common.closer.now();
        match self.common.closer.memory().reserve(&freeze.budgets, now) {
            Ok(reservation) => Ok(Passage {
                common: self.common,
                stage: Bound {
                    decided: self.stage,
                    freeze,
                    digest,
                    reservation: reservation.spending(taken).marking(marks),
                },
            }),
            Err(full) => {
                let wait = full.again.map(|again| again.since(now));
                let refusal =
                    Refusal::of(refusal::BUDGET, Stage::Decided).saying(full.to_string()).retry_in(wait);
                Err(self.refuse(refusal))
            }
        }
    }
}

/// What the digest of a whole request begins with: another form gets another word.
const WHOLE: &[u8] = b"http-request-1";

/// SHA-256 over a request as it is sent, each part after its length in eight bytes, most significant first:
/// `http-request-1`, the method, the path below the upstream's base with its query, name and value of each header that
/// passes in the order of their names, the body. Not in it: the upstream's credential, and what the connection adds.
fn whole(method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(bytes);
    };
    [WHOLE, method.as_str().as_bytes(), path.as_bytes()].into_iter().for_each(&mut part);
    let mut pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    pairs.sort_unstable();
    for (name, value) in pairs {
        part(name.as_bytes());
        part(value);
    }
    part(body);
    Digest(*hasher.finish().as_bytes())
}

impl Passage<Bound> {
    /// Writes the intent; returns once it is on disk.
    ///
    /// # Errors
    /// The ledger cannot take it: nothing was sent.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the call is ended as withdrawn in the record.
    pub(crate) async fn record(self) -> Result<Passage<Recorded>, Refusal> {
        let Self { common, stage } = self;
        let Bound { decided, freeze, digest, reservation } = stage;
        let request = decided.read.request();
        let intent = Intent {
            action: request.kind,
            attempt: AttemptRecord { number: freeze.number, upstream: freeze.upstream.id },
            call: common.call,
            content: decided.read.content(&freeze.bytes, digest, freeze.edited),
            decided: decided.allowed.record.clone(),
            effects: reservation.effects(),
            // Every intent is on disk before it goes, also where the route would allow less: stricter is safe.
            relaxed: false,
            target: request.target.clone(),
            who: decided.read.who().chain(),
        };
        let unwritten = |why: String| Refusal::of(refusal::LEDGER, Stage::Bound).because(why);
        let leaf =
            IntentLeaf::new(common.closer.now(), intent).map_err(|error| unwritten(error.to_string()))?;
        let attempt = Attempt::new(
            common.closer.clone(),
            common.call,
            freeze.number,
            common.started,
            reservation,
            Arc::clone(&freeze.meter),
            freeze.fallback,
        )
        .seated(common.seat.clone());
        let (attempt, receipt) = attempt.record(leaf).await.map_err(|error| match error {
            RecordError::Append(AppendError::AlreadySpent { .. }) => {
                Refusal::of(refusal::APPROVAL_OVER, Stage::Bound)
            }
            other => unwritten(other.to_string()),
        })?;
        Ok(Passage { common, stage: Recorded::new(decided, freeze, attempt, receipt) })
    }
}
