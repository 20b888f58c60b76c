//! Where policies come from: the shipped files, one `permit` per grant, and the plan's Cedar files; each read into a
//! [`Statute`], or into faults with their places.

use std::str::FromStr;
use std::sync::Arc;

use alcaide_inventory::declare::{Grant, Pattern, Route};
use alcaide_inventory::{Plan, PolicyId};
use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint,
};
use cedar_policy_core::ast::{EntityType, EntityUID, Expr};
use miette::Diagnostic;

use crate::args::cedar_string;
use crate::expr::{Reads, conjuncts, is_of_context, reads};
use crate::fault::{Notice, PolicyFault, Rule, line_column, one_line};
use crate::note::Notes;
use crate::outcome::PolicyRef;
use crate::shade::Shadow;

/// Most bytes of one Cedar file.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most policies of one plan, grants and shipped ones counted in.
pub(crate) const POLICIES_MAX: usize = 50_000;

/// The shipped files: name and text.
pub(crate) const SHIPPED: [(&str, &str); 8] = [
    ("standing", include_str!("../default/standing.cedar")),
    ("tools", include_str!("../default/tools.cedar")),
    ("hosted", include_str!("../default/hosted.cedar")),
    ("models", include_str!("../default/models.cedar")),
    ("methods", include_str!("../default/methods.cedar")),
    ("flow", include_str!("../default/flow.cedar")),
    ("bounds", include_str!("../default/bounds.cedar")),
    ("outputs", include_str!("../default/outputs.cedar")),
];

/// The shipped files whose place a declared policy of the same name takes: how much is asked is the owner's to say.
pub(crate) const REPLACEABLE: [&str; 4] = ["flow", "bounds", "outputs", "models"];

/// One policy, ready to be indexed.
#[derive(Clone, Debug)]
pub(crate) struct Statute {
    pub(crate) reference: PolicyRef,
    pub(crate) permits: bool,
    pub(crate) shadow: Shadow,
    pub(crate) notes: Notes,
    pub(crate) principal: Scope,
    pub(crate) action: ActionScope,
    pub(crate) resource: Scope,
    /// The parts of its conditions, in the order of evaluation.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) policy: Policy,
    /// Which file of [`Sources::files`] it stands in; grants stand in none.
    pub(crate) file: Option<usize>,
}

/// One part of a policy's conditions; all must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) expr: Arc<Expr>,
    /// Whether it depends on `context` at all; if not, principal, action and resource decide it once and for all.
    pub(crate) of_context: bool,
    pub(crate) reads: Reads,
}

/// What the head of a policy says about its principal or resource.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    Any,
    Eq(EntityUID),
    In(EntityUID),
    Is(EntityType),
    IsIn(EntityType, EntityUID),
}

/// What the head of a policy says about its action.
#[derive(Clone, Debug)]
pub(crate) enum ActionScope {
    Any,
    Eq(EntityUID),
    In(Vec<EntityUID>),
}

/// A text that policies were read from.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) set: String,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) id: Option<PolicyId>,
    pub(crate) shadow: Shadow,
    /// Whether it is one of [`SHIPPED`].
    pub(crate) shipped: bool,
    /// What ids of its policies begin with.
    prefix: String,
}

/// All policies of a plan, and what is wrong with the rest.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) files: Vec<File>,
    pub(crate) statutes: Vec<Statute>,
    pub(crate) faults: Vec<PolicyFault>,
    pub(crate) notices: Vec<Notice>,
}

