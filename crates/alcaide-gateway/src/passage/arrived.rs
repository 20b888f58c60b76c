//! Bytes are there, nobody is known: the head alone is judged.

use std::sync::Arc;
use std::time::Instant;

use alcaide_identity::{DpopError, DpopProof, DpopRequest, TokenCache, Verifier};
use alcaide_inventory::Moment;
use alcaide_inventory::declare::{DpopRule, Standing};
use alcaide_inventory::id::CallId;
use alcaide_record::{Refused, Stage};
use http::{HeaderMap, header};

use super::{Common, Describe, Known, Passage, Seat};
use crate::attempt::Closer;
use crate::lease;
use crate::plan::GatePlan;
use crate::refusal::{self, Refusal};

/// A call whose head was read.
pub struct Arrived(());

impl Describe for Arrived {
    const STAGE: Stage = Stage::Arrived;

    fn describe(&self, _refused: &mut Refused) {}
}

/// The credential that a head presents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Presented<'a> {
    /// The compact access token.
    pub token: &'a str,
    /// The proof of possession that came with it.
    pub proof: Option<&'a str>,
    /// Whether the scheme was `DPoP`.
    pub bound: bool,
}

/// Finds the one credential of a head: `Authorization` with `Bearer` or `DPoP`, or `x-api-key` (as Anthropic's clients send it).
///
/// # Errors
/// No credential; more than one that differ; a scheme that is not known.
pub fn presented(headers: &HeaderMap) -> Result<Presented<'_>, Refusal> {
    let stage = Stage::Arrived;
    let none = || Refusal::of(refusal::NO_CREDENTIAL, stage);
    let two = || Refusal::of(refusal::TWO_CREDENTIALS, stage);
    let single = |name: &str| -> Result<Option<&str>, Refusal> {
        let mut all = headers.get_all(name).iter();
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(one), None) => one.to_str().map(Some).map_err(|_| none()),
            (Some(_), Some(_)) => Err(two()),
        }
    };
    let proof = single("dpop")?;
    let authorization = match single(header::AUTHORIZATION.as_str())? {
        None => None,
        Some(text) => match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some((token.trim(), false)),
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => Some((token.trim(), true)),
            _ => return Err(none().saying("the scheme of `Authorization` is neither `Bearer` nor `DPoP`")),
        },
    };
    let api_key = single("x-api-key")?.map(str::trim);
    let (token, bound) = match (authorization, api_key) {
        (Some((token, bound)), None) => (token, bound),
        (None, Some(token)) => (token, false),
        (Some((token, bound)), Some(key)) if token == key => (token, bound),
        (Some(_), Some(_)) => return Err(two()),
        (None, None) => return Err(none()),
    };
    if token.is_empty() {
        return Err(none());
    }
    Ok(Presented { token, proof, bound })
}

/// What identification needs of the gate.
pub(crate) struct Registry<'a> {
    pub(crate) verifier: &'a Verifier,
    pub(crate) cache: &'a TokenCache,
    /// From then on proofs of possession are remembered.
    pub(crate) since: Moment,
    /// What callers call the gate: scheme and authority each. A proof may name any of them.
    pub(crate) origins: &'a [String],
    /// Most calls of one actor at one time.
    pub(crate) calls_per_actor: usize,
}

impl Passage<Arrived> {
    /// A call that has just arrived.
    pub(crate) fn arrive(call: CallId, plan: Arc<GatePlan>, closer: Closer, started: Instant) -> Self {
        let arrived = closer.now();
        Self {
            common: Common { call, arrived, started, plan, closer, seat: None, parting: false },
            stage: Arrived(()),
        }
    }

