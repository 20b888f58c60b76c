//! Texts of a stream, cut into deltas by the model's provider, decided as whole texts.
//!
//! Every delta of a channel is pushed into the channel's redactor. An event may go once each of its deltas is
//! decided; what the redactor replaced is written into the delta where the replaced text began, and nothing into
//! those that it went on in.

use std::ops::Range;

use alcaide_inspect::{Engine, Finding, Redacted, Redactor};
use alcaide_wire::llm::Channel;

use crate::content::Demands;

/// One channel of text.
struct Lane {
    channel: Channel,
    redactor: Redactor,
    /// Bytes pushed.
    taken: u64,
    /// Bytes that pieces stood for.
    decided: u64,
}

/// A delta that waits for its decision.
pub(super) struct Waiting {
    /// Bytes of the JSON string within the event's data.
    pub(super) span: Range<usize>,
    /// Which lane.
    lane: usize,
    /// Bytes of the lane's text.
    source: Range<u64>,
    /// What stands for them so far.
    text: String,
    /// Whether anything was replaced.
    pub(super) replaced: bool,
}

impl Waiting {
    /// What is written in its place.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// All channels of a stream.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
}

/// Most channels of one stream: parallel choices and tool calls; a stream with more is not believed.
pub(super) const LANES_MAX: usize = 256;

impl Lanes {
    /// Pushes a delta; returns it, and what its push decided of this and earlier deltas. `None` past [`LANES_MAX`].
    pub(super) fn push<'t>(
        &mut self,
        engine: &Engine,
        demands: &Demands,
        channel: Channel,
        span: Range<usize>,
        text: &'t str,
    ) -> Option<(Waiting, usize, Redacted<'t>)> {
        let at = match self.lanes.iter().position(|lane| lane.channel == channel) {
            Some(at) => at,
            None if self.lanes.len() >= LANES_MAX => return None,
            None => {
                let redactor = Redactor::new(engine, demands.mask);
                self.lanes.push(Lane { channel, redactor, taken: 0, decided: 0 });
                self.lanes.len() - 1
            }
        };
        let lane = self.lanes.get_mut(at)?;
        let end = lane.taken.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        let waiting =
            Waiting { span, lane: at, source: lane.taken..end, text: String::new(), replaced: false };
        lane.taken = end;
        let redacted = lane.redactor.push(text);
        if let Some(last) = redacted.pieces.last() {
            lane.decided = last.source.end;
        }
        Some((waiting, at, redacted))
    }

    /// Ends every text: what was held is decided now.
    pub(super) fn finish(&mut self) -> Vec<(usize, Redacted<'static>)> {
        let mut all = Vec::new();
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            let redacted = lane.redactor.finish();
            lane.decided = lane.taken;
            all.push((at, redacted));
        }
        // What follows (a provider that goes on after it said it was done) begins new texts.
        self.lanes.clear();
        all
    }

    /// Whether a delta is decided to its last byte.
    pub(super) fn is_decided(&self, waiting: &Waiting) -> bool {
        self.lanes.get(waiting.lane).is_none_or(|lane| lane.decided >= waiting.source.end)
    }

    /// Writes pieces into the deltas of lane `at` that they stand for.
    pub(super) fn place<'w>(
        at: usize,
        redacted: &Redacted<'_>,
        waiting: impl Iterator<Item = &'w mut Waiting>,
    ) {
        for delta in waiting.filter(|delta| delta.lane == at) {
            for piece in &redacted.pieces {
                let from = piece.source.start.max(delta.source.start);
                let to = piece.source.end.min(delta.source.end);
                if from >= to {
                    continue;
                }
                if piece.replaced {
                    delta.replaced = true;
                    // The placeholder stands where the span begins.
                    if piece.source.start >= delta.source.start {
                        delta.text.push_str(&piece.text);
                    }
                } else {
                    let cut =
                        |offset: u64| usize::try_from(offset - piece.source.start).unwrap_or(usize::MAX);
                    delta.text.push_str(piece.text.get(cut(from)..cut(to)).unwrap_or_default());
                }
            }
        }
    }
}

/// The first finding that must not pass.
pub(super) fn blocked<'f>(findings: &'f [Finding], demands: &Demands) -> Option<&'f Finding> {
    findings.iter().find(|finding| demands.blocks(finding))
}
