//! A call and another gate: what is said of one that came, and what is said of one that goes.

use std::sync::Arc;

use alcaide_inventory::Moment;
use alcaide_inventory::id::{CallId, TaskId};
use alcaide_label::{Integrity, Label};
use alcaide_wire::json::Document;
use alcaide_wire::json::edit;
use alcaide_wire::mcp::CallView;
use bytes::Bytes;

use super::aside::Aside;
use super::down;
use crate::flow;
use crate::gate::Shared;
use crate::labels::{self, Given, Heard, PeerPlan, Stated};
use crate::passage::{Known, Passage};
use crate::refusal::Refusal;
use crate::reply::Reading;
use crate::worked::worked_here;

/// What another gate says of a call that came, joined to its task before anything is judged by that.
pub(super) async fn hear(
    shared: &Arc<Shared>,
    known: &Passage<Known>,
    reading: &Reading,
    bytes: &Bytes,
    given: &Given,
) -> Result<Heard, Refusal> {
    let actor = known.who().credential().principal.actor;
    let callers = known.plan().peers();
    if *given == Given::None && callers.of_caller(actor).is_none() {
        return Ok(Heard::default());
    }
    let read = || {
        let limits = flow::within(bytes);
        let document = Document::parse(bytes, &limits).ok();
        let params = document.as_ref().and_then(|document| document.root().get("params"));
        let content = (reading.method.as_str(), params);
        shared.labels.request(known.plan(), actor, given, content, shared.closer.now())
    };
    let heard = worked_here(bytes.len(), read).await;
    if let Some(label) = heard.joins {
        let aside = Aside { shared, origin: &reading.origin, server: &reading.server };
        down::heard(&aside, bytes, down::LABEL, label).await?;
    }
    Ok(heard)
}

/// The message with what this gate says of it to the peer that it goes to, in the place of whatever stood there. A text that
/// was put back behind a handle is a stranger's, though the task never read it.
pub(super) fn told(
    shared: &Shared,
    peer: &PeerPlan,
    of: (CallId, TaskId),
    (bytes, filled): (&Bytes, bool),
    now: Moment,
) -> Result<(Bytes, Stated), String> {
    let document =
        Document::parse(bytes, &flow::within(bytes)).map_err(|error| error.without_keys().to_string())?;
    let mut view = CallView::read(&document).map_err(|error| error.to_string())?;
    let known = shared.closer.memory().label(of.1);
    let label =
        if filled { known.join(Label { integrity: Integrity::Untrusted, ..Label::CLEAN }) } else { known };
    let params = document.root().get("params");
    let (signed, stated) =
        shared.labels.state(peer, of, label, (&view.word, params), now).map_err(|error| error.to_string())?;
    let text = edit::encode(&signed.compact);
    let splices = view.set_meta(&document, &[(labels::META_KEY, Some(&text))]);
    let told = edit::apply(bytes, splices).map_err(|error| error.to_string())?;
    Ok((told, stated))
}