impl Sources {
    /// Reads everything that the plan says, after what is shipped.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut sources = Self::default();
        for (name, text) in SHIPPED {
            if REPLACEABLE.contains(&name) && plan.policies.keys().any(|own| own.as_str() == name) {
                continue;
            }
            sources.read(File {
                set: "default".into(),
                name: format!("default/{name}.cedar"),
                text: text.into(),
                id: None,
                shadow: Shadow::Nowhere,
                shipped: true,
                prefix: format!("default/{name}"),
            });
        }
        for (name, placed) in &plan.policies {
            let spec = &placed.spec;
            sources.read(File {
                set: name.to_string(),
                name: if spec.file.is_empty() { name.to_string() } else { cut(&spec.file) },
                text: spec.cedar.clone(),
                id: Some(placed.id),
                shadow: Shadow::of(plan, spec),
                shipped: false,
                prefix: name.to_string(),
            });
        }
        sources.grants(plan);
        if sources.statutes.len() > POLICIES_MAX {
            let given = sources.statutes.len();
            sources.faults.push(PolicyFault {
                rule: Rule::TooLarge,
                set: "plan".into(),
                file: "plan".into(),
                line: 1,
                column: 1,
                why: format!(
                    "the plan has {given} policies and grants, but at most {POLICIES_MAX} are taken"
                ),
                fix: "grant with `*`, or permit a unit instead of each of its agents".into(),
            });
        }
        sources.unique();
        sources
    }

    /// Reads one text by itself.
    pub(crate) fn of_text(file: &str, text: &str) -> Self {
        let mut sources = Self::default();
        sources.read(File {
            set: cut(file),
            name: cut(file),
            text: text.into(),
            id: None,
            shadow: Shadow::Nowhere,
            shipped: false,
            prefix: cut(file),
        });
        sources.unique();
        sources
    }

    fn read(&mut self, file: File) {
        let at = self.files.len();
        if file.text.len() > FILE_BYTES_MAX {
            let why =
                format!("the file has {} bytes, but at most {FILE_BYTES_MAX} are read", file.text.len());
            self.faults.push(file.fault(Rule::TooLarge, 0, why, "split it into several files".into()));
        } else {
            match PolicySet::from_str(&file.text) {
                Err(errors) => {
                    for error in errors.iter() {
                        let fix = error.help().map_or_else(
                            || "mend the text; `alcaide policy check FILE` reads it again".into(),
                            |help| help.to_string(),
                        );
                        let why = error.to_string();
                        self.faults.push(file.fault(Rule::Syntax, offset(error).unwrap_or(0), why, fix));
                    }
                }
                Ok(set) => self.take(at, &file, &set),
            }
        }
        self.files.push(file);
    }

    fn take(&mut self, at: usize, file: &File, set: &PolicySet) {
        for template in set.templates() {
            let core: &cedar_policy_core::ast::Template = template.as_ref();
            let place = core.loc().map_or(0, |loc| loc.start());
            self.faults.push(file.fault(
                Rule::Template,
                place,
                "the policy has a slot, but nothing ever fills it".into(),
                "name the principal or resource in its place".into(),
            ));
        }
        // Cedar numbers the policies of a text `policy0`, `policy1`, and so on.
        let number = |policy: &Policy| {
            let id: &str = policy.id().as_ref();
            id.strip_prefix("policy").and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(usize::MAX)
        };
        let mut policies: Vec<&Policy> = set.policies().collect();
        policies.sort_by_key(|policy| number(policy));
        for (place, policy) in policies.into_iter().enumerate() {
            let mut notes = Notes::default();
            let begin = begin(policy);
            for (key, value) in policy.annotations() {
                if let Err(fault) = notes.read(key, value, policy.effect() == Effect::Permit) {
                    let offset = file.text.get(begin..).and_then(|rest| rest.find(&format!("@{key}")));
                    let offset = begin.saturating_add(offset.unwrap_or(0));
                    self.faults.push(file.fault(fault.rule, offset, fault.why, fault.fix));
                }
            }
            if let ActionConstraint::Eq(action) = policy.action_constraint()
                && action.id().unescaped() == "call_tool"
            {
                self.faults.push(file.fault(
                    Rule::GroupAction,
                    begin,
                    "`call_tool` is a group with one action per tool: `==` with it never holds".into(),
                    "write `action in Alcaide::Action::\"call_tool\"`, or name one tool as `\"SERVER/TOOL\"`".into(),
                ));
            }
            let own = notes.id.as_deref().map_or_else(|| place.saturating_add(1).to_string(), Into::into);
            let cedar_id = format!("{}/{own}", file.prefix);
            let (line, _) = line_column(&file.text, begin);
            let reference = PolicyRef {
                id: file.id.unwrap_or_else(|| derived_id(&cedar_id)),
                place: format!("{}:{line}", file.name).into(),
                controls: notes.controls.iter().map(Arc::clone).collect(),
                cedar_id: cedar_id.into(),
            };
            self.statutes.push(statute(reference, file.shadow.clone(), notes, policy, Some(at)));
        }
    }

    fn grants(&mut self, plan: &Plan) {
        let agents =
            plan.agents.iter().map(|(name, one)| ("agent", "Agent", name, one.id.to_string(), &one.spec.may));
        let workloads = plan
            .workloads
            .iter()
            .map(|(name, one)| ("workload", "Workload", name, one.id.to_string(), &one.spec.may));
        for (kind, entity, name, id, may) in agents.chain(workloads) {
            let mut seen: Vec<&Grant> = Vec::new();
            for grant in may {
                if seen.contains(&grant) {
                    continue;
                }
                seen.push(grant);
                let Some(head) = head_of(plan, grant) else {
                    self.notices.push(Notice {
                        place: format!("{kind}/{name}"),
                        text: format!("grant `{grant}` names nothing that the plan holds: it gives nothing"),
                    });
                    continue;
                };
                let cedar_id = format!("grant:{kind}/{name}:{grant}");
                let text = format!("permit (principal == Alcaide::{entity}::\"{id}\", {head};");
                match Policy::parse(None, &text) {
                    Ok(policy) => {
                        let reference = PolicyRef {
                            id: derived_id(&cedar_id),
                            place: cedar_id.as_str().into(),
                            controls: Arc::new([]),
                            cedar_id: cedar_id.into(),
                        };
                        self.statutes.push(statute(
                            reference,
                            Shadow::Nowhere,
                            Notes::default(),
                            &policy,
                            None,
                        ));
                    }
                    Err(errors) => self.faults.push(PolicyFault {
                        rule: Rule::Plan,
                        set: "plan".into(),
                        file: cedar_id,
                        line: 1,
                        column: 1,
                        why: one_line(&errors.to_string()),
                        fix: "name what is granted by a plain name".into(),
                    }),
                }
            }
        }
    }

    fn unique(&mut self) {
        let mut seen = std::collections::HashSet::new();
        for statute in &self.statutes {
            if !seen.insert(&statute.reference.cedar_id) {
                let Some(file) = statute.file.and_then(|at| self.files.get(at)) else { continue };
                self.faults.push(file.fault(
                    Rule::DuplicateId,
                    begin(&statute.policy),
                    format!("two policies have the id `{}`", statute.reference.cedar_id),
                    "give one of them another `@id`".into(),
                ));
            }
        }
    }
}

