//! An answer that is no stream, read whole.

use std::ops::Range;
use std::time::Duration;

use alcaide_inventory::declare::Price;
use alcaide_record::{Digest, End, Stage};
use alcaide_seal::digest::sha256;
use alcaide_wire::json::{Document, Limits, NumberRule, edit};
use alcaide_wire::llm::{OpaqueKind, Operation, ReplyView};
use bytes::{Bytes, BytesMut};
use http::header;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::{Labelled, Lens, REPLY_BYTES_MAX, Reader, Source, priced};
use crate::attempt::{Attempt, Told};
use crate::canary;
use crate::content::count;
use crate::lease;
use crate::link::Answer;
use crate::passage::STOP_TICK;
use crate::refusal::{self, Refusal};
use crate::worked::worked;

/// Numbers of a reply decide nothing; a log probability need not be exact.
pub(super) fn reply_limits() -> Limits {
    Limits { bytes: REPLY_BYTES_MAX, numbers: NumberRule::Rounded, ..Limits::default() }
}

/// Collects the answer, looks at it, edits it, writes the outcome.
pub(super) async fn release(labelled: Labelled) -> Result<Bytes, Refusal> {
    let Labelled { raw, lens } = labelled;
    let (head, mut attempt) = (raw.head, raw.attempt);
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        // The gate asks for none; what comes compressed all the same is not unpacked, whatever its size.
        return Err(end(
            attempt,
            End::UpstreamBroken,
            Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because("the answer is compressed"),
        ));
    }
    let limit = lens
        .demands
        .reply_bytes
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(REPLY_BYTES_MAX)
        .min(REPLY_BYTES_MAX);
    let Source::Http(body) = raw.body else { return Err(foreign(attempt)) };
    let bytes = match collect(body, limit, raw.idle_timeout, &lens, &attempt).await {
        Ok(bytes) => bytes,
        Err((ended, refusal)) => return Err(end(attempt, ended, refusal)),
    };
    let told_end = if head.status.is_success() { End::Complete } else { End::UpstreamRefused };
    let looked = worked(bytes.len(), move || {
        let looked = look(&bytes, &lens, &mut attempt);
        (looked.map(|released| (Digest(*sha256(&released).as_bytes()), released)), attempt)
    });
    let (looked, mut attempt) = looked.await;
    match looked {
        Ok((digest, released)) => {
            let mut told = std::mem::take(&mut attempt.told);
            told.released_bytes = u64::try_from(released.len()).unwrap_or(u64::MAX);
            told.digest = Some(digest);
            attempt.finish(told_end, told);
            Ok(released)
        }
        Err((ended, refusal)) => Err(end(attempt, ended, refusal)),
    }
}

/// Longest time for an answer that is no stream, however steadily it drips.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Collects the answer; given up when the upstream stands still, or when an order stops the caller.
pub(super) async fn collect(
    mut body: Answer,
    limit: usize,
    idle: Duration,
    lens: &Lens,
    attempt: &Attempt,
) -> Result<Bytes, (End, Refusal)> {
    let too_long = || {
        (End::TooLong, Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because("the answer is too long"))
    };
    let stopped = || {
        let held = lens.who.get();
        let memory = attempt.closer().memory();
        let good = memory.is_good(&held.epochs, held.principal.token, &held.ancestors);
        good.err().map(|why| (End::Killed, lease::not_good(why, Stage::Bound)))
    };
    let mut whole = BytesMut::new();
    let mut still = Duration::ZERO;
    let begun = Instant::now();
    let mut looked = begun;
    loop {
        // An answer that drips is looked after like one that stands still.
        let now = Instant::now();
        if now.duration_since(looked) >= STOP_TICK {
            looked = now;
            if let Some(stopped) = stopped() {
                return Err(stopped);
            }
            if now.duration_since(begun) >= WHOLE_TIMEOUT {
                return Err((End::UpstreamTimeout, Refusal::of(refusal::UPSTREAM_TIMEOUT, Stage::Bound)));
            }
        }
        let step = STOP_TICK.min(idle.saturating_sub(still));
        let piece = match tokio::time::timeout(step, body.frame()).await {
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(error))) => return Err(broken(&error)),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Err(_) => {
                still = still.saturating_add(step);
                if still >= idle {
                    return Err((End::UpstreamTimeout, Refusal::of(refusal::UPSTREAM_TIMEOUT, Stage::Bound)));
                }
                continue;
            }
        };
        still = Duration::ZERO;
        if whole.len().saturating_add(piece.len()) > limit {
            return Err(too_long());
        }
        if whole.is_empty() && body.is_end_stream() {
            // The common case: one frame, passed on without a copy.
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
}

