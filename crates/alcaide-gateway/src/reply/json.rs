//! A JSON answer, read whole.

use alcaide_record::{Digest, End, Stage};
use alcaide_seal::digest::sha256;
use alcaide_wire::json::{Document, Limits, NumberRule, edit};
use alcaide_wire::llm::{OpaqueKind, ReplyView};
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{Labelled, Lens, REPLY_BYTES_MAX, priced};
use crate::attempt::{Attempt, Told};
use crate::content::count;
use crate::refusal::{self, Refusal};

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
    let collected = tokio::time::timeout(raw.idle_timeout, Limited::new(raw.body, limit).collect()).await;
    let bytes = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) => {
            let ended = if error.is::<LengthLimitError>() { End::TooLong } else { End::UpstreamBroken };
            let refusal = Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(error.to_string());
            return Err(end(attempt, ended, refusal));
        }
        Err(_) => {
            return Err(end(
                attempt,
                End::UpstreamTimeout,
                Refusal::of(refusal::UPSTREAM_TIMEOUT, Stage::Bound),
            ));
        }
    };
    let told_end = if head.status.is_success() { End::Complete } else { End::UpstreamRefused };
    match look(&bytes, &lens, &mut attempt) {
        Ok(released) => {
            let mut told = std::mem::take(&mut attempt.told);
            told.released_bytes = u64::try_from(released.len()).unwrap_or(u64::MAX);
            told.digest = Some(Digest(*sha256(&released).as_bytes()));
            attempt.finish(told_end, told);
            Ok(released)
        }
        Err((ended, refusal)) => Err(end(attempt, ended, refusal)),
    }
}

/// What may go to the caller of a whole answer.
fn look(bytes: &Bytes, lens: &Lens, attempt: &mut Attempt) -> Result<Bytes, (End, Refusal)> {
    let broken =
        |why: String| (End::UpstreamBroken, Refusal::of(refusal::UPSTREAM_BROKEN, Stage::Bound).because(why));
    let document = Document::parse(bytes, &reply_limits()).map_err(|error| broken(error.to_string()))?;
    let view = ReplyView::read(lens.operation, &document).map_err(|error| broken(error.to_string()))?;
    if let Some(usage) = view.usage {
        attempt.told.usage = Some(priced(usage, lens.price));
    }
    let mut splices = Vec::new();
    for segment in &view.segments {
        let findings = lens.engine.scan(&segment.text);
        let mut hides = false;
        for finding in &findings {
            count(&mut attempt.told.findings, finding);
            if lens.demands.blocks(finding) || (lens.demands.hides(finding) && segment.sealed) {
                return Err((End::ContentCut, Refusal::of(refusal::REPLY_BLOCKED, Stage::Bound)));
            }
            hides |= lens.demands.hides(finding);
        }
        if hides {
            let (safe, _) = alcaide_inspect::redact(&segment.text, &findings, lens.demands.mask);
            splices.push(edit::Splice::text(segment.span.clone(), &safe));
        }
    }
    if splices.is_empty() {
        return Ok(bytes.clone());
    }
    // What is told again token by token would tell what was hidden.
    for part in view.opaque.iter().filter(|part| part.kind == OpaqueKind::LogProbabilities) {
        splices.push(edit::Splice::new(part.span.clone(), Bytes::from_static(b"null")));
    }
    edit::apply(bytes, splices).map_err(|error| broken(error.to_string()))
}

fn end(mut attempt: Attempt, ended: End, refusal: Refusal) -> Refusal {
    let told = Told { released_bytes: 0, digest: None, ..std::mem::take(&mut attempt.told) };
    attempt.finish(ended, told);
    refusal
}