impl File {
    pub(crate) fn fault(&self, rule: Rule, offset: usize, why: String, fix: String) -> PolicyFault {
        let (line, column) = line_column(&self.text, offset);
        PolicyFault {
            rule,
            set: self.set.chars().take(80).collect(),
            file: self.name.clone(),
            line,
            column,
            why: one_line(&why),
            fix: one_line(&fix),
        }
    }
}

/// First place that a diagnostic points to.
pub(crate) fn offset(diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| label.offset())
}

fn begin(policy: &Policy) -> usize {
    let core: &cedar_policy_core::ast::Policy = policy.as_ref();
    core.template().loc().map_or(0, |loc| loc.start())
}

fn statute(
    reference: PolicyRef,
    shadow: Shadow,
    notes: Notes,
    policy: &Policy,
    file: Option<usize>,
) -> Statute {
    let policy = policy.new_id(cedar_policy::PolicyId::new(&reference.cedar_id));
    let core: &cedar_policy_core::ast::Policy = policy.as_ref();
    let parts = core.non_scope_constraints_arc().map(conjuncts).unwrap_or_default();
    let conditions = parts
        .into_iter()
        .map(|expr| Condition { of_context: is_of_context(&expr), reads: reads(&expr), expr })
        .collect();
    let own = |uid: EntityUid| EntityUID::from(uid);
    let kind = |name: cedar_policy::EntityTypeName| -> EntityType {
        let core: &EntityType = name.as_ref();
        core.clone()
    };
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => Scope::Any,
        PrincipalConstraint::Eq(uid) => Scope::Eq(own(uid)),
        PrincipalConstraint::In(uid) => Scope::In(own(uid)),
        PrincipalConstraint::Is(name) => Scope::Is(kind(name)),
        PrincipalConstraint::IsIn(name, uid) => Scope::IsIn(kind(name), own(uid)),
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Any => Scope::Any,
        ResourceConstraint::Eq(uid) => Scope::Eq(own(uid)),
        ResourceConstraint::In(uid) => Scope::In(own(uid)),
        ResourceConstraint::Is(name) => Scope::Is(kind(name)),
        ResourceConstraint::IsIn(name, uid) => Scope::IsIn(kind(name), own(uid)),
    };
    let action = match policy.action_constraint() {
        ActionConstraint::Any => ActionScope::Any,
        ActionConstraint::Eq(uid) => ActionScope::Eq(own(uid)),
        ActionConstraint::In(uids) => ActionScope::In(uids.into_iter().map(own).collect()),
    };
    let permits = policy.effect() == Effect::Permit;
    Statute { reference, permits, shadow, notes, principal, action, resource, conditions, policy, file }
}

