//! Declared examples, as `alcaide policy test` runs them.
//!
//! ```toml
//! [[case]]
//! name = "a large invoice needs a second person"
//! agent = "invoice-bot"          # or `workload`, or `human`
//! on_behalf_of = "ana"           # a human; the caller itself where not given
//! action = "call_tool"
//! resource = "erp/post_invoice"
//! expect = "ask"                 # allow, ask or refuse
//!
//! [case.context]
//! args = { amount = 20000 }
//! findings = { card = 1 }
//! provenance = { amount = "user_attested" }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use alcaide_finding::Class;
use alcaide_inventory::{Actor, HumanId, Moment, RouteId};
use alcaide_label::{Confidentiality, Integrity, Label, Provenance};
use serde::Deserialize;

use crate::ask::{Action, Ask, Context, Flow, ModelStanding, Resource, SoFar, UserWords};
use crate::compile::Compiled;
use crate::explain::Explanation;
use crate::fault::{line_column, one_line};
use crate::house::RouteKind;
use crate::outcome::Outcome;

/// A case file could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// Not TOML, an unknown key, or a value that its key does not take.
    #[error("`{file}` line {line} column {column}: {why}")]
    Syntax {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// A case names something that the plan does not hold.
    #[error("case `{case}` names {kind} `{given}`, which the plan does not hold")]
    Unknown {
        /// The case.
        case: String,
        /// What was looked for.
        kind: &'static str,
        /// What was given.
        given: String,
    },
    /// A file holds no such case, or several.
    #[error("`{file}` holds {count} cases, and not exactly one {given}")]
    Unnamed {
        /// The file.
        file: String,
        /// Which was looked for, in words.
        given: String,
        /// How many the file holds.
        count: usize,
    },
    /// A case names no caller, or more than one.
    #[error("case `{case}` must name one of `agent`, `workload` and `human`")]
    Caller {
        /// The case.
        case: String,
    },
}

/// How all cases of a file went.
#[derive(Clone, Debug)]
#[must_use]
pub struct CaseReport {
    /// One per case, in the order of the file.
    pub results: Vec<CaseResult>,
}

/// How one case went.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// `allow`, `ask` or `refuse`.
    pub expected: &'static str,
    /// What was decided.
    pub outcome: Outcome,
    /// Cedar ids of the policies that decided.
    pub determining: Vec<String>,
}

/// A call as people describe it, by names.
#[derive(Clone, Debug)]
pub struct Described {
    /// What errors call it.
    pub name: String,
    /// Who calls: `agent`, `workload` or `human`.
    pub kind: &'static str,
    /// The caller's name.
    pub caller: String,
    /// A human on whose behalf; the caller itself where none is named.
    pub on_behalf_of: Option<String>,
    /// What is to be done.
    pub action: Action,
    /// To what, as [`Compiled::resource`] reads it.
    pub resource: String,
    /// The exact bytes of a tool's arguments, in place of those of `context`.
    pub args: Option<String>,
    /// All else.
    pub context: CaseContext,
}

impl CaseResult {
    /// Whether it came out as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome.as_str() == self.expected
    }
}

impl CaseReport {
    /// Whether all cases came out as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.results.iter().all(CaseResult::passed)
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.results {
            let word = if one.passed() { "pass" } else { "FAIL" };
            write!(out, "{word}  {}: {}", one.name, one.outcome.as_str())?;
            if !one.passed() {
                write!(out, ", expected {}", one.expected)?;
            }
            if !one.determining.is_empty() {
                write!(out, " (by {})", one.determining.join(", "))?;
            }
            writeln!(out)?;
        }
        let passed = self.results.iter().filter(|one| one.passed()).count();
        writeln!(out, "{passed} of {} cases passed", self.results.len())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(default, rename = "case")]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    agent: Option<String>,
    workload: Option<String>,
    human: Option<String>,
    on_behalf_of: Option<String>,
    action: ActionWord,
    resource: String,
    expect: Expect,
    #[serde(default)]
    context: CaseContext,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct ActionWord(Action);

