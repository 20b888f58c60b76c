//! The call, read: one form for all protocols.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use alcaide_finding::{Class, Finding};
use alcaide_inventory::Moment;
use alcaide_inventory::id::{HumanId, PolicyId, RouteId, ToolId};
use alcaide_label::Label;
use alcaide_memory::Taken;
use alcaide_policy::{Action, Ask, Context, Decision, Outcome, Resource, UserWords};
use alcaide_record::{
    ActionKind, Approver, Claim, Content, Decided as DecidedRecord, DecisionKind, Digest, FindingCount,
    Refused, Stage, Target, WordsGrade,
};
use alcaide_seal::digest::{Hasher, sha256};
use bytes::Bytes;
use http::Method;
use http::uri::PathAndQuery;

use super::decided::{Allowed, kind_of, obligation_kinds};
use super::{Decided, Describe, KnownAs, Passage};
use crate::flow::Judged;
use crate::lease;
use crate::proof::{self, Served};
use crate::refusal::{self, Refusal};

/// A text of the body in which something was found.
#[derive(Clone, Debug)]
pub struct FoundText {
    /// The JSON string's bytes within the body, quotes included.
    pub span: Range<usize>,
    /// The text, unescaped.
    pub text: String,
    /// What was found in it.
    pub findings: Vec<Finding>,
    /// Whether the bytes may be edited: not where they are signed or encrypted.
    pub editable: bool,
}

/// What the call is about, owned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnedResource {
    /// A model route.
    Model(RouteId),
    /// A declared tool.
    Tool(ToolId),
    /// A tool that a server offers but the plan knows nothing of.
    UndeclaredTool {
        /// The route of the server.
        server: RouteId,
        /// The tool's own name.
        name: Box<str>,
    },
    /// A method of a tool server.
    Method {
        /// The route of the server; all of them at once where it is none.
        server: Option<RouteId>,
        /// The method.
        name: Box<str>,
    },
    /// A prompt of a tool server.
    Prompt {
        /// The route of the server.
        server: RouteId,
        /// The prompt's name.
        name: Box<str>,
    },
    /// A resource of a tool server.
    Document {
        /// The route of the server.
        server: RouteId,
        /// The resource's URI.
        uri: Box<str>,
    },
    /// An operation of a plain API.
    Operation {
        /// The route of the service.
        service: RouteId,
        /// The operation's declared name.
        name: Box<str>,
    },
}

impl OwnedResource {
    fn view(&self) -> Resource<'_> {
        match self {
            Self::Model(route) => Resource::Model(*route),
            Self::Tool(tool) => Resource::Tool(*tool),
            Self::UndeclaredTool { server, name } => Resource::UndeclaredTool { server: *server, name },
            Self::Method { server, name } => Resource::Method { server: *server, name },
            Self::Prompt { server, name } => Resource::Prompt { server: *server, name },
            Self::Document { server, uri } => Resource::Document { server: *server, uri },
            Self::Operation { service, name } => Resource::Operation { service: *service, name },
        }
    }
}

/// The exact bytes that act: what an approval is about, and what a retry of the same call has in common with it.
#[derive(Clone, Debug)]
pub enum Matter {
    /// A whole HTTP request: method, path with query, body.
    Whole {
        /// The method.
        method: Method,
        /// Path and query, as they came.
        target: PathAndQuery,
    },
    /// These parts of the body under the name of a method: the parameters of a message to a tool server. Ids and progress
    /// tokens around them differ in a retry.
    Parts {
        /// The method.
        method: Box<str>,
        /// Where they stand in the body, in an order that the method fixes.
        parts: Vec<Range<usize>>,
    },
}

impl Matter {
    /// SHA-256 over the parts, each after its length in eight bytes.
    pub(super) fn digest(&self, body: &[u8]) -> Digest {
        let mut hasher = Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(bytes);
        };
        match self {
            Self::Whole { method, target } => {
                part(b"http");
                part(method.as_str().as_bytes());
                part(target.as_str().as_bytes());
                part(body);
            }
            Self::Parts { method, parts } => {
                part(b"parts");
                part(method.as_bytes());
                parts.iter().for_each(|span| part(body.get(span.clone()).unwrap_or_default()));
            }
        }
        Digest(*hasher.finish().as_bytes())
    }
}

