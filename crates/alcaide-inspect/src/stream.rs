//! Text that comes in chunks, decided as soon as it can be.
//!
//! The stream keeps the undecided end of the text and, before it, as much decided text as rules look back on.
//! [`advance`] walks from anchor to anchor. A rule that cannot answer stops it there, and nothing from that anchor
//! on (nor of an e-mail address that could reach over it) is decided until it can. Hits are taken in the order of
//! their anchors; one that begins inside an earlier span is cut to begin at its end, or dropped if it is an address.

use std::mem;
use std::sync::Arc;

use alcaide_finding::{Class, Finding};

use crate::close::Close;
use crate::email;
use crate::engine::Plan;
use crate::rules::Rule;
use crate::token;
use crate::view::{Judged, NeedMore, Reach, View};
use crate::{card, trigger};

/// Most bytes of text that a stream holds undecided after a push, but for a span that is open and thus hidden.
///
/// The longest look ahead of a rule (a web token's header, 416 bytes with its prefix and what must follow) and the
/// 64 bytes of a local part that could reach over its anchor.
pub const HOLD_BACK_BYTES_MAX: usize = 512;

/// Most bytes of memory that one [`Stream`] keeps between pushes; a [`crate::Redactor`] adds its held text, at most
/// [`HOLD_BACK_BYTES_MAX`].
pub const STATE_BYTES_MAX: usize = 3072;

/// Bytes of decided text kept for rules to look back on: a key of an assignment (64) with what may stand between
/// it and its sign, or a number of 19 digits in groups.
const LOOK_BACK_BYTES: usize = 96;

/// A push is taken in bites of so many bytes, so that the kept state stays small whatever comes at once.
const BITE_BYTES: usize = 2048;

/// First allocation for the kept text: enough for chunks the size of a model's tokens.
const ROOM_BYTES_SMALL: usize = 768;

/// Last allocation for the kept text: twice the look back (it is cut late), the hold-back and a bite.
const ROOM_BYTES_MAX: usize = 2 * LOOK_BACK_BYTES + HOLD_BACK_BYTES_MAX + BITE_BYTES;

/// What one push or finish brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Step {
    /// Offset in the whole text, in bytes, up to which every byte is final: clear, or within a returned finding.
    pub decided: u64,
    /// Findings decided by this step, in order; spans are offsets in the whole text.
    pub findings: Vec<Finding>,
    /// A span that has begun (at `decided`) and whose end has not come: every byte from there on is part of it.
    /// It becomes a finding once it ends.
    pub open: Option<Open>,
}

/// A span without an end yet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Open {
    /// Its first byte, as an offset in the whole text.
    pub start: u64,
    /// The rule that opened it.
    pub rule: &'static Rule,
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.start == other.start && self.rule.id == other.rule.id
    }
}

impl Eq for Open {}

/// One text that comes in chunks (a text channel of a reply, say).
pub struct Stream {
    plan: Arc<Plan>,
    /// Decided text to look back on, then all undecided text.
    kept: String,
    /// Offset of `kept` in the whole text.
    base: u64,
    decided: u64,
    walk: Walk,
}

