//! Labels that travel: what this gate says of the data that it sends, and what it makes of what other gates say.
//!
//! ```text
//! call out     task's label ─▶ statement over method and parameters ─▶ params._meta ─▶ frozen bytes        [`Labels::state`]
//! answer in    result._meta ─▶ of this peer, for us, to this very statement, over this result? ─▶ label    [`Labels::answer`]
//! call in      params._meta ─▶ of a declared peer, for us? ─▶ joined to the task before anything is judged [`Labels::request`]
//! answer out   task's label ─▶ statement over the result, to who asked with one ─▶ result._meta            [`Labels::reply`]
//! ```
//! A statement only ever makes a task worse than it is: it is joined. What lets a peer's answer be better than strangers'
//! text is its owner's declaration, and a statement that fits; without one the answer is strangers' text. A statement never
//! passes through: what goes on is this gate's own, or none.
//!
//! Left out: statements about lists, errors, notifications and what servers ask. They have no label.

use std::sync::Arc;

use alcaide_identity::spiffe::TrustDomain;
use alcaide_identity::statement::{self, Covers, STATEMENT_LIFE, Signed, Statement, StatementError};
use alcaide_inventory::id::{CallId, PeerId, TaskId};
use alcaide_inventory::{Actor, Moment, Name, Plan};
use alcaide_label::Label;
use alcaide_record::{Claim, ClaimFate};
use alcaide_seal::digest::{Hasher, HmacKey, Sha256Digest};
use alcaide_seal::jws::{JwsError, KeySet, Signer};
use alcaide_wire::json::Value;
use alcaide_wire::mcp::{Method, content_input};

use crate::plan::{GatePlan, PlanFault};

/// The member of `_meta` that a statement stands in.
pub const META_KEY: &str = "io.alcaide/label";

/// What the gate signs labels with, and in whose name.
pub struct LabelKeys {
    /// Its key for label statements, and nothing else.
    pub signer: Signer,
    /// Its trust domain.
    pub domain: TrustDomain,
}

/// Another gate whose word counts for something.
#[derive(Debug)]
pub struct PeerPlan {
    /// Its id.
    pub id: PeerId,
    /// What it is called here.
    pub name: Name,
    /// The label that all of its answers have at least.
    pub bound: Label,
    domain: TrustDomain,
    keys: KeySet,
}

/// The peers of a plan.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    all: Vec<Arc<PeerPlan>>,
    callers: Vec<(Actor, Arc<PeerPlan>)>,
    servers: Vec<(Name, Arc<PeerPlan>)>,
}

impl Peers {
    /// # Errors
    /// [`PlanFault::Peer`] for a trust domain or keys that cannot be used.
    pub(crate) fn of(plan: &Plan) -> Result<Self, PlanFault> {
        let mut peers = Self::default();
        for (name, placed) in &plan.peers {
            let fault = |why: String| PlanFault::Peer { peer: name.clone(), why };
            let spec = &placed.spec;
            let keys = KeySet::from_json(spec.jwks.as_bytes()).map_err(|error| fault(error.to_string()))?;
            if keys.is_empty() {
                return Err(fault(
                    "its key set holds no key of a kind that is taken (P-256, Ed25519)".into(),
                ));
            }
            let peer = Arc::new(PeerPlan {
                id: placed.id,
                name: name.clone(),
                bound: spec.bound(),
                domain: spec.trust_domain.parse().map_err(|error| fault(format!("{error}")))?,
                keys,
            });
            for caller in &spec.callers {
                let agent = plan.agents.get(caller).map(|one| Actor::Agent(one.id));
                let workload = plan.workloads.get(caller).map(|one| Actor::Workload(one.id));
                // A name may be both's.
                peers.callers.extend(agent.into_iter().chain(workload).map(|who| (who, Arc::clone(&peer))));
            }
            peers.servers.extend(spec.servers.iter().map(|server| (server.clone(), Arc::clone(&peer))));
            peers.all.push(peer);
        }
        Ok(peers)
    }

    /// The peer that answers for a tool server.
    pub(crate) fn of_server(&self, server: &Name) -> Option<&Arc<PeerPlan>> {
        self.servers.iter().find(|(name, _)| name == server).map(|(_, peer)| peer)
    }

    /// The peer that calls by an actor.
    pub(crate) fn of_caller(&self, actor: Actor) -> Option<&Arc<PeerPlan>> {
        self.callers.iter().find(|(who, _)| *who == actor).map(|(_, peer)| peer)
    }

    fn of_domain(&self, domain: &TrustDomain) -> Option<&Arc<PeerPlan>> {
        self.all.iter().find(|peer| peer.domain == *domain)
    }
}

/// What stands in `_meta` under [`META_KEY`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Given {
    /// Nothing.
    None,
    /// A text.
    Text(Box<str>),
    /// Something that is no text.
    Odd,
}