/// All that a protocol's handler read.
#[derive(Debug)]
pub struct Request {
    /// What is done.
    pub action: Action,
    /// The same, for the record.
    pub kind: ActionKind,
    /// To what.
    pub resource: OwnedResource,
    /// The same, for the record.
    pub target: Target,
    /// Things that the provider would run: `(provider, tool)`, each once; each is decided on as well.
    pub hosted: Vec<(Box<str>, Box<str>)>,
    /// The body as it came.
    pub body: Bytes,
    /// What of it acts.
    pub matter: Matter,
    /// The pin of the tool that is called, where there is one.
    pub pin: Option<Digest>,
    /// Texts in which something was found.
    pub found: Vec<FoundText>,
    /// The arguments of a tool call within the body.
    pub args: Option<Range<usize>>,
    /// Whether a part could not be looked into.
    pub uninspected: bool,
    /// Whether the tool's definition was last seen other than it was accepted.
    pub tool_changed: bool,
    /// What another gate said of it.
    pub claim: Option<Claim>,
    /// Where the arguments of a tool's call come from.
    pub(crate) judged: Option<Arc<Judged>>,
}

/// A call whose content was read.
pub struct Read {
    who: KnownAs,
    request: Request,
    label: Label,
    counts: Vec<FindingCount>,
    classes: Vec<(Class, u32)>,
}

impl Read {
    pub(super) fn new(who: KnownAs, request: Request, label: Label) -> Self {
        let mut counts: Vec<FindingCount> = Vec::new();
        let mut classes: Vec<(Class, u32)> = Vec::new();
        for finding in request.found.iter().flat_map(|text| &text.findings) {
            crate::content::count(&mut counts, finding);
            match classes.iter_mut().find(|(class, _)| *class == finding.class) {
                Some((_, known)) => *known = known.saturating_add(1),
                None => classes.push((finding.class, 1)),
            }
        }
        if request.uninspected {
            classes.push((Class::Uninspected, 1));
        }
        Self { who, request, label, counts, classes }
    }

    /// Who calls.
    pub(super) const fn who(&self) -> &KnownAs {
        &self.who
    }

    /// The label of the task when the call was read.
    pub(crate) const fn label(&self) -> Label {
        self.label
    }

    /// What was read.
    pub(super) const fn request(&self) -> &Request {
        &self.request
    }

    /// How sure it is what the user said in the task.
    pub(super) fn words(&self) -> WordsGrade {
        self.request.judged.as_ref().map_or_else(|| self.who.words(), |judged| judged.grade)
    }

    /// What the record says of the content, with the bytes that stand for it.
    pub(super) fn content(&self, bytes: &[u8], digest: Digest, edited: bool) -> Content {
        let judged = self.request.judged.as_deref();
        let origins = judged.map(|judged| judged.judgement.origins.as_slice()).unwrap_or_default();
        Content {
            arguments: origins.iter().map(|origin| origin.from).collect(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            claim: self.request.claim,
            digest,
            edited,
            findings: self.counts.clone(),
            flow: judged.map(|judged| Box::new(judged.note.clone())),
            label: self.label,
            words: self.words(),
        }
    }
}

impl Describe for Read {
    const STAGE: Stage = Stage::Read;

    fn describe(&self, refused: &mut Refused) {
        let body = &self.request.body;
        refused.who = Some(self.who.chain());
        refused.action = Some(self.request.kind);
        refused.target = Some(self.request.target.clone());
        refused.content = Some(self.content(body, Digest(*sha256(body).as_bytes()), false));
    }
}

impl Passage<Read> {
    /// Who calls.
    #[must_use]
    pub const fn who(&self) -> &KnownAs {
        &self.stage.who
    }

    /// Refuses where the gate has not heard of orders for too long. A farewell needs none: it is sent for whoever was
    /// stopped, and also while the house ends, when nobody follows orders any more.
    pub(super) fn hears(&self, now: Moment) -> Result<(), Refusal> {
        if self.common.parting {
            return Ok(());
        }
        let within = lease::orders_within(&self.common.plan, &self.stage.request);
        self.common.closer.memory().hears(now, within).map_err(|why| lease::not_good(why, Stage::Read))
    }