impl Stream {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self { plan, kept: String::new(), base: 0, decided: 0, walk: Walk::default() }
    }

    /// Takes the next chunk, of any length.
    pub fn push(&mut self, text: &str) -> Step {
        let mut findings = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (bite, after) =
                rest.split_at_checked(rest.floor_char_boundary(BITE_BYTES)).unwrap_or((rest, ""));
            self.bite(bite, &mut findings);
            rest = after;
        }
        self.step(findings)
    }

    /// Says that nothing follows: all is decided now. The stream is then as new and can take another text.
    pub fn finish(&mut self) -> Step {
        let mut findings = Vec::new();
        let decided = advance(&self.plan, &self.kept, true, self.base, &mut self.walk, &mut findings);
        let decided = self.base + bytes(decided);
        *self = Self { kept: mem::take(&mut self.kept), ..Self::new(Arc::clone(&self.plan)) };
        self.kept.clear();
        Step { decided, findings, open: None }
    }

    /// Offset in the whole text up to which every byte is final.
    #[must_use]
    pub const fn decided(&self) -> u64 {
        self.decided
    }

    fn bite(&mut self, text: &str, findings: &mut Vec<Finding>) {
        self.make_room(text.len());
        self.kept.push_str(text);
        let decided = advance(&self.plan, &self.kept, false, self.base, &mut self.walk, findings);
        let seen_to = decided.min(self.walk.next);
        self.decided = self.walk.open.as_ref().map_or(self.base + bytes(decided), |opened| opened.start);
        let cut = self.kept.floor_char_boundary(seen_to.saturating_sub(LOOK_BACK_BYTES));
        // Moving the rest down costs a copy: worth it only once there is something to gain.
        if cut >= LOOK_BACK_BYTES {
            self.kept.drain(..cut);
            self.base += bytes(cut);
            self.walk.shift(cut);
        }
    }

    fn step(&self, findings: Vec<Finding>) -> Step {
        let open = self.walk.open.as_ref().map(|opened| Open { start: opened.start, rule: opened.rule });
        Step { decided: self.decided, findings, open }
    }

    /// Grows in two steps, so that small chunks neither reallocate often nor take the memory of large ones.
    fn make_room(&mut self, more: usize) {
        let want = self.kept.len() + more;
        if want > self.kept.capacity() {
            let size = if want <= ROOM_BYTES_SMALL { ROOM_BYTES_SMALL } else { ROOM_BYTES_MAX.max(want) };
            self.kept.reserve_exact(size - self.kept.len());
        }
    }
}

impl std::fmt::Debug for Stream {
    /// Shows offsets, never text.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Stream")
            .field("decided", &self.decided)
            .field("held_bytes", &(self.base + bytes(self.kept.len()) - self.decided))
            .finish_non_exhaustive()
    }
}

/// How far [`advance`] has come; offsets are relative to the text that it is given.
#[derive(Default)]
struct Walk {
    /// The first byte not yet looked at as an anchor, or the anchor that waits.
    next: usize,
    /// End of the last span.
    covered: usize,
    /// End of the last link, which covers nothing.
    linked: usize,
    /// A span without an end.
    open: Option<Opened>,
}

struct Opened {
    /// Offset in the whole text.
    start: u64,
    rule: &'static Rule,
    close: Close,
}

impl Walk {
    const fn shift(&mut self, cut: usize) {
        self.next = self.next.saturating_sub(cut);
        self.covered = self.covered.saturating_sub(cut);
        self.linked = self.linked.saturating_sub(cut);
    }
}

/// Scans a whole text.
pub(crate) fn scan(plan: &Plan, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    advance(plan, text, true, 0, &mut Walk::default(), &mut findings);
    findings
}

