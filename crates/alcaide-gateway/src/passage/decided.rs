//! Policy has allowed it, under obligations. What is to be sent is not fixed yet.

use alcaide_memory::Taken;
use alcaide_policy::{Obligation, Outcome};
use alcaide_record::{Decided as DecidedRecord, DecisionKind, Digest, ObligationKind, Refused, Stage};
use alcaide_seal::digest::sha256;

use super::{Describe, KnownAs, Passage, Read, Request};

/// What the policies said.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// Under which obligations.
    pub obligations: Vec<Obligation>,
    /// The same, for the record.
    pub record: DecidedRecord,
}

/// A call that was decided on.
pub struct Decided {
    pub(super) read: Read,
    pub(super) allowed: Allowed,
    /// The answer of people that the call uses; given back if the call ends before its intent.
    pub(super) taken: Option<Taken>,
}

impl Decided {
    pub(super) const fn new(read: Read, allowed: Allowed, taken: Option<Taken>) -> Self {
        Self { read, allowed, taken }
    }
}

impl Describe for Decided {
    const STAGE: Stage = Stage::Decided;

    fn describe(&self, refused: &mut Refused) {
        let request = self.read.request();
        refused.who = Some(self.read.who().chain());
        refused.action = Some(request.kind);
        refused.target = Some(request.target.clone());
        refused.content =
            Some(self.read.content(&request.body, Digest(*sha256(&request.body).as_bytes()), false));
        refused.decided = Some(self.allowed.record.clone());
    }
}

impl Passage<Decided> {
    /// Who calls.
    #[must_use]
    pub const fn who(&self) -> &KnownAs {
        self.stage.read.who()
    }

    /// What was read.
    #[must_use]
    pub const fn request(&self) -> &Request {
        self.stage.read.request()
    }

    /// What the policies said.
    #[must_use]
    pub const fn allowed(&self) -> &Allowed {
        &self.stage.allowed
    }
}

pub(super) const fn kind_of(outcome: &Outcome) -> DecisionKind {
    match outcome {
        Outcome::Allow { .. } => DecisionKind::Allow,
        Outcome::Ask { .. } => DecisionKind::Ask,
        _ => DecisionKind::Refuse,
    }
}

pub(super) fn obligation_kinds(obligations: &[Obligation]) -> Vec<ObligationKind> {
    let mut kinds: Vec<ObligationKind> = obligations
        .iter()
        .filter_map(|obligation| match obligation {
            Obligation::Mask(_) => Some(ObligationKind::Mask),
            Obligation::Tokenise(_) => Some(ObligationKind::Tokenise),
            Obligation::Strip(_) => Some(ObligationKind::Strip),
            Obligation::Block(_) => Some(ObligationKind::Block),
            Obligation::Cap(..) => Some(ObligationKind::Cap),
            Obligation::Watermark(_) => Some(ObligationKind::Watermark),
            // An obligation that this gate does not know is refused before anything is sent.
            _ => None,
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