    /// Refuses what goes to a route that is quarantined. A farewell to it passes.
    pub(super) fn is_let(&self) -> Result<(), Refusal> {
        let route = self.stage.request.target.route.filter(|_| !self.common.parting);
        match route {
            Some(route) if self.common.closer.memory().is_held(route) => {
                Err(Refusal::of(refusal::QUARANTINED, Stage::Read))
            }
            _ => Ok(()),
        }
    }

    /// The declared model that the call would use.
    fn served(&self) -> Option<&Served> {
        let request = &self.stage.request;
        let route = request.target.route.filter(|_| request.action == Action::UseModel)?;
        self.common.plan.served(route)
    }

    /// Asks the policies; `budget_used` is how much of the fullest budget is taken, in percent, and `approvals` who has
    /// said yes to exactly this.
    pub(super) fn weigh(&self, budget_used: u8, approvals: &[HumanId], now: Moment) -> Weighed {
        let read = &self.stage;
        let credential = read.who.credential();
        let args = read.request.args.clone().and_then(|span| read.request.body.get(span));
        let judged = read.request.judged.as_deref();
        let provenance = judged.map(Judged::provenance).unwrap_or_default();
        let model = self.served().map(|served| served.note(self.common.closer.memory(), now));
        let context = Context {
            task: read.label,
            findings: &read.classes,
            approvals,
            budget_used,
            user_words: match read.words() {
                WordsGrade::Attested => UserWords::Attested,
                WordsGrade::Asserted => UserWords::Asserted,
                WordsGrade::None => UserWords::None,
            },
            now,
            args,
            uninspected: read.request.uninspected,
            key_bound: read.who.is_bound(),
            tool_changed: read.request.tool_changed,
            provenance: &provenance,
            flow: judged.map(Judged::facts).unwrap_or_default(),
            model: model.as_ref().map(proof::standing).unwrap_or_default(),
        };
        let policies = &self.common.plan.policies;
        let main = policies.decide(&Ask::of(
            &credential.principal,
            read.request.action,
            read.request.resource.view(),
            context,
        ));
        let mut decisions = vec![main];
        for (provider, tool) in &read.request.hosted {
            decisions.push(policies.decide(&Ask::of(
                &credential.principal,
                Action::UseHosted,
                Resource::Hosted { provider, tool },
                context,
            )));
        }
        let mut obligations = Vec::new();
        let mut worst = None;
        for decision in &decisions {
            match &decision.outcome {
                Outcome::Allow { obligations: more } => obligations.extend(more.iter().cloned()),
                other => {
                    if worst.as_ref().is_none_or(|known: &&Outcome| known.strictness() < other.strictness()) {
                        worst = Some(other);
                    }
                }
            }
        }
        let record = DecidedRecord {
            approval: None,
            budget_used,
            decision: worst.map_or(DecisionKind::Allow, kind_of),
            model: model.map(Box::new),
            obligations: obligation_kinds(&obligations),
            plan: self.common.plan.number,
            plan_digest: self.common.plan.digest,
            policies: policies_of(&decisions),
            shadow: decisions
                .iter()
                .filter_map(|decision| decision.shadow.as_ref())
                .max_by_key(|outcome| outcome.strictness())
                .map(kind_of),
        };
        let asked = match worst {
            Some(Outcome::Ask { reason, .. }) => {
                let mut asked = Asked { reason: Arc::clone(reason), roles: Vec::new(), any_of: Vec::new() };
                decisions.iter().for_each(|decision| asked.join(&decision.outcome));
                Some(asked)
            }
            _ => None,
        };
        let refusal = worst.map(|outcome| refusal_of(outcome, Stage::Decided));
        Weighed { allowed: Allowed { obligations, record }, refusal, asked }
    }