    /// Verifies the credential and asks whether its holder is good now.
    ///
    /// `method` and `path` are what a proof of possession must be for, below any of the gate's own names; `path` without
    /// query.
    ///
    /// # Errors
    /// A refusal per rule that does not hold; strangers learn no more than that. One who is known may have too many calls
    /// in flight.
    pub(crate) fn identify(
        self,
        headers: &HeaderMap,
        method: &str,
        path: &str,
        registry: &Registry<'_>,
    ) -> Result<Passage<Known>, Refusal> {
        let stage = Stage::Arrived;
        let now = self.common.arrived;
        let shown = presented(headers)?;
        let credential = registry
            .cache
            .verify(registry.verifier, shown.token, now)
            .map_err(|error| Refusal::of(refusal::BAD_CREDENTIAL, stage).because(error.to_string()))?;
        let held = credential.get();
        let memory = self.common.closer.memory();
        let bound = match (&held.bound_to, shown.proof) {
            (None, _) if !shown.bound => false,
            (None, _) => {
                return Err(Refusal::of(refusal::BAD_PROOF, stage).because("the token is bound to no key"));
            }
            (Some(_), None) => return Err(Refusal::of(refusal::PROOF_NEEDED, stage)),
            // RFC 9449, section 7.1: a bound token under another scheme is refused.
            (Some(_), Some(_)) if !shown.bound => return Err(Refusal::of(refusal::PROOF_NEEDED, stage)),
            (Some(key), Some(proof)) => {
                let bad = |why: String| Refusal::of(refusal::BAD_PROOF, stage).because(why);
                let proof = proof_for(proof, (method, path), (shown.token, key), registry, now)
                    .map_err(|error| bad(error.to_string()))?;
                memory
                    .first_time(*proof.id.as_bytes(), proof.forget, now)
                    .map_err(|error| bad(error.to_string()))?;
                true
            }
        };
        let actor = self.common.plan.actor(held.principal.actor).cloned();
        let known = Passage { common: self.common, stage: Known::new(credential, actor, bound) };
        let mut known = known.good()?;
        let seat = known.stage.actor_plan().and_then(|actor| Seat::take(actor, registry.calls_per_actor));
        match seat {
            Some(seat) => known.common.seat = Some(Arc::new(seat)),
            None => return Err(known.refuse(Refusal::of(refusal::TOO_MANY_CALLS, Stage::Known))),
        }
        Ok(known)
    }
}

/// Verifies a proof against each name of the gate; the error is that of the last.
fn proof_for(
    proof: &str,
    (method, path): (&str, &str),
    (token, key): (&str, &str),
    registry: &Registry<'_>,
    now: Moment,
) -> Result<DpopProof, DpopError> {
    let mut last = DpopError::Url;
    for origin in registry.origins {
        let url = format!("{origin}{path}");
        let request = DpopRequest {
            method,
            url: &url,
            access_token: Some(token),
            bound_to: Some(key),
            not_before: registry.since,
        };
        match DpopProof::verify(proof, &request, now) {
            Err(error @ DpopError::Url) => last = error,
            other => return other,
        }
    }
    Err(last)
}

impl Passage<Known> {
    /// Whether the holder may act at all.
    pub(super) fn good(self) -> Result<Self, Refusal> {
        let held = self.stage.credential();
        let memory = self.common.closer.memory();
        let refused = match memory.is_good(&held.epochs, held.principal.token, &held.ancestors) {
            Err(why) => Some(lease::not_good(why, Stage::Known)),
            Ok(()) => match self.stage.actor_plan() {
                None => Some(Refusal::of(refusal::UNKNOWN_ACTOR, Stage::Known)),
                Some(actor) if actor.standing != Standing::Active => {
                    Some(Refusal::of(refusal::UNKNOWN_ACTOR, Stage::Known).saying("the actor is not active"))
                }
                Some(actor) if actor.dpop == DpopRule::Required && !self.stage.is_bound() => {
                    Some(Refusal::of(refusal::PROOF_NEEDED, Stage::Known))
                }
                Some(_) => None,
            },
        };
        match refused {
            Some(refusal) => Err(self.refuse(refusal)),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn head(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_credential_in_any_of_its_places() {
        for headers in [
            head(&[("authorization", "Bearer abc")]),
            head(&[("authorization", "bearer  abc")]),
            head(&[("x-api-key", "abc")]),
            head(&[("x-api-key", "abc"), ("authorization", "Bearer abc")]),
        ] {
            assert_eq!(presented(&headers).unwrap(), Presented { token: "abc", proof: None, bound: false });
        }
        let bound = head(&[("authorization", "DPoP abc"), ("dpop", "proof")]);
        assert_eq!(presented(&bound).unwrap(), Presented { token: "abc", proof: Some("proof"), bound: true });
    }

    #[test]
    fn two_credentials_are_refused() {
        for headers in [
            head(&[("authorization", "Bearer abc"), ("authorization", "Bearer abc")]),
            head(&[("authorization", "Bearer abc"), ("x-api-key", "xyz")]),
            head(&[("x-api-key", "abc"), ("x-api-key", "abc")]),
        ] {
            assert_eq!(presented(&headers).unwrap_err().code, "ALC-GATE-0003");
        }
    }

    #[test]
    fn no_credential_is_refused() {
        for headers in [
            head(&[]),
            head(&[("authorization", "Basic abc")]),
            head(&[("authorization", "Bearer ")]),
            head(&[("x-api-key", "")]),
            head(&[("authorization", "abc")]),
        ] {
            assert_eq!(presented(&headers).unwrap_err().code, "ALC-GATE-0001");
        }
    }
}