impl TryFrom<String> for ActionWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let known = Action::ALL.map(Action::as_str).join("`, `");
        let cut: String = word.chars().take(80).collect();
        Action::from_word(&word).map(Self).ok_or_else(|| format!("`{cut}` is no action; known are `{known}`"))
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Allow,
    Ask,
    Refuse,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Words {
    #[default]
    None,
    Asserted,
    Attested,
}

/// What is told of a call besides who, what and whereto, by the names that people use: the table `[case.context]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaseContext {
    integrity: Integrity,
    confidentiality: Confidentiality,
    findings: BTreeMap<Class, u32>,
    approvals: Vec<String>,
    budget_used: u8,
    user_words: Words,
    unix_time: u64,
    args: Option<serde_json::Map<String, serde_json::Value>>,
    provenance: BTreeMap<String, Provenance>,
    flow: CaseFlow,
    model: ModelStanding,
    uninspected: bool,
    key_bound: bool,
    tool_changed: bool,
}

/// Where arguments come from and what they do: the table `[case.context.flow]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseFlow {
    unbound: Vec<Box<str>>,
    copied: Vec<Box<str>>,
    carries: Vec<Box<str>>,
    leaks: Vec<Box<str>>,
    look_alikes: Vec<Box<str>>,
    handles: Vec<Box<str>>,
    over: Vec<Box<str>>,
    in_scope: bool,
    reaches_out: bool,
    own_words: bool,
    named: bool,
    calls: u32,
    count_over: bool,
    repeats: u32,
    targets: u32,
    argument_bytes: u64,
    so_far: SoFar,
    forgotten: bool,
}

impl CaseFlow {
    fn view(&self) -> Flow<'_> {
        Flow {
            unbound: &self.unbound,
            copied: &self.copied,
            carries: &self.carries,
            leaks: &self.leaks,
            look_alikes: &self.look_alikes,
            handles: &self.handles,
            over: &self.over,
            in_scope: self.in_scope,
            reaches_out: self.reaches_out,
            own_words: self.own_words,
            named: self.named,
            calls: self.calls,
            count_over: self.count_over,
            repeats: self.repeats,
            targets: self.targets,
            argument_bytes: self.argument_bytes,
            so_far: self.so_far,
            forgotten: self.forgotten,
        }
    }
}

impl Default for CaseContext {
    fn default() -> Self {
        Self {
            integrity: Label::CLEAN.integrity,
            confidentiality: Label::CLEAN.confidentiality,
            findings: BTreeMap::new(),
            approvals: Vec::new(),
            budget_used: 0,
            user_words: Words::None,
            unix_time: 0,
            args: None,
            provenance: BTreeMap::new(),
            flow: CaseFlow::default(),
            model: ModelStanding::default(),
            uninspected: false,
            key_bound: false,
            tool_changed: false,
        }
    }
}

impl Compiled {
    /// Runs the declared examples of one TOML file.
    ///
    /// # Errors
    /// [`CaseError`] if the file cannot be read or names what the plan does not hold; a case that comes out otherwise
    /// than expected is no error but stands in the report.
    pub fn test(&self, file: &str, cases: &str) -> Result<CaseReport, CaseError> {
        let results = read(file, cases)?.cases.iter().map(|case| self.run(case)).collect::<Result<_, _>>()?;
        Ok(CaseReport { results })
    }