/// Walks on over `text`, which begins at offset `base` of the whole; returns up to where it is decided.
fn advance(
    plan: &Plan,
    text: &str,
    last: bool,
    base: u64,
    walk: &mut Walk,
    findings: &mut Vec<Finding>,
) -> usize {
    let view = View::new(text, last);
    loop {
        if let Some(opened) = &mut walk.open {
            let end = match opened.close.feed(view.tail(walk.next)) {
                Some(n) => walk.next + n,
                None if last => text.len(),
                None => {
                    walk.next = text.len();
                    // What is open is hidden: it counts as decided for what is kept, not for the caller.
                    return text.len();
                }
            };
            let span = opened.start..base + bytes(end);
            let evidence = format!("{} characters", span.end - span.start).into();
            findings.push(finding(opened.rule, span, evidence));
            (walk.next, walk.covered, walk.open) = (end, end, None);
        }
        let Some(anchor) = plan.triggers.next(text.as_bytes(), walk.next) else {
            walk.next = text.len();
            let held = if last { text.len() } else { email::reach_back(view, text.len()) };
            return held.max(walk.covered);
        };
        walk.next = anchor;
        let hit = match trigger::judge(&plan.triggers, view, anchor) {
            Err(NeedMore) => return email::reach_back(view, anchor).max(walk.covered),
            Ok(hit) => hit,
        };
        walk.next = anchor + 1;
        let Some(hit) = hit else { continue };
        if hit.start < walk.covered && hit.rule.class == Class::Personal {
            continue;
        }
        if let (Class::Link, Reach::End(end)) = (hit.rule.class, &hit.reach) {
            // An image's own link is told once, as an image; what another rule covers is told there.
            if hit.start >= walk.covered.max(walk.linked) {
                let evidence = format!("{} characters", view.slice(hit.start, *end).chars().count()).into();
                findings.push(finding(hit.rule, base + bytes(hit.start)..base + bytes(*end), evidence));
                walk.linked = *end;
            }
            continue;
        }
        let start = hit.start.max(walk.covered);
        match hit.reach {
            Reach::End(end) => {
                let beside = hit.beside.map(|(rule, start, end)| (rule, start.max(walk.covered), end, ""));
                for (rule, start, end, note) in
                    [Some((hit.rule, start, end, hit.note)), beside].into_iter().flatten()
                {
                    if end > start {
                        let value = view.slice(start, end);
                        let is_card = rule.class == Class::Card;
                        let evidence =
                            if is_card { card::evidence(value) } else { token::evidence(value, note) };
                        findings.push(finding(rule, base + bytes(start)..base + bytes(end), evidence));
                        walk.covered = end;
                    }
                }
            }
            Reach::Open(from, close) => {
                match goes_past(view, from, close, walk.covered) {
                    Err(NeedMore) => {
                        walk.next = anchor;
                        return email::reach_back(view, anchor).max(walk.covered);
                    }
                    Ok(false) => continue,
                    Ok(true) => {}
                }
                walk.open = Some(Opened { start: base + bytes(start), rule: hit.rule, close });
                walk.next = from;
            }
        }
    }
}

/// Whether a span that is read from `from` on ends later than `covered`, where an earlier one ends.
///
/// # Errors
/// [`NeedMore`] if the byte at `covered` has not come.
fn goes_past(view: View<'_>, from: usize, mut close: Close, covered: usize) -> Judged<bool> {
    if covered <= from {
        return Ok(true);
    }
    if view.byte(covered)?.is_none() {
        return Ok(false);
    }
    let known = view.tail(from).get(..=covered - from).unwrap_or_default();
    Ok(close.feed(known).is_none_or(|end| from + end > covered))
}

fn finding(rule: &Rule, span: std::ops::Range<u64>, evidence: std::borrow::Cow<'static, str>) -> Finding {
    Finding { rule: rule.id.clone(), class: rule.class, severity: rule.severity, span, evidence }
}

/// A length in memory as an offset.
pub(crate) fn bytes(len: usize) -> u64 {
    // INVARIANT: no target has addresses wider than 64 bits.
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    #[test]
    fn the_state_stays_small_whatever_comes() {
        let prose = "some words and user@host.example and 4242 4242 ".repeat(5000);
        let run = "a".repeat(200_000);
        let block = format!("-----BEGIN PRIVATE KEY-----\n{}", "QUJD".repeat(50_000));
        for text in [prose, run, block] {
            for size in [1, 7, 100, 5000, text.len()] {
                let mut stream = Engine::builtin().stream();
                for chunk in text.as_bytes().chunks(size).take(20_000) {
                    let _ = stream.push(std::str::from_utf8(chunk).unwrap());
                    let state = size_of::<Stream>() + stream.kept.capacity();
                    assert!(state <= STATE_BYTES_MAX, "{state} bytes with chunks of {size}");
                }
            }
        }
    }

    #[test]
    fn a_value_glued_to_an_earlier_one_is_cut_to_begin_at_its_end() {
        let key = ["AKIA", "QWERTYUIOPASDF7Z"].concat();
        let found = Engine::builtin().scan(&format!("u:{key}@example.org"));
        assert_eq!(found.len(), 1, "the address would begin within the key: {found:?}");
        assert_eq!(found[0].span, 2..22);
    }

    #[test]
    fn debug_shows_no_text() {
        let mut stream = Engine::builtin().stream();
        let _ = stream.push("topsecretword");
        assert!(!format!("{stream:?}").contains("topsecret"));
    }
}