/// What may go to the caller of a whole answer.
fn look(bytes: &Bytes, lens: &Lens, attempt: &mut Attempt) -> Result<Bytes, (End, Refusal)> {
    match &lens.reader {
        Reader::Model { operation, price, .. } => look_as_model(bytes, lens, (*operation, *price), attempt),
        Reader::Plain => look_as_plain(bytes, lens, attempt),
        // INVARIANT: `Reply::release` reads these elsewhere.
        Reader::Mcp(_) => Err(broken(&"the answer of a tool server was read as another")),
    }
}

/// An answer that cannot be read. `why` is for the log: it holds nothing of the answer, keys neither.
pub(super) fn broken(why: &dyn std::fmt::Display) -> (End, Refusal) {
    (End::UpstreamBroken, Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why.to_string()))
}

fn look_as_model(
    bytes: &Bytes,
    lens: &Lens,
    (operation, price): (Operation, Price),
    attempt: &mut Attempt,
) -> Result<Bytes, (End, Refusal)> {
    let document = Document::parse(bytes, &reply_limits()).map_err(|error| broken(&error.without_keys()))?;
    let view = ReplyView::read(operation, &document).map_err(|error| broken(&error))?;
    if let Some(usage) = view.usage {
        attempt.told.usage = Some(priced(usage, price));
    }
    if !view.opaque.is_empty() && lens.demands.blocks_uninspected() {
        return Err((End::ContentCut, Refusal::of(refusal::REPLY_BLOCKED, Stage::Bound)));
    }
    let texts = view.segments.iter().map(|segment| (&segment.span, &*segment.text, segment.sealed));
    let mut splices = edits(texts, lens, attempt)?;
    if splices.is_empty() {
        return Ok(bytes.clone());
    }
    // What is told again token by token would tell what was hidden.
    for part in view.opaque.iter().filter(|part| part.kind == OpaqueKind::LogProbabilities) {
        splices.push(edit::Splice::new(part.span.clone(), Bytes::from_static(b"null")));
    }
    edit::apply(bytes, splices).map_err(|error| broken(&error))
}

fn look_as_plain(bytes: &Bytes, lens: &Lens, attempt: &mut Attempt) -> Result<Bytes, (End, Refusal)> {
    if bytes.is_empty() {
        return Ok(Bytes::new());
    }
    let Ok(document) = Document::parse(bytes, &reply_limits()) else {
        // Not JSON that is read alike everywhere: it passes only where nothing has to be found in it.
        attempt.told.findings.push(crate::content::uninspected());
        return if lens.demands.lets_all() {
            Ok(bytes.clone())
        } else {
            Err((End::ContentCut, Refusal::of(refusal::REPLY_BLOCKED, Stage::Bound)))
        };
    };
    let found = crate::content::strings(document.root());
    let splices = edits(found.iter().map(|(span, text)| (span, &**text, false)), lens, attempt)?;
    edit::apply(bytes, splices).map_err(|error| broken(&error))
}

/// Scans texts, counts what is found, and says what is to be written in the place of what must be hidden.
pub(super) fn edits<'t>(
    texts: impl Iterator<Item = (&'t Range<usize>, &'t str, bool)>,
    lens: &Lens,
    attempt: &mut Attempt,
) -> Result<Vec<edit::Splice>, (End, Refusal)> {
    let mut splices = Vec::new();
    for (span, text, sealed) in texts {
        let mut findings = lens.engine.scan(text);
        if lens.canary.as_ref().is_some_and(|canary| canary.is_in(text)) {
            // It stands for all of the text, and so goes first.
            findings.insert(0, canary::finding(text));
        }
        let mut hides = false;
        for finding in &findings {
            count(&mut attempt.told.findings, finding);
            if lens.demands.blocks(finding) || (lens.demands.hides(finding) && sealed) {
                return Err((End::ContentCut, Refusal::of(refusal::REPLY_BLOCKED, Stage::Bound)));
            }
            hides |= lens.demands.hides(finding);
        }
        if hides {
            let (safe, _) = alcaide_inspect::redact(text, &findings, lens.demands.mask);
            splices.push(edit::Splice::text(span.clone(), &safe));
        }
    }
    Ok(splices)
}

/// Only tool servers are child processes.
pub(super) fn foreign(attempt: Attempt) -> Refusal {
    let (ended, refusal) = broken(&"a child process answered as another protocol");
    end(attempt, ended, refusal)
}

pub(super) fn end(mut attempt: Attempt, ended: End, refusal: Refusal) -> Refusal {
    let told = Told { released_bytes: 0, digest: None, ..std::mem::take(&mut attempt.told) };
    attempt.finish(ended, told);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_is_told_of_an_answer_names_no_key_of_it() {
        let error = Document::parse(b"{\"4242424242424242\":[1,}", &reply_limits()).unwrap_err();
        assert!(error.to_string().contains("4242"));
        let (_, refusal) = broken(&error.without_keys());
        assert_eq!(refusal.internal.as_deref(), Some("unexpected byte at byte 23"));
    }
}
