//! How long the gate goes on without hearing from the office.
//!
//! Two leases. A **plan** is good for [`PLAN`] after the office was last known to have it in force; past that the gate
//! judges nothing by it any more. The **stream of orders** is good for [`ORDERS`] where a wrong call does harm, and for
//! [`ORDERS_READING`] where it only reads: past that a kill may have been given that the gate does not know.
//!
//! In one process the stream is alive as long as the follower of the ledger has seen the ledger's end within that time
//! ([`crate::orders::follow`]), and the plan as long as the office's own follower keeps up ([`crate::Gate::confirm`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alcaide_identity::Credential;
use alcaide_inventory::Moment;
use alcaide_memory::{Memory, NotGood};
use alcaide_record::{ActionKind, End, Stage};

use crate::passage::{OwnedResource, Request};
use crate::plan::GatePlan;
use crate::refusal::{self, Refusal};

/// How long a plan is good without the office: a night and a day, so that an office that is down for maintenance stops
/// nobody, and a forgotten one does.
pub const PLAN: Duration = Duration::from_secs(24 * 60 * 60);
/// How old orders may be for a consequential call: as long as a person who stopped an agent waits without worry.
pub const ORDERS: Duration = Duration::from_secs(30);
/// How old orders may be for a call that reads, and for a model's answer, which acts on nothing by itself.
pub const ORDERS_READING: Duration = Duration::from_secs(10 * 60);

/// When the office last had the gate's plan in force.
#[derive(Debug)]
pub(crate) struct PlanLease(AtomicU64);

impl PlanLease {
    pub(crate) const fn from(now: Moment) -> Self {
        Self(AtomicU64::new(now.micros()))
    }

    pub(crate) fn renew(&self, now: Moment) {
        self.0.store(now.micros(), Ordering::Release);
    }

    /// Refuses once the lease has ended.
    pub(crate) fn check(&self, now: Moment) -> Result<(), Refusal> {
        let confirmed = Moment::from_micros(self.0.load(Ordering::Acquire));
        if now.since(confirmed) > PLAN { Err(Refusal::of(refusal::PLAN_OLD, Stage::Arrived)) } else { Ok(()) }
    }
}

/// How old orders may be for a call. The declared effect of a tool or an operation decides; what is declared of a tool
/// says nothing once its definition is another one than was accepted.
pub(crate) fn orders_within(plan: &GatePlan, request: &Request) -> Duration {
    let reads = match request.kind {
        ActionKind::UseModel
        | ActionKind::ReadResource
        | ActionKind::List
        | ActionKind::GetPrompt
        | ActionKind::CallMethod => true,
        ActionKind::CallApi | ActionKind::CallTool => {
            let effect = match &request.resource {
                OwnedResource::Operation { service, name } => plan.effect_of(*service, name),
                OwnedResource::Tool(tool) if !request.tool_changed => plan.effect_of_tool(*tool),
                _ => None,
            };
            effect.is_some_and(|effect| !effect.is_consequential())
        }
        _ => false,
    };
    if reads { ORDERS_READING } else { ORDERS }
}

/// Why a credential that was let in may not act any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lapsed {
    /// An order stops its holder, or nobody knows whether one does.
    NotGood(NotGood),
    /// Its time is over.
    Ended,
}

impl Lapsed {
    /// What the record says of an attempt of which nothing had left.
    pub(crate) const fn end(self) -> End {
        match self {
            Self::NotGood(_) => End::Killed,
            Self::Ended => End::Withdrawn,
        }
    }

    pub(crate) fn refusal(self, stage: Stage) -> Refusal {
        match self {
            Self::NotGood(why) => not_good(why, stage),
            Self::Ended => Refusal::of(refusal::BAD_CREDENTIAL, stage)
                .saying("the access token ended before the call could be sent"),
        }
    }
}

/// Whether a credential that was let in may still act: bodies drip, disks and token endpoints take their time, and
/// meanwhile its holder may have been stopped, or its time run out.
pub(crate) fn may_act(memory: &Memory, held: &Credential, now: Moment) -> Result<(), Lapsed> {
    memory.is_good(&held.epochs, held.principal.token, &held.ancestors).map_err(Lapsed::NotGood)?;
    if now >= held.expires { Err(Lapsed::Ended) } else { Ok(()) }
}

/// The code for a credential that is not good: stopped by an order, or nobody knows.
pub(crate) fn not_good(why: NotGood, stage: Stage) -> Refusal {
    if why.is_order() {
        Refusal::of(refusal::STOPPED, stage).saying(why.to_string())
    } else {
        Refusal::of(refusal::ORDERS_OLD, stage)
    }
}
