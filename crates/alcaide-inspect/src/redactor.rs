//! Redaction of text that comes in chunks: a [`Stream`], the text that it has not decided yet, and a [`Mask`].
//!
//! Output comes as pieces. Each tells which bytes of the input it stands for and whether they were replaced, so that
//! a caller who holds the text in another form (a JSON string, an event) can leave alone all that was not.

use std::borrow::Cow;
use std::ops::Range;

use alcaide_finding::{Class, Finding};

use crate::engine::Engine;
use crate::mask::Mask;
use crate::stream::{Step, Stream, bytes};

/// Output for a range of the input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Piece<'t> {
    /// Offsets in the whole input, in bytes; pieces follow each other without gaps.
    pub source: Range<u64>,
    /// What to send: the input itself, a placeholder, or nothing where a placeholder was sent before.
    pub text: Cow<'t, str>,
    /// Whether `text` stands in for the input.
    pub replaced: bool,
}

/// What one push or finish of a [`Redactor`] brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Redacted<'t> {
    /// Output, in order.
    pub pieces: Vec<Piece<'t>>,
    /// Findings decided by this step, in order, also those that the mask spares.
    pub findings: Vec<Finding>,
}

impl Redacted<'_> {
    /// Adds the text of all pieces to `out`.
    pub fn write_to(&self, out: &mut String) {
        for piece in &self.pieces {
            out.push_str(&piece.text);
        }
    }

    /// Whether any input was replaced.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.pieces.iter().any(|piece| piece.replaced)
    }
}

/// Redacts one text that comes in chunks.
pub struct Redactor {
    stream: Stream,
    mask: Mask,
    /// Input that is neither sent nor hidden yet.
    held: String,
    /// Offset of the first byte that no piece stood for.
    sent: u64,
    /// A span whose placeholder was sent and whose end has not come.
    hiding: bool,
}

impl Redactor {
    /// Begins a text.
    #[must_use]
    pub fn new(engine: &Engine, mask: Mask) -> Self {
        Self { stream: engine.stream(), mask, held: String::new(), sent: 0, hiding: false }
    }

    /// Takes the next chunk and yields what can be said for certain.
    pub fn push<'t>(&mut self, text: &'t str) -> Redacted<'t> {
        let step = self.stream.push(text);
        self.apply(text, step)
    }

    /// Says that nothing follows and yields the rest. The redactor is then as new and can take another text.
    pub fn finish(&mut self) -> Redacted<'static> {
        let step = self.stream.finish();
        let out = self.apply("", step);
        (self.sent, self.hiding) = (0, false);
        self.held.clear();
        out
    }

    /// Bytes of input that were taken and not yet answered by a piece.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    fn apply<'t>(&mut self, text: &'t str, step: Step) -> Redacted<'t> {
        let mut input =
            Input { held: &self.held, text, base: self.sent, pieces: Vec::new(), sent: self.sent };
        for finding in &step.findings {
            if !self.mask.hides(finding.class) {
                continue;
            }
            let first = !std::mem::take(&mut self.hiding);
            input.clear(finding.span.start);
            input.hide(self.mask, (finding.rule.as_str(), finding.class), finding.span.end, first);
        }
        let all = input.end();
        match step.open {
            Some(open) if self.mask.hides(open.rule.class) => {
                input.clear(open.start);
                let first = !std::mem::replace(&mut self.hiding, true);
                input.hide(self.mask, (open.rule.id.as_str(), open.rule.class), all, first);
            }
            // Spared, and no other rule looks into it: it need not wait for its end.
            Some(_) => input.clear(all),
            None => input.clear(step.decided),
        }
        let (pieces, sent) = (input.pieces, input.sent);
        let done = usize::try_from(sent - self.sent).unwrap_or(usize::MAX);
        match done.checked_sub(self.held.len()) {
            Some(of_text) => {
                self.held.clear();
                self.held.push_str(text.get(of_text..).unwrap_or_default());
            }
            None => {
                self.held.drain(..done);
                self.held.push_str(text);
            }
        }
        self.sent = sent;
        Redacted { pieces, findings: step.findings }
    }
}

impl std::fmt::Debug for Redactor {
    /// Shows offsets, never text.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Redactor")
            .field("sent", &self.sent)
            .field("held_bytes", &self.held.len())
            .finish_non_exhaustive()
    }
}

/// The input of one step: what was held before, then the new chunk.
struct Input<'h, 't> {
    held: &'h str,
    text: &'t str,
    /// Offset of `held`.
    base: u64,
    pieces: Vec<Piece<'t>>,
    sent: u64,
}

impl<'t> Input<'_, 't> {
    fn end(&self) -> u64 {
        self.base + bytes(self.held.len()) + bytes(self.text.len())
    }

    /// The parts of a range that are held and that are new.
    fn parts(&self, from: u64, to: u64) -> (&str, &'t str) {
        let place = |offset: u64| usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let (from, to, held) = (place(from), place(to), self.held.len());
        let old = self.held.get(from.min(held)..to.min(held)).unwrap_or_default();
        let new = self.text.get(from.saturating_sub(held)..to.saturating_sub(held)).unwrap_or_default();
        (old, new)
    }

    /// Sends input as it is, up to `to`.
    fn clear(&mut self, to: u64) {
        if to <= self.sent {
            return;
        }
        let (old, new) = self.parts(self.sent, to);
        let middle = self.sent + bytes(old.len());
        let old = (!old.is_empty()).then(|| Piece {
            source: self.sent..middle,
            text: Cow::Owned(old.to_owned()),
            replaced: false,
        });
        self.pieces.extend(old);
        if !new.is_empty() {
            self.pieces.push(Piece { source: middle..to, text: Cow::Borrowed(new), replaced: false });
        }
        self.sent = to;
    }

    /// Replaces input up to `to`; the placeholder goes with the first part of a span.
    fn hide(&mut self, mask: Mask, (rule, class): (&str, Class), to: u64, first: bool) {
        if to <= self.sent {
            return;
        }
        let text = if first {
            let (old, new) = self.parts(self.sent, to);
            mask.placeholder(rule, class, &[old, new].concat())
        } else {
            Cow::Borrowed("")
        };
        self.pieces.push(Piece { source: self.sent..to, text, replaced: true });
        self.sent = to;
    }
}
