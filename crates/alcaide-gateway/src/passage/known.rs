//! The caller is known and good now; nothing of the body was read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use alcaide_identity::{Credential, Verified};
use alcaide_inventory::id::CallId;
use alcaide_record::{Chain, Refused, Stage, WordsGrade};

use super::{Common, Describe, Passage, Read, Request};
use crate::attempt::Closer;
use crate::plan::{ActorPlan, GatePlan};
use crate::refusal::Refusal;

/// Who a caller is, as later stages and handlers see it.
#[derive(Clone)]
pub struct KnownAs {
    credential: Arc<Verified<Credential>>,
    actor: Option<Arc<ActorPlan>>,
    bound: bool,
}

/// One of the calls that an actor has in flight, until it is dropped.
///
/// The count is of a plan: under a new one it begins anew, beside the calls that still go by the former.
pub(crate) struct Seat(Arc<ActorPlan>);

impl Seat {
    pub(super) fn take(actor: &Arc<ActorPlan>, most: usize) -> Option<Self> {
        let seat = Self(Arc::clone(actor));
        // The one that is one too many counts until it is dropped, which is here.
        (actor.in_flight.fetch_add(1, Ordering::Relaxed) < most).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call of a known caller.
pub struct Known(KnownAs);

impl Known {
    pub(super) const fn new(
        credential: Arc<Verified<Credential>>,
        actor: Option<Arc<ActorPlan>>,
        bound: bool,
    ) -> Self {
        Self(KnownAs { credential, actor, bound })
    }

    pub(super) fn credential(&self) -> &Credential {
        self.0.credential()
    }

    pub(super) fn actor_plan(&self) -> Option<&Arc<ActorPlan>> {
        self.0.actor.as_ref()
    }

    pub(super) const fn is_bound(&self) -> bool {
        self.0.bound
    }
}

impl KnownAs {
    /// The verified credential.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        self.credential.get()
    }

    /// The verified credential, shared.
    #[must_use]
    pub const fn verified(&self) -> &Arc<Verified<Credential>> {
        &self.credential
    }

    /// Budgets over the actor, and its name.
    #[must_use]
    pub const fn actor(&self) -> Option<&Arc<ActorPlan>> {
        self.actor.as_ref()
    }

    /// Whether a proof of possession held.
    #[must_use]
    pub const fn is_bound(&self) -> bool {
        self.bound
    }

    /// How sure it is what the user said.
    #[must_use]
    pub fn words(&self) -> WordsGrade {
        if self.credential().words.is_some() { WordsGrade::Attested } else { WordsGrade::None }
    }

    /// The chain, for the record.
    #[must_use]
    pub fn chain(&self) -> Chain {
        let principal = &self.credential().principal;
        Chain {
            actor: principal.actor,
            bound: self.bound,
            earlier: principal.earlier.clone(),
            run: principal.run,
            subject: principal.subject,
            task: principal.task,
            token: principal.token,
            unit: principal.unit,
        }
    }
}

/// Who was identified, under which plan: what further passages of the same caller begin with, where a server asks
/// something of the caller, or the gate something of a server, in the course of a call.
#[derive(Clone)]
pub struct Origin {
    who: KnownAs,
    plan: Arc<GatePlan>,
    closer: Closer,
}

impl Origin {
    /// Who calls.
    #[must_use]
    pub const fn who(&self) -> &KnownAs {
        &self.who
    }

    /// The plan that the call is judged under.
    #[must_use]
    pub const fn plan(&self) -> &Arc<GatePlan> {
        &self.plan
    }

    pub(crate) const fn closer(&self) -> &Closer {
        &self.closer
    }
}

impl Describe for Known {
    const STAGE: Stage = Stage::Known;

    fn describe(&self, refused: &mut Refused) {
        refused.who = Some(self.0.chain());
    }
}

impl Passage<Known> {
    /// What further passages of this caller begin with.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            who: self.stage.0.clone(),
            plan: Arc::clone(&self.common.plan),
            closer: self.common.closer.clone(),
        }
    }

    /// A further passage of a caller who was identified before.
    ///
    /// # Errors
    /// The caller was stopped meanwhile; recorded.
    pub(crate) fn aside(origin: &Origin, call: CallId) -> Result<Self, Refusal> {
        let mut aside = Self::farewell(origin, call);
        aside.common.parting = false;
        aside.good()
    }

    /// The same for the one message that is sent for somebody who may have been stopped since: the end of a session that
    /// the gate keeps in their name. The policies decide on it, and it is recorded, as any other.
    #[must_use]
    pub(crate) fn farewell(origin: &Origin, call: CallId) -> Self {
        let common = Common {
            call,
            arrived: origin.closer.now(),
            started: Instant::now(),
            plan: Arc::clone(&origin.plan),
            closer: origin.closer.clone(),
            seat: None,
            parting: true,
        };
        Passage { common, stage: Known(origin.who.clone()) }
    }

    /// Who calls.
    #[must_use]
    pub const fn who(&self) -> &KnownAs {
        &self.stage.0
    }

    /// Takes what a protocol's handler read of the body.
    #[must_use]
    pub fn read(self, request: Request) -> Passage<Read> {
        let label = self.common.closer.memory().label(self.stage.credential().principal.task);
        Passage { common: self.common, stage: Read::new(self.stage.0, request, label) }
    }
}
