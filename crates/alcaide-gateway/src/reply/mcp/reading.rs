//! How a tool server's answer is read: whose exchange it is, in which form it goes on, and to whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alcaide_inventory::id::CallId;
use alcaide_label::Label;
use alcaide_wire::json::Document;
use alcaide_wire::jsonrpc::Id;
use alcaide_wire::mcp::{Method, Part, Segment};

use crate::flow::{Answered, Judged};
use crate::gate::Shared;
use crate::labels::{Answerable, Stated};
use crate::mcp::aside::Aside;
use crate::mcp::kept::Kept;
use crate::mcp::plan::ServerPlan;
use crate::mcp::seal::Place;
use crate::mcp::state::Open;
use crate::passage::Origin;

/// How the result is brought into the form of the caller's generation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    /// Server and caller speak the same.
    Same,
    /// The caller is of the stateless generation, the server is not.
    Stateless,
    /// The caller is of the handshake generation, the server is not.
    Handshake,
}

/// By which URIs the caller knows resources.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Uris {
    /// By those of their server.
    Own,
    /// By those of the union.
    Union,
}

/// What comes back, and to whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Channel {
    /// The answer to one request.
    Answer,
    /// Nothing but that the message was taken.
    Receipt,
    /// What a server says of itself, on a stream that a caller opened.
    Listen,
}

/// How a tool server's answer is read.
pub(crate) struct Reading {
    pub(crate) shared: Arc<Shared>,
    pub(crate) origin: Origin,
    pub(crate) server: Arc<ServerPlan>,
    pub(crate) channel: Channel,
    /// Method of the request.
    pub(crate) method: Method,
    /// Its id.
    pub(crate) id: Option<Id<'static>>,
    /// Whose exchange it is.
    pub(crate) place: Place,
    /// The caller's session, where there is one: the server may ask then.
    pub(crate) session: Option<Arc<str>>,
    /// The server's session, for what is said to it besides.
    pub(crate) upstream_session: Option<String>,
    /// The session that the gate keeps, where it is one: it is in use until the answer is read.
    pub(crate) kept: Option<Arc<Kept>>,
    /// What a state that the server gives belongs to.
    pub(crate) state_of: String,
    pub(crate) shape: Shape,
    pub(crate) uris: Uris,
    /// Whether the answer is for the gate itself: streams are read to their result.
    pub(crate) gather: bool,
    /// The call as one that can be cancelled.
    pub(crate) open: Option<Open>,
    /// How the call was judged, where it is one of a tool.
    pub(crate) judged: Option<Arc<Judged>>,
    /// The call that it answers.
    pub(crate) call: Option<CallId>,
    /// What a peer was told with the call.
    pub(crate) stated: Option<Stated>,
    /// Who is told what label its answer has.
    pub(crate) answerable: Option<Answerable>,
    /// Whether it may be at the server, and its answer is not here.
    pub(crate) under_way: AtomicBool,
}

impl Drop for Reading {
    /// In a session that the gate keeps nobody comes back for an answer: the server is told that nobody waits.
    fn drop(&mut self) {
        let (Some(kept), Some(id)) = (self.kept.take(), self.id.take()) else { return };
        let told = self.open.as_ref().is_some_and(Open::is_cancelled);
        let held = self.origin.who().credential();
        let memory = self.origin.closer().memory();
        // Who was stopped loses the session as a whole; a child is told by its pool.
        let good = memory.is_good(&held.epochs, held.principal.token, &held.ancestors).is_ok();
        if self.under_way.load(Ordering::Acquire) && !told && good && self.server.upstream.child().is_none() {
            self.shared.mcp.ends.cancel(kept, id);
        }
    }
}

impl Reading {
    /// Its answer is here.
    pub(super) fn answered(&self) {
        self.under_way.store(false, Ordering::Release);
    }

    /// Takes texts into what is known of the task, before any of them is released. Definitions of tools and accepted
    /// instructions are not read by the task as data. Says what label they have beyond what was declared.
    pub(super) fn takes_in(
        &self,
        document: &Document<'_>,
        segments: &[Segment<'_>],
        structured: Option<&std::ops::Range<usize>>,
        stated: Option<Label>,
    ) -> Option<Label> {
        let texts: Vec<_> = segments
            .iter()
            .filter(|segment| !matches!(segment.part, Part::Instructions | Part::Definition))
            .map(|segment| (segment.span.clone(), &*segment.text))
            .collect();
        let call = self.call.filter(|_| !texts.is_empty())?;
        let result = document.root().get("result").and_then(|result| result.get("structuredContent"));
        let answered = Answered {
            task: self.origin.who().credential().principal.task,
            call,
            route: self.server.route,
            judged: self.judged.as_ref(),
            texts: &texts,
            structured: result.filter(|_| structured.is_some()),
            stated,
        };
        self.shared.flows.answered(self.origin.closer().memory(), &answered)
    }

    /// Places of the answer whose texts are given by handle; nothing where it is given as it is.
    pub(crate) fn handled(&self) -> Option<&[String]> {
        let pointers = self.judged.as_ref().map(|judged| judged.handled())?;
        (!pointers.is_empty()).then_some(pointers)
    }

    /// What the gate itself does for the caller of this call.
    pub(crate) const fn aside(&self) -> Aside<'_> {
        Aside { shared: &self.shared, origin: &self.origin, server: &self.server }
    }

    /// The task is about to read something that cannot be read here.
    pub(super) fn cannot_tell(&self) {
        self.shared.flows.forget(self.origin.who().credential().principal.task);
    }

    /// Whether the server may ask the caller something on this channel: not where that could tell what its answer must not.
    pub(crate) fn may_ask(&self) -> bool {
        self.handled().is_none() && self.session.is_some() && self.shape == Shape::Same && !self.gather
    }
}
