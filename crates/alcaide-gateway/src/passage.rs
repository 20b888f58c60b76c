//! The stages of one call. Each is a type; each is made by the stage before it alone.
//!
//! A stage cannot be skipped:
//! ```compile_fail,E0599
//! use alcaide_gateway::passage::{Arrived, Passage};
//! async fn skip(call: Passage<Arrived>) {
//!     let _ = call.forward(todo!()).await; // only `Passage<Recorded>` has `forward`
//! }
//! ```
//! ```compile_fail,E0599
//! use alcaide_gateway::passage::{Known, Passage};
//! async fn skip(call: Passage<Known>) {
//!     let _ = call.decided(todo!(), todo!()).await; // what was not read cannot be decided on
//! }
//! ```
//! ```compile_fail,E0599
//! use alcaide_gateway::passage::{Bound, Passage};
//! async fn skip(call: Passage<Bound>) {
//!     let _ = call.forward(todo!()).await; // what is not on disk cannot be sent
//! }
//! ```
//! Nor can it be made up:
//! ```compile_fail,E0451
//! use alcaide_gateway::passage::Recorded;
//! let _ = Recorded { bound: todo!(), attempt: todo!() };
//! ```

mod arrived;
mod asked;
mod bound;
mod decided;
mod known;
mod recorded;
mod request;

use std::sync::Arc;
use std::time::Instant;

use alcaide_identity::Credential;
use alcaide_inventory::Moment;
use alcaide_inventory::id::CallId;
use alcaide_record::{Refused, Stage};

use crate::attempt::Closer;
use crate::lease::{self, Lapsed};
use crate::plan::GatePlan;
use crate::refusal::Refusal;

pub(crate) use arrived::Registry;
pub use arrived::{Arrived, Presented, presented};
pub use asked::QUESTION_LIFE;
pub(crate) use asked::Wait;
pub use bound::{Bound, Freeze};
pub use decided::{Allowed, Decided};
pub(crate) use known::Seat;
pub use known::{Known, KnownAs, Origin};
pub(crate) use recorded::{ChildForm, STOP_TICK};
pub use recorded::{Failed, Recorded};
pub use request::{FoundText, Matter, OwnedResource, Read, Request};

/// A call on its way through the gate; `S` is how far it has come.
pub struct Passage<S> {
    pub(crate) common: Common,
    pub(crate) stage: S,
}

/// What every stage has.
pub(crate) struct Common {
    pub(crate) call: CallId,
    pub(crate) arrived: Moment,
    pub(crate) started: Instant,
    pub(crate) plan: Arc<GatePlan>,
    pub(crate) closer: Closer,
    /// The call's place among those of its actor, once that is known; none in what the gate asks in the course of it.
    pub(crate) seat: Option<Arc<Seat>>,
    /// Whether it is sent for somebody who may not act any more ([`Passage::farewell`]).
    pub(crate) parting: bool,
}

impl Common {
    /// Whether the call of this holder may go on at `now`.
    fn may_act(&self, held: &Credential, now: Moment) -> Result<(), Lapsed> {
        if self.parting { Ok(()) } else { lease::may_act(self.closer.memory(), held, now) }
    }
}

/// What a refusal may say of a stage in the record.
pub(crate) trait Describe {
    const STAGE: Stage;

    /// Adds what is known; the rest stays unsaid.
    fn describe(&self, refused: &mut Refused);
}

impl<S> Passage<S> {
    /// The call's id.
    #[must_use]
    pub const fn call(&self) -> CallId {
        self.common.call
    }

    /// The plan that the whole call is judged under.
    #[must_use]
    pub const fn plan(&self) -> &Arc<GatePlan> {
        &self.common.plan
    }

    /// When it arrived.
    #[must_use]
    pub const fn arrived(&self) -> Moment {
        self.common.arrived
    }
}

#[expect(private_bounds, reason = "stages are made here alone, so only they describe themselves")]
impl<S: Describe> Passage<S> {
    /// Ends the call here: the refusal is queued for the record with all that is known of the call.
    ///
    /// Strangers are not recorded one by one: whoever can reach the port could fill the disk. They are counted.
    pub(crate) fn refuse(&self, mut refusal: Refusal) -> Refusal {
        refusal.stage = S::STAGE;
        if S::STAGE != Stage::Arrived {
            let mut refused = Refused {
                action: None,
                alike: 0,
                approval: refusal.approval(),
                call: self.common.call,
                code: refusal.code.to_owned(),
                content: None,
                decided: None,
                question: None,
                stage: S::STAGE,
                target: None,
                who: None,
            };
            self.stage.describe(&mut refused);
            // INVARIANT: from `Known` on a stage says who.
            if let Some(actor) = refused.who.as_ref().map(|who| who.actor) {
                self.common.closer.refused(actor, refusal.code, refused);
            }
        }
        refusal
    }
}
