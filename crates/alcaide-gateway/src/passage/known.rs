//! The caller is known and good now; nothing of the body was read.

use std::sync::Arc;

use alcaide_identity::{Credential, Verified};
use alcaide_record::{Chain, Refused, Stage, WordsGrade};

use super::{Describe, Passage, Read, Request};
use crate::plan::ActorPlan;

/// Who a caller is, as later stages and handlers see it.
#[derive(Clone)]
pub struct KnownAs {
    credential: Arc<Verified<Credential>>,
    actor: Option<Arc<ActorPlan>>,
    bound: bool,
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

impl Describe for Known {
    const STAGE: Stage = Stage::Known;

    fn describe(&self, refused: &mut Refused) {
        refused.who = Some(self.0.chain());
    }
}

impl Passage<Known> {
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