impl Given {
    /// What the parameters or the result of a message carry.
    pub(crate) fn of(content: Option<Value<'_, '_>>) -> Self {
        match member(content) {
            None => Self::None,
            Some(value) => value.as_str().map_or(Self::Odd, |text| Self::Text(text.into())),
        }
    }
}

/// The member of `_meta` that a statement stands in.
pub(crate) fn member<'d, 'a>(content: Option<Value<'d, 'a>>) -> Option<Value<'d, 'a>> {
    content.and_then(|content| content.get("_meta"))?.get(META_KEY)
}

/// A statement that went out with a call: what its answer must name.
#[derive(Clone, Debug)]
pub(crate) struct Stated {
    digest: Sha256Digest,
    task: Sha256Digest,
}

/// Who is to be told of an answer: whoever asked with a statement of its own.
#[derive(Clone, Debug)]
pub(crate) struct Answerable {
    audience: TrustDomain,
    answers: Sha256Digest,
    task: Sha256Digest,
}

/// What is made of the statement of a call that came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// For the record; absent where nobody says anything and nobody had to.
    pub(crate) claim: Option<Claim>,
    /// What its task has read with it.
    pub(crate) joins: Option<Label>,
    /// Who is to be told of its answer.
    pub(crate) answerable: Option<Answerable>,
}

/// What the gate says, and what it makes of what is said.
pub(crate) struct Labels {
    keys: LabelKeys,
    pseudonyms: HmacKey,
}

impl Labels {
    pub(crate) const fn new(keys: LabelKeys, pseudonyms: HmacKey) -> Self {
        Self { keys, pseudonyms }
    }

    /// The name of a task towards one audience.
    fn pseudonym(&self, audience: &TrustDomain, task: TaskId) -> Sha256Digest {
        self.pseudonyms.mac(format!("label/task/{}/{task}", audience.as_str()).as_bytes())
    }

    /// Says to a peer what label the parameters of a call have.
    ///
    /// # Errors
    /// [`StatementError`] if it cannot be signed.
    pub(crate) fn state(
        &self,
        peer: &PeerPlan,
        (call, task): (CallId, TaskId),
        label: Label,
        (method, params): (&str, Option<Value<'_, '_>>),
        now: Moment,
    ) -> Result<(Signed, Stated), StatementError> {
        let pseudonym = self.pseudonym(&peer.domain, task);
        let signed = self.say(Statement {
            issuer: self.keys.domain.clone(),
            audience: peer.domain.clone(),
            covers: Covers::Params,
            content: of_params(method, params),
            task: pseudonym,
            label,
            kinds: Vec::new(),
            sources: Vec::new(),
            id: self.pseudonyms.mac(format!("label/call/{call}").as_bytes()),
            issued: now,
            expires: now,
        })?;
        let stated = Stated { digest: signed.digest, task: pseudonym };
        Ok((signed, stated))
    }

    /// Says to whoever asked with a statement what label a result has.
    ///
    /// # Errors
    /// [`StatementError`] if it cannot be signed.
    pub(crate) fn reply(
        &self,
        to: &Answerable,
        call: CallId,
        (label, kinds, source): (Label, Vec<Box<str>>, Sha256Digest),
        result: Value<'_, '_>,
        now: Moment,
    ) -> Result<Signed, StatementError> {
        self.say(Statement {
            issuer: self.keys.domain.clone(),
            audience: to.audience.clone(),
            covers: Covers::Result { answers: to.answers },
            content: of_result(result),
            task: to.task,
            label,
            kinds,
            sources: vec![self.pseudonyms.mac(format!("label/source/{source}").as_bytes())],
            id: self.pseudonyms.mac(format!("label/answer/{call}").as_bytes()),
            issued: now,
            expires: now,
        })
    }

    fn say(&self, said: Statement) -> Result<Signed, StatementError> {
        let issued = Moment::from_secs(said.issued.secs());
        Statement { issued, expires: issued + STATEMENT_LIFE, ..said }.sign(&self.keys.signer)
    }