    /// The resource that people mean by a name, for an action: a model's name, `server/tool`, `service/operation`,
    /// `provider/tool` of a hosted tool, `server/method`, `server/prompt`, `server/uri`, a peer's or an agent's name.
    /// For `detokenise` and `approve`, which take several kinds, the kind comes first: `tool/files/read_file`,
    /// `model/NAME`, `api/SERVICE/OPERATION`, `hosted/PROVIDER/TOOL`, `agent/NAME`.
    ///
    /// Tools that the server may have but the plan does not know are [`Resource::UndeclaredTool`]. `None` if the plan
    /// holds nothing of that name.
    #[must_use]
    pub fn resource<'a>(&self, action: Action, text: &'a str) -> Option<Resource<'a>> {
        let pair = || text.split_once('/');
        let route = |kind: RouteKind, name: &str| {
            let mut routes = self.house.routes.iter();
            routes.find(|(_, facts)| facts.kind == kind && facts.name.as_str() == name).map(|(id, _)| *id)
        };
        let server = |name: &str| route(RouteKind::Server, name);
        match action {
            Action::UseModel => route(RouteKind::Model, text).map(Resource::Model),
            Action::CallTool => {
                let (on, name) = pair()?;
                let mut tools = self.house.tools.iter();
                match tools.find(|(_, tool)| tool.server.as_str() == on && tool.name == name) {
                    Some((id, _)) => Some(Resource::Tool(*id)),
                    None => Some(Resource::UndeclaredTool { server: server(on)?, name }),
                }
            }
            Action::CallMethod => {
                let (on, name) = pair()?;
                Some(Resource::Method { server: Some(server(on)?), name })
            }
            Action::GetPrompt => {
                let (on, name) = pair()?;
                Some(Resource::Prompt { server: server(on)?, name })
            }
            Action::ReadResource => {
                let (on, uri) = pair()?;
                Some(Resource::Document { server: server(on)?, uri })
            }
            Action::CallApi => {
                let (on, name) = pair()?;
                let service = route(RouteKind::Service, on)?;
                let known = self.house.routes.get(&service)?.operations.contains_key(name);
                known.then_some(Resource::Operation { service, name })
            }
            Action::UseHosted => pair().map(|(provider, tool)| Resource::Hosted { provider, tool }),
            Action::MessagePeer => Some(Resource::Peer(text)),
            Action::Delegate => match self.actor("agent", text)? {
                Actor::Agent(id) => Some(Resource::Agent(id)),
                _ => None,
            },
            Action::Detokenise | Action::Approve => {
                let (kind, rest) = pair()?;
                let of = match kind {
                    "tool" => Action::CallTool,
                    "model" => Action::UseModel,
                    "api" => Action::CallApi,
                    "hosted" => Action::UseHosted,
                    "agent" => Action::Delegate,
                    _ => return None,
                };
                self.resource(of, rest)
            }
        }
    }

    /// Names of the operations of a service, in order.
    #[must_use]
    pub fn operations(&self, service: RouteId) -> Vec<String> {
        let found = self.house.routes.get(&service);
        let mut names: Vec<String> =
            found.iter().flat_map(|route| route.operations.keys()).map(ToString::to_string).collect();
        names.sort();
        names
    }

    /// The actor of this kind (`agent`, `human` or `workload`) and name.
    #[must_use]
    pub fn actor(&self, kind: &str, name: &str) -> Option<Actor> {
        let is_kind = |actor: &Actor| match actor {
            Actor::Agent(_) => kind == "agent",
            Actor::Human(_) => kind == "human",
            Actor::Workload(_) => kind == "workload",
        };
        let mut actors = self.house.actors.iter();
        actors.find(|(actor, facts)| is_kind(actor) && facts.name.as_str() == name).map(|(actor, _)| *actor)
    }

    fn run(&self, case: &Case) -> Result<CaseResult, CaseError> {
        let decision = self.posed(&case.described()?, |ask| self.decide_alone(ask))?;
        Ok(CaseResult {
            name: case.name.clone(),
            expected: match case.expect {
                Expect::Allow => "allow",
                Expect::Ask => "ask",
                Expect::Refuse => "refuse",
            },
            determining: decision.determining.iter().map(|one| one.cedar_id.to_string()).collect(),
            outcome: decision.outcome,
        })
    }

    /// Explains a call that is described by names.
    ///
    /// # Errors
    /// [`CaseError::Unknown`] for a name that the plan does not hold.
    pub fn explain_described(&self, described: &Described) -> Result<Explanation, CaseError> {
        self.posed(described, |ask| self.explain(ask))
    }

    /// Puts a described call as a question.
    fn posed<T>(&self, described: &Described, then: impl FnOnce(&Ask<'_>) -> T) -> Result<T, CaseError> {
        let unknown = |kind: &'static str, given: &str| CaseError::Unknown {
            case: cut(&described.name),
            kind,
            given: cut(given),
        };
        let human = |name: &String| match self.actor("human", name) {
            Some(Actor::Human(id)) => Ok(id),
            _ => Err(unknown("human", name)),
        };
        let (kind, name) = (described.kind, &described.caller);
        let actor = self.actor(kind, name).ok_or_else(|| unknown(kind, name))?;
        let subject = described.on_behalf_of.as_ref().map(human).transpose()?.map_or(actor, Actor::Human);
        let action = described.action;
        let resource = self
            .resource(action, &described.resource)
            .ok_or_else(|| unknown("resource", &described.resource))?;
        let given = &described.context;
        let findings: Vec<(Class, u32)> =
            given.findings.iter().map(|(class, count)| (*class, *count)).collect();
        let approvals: Vec<HumanId> = given.approvals.iter().map(human).collect::<Result<_, _>>()?;
        let provenance: Vec<(&str, Provenance)> =
            given.provenance.iter().map(|(name, from)| (name.as_str(), *from)).collect();
        let own = given.args.as_ref().map(|args| serde_json::Value::Object(args.clone()).to_string());
        let args = described.args.as_deref().or(own.as_deref());
        let context = Context {
            task: Label { integrity: given.integrity, confidentiality: given.confidentiality },
            findings: &findings,
            approvals: &approvals,
            budget_used: given.budget_used,
            user_words: match given.user_words {
                Words::None => UserWords::None,
                Words::Asserted => UserWords::Asserted,
                Words::Attested => UserWords::Attested,
            },
            now: Moment::from_secs(given.unix_time),
            args: args.map(str::as_bytes),
            provenance: &provenance,
            flow: given.flow.view(),
            model: given.model,
            uninspected: given.uninspected,
            key_bound: given.key_bound,
            tool_changed: given.tool_changed,
        };
        Ok(then(&Ask { actor, subject, earlier: &[], task: None, action, resource, context }))
    }
}