    /// The call as it was decided on; `taken` is the answer that it uses.
    ///
    /// # Errors
    /// The refusal of the policies, recorded.
    pub(super) fn settle(self, weighed: Weighed, taken: Option<Taken>) -> Result<Passage<Decided>, Refusal> {
        let Weighed { mut allowed, refusal, asked: _ } = weighed;
        allowed.record.approval = taken.as_ref().map(Taken::approval);
        self.common.closer.metrics().decided(allowed.record.decision);
        let decided = Passage { common: self.common, stage: Decided::new(self.stage, allowed, taken) };
        match refusal {
            None => Ok(decided),
            Some(refusal) => Err(decided.refuse(refusal)),
        }
    }
}

/// Most policies that the record of a call names: more would not fit into one entry. A call that more decided on is
/// recorded with the first of them, and no call goes unrecorded for their number.
const POLICIES_MAX: usize = 1_000;

/// Each policy that decided something, once, in the order of their ids.
fn policies_of(decisions: &[Arc<Decision>]) -> Vec<PolicyId> {
    let determining = decisions.iter().flat_map(|decision| &decision.determining);
    let policies: BTreeSet<PolicyId> = determining.map(|policy| policy.id).collect();
    policies.into_iter().take(POLICIES_MAX).collect()
}

/// What the policies say of a call.
pub(super) struct Weighed {
    pub(super) allowed: Allowed,
    /// What ends it here; nothing where it may pass.
    pub(super) refusal: Option<Refusal>,
    /// Whom to ask, where an answer would let it pass.
    pub(super) asked: Option<Asked>,
}

/// Whom the policies want to be asked.
pub(super) struct Asked {
    pub(super) reason: Arc<str>,
    pub(super) roles: Vec<Approver>,
    pub(super) any_of: Vec<Vec<Approver>>,
}

/// Most groups of which one must approve that a question names; a call with more asks of fewer, and Cedar decides all
/// the same.
const GROUPS_MAX: usize = 64;

impl Asked {
    /// Adds what one more decision asks for: what was asked for so far, and this.
    fn join(&mut self, outcome: &Outcome) {
        let Outcome::Ask { roles, any_of, .. } = outcome else { return };
        let words = |all: &[alcaide_policy::Approver]| all.iter().filter_map(|one| approver(*one)).collect();
        let more: Vec<Approver> = words(roles);
        self.roles.extend(more);
        self.roles.sort_unstable();
        self.roles.dedup();
        let groups: Vec<Vec<Approver>> = any_of.iter().map(|group| words(group)).collect();
        if self.any_of.is_empty() {
            self.any_of = groups;
        } else if !groups.is_empty() {
            let pairs = self.any_of.iter().flat_map(|one| groups.iter().map(move |other| (one, other)));
            let joined = pairs.map(|(one, other)| {
                let mut both: Vec<Approver> = one.iter().chain(other).copied().collect();
                both.sort_unstable();
                both.dedup();
                both
            });
            self.any_of = joined.take(GROUPS_MAX).collect();
        }
    }
}

const fn approver(of: alcaide_policy::Approver) -> Option<Approver> {
    match of {
        alcaide_policy::Approver::Owner => Some(Approver::Owner),
        alcaide_policy::Approver::Sponsor => Some(Approver::Sponsor),
        alcaide_policy::Approver::Approver => Some(Approver::Approver),
        alcaide_policy::Approver::Administrator => Some(Approver::Administrator),
        // Nobody is asked who is not known: the policies go on asking, and the call does not pass.
        _ => None,
    }
}

fn refusal_of(outcome: &Outcome, stage: Stage) -> Refusal {
    match outcome {
        Outcome::Refuse { code, reason, cure } => {
            let mut refusal = Refusal::of(refusal::APPROVAL_NEEDED, stage).saying(reason.to_string());
            refusal.code = code;
            refusal.help = cure
                .as_ref()
                .map_or_else(
                    || "ask the owner for a policy or grant that permits it".to_owned(),
                    ToString::to_string,
                )
                .into();
            refusal
        }
        Outcome::Ask { reason, .. } => {
            Refusal::of(refusal::APPROVAL_NEEDED, stage).saying(reason.to_string())
        }
        // An outcome that this gate does not know is no permission.
        _ => Refusal::of(refusal::APPROVAL_NEEDED, stage).saying("the policies' answer is not understood"),
    }
}