    /// What is made of what came with a call of `actor`: a declared peer's word is joined to the task, whoever hands it on;
    /// a peer that calls here and says nothing of what it sends has sent strangers' text. All else is ignored.
    pub(crate) fn request(
        &self,
        plan: &GatePlan,
        actor: Actor,
        given: &Given,
        content: (&str, Option<Value<'_, '_>>),
        now: Moment,
    ) -> Heard {
        let caller = plan.peers().of_caller(actor);
        let without = |fate: ClaimFate, peer: Option<&Arc<PeerPlan>>| Heard {
            claim: Some(Claim { fate, label: None, peer: peer.or(caller).map(|peer| peer.id) }),
            joins: caller.map(|_| Label::MISSING),
            answerable: None,
        };
        let text = match given {
            Given::None if caller.is_none() => return Heard::default(),
            Given::None => return without(ClaimFate::Missing, None),
            Given::Odd => return without(ClaimFate::Form, None),
            Given::Text(text) => text,
        };
        let (peer, said) = match self.read(plan.peers(), text, now) {
            Ok(read) => read,
            Err((fate, peer)) => return without(fate, peer),
        };
        let exact = said.covers == Covers::Params && said.content.same(&of_params(content.0, content.1));
        let own = caller.is_some_and(|caller| caller.id == peer.id);
        let mut joins = said.label;
        if let Some(caller) = caller {
            joins = joins.join(if own && exact { caller.bound } else { Label::MISSING });
        }
        Heard {
            claim: Some(Claim {
                fate: if exact { ClaimFate::Accepted } else { ClaimFate::Relayed },
                label: Some(said.label),
                peer: Some(peer.id),
            }),
            joins: Some(joins),
            answerable: exact.then(|| Answerable {
                audience: said.issuer.clone(),
                answers: statement::digest(text),
                task: said.task,
            }),
        }
    }

    /// What is made of what came with the answer of a peer's server: the claim for the record, and the label of the
    /// answer. Without a statement that fits it is that of strangers' text.
    pub(crate) fn answer(
        &self,
        peer: &Arc<PeerPlan>,
        stated: Option<&Stated>,
        result: Option<Value<'_, '_>>,
        now: Moment,
    ) -> (Claim, Label) {
        let refused = |fate, label| (Claim { fate, label, peer: Some(peer.id) }, Label::MISSING);
        let text = match Given::of(result) {
            Given::None => return refused(ClaimFate::Missing, None),
            Given::Odd => return refused(ClaimFate::Form, None),
            Given::Text(text) => text,
        };
        let only = Peers { all: vec![Arc::clone(peer)], ..Peers::default() };
        let said = match self.read(&only, &text, now) {
            Ok((_, said)) => said,
            Err((fate, _)) => return refused(fate, None),
        };
        let label = Some(said.label);
        let asked = match (said.covers, stated) {
            (Covers::Result { answers }, Some(stated)) => {
                answers.same(&stated.digest) && said.task.same(&stated.task)
            }
            _ => false,
        };
        if !asked {
            return refused(ClaimFate::Request, label);
        }
        if !result.is_some_and(|result| said.content.same(&of_result(result))) {
            return refused(ClaimFate::Content, label);
        }
        let claim = Claim { fate: ClaimFate::Accepted, label, peer: Some(peer.id) };
        (claim, said.label.join(peer.bound))
    }

    /// The statement, by the keys of the peer that it says it is of.
    fn read<'p>(
        &self,
        peers: &'p Peers,
        text: &str,
        now: Moment,
    ) -> Result<(&'p Arc<PeerPlan>, Statement), Unheard<'p>> {
        let issuer = statement::claimed_issuer(text).map_err(|error| (fate_of(&error), None))?;
        let peer = peers.of_domain(&issuer).ok_or((ClaimFate::Peer, None))?;
        let read = statement::verify(text, &peer.keys, &peer.domain, &self.keys.domain, now);
        read.map(|said| (peer, said.into_inner())).map_err(|error| (fate_of(&error), Some(peer)))
    }
}

/// Why a statement is not believed, and whose it says it is, if that is a peer.
type Unheard<'p> = (ClaimFate, Option<&'p Arc<PeerPlan>>);

/// Whether a call of this method, and its answer, are said something of.
pub(crate) const fn is_stated(method: Method) -> bool {
    matches!(method, Method::ToolsCall | Method::ResourcesRead | Method::PromptsGet)
}

/// Digest of the method and the parameters of a request, without `_meta`.
fn of_params(method: &str, params: Option<Value<'_, '_>>) -> Sha256Digest {
    content(&["alcaide-label-params-1\n", method, "\n"], &content_input(params, None))
}

/// Digest of a result, with all of `_meta` but the statement itself.
fn of_result(result: Value<'_, '_>) -> Sha256Digest {
    content(&["alcaide-label-result-1\n"], &content_input(Some(result), Some(META_KEY)))
}

fn content(head: &[&str], canonical: &[u8]) -> Sha256Digest {
    let mut hasher = Hasher::new();
    head.iter().for_each(|part| hasher.update(part.as_bytes()));
    hasher.update(canonical);
    hasher.finish()
}

const fn fate_of(error: &StatementError) -> ClaimFate {
    match error {
        StatementError::Jws(JwsError::UnknownKey { .. } | JwsError::AlgorithmMismatch { .. }) => {
            ClaimFate::Key
        }
        StatementError::Jws(JwsError::Signature) => ClaimFate::Signature,
        StatementError::Issuer => ClaimFate::Peer,
        StatementError::Audience => ClaimFate::Audience,
        StatementError::Times => ClaimFate::Times,
        _ => ClaimFate::Form,
    }
}

#[cfg(test)]
mod tests;