impl Case {
    fn described(&self) -> Result<Described, CaseError> {
        let (kind, caller) = match (&self.agent, &self.workload, &self.human) {
            (Some(name), None, None) => ("agent", name),
            (None, Some(name), None) => ("workload", name),
            (None, None, Some(name)) => ("human", name),
            _ => return Err(CaseError::Caller { case: cut(&self.name) }),
        };
        Ok(Described {
            name: self.name.clone(),
            kind,
            caller: caller.clone(),
            on_behalf_of: self.on_behalf_of.clone(),
            action: self.action.0,
            resource: self.resource.clone(),
            args: None,
            context: self.context.clone(),
        })
    }
}

impl Described {
    /// The arguments of the call, where there are any.
    #[must_use]
    pub fn given_args(&self) -> Option<serde_json::Value> {
        match &self.args {
            Some(text) => serde_json::from_str(text).ok(),
            None => self.context.args.clone().map(serde_json::Value::Object),
        }
    }

    /// The example of this name in a file of examples; without a name, the only one.
    ///
    /// # Errors
    /// [`CaseError`]: the file cannot be read, or it holds no such example, or several.
    pub fn of_case(file: &str, text: &str, name: Option<&str>) -> Result<Self, CaseError> {
        let cases = read(file, text)?.cases;
        let given = name.map_or_else(|| "in it".to_owned(), |name| format!("called `{}`", cut(name)));
        let none = || CaseError::Unnamed { file: cut(file), given, count: cases.len() };
        let mut found = cases.iter().filter(|case| name.is_none_or(|name| case.name == name));
        match (found.next(), found.next()) {
            (Some(case), None) => case.described(),
            _ => Err(none()),
        }
    }
}

/// Reads a file of examples.
fn read(file: &str, text: &str) -> Result<CaseFile, CaseError> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = line_column(text, error.span().map_or(0, |span| span.start));
        CaseError::Syntax { file: cut(file), line, column, why: one_line(error.message()) }
    })
}

fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect()
}