/// One policy that stands in no file.
pub(crate) fn permit_of(text: &str) -> Option<Statute> {
    let policy = Policy::parse(None, text).ok()?;
    let reference =
        PolicyRef { id: derived_id(text), cedar_id: text.into(), place: text.into(), controls: Arc::new([]) };
    Some(statute(reference, Shadow::Nowhere, Notes::default(), &policy, None))
}

/// Action, resource and condition of a grant's `permit`; `None` if it names what the plan does not hold.
fn head_of(plan: &Plan, grant: &Grant) -> Option<String> {
    let when = |name: &str| format!(" when {{ resource.name == {} }}", cedar_string(name));
    let route = |name: &str| plan.routes.get(name).map(|route| (route.id, &route.spec));
    Some(match grant {
        Grant::Model(Pattern::Any) => {
            "action == Alcaide::Action::\"use_model\", resource is Alcaide::Model)".into()
        }
        Grant::Model(Pattern::Exactly(name)) => {
            let (id, Route::Model(_)) = route(name)? else { return None };
            format!("action == Alcaide::Action::\"use_model\", resource == Alcaide::Model::\"{id}\")")
        }
        Grant::Tool(server, tool) => {
            let action = "action in Alcaide::Action::\"call_tool\"";
            match (server, tool) {
                (Pattern::Any, Pattern::Any) => format!("{action}, resource is Alcaide::Tool)"),
                (Pattern::Any, Pattern::Exactly(tool)) => {
                    format!("{action}, resource is Alcaide::Tool){}", when(tool))
                }
                (Pattern::Exactly(server), tool) => {
                    let (id, Route::Mcp(_)) = route(server)? else { return None };
                    match tool {
                        Pattern::Any => format!("{action}, resource in Alcaide::Server::\"{id}\")"),
                        Pattern::Exactly(tool) => {
                            let known = |one: &&alcaide_inventory::plan::PlacedTool| {
                                one.spec.server.as_str() == server && one.spec.name == *tool
                            };
                            let id = plan.tools.iter().find(known)?.id;
                            format!("{action}, resource == Alcaide::Tool::\"{id}\")")
                        }
                    }
                }
            }
        }
        Grant::Api(service, operation) => {
            let action = "action == Alcaide::Action::\"call_api\"";
            match (service, operation) {
                (Pattern::Any, Pattern::Any) => format!("{action}, resource is Alcaide::ApiOperation)"),
                (Pattern::Any, Pattern::Exactly(name)) => {
                    format!("{action}, resource is Alcaide::ApiOperation){}", when(name))
                }
                (Pattern::Exactly(service), operation) => {
                    let (id, Route::Service(found)) = route(service)? else { return None };
                    match operation {
                        Pattern::Any => format!("{action}, resource in Alcaide::Service::\"{id}\")"),
                        Pattern::Exactly(name) => {
                            found.operations.iter().find(|one| one.name.as_str() == name)?;
                            format!("{action}, resource == Alcaide::ApiOperation::\"{id}/{name}\")")
                        }
                    }
                }
            }
        }
    })
}

/// FNV-1a over the text, 128 bits: a stable opaque name, no proof of anything.
fn derived_id(text: &str) -> PolicyId {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in text.bytes() {
        hash ^= u128::from(byte);
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    PolicyId::from_bits(hash)
}

fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
