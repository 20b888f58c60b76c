//! The call, read: one form for all protocols.

use std::ops::Range;

use alcaide_finding::{Class, Finding};
use alcaide_inventory::id::{RouteId, ToolId};
use alcaide_label::{Label, Provenance};
use alcaide_policy::{Action, Ask, Context, Outcome, Resource, UserWords};
use alcaide_record::{
    ActionKind, Content, Decided as DecidedRecord, DecisionKind, Digest, FindingCount, Refused, Stage,
    Target, WordsGrade,
};
use alcaide_seal::digest::sha256;
use bytes::Bytes;

use super::decided::{Allowed, kind_of, obligation_kinds};
use super::{Decided, Describe, KnownAs, Passage};
use crate::lease;
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
    /// Things that the provider would run: `(provider, tool)`; each is decided on as well.
    pub hosted: Vec<(Box<str>, Box<str>)>,
    /// The body as it came.
    pub body: Bytes,
    /// Texts in which something was found.
    pub found: Vec<FoundText>,
    /// The arguments of a tool call within the body.
    pub args: Option<Range<usize>>,
    /// Whether a part could not be looked into.
    pub uninspected: bool,
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

    /// What was read.
    pub(super) const fn request(&self) -> &Request {
        &self.request
    }

    /// What the record says of the content, with the bytes that stand for it.
    pub(super) fn content(&self, bytes: &[u8], digest: Digest, edited: bool) -> Content {
        Content {
            arguments: Vec::<Provenance>::new(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            digest,
            edited,
            findings: self.counts.clone(),
            label: self.label,
            words: self.who.words(),
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

    /// Asks the policies; `budget_used` is how much of the fullest budget is taken, in percent.
    ///
    /// # Errors
    /// The refusal or question of the policies, recorded; before they are asked, that the gate has not heard of orders
    /// for too long.
    pub(crate) fn decide(self, budget_used: u8) -> Result<Passage<Decided>, Refusal> {
        let read = &self.stage;
        let within = lease::orders_within(&self.common.plan, read.request.kind, &read.request.resource);
        if let Err(why) = self.common.closer.memory().hears(self.common.closer.now(), within) {
            return Err(self.refuse(lease::not_good(why, Stage::Read)));
        }
        let credential = read.who.credential();
        let args = read.request.args.clone().and_then(|span| read.request.body.get(span));
        let context = Context {
            task: read.label,
            findings: &read.classes,
            budget_used,
            user_words: match read.who.words() {
                WordsGrade::Attested => UserWords::Attested,
                WordsGrade::Asserted => UserWords::Asserted,
                WordsGrade::None => UserWords::None,
            },
            now: self.common.arrived,
            args,
            uninspected: read.request.uninspected,
            key_bound: read.who.is_bound(),
            ..Context::default()
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
            obligations: obligation_kinds(&obligations),
            plan: self.common.plan.number,
            plan_digest: self.common.plan.digest,
            policies: decisions
                .iter()
                .flat_map(|decision| &decision.determining)
                .map(|policy| policy.id)
                .collect(),
            shadow: decisions
                .iter()
                .filter_map(|decision| decision.shadow.as_ref())
                .max_by_key(|outcome| outcome.strictness())
                .map(kind_of),
        };
        self.common.closer.metrics().decided(record.decision);
        let refusal = worst.map(|outcome| refusal_of(outcome, Stage::Decided));
        let allowed = Allowed { obligations, record };
        let decided = Passage { common: self.common, stage: Decided::new(self.stage, allowed) };
        match refusal {
            None => Ok(decided),
            Some(refusal) => Err(decided.refuse(refusal)),
        }
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
