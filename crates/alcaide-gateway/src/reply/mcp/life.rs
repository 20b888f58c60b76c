//! How long a tool server's stream lasts, and how much it may carry.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use alcaide_inventory::declare::Standing;
use alcaide_policy::{Action, Ask, Context, Outcome, Resource};
use alcaide_record::{End, Stage};
use alcaide_wire::mcp::Method;
use tokio::time::Instant;

use super::super::json::broken;
use super::{Channel, Cut, Reading};
use crate::content::Demands;
use crate::lease::{self, Lapsed};
use crate::mcp::LISTEN;
use crate::plan::GatePlan;
use crate::refusal::{self, Refusal};

/// Longest stream that answers one call, in bytes released.
const STREAM_BYTES_MAX: u64 = 256 << 20;
/// Longest time for the answer to one call, however steadily its server speaks: a long job that tells of its progress.
const ANSWER_MAX: Duration = Duration::from_secs(60 * 60);
/// Most requests of a server on one stream. Each is a passage with entries of its own; a tool that has so much to ask in the
/// course of one call is not believed.
pub(super) const REQUESTS_MAX: u32 = 64;

/// What a stream has used up.
pub(super) struct Life {
    begun: Instant,
    heard: Instant,
    idle: Duration,
    bytes_max: u64,
    requests: u32,
    /// The newest plan under which the stream may go on.
    plan: Option<Arc<GatePlan>>,
}

impl Life {
    pub(super) fn new(now: Instant, idle: Duration, demands: &Demands, listens: bool) -> Self {
        let most = if listens { u64::MAX } else { STREAM_BYTES_MAX };
        let bytes_max = demands.reply_bytes.unwrap_or(most).min(most);
        Self { begun: now, heard: now, idle, bytes_max, requests: 0, plan: None }
    }

    /// The server has said something that is a message: comments and foreign events keep no call alive.
    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Counts a request of the server.
    ///
    /// # Errors
    /// It is one too many.
    pub(super) fn asked(&mut self) -> Result<(), Cut> {
        self.requests = self.requests.saturating_add(1);
        if self.requests > REQUESTS_MAX {
            return Err(broken(&"the server asks too much on one stream").into());
        }
        Ok(())
    }

    /// Whether so many bytes may be released in all.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn may_carry(&self, bytes: u64) -> Result<(), Cut> {
        if bytes <= self.bytes_max {
            return Ok(());
        }
        let refusal = Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because("the stream is too long");
        Err(Cut { end: End::TooLong, refusal })
    }

    /// Whether the stream may go on at `now`.
    ///
    /// # Errors
    /// Its caller was stopped, its time is over; a stream that listens ends with its token and with the grant that let it.
    pub(super) fn may_go_on(&mut self, reading: &Reading, now: Instant) -> Result<(), Cut> {
        let closer = reading.origin.closer();
        let held = reading.origin.who().credential();
        let listens = reading.listens();
        match lease::may_act(closer.memory(), held, closer.now()) {
            Err(why @ Lapsed::NotGood(_)) => {
                return Err(Cut { end: End::Killed, refusal: why.refusal(Stage::Bound) });
            }
            Err(why @ Lapsed::Ended) if listens => {
                return Err(Cut { end: End::Lapsed, refusal: why.refusal(Stage::Bound) });
            }
            // An answer that has begun is read to its end.
            _ => {}
        }
        if listens {
            return self.may_listen(reading);
        }
        if now.duration_since(self.heard) >= self.idle || now.duration_since(self.begun) >= ANSWER_MAX {
            let refusal = Refusal::of(refusal::UPSTREAM_TIMEOUT, Stage::Bound);
            return Err(Cut { end: End::UpstreamTimeout, refusal });
        }
        Ok(())
    }

    /// Whether the newest plan still lets the caller listen.
    fn may_listen(&mut self, reading: &Reading) -> Result<(), Cut> {
        let newest = reading.shared.plan.read().unwrap_or_else(PoisonError::into_inner).clone();
        let known = self.plan.as_ref().unwrap_or(reading.origin.plan());
        let Some(newest) = newest.filter(|newest| !Arc::ptr_eq(newest, known)) else { return Ok(()) };
        if reading.may_listen_under(&newest) {
            self.plan = Some(newest);
            return Ok(());
        }
        let refusal = Refusal::of(refusal::UNKNOWN_ACTOR, Stage::Bound)
            .saying("another plan came into force, under which the caller may not listen");
        Err(Cut { end: End::Lapsed, refusal })
    }
}

impl Reading {
    /// Whether the stream is no answer that comes to an end by itself.
    pub(super) fn listens(&self) -> bool {
        self.channel == Channel::Listen || self.method == Method::SubscriptionsListen
    }

    fn may_listen_under(&self, plan: &GatePlan) -> bool {
        let who = self.origin.who();
        let principal = &who.credential().principal;
        let server = self.server.route;
        let name = if self.channel == Channel::Listen { LISTEN } else { self.method.as_str() };
        let context = Context {
            task: self.origin.closer().memory().label(principal.task),
            now: self.origin.closer().now(),
            key_bound: who.is_bound(),
            ..Context::default()
        };
        let ask =
            Ask::of(principal, Action::CallMethod, Resource::Method { server: Some(server), name }, context);
        plan.actor(principal.actor).is_some_and(|actor| actor.standing == Standing::Active)
            && plan.servers().any(|known| known.route == server)
            && !matches!(plan.policies.decide(&ask).outcome, Outcome::Refuse { .. })
    }
}
